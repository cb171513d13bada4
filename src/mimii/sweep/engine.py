"""A run of an experiment script: it goes on where it ended, and keeps what is done."""

import argparse
import logging
import os
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd

from mimii.commands import options as cli
from mimii.data.recordings import MACHINE, find_recordings, is_synthetic, select
from mimii.errors import StorageError, TaskError, UserError
from mimii.features.store import FeatureStore
from mimii.models import REGISTRY
from mimii.runtime.logs import Console, about, logging_to, progress_bars
from mimii.runtime.processes import count_workers, in_parallel
from mimii.storage.results import ResultsTable, save_csv
from mimii.sweep.task import ALL, Outcome, Pool, Task

log = logging.getLogger(__name__)


def do(task: Task) -> Outcome:
    """Do a task, in whatever process, and turn every failure into an outcome: the sweep goes on."""
    from mimii.training.loop import precision

    try:
        with about(task.name), precision(tf32=task.settings.tf32):
            return task.run()
    except StorageError:
        raise  # nothing could be kept of the other tasks either
    except (TaskError, UserError) as error:
        return Outcome(task.name, message=str(error), failed=True)
    except Exception as error:
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        return Outcome(task.name, message=reason, failed=True, details=traceback.format_exc())


def _lost(task: Task) -> Outcome:
    return Outcome(task.name, message="two processes died of it; give the command again with fewer --jobs", failed=True)


class Session:
    """One run of an experiment script: its log, its results table, its features, and how it goes on where it ended.

    Parameters
    ----------
    args : argparse.Namespace
        Of the options in `mimii.commands.options`.
    columns : sequence of str
        Of the results table.
    console : mimii.runtime.logs.Console
    """

    def __init__(self, args: argparse.Namespace, columns: Sequence[str], console: Console):
        from joblib import cpu_count

        for directory in (args.pickle_dir, args.model_dir, args.result_dir, args.output_csv.parent):
            _check_writable(directory)
        self.args = args
        self._warned: set[str] = set()
        for reason in args.left_out_models:
            self.warn(f"Left out of all models: {reason}.")
        self.console = console
        self.recordings = select(
            find_recordings(args.base_dir, args.layout),
            snr=args.snr,
            machine_type=args.machine_type,
            machine_id=args.machine_id,
        )
        _refuse_a_mixture(self.recordings)
        self.table = ResultsTable(args.output_csv, columns)
        # absolute: workers on other machines may have another working directory
        self.store = FeatureStore(args.pickle_dir.absolute(), cli.feature_settings(args))
        self.devices = _devices(args.device)
        self.extraction_jobs = self.jobs = args.jobs or cpu_count()
        if args.scheduler:
            self.jobs = count_workers(args.scheduler)
        elif not args.jobs and self.devices != ["cpu"]:
            self.jobs = min(self.jobs, cli.JOBS_PER_GPU * len(self.devices))

    def warn(self, message: str) -> None:
        """Log a warning, once, however many seeds give rise to it."""
        if message not in self._warned:
            self._warned.add(message)
            log.warning("%s", message)

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
            self.warn(f"Skipped {len(names)} of {len(pools)}, {reason}: {', '.join(names)}.")
        if not usable:
            raise UserError(f"nothing can be run: {'; '.join(reasons)}")
        return usable

    def make_tasks(self, kind: type[Task], pools: Sequence[Pool], seed: int, **extra: Any) -> list[Task]:
        """A task for each model and pool; several GPUs take turns."""
        pairs = [(model, pool) for model in self.args.model for pool in pools]
        return [
            kind(
                model=model,
                scope=self.args.scope,
                pool=pool,
                store=self.store,
                settings=cli.training_settings(self.args, seed),
                model_dir=self.args.model_dir.absolute(),
                device=self.devices[number % len(self.devices)] if REGISTRY[model].is_network else "cpu",
                jobs=self.jobs,
                retrain=self.args.retrain,
                **extra,
            )
            for number, (model, pool) in enumerate(pairs)
        ]

    def run(self, tasks: Sequence[Task], summary: "Summary") -> int:
        """Do the tasks that are not done yet, and print a summary of all of them.

        Parameters
        ----------
        tasks : sequence of Task
        summary : Summary

        Returns
        -------
        int
            Exit status: 0 where every task has its rows.
        """
        wanted = {task: task.evaluations() for task in tasks}
        self.wanted = {evaluation.run_id for evaluations in wanted.values() for evaluation in evaluations}
        done = set() if self.args.retrain else self.table.run_ids()
        pending = [rest for task in tasks if (rest := task.remaining(wanted[task], done))]
        if count := len(tasks) - len(pending):
            log.info("Done before, not done again: %d of %d (--retrain does them again).", count, len(tasks))
        failed = []
        if pending:
            # a machine is in the tasks of several models and seeds
            machines = {self.store.path(machine): machine for task in pending for machine in task.pool.machines}
            self.store.extract(list(machines.values()), self.extraction_jobs, self.args.scheduler, self.devices[0])
            log.info("Training %d model(s) on %s, %d at a time.", len(pending), self.devices[0], self.jobs)
            failed = self._sweep(pending)
        rows = self.rows()
        if len(rows):
            if is_synthetic(self.recordings["path"].iloc[0]):
                print("Synthetic recordings: these figures say nothing about real machines.\n")
            print(summary.table(rows))
            print(f"\n{len(rows)} row{'s' if len(rows) > 1 else ''} in {self.table.path}")
        if failed:
            log.error("%d of %d failed: %s.", len(failed), len(pending), ", ".join(failed))
        return 1 if failed else 0

    def rows(self) -> pd.DataFrame:
        """The latest row of each run that this command wants."""
        rows = self.table.read()
        return rows[rows["run_id"].isin(self.wanted)].drop_duplicates("run_id", keep="last")

    def _sweep(self, tasks: Sequence[Task]) -> list[str]:
        """Do tasks in several processes, keep the results of each as soon as it is done; names those that failed."""
        failed = []
        epochs = sum(task.epochs for task in tasks)
        with progress_bars(self.console, len(tasks), epochs) as progress:
            outcomes = in_parallel(do, tasks, self.jobs, self.args.scheduler, lost=_lost)
            for number, outcome in enumerate(outcomes, start=1):
                progress.update()
                if outcome.failed:
                    failed.append(outcome.task)
                    log.error("%s: %s", outcome.task, outcome.message)
                    log.debug("%s", outcome.details)
                else:
                    self.keep(outcome)
                    log.info("%d/%d %s: %s", number, len(tasks), outcome.task, outcome.message)
        return failed

    def keep(self, outcome: Outcome) -> None:
        """Write what a task gave, the rows last: they say that the rest is there."""
        for place, content in outcome.files.items():
            save_csv(self.args.result_dir / place, content)
        self.table.append(outcome.rows, again=self.args.retrain)


@contextmanager
def session(args: argparse.Namespace, columns: Sequence[str], kind: type[Session] = Session) -> Iterator[Session]:
    """Open the log of a run and give its `Session`."""
    script = Path(sys.argv[0]).stem
    path = args.result_dir / "logs" / f"{script}_{datetime.now():%Y%m%d_%H%M%S}_{os.getpid()}.log"
    with logging_to(path) as console:
        log.debug("%s", " ".join(sys.argv))
        try:
            yield kind(args, columns, console)
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


def _refuse_a_mixture(recordings: pd.DataFrame) -> None:
    """Synthetic machines beside real ones would enter the same means."""
    firsts = recordings.groupby(MACHINE)["path"].first()
    synthetic = [path for path in firsts if is_synthetic(path)]
    if synthetic and len(synthetic) < len(firsts):
        raise UserError(
            f"--base_dir holds synthetic machines ({Path(synthetic[0]).parents[1]} and others) beside real ones: "
            "point it at one data set, or remove the synthetic one"
        )


def _devices(name: str) -> list[str]:
    """The devices that tasks are given in turn."""
    from mimii.training.loop import choose_device

    device = choose_device(name)
    if device != "cuda":
        return [device]
    import torch

    return [f"cuda:{number}" for number in range(torch.cuda.device_count())]


@dataclass(frozen=True)
class Summary:
    """The table that a script ends with: for each model the means over what it was evaluated on.

    Attributes
    ----------
    unit : str
        ``machines`` or ``pools``: which rows count, where there are both.
    columns : dict of str to str
        Which columns of the results table, and their headings.
    scores : dict of str to callable
        Headings of further columns, and how each follows from the rows of a model.
    """

    unit: str
    columns: dict[str, str]
    scores: dict[str, Callable[[pd.DataFrame], float]] = field(default_factory=dict)

    _decimals = {"num_parameters": 0, "training_time_sec": 1}  # noqa: RUF012 (a constant)

    def table(self, rows: pd.DataFrame) -> str:
        """Format rows of a results table for a terminal of 80 columns."""
        is_pool = rows["machine_id"] == ALL
        wanted = rows[is_pool if self.unit == "pools" else ~is_pool]
        wanted = wanted if len(wanted) else rows
        lines = []
        # a detector may have been scored in several ways; other tables have no such column
        what = [name for name in ("model", "scoring") if name in wanted]
        order = {name: number for number, name in enumerate(REGISTRY)}
        groups = wanted.groupby(what, sort=False)
        for key, own in sorted(groups, key=lambda group: order[group[0][0]]):
            means = {
                heading: f"{own[column].mean():,.{self._decimals.get(column, 3)}f}"
                for column, heading in self.columns.items()
            }
            scores = {heading: f"{score(own):.3f}" for heading, score in self.scores.items()}
            lines.append({**dict(zip(what, key, strict=True)), self.unit: len(own), **scores, **means})
        text = pd.DataFrame(lines).to_string(index=False).splitlines()
        return "\n".join([text[0], "-" * len(text[0]), *text[1:]])
