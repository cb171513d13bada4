"""Captured CUDA graphs: work that is launched as a whole, where launching its kernels takes longer than they do."""

from collections.abc import Callable, Sequence
from functools import lru_cache

import torch

_WARM_UPS = 3  # torch asks for some before a capture


def warm_up(work: Callable[[], object], device: torch.device) -> None:
    """Do some work that is to be captured, a few times."""
    stream = _capture_stream(device.index)
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(_WARM_UPS):
            work()
    torch.cuda.current_stream().wait_stream(stream)


def capture(
    work: Callable[[], object], device: torch.device, generators: Sequence[torch.Generator] = ()
) -> torch.cuda.CUDAGraph:
    """Capture what work does on a device, after `warm_up`.

    Parameters
    ----------
    work : callable
        What it launches must not depend on values on the device.
    device : torch.device
    generators : sequence of torch.Generator
        Those that it draws random numbers from, beside the device's own.

    Returns
    -------
    torch.cuda.CUDAGraph
        Its ``replay`` does the work.

    Raises
    ------
    RuntimeError
        It can't be captured; the device has too little memory, say.
    """
    graph = torch.cuda.CUDAGraph()
    for generator in generators:
        graph.register_generator_state(generator)
    # other threads may ask for pinned memory meanwhile
    with torch.cuda.graph(graph, stream=_capture_stream(device.index), capture_error_mode="thread_local"):
        work()
    return graph


@lru_cache
def _capture_stream(device_index: int | None) -> torch.cuda.Stream:
    """The one stream for captures: cuBLAS keeps a workspace for every stream that it has seen."""
    return torch.cuda.Stream(device_index)
