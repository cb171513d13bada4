"""Memory to train on 1,000 recordings of 10 s: from the feature file to the scores, against the stacked matrix.

python benchmarks/memory.py
"""

import subprocess
import sys
import tempfile
from pathlib import Path

import common
from common import Figure, features_of

RECORDINGS, MOST = 1000, 300  # MiB
MIB = 2**20


def child(way: str, path: Path) -> None:
    """Load, train for an epoch, score; print the peak of the memory beyond the imports [MiB]."""
    import psutil
    import torch

    from mimii.evaluation.efficiency import MB, PeakMemory
    from mimii.models import create_model
    from mimii.settings import TrainingSettings
    from mimii.training.hooks import Training
    from mimii.training.loop import train

    torch.set_num_threads(1)
    network = create_model("simple_ae").network
    # so that torch loads all it needs before memory is measured
    train(network, common.windows_of(300), None, Training(TrainingSettings(epochs=1), seed=0))
    before = psutil.Process().memory_info().rss
    with PeakMemory() as memory:  # what the system calls the peak of a process may be that of its parent
        load_train_and_score(way, path, network)
    print((memory.ram_mb * MB - before) / MIB)


def load_train_and_score(way: str, path: Path, network) -> None:
    """Do all that there is to do with a feature file, in one of the ways."""
    import numpy as np
    from training import Plain

    from mimii.features.windows import Features
    from mimii.settings import TrainingSettings
    from mimii.storage import files
    from mimii.training.hooks import Training
    from mimii.training.inference import apply
    from mimii.training.loop import train

    content = files.load_pickle(path)
    features = Features(content["frames"], content["offsets"], content["recordings"], {}, common.SAMPLE_RATE)
    windows = features.windows(5, np.ones(RECORDINGS, dtype=bool))
    if way == "ours":
        train(network, windows, None, Training(TrainingSettings(epochs=1), seed=0))
        apply(network, network.score, windows)
    else:
        plain = Plain(network, windows, "cpu")
        plain.epoch()
        network.score(plain.loader.dataset.tensors[0])


def measure(repeats: int) -> list[Figure]:
    """Each way in a process of its own; memory does not vary, so it is measured once."""
    from mimii.storage import files

    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "features.pickle"
        features = features_of(RECORDINGS)
        content = {"frames": features.frames, "offsets": features.offsets, "recordings": None}
        files.save_pickle(path, content)
        peaks = {}
        for way in ("ours", "plain"):
            command = [sys.executable, __file__, way, str(path)]
            output = subprocess.run(command, capture_output=True, check=True, encoding="utf-8").stdout
            peaks[way] = float(output.split()[-1])
    return [
        Figure(
            f"memory, {RECORDINGS:,} recordings",
            "MiB beyond the imports",
            ours=peaks["ours"],
            plain=peaks["plain"],
            ratio=peaks["plain"] / peaks["ours"],
            wanted=f"{MOST} MiB",
            holds=peaks["ours"] <= MOST,
            floor=features.frames.nbytes / MIB,
            notes={"floor": "the frames themselves", "plain": "without the workers of its DataLoader"},
        )
    ]


if __name__ == "__main__":
    if sys.argv[1:2] in (["ours"], ["plain"]):
        child(sys.argv[1], Path(sys.argv[2]))
    else:
        sys.exit(common.main(__doc__, measure))
