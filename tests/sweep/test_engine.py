import os
import signal
import sys

import pytest
import torch
from support import read_rows, write_machine

import exp_autoencoding
from mimii.data.recordings import split_for_detection
from mimii.errors import StorageError, TaskError, UserError
from mimii.runtime.processes import in_parallel
from mimii.settings import TrainingSettings
from mimii.sweep import detection, engine
from mimii.sweep.engine import Summary, session
from mimii.sweep.task import Outcome, make_pools


class Task:
    name = "vae 6dB fan id_00"
    settings = TrainingSettings()

    def __init__(self, result=None):
        self.result = result

    def run(self):
        if isinstance(self.result, BaseException):
            raise self.result
        return self.result


def test_a_task_gives_its_outcome():
    outcome = Outcome(Task.name, rows=[{"auc": 1.0}])
    assert engine.do(Task(outcome)) is outcome


@pytest.mark.parametrize("error", [TaskError("nothing to train on"), UserError("disk full")])
def test_a_known_failure_becomes_an_outcome_with_its_reason(error):
    outcome = engine.do(Task(error))
    assert outcome.failed
    assert outcome.task == Task.name
    assert outcome.message == str(error)
    assert outcome.rows == []


@pytest.mark.parametrize(
    "error", [ValueError("first line\nsecond line"), MemoryError(), KeyError("x"), OSError(28, "full")]
)
def test_an_unexpected_failure_becomes_an_outcome_of_one_line_with_the_traceback_aside(error):
    outcome = engine.do(Task(error))
    assert outcome.failed
    assert type(error).__name__ in outcome.message
    assert "\n" not in outcome.message
    assert "Traceback" in outcome.details


def test_a_file_that_can_not_be_written_ends_the_run():
    with pytest.raises(StorageError):
        engine.do(Task(StorageError("cannot write model.pt: no space left")))


def test_ctrl_c_is_no_failure_of_a_task():
    with pytest.raises(KeyboardInterrupt):
        engine.do(Task(KeyboardInterrupt()))


def test_a_task_runs_with_one_thread():
    class Threads(Task):
        def run(self):
            return torch.get_num_threads()

    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        assert list(in_parallel(engine.do, [Threads()], jobs=1)) == [1]
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


class Deadly(detection.DetectionTask):
    """Its process is killed, as the system does where memory runs out."""

    def run(self):
        os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.skipif(sys.platform == "win32", reason="processes are killed otherwise there")
def test_a_task_that_kills_its_process_is_named_at_the_end_and_the_rest_is_kept(tmp_path, capsys):
    for machine in ("id_00", "id_02"):
        write_machine(tmp_path / "data" / "6dB" / "fan" / machine, normal=3, abnormal=1, seconds=0.5)
    options = [f"--{name}_dir={tmp_path / name}" for name in ("pickle", "model", "result")]
    models = ["--model", "isolation_forest", "--jobs", "2"]
    args = exp_autoencoding.parse_args([f"--base_dir={tmp_path / 'data'}", *options, *models])
    with session(args, detection.COLUMNS) as lab:
        pools = make_pools(split_for_detection(lab.recordings), "machine")
        tasks = [*lab.make_tasks(Deadly, pools[:1], 42), *lab.make_tasks(detection.DetectionTask, pools[1:], 42)]
        assert lab.run(tasks, Summary("machines", {"auc": "AUC"})) == 1
    assert list(read_rows(args.output_csv)["machine_id"]) == ["id_02"]
    output = capsys.readouterr()
    assert "1 row in" in output.out
    assert output.err.splitlines()[-1] == "error: 1 of 2 failed: isolation_forest 6dB fan id_00."
    assert output.err.count("isolation_forest 6dB fan id_00: its process was killed") == 2
    assert "isolation_forest 6dB fan id_00: two processes died of it" in output.err


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
