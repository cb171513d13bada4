"""Captured CUDA graphs: work that is launched as a whole, where launching its kernels takes longer than they do."""

from collections.abc import Callable, Sequence
from functools import lru_cache

import torch

_WARM_UPS = 3  # torch asks for some before a capture


def capture(
    work: Callable[[], object],
    device: torch.device,
    *,
    warm_up: Callable[[], object] | None = None,
    generators: Sequence[torch.Generator] = (),
) -> torch.cuda.CUDAGraph:
    """Capture what work does on a device, after doing it some times.

    Parameters
    ----------
    work : callable
        What it launches must not depend on values on the device.
    device : torch.device
    warm_up : callable, optional
        What is done before, in place of the work.
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
    stream = _capture_stream(device.index)
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(_WARM_UPS):
            (warm_up or work)()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    for generator in generators:
        graph.register_generator_state(generator)
    with torch.cuda.graph(graph, stream=stream):
        work()
    return graph


@lru_cache
def _capture_stream(device_index: int | None) -> torch.cuda.Stream:
    """The one stream for captures: cuBLAS keeps a workspace for every stream that it has seen."""
    return torch.cuda.Stream(device_index)
