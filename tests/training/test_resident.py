import numpy as np
import torch

from mimii.features.windows import Windows
from mimii.training.resident import ResidentWindows


def test_windows_on_the_device_are_the_windows():
    rng = np.random.default_rng(0)
    frames = rng.normal(size=(20, 3)).astype(np.float32)
    windows = Windows(frames, np.array([0, 1, 7, 16]), np.array([0, 0, 1, 2]), 4)
    resident = ResidentWindows(windows, "cpu")
    assert len(resident) == 4
    assert np.array_equal(resident.batch(torch.tensor([3, 0, 3])).numpy(), windows.gather()[[3, 0, 3]])
    assert np.array_equal(resident.batch(slice(1, 4)).numpy(), windows.gather()[1:4])


def test_frames_that_a_gpu_has_no_room_for_stay_in_main_memory(monkeypatch, log_lines):
    def full(tensor, device):
        raise torch.cuda.OutOfMemoryError("CUDA out of memory")

    windows = Windows(np.arange(4, dtype=np.float32)[:, None], np.arange(4), np.arange(4), 1)
    with monkeypatch.context() as patch:
        patch.setattr(torch.Tensor, "to", full)
        frames = ResidentWindows.settle(windows.frames, torch.device("cpu"))
    assert np.array_equal(frames.numpy(), windows.frames)
    assert any("they stay in main memory" in line for line in log_lines)
