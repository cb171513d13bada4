import copy
from functools import partial

import numpy as np
import pytest
import torch
from torch import nn

from mimii.features.windows import Samples, Windows
from mimii.networks.embedding import EmbeddingNetwork
from mimii.networks.two_branch import MIN_SAMPLES, TwoBranch
from mimii.settings import TrainingSettings
from mimii.training import clips as clips_module
from mimii.training import loop
from mimii.training.clips import ResidentClips, embed_clips
from mimii.training.hooks import Training
from mimii.training.loop import train

torch.set_num_threads(1)

DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA"))]


def samples_of(*parts, dtype=np.int16):
    return Samples(np.concatenate(parts).astype(dtype), np.cumsum([0, *map(len, parts)]))


def windows_of(samples, recordings=None, target=None):
    recordings = np.arange(len(samples.offsets) - 1) if recordings is None else np.array(recordings)
    frames = np.zeros((len(recordings), 1), dtype=np.float32)
    return Windows(frames, np.arange(len(recordings)), recordings, 1, target, samples=samples)


COUNTING = samples_of(np.arange(10), np.arange(100, 103), np.arange(200, 225))


def test_clips_are_the_middle_of_recordings_or_the_recording_again_and_again():
    resident = ResidentClips(windows_of(COUNTING), "cpu", length=7)
    assert len(resident) == 3
    values = (resident.batch(torch.tensor([2, 0, 1])) * 32768).tolist()
    assert values == [list(range(209, 216)), list(range(1, 8)), [100, 101, 102, 100, 101, 102, 100]]
    assert torch.equal(resident.batch(slice(1, 3)), resident.batch(torch.tensor([1, 2])))


@pytest.mark.parametrize("dtype", [np.int16, np.float32])
def test_full_scale_is_1_whatever_the_type(dtype):
    full = {np.int16: 32768, np.float32: 1}[dtype]
    signal = np.array([-1, -0.5, 0, 0.25, 0.5]) * full
    batch = ResidentClips(windows_of(samples_of(signal, dtype=dtype)), "cpu", length=5).batch(slice(None))
    assert batch.dtype == torch.float32
    assert batch.tolist() == [[-1, -0.5, 0, 0.25, 0.5]]


def test_while_training_a_clip_begins_anywhere_within_its_recording():
    resident = ResidentClips(windows_of(COUNTING), "cpu", length=8)
    torch.manual_seed(0)
    begins = [(resident.batch(torch.arange(3), at_random=True)[:, 0] * 32768).int().tolist() for _ in range(300)]
    assert [sorted(set(found)) for found in zip(*begins, strict=True)] == [[0, 1, 2], [100], list(range(200, 218))]
    torch.manual_seed(0)
    assert (resident.batch(torch.arange(3), at_random=True)[:, 0] * 32768).int().tolist() == begins[0]


def test_only_recordings_with_windows_are_there_and_each_is_there_once():
    resident = ResidentClips(windows_of(COUNTING, [0, 0, 2, 2], np.array([5, 5, 6, 6])), "cpu", length=5)
    assert (resident.batch(slice(None))[:, 0] * 32768).tolist() == [2, 210]
    assert resident.target.tolist() == [5, 6]
    others = resident.beside(windows_of(COUNTING, [1]))
    assert (others.batch(slice(None)) * 32768).tolist() == [[100, 101, 102, 100, 101]]


def test_samples_are_not_copied_where_no_recording_is_too_short():
    resident = ResidentClips(windows_of(COUNTING, [0, 2]), "cpu", length=10)
    assert np.shares_memory(resident.values.numpy(), COUNTING.values)


def test_samples_that_a_gpu_has_no_room_for_stay_in_main_memory(monkeypatch, log_lines):
    def full(*arguments, **keywords):
        raise torch.cuda.OutOfMemoryError("CUDA out of memory")

    with monkeypatch.context() as patch:
        patch.setattr(torch, "empty", full)
        values, begins, sizes = clips_module._settled(COUNTING, np.array([0, 2]), 10, torch.device("cuda"))
    assert np.array_equal(values, COUNTING.values)
    assert (begins.tolist(), sizes.tolist()) == ([0, 13], [10, 25])
    assert any("they stay in main memory" in line for line in log_lines)


# --- embeddings


class Means(nn.Module):
    """The direction of (mean of a clip, 1)."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def embed(self, batch):
        self.seen += (batch[:, 0] * 32768).int().tolist()
        means = 32768 * batch.mean(dim=1)
        return nn.functional.normalize(torch.stack([means, torch.ones_like(means)], dim=1), dim=1)


def test_a_recordings_embedding_is_the_mean_over_clips_that_cover_it():
    network = Means()
    numbers, embeddings = embed_clips(network, windows_of(COUNTING, [0, 2, 2]), 10)
    assert numbers.tolist() == [0, 2]
    assert network.seen == [0, 200, 208, 215]  # (25 - 10) / 2 is rounded
    vectors = [np.array([200 + start + 4.5, 1]) for start in (0, 8, 15)]
    mean = np.mean([vector / np.linalg.norm(vector) for vector in vectors], axis=0)
    expected = [np.array([4.5, 1]) / np.hypot(4.5, 1), mean / np.linalg.norm(mean)]
    assert np.allclose(embeddings, expected, atol=1e-6)
    assert embeddings.dtype == np.float32
    assert not network.training


def test_out_of_memory_embeddings_are_those_of_smaller_blocks(log_lines):
    class Hungry(Means):
        def embed(self, batch):
            if len(batch) > 20:
                raise torch.cuda.OutOfMemoryError("CUDA out of memory")
            return super().embed(batch)

    samples = samples_of(np.arange(700))
    found = [embed_clips(network, windows_of(samples), 10)[1] for network in (Means(), Hungry())]
    assert np.allclose(*found, atol=1e-6)
    assert "WARNING The GPU is short of memory: 32 clips are scored at a time, not 64." in log_lines


# --- training


def tones(count=12, samples=MIN_SAMPLES + 100, classes=3):
    """Recordings of machines that hum at other pitches."""
    rng = np.random.default_rng(0)
    target = np.arange(count) % classes
    time = np.arange(samples) / 16000
    signals = [
        2000 * np.sin(2 * np.pi * 300 * (1 + kind) * time * rng.uniform(0.98, 1.02)) + rng.normal(0, 500, samples)
        for kind in target
    ]
    return windows_of(samples_of(*signals), target=target)


def trained(windows, seed=0, epochs=4, device="cpu", **changes):
    torch.manual_seed(seed)
    network = TwoBranch(MIN_SAMPLES, 3)
    settings = TrainingSettings(frames=1, epochs=epochs, batch_size=6, **changes)
    resident = partial(ResidentClips, length=MIN_SAMPLES)
    history = train(network, windows, None, Training(settings, seed), device=device, resident=resident)
    return network, history


@pytest.mark.parametrize("device", DEVICES)
def test_a_network_over_samples_learns_to_tell_machines_apart(device, log_lines):
    windows = tones()
    network, history = trained(windows, device=device)
    assert history.train_samples == 12
    numbers, embeddings = embed_clips(network, windows, MIN_SAMPLES, device)
    cosines = embeddings @ embeddings.T
    is_same = windows.target[:, None] == windows.target
    assert cosines[is_same].mean() > cosines[~is_same].mean() + 0.3
    assert numbers.tolist() == list(range(12))
    assert not [line for line in log_lines if "No CUDA graph" in line]


def test_training_is_the_same_bit_for_bit_by_its_seed():
    windows = tones(6)
    first, again, other = (trained(windows, seed, epochs=1)[0].state_dict() for seed in (1, 1, 2))
    assert all(torch.equal(value, again[name]) for name, value in first.items())
    assert not all(torch.equal(value, other[name]) for name, value in first.items())


def test_every_weight_changes():
    torch.manual_seed(0)
    before = TwoBranch(MIN_SAMPLES, 3).state_dict()
    after = trained(tones(6), epochs=1)[0].state_dict()
    same = [name for name, value in after.items() if value.is_floating_point() and torch.equal(value, before[name])]
    assert same == []  # those that have no gradient decay


class Level(EmbeddingNetwork):
    """Embeds a clip by its mean, and says what it was shown."""

    def __init__(self):
        super().__init__(2, 2, trainable_centres=True)
        self.shown = []

    def loss(self, batch, targets):
        self.shown.append((self.training, (batch[:, 0] * 32768).int().tolist(), targets.tolist()))
        return (self.adacos.centres**2).sum()


def test_the_loop_shows_clips_at_random_while_training_and_the_middle_otherwise():
    network = Level()
    windows = windows_of(COUNTING, [0, 2], np.array([0, 1]))
    validation = windows_of(COUNTING, [1], np.array([1]))
    settings = TrainingSettings(frames=1, epochs=30, batch_size=2)
    network.forward = lambda batch: batch
    train(network, windows, validation, Training(settings, 0), resident=partial(ResidentClips, length=5))
    trained_with = [dict(zip(targets, begins, strict=True)) for training, begins, targets in network.shown if training]
    assert {begins[0] for begins in trained_with} == set(range(6))
    assert len({begins[1] for begins in trained_with}) > 10
    assert {(tuple(begins), *targets) for training, begins, targets in network.shown if not training} == {((100,), 1)}


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA")
def test_a_step_is_a_captured_graph_that_takes_the_steps_of_the_cpu():
    windows = tones(6)
    torch.manual_seed(0)
    network = TwoBranch(MIN_SAMPLES, 3)
    networks = {device: copy.deepcopy(network).to(device) for device in ("cpu", "cuda")}
    losses = {}
    for device, of_device in networks.items():
        of_device.mixes_whole_batches = True
        step = loop._Step(of_device, ResidentClips(windows, device, length=MIN_SAMPLES), 6, 1e-3)
        assert (step._graph is not None) == (device == "cuda")
        torch.manual_seed(0)
        losses[device] = {round(step(torch.arange(6, device=device)).item(), 3) for _ in range(8)}
    assert len(losses["cuda"]) > 4  # each replay draws anew and learns
