"""Log-mel features of 8-channel recordings: ours against librosa, file after file; and on a GPU.

python benchmarks/extraction.py
"""

import sys
import tempfile
import time
from pathlib import Path

import common
from common import CHANNELS, SAMPLE_RATE, SECONDS, Figure, in_turn, matmul_rate, read_rate, seconds, write_recordings

from mimii.features.extraction import CHUNK, Chunk, extract
from mimii.settings import FeatureSettings

_DISTINCT = 64  # recordings, 164 MB: more than a processor's cache holds
SETTINGS = FeatureSettings()
N_FRAMES = 1 + SECONDS * SAMPLE_RATE // SETTINGS.hop_length


def plain(path: Path):
    """Give the features as one writes it at first."""
    import librosa
    import numpy as np

    signal, sample_rate = librosa.load(path, sr=None, mono=False)
    mel = librosa.feature.melspectrogram(
        y=signal[0],
        sr=sample_rate,
        n_fft=SETTINGS.n_fft,
        hop_length=SETTINGS.hop_length,
        n_mels=SETTINGS.n_mels,
        power=SETTINGS.power,
    )
    return 20 / SETTINGS.power * np.log10(mel + sys.float_info.epsilon)


def operations() -> float:
    """Floating-point operations for a recording's frames: window, real FFT, energy, the bank where it is not zero."""
    n_fft = SETTINGS.n_fft
    fft = 2.5 * n_fft * (n_fft.bit_length() - 1)
    return N_FRAMES * (n_fft + fft + 3 * n_fft / 2 + 4 * n_fft / 2 + SETTINGS.n_mels)


def rate_of(paths: list[Path], jobs: int) -> float:
    """Recordings that ours extracts in a second, from when its processes have begun to work [1/s]."""
    names = [str(path) for path in paths]
    chunks = [Chunk(0, start, names[start : start + CHUNK], SETTINGS) for start in range(0, len(names), CHUNK)]
    count = 0
    for number, (_, extracted) in enumerate(extract(chunks, jobs)):
        if number < 2 * jobs:
            begin = time.perf_counter()
        else:
            count += len(extracted)
    return count / (time.perf_counter() - begin)


def measure(repeats: int) -> list[Figure]:
    """One process, two processes and, where it is there, the GPU."""
    import numpy as np

    from mimii.data.audio import read_channel
    from mimii.features.logmel import log_mel

    figures = []
    with tempfile.TemporaryDirectory() as directory:
        paths = write_recordings(Path(directory), _DISTINCT)
        error = max(
            np.abs(log_mel(*read_channel(path), SETTINGS) - plain(path).T).max() for path in paths[:: _DISTINCT // 8]
        )
        reading = (44 + SECONDS * SAMPLE_RATE * CHANNELS * 2) / read_rate(paths)
        arithmetic = operations() / matmul_rate()

        def plain_time() -> float:
            return seconds(lambda: [plain(path) for path in paths]) / len(paths)

        for jobs, least in ((1, 8), (2, 14)):
            copies = paths * (8 * jobs)
            ours, other, ratio = in_turn(lambda c=copies, j=jobs: 1 / rate_of(c, j), plain_time, repeats)
            figures.append(
                Figure(
                    f"extraction, {jobs} process{'es' if jobs > 1 else ''}",
                    "recordings/s",
                    ours=1 / ours,
                    plain=1 / other,
                    ratio=ratio,
                    wanted=f"{least} x",
                    holds=ratio >= least,
                    floor=jobs / (reading + arithmetic),
                    notes={
                        "read [ms]": reading * 1e3,
                        "arithmetic [ms]": arithmetic * 1e3,
                        "largest difference [dB]": float(error),
                    },
                )
            )
    return figures + measure_gpu(repeats)


def measure_gpu(repeats: int) -> list[Figure]:
    """From integers in main memory to frames in main memory."""
    import statistics

    import torch

    from mimii.features.logmel import log_mel_on_gpu

    if not torch.cuda.is_available():
        return []
    batch, batches = 256, 8
    signals = [
        torch.randint(-3000, 3000, (batch, SECONDS * SAMPLE_RATE), dtype=torch.int16).pin_memory() for _ in range(2)
    ]
    frames = torch.empty(batch, N_FRAMES, SETTINGS.n_mels).pin_memory()

    def work() -> None:
        for number in range(batches):
            on_gpu = signals[number % 2].to("cuda", non_blocking=True)
            frames.copy_(log_mel_on_gpu(on_gpu, SAMPLE_RATE, SETTINGS), non_blocking=True)
        torch.cuda.synchronize()

    work()
    taken = statistics.median(seconds(work) for _ in range(repeats)) / (batch * batches)
    sending = statistics.median(
        seconds(lambda: (signals[0].to("cuda", non_blocking=True), torch.cuda.synchronize())) for _ in range(repeats)
    )
    return [
        Figure(
            f"log-mel, {torch.cuda.get_device_name()}"[:34],
            "recordings/s",
            ours=1 / taken,
            wanted="50,000",
            holds=1 / taken >= 50_000,
            floor=batch / sending,
            notes={"floor": "what the bus to the GPU carries"},
        )
    ]


if __name__ == "__main__":
    sys.exit(common.main(__doc__, measure))
