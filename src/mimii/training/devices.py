"""How precisely a graphics card multiplies."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

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
