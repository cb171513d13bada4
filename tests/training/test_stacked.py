"""Networks that are trained side by side learn what each one learns alone."""

import copy
import gc
import weakref

import numpy as np
import pytest
import torch
from torch import nn

from mimii.errors import TaskError
from mimii.features.windows import Windows
from mimii.networks import autoencoders
from mimii.networks.base import Network
from mimii.settings import TrainingSettings
from mimii.training.hooks import NoHooks, Training
from mimii.training.loop import train
from mimii.training.slots import Slots
from mimii.training.stacked import train_stacked

torch.set_num_threads(1)

DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA"))]
NETWORKS = [
    autoencoders.SimpleAE,
    autoencoders.DeepAE,
    autoencoders.VAE,
    autoencoders.ConvAE,
    autoencoders.LSTMAE,
    autoencoders.AttentionAE,
    autoencoders.ResidualAE,
    autoencoders.DenoisingAE,
    autoencoders.SpectralShapeAE,
    autoencoders.IDNN,
    autoencoders.MIMIIBaselineAE,
]


def machine(number, recordings, validation=2, n_mels=16):
    """Windows to learn from and to validate with, of recordings of 30 frames of a machine."""
    rng = np.random.default_rng(number)
    count = recordings + validation
    frames = (rng.normal(-40, 4 + number, size=(count, 1, n_mels)) + rng.normal(size=(count, 30, n_mels))).astype("f4")
    starts = np.concatenate([30 * recording + np.arange(26) for recording in range(count)])
    windows = Windows(frames.reshape(-1, n_mels), starts, np.repeat(np.arange(count), 26), 5)
    is_validation = windows.recording >= recordings
    held_out = windows.take(np.flatnonzero(is_validation)) if validation else None
    return windows.take(np.flatnonzero(~is_validation)), held_out


class Machine:
    """A candidate of `train_stacked`."""

    def __init__(self, make_network, seed, windows, validation, error=None):
        self.name = f"machine {seed}"
        self.seed = seed
        self._make_network = make_network
        self._learnt_from = windows, validation
        self._error = error

    def network(self):
        torch.manual_seed(self.seed)
        return self._make_network()

    def load(self):
        if self._error:
            raise self._error
        return self._learnt_from


def settings(**changes):
    return TrainingSettings(**{"epochs": 3, "batch_size": 64, "learning_rate": 1e-3, **changes})


def alone(candidate, how, device):
    """The network and the history of a candidate that is trained alone."""
    network = candidate.network()
    windows, validation = candidate.load()
    history = train(network, windows, validation, Training(how, candidate.seed), device=device)
    return network, history


def together(candidates, how, device, width, hooks=None):
    """What each candidate became, in their order."""
    ended = list(train_stacked(candidates, how, hooks or NoHooks(), device=device, width=width))
    assert sorted(one.candidate for one in ended) == list(range(len(candidates)))
    return sorted(ended, key=lambda one: one.candidate)


def assert_same(ended, network, history):
    """The losses are equal but for rounding, which grows with the epochs; so is what the network gives."""
    assert ended.error is None
    assert ended.history.train_loss[0] == pytest.approx(history.train_loss[0], rel=1e-4)
    assert ended.history.train_loss == pytest.approx(history.train_loss, rel=5e-4)
    assert ended.history.val_loss == pytest.approx(history.val_loss, rel=5e-4)
    assert ended.history.train_samples == history.train_samples
    assert not ended.network.training
    for name, value in network.named_buffers():
        assert torch.equal(dict(ended.network.named_buffers())[name], value), name
    if hasattr(network, "score"):
        with torch.no_grad():
            windows = torch.from_numpy(ended.windows.gather()).to(network.mean.device)
            assert torch.allclose(ended.network.score(windows), network.score(windows), rtol=5e-3)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("network_class", NETWORKS)
def test_each_network_learns_what_it_would_alone(network_class, device):
    """Machines of different sizes; the last one takes the slot of the first that ends."""
    sizes = [9, 5, 2, 7]
    candidates = [
        Machine(lambda: network_class(16, 5), 10 + number, *machine(number, size)) for number, size in enumerate(sizes)
    ]
    for ended, candidate in zip(together(candidates, settings(), device, width=3), candidates, strict=True):
        assert_same(ended, *alone(candidate, settings(), device))
        assert ended.beside == 2


@pytest.mark.parametrize("device", DEVICES)
def test_without_validation_and_with_fewer_windows_than_a_batch(device):
    candidates = [Machine(lambda: autoencoders.VAE(16, 5), number, *machine(number, 2, 0)) for number in range(3)]
    how = settings(batch_size=256)
    for ended, candidate in zip(together(candidates, how, device, width=2), candidates, strict=True):
        assert ended.history.val_loss == []
        assert_same(ended, *alone(candidate, how, device))


class Breaks(Network):
    """Its loss is no number from the moment on that its level is above a limit."""

    def __init__(self, limit):
        super().__init__(16, 5)
        self.level = nn.Parameter(torch.zeros(()))
        self.register_buffer("limit", torch.tensor(float(limit)))

    def loss(self, windows):
        loss = (self.standardise(windows) - 2 + self.level).square().mean() - self.level
        return torch.where(self.level > self.limit, torch.nan, loss)


@pytest.mark.parametrize("device", DEVICES)
def test_a_network_whose_loss_is_not_finite_ends_alone_and_as_it_would_alone(device):
    limits = [9, 0.02, 9, 0.0, 9]
    candidates = [
        Machine(lambda limit=limit: Breaks(limit), number, *machine(number, 4)) for number, limit in enumerate(limits)
    ]
    how = settings(epochs=8, learning_rate=0.01)
    for ended, candidate, limit in zip(together(candidates, how, device, width=3), candidates, limits, strict=True):
        if limit == 9:
            assert_same(ended, *alone(candidate, how, device))
        else:
            with pytest.raises(TaskError, match="not finite in epoch") as raised:
                alone(candidate, how, device)
            assert str(ended.error) == str(raised.value)


@pytest.mark.parametrize("width", [1, 2, 4])
def test_a_network_that_has_nothing_to_learn_from_is_named_and_the_others_go_on(width):
    errors = [TaskError("nothing"), None, TaskError("nothing"), None]
    candidates = [
        Machine(lambda: autoencoders.SimpleAE(16, 5), number, *machine(number, 3), error)
        for number, error in enumerate(errors)
    ]
    assert [one.error for one in together(candidates, settings(), "cpu", width)] == errors
    only = together([candidates[0]], settings(), "cpu", width)
    assert [one.error for one in only] == errors[:1]


def test_machines_that_are_larger_than_the_slots_have_their_turn_later():
    candidates = [
        Machine(lambda: autoencoders.SimpleAE(16, 5), number, *machine(number, size))
        for number, size in enumerate([2, 3, 9, 2, 8])
    ]
    for ended, candidate in zip(together(candidates, settings(), "cpu", width=2), candidates, strict=True):
        assert_same(ended, *alone(candidate, settings(), "cpu"))


def test_what_a_network_learns_does_not_depend_on_those_beside_it():
    def candidates(*numbers):
        return [Machine(lambda: autoencoders.DenoisingAE(16, 5), number, *machine(number, 4)) for number in numbers]

    one, _, other = together(candidates(7, 1, 2), settings(), "cpu", width=3)
    again = together(candidates(4, 7, 5), settings(), "cpu", width=3)[1]
    assert again.history.train_loss == one.history.train_loss
    assert again.history.val_loss == one.history.val_loss
    assert other.history.train_loss != one.history.train_loss


@pytest.mark.parametrize("seed", range(4))
def test_machines_of_any_size_in_stacks_of_any_width_learn_what_they_would_alone(seed):
    """Batches that fill an epoch or do not, slots that are taken again, stacks that become narrower."""
    rng = np.random.default_rng(seed)
    batch, epochs, width = int(rng.choice([13, 26, 64])), int(rng.choice([1, 2, 4])), int(rng.integers(1, 5))
    kind = NETWORKS[int(rng.choice([0, 2, 7, 10]))]
    candidates = [
        Machine(lambda: kind(16, 5), number, *machine(number, int(rng.integers(1, 7)), int(rng.integers(0, 3))))
        for number in range(int(rng.integers(2, 7)))
    ]
    how = settings(batch_size=batch, epochs=epochs)
    for ended, candidate in zip(together(candidates, how, "cpu", width), candidates, strict=True):
        assert_same(ended, *alone(candidate, how, "cpu"))


def test_frames_of_a_machine_are_let_go_when_it_has_ended():
    alive = weakref.WeakSet()

    class Loads(Machine):
        def load(self):
            windows, validation = machine(self.seed, 2 + 3 * self.seed)
            alive.add(windows)
            return windows, validation

    candidates = [Loads(lambda: autoencoders.SimpleAE(16, 5), number, None, None) for number in range(4)]
    counts = []
    for one in train_stacked(candidates, settings(), NoHooks(), device="cpu", width=4):
        del one
        gc.collect()
        counts.append(len(alive))
    assert counts == [3, 2, 1, 0]


def test_trained_networks_share_no_memory():
    first, second = together(
        [Machine(lambda: autoencoders.SimpleAE(16, 5), number, *machine(number, 3)) for number in range(2)],
        settings(),
        "cpu",
        width=2,
    )
    before = copy.deepcopy(second.network.state_dict())
    with torch.no_grad():
        for value in first.network.state_dict().values():
            value.fill_(7)
    assert all(torch.equal(value, before[name]) for name, value in second.network.state_dict().items())


class Pauses(NoHooks):
    """Says that each step was interrupted for an hour."""

    def after_step(self):
        return 3600.0


def test_time_in_which_others_measured_is_not_counted_and_the_rest_is_shared():
    candidates = [Machine(lambda: autoencoders.SimpleAE(16, 5), number, *machine(number, 5)) for number in range(3)]
    assert sum(one.history.training_time_sec for one in together(candidates, settings(), "cpu", 3, Pauses())) < 0
    ended = together(candidates, settings(), "cpu", 3)
    assert min(one.history.training_time_sec for one in ended) > 0
    shares = [one.history.training_time_sec for one in ended]
    assert max(shares) == pytest.approx(min(shares))  # machines of one size begin and end together


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA")
@pytest.mark.parametrize("network_class", NETWORKS)
def test_a_captured_step_is_the_step(network_class):
    def learn(take):
        slots = Slots(
            network_class(16, 5),
            torch.zeros(2, 300, 16, device="cuda"),
            range(2),
            windows=208,
            length=5,
            batch_size=64,
            learning_rate=1e-3,
        )
        for slot in range(2):
            torch.manual_seed(slot)
            network = network_class(16, 5)
            windows, _ = machine(slot, 8)
            network.fit_scale(windows)
            data = slots.seat(slot, network, windows, slot)
            slots.begin_epoch(slot, data.starts)
        for _ in range(3):
            take(slots)
        return [slots.total(slot).item() for slot in range(2)]

    assert learn(Slots.take_step) == pytest.approx(learn(Slots._take), rel=1e-5)
