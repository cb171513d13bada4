"""Runs this project's own command as a user does, and tells from its log and its rows what it spent its time on."""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

# the column of the results table that says with how many others a network was trained side by side, as one stack;
# versions that train each network alone do not have it
_STACKED = "stacked_with"

# a line of the log: its time, and what it says has begun or ended
_TIME = re.compile(r"(\d{4}-\d\d-\d\d [\d:]{8},\d{3}) ")
_BEGINS = {
    "extraction": re.compile(r"Extracting "),
    "sweep": re.compile(r"Training \d+ model"),
    "stack": re.compile(r"Training .* side by side\.$"),
}
_STACKED_ENDS = re.compile(r"trained in .* its share$")

# finds and plans as the command does, and extracts the features of some machines
_FIND = """
import json, sys, time
from pathlib import Path
source, data, device, jobs, cache, machines, *models = sys.argv[1:]
sys.path.insert(0, source)
from mimii.settings import DataSettings, DetectionSettings, RunSettings
from mimii.sweep import detection
run = RunSettings(models=tuple(models), device=device, pickle_dir=Path(cache))
settings = DetectionSettings(data=DataSettings(base_dir=Path(data)), run=run)
tasks = detection.plan(settings, detection.prepare(settings))
found = time.time()
machines = [machine for task in tasks[:int(machines)] for machine in task.group.machines]
if machines:
    tasks[0].store.extract(machines, int(jobs), None, tasks[0].device)
print(json.dumps([found, time.time() - found, sum(map(len, machines))]))
"""


@dataclass
class Run:
    """What one command took.

    Attributes
    ----------
    model : str
    epochs : int
        0 for a model that knows none.
    wall, cpu : float
        Of the command and all of its processes [s].
    extraction : float
        Wall time of the features; 0 where they were there already [s].
    sweep : float
        Wall time of the rest: training, evaluating, measuring [s].
    stack : float
        Of that the wall time from the begin of the first stack to the end of the last network in one, loading and
        completing included; 0 where networks were trained one by one [s].
    training : float
        Sum of the rows' ``training_time_sec`` [s].
    side : int
        How many of these times ran side by side.
    rows : int
    windows : int
        Sum of the rows' ``train_samples``.
    """

    model: str
    epochs: int
    wall: float
    cpu: float
    extraction: float
    sweep: float
    stack: float
    training: float
    side: int
    rows: int
    windows: int


def run_experiment(
    checkout: Path, data: Path, work: Path, model: str, epochs: int, device: str, jobs: int | None
) -> Run:
    """Train and evaluate a detector for each machine of a data set, from new weights.

    Parameters
    ----------
    checkout : Path
        Whose command is run.
    data : Path
    work : Path
        Receives the features, which stay, and a directory of this run with its log and its rows.
    model : str
    epochs : int
        0 for a model that knows none.
    device : str
    jobs : int, optional

    Raises
    ------
    SystemExit
        The command failed.
    """
    results = work / f"{model}_{epochs}"
    shutil.rmtree(results, ignore_errors=True)
    models, own = results / "models", results / "tmp"
    own.mkdir(parents=True)
    command = [sys.executable, str(checkout / "src" / "exp_autoencoding.py"), "--base_dir", str(data)]
    command += ["--result_dir", str(results), "--pickle_dir", str(work / "features"), "--model_dir", str(models)]
    command += ["--model", model, "--device", device]
    command += ["--epochs", str(epochs)] * (epochs > 0) + ["--jobs", str(jobs)] * (jobs is not None)
    begin = time.time()
    wall, cpu = _run(command, results / "output.txt", own)
    shutil.rmtree(models, ignore_errors=True)
    return Run(model, epochs, wall, cpu, **_stages(results, begin, wall), **_facts(results))


def find_and_extract(
    checkout: Path, data: Path, work: Path, models: list[str], device: str, jobs: int, machines: int
) -> tuple[float, float, int]:
    """Find all recordings of a data set, plan the tasks of several models, and extract the features of some machines.

    Returns
    -------
    finding : float
        Wall time from the start of the process to the tasks [s].
    extraction : float
        Wall time of the features [s].
    recordings : int
        Whose features they are.
    """
    cache, output = work / "cache", work / "finding.txt"
    cache.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-c", _FIND, str(checkout / "src"), str(data), device, str(jobs), str(cache)]
    begin = time.time()
    _run([*command, str(machines), *models], output, work)
    shutil.rmtree(cache)
    found, extraction, recordings = json.loads(output.read_text(encoding="utf-8").splitlines()[-1])
    return found - begin, extraction, recordings


def _run(command: list[str], output: Path, temporary: Path) -> tuple[float, float]:
    """Run a command that must succeed; its wall time and the processor time of all of its processes [s].

    With a directory for temporary files of its own it does not wait for other commands of this user that measure.
    """
    begin = time.perf_counter()
    with open(output, "w", encoding="utf-8") as file:
        process = subprocess.Popen(
            command, stdout=file, stderr=subprocess.STDOUT, env=os.environ | {"TMPDIR": str(temporary)}
        )
        _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - begin
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        last = output.read_text(encoding="utf-8", errors="replace").splitlines()[-5:]
        raise SystemExit(
            "\n".join([f"this command failed with status {process.returncode}:", " ".join(command), *last])
        )
    return wall, usage.ru_utime + usage.ru_stime


def _stages(results: Path, begin: float, wall: float) -> dict[str, float]:
    """The stages of a command, from the times in its log."""
    (log,) = results.rglob("*.log")
    begins: dict[str, float] = {}
    stack_ends = 0.0
    for line in log.read_text(encoding="utf-8").splitlines():
        if not (time_of := _TIME.match(line)):
            continue
        at = datetime.strptime(time_of[1], "%Y-%m-%d %H:%M:%S,%f").timestamp() - begin
        for stage, pattern in _BEGINS.items():
            if pattern.search(line):
                begins.setdefault(stage, at)
        if _STACKED_ENDS.search(line):
            stack_ends = at
    sweep = begins["sweep"]
    first = begins.get("extraction", sweep)
    stack = stack_ends - begins["stack"] if stack_ends else 0.0
    return {"extraction": sweep - first, "sweep": wall - sweep, "stack": stack}


def _facts(results: Path) -> dict[str, float]:
    """What the rows of a command say."""
    import pandas as pd

    rows = pd.read_csv(results / "research_results.csv")
    side = int(rows["jobs"].max())
    if _STACKED in rows and rows[_STACKED].max() > 0:  # the times are shares of those of the stacks, one on each GPU
        import torch

        side = torch.cuda.device_count()
    return {
        "training": float(rows["training_time_sec"].sum()),
        "side": side,
        "rows": len(rows),
        "windows": int(rows["train_samples"].sum()),
    }
