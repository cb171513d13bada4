"""Does the tasks of an experiment that are not done yet, and keeps what they give."""

import logging
from collections.abc import Callable, Generator, Sequence
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path

import pandas as pd

from mimii.errors import StorageError
from mimii.runtime.exclusive import shared_directory
from mimii.runtime.logs import about
from mimii.runtime.processes import in_parallel
from mimii.settings import RunSettings
from mimii.storage.files import check_writable
from mimii.storage.names import outdated_files
from mimii.storage.results import ResultsTable, save_csv
from mimii.sweep.rows import Outcome
from mimii.sweep.stacks import make_stacks, nothing_stacked, train
from mimii.sweep.task import Task

log = logging.getLogger(__name__)

Keep = Callable[[Outcome, pd.DataFrame], None]  # the outcome of a task, and all rows so far


@dataclass(frozen=True)
class Result:
    """What an experiment gave.

    Attributes
    ----------
    rows : pd.DataFrame
        The latest row of each run that the experiment wants, with the columns of the results table.
    recordings : pd.DataFrame
        All recordings of the experiment.
    table : Path
        The CSV that holds the rows.
    model_files : dict of str to Path
        The file of each row's trained model, by ``run_id``.
    failed : list of str
        The tasks that gave no rows, and the submissions that are not complete.
    official : pd.DataFrame
        The official scores of a challenge: rows of ``challenge_scores.csv``.
    """

    rows: pd.DataFrame
    recordings: pd.DataFrame
    table: Path
    model_files: dict[str, Path]
    failed: list[str]
    official: pd.DataFrame = field(default_factory=pd.DataFrame)


def run_task(task: Task) -> Outcome:
    """Do a task, in whatever process, and turn every failure into an outcome, so that the others go on."""
    try:
        with about(task.name), _precision(task):
            return task.run()
    except StorageError:
        raise  # nothing could be kept of the other tasks either
    except Exception as error:
        return Outcome.of_failure(task.name, error)


def _precision(task: Task) -> AbstractContextManager[None]:
    """How precisely a graphics card multiplies in a task; models that are no networks know none."""
    if not task.is_network:
        return nullcontext()
    from mimii.training.devices import precision

    return precision(tf32=task.settings.tf32)


def run_tasks(
    tasks: Sequence[Task],
    run: RunSettings,
    table: ResultsTable,
    recordings: pd.DataFrame,
    keep: Keep | None = None,
) -> Result:
    """Do the tasks that have no rows yet, and append the rows of each one as soon as it is done.

    Parameters
    ----------
    tasks : sequence of Task
        One at least; all have the same feature store.
    run : RunSettings
    table : ResultsTable
    recordings : pd.DataFrame
    keep : callable, optional
        Is called with the outcome of each task and all rows of the experiment, after they were appended.

    Returns
    -------
    Result

    Raises
    ------
    UserError
        A directory can't be used, and nothing was done yet.
    """
    done = set() if run.retrain else table.run_ids()
    pending = [rest for task in tasks if (rest := task.remaining(done))]
    if count := len(tasks) - len(pending):
        log.info("Done before, not done again: %d of %d (--retrain does them again).", count, len(tasks))
    model_files = {evaluation.run_id: task.model_path for task in tasks for evaluation in task.evaluations}
    failed: list[str] = []
    if count := len(pending):
        shared_directory()
        if any(run.retrain or not task.model_path.exists() for task in pending):
            check_writable(run.model_dir, "models that are to be trained")
        _name_outdated(run)
        store = pending[0].store
        parts = _parts(pending, run)
        device = next((task.device for task in pending if task.device != "cpu"), "cpu")
        # a machine is in the tasks of several models and seeds
        machines = {store.path(machine): machine for task in pending for machine in task.group.machines}
        with_samples = [machine for task in pending if task.needs_samples for machine in task.group.machines]
        store.extract(list(machines.values()), run.jobs or _cores(), run.scheduler, device, with_samples)
        epochs = sum(task.epochs for task in pending)
        trained = sum(map(_is_trained, pending))
        log.info(
            "Training %d model(s)%s on %s, %s at a time.",
            len(pending) - trained,
            f" and evaluating {trained} more" if trained else "",
            device,
            ", then ".join(str(part[0].jobs) for part in parts),
            extra={"sweep": (len(pending), epochs)},
        )
        pending, failed = _train_stacks(pending, run)
        with closing(_sweep(_parts(pending, run), run, table)) as outcomes:  # closed, it ends the processes
            for outcome in outcomes:
                if outcome.failed:
                    failed.append(outcome.task)
                elif keep:
                    keep(outcome, table.latest(model_files))
    if failed:
        log.error("%d of %d failed: %s.", len(failed), count, ", ".join(failed))
    return Result(table.latest(model_files), recordings, table.path, model_files, failed)


def _train_stacks(pending: list[Task], run: RunSettings) -> tuple[list[Task], list[str]]:
    """Train what can be trained side by side; gives the tasks that are left, and the names of those that failed.

    One job at a time is one network at a time, so that its training time is its own.
    """
    on_gpu = [task for task in pending if task.can_be_stacked]
    if not on_gpu or run.jobs == 1:
        return pending, []
    places = on_gpu[0].jobs if run.scheduler else _devices(on_gpu)
    stacks = make_stacks(on_gpu, places)
    trained: set[Path] = set()
    failed: dict[Path, str] = {}
    with closing(in_parallel(train, stacks, places, run.scheduler, lost=nothing_stacked, apart=True)) as results:
        for stacked in results:
            trained |= stacked.trained
            for path, outcome in stacked.failed.items():
                failed[path] = outcome.task
                _say_failed(outcome)
    left = [task for task in pending if task.model_path not in failed]
    done = [replace(task, retrain=False) if task.model_path in trained else task for task in left]
    return done, list(failed.values())


def _say_failed(outcome: Outcome) -> None:
    log.error("%s: %s", outcome.task, outcome.message, extra={"task_ended": True})
    log.debug("%s", outcome.details)


def _parts(pending: Sequence[Task], run: RunSettings) -> list[list[Task]]:
    """Tasks that run side by side, part after part: on a GPU, on all cores, and those that take gigabytes each."""
    heavy = [] if run.scheduler else [task for task in pending if task.needs_samples]
    on_cpu = [task for task in pending if task.device == "cpu" and task not in heavy]
    on_gpu = [task for task in pending if task.device != "cpu" and task not in heavy]
    most = len(pending)
    # measuring takes longest where nothing is to be trained, and only one measures at a time
    of_gpu = _devices(on_gpu) if not run.scheduler and all(map(_is_trained, on_gpu)) else most
    return [
        [replace(task, jobs=min(task.jobs, places, len(part))) for task in part]
        for part, places in ((on_gpu, of_gpu), (on_cpu, most), (heavy, _devices(heavy)))
        if part
    ]


def _devices(tasks: Sequence[Task]) -> int:
    return len({task.device for task in tasks})


def _is_trained(task: Task) -> bool:
    return not task.retrain and task.model_path.exists()


def _sweep(parts: Sequence[Sequence[Task]], run: RunSettings, table: ResultsTable) -> Generator[Outcome]:
    """Do tasks in several processes, one part after the other, and keep the results of each as soon as it is done."""
    number, count = 0, sum(map(len, parts))
    for part in parts:
        with closing(in_parallel(run_task, part, part[0].jobs, run.scheduler, lost=_lost)) as outcomes:
            for outcome in outcomes:
                number += 1
                if outcome.failed:
                    _say_failed(outcome)
                else:
                    for path, content in outcome.files.items():
                        save_csv(run.result_dir / path, content)
                    table.append(outcome.rows, again=run.retrain)  # the rows last: they say that the rest is kept
                    text = f"{number}/{count} {outcome.task}: {outcome.message}"
                    log.info("%s", text, extra={"task_ended": True})
                yield outcome


def _lost(task: Task) -> Outcome:
    return Outcome(task.name, message="two processes died of it; give the command again with fewer --jobs", failed=True)


def _cores() -> int:
    from joblib import cpu_count

    return int(cpu_count())


def _name_outdated(run: RunSettings) -> None:
    for directory in dict.fromkeys((run.pickle_dir, run.model_dir)):
        if directory.is_dir() and (old := outdated_files(directory)):
            log.warning(
                "%d file(s) in %s, such as %s, are of another version of this program: they are not used, what they "
                "hold is made again, and they can be deleted.",
                len(old),
                directory,
                old[0].name,
            )
