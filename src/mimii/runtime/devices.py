"""Where networks run."""

import ctypes
import sys
from pathlib import Path

from mimii.errors import UserError

# what drivers of graphics cards put there: NVIDIA's, AMD's, and Windows' for its Linux
_DRIVERS = ("/dev/nvidiactl", "/dev/nvidia0", "/dev/kfd", "/dev/dxg")


def choose_device(name: str) -> str:
    """Resolve ``auto`` to CUDA where it is available, else to MPS, else to the CPU.

    Parameters
    ----------
    name : str
        One of `mimii.settings.DEVICES`.

    Raises
    ------
    UserError
        The device that was asked for is not available.
    """
    if name == "cpu" or (name == "auto" and not _may_have_card()):
        return "cpu"
    import torch

    available = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name == "auto":
        return next(device for device, is_available in available.items() if is_available)
    if not available[name]:
        raise UserError(f"--device {name}: torch {torch.__version__} finds no such device here; use --device auto")
    return name


def _may_have_card() -> bool:
    """Tell whether torch has to be asked for graphics cards, which takes a second where it is not imported yet."""
    if sys.platform != "linux" or "torch" in sys.modules or any(Path(driver).exists() for driver in _DRIVERS):
        return True
    try:
        ctypes.CDLL("libcuda.so.1")
    except OSError:
        return False
    return True
