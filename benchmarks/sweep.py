"""A sweep of 8 small tasks: one process a core with a thread each, against one task after another with all threads.

python benchmarks/sweep.py
"""

import sys
from dataclasses import dataclass

import common
from common import Figure, in_turn, seconds, windows_of

from mimii.runtime.processes import in_parallel
from mimii.settings import TrainingSettings

TASKS, WINDOWS, EPOCHS, PROCESSES, LEAST = 8, 30_000, 50, 2, 1.6


@dataclass(frozen=True)
class Small:
    """A task: train a small autoencoder."""

    seed: int

    @property
    def name(self) -> str:
        """For messages."""
        return f"small task {self.seed}"


def train_one(task: Small, threads: int = 1) -> float:
    """Train; gives the loss."""
    import torch

    from mimii.models import create_model
    from mimii.training.hooks import Training
    from mimii.training.loop import train

    torch.set_num_threads(threads)
    network = create_model("simple_ae").network
    training = Training(TrainingSettings(epochs=EPOCHS), seed=task.seed)
    return train(network, windows_of(WINDOWS), None, training).train_loss[-1]


def measure(repeats: int) -> list[Figure]:
    """Both ways, the start of the processes included."""
    tasks = [Small(seed) for seed in range(TASKS)]
    ours, plain, ratio = in_turn(  # of minutes, so without a warm-up
        lambda: seconds(lambda: list(in_parallel(train_one, tasks, PROCESSES))),
        lambda: seconds(lambda: [train_one(task, threads=PROCESSES) for task in tasks]),
        min(repeats, 3),
        warm_up=False,
    )
    return [
        Figure(
            f"sweep of {TASKS} tasks, {PROCESSES} processes",
            "tasks/min",
            ours=60 * TASKS / ours,
            plain=60 * TASKS / plain,
            ratio=ratio,
            wanted=f"{LEAST} x",
            holds=ratio >= LEAST,
            notes={"windows": f"{WINDOWS:,}", "epochs": EPOCHS},
        )
    ]


if __name__ == "__main__":
    sys.exit(common.main(__doc__, measure))
