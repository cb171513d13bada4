"""An epoch of training: ours against a DataLoader over stacked windows with the loss read at each step.

python benchmarks/training.py
"""

import copy
import sys

import common
from common import Figure, in_turn, matmul_rate, seconds, windows_of

from mimii.settings import TrainingSettings

# the models and the least ratio on the CPU and on a GPU
ON_CPU = {"simple_ae": 3}
ON_GPU = {"simple_ae": 10, "ss_ae": 10, "vae": 10, "conv_ae": 5, "lstm_ae": 5}
BATCH = 256


class Plain:
    """The plain way: the stacked matrix of all windows, a DataLoader of 4 workers, ``.item()`` at each step."""

    def __init__(self, network, windows, device: str):
        import torch
        from torch.utils.data import DataLoader, TensorDataset

        self.device = device
        self.network = network.to(device)
        network.fit_scale(windows)
        self.optimizer = torch.optim.Adam(network.parameters(), lr=1e-3)
        self.loader = DataLoader(
            TensorDataset(torch.from_numpy(windows.gather())), batch_size=BATCH, shuffle=True, num_workers=4
        )
        self.loss = float("nan")

    def epoch(self) -> None:
        """Train for an epoch."""
        self.network.train()
        total = 0.0
        for (batch,) in self.loader:
            total += self.step(batch) * len(batch)
        self.loss = total / len(self.loader.dataset)

    def step(self, batch) -> float:
        """Take a step with a batch of windows (B, frames, n_mels); gives the loss."""
        self.optimizer.zero_grad()
        batch = batch.to(self.device)
        loss = self.network.loss(batch, *self.network.draw(batch))
        loss.backward()
        self.optimizer.step()
        return loss.item()


def operations(model: str) -> float | None:
    """Floating-point operations of a training step for a window: of a dense network 6 a weight, less one product."""
    if model != "simple_ae":
        return None
    weights = [320 * 64, 64 * 8, 8 * 64, 64 * 320]
    return 6 * sum(weights) - 2 * weights[0]  # nobody asks for the gradient of the input


def measure_on(device: str, models: dict[str, float], count: int, repeats: int, epochs: int) -> list[Figure]:
    """An epoch of each model on a device."""
    import warnings

    import torch

    from mimii.models import create_model
    from mimii.training.hooks import Training
    from mimii.training.loop import train

    warnings.filterwarnings("ignore", message="This DataLoader will create")
    windows = windows_of(count)
    threads = torch.get_num_threads()
    figures = []
    for model, least in models.items():
        network = create_model(model).network
        plain = Plain(copy.deepcopy(network), windows, device)
        losses = {}

        def ours(network=network, losses=losses) -> float:
            torch.set_num_threads(1)  # as every task of a sweep
            training = Training(TrainingSettings(epochs=epochs, batch_size=BATCH), seed=0)
            history = train(copy.deepcopy(network), windows, None, training, device=device)
            torch.set_num_threads(threads)
            losses["ours"] = history.train_loss[0]
            return history.training_time_sec / epochs

        def other(plain=plain, losses=losses) -> float:
            taken = seconds(plain.epoch)
            losses.setdefault("plain", plain.loss)
            return taken

        mine, theirs, ratio = in_turn(ours, other, repeats)
        work = operations(model)
        figures.append(
            Figure(
                f"{model}, {count:,} windows, {device}",
                "s/epoch",
                ours=mine,
                plain=theirs,
                ratio=ratio,
                wanted=f"{least} x",
                holds=ratio >= least,
                floor=work * count / matmul_rate(device) if work else None,
                notes={
                    "windows/s": count / mine,
                    "first epoch's loss": losses["ours"],
                    "the plain way's, in another order": losses["plain"],
                },
            )
        )
    return figures


def measure(repeats: int) -> list[Figure]:
    """On the CPU and, where it is there, on the GPU."""
    import torch

    figures = measure_on("cpu", ON_CPU, 60_000, repeats, epochs=1)
    if torch.cuda.is_available():
        figures += measure_on("cuda", ON_GPU, 200_000, repeats, epochs=5)
    return figures


if __name__ == "__main__":
    sys.exit(common.main(__doc__, measure))
