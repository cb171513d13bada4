import numpy as np
import torch
from torch import nn

from mimii.features.windows import Windows
from mimii.training import inference


def test_out_of_memory_scores_are_those_of_smaller_blocks(log_lines):
    network = nn.Identity()
    frames = np.arange(20_000, dtype=np.float32)[:, None]
    windows = Windows(frames, np.arange(20_000), np.arange(20_000), 1)

    def score(batch):
        if len(batch) > 1000:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory")
        return batch[:, 0, 0]

    assert np.array_equal(inference.apply(network, score, windows), np.arange(20_000, dtype=np.float32))
    assert any("windows are scored at a time" in line for line in log_lines)
