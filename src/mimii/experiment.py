"""What the experiments share: who is trained on what, and a sweep over tasks that keeps what is done."""

import argparse
import hashlib
import logging
import os
import sys
import traceback
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd

from mimii import cli
from mimii.errors import TaskError, UserError
from mimii.feature_store import FeatureStore
from mimii.logs import Console, about, logging_to, progress_bars
from mimii.parallel import in_parallel
from mimii.recordings import MACHINE, find_recordings, machine_name, select
from mimii.results import ResultsTable, save_csv
from mimii.settings import TrainingSettings

log = logging.getLogger(__name__)

ALL = "all"  # stands for the SNR, type or ID of a pool of machines

# what is the same in the machines of a pool
_SCOPES = {"machine": MACHINE, "type": ["snr", "machine_type"], "all": []}


@dataclass(frozen=True, eq=False)
class Pool:
    """Machines that share a model.

    Attributes
    ----------
    key : tuple of str
        SNR, type and ID; ``all`` for what differs within the pool.
    machines : list of pd.DataFrame
        The recordings of each machine.
    """

    key: tuple[str, str, str]
    machines: list[pd.DataFrame]

    @property
    def name(self) -> str:
        """The key as one name."""
        return machine_name(self.key)


def make_pools(recordings: pd.DataFrame, scope: str) -> list[Pool]:
    """Divide recordings by what shares a model: each ``machine``, each SNR and ``type``, or ``all``."""
    shared = _SCOPES[scope]
    groups = [recordings] if not shared else [group for _, group in recordings.groupby(shared)]
    pools = []
    for group in groups:
        first = group.iloc[0]
        key = tuple(first[column] if column in shared else ALL for column in MACHINE)
        machines = [machine.reset_index(drop=True) for _, machine in group.groupby(MACHINE)]
        pools.append(Pool(key, machines))
    return pools


@dataclass(frozen=True, eq=False)
class Evaluation:
    """What a row of results is about.

    Attributes
    ----------
    run_id : str
        Hash of all settings and of the recordings for training and for evaluation.
    key : tuple of str
        SNR, type and ID of a machine, or of a pool.
    recordings : pd.DataFrame
        Those that are scored.
    """

    run_id: str
    key: tuple[str, str, str]
    recordings: pd.DataFrame


@dataclass(frozen=True, eq=False)
class Task(ABC):
    """One model for one pool of machines.

    Attributes
    ----------
    model : str
        A name of the registry.
    scope : str
        ``machine``, ``type`` or ``all``.
    pool : Pool
        Its recordings have a column ``split``.
    store : FeatureStore
        Holds the features of the pool's machines.
    settings : TrainingSettings
    model_dir : Path
        Where trained models are kept.
    device : str
    jobs : int
        How many tasks run side by side; it goes into the row.
    retrain : bool
        Train even where the trained model is in ``model_dir``.
    """

    model: str
    scope: str
    pool: Pool
    store: FeatureStore
    settings: TrainingSettings
    model_dir: Path
    device: str
    jobs: int
    retrain: bool

    @property
    def name(self) -> str:
        """Model and pool."""
        return f"{self.model} {self.pool.name}"

    @property
    @abstractmethod
    def epochs(self) -> int:
        """How many epochs it trains for; 0 for a model that knows none."""

    @abstractmethod
    def evaluations(self) -> list[Evaluation]:
        """The rows that it gives."""


def derive_seed(*parts: Any) -> int:
    """A seed of 63 bits from the parts alone, so that the order of tasks changes nothing."""
    text = "|".join(map(str, parts))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


@dataclass
class Outcome:
    """What a task gave.

    Attributes
    ----------
    task : str
        Its name.
    rows : list of dict
        Rows for the results table, one a ``run_id``.
    files : dict of Path to pd.DataFrame
        Tables to keep, by their place in the results directory.
    message : str
        One line about how it went.
    failed : bool
        It gave no rows; ``message`` says why.
    details : str
        The traceback of an unexpected failure, for the log file.
    """

    task: str
    rows: list[dict[str, Any]] = field(default_factory=list)
    files: dict[Path, pd.DataFrame] = field(default_factory=dict)
    message: str = ""
    failed: bool = False
    details: str = ""


@contextmanager
def single_threaded() -> Iterator[None]:
    """One thread for torch and for the linear algebra libraries: tasks, not threads, fill the cores.

    Two threads on one small network gain 15 %, two processes nearly 100 %; and with one thread the order of sums,
    and so every bit of a result, is always the same.
    """
    import torch
    from threadpoolctl import threadpool_limits

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with threadpool_limits(1):
            yield
    finally:
        torch.set_num_threads(before)


class Work:
    """Calls a function on a task, in whatever process, and turns every failure into an outcome."""

    def __init__(self, function: Callable[[Any], Outcome]):
        self.function = function

    def __call__(self, task: Any) -> Outcome:
        """Do the task."""
        try:
            with about(task.name), single_threaded():
                return self.function(task)
        except (TaskError, UserError) as error:
            return Outcome(task.name, message=str(error), failed=True)
        except Exception as error:  # the sweep goes on, whatever happened to one of its tasks
            reason = f"{type(error).__name__}: {error}".splitlines()[0]
            return Outcome(task.name, message=reason, failed=True, details=traceback.format_exc())


class Session:
    """One run of an experiment script: its log, its results table, its features, and how it goes on where it ended.

    Parameters
    ----------
    args : argparse.Namespace
        Of the options in `mimii.cli`.
    columns : sequence of str
        Of the results table.
    console : mimii.logs.Console
    """

    def __init__(self, args: argparse.Namespace, columns: Sequence[str], console: Console):
        from joblib import cpu_count

        for directory in (args.pickle_dir, args.model_dir, args.result_dir):
            _check_writable(directory)
        self.args = args
        self.console = console
        self.recordings = select(
            find_recordings(args.base_dir), snr=args.snr, machine_type=args.machine_type, machine_id=args.machine_id
        )
        self.table = ResultsTable(args.output_csv, columns)
        self.store = FeatureStore(args.pickle_dir, cli.feature_settings(args))
        self.devices = _devices(args.device)
        self.extraction_jobs = args.jobs or cpu_count()
        on_gpu = self.devices != ["cpu"]
        limit = cli.JOBS_PER_GPU * len(self.devices) if on_gpu and not args.jobs else self.extraction_jobs
        self.jobs = min(self.extraction_jobs, limit)

    def usable(self, pools: Sequence[Pool], unusable: Callable[[Pool], str]) -> list[Pool]:
        """Drop the pools that can't be trained or evaluated, and name them, in a line for each reason.

        Raises
        ------
        UserError
            None is left.
        """
        reasons: dict[str, list[str]] = {}
        usable = []
        for pool in pools:
            if reason := unusable(pool):
                reasons.setdefault(reason, []).append(pool.name)
            else:
                usable.append(pool)
        for reason, names in reasons.items():
            log.warning("%d of %d skipped, %s: %s.", len(names), len(pools), reason, ", ".join(names))
        if not usable:
            raise UserError(f"nothing can be run: {'; '.join(reasons)}")
        return usable

    def make_tasks(self, kind: type[Task], pools: Sequence[Pool], **extra: Any) -> list[Task]:
        """A task for each model and pool; several GPUs take turns."""
        pairs = [(model, pool) for model in self.args.model for pool in pools]
        return [
            kind(
                model=model,
                scope=self.args.scope,
                pool=pool,
                store=self.store,
                settings=cli.training_settings(self.args),
                model_dir=self.args.model_dir,
                device=self.devices[number % len(self.devices)],
                jobs=self.jobs,
                retrain=self.args.retrain,
                **extra,
            )
            for number, (model, pool) in enumerate(pairs)
        ]

    def run(self, function: Callable[[Any], Outcome], tasks: Sequence[Task], summary: dict[str, str]) -> int:
        """Do the tasks that are not done yet, and print a summary of all of them.

        Parameters
        ----------
        function : callable
            Task -> `Outcome`; importable by its name.
        tasks : sequence of Task
        summary : dict of str to str
            Columns of the results table to average over the machines, and their headings.

        Returns
        -------
        int
            Exit status: 0 where every task has its rows.
        """
        wanted = {task: [evaluation.run_id for evaluation in task.evaluations()] for task in tasks}
        done = self.table.run_ids()
        pending = [task for task in tasks if self.args.retrain or not done.issuperset(wanted[task])]
        if count := len(tasks) - len(pending):
            log.info("Done before, not done again: %d of %d (--retrain does them again).", count, len(tasks))
        failed = []
        if pending:
            # a machine is in the tasks of several models
            machines = {id(machine): machine for task in pending for machine in task.pool.machines}
            self.store.extract(list(machines.values()), self.extraction_jobs)
            log.info("Training %d model(s) on %s, %d at a time.", len(pending), self.devices[0], self.jobs)
            failed = self._sweep(function, pending)
        rows = self.table.read().drop_duplicates("run_id", keep="last")
        rows = rows[rows["run_id"].isin({run_id for ids in wanted.values() for run_id in ids})]
        if len(rows):
            print(summarise(rows, summary))
            print(f"\n{len(rows)} rows in {self.table.path}")
        if failed:
            log.error("%d of %d failed: %s.", len(failed), len(pending), ", ".join(failed))
        return 1 if failed else 0

    def _sweep(self, function: Callable[[Any], Outcome], tasks: Sequence[Task]) -> list[str]:
        """Do tasks in several processes, keep the results of each as soon as it is done; names those that failed."""
        failed = []
        epochs = sum(task.epochs for task in tasks)
        with progress_bars(self.console, len(tasks), epochs) as progress:
            for number, outcome in enumerate(in_parallel(Work(function), tasks, self.jobs), start=1):
                if outcome.failed:
                    failed.append(outcome.task)
                    log.error("%s: %s", outcome.task, outcome.message)
                    log.debug("%s", outcome.details)
                else:
                    for place, content in outcome.files.items():
                        save_csv(self.args.result_dir / place, content)
                    self.table.append(outcome.rows)  # last: a row says that the rest is there
                    log.info("%d/%d %s: %s", number, len(tasks), outcome.task, outcome.message)
                progress.update()
        return failed


@contextmanager
def session(args: argparse.Namespace, columns: Sequence[str]) -> Iterator[Session]:
    """Open the log of a run and give its `Session`."""
    script = Path(sys.argv[0]).stem
    path = args.result_dir / "logs" / f"{script}_{datetime.now():%Y%m%d_%H%M%S}_{os.getpid()}.log"
    with logging_to(path) as console:
        log.debug("%s", " ".join(sys.argv))
        try:
            yield Session(args, columns, console)
        except UserError as error:
            log.debug("%s", error)
            raise


def _check_writable(directory: Path) -> None:
    try:
        directory.mkdir(parents=True, exist_ok=True)
        probe = directory / f".writable-{os.getpid()}"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise UserError(f"cannot write to {directory}: {error.strerror}; choose another directory") from error


def _devices(name: str) -> list[str]:
    """The devices that tasks are given in turn."""
    from mimii.training import choose_device

    device = choose_device(name)
    if device != "cuda":
        return [device]
    import torch

    return [f"cuda:{number}" for number in range(torch.cuda.device_count())]


def summarise(rows: pd.DataFrame, columns: dict[str, str]) -> str:
    """A table for a terminal of 80 columns: for each model the means over its machines.

    Parameters
    ----------
    rows : pd.DataFrame
        Rows of a results table. Those of pools count only where they are all there is.
    columns : dict of str to str
        Which columns, and their headings.
    """
    machines = rows[rows["machine_id"] != ALL]
    models = (machines if len(machines) else rows).groupby("model", sort=False)
    table = models[list(columns)].mean()
    table.insert(0, "machines", models.size())
    formats = {
        heading: (lambda value: f"{value:,.0f}")
        if column == "num_parameters"
        else (lambda value: f"{value:.1f}")
        if column == "training_time_sec"
        else (lambda value: f"{value:.3f}")
        for column, heading in columns.items()
    }
    text = table.rename(columns=columns).reset_index().to_string(index=False, formatters=formats)
    lines = text.splitlines()
    return "\n".join([lines[0], "-" * len(lines[0]), *lines[1:]])
