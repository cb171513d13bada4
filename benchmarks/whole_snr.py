"""One SNR of MIMII in size: features of 18,019 recordings of 8 channels, hard links to a few hundred distinct ones.

python benchmarks/whole_snr.py
"""

import os
import sys
import tempfile
import threading
from contextlib import contextmanager
from pathlib import Path

import common
from common import Figure, lay_out, read_rate, seconds, write_recordings
from extraction import SETTINGS

from mimii.runtime.processes import in_parallel

_DISTINCT, SNR, MOST = 300, "6dB", 1024  # MiB
MIB = 2**20


class Peaks:
    """The largest resident memory of this process and of each of its children, while a block runs."""

    def __init__(self):
        self.mib: dict[int, float] = {}
        self._done = threading.Event()

    @contextmanager
    def watch(self):
        """Look ten times a second."""
        thread = threading.Thread(target=self._look)
        thread.start()
        try:
            yield self
        finally:
            self._done.set()
            thread.join()

    def _look(self) -> None:
        import psutil

        me = psutil.Process()
        while not self._done.wait(0.1):
            for process in (me, *me.children(recursive=True)):
                try:
                    rss = process.memory_info().rss / MIB
                except psutil.Error:  # it has just ended
                    continue
                self.mib[process.pid] = max(self.mib.get(process.pid, 0.0), rss)


class _Paths(list):
    name = "some recordings"


def read_all(paths: list[str]) -> int:
    """Read channel 0 of recordings, and nothing else."""
    from mimii.data.audio import read_channel

    return sum(len(read_channel(path)[0]) for path in paths)


def measure(repeats: int) -> list[Figure]:
    """Extract once with a process a core and, where there is one, once with a GPU; and read without the rest."""
    import torch

    from mimii.data.machines import MACHINE
    from mimii.data.mimii import published_baseline
    from mimii.data.recordings import find_recordings
    from mimii.features.store import FeatureStore

    jobs = os.cpu_count()
    all_snrs = published_baseline()
    figures = []
    with tempfile.TemporaryDirectory() as temporary:
        distinct = Path(temporary) / "distinct"
        distinct.mkdir()
        paths = write_recordings(distinct, _DISTINCT)
        count = lay_out(Path(temporary), paths, all_snrs[all_snrs["snr"] == SNR])
        floor = sum(path.stat().st_size for path in paths) / len(paths) / read_rate(paths) / jobs
        names = [str(path) for path in sorted((Path(temporary) / SNR).rglob("*.wav"))]
        chunks = [_Paths(names[start : start + 64]) for start in range(0, len(names), 64)]
        reading = seconds(lambda: list(in_parallel(read_all, chunks, jobs)))

        for device in ["cpu", "cuda:0"] if torch.cuda.is_available() else ["cpu"]:

            def extract(device=device) -> None:
                found = find_recordings(Path(temporary) / SNR)
                machines = [machine.reset_index(drop=True) for _, machine in found.groupby(MACHINE)]
                FeatureStore(Path(temporary) / device, SETTINGS).extract(machines, jobs, device=device)

            peaks = Peaks()
            with peaks.watch():
                taken = seconds(extract)
            largest = max(peaks.mib.values())
            each = sorted(peaks.mib.values(), reverse=True)[: jobs + 1]
            figures.append(
                Figure(
                    f"one SNR, {count:,} recordings, {device}",
                    "recordings/s",
                    ours=count / taken,
                    wanted=f"RSS < {MOST} MiB",
                    holds=largest < MOST,
                    floor=1 / floor,
                    notes={
                        "largest RSS [MiB]": largest,
                        "of each process [MiB]": " ".join(f"{peak:.0f}" for peak in each),
                        "share of reading": reading / taken,
                    },
                )
            )
    return figures


if __name__ == "__main__":
    sys.exit(common.main(__doc__, measure))
