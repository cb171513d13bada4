import copy

import numpy as np
import pytest
import torch
from torch import nn

from mimii.errors import TaskError
from mimii.features.windows import Windows
from mimii.networks.autoencoders import LSTMAE, ConvAE, SimpleAE, SpectralShapeAE
from mimii.networks.base import Network
from mimii.settings import TrainingSettings
from mimii.training import loop
from mimii.training.hooks import Training
from mimii.training.loop import train
from mimii.training.resident import ResidentWindows

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


def training(seed=0, **changes):
    return Training(settings(**changes), seed)


def batches(network, size):
    """What the network was shown while it trained, an epoch at a time, each epoch of ``size`` windows."""
    shown = [values for values, training in zip(network.seen, network.modes, strict=True) if training]
    shown = shown[1:]  # the first step is a rehearsal, which is undone
    flat = [value for values in shown for value in values]
    return shown, [flat[start : start + size] for start in range(0, len(flat), size)]


def test_the_state_with_the_best_validation_loss_is_kept():
    network = Level()
    history = train(network, windows_of(1, 1, 1, 1), windows_of(0.25, 0.25), training())
    best = int(np.argmin(history.val_loss))
    assert 0 < best < len(history.val_loss) - 1  # it got worse again, as it should here
    assert history.train_loss[-1] < history.train_loss[best]
    with torch.no_grad():
        kept = (torch.tensor(0.25) - network.level).square().item()
    assert kept == pytest.approx(min(history.val_loss), rel=1e-5)
    assert not network.training


def test_a_network_that_keeps_its_last_state_ends_with_that():
    network = Level()
    network.keeps_best = False
    history = train(network, windows_of(1, 1, 1, 1), windows_of(0.25, 0.25), training())
    assert history.val_loss[-1] > 2 * min(history.val_loss)
    assert (0.25 - network.level.item()) ** 2 == pytest.approx(history.val_loss[-1], rel=1e-5)


def test_without_validation_the_state_with_the_best_training_loss_is_kept():
    network = Level()
    history = train(network, windows_of(1, 1, 1, 1), None, training(epochs=60))
    assert history.val_loss == []
    assert len(history.train_loss) == 60
    assert network.level.item() == pytest.approx(1, abs=0.15)


def test_validation_teaches_nothing():
    taught = Level(), Level()
    for network, value in zip(taught, (100.0, -100.0), strict=True):
        train(network, windows_of(1, 2, 3), windows_of(value), training(epochs=1))
    assert taught[0].level.item() == taught[1].level.item()


def test_the_losses_are_means_over_windows_whatever_the_batches():
    how = training(epochs=1, learning_rate=1e-12)
    history = train(Level(), windows_of(1, 2, 3, 4, 5), windows_of(3, 5), how)
    assert history.train_loss == pytest.approx([(1 + 4 + 9 + 16 + 25) / 5])
    assert history.val_loss == pytest.approx([(9 + 25) / 2])


def test_a_loss_that_is_not_finite_ends_the_task_with_a_remedy():
    with pytest.raises(TaskError, match="learning_rate"):
        train(Level(blow_up_after=3), windows_of(1, 2, 3, 4), None, training())


def test_a_validation_loss_that_is_not_finite_ends_the_task():
    with pytest.raises(TaskError, match="finite"):
        train(Level(), windows_of(1, 2, 3, 4), windows_of(np.inf), training())


def test_every_epoch_shows_every_window_once_in_batches_of_the_size_asked_for():
    network = Level()
    train(network, windows_of(*range(10)), windows_of(5), training(epochs=3))
    shown, epochs = batches(network, 10)
    assert [len(values) for values in shown] == [4, 4, 2] * 3
    assert [sorted(epoch) for epoch in epochs] == [list(range(10))] * 3


def test_batches_are_shuffled_anew_in_each_epoch_by_the_seed():
    orders = []
    for seed in (0, 0, 1):
        network = Level()
        train(network, windows_of(*range(30)), None, training(seed, epochs=2))
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
        train(network, windows_of(1, 2, 3), None, training(3))
        levels.append(network.level.item())
    assert levels[0] == levels[1]


def test_a_batch_larger_than_the_data_is_all_of_it():
    network = Level()
    train(network, windows_of(1, 2, 3), None, training(batch_size=1000, epochs=2))
    assert [sorted(values) for values in batches(network, 3)[0]] == [[1, 2, 3]] * 2


def test_validation_is_done_with_the_network_as_it_is_used():
    network = Level()
    train(network, windows_of(1, 2), windows_of(9, 9, 9), training(epochs=2))
    assert {tuple(seen): mode for seen, mode in zip(network.seen, network.modes, strict=True)}[9, 9, 9] is False


def test_the_hooks_are_told_of_each_step_and_the_time_that_they_say_is_not_counted():
    class Waits:
        def __init__(self):
            self.calls = 0

        def after_step(self):
            self.calls += 1
            return 1000.0

    hooks = Waits()
    history = train(Level(), windows_of(*range(10)), None, Training(settings(epochs=3), 0, hooks))
    assert hooks.calls == 9
    assert history.training_time_sec < 0  # 9000 seconds of waiting for others, which did not pass here


def test_training_leaves_the_windows_alone():
    windows = windows_of(1, 2, 3)
    before = copy.deepcopy(windows.frames)
    train(Level(), windows, None, training())
    assert np.array_equal(windows.frames, before)


def test_weights_decay_as_the_network_says():
    class Fading(Level):
        weight_decay = 0.5

        def loss(self, windows):
            return super().loss(windows) + 0 * self.other

        def __init__(self):
            super().__init__()
            self.other = nn.Parameter(torch.ones(()))

    network = Fading()
    network.keeps_best = False
    train(network, windows_of(1, 2, 3, 4), None, training(epochs=3))
    assert network.other.item() == pytest.approx((1 - 0.1 * 0.5) ** 3)  # the learning rate times the decay, each step


class Together(Level):
    """Can't be trained with a single window."""

    min_batch = 2

    def __init__(self, limit=100):
        super().__init__()
        self.limit = limit

    def loss(self, windows):
        if len(windows) > self.limit:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory")
        assert len(windows) > 1 or not self.training
        return super().loss(windows)


@pytest.mark.parametrize("count", [3, 9, 10, 11])
def test_a_last_batch_of_less_than_half_a_batch_is_left_out_of_an_epoch_of_a_network_that_compares(count):
    network = Together()
    how = training(epochs=12, learning_rate=1e-12, batch_size={3: 2, 11: 5}.get(count, 4))
    history = train(network, windows_of(*range(count)), None, how)
    sizes = {3: [2], 9: [4, 4], 10: [4, 4, 2], 11: [5, 5]}[count]
    shown, epochs = batches(network, sum(sizes))
    assert [len(values) for values in shown] == sizes * 12
    if count == 10:
        return
    left_out = [set(range(count)) - set(epoch) for epoch in epochs]
    assert len({number for numbers in left_out for number in numbers}) > count // 3
    means = [np.mean([value**2 for value in epoch]) for epoch in epochs]
    assert history.train_loss == pytest.approx(means)


@pytest.mark.parametrize(("windows", "size"), [(5, 1), (1, 4)])
def test_batches_that_are_too_small_for_the_network_end_the_task_with_a_remedy(windows, size):
    with pytest.raises(TaskError, match="--batch_size"):
        train(Together(), windows_of(*range(windows)), None, training(batch_size=size))


@pytest.mark.parametrize("limit", [2, 3, 4])
def test_out_of_memory_no_part_of_a_batch_is_too_small_for_the_network(limit):
    train(Together(limit), windows_of(*range(9)), None, training(batch_size=8, epochs=2))
    train(Together(limit + 1), windows_of(*range(7)), None, training(batch_size=4, epochs=2))


def test_without_room_for_the_smallest_batch_the_task_ends_with_a_remedy():
    with pytest.raises(TaskError, match="--device cpu"):
        train(Together(1), windows_of(*range(9)), None, training())


def test_the_normalisation_is_found_from_all_that_was_learnt_after_the_training():
    class Normalising(Level):
        def fit_normalisation(self, batches):
            self.steps_before = len(self.seen)
            self.found = sorted(torch.cat(list(batches))[:, 0, 0].tolist())

    network = Normalising()
    train(network, windows_of(*range(9)), windows_of(50), training(epochs=2))
    assert network.found == list(range(9))
    assert network.steps_before == len(network.seen)
    assert not network.training


def test_epochs_are_announced_unless_they_are_not_to_be(log_lines):
    train(Level(), windows_of(1, 2), windows_of(3), training(epochs=2))
    assert len([line for line in log_lines if line.startswith("INFO epoch ")]) == 2
    log_lines.clear()
    train(Level(), windows_of(1, 2), windows_of(3), training(epochs=2), announce=False)
    assert log_lines == []


def test_it_is_said_once_how_long_a_network_will_train_on_the_cpu(log_lines):
    train(Level(), windows_of(*range(9)), None, training(epochs=3), announce=False, foretell="two_branch")
    assert log_lines == ["DEBUG Training two_branch on the CPU: less than a minute"]


def test_a_long_training_on_the_cpu_is_a_warning_with_its_time(log_lines):
    for seconds in (59, 750, 20_000):
        loop._foretell("two_branch", seconds, 16)
    assert log_lines == [
        "DEBUG Training two_branch on the CPU: less than a minute",
        "WARNING Training two_branch on the CPU: about 12 min for 16 epochs; a GPU takes seconds",
        "WARNING Training two_branch on the CPU: about 6 hours for 16 epochs; a GPU takes minutes",
    ]


# --- equal to the plain way

DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA"))]


def plain_epoch(network, windows, settings, seed, device):
    """The loss of an epoch as one writes it: stacked windows, a loop over batches, torch's plain Adam."""
    mean, std = windows.frames[:200].mean(axis=0), windows.frames[:200].std(axis=0)
    stacked = torch.from_numpy((windows.gather() - mean) / std).to(device)
    parameters = [parameter for parameter in network.parameters() if parameter.requires_grad]
    optimizer = torch.optim.Adam(parameters, lr=settings.learning_rate, foreach=False)
    order = torch.randperm(len(stacked), generator=torch.Generator().manual_seed(seed)).to(device)
    total = 0.0
    for indices in order.split(settings.batch_size):
        optimizer.zero_grad()
        batch = stacked[indices]
        loss = ((network.reconstruct(batch) - batch) ** 2).mean()
        loss.backward()
        optimizer.step()
        total += loss.item() * len(indices)
    return total / len(stacked)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("network_class", [SimpleAE, ConvAE, LSTMAE, SpectralShapeAE])
def test_an_epoch_has_the_loss_of_the_plain_way(network_class, device):
    frames = np.random.default_rng(0).normal(-40, 12, size=(200, 16)).astype(np.float32)
    windows = Windows(frames, np.arange(196), np.zeros(196, dtype=int), 5)
    torch.manual_seed(0)
    network = network_class(16, 5).to(device)
    expected = plain_epoch(copy.deepcopy(network).train(), windows, settings(learning_rate=1e-3), 7, device)
    history = train(network, windows, None, training(7, learning_rate=1e-3, epochs=1), device=device)
    assert history.train_loss == pytest.approx([expected], rel=1e-4)


# --- little memory


class Hungry(Level):
    """Runs out of memory where it is shown too many windows."""

    def __init__(self, limit):
        super().__init__()
        self.limit = limit

    def loss(self, windows):
        if len(windows) > self.limit:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB.\nAnd so on")
        return super().loss(windows)


def test_out_of_memory_a_batch_is_taken_in_parts_and_teaches_the_same(log_lines):
    levels, histories = [], []
    for network in (Level(), Hungry(limit=3)):
        histories.append(train(network, windows_of(*range(11)), windows_of(*range(9)), training(batch_size=8)))
        levels.append(network.level.item())
    assert levels[1] == pytest.approx(levels[0], rel=1e-5)
    assert histories[1].train_loss == pytest.approx(histories[0].train_loss, rel=1e-5)
    assert histories[1].val_loss == pytest.approx(histories[0].val_loss, rel=1e-5)
    said = [line for line in log_lines if "short of memory" in line]
    assert "WARNING The GPU is short of memory: 4 windows are trained with at a time, not 8." in said
    assert "WARNING The GPU is short of memory: 2 windows are trained with at a time, not 4." in said
    assert len([line for line in said if "trained" in line]) == 2


def test_without_room_for_a_single_window_the_task_ends_with_a_remedy():
    with pytest.raises(TaskError, match="--device cpu"):
        train(Hungry(limit=0), windows_of(1, 2, 3), None, training())


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA")
def test_frames_in_main_memory_train_on_a_gpu_as_those_on_it(monkeypatch):
    losses = []
    for stay in (False, True):
        if stay:
            stay_behind = staticmethod(lambda frames, device: torch.from_numpy(frames))
            monkeypatch.setattr(ResidentWindows, "settle", stay_behind)
        network = Level().to("cuda")
        losses.append(train(network, windows_of(*range(50)), None, training(), device="cuda").train_loss)
    assert losses[1] == pytest.approx(losses[0], rel=1e-5)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA")
@pytest.mark.parametrize("network_class", [SimpleAE, ConvAE, LSTMAE])
def test_a_step_is_a_captured_graph(network_class, log_lines):
    frames = np.random.default_rng(0).normal(size=(200, 16)).astype(np.float32)
    windows = Windows(frames, np.arange(196), np.zeros(196, dtype=int), 5)
    network = network_class(16, 5).to("cuda")
    step = loop._Step(network, ResidentWindows(windows, "cuda"), batch_size=4, learning_rate=0.1)
    assert step._graph is not None
    assert not [line for line in log_lines if "No CUDA graph" in line]
