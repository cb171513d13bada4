"""What all of MIMII would take in the plain way, from measured steps, and what the machine's limits would allow."""

import time
import warnings
from pathlib import Path

import common
from common import seconds, windows_of
from training import BATCH, Plain

_STEPS, _WARM_UP = 200, 20  # of a network
_EXACT = 4000  # windows of the one-class SVM, whose time grows with their square
_RECORDINGS = 40


def plain_step(model: str, device: str) -> float:
    """How long a training step of a network takes in the plain way, with all threads [s]."""
    from mimii.models import create_model

    warnings.filterwarnings("ignore", message="This DataLoader will create")
    plain = Plain(create_model(model).network, windows_of(_STEPS * BATCH), device)
    plain.network.train()
    for number, (batch,) in enumerate(plain.loader):
        if number == _WARM_UP:
            begin = time.perf_counter()
        plain.step(batch)
    return (time.perf_counter() - begin) / (len(plain.loader) - _WARM_UP)


def plain_fit(model: str, windows: int) -> float:
    """How long a classical detector takes to fit all windows of a machine in the plain way [s].

    It is measured for the isolation forest, and for the one-class SVM extrapolated from 4,000 windows.
    """
    from sklearn.ensemble import IsolationForest
    from sklearn.svm import OneClassSVM

    if model == "isolation_forest":
        return seconds(lambda: IsolationForest().fit(windows_of(windows).gather().reshape(windows, -1)))
    vectors = windows_of(_EXACT).gather().reshape(_EXACT, -1)
    return seconds(lambda: OneClassSVM(nu=0.1).fit(vectors)) * (windows / _EXACT) ** 2


def plain_extraction(recordings: list[Path]) -> float:
    """How long librosa takes for a recording [s]."""
    from extraction import plain

    plain(recordings[0])
    return seconds(lambda: [plain(path) for path in recordings[:_RECORDINGS]]) / len(recordings[:_RECORDINGS])


def operations(model: str) -> float:
    """Floating-point operations of the matrix products of a training step, for a window."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    from mimii.models import create_model

    network = create_model(model).network.train()
    batch = torch.randn(BATCH, network.frames, network.n_mels)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about processors of which there are none here
        # without oneDNN, whose products inside an LSTM are not counted
        with torch.backends.mkldnn.flags(enabled=False), FlopCounterMode(display=False) as counter:
            network.loss(batch).backward()
    return counter.get_total_flops() / BATCH


def kernels(model: str) -> int:
    """How many kernels a training step starts in the plain way on CUDA."""
    import torch
    from torch.profiler import ProfilerActivity, profile

    from mimii.models import create_model

    windows = windows_of(BATCH)
    plain = Plain(create_model(model).network, windows, "cuda")
    plain.network.train()
    batch = torch.from_numpy(windows.gather())
    plain.step(batch)
    with profile(activities=[ProfilerActivity.CPU, ProfilerActivity.CUDA]) as profiler:
        plain.step(batch)
    return sum(event.count for event in profiler.key_averages() if event.key.startswith(("cudaLaunch", "cuLaunch")))


def launch_times() -> tuple[float, float]:
    """How long CUDA takes for a kernel that does nothing: launched by itself, and as one of a captured graph [s]."""
    import torch

    count = 1000

    def launch() -> None:
        for _ in range(count):
            torch.cuda._sleep(0)

    graph = torch.cuda.CUDAGraph()
    launch()
    with torch.cuda.graph(graph):
        launch()

    def taken(work) -> float:
        torch.cuda.synchronize()
        return min(seconds(lambda: (work(), torch.cuda.synchronize())) for _ in range(10)) / count

    return taken(launch), taken(graph.replay)


def matmul_rate(device: str, cores: int) -> float:
    """Floating-point operations in a second, of all cores or of a GPU [1/s]."""
    import mimii.training.devices  # noqa: F401  (it turns TF32 off)

    return common.matmul_rate("cpu") * cores if device == "cpu" else common.matmul_rate(device)
