"""What the benchmarks share: something to work on, the two ways in turn, the machine's limits, rows of figures."""

import json
import os
import platform
import statistics
import sys
import textwrap
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import date
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

from mimii.commands.options import Parser, positive_int
from mimii.evaluation.efficiency import device_name

SOURCE = Path(__file__).resolve().parents[1] / "src"
SAMPLE_RATE = 16000  # [Hz]
SECONDS = 10
CHANNELS = 8


@dataclass
class Figure:
    """A row of the table.

    Attributes
    ----------
    what : str
    unit : str
        Of ``ours``, ``plain`` and ``floor``.
    ours : float
    plain : float, optional
        The same work as one writes it at first.
    ratio : float, optional
        How many times better ours is than the plain way.
    wanted : str
        The bound to hold.
    holds : bool
        Whether it does.
    floor : float, optional
        What this machine's disk and arithmetic would allow.
    notes : dict of str to float or str
        Whatever else was measured.
    """

    what: str
    unit: str
    ours: float
    wanted: str
    holds: bool
    plain: float | None = None
    ratio: float | None = None
    floor: float | None = None
    notes: dict[str, float | str] = field(default_factory=dict)


def in_turn(
    ours: Callable[[], float], plain: Callable[[], float], repeats: int, *, warm_up: bool = True
) -> tuple[float, float, float]:
    """Measure two ways one after the other, several times, so that a busy moment of the machine meets both.

    Parameters
    ----------
    ours, plain : callable
        Give what they took, or how fast they were.
    repeats : int > 0
    warm_up : bool
        Call each once before, which does not count.

    Returns
    -------
    ours, plain : float
        Medians.
    ratio : float
        Median of the ratios ``plain / ours`` of the repeats.
    """
    if warm_up:
        ours(), plain()
    pairs = [(ours(), plain()) for _ in range(repeats)]
    return (
        statistics.median(pair[0] for pair in pairs),
        statistics.median(pair[1] for pair in pairs),
        statistics.median(pair[1] / pair[0] for pair in pairs),
    )


def seconds(work: Callable[[], object]) -> float:
    """How long a piece of work takes [s]."""
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def write_recordings(directory: Path, count: int) -> list[Path]:
    """Write recordings of MIMII's format: 8 channels, 10 s, 16 kHz, 16 bit; coloured noise, as machines are."""
    import numpy as np
    import soundfile

    paths = []
    for number in range(count):
        rng = np.random.default_rng(number)
        noise = rng.integers(-2000, 2000, size=(SECONDS * SAMPLE_RATE, CHANNELS), dtype=np.int16)
        noise[1:] += noise[:-1] // 2  # the lower frequencies are the louder ones
        path = directory / f"{number:08d}.wav"
        soundfile.write(path, noise, SAMPLE_RATE, subtype="PCM_16")
        paths.append(path)
    return paths


def lay_out(directory: Path, recordings: list[Path], machines) -> int:
    """Give each clip of some machines of MIMII a name in MIMII's layout: hard links, which take no space.

    Parameters
    ----------
    directory : Path
        Receives the data set; on the disk of the recordings.
    recordings : list of Path
        Each is used as often as all others.
    machines : pd.DataFrame
        As `mimii.data.mimii.published_baseline` gives them.

    Returns
    -------
    int
        How many clips there are.
    """
    count = 0
    for machine in machines.itertuples():
        for label, clips in (("normal", machine.normal_clips), ("abnormal", machine.abnormal_clips)):
            folder = directory / machine.snr / machine.machine_type / machine.machine_id / label
            folder.mkdir(parents=True)
            for number in range(int(clips)):
                os.link(recordings[count % len(recordings)], folder / f"{number:08d}.wav")
                count += 1
    return count


def features_of(recordings: int, n_mels: int = 64, frames: int = 313):
    """Log-mel frames drawn at random, as many and as large as those of recordings of 10 s."""
    import numpy as np
    import pandas as pd

    from mimii.features.windows import Features

    values = np.random.default_rng(0).normal(-40, 10, size=(recordings * frames, n_mels)).astype(np.float32)
    table = pd.DataFrame({"path": map(str, range(recordings))})
    return Features(values, np.arange(recordings + 1) * frames, table, {}, SAMPLE_RATE)


def windows_of(count: int):
    """The first so many windows of 5 frames of random recordings."""
    import numpy as np

    recordings = -(-count // 309)
    return features_of(recordings).windows(5, np.ones(recordings, dtype=bool)).take(slice(0, count))


def matmul_rate(device: str = "cpu", threads: int = 1) -> float:
    """Floating-point operations in a second of a large product in float32 [1/s]."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    size = 1024 if device == "cpu" else 8192
    left, right = torch.randn(size, size, device=device), torch.randn(size, size, device=device)

    def product() -> None:
        left @ right
        if device != "cpu":
            torch.cuda.synchronize()

    product()
    taken = min(seconds(product) for _ in range(10))
    torch.set_num_threads(before)
    return 2 * size**3 / taken


def read_rate(paths: list[Path]) -> float:
    """Bytes in a second that come from files that the system has in memory [1/s]."""
    buffer = memoryview(bytearray(2**19))

    def read() -> None:
        for path in paths:
            with open(path, "rb", buffering=0) as file:
                while file.readinto(buffer):
                    pass

    read()
    return sum(path.stat().st_size for path in paths) / min(seconds(read) for _ in range(3))


def report(figures: list[Figure], output: Path | None) -> int:
    """Print figures as a table, write them as JSON; gives the exit status, 1 where a bound does not hold."""
    machine = {
        "processor": device_name("cpu"),
        "cores": os.cpu_count(),
        "system": platform.platform(terse=True),
        "python": platform.python_version(),
        "date": date.today().isoformat(),
    }
    print(f"\n{machine['processor']}, {machine['cores']} cores, {machine['system']}, {machine['date']}\n")
    print(f"{'':<34}{'ours':>10}{'plain':>10}{'ratio':>7}{'floor':>9}  wanted")
    print("-" * 80)
    for figure in figures:
        cells = [_number(figure.ours), _number(figure.plain), _number(figure.ratio), _number(figure.floor)]
        print(f"{figure.what:<34}{cells[0]:>10}{cells[1]:>10}{cells[2]:>7}{cells[3]:>9}  {_verdict(figure)}")
        notes = f"[{figure.unit}] " + ", ".join(f"{name} {_number(value)}" for name, value in figure.notes.items())
        print(textwrap.fill(notes, 80, initial_indent="  ", subsequent_indent="      "))
    if output:
        content = {"machine": machine, "figures": [asdict(figure) for figure in figures]}
        output.parent.mkdir(parents=True, exist_ok=True)
        output.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    return 0 if all(figure.holds for figure in figures) else 1


def _verdict(figure: Figure) -> str:
    return f"{figure.wanted}{'' if figure.holds else ' MISSED'}"


def _number(value: float | str | None) -> str:
    if value is None:
        return "-"
    if isinstance(value, str):
        return value
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def parser(doc: str) -> Parser:
    """Options that all benchmarks have."""
    options = Parser(description=doc.splitlines()[0])
    options.add_argument("--repeats", type=positive_int, default=5, help="the median of so many counts")
    options.add_argument("--output", type=Path, metavar="FILE", help="receives the figures as JSON")
    return options


def main(doc: str, measure: Callable[[int], list[Figure]]) -> int:
    """Run a benchmark from the command line."""
    args = parser(doc).parse_args()
    return report(measure(args.repeats), args.output)
