"""All of MIMII in size: 54,057 recordings, 48 machines, the eleven detectors of the seeds, 50 epochs; or a share of it.

python benchmarks/whole_mimii.py --share 0.05

It runs src/exp_autoencoding.py, one command for each detector, on a data set that it makes. What is not run is
extrapolated from what was measured, and the table says so. With --work_dir the data set, the features and all that was
measured are kept, so that the detectors can be run in several calls; the table is of all that there is.
"""

import argparse
import importlib.util
import shutil
import sys
import tempfile
from contextlib import nullcontext
from pathlib import Path

import common
import plain_and_floors as other
from common import lay_out, read_rate, write_recordings
from experiment import find_and_extract, run_experiment
from projection import BEFORE, CLASSICAL, EPOCHS, MODELS, OURS, Measured, Size
from whole_table import explanation, figures

from mimii.commands.options import Parser, positive_int
from mimii.commands.parsing import share

ROOT = Path(__file__).resolve().parents[1]
_FEWEST = 2  # epochs
_MORE = 6  # machines, about 8,000 recordings, whose features are made to see how long all would take
_DISTINCT = 300  # recordings, 770 MB


def chosen(part: float, device: str, jobs: int):
    """The machines that are run, with their clips, and the epochs.

    On a CPU they are a part of the machines, whole ones, so that each task is as large as in MIMII; of a very small
    share a part of the clips of as many machines as there are processes. A GPU trains networks of many machines side
    by side, so it is given all of them and a part of the epochs.

    Returns
    -------
    machines : pd.DataFrame
        As `mimii.data.mimii.published_baseline` gives them.
    epochs : int
    """
    from mimii.data.mimii import published_baseline

    machines = published_baseline()
    if part == 1:
        return machines, EPOCHS
    if device != "cpu":
        return machines, max(_FEWEST, round(part * EPOCHS))
    count = min(len(machines), max(jobs, round(part * len(machines))))
    clips = min(1.0, part * len(machines) / count)
    places = [int((number + 0.5) / count * len(machines)) for number in range(count)]  # spread over SNRs and types
    machines = machines.iloc[places].reset_index(drop=True)
    abnormal = (clips * machines["abnormal_clips"]).round().astype(int).clip(lower=2)
    normal = (clips * machines["normal_clips"]).round().astype(int).clip(lower=abnormal + 3)
    return machines.assign(normal_clips=normal, abnormal_clips=abnormal), _FEWEST


def make_data(work: Path, machines) -> list[Path]:
    """Make the data set to run and the whole one to find, unless they are there; gives the distinct recordings."""
    from mimii.data.mimii import published_baseline

    description = machines[["snr", "machine_type", "machine_id", "normal_clips", "abnormal_clips"]].to_json()
    said = work / "data.json"
    distinct = work / "distinct"
    if said.exists():
        if said.read_text(encoding="utf-8") != description:
            raise SystemExit(f"{work} holds another data set: give its --share and --jobs, or another --work_dir")
        return sorted(distinct.glob("*.wav"))
    for name in ("distinct", "share", "whole"):  # of a call that was ended early
        shutil.rmtree(work / name, ignore_errors=True)
        (work / name).mkdir(parents=True)
    recordings = write_recordings(distinct, _DISTINCT)
    for name, layout in (("share", machines), ("whole", published_baseline())):
        (work / name / "README.txt").write_text("SYNTHETIC: noise in MIMII's layout\n", encoding="utf-8")
        lay_out(work / name, recordings, layout)
    said.write_text(description, encoding="utf-8")
    return recordings


def measure(args: argparse.Namespace, work: Path) -> Measured:
    """Run the commands, the one before in turn with ours, and measure the plain way and the limits."""
    from joblib import cpu_count

    from mimii.runtime.devices import choose_device

    device = choose_device(args.device)
    jobs = args.jobs or cpu_count()  # as the command counts them
    machines, epochs = chosen(args.share, device, jobs)
    kept = work / "measured.json"
    recordings = make_data(work, machines)
    measured = Measured.read(kept) if kept.exists() else Measured(device, jobs, Size.of(machines))
    if (measured.device, measured.jobs) != (device, jobs):
        raise SystemExit(
            f"{work} holds figures of {measured.device} with {measured.jobs} jobs: take another --work_dir"
        )
    checkouts = {OURS: ROOT} | ({BEFORE: args.against.absolute()} if args.against else {})
    for number, model in enumerate(args.models):
        for count in [0] if model in CLASSICAL else args.epochs or [epochs]:
            for name in list(checkouts)[:: -1 if number % 2 else 1]:
                print(f"{name}: {model}{f', {count} epochs' if count else ''} ...", end=" ", flush=True)
                if name not in measured.extraction:  # of a call that was ended early: they are to be measured
                    shutil.rmtree(work / name / "features", ignore_errors=True)
                run = run_experiment(checkouts[name], work / "share", work / name, model, count, args.device, args.jobs)
                print(f"{run.wall:.1f} s", flush=True)
                measured.add(name, run)
                measured.write(kept)
        for run in measured.runs[OURS]:  # those of a call that was ended early as well
            _measure_plainly(measured, run.model)
        measured.write(kept)
    for name, checkout in checkouts.items():
        if name not in measured.finding:
            more = 0 if args.share == 1 or device != "cpu" else _MORE
            found = find_and_extract(checkout, work / "whole", work / name, list(MODELS), args.device, jobs, more)
            measured.finding[name], *measured.more[name] = found
    _measure_limits(measured, recordings)
    measured.write(kept)
    return measured


def _measure_plainly(measured: Measured, model: str) -> None:
    """Measure a model in the plain way, where that was not done."""
    if model in measured.plain:
        return
    if model in CLASSICAL:
        whole = Size.of_all()
        measured.plain[model] = other.plain_fit(model, whole.windows // whole.machines)
        return
    measured.operations[model] = other.operations(model)
    if measured.device.startswith("cuda"):
        measured.kernels[model] = other.kernels(model)
    measured.plain[model] = other.plain_step(model, measured.device)


def _measure_limits(measured: Measured, recordings: list[Path]) -> None:
    """Measure the plain way of the features and what the machine allows, where that was not done."""
    if measured.limits:
        return
    if importlib.util.find_spec("librosa"):
        measured.plain["features"] = other.plain_extraction(recordings)
    measured.limits["reading"] = read_rate(recordings)
    measured.limits["products"] = other.matmul_rate(measured.device, measured.jobs)
    if measured.device.startswith("cuda"):
        measured.limits["launch"], measured.limits["in_graph"] = other.launch_times()


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    options = Parser(description=(__doc__ or "").splitlines()[0])
    options.add_argument("--share", type=share, default=0.05, help="how much of MIMII is run; 1 is all of it")
    options.add_argument(
        "--models", nargs="+", choices=MODELS, default=list(MODELS), metavar="MODEL", help="some of them"
    )
    options.add_argument(
        "--epochs",
        type=positive_int,
        nargs="+",
        help="instead of those that follow from the share; of two numbers the training is what lies between the wall "
        "times of both",
    )
    options.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto", help="as of the experiment")
    options.add_argument("--jobs", type=positive_int, help="processes; without it one a core")
    options.add_argument("--against", type=Path, metavar="DIR", help="another checkout, whose command is run in turn")
    options.add_argument("--work_dir", type=Path, metavar="DIR", help="keeps data, features and figures between calls")
    options.add_argument("--output", type=Path, metavar="FILE", help="receives the figures as JSON")
    args = options.parse_args()
    if not args.share:
        options.error("--share 0 is nothing")
    if args.against and not (args.against / "src" / "exp_autoencoding.py").is_file():
        options.error(f"--against {args.against} is no checkout of this project: it has no src/exp_autoencoding.py")
    return args


def main() -> int:
    """Measure and print; returns the exit status."""
    args = parse_args()
    with tempfile.TemporaryDirectory() if args.work_dir is None else nullcontext(args.work_dir) as work:
        measured = measure(args, Path(work).absolute())
    print(f"\n{explanation(measured)}")
    return common.report(figures(measured), args.output)


if __name__ == "__main__":
    sys.exit(main())
