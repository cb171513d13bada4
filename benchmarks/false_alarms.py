"""How many false alarms a monitor gives, of those that were asked for. On two cores it takes about half an hour.

python benchmarks/false_alarms.py

For each synthetic machine a monitor learns from 200 healthy recordings, and judges 200 others. A threshold is itself
found from 200 scores, so the share of false alarms of one monitor varies: of n scores, the share above the k-th highest
has the distribution Beta(k, n + 1 - k), and the number among m recordings the beta-binomial one. The average over the
machines must lie within the 95 % interval of what was asked for. The demo's recordings are judged in the same way: a
monitor learns from 20 of each machine, and judges 12 healthy ones and 12 with a fault. Others are the three other
machines of the same type, of which there are as many recordings.

idnn is trained for 8 epochs instead of 50, so that it does not take an hour.
"""

import sys
from dataclasses import dataclass
from functools import reduce
from itertools import product
from pathlib import Path

import common
import numpy as np
from common import Figure
from scipy.stats import betabinom

from mimii.commands.options import Parser, positive_int, seed_int
from mimii.data.synthesis import mix, recording_parts
from mimii.data.synthetic_machines import IDS, MACHINES
from mimii.evaluation.conformal import alarm_threshold, plausible_shares, rank_of
from mimii.features.logmel import log_mel
from mimii.models import REGISTRY
from mimii.monitoring.heard import Heard, level_of
from mimii.monitoring.recipe import windows_of_heard
from mimii.monitoring.recordings import Recordings
from mimii.monitoring.training import learn
from mimii.runtime.processes import in_parallel
from mimii.settings import FeatureSettings, MonitorSettings, TrainingSettings

SNR = 6.0  # dB
SHARES = (0.01, 0.05, 0.10)
MODELS = {  # of each name the detector, and whether there are recordings of other machines
    "mahalanobis": ("mahalanobis", False),
    "fusion": ("fusion", False),
    "fusion with others": ("fusion", True),
    "id_embedding with others": ("id_embedding", True),
    "idnn": ("idnn", False),
}
WAYS = {
    "mahalanobis": ("mahalanobis", ("native", "")),
    "fusion": ("fusion", ("native", "")),
    "fusion with others": ("fusion with others", ("native", "")),
    "id_embedding with others": ("id_embedding with others", ("ldn", "")),
    "idnn mse": ("idnn", ("mse", "mean")),
    "idnn mahalanobis": ("idnn", ("mahalanobis", "")),
}
JUDGED = [machine for machine in MACHINES if machine[1] in IDS[:2]]
DEMO_SEED, DEMO_NORMAL, DEMO_ABNORMAL = 42, 32, 12  # of src/make_demo_dataset.py


@dataclass(frozen=True)
class Case:
    """A monitor to train and to try: machine type and ID, a key of `MODELS`, and where its recordings come from."""

    machine: tuple[str, str]
    kind: str
    count: int  # of recordings to learn from, and to judge
    seed: int
    epochs: int
    is_demo: bool = False

    @property
    def name(self) -> str:
        """For messages."""
        return f"{self.kind} of {' '.join(self.machine)}"

    def heard(self, machine: tuple[str, str], label: str, seed: int, numbers: range) -> list[Heard]:
        """Some of a machine's recordings."""
        found = []
        for number in numbers:
            own, noise = recording_parts(*machine, label, number, seed)
            signal = mix(own, noise, SNR)[:, 0]
            fft = "torch" if REGISTRY[MODELS[self.kind][0]].is_network else "scipy"
            frames = log_mel(signal, common.SAMPLE_RATE, FeatureSettings(), fft=fft)
            path = f"{label}/{number:08d}.wav"
            found.append(Heard(path, frames, common.SAMPLE_RATE, len(signal) / common.SAMPLE_RATE, level_of(signal)))
        return found

    def sounds(self) -> tuple[list[Heard], list[Heard], list[Heard]]:
        """Healthy recordings to learn from, healthy ones to judge, and ones with a fault."""
        own, numbers = self.machine, range(self.count)
        if not self.is_demo:
            return self.heard(own, "normal", self.seed, numbers), self.heard(own, "normal", self.seed + 1, numbers), []
        normal = self.heard(own, "normal", DEMO_SEED, range(DEMO_NORMAL))
        abnormal = self.heard(own, "abnormal", DEMO_SEED, range(DEMO_ABNORMAL))
        return normal[DEMO_ABNORMAL:], normal[:DEMO_ABNORMAL], abnormal

    def others(self) -> list[list[Heard]]:
        """As many healthy recordings of each other machine of its type, where the model learns from them."""
        if not MODELS[self.kind][1]:
            return []
        seed, numbers = (
            (DEMO_SEED, range(DEMO_ABNORMAL, DEMO_NORMAL)) if self.is_demo else (self.seed, range(self.count))
        )
        kind, own = self.machine
        return [self.heard((kind, other), "normal", seed, numbers) for other in IDS if other != own]


@dataclass(frozen=True)
class Tried:
    """Of each way of scoring and each share that was asked for: how many of the recordings were called abnormal."""

    case: Case
    learnt: int
    judged: int
    faulty: int
    alarms: dict[tuple[str, float], int]
    found: dict[tuple[str, float], int]


def try_case(case: Case) -> Tried:
    """Train a monitor, and judge."""
    training, healthy, faulty = case.sounds()
    settings = MonitorSettings(
        training=TrainingSettings(epochs=case.epochs if case.kind == "idnn" else None), device="cpu", jobs=1
    )
    recordings = Recordings(training, [heard.path for heard in training], {}, case.others())
    detector = learn(recordings, MODELS[case.kind][0], settings).monitor.detector
    alarms, found = {}, {}
    for result, judged in ((alarms, healthy), (found, faulty)):
        if not judged:
            continue
        every_way = detector.model.score_every_way(windows_of_heard(judged, detector.model.frames))
        for (name, (kind, way)), share in product(WAYS.items(), SHARES):
            if kind == case.kind:
                threshold = alarm_threshold(detector.calibrations[way].scores, share)
                result[name, share] = int((every_way[way] > threshold).sum())
    return Tried(case, len(training), len(healthy), len(faulty), alarms, found)


def interval(share: float, tried: list[Tried]) -> tuple[float, float]:
    """The 95 % interval of the share of false alarms among all recordings that monitors judge."""
    sums = []
    for one in tried:
        rank = max(1, rank_of(one.learnt, share))
        sums.append(betabinom.pmf(np.arange(one.judged + 1), one.judged, rank, one.learnt + 1 - rank))
    cumulative = np.cumsum(reduce(np.convolve, sums))
    low, high = np.searchsorted(cumulative, [0.025, 0.975]) / (len(cumulative) - 1)
    # beyond the highest score nothing is known without the fitted distribution but that there are fewer
    return (float(low) if rank_of(tried[0].learnt, share) else 0.0), float(high)


def figures_of(tried: list[Tried]) -> list[Figure]:
    """A row for each way of scoring and each share: all machines together, and each one beside."""
    figures = []
    for name, share in product(WAYS, SHARES):
        some = [one for one in tried if (name, share) in one.alarms]
        if not some:
            continue
        low, high = interval(share, some)
        judged, faulty = sum(one.judged for one in some), sum(one.faulty for one in some)
        rate = sum(one.alarms[name, share] for one in some) / judged
        notes = {" ".join(one.case.machine): one.alarms[name, share] / one.judged for one in some}
        if faulty:
            notes = {"faults found": sum(one.found[name, share] for one in some) / faulty}
        figures.append(
            Figure(
                f"{'demo, ' if faulty else ''}{name}, {share:g} asked for",
                "share",
                ours=rate,
                wanted=f"{low:.3f} to {high:.3f}",
                holds=low <= rate <= high,
                notes=notes,
            )
        )
    return figures


def main() -> int:
    """Measure, and print a table; returns the exit status."""
    options = Parser(description=(__doc__ or "").splitlines()[0])
    options.add_argument("--recordings", type=positive_int, default=200, help="to learn from, and to judge")
    options.add_argument("--seed", type=seed_int, default=1, help="of the recordings")
    options.add_argument("--epochs", type=positive_int, default=8, help="of idnn")
    options.add_argument(
        "--models", nargs="+", choices=list(MODELS), default=list(MODELS), metavar="NAME", help="only some of the table"
    )
    options.add_argument("--jobs", type=positive_int, default=2, help="processes")
    options.add_argument("--output", type=Path, metavar="FILE", help="receives the figures as JSON")
    args = options.parse_args()
    cases = [
        Case(machine, kind, args.recordings, args.seed, args.epochs, is_demo)
        for is_demo, kind, machine in product((False, True), args.models, JUDGED)
    ]
    tried = []
    for one in in_parallel(try_case, cases, args.jobs):
        tried.append(one)
        print(f"{len(tried)} of {len(cases)}: {one.case.name}", file=sys.stderr, flush=True)
    tried.sort(key=lambda one: cases.index(one.case))
    low, high = plausible_shares(args.recordings, SHARES[1])
    print(
        f"One monitor of {args.recordings} recordings, {SHARES[1]:g} asked for: 95 % interval {low:.3f} to {high:.3f}"
    )
    of_demo = [one for one in tried if one.case.is_demo]
    return common.report(figures_of([one for one in tried if not one.case.is_demo]) + figures_of(of_demo), args.output)


if __name__ == "__main__":
    sys.exit(main())
