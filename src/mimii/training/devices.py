"""Where networks run, and how precisely."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from mimii.errors import UserError

# torch has TF32, of 10 bits, on for convolutions and LSTMs: scores would depend on the card
torch.backends.cudnn.allow_tf32 = False


@contextmanager
def precision(tf32: bool) -> Iterator[None]:
    """Allow a GPU to multiply in TF32, or not."""
    before = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = tf32
    try:
        yield
    finally:
        torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = before


def choose_device(name: str) -> str:
    """Resolve ``auto`` to CUDA where it is available, else to MPS, else to the CPU.

    Raises
    ------
    UserError
        The device that was asked for is not available.
    """
    available = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name == "auto":
        return next(device for device, is_available in available.items() if is_available)
    if not available[name]:
        raise UserError(f"--device {name}: torch {torch.__version__} finds no such device here; use --device auto")
    return name
