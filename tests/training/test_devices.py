import pytest
import torch

from mimii.errors import UserError
from mimii.runtime.devices import choose_device
from mimii.training.devices import precision


def test_auto_takes_a_device_that_is_there():
    assert choose_device("cpu") == "cpu"
    assert choose_device("auto") in {"cpu", "cuda", "mps"}


@pytest.mark.skipif(torch.cuda.is_available(), reason="has CUDA")
def test_a_device_that_is_not_there_is_refused():
    with pytest.raises(UserError, match="--device cuda"):
        choose_device("cuda")


def test_tf32_is_off_unless_asked_for():
    def state():
        return torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32

    assert state() == (False, False)
    with precision(tf32=True):
        assert state() == (True, True)
    assert state() == (False, False)
