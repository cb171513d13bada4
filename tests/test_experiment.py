import pytest
import torch
from conftest import write_machine

import exp_autoencoding
from mimii import detection, experiment
from mimii.errors import StorageError, TaskError, UserError
from mimii.experiment import session
from mimii.tasks import Outcome


class Task:
    name = "vae 6dB fan id_00"

    def __init__(self, result=None):
        self.result = result

    def run(self):
        if isinstance(self.result, BaseException):
            raise self.result
        return self.result


def test_a_task_gives_its_outcome():
    outcome = Outcome(Task.name, rows=[{"auc": 1.0}])
    assert experiment.do(Task(outcome)) is outcome


@pytest.mark.parametrize("error", [TaskError("nothing to train on"), UserError("disk full")])
def test_a_known_failure_becomes_an_outcome_with_its_reason(error):
    outcome = experiment.do(Task(error))
    assert outcome.failed
    assert outcome.task == Task.name
    assert outcome.message == str(error)
    assert outcome.rows == []


@pytest.mark.parametrize(
    "error", [ValueError("first line\nsecond line"), MemoryError(), KeyError("x"), OSError(28, "full")]
)
def test_an_unexpected_failure_becomes_an_outcome_of_one_line_with_the_traceback_aside(error):
    outcome = experiment.do(Task(error))
    assert outcome.failed
    assert type(error).__name__ in outcome.message
    assert "\n" not in outcome.message
    assert "Traceback" in outcome.details


def test_a_file_that_can_not_be_written_ends_the_run():
    with pytest.raises(StorageError):
        experiment.do(Task(StorageError("cannot write model.pt: no space left")))


def test_ctrl_c_is_no_failure_of_a_task():
    with pytest.raises(KeyboardInterrupt):
        experiment.do(Task(KeyboardInterrupt()))


def test_a_task_runs_with_one_thread():
    class Threads(Task):
        def run(self):
            return torch.get_num_threads()

    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        assert experiment.do(Threads()) == 1
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_synthetic_machines_beside_real_ones_are_refused(tmp_path):
    write_machine(tmp_path / "data" / "6dB" / "fan" / "id_00", normal=1, abnormal=1)
    write_machine(tmp_path / "data" / "demo" / "6dB" / "pump" / "id_00", normal=1, abnormal=1)
    (tmp_path / "data" / "demo" / "README.txt").write_text("SYNTHETIC data\n", encoding="utf-8")
    options = [f"--{name}_dir={tmp_path / name}" for name in ("pickle", "model", "result")]

    def use(base):
        args = exp_autoencoding.parse_args([f"--base_dir={base}", *options])
        with session(args, detection.COLUMNS) as lab:
            return len(lab.recordings)

    with pytest.raises(UserError, match="synthetic"):
        use(tmp_path / "data")
    assert use(tmp_path / "data" / "demo") == 2
    assert use(tmp_path / "data" / "6dB") == 2
