"""From what was measured of a share of MIMII to all of it: how large both are, and what is extrapolated how."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from experiment import Run
from training import BATCH

NETWORKS = (
    "simple_ae",
    "deep_ae",
    "vae",
    "conv_ae",
    "lstm_ae",
    "attention_ae",
    "residual_ae",
    "denoising_ae",
    "ss_ae",
)
CLASSICAL = ("isolation_forest", "one_class_svm")
MODELS = (*NETWORKS, *CLASSICAL)  # the detectors of the seeds
OURS, BEFORE = "ours", "before"
EPOCHS = 50
_WINDOWS = 309  # of a recording
_DRAWN = 50_000  # windows that a classical detector learns from at most


@dataclass(frozen=True)
class Size:
    """How much work the machines of a data set are.

    Attributes
    ----------
    machines, recordings : int
    windows, steps : int
        Of an epoch, those for validation not counted; the sums over the machines.
    longest : int
        Steps of an epoch of the machine that has the most.
    drawn : int
        Windows that a classical detector learns from, the sum over the machines.
    """

    machines: int
    recordings: int
    windows: int
    steps: int
    longest: int
    drawn: int

    @classmethod
    def of(cls, machines) -> "Size":
        """Of machines as `mimii.data.mimii.published_baseline` gives them, split as the experiment does."""
        recordings = machines["normal_clips"] + machines["abnormal_clips"]
        learnt = (machines["normal_clips"] - machines["abnormal_clips"]).tolist()
        windows = [_WINDOWS * (count - max(1, round(0.1 * count))) for count in learnt]
        steps = [-(-count // BATCH) for count in windows]
        drawn = [min(_WINDOWS * count, _DRAWN) for count in learnt]  # they need no validation
        return cls(len(machines), int(recordings.sum()), sum(windows), sum(steps), max(steps), sum(drawn))

    @classmethod
    def of_all(cls) -> "Size":
        """Of all of MIMII."""
        from mimii.data.mimii import published_baseline

        return cls.of(published_baseline())


@dataclass
class Measured:
    """All that was measured, as it is kept between calls.

    Attributes
    ----------
    device : str
    jobs : int
        Processes of the commands.
    share : Size
        Of the data set that is run.
    runs : dict of str to list of Run
        Of each checkout, ``OURS`` and ``BEFORE``.
    extraction, finding : dict of str to float
        Of each checkout: wall time of the features of the share, and of finding all of MIMII [s].
    more : dict of str to list
        Of each checkout: wall time of the features of more recordings [s], and their number.
    plain : dict of str to float
        In the plain way: a step of a network, the fit of a classical detector to a machine of mean size, ``features``
        of a recording [s].
    operations, kernels : dict of str to float
        Of a network's step: floating-point operations for a window; kernels that the plain way starts on CUDA.
    limits : dict of str to float
        Of the machine: ``reading`` [bytes/s], ``products`` [1/s] and, on CUDA, ``launch`` and ``in_graph``, the times
        for a kernel that does nothing [s].
    """

    device: str
    jobs: int
    share: Size
    runs: dict[str, list[Run]] = field(default_factory=dict)
    extraction: dict[str, float] = field(default_factory=dict)
    finding: dict[str, float] = field(default_factory=dict)
    more: dict[str, list] = field(default_factory=dict)
    plain: dict[str, float] = field(default_factory=dict)
    operations: dict[str, float] = field(default_factory=dict)
    kernels: dict[str, float] = field(default_factory=dict)
    limits: dict[str, float] = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path) -> "Measured":
        """Read what `write` wrote."""
        content = json.loads(path.read_text(encoding="utf-8"))
        runs = {name: [Run(**run) for run in runs] for name, runs in content.pop("runs").items()}
        return cls(**content | {"share": Size(**content["share"]), "runs": runs})

    def write(self, path: Path) -> None:
        """Write all of it as JSON."""
        path.write_text(json.dumps(asdict(self), indent=1) + "\n", encoding="utf-8")

    def add(self, name: str, run: Run) -> None:
        """Take a run of a checkout in place of an earlier one of the same model and epochs.

        Raises
        ------
        SystemExit
            It did other work than it is taken for.
        """
        expected = self.share.windows if run.epochs else self.share.drawn
        if (run.rows, run.windows) != (self.share.machines, expected):
            raise SystemExit(
                f"{run.model} gave {run.rows} rows and learnt from {run.windows:,} windows, not {self.share.machines} "
                f"and {expected:,}: the extrapolation would be wrong"
            )
        others = [one for one in self.runs.get(name, []) if (one.model, one.epochs) != (run.model, run.epochs)]
        self.runs[name] = [*others, run]
        if run.extraction:
            self.extraction[name] = run.extraction

    def models(self, name: str) -> list[str]:
        """The models that a checkout was run with."""
        ran = {run.model for run in self.runs.get(name, [])}
        return [model for model in MODELS if model in ran]

    def features(self, name: str) -> float:
        """Wall time of a checkout for the features of all of MIMII [s].

        What lies between the share and more recordings is the time for each; the rest is the start of the processes.
        """
        whole, taken = Size.of_all().recordings, self.extraction[name]
        if whole == self.share.recordings:
            return taken
        longer, recordings = self.more[name]
        if longer <= taken:  # other programs were in the way
            return longer * whole / recordings
        return longer + (whole - recordings) * (longer - taken) / (recordings - self.share.recordings)


@dataclass(frozen=True)
class Projected:
    """What a model takes for all of MIMII.

    Attributes
    ----------
    training, rest : float
        Wall times: of the training, and of evaluating and measuring [s].
    by_rows : float
        Of the training by the rows alone [s].
    measured : float
        Wall time of the training that was measured [s].
    factor : float
        How many times as much all of it is.
    how : str
        What was measured.
    wall, cpu : float
        Of the whole command [s].
    """

    training: float
    rest: float
    by_rows: float
    measured: float
    factor: float
    how: str
    wall: float
    cpu: float


def project(runs: Sequence[Run], share: Size, device: str) -> Projected:
    """Project the runs of a model, which may differ in their epochs.

    Training grows with windows times epochs, on a GPU with steps times epochs, and that of a classical detector with
    the windows that it draws; the rest with recordings. Of two runs with other numbers of epochs the training is what
    lies between their wall times. Of one it is the wall time of the stacks or, where networks were trained one by one,
    the sum of the training times of its rows, over those that ran side by side.
    """
    whole = Size.of_all()
    fewest, run = (choose(runs, key=lambda one: one.epochs) for choose in (min, max))
    by_rows = run.training / run.side
    longer = (run.stack or run.sweep) - (fewest.stack or fewest.sweep)
    if run.epochs > fewest.epochs and longer > 0:
        training = longer * run.epochs / (run.epochs - fewest.epochs)
        how = f"wall times with {fewest.epochs} and {run.epochs} epochs"
    elif run.stack:
        training, how = run.stack, "wall time of the stack"
    else:
        training, how = by_rows, f"rows, {run.side} side by side"
    if not run.epochs:
        factor = whole.drawn / share.drawn
    elif device == "cpu":
        factor = whole.windows * EPOCHS / (share.windows * run.epochs)
    else:
        factor = whole.steps * EPOCHS / (share.steps * run.epochs)
    rest = max(0.0, run.sweep - training) * whole.recordings / share.recordings
    return Projected(training * factor, rest, by_rows * factor, training, factor, how, run.wall, run.cpu)
