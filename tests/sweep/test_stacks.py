"""What a stack of networks leaves behind: files of models, from which the tasks make their rows."""

import multiprocessing

import numpy as np
import pytest
import torch
from support import write_machine

from mimii.errors import StorageError, TaskError
from mimii.models import REGISTRY
from mimii.models.files import load_model
from mimii.runtime.processes import call_with_one_thread, in_parallel
from mimii.settings import DataSettings, DetectionSettings, RunSettings, ScoringSettings, TrainingSettings
from mimii.sweep import detection, engine, experiment, stacks
from mimii.sweep.detection import DetectionTask
from mimii.training import stacked
from mimii.training.inference import NoRoomError

DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA"))]
COSTS = ("time", "per_sec", "mb", "timestamp", "jobs", "stacked")


@pytest.fixture
def on_any_device(monkeypatch):
    """Let networks be stacked on the CPU too."""
    monkeypatch.setattr(DetectionTask, "can_be_stacked", property(lambda task: REGISTRY[task.model].reconstructs))
    monkeypatch.setattr(stacks, "_width", lambda tasks, device: 3)

    def in_parallel_here(function, tasks, *_, **__):
        yield from (call_with_one_thread(function, task) for task in tasks)

    monkeypatch.setattr(engine, "in_parallel", in_parallel_here)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Four machines, whose features are there."""
    directory = tmp_path_factory.mktemp("stacks") / "data"
    for number in range(4):
        write_machine(directory / "6dB" / "fan" / f"id_0{number}", normal=8 + 2 * number, abnormal=3, seconds=0.8)
    experiment.run(settings_for(directory, directory.parent, models=("knn",), jobs=1))
    return directory


def settings_for(data, results, device="cpu", **changes):
    directories = {f"{name}_dir": results / name for name in ("model", "result")}
    directories["pickle_dir"] = data.parent / "features"
    run = {"models": ("simple_ae", "knn"), "scope": "machine", "jobs": 2, "device": device} | directories
    training = {"epochs": 2, "batch_size": 64} | changes.pop("training", {})
    return DetectionSettings(
        data=DataSettings(base_dir=data),
        run=RunSettings(**(run | changes)),
        training=TrainingSettings(**training),
        scoring=ScoringSettings(scoring=("mse", "mahalanobis")),
    )


def comparable(rows):
    rows = rows.sort_values(["model", "machine_id", "scoring", "seed"]).reset_index(drop=True)
    return rows.drop(columns=[name for name in rows if any(part in name for part in COSTS)])


@pytest.mark.parametrize("device", DEVICES)
def test_rows_of_networks_that_were_stacked_are_those_of_networks_that_were_trained_alone(
    device, data, tmp_path, on_any_device, monkeypatch
):
    stacked = experiment.run(settings_for(data, tmp_path / "stacked", device, seeds=(1, 2)))
    monkeypatch.setattr(DetectionTask, "can_be_stacked", False)
    alone = experiment.run(settings_for(data, tmp_path / "alone", device, seeds=(1, 2)))
    assert not stacked.failed
    one, other = comparable(stacked.rows), comparable(alone.rows)
    assert len(one) == 2 * 2 * 4 + 4
    for name in one:
        if one[name].dtype.kind == "f":
            assert np.allclose(one[name], other[name], rtol=2e-3, equal_nan=True), name
        else:
            assert one[name].equals(other[name]), name
    networks = stacked.rows["model"] == "simple_ae"
    assert set(stacked.rows.loc[networks, "stacked_with"]) >= {2}
    assert (stacked.rows.loc[~networks, "stacked_with"] == 0).all()
    assert (stacked.rows["training_time_sec"] > 0).all()
    assert (alone.rows["stacked_with"] == 0).all()


def test_what_is_trained_is_not_trained_again_and_what_is_missing_is(data, tmp_path, on_any_device, log_lines):
    first = experiment.run(settings_for(data, tmp_path, models=("simple_ae",)))
    of = {path.name: path.read_bytes() for path in first.model_files.values()}
    assert len(of) == 4
    for row in first.rows.itertuples():
        if row.machine_id in ("id_01", "id_03"):
            first.model_files[row.run_id].unlink(missing_ok=True)
    (tmp_path / "result" / "research_results.csv").unlink()
    log_lines.clear()
    again = experiment.run(settings_for(data, tmp_path, models=("simple_ae",)))
    assert [line for line in log_lines if "side by side" in line] == [
        "INFO Training 2 networks of simple_ae on cpu, 2 side by side."
    ]
    assert comparable(again.rows).equals(comparable(first.rows))
    log_lines.clear()
    retrained = experiment.run(settings_for(data, tmp_path, models=("simple_ae",), retrain=True))
    assert [line for line in log_lines if "side by side" in line] == [
        "INFO Training 4 networks of simple_ae on cpu, 3 side by side."
    ]
    assert not retrained.failed


def test_a_network_that_fails_ends_its_own_task_only(data, tmp_path, on_any_device, monkeypatch, log_lines):
    windows = DetectionTask.learning_windows

    def broken(task, features):
        if task.group.key[-1] == "id_00":
            raise TaskError("no recording for training could be used")
        learnt_from, validation = windows(task, features)
        if task.group.key[-1] == "id_02":
            features.frames[learnt_from.starts[5]] = np.inf
        return learnt_from, validation

    monkeypatch.setattr(DetectionTask, "learning_windows", broken)
    result = experiment.run(settings_for(data, tmp_path, models=("simple_ae",)))
    assert sorted(result.failed) == ["simple_ae 6dB fan id_00", "simple_ae 6dB fan id_02"]
    assert set(result.rows["machine_id"]) == {"id_01", "id_03"}
    errors = [line for line in log_lines if line.startswith("ERROR")]
    assert "ERROR simple_ae 6dB fan id_00: no recording for training could be used" in errors
    assert any("simple_ae 6dB fan id_02: the loss is not finite in epoch 1" in line for line in errors)
    assert "2 of 4 failed" in errors[-1]


def test_where_memory_is_short_fewer_are_trained_side_by_side(data, tmp_path, on_any_device, monkeypatch, log_lines):
    make, asked = stacked.Slots, []

    def short_of_memory(network, frames, regions, **sizes):
        asked.append(len(regions))
        if len(regions) > 2:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory")
        return make(network, frames, regions, **sizes)

    monkeypatch.setattr(stacked, "Slots", short_of_memory)
    monkeypatch.setattr(stacks, "_width", lambda tasks, device: 4)
    result = experiment.run(settings_for(data, tmp_path, models=("simple_ae",)))
    assert asked == [4, 2]
    assert "WARNING The GPU is short of memory: 2 networks side by side, not 4." in log_lines
    assert not result.failed
    assert set(result.rows["stacked_with"]) == {1}


class OutOfMemory:
    """Runs out of a GPU's memory the first time, in one of the words that there are for it."""

    def __init__(self, work, error):
        self.work = work
        self.error = error

    def __call__(self, *arguments, **options):
        if self.error:
            error, self.error = self.error, None
            raise error
        return self.work(*arguments, **options)


MEMORY_ERRORS = [
    torch.cuda.OutOfMemoryError("CUDA out of memory"),
    RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling cublasCreate"),
    NoRoomError("the GPU has too little room"),
]


@pytest.mark.parametrize("error", MEMORY_ERRORS)
def test_a_gpu_says_in_several_words_that_it_lacks_memory(error):
    assert stacks._is_short_of_memory(error)
    assert not stacks._is_short_of_memory(RuntimeError("an illegal instruction"))
    assert not stacks._is_short_of_memory(TaskError("out of memory is no word of a task"))


def test_where_memory_ends_in_an_epoch_the_rest_is_trained_by_fewer_side_by_side(
    data, tmp_path, on_any_device, monkeypatch, log_lines
):
    monkeypatch.setattr(stacked, "total_loss", OutOfMemory(stacked.total_loss, MEMORY_ERRORS[1]))
    monkeypatch.setattr(stacks, "_width", lambda tasks, device: 4)
    result = experiment.run(settings_for(data, tmp_path, models=("simple_ae",)))
    assert [line for line in log_lines if "side by side" in line] == [
        "INFO Training 4 networks of simple_ae on cpu, 4 side by side.",
        "WARNING The GPU is short of memory: 2 networks side by side, not 4.",
        "INFO Training 4 networks of simple_ae on cpu, 2 side by side.",
    ]
    assert not result.failed
    assert set(result.rows["stacked_with"]) == {1}


def test_a_model_that_can_not_be_completed_beside_others_is_left_to_its_task(
    data, tmp_path, on_any_device, monkeypatch
):
    keep = OutOfMemory(DetectionTask.keep, MEMORY_ERRORS[-1])
    monkeypatch.setattr(DetectionTask, "keep", lambda *arguments: keep(*arguments))
    result = experiment.run(settings_for(data, tmp_path, models=("simple_ae",)))
    assert not result.failed
    assert sorted(result.rows.drop_duplicates("machine_id")["stacked_with"] > 0) == [False, True, True, True]


def test_features_that_fail_unexpectedly_end_one_task(data, tmp_path, on_any_device, monkeypatch):
    load = DetectionTask.load_features

    def broken(task):
        if task.group.key[-1] == "id_01":
            raise ValueError("an array of 3 dimensions")
        return load(task)

    monkeypatch.setattr(DetectionTask, "load_features", broken)
    result = experiment.run(settings_for(data, tmp_path, models=("simple_ae",)))
    assert result.failed == ["simple_ae 6dB fan id_01"]
    assert (result.rows["stacked_with"] > 0).all()


def test_what_a_process_trained_before_it_died_is_not_trained_again(data, tmp_path, on_any_device, log_lines):
    (stack,) = stacks.make_stacks(planned(data, tmp_path, models=("simple_ae",)), 1)
    for task in stack.tasks:
        task.model_path.parent.mkdir(exist_ok=True)
    first = stacks.train(stack)
    stack.tasks[1].model_path.unlink()
    stack.tasks[2].model_path.unlink()
    log_lines.clear()
    assert stacks.train(stack).trained == first.trained == {task.model_path for task in stack.tasks}
    assert "INFO Training 4 networks of simple_ae on cpu, 2 side by side." in log_lines


def test_a_stack_is_a_task_for_another_process(data, tmp_path, monkeypatch):
    """It can be sent there and back, also a single one."""
    tasks = tuple(planned(data, tmp_path, models=("simple_ae",)))
    assert stacks.make_stacks(tasks, 1) == []  # on a CPU nothing is stacked
    results = list(in_parallel(_names_and_process, [stacks.Stack(tasks)], 1, apart=True))
    assert results == [([task.name for task in tasks], False)]


def _names_and_process(stack):
    return [task.name for task in stack.tasks], multiprocessing.parent_process() is None


def test_a_stack_that_fails_unexpectedly_leaves_its_networks_to_be_trained_alone(
    data, tmp_path, on_any_device, monkeypatch, log_lines
):
    def fail(*arguments, **options):
        raise RuntimeError("an illegal instruction\nand more")

    monkeypatch.setattr(stacks, "_train_on", fail)
    result = experiment.run(settings_for(data, tmp_path, models=("simple_ae",)))
    assert not result.failed
    assert set(result.rows["stacked_with"]) == {0}
    assert [line for line in log_lines if line.startswith("WARNING")] == [
        "WARNING 4 networks of simple_ae can't be trained side by side, and are trained alone: an illegal instruction."
    ]


def test_a_file_that_can_not_be_written_ends_the_run(data, tmp_path, on_any_device, monkeypatch):
    def full(*arguments):
        raise StorageError("no space left")

    monkeypatch.setattr(DetectionTask, "keep", full)
    with pytest.raises(StorageError):
        experiment.run(settings_for(data, tmp_path, models=("simple_ae",)))


def test_a_model_of_a_stack_can_be_loaded(data, tmp_path, on_any_device):
    result = experiment.run(settings_for(data, tmp_path, models=("vae",)))
    trained = load_model(next(iter(result.model_files.values())))
    assert trained.facts["stacked_with"] > 0
    assert len(trained.facts["train_loss"]) == 2


def test_one_job_at_a_time_is_one_network_at_a_time(data, tmp_path, on_any_device):
    result = experiment.run(settings_for(data, tmp_path, models=("simple_ae",), jobs=1))
    assert set(result.rows["stacked_with"]) == {0}


def planned(data, tmp_path, **changes):
    settings = settings_for(data, tmp_path, **changes)
    return detection.plan(settings, detection.prepare(settings))


def test_a_stack_has_networks_of_one_kind_the_largest_machines_first(data, tmp_path, on_any_device):
    tasks = planned(data, tmp_path, models=("simple_ae", "vae", "knn"), seeds=(3, 4))
    made = stacks.make_stacks(tasks, 1)
    assert [stack.name for stack in made] == ["8 networks of simple_ae", "8 networks of vae"]
    machines = [task.group.key[-1] for task in made[0].tasks]
    assert machines == ["id_03", "id_03", "id_02", "id_02", "id_01", "id_01", "id_00", "id_00"]


@pytest.mark.parametrize(("places", "sizes"), [(1, [4]), (2, [2, 2]), (3, [2, 2]), (9, [2, 2])])
def test_few_kinds_are_divided_among_several_gpus(places, sizes, data, tmp_path, on_any_device):
    tasks = planned(data, tmp_path, models=("simple_ae",))
    assert [len(stack.tasks) for stack in stacks.make_stacks(tasks, places)] == sizes
