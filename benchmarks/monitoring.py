"""How long `monitor.py score` takes: one recording from the shell, and recordings in a second of a thousand.

python benchmarks/monitoring.py
"""

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import common
from common import SOURCE, Figure, seconds, write_recordings

from mimii.data.audio import read_channel
from mimii.features.logmel import log_mel
from mimii.settings import FeatureSettings, MonitorSettings, TrainingSettings

HEALTHY, MANY = 50, 1000
# s for one recording, and the least share of the rate at which one process extracts log-mel frames
BOUNDS = {"fusion": (1.0, 0.25), "fusion with others": (1.0, 0.1), "idnn": (3.0, 0.1)}


def measure(repeats: int) -> list[Figure]:
    """Each command as a user gives it, in a process of its own."""
    from mimii.monitoring.training import train_monitor

    figures = []
    with tempfile.TemporaryDirectory() as directory:
        paths, others = write_recordings(Path(directory), HEALTHY), Path(directory) / "others"
        others.mkdir()
        for path in write_recordings(others, 2 * HEALTHY)[:HEALTHY]:
            path.unlink()  # it is the same as one of the machine
        for model, (most, least_share) in BOUNDS.items():
            settings = MonitorSettings(model=model.split()[0], training=TrainingSettings(epochs=1), false_alarms=0.1)
            file = Path(directory) / f"{model}.model"
            train_monitor(paths, settings, [others] if "others" in model else []).monitor.save(file)
            alone = statistics.median(_score(file, paths[:1]) for _ in range(repeats))
            many = [*paths] * (MANY // HEALTHY)
            rate = MANY / statistics.median(_score(file, many) for _ in range(max(1, repeats // 2)))
            floor = _extraction_rate(paths)
            figures += [
                Figure(f"{model}, one recording", "s", ours=alone, wanted=f"{most:g} s", holds=alone < most),
                Figure(
                    f"{model}, {MANY:,} recordings",
                    "recordings/s",
                    ours=rate,
                    wanted=f"{least_share:g} of floor",
                    holds=rate > least_share * floor,
                    floor=floor,
                    notes={"floor": "extraction, one process"},
                ),
            ]
    return figures


def _score(model_file: Path, paths: list[Path]) -> float:
    """How long it takes to score recordings, of which none is an error [s]."""
    command = [sys.executable, str(SOURCE / "monitor.py"), "score", "-", "--model_file", str(model_file), "--csv"]
    listed = "\n".join(map(str, paths))

    def run() -> None:
        done = subprocess.run(command, input=listed, capture_output=True, text=True)
        assert done.returncode in (0, 1), done.stderr

    return seconds(run)


def _extraction_rate(paths: list[Path]) -> float:
    """Recordings in a second whose log-mel frames one process computes."""
    settings = FeatureSettings()
    rates = []
    for _ in range(3):
        begin = time.perf_counter()
        for path in paths:
            log_mel(*read_channel(path), settings, fft="scipy")
        rates.append(len(paths) / (time.perf_counter() - begin))
    return max(rates)


if __name__ == "__main__":
    sys.exit(common.main(__doc__, measure))
