"""How fast detectors on samples train and embed: clips of 10 s at 16 kHz, of noise.

python benchmarks/samples.py

On a GPU a detector of 16 machines with 1,000 recordings each must be trained in less than ten minutes, with the default
epochs; there is no bound for the CPU.
"""

import statistics
import sys
import time
from dataclasses import replace

import common
from common import Figure

from mimii.settings import TrainingSettings
from mimii.training.hooks import Training

SECONDS, RATE, MACHINES = 10, 16_000, 16
ON_CPU, ON_GPU = 64, 2048  # clips
WANTED, MOST = 16 * 1000, 600.0  # clips of the bound, and its seconds


def measure(repeats: int) -> list[Figure]:
    """Train and embed with each of the detectors, on the GPU where there is one."""
    import numpy as np
    import torch

    from mimii.features.origins import Origins
    from mimii.features.windows import Samples, Windows
    from mimii.models import DETECTORS, create_model
    from mimii.models.choices import member_settings

    device = "cuda" if torch.cuda.is_available() else "cpu"
    count = ON_GPU if device == "cuda" else ON_CPU
    length = SECONDS * RATE
    rng = np.random.default_rng(0)
    values = rng.integers(-3000, 3000, count * length, dtype=np.int16)
    machine = np.arange(count) % MACHINES
    names = tuple(f"id_{number:02d}" for number in range(MACHINES))
    windows = Windows(
        frames=np.zeros((count, 1), dtype=np.float32),
        starts=np.arange(count),
        recording=np.arange(count),
        length=1,
        samples=Samples(values, np.arange(count + 1) * length),
        origins=Origins(
            machines=tuple(("", "fan", name) for name in names),
            machine=machine,
            classes=names,
            target=machine,
            is_target_domain=np.zeros(count, dtype=bool),
        ),
    )
    figures = []
    for name in [name for name, entry in DETECTORS.items() if entry.needs_samples]:
        settings = member_settings(name, TrainingSettings())
        assert settings.epochs is not None
        epochs = 2 if device == "cuda" else 1
        rates, embeds = [], []
        for _ in range(repeats):
            model = create_model(name, n_mels=1, frames=1, device=device)
            model.load_libraries()
            history = model.fit(windows, None, Training(replace(settings, epochs=epochs), seed=0))
            rates.append(count * epochs / history.training_time_sec)
            begin = time.perf_counter()
            model.score_recordings(windows)
            embeds.append(count / (time.perf_counter() - begin))
        rate = statistics.median(rates)
        whole = WANTED * settings.epochs / rate
        figures.append(
            Figure(
                f"{name} on {device}, clips of {SECONDS} s",
                "clips/s",
                ours=rate,
                wanted=f"{WANTED:,} clips, {settings.epochs} epochs in {MOST:g} s" if device == "cuda" else "",
                holds=device == "cpu" or whole < MOST,
                notes={"embedded a second": statistics.median(embeds), "s for 16 x 1,000 clips": whole},
            )
        )
    return figures


if __name__ == "__main__":
    sys.exit(common.main(__doc__, measure))
