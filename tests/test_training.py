import copy

import numpy as np
import pytest
import torch
from torch import nn

from mimii.errors import TaskError, UserError
from mimii.features import Windows
from mimii.models.network import Network
from mimii.settings import TrainingSettings
from mimii.training import ResidentWindows, choose_device, train

torch.set_num_threads(1)


class Level(Network):
    """Learns one number, the level of its windows, and starts from 0."""

    def __init__(self, blow_up_after=None):
        super().__init__(1, 1)
        self.level = nn.Parameter(torch.zeros(()))
        self.seen = []
        self.modes = []
        self.blow_up_after = blow_up_after

    def fit_scale(self, *arguments):
        pass

    def loss(self, windows):
        self.seen.append(windows[:, 0, 0].tolist())
        self.modes.append(self.training)
        loss = (windows - self.level).square().mean()
        if self.blow_up_after is not None and len(self.seen) > self.blow_up_after:
            loss = loss * float("nan")
        return loss


def windows_of(*values, length=1):
    frames = np.repeat(np.array(values, dtype=np.float32), length)[:, None]
    return Windows(frames, np.arange(len(values)) * length, np.arange(len(values)), length)


def settings(**changes):
    return TrainingSettings(**{"frames": 1, "epochs": 20, "batch_size": 4, "learning_rate": 0.1, **changes})


def batches(network, size):
    """What the network was shown while it trained, an epoch at a time, each epoch of ``size`` windows."""
    shown = [values for values, training in zip(network.seen, network.modes, strict=True) if training]
    shown = shown[1:]  # the first step is a rehearsal, which is undone
    flat = [value for values in shown for value in values]
    return shown, [flat[start : start + size] for start in range(0, len(flat), size)]


def test_the_state_with_the_best_validation_loss_is_kept():
    network = Level()
    history = train(network, windows_of(1, 1, 1, 1), windows_of(0.25, 0.25), settings(), seed=0)
    best = int(np.argmin(history.val_loss))
    assert 0 < best < len(history.val_loss) - 1  # it got worse again, as it should here
    assert history.train_loss[-1] < history.train_loss[best]
    with torch.no_grad():
        kept = (torch.tensor(0.25) - network.level).square().item()
    assert kept == pytest.approx(min(history.val_loss), rel=1e-5)
    assert not network.training


def test_without_validation_the_state_with_the_best_training_loss_is_kept():
    network = Level()
    history = train(network, windows_of(1, 1, 1, 1), None, settings(epochs=60), seed=0)
    assert history.val_loss == []
    assert len(history.train_loss) == 60
    assert network.level.item() == pytest.approx(1, abs=0.15)


def test_validation_teaches_nothing():
    taught = Level(), Level()
    for network, value in zip(taught, (100.0, -100.0), strict=True):
        train(network, windows_of(1, 2, 3), windows_of(value), settings(epochs=1), seed=0)
    assert taught[0].level.item() == taught[1].level.item()


def test_the_losses_are_means_over_windows_whatever_the_batches():
    history = train(
        Level(), windows_of(1, 2, 3, 4, 5), windows_of(3, 5), settings(epochs=1, learning_rate=1e-12), seed=0
    )
    assert history.train_loss == pytest.approx([(1 + 4 + 9 + 16 + 25) / 5])
    assert history.val_loss == pytest.approx([(9 + 25) / 2])


def test_a_loss_that_is_not_finite_ends_the_task_with_a_remedy():
    with pytest.raises(TaskError, match="learning_rate"):
        train(Level(blow_up_after=3), windows_of(1, 2, 3, 4), None, settings(), seed=0)


def test_a_validation_loss_that_is_not_finite_ends_the_task():
    with pytest.raises(TaskError, match="finite"):
        train(Level(), windows_of(1, 2, 3, 4), windows_of(np.inf), settings(), seed=0)


def test_every_epoch_shows_every_window_once_in_batches_of_the_size_asked_for():
    network = Level()
    train(network, windows_of(*range(10)), windows_of(5), settings(epochs=3), seed=0)
    shown, epochs = batches(network, 10)
    assert [len(values) for values in shown] == [4, 4, 2] * 3
    assert [sorted(epoch) for epoch in epochs] == [list(range(10))] * 3


def test_batches_are_shuffled_anew_in_each_epoch_by_the_seed():
    orders = []
    for seed in (0, 0, 1):
        network = Level()
        train(network, windows_of(*range(30)), None, settings(epochs=2), seed=seed)
        orders.append(batches(network, 30)[1])
    assert orders[0] == orders[1]
    assert orders[0] != orders[2]
    assert orders[0][0] != orders[0][1]
    assert list(range(30)) not in orders[0]


def test_random_numbers_that_were_drawn_before_change_nothing():
    class Noisy(Level):
        def loss(self, windows):
            return super().loss(windows + torch.randn_like(windows))

    levels = []
    for draws in (0, 7):
        network = Noisy()
        torch.manual_seed(draws)
        torch.rand(draws)
        train(network, windows_of(1, 2, 3), None, settings(), seed=3)
        levels.append(network.level.item())
    assert levels[0] == levels[1]


def test_a_batch_larger_than_the_data_is_all_of_it():
    network = Level()
    train(network, windows_of(1, 2, 3), None, settings(batch_size=1000, epochs=2), seed=0)
    assert [sorted(values) for values in batches(network, 3)[0]] == [[1, 2, 3]] * 2


def test_validation_is_done_with_the_network_as_it_is_used():
    network = Level()
    train(network, windows_of(1, 2), windows_of(9, 9, 9), settings(epochs=2), seed=0)
    assert {tuple(seen): mode for seen, mode in zip(network.seen, network.modes, strict=True)}[9, 9, 9] is False


def test_way_is_given_after_each_step_and_that_time_is_left_out():
    calls = []

    def give_way():
        calls.append(1)
        return 1000.0

    history = train(Level(), windows_of(*range(10)), None, settings(epochs=3), seed=0, give_way=give_way)
    assert len(calls) == 9
    assert history.training_time_sec < 0  # an hour of waiting for others, which was not there here


def test_windows_on_the_device_are_the_windows():
    rng = np.random.default_rng(0)
    frames = rng.normal(size=(20, 3)).astype(np.float32)
    windows = Windows(frames, np.array([0, 1, 7, 16]), np.array([0, 0, 1, 2]), 4)
    resident = ResidentWindows(windows, "cpu")
    assert len(resident) == 4
    assert np.array_equal(resident.batch(torch.tensor([3, 0, 3])).numpy(), windows.gather()[[3, 0, 3]])
    assert np.array_equal(resident.batch(slice(1, 4)).numpy(), windows.gather()[1:4])


def test_training_leaves_the_windows_alone():
    windows = windows_of(1, 2, 3)
    before = copy.deepcopy(windows.frames)
    train(Level(), windows, None, settings(), seed=0)
    assert np.array_equal(windows.frames, before)


def test_auto_takes_a_device_that_is_there():
    assert choose_device("cpu") == "cpu"
    assert choose_device("auto") in {"cpu", "cuda", "mps"}


@pytest.mark.skipif(torch.cuda.is_available(), reason="has CUDA")
def test_a_device_that_is_not_there_is_refused():
    with pytest.raises(UserError, match="--device cuda"):
        choose_device("cuda")
