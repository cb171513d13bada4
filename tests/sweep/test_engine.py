import os
import signal
import sys

import pytest
import torch
from support import read_rows, write_machine

from mimii.errors import StorageError, TaskError, UserError
from mimii.runtime.processes import in_parallel
from mimii.settings import DataSettings, DetectionSettings, RunSettings, TrainingSettings
from mimii.storage.names import CACHE_VERSION
from mimii.sweep import detection, engine, experiment
from mimii.sweep.detection import DetectionTask
from mimii.sweep.engine import run_task
from mimii.sweep.rows import Outcome


class Task:
    name = "vae 6dB fan id_00"
    settings = TrainingSettings()
    is_network = True

    def __init__(self, result=None):
        self.result = result

    def run(self):
        if isinstance(self.result, BaseException):
            raise self.result
        return self.result


def test_a_task_gives_its_outcome():
    outcome = Outcome(Task.name, rows=[{"auc": 1.0}])
    assert run_task(Task(outcome)) is outcome


@pytest.mark.parametrize("error", [TaskError("nothing to train on"), UserError("disk full")])
def test_a_known_failure_becomes_an_outcome_with_its_reason(error):
    outcome = run_task(Task(error))
    assert outcome.failed
    assert outcome.task == Task.name
    assert outcome.message == str(error)
    assert outcome.rows == []


@pytest.mark.parametrize(
    "error", [ValueError("first line\nsecond line"), MemoryError(), KeyError("x"), OSError(28, "full")]
)
def test_an_unexpected_failure_becomes_an_outcome_of_one_line_with_the_traceback_aside(error):
    outcome = run_task(Task(error))
    assert outcome.failed
    assert type(error).__name__ in outcome.message
    assert "\n" not in outcome.message
    assert "Traceback" in outcome.details


def test_a_file_that_can_not_be_written_ends_the_run():
    with pytest.raises(StorageError):
        run_task(Task(StorageError("cannot write model.pt: no space left")))


def test_ctrl_c_is_no_failure_of_a_task():
    with pytest.raises(KeyboardInterrupt):
        run_task(Task(KeyboardInterrupt()))


def test_a_task_runs_with_one_thread():
    class Threads(Task):
        def run(self):
            return torch.get_num_threads()

    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        assert list(in_parallel(run_task, [Threads()], jobs=1)) == [1]
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


class Deadly(DetectionTask):
    """Its process is killed for one machine, as the system does where memory runs out."""

    def run(self):
        if self.group.key[-1] == "id_00":
            os.kill(os.getpid(), signal.SIGKILL)
        return super().run()


def settings_for(directory, **run):
    directories = {f"{name}_dir": directory / name for name in ("pickle", "model", "result")}
    return DetectionSettings(
        data=DataSettings(base_dir=directory / "data"),
        run=RunSettings(**{"models": ("isolation_forest",), "scope": "machine", "jobs": 2} | directories | run),
    )


@pytest.mark.skipif(sys.platform == "win32", reason="processes are killed otherwise there")
@pytest.mark.faults
def test_a_task_that_kills_its_process_is_named_at_the_end_and_the_rest_is_kept(tmp_path, log_lines):
    for machine in ("id_00", "id_02"):
        write_machine(tmp_path / "data" / "6dB" / "fan" / machine, normal=3, abnormal=1, seconds=0.5)
    settings = settings_for(tmp_path)
    experiment.check(settings, settings.run.models)
    recordings = detection.prepare(settings)
    table = experiment.open_table(settings)
    result = engine.run_tasks(detection.plan(settings, recordings, Deadly), settings.run, table, recordings)
    assert result.failed == ["isolation_forest 6dB fan id_00"]
    assert list(read_rows(result.table)["machine_id"]) == ["id_02"]
    assert list(result.rows["machine_id"]) == ["id_02"]
    assert log_lines[-1] == "ERROR 1 of 2 failed: isolation_forest 6dB fan id_00."
    text = "\n".join(log_lines)
    assert text.count("isolation_forest 6dB fan id_00: its process was killed") == 2
    assert "isolation_forest 6dB fan id_00: two processes died of it" in text


def test_synthetic_machines_beside_real_ones_are_refused(tmp_path):
    write_machine(tmp_path / "data" / "6dB" / "fan" / "id_00", normal=1, abnormal=1)
    write_machine(tmp_path / "data" / "demo" / "6dB" / "pump" / "id_00", normal=1, abnormal=1)
    (tmp_path / "data" / "demo" / "README.txt").write_text("SYNTHETIC data\n", encoding="utf-8")

    def use(base):
        run = RunSettings(models=("knn",), scope="machine")
        return len(detection.prepare(DetectionSettings(data=DataSettings(base_dir=base), run=run)))

    with pytest.raises(UserError, match="synthetic"):
        use(tmp_path / "data")
    assert use(tmp_path / "data" / "demo") == 2
    assert use(tmp_path / "data" / "6dB") == 2


@pytest.mark.parametrize(
    ("run", "message"),
    [
        ({"models": ()}, "no model is chosen"),
        ({"models": ("super_ae",)}, r"unknown model super_ae \(did you mean .*\?\); there are simple_ae"),
        ({"models": ("simple_classifier",)}, "unknown model simple_classifier"),
    ],
)
def test_models_that_the_experiment_does_not_have_are_refused(run, message, tmp_path):
    write_machine(tmp_path / "data" / "6dB" / "fan" / "id_00", normal=1, abnormal=1, seconds=0.1)
    with pytest.raises(UserError, match=message):
        experiment.run(settings_for(tmp_path, **run))


def test_caches_of_other_versions_are_named_and_made_again(tmp_path, log_lines):
    write_machine(tmp_path / "data" / "6dB" / "fan" / "id_00", normal=3, abnormal=1, seconds=0.5)
    for path in (
        tmp_path / "pickle" / f"6dB_fan_id_00_{'a' * 16}.pickle",
        tmp_path / "model" / f"knn_{'b' * 16}.skops",
    ):
        path.parent.mkdir()
        path.write_bytes(b"old")
    result = experiment.run(settings_for(tmp_path, models=("knn",), jobs=1))
    assert len(result.rows) == 1
    named = [line for line in log_lines if "another version of this program" in line]
    assert len(named) == 2
    assert "6dB_fan_id_00_aaaaaaaaaaaaaaaa.pickle" in named[0]
    for directory in ("pickle", "model"):
        assert len(list((tmp_path / directory).glob(f"*.v{CACHE_VERSION}.*"))) == 1


@pytest.mark.parametrize(("jobs", "machines", "expected"), [(4, 1, 1), (2, 3, 2), (1, 2, 1)])
def test_jobs_in_a_row_are_those_that_ran_beside_it(jobs, machines, expected, tmp_path, monkeypatch):
    for number in range(machines):
        write_machine(tmp_path / "data" / "6dB" / "fan" / f"id_0{number}", normal=3, abnormal=1, seconds=0.3)
    asked = []

    def in_parallel_here(function, tasks, jobs, *_, **__):
        asked.append(jobs)
        yield from map(function, tasks)

    monkeypatch.setattr(engine, "in_parallel", in_parallel_here)
    rows = experiment.run(settings_for(tmp_path, models=("knn",), jobs=jobs)).rows
    assert asked == [expected]
    assert set(rows["jobs"]) == {expected}
    assert set(rows["synthetic"]) == {"no"}


def test_a_row_says_that_its_recordings_are_synthetic(tmp_path):
    write_machine(tmp_path / "data" / "6dB" / "fan" / "id_00", normal=3, abnormal=1, seconds=0.3)
    (tmp_path / "data" / "README.txt").write_text("SYNTHETIC data\n", encoding="utf-8")
    assert set(experiment.run(settings_for(tmp_path, models=("knn",), jobs=1)).rows["synthetic"]) == {"yes"}
