import subprocess
import sys

import numpy as np
import pytest
import torch
from support import SOURCE

from mimii.features.windows import Windows
from mimii.networks import id_embedding
from mimii.networks.embedding import IdEmbedding
from mimii.settings import TrainingSettings
from mimii.training.hooks import Training
from mimii.training.loop import train

torch.set_num_threads(1)


def vectors_of(n_mels=24, machines=3, each=12):
    """Levels of mel bands of machines that differ in one band, and which machine each recording is of."""
    rng = np.random.default_rng(0)
    target = np.repeat(np.arange(machines), each)
    vectors = rng.normal(-50, 2, size=(len(target), n_mels))
    vectors[np.arange(len(target)), 3 * target % n_mels] += 15
    return vectors.astype(np.float32), target


def windows_of(vectors, target):
    numbers = np.arange(len(vectors))
    return Windows(vectors, numbers, numbers, 1, target)


def trained(vectors, target, seed=0, epochs=10):
    torch.manual_seed(seed)
    network = IdEmbedding(vectors.shape[1], target.max() + 1)
    settings = TrainingSettings(frames=1, epochs=epochs, batch_size=16)
    history = train(network, windows_of(vectors, target), None, Training(settings, seed), announce=False)
    return network, history


def embedded(network, vectors):
    with torch.no_grad():
        return network.eval().embed(torch.from_numpy(vectors)).numpy()


@pytest.mark.parametrize("n_mels", [1, 16, 17, 24, 64, 128])
def test_without_torch_it_embeds_as_with_it(n_mels):
    vectors, target = vectors_of(n_mels)
    network, _ = trained(vectors, target, epochs=2)
    found = id_embedding.embed(network.arrays(), vectors)
    assert found.shape == (36, 64)
    assert np.allclose(found, embedded(network, vectors), atol=1e-5)
    assert np.allclose(np.linalg.norm(found, axis=1), 1)


def test_a_recordings_embedding_depends_on_no_others(monkeypatch):
    vectors, target = vectors_of()
    arrays = trained(vectors, target, epochs=1)[0].arrays()
    whole = id_embedding.embed(arrays, vectors)
    monkeypatch.setattr(id_embedding, "_BLOCK", 5)
    assert np.allclose(id_embedding.embed(arrays, vectors), whole, atol=1e-12)
    assert np.allclose(id_embedding.embed(arrays, vectors[7:8]), whole[7:8], atol=1e-12)
    assert id_embedding.embed(arrays, vectors[:0]).shape == (0, 64)


def test_torch_is_not_imported_to_embed():
    code = "import sys, mimii.networks.id_embedding; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=SOURCE, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_it_is_the_network_of_its_description():
    network = IdEmbedding(64, 4)
    weights = {name: tuple(value.shape) for name, value in network.named_parameters() if value.ndim > 1}
    assert list(weights.values()) == [(32, 1, 9), (64, 32, 5), (128, 64 * 12), (64, 128)]
    assert network.adacos.centres.shape == (4, 16, 64)
    assert not network.adacos.centres.requires_grad
    biases = [name for name, _ in network.named_parameters() if "bias" in name]
    assert all(name.startswith("normalise") for name in biases)
    assert (network.weight_decay, network.keeps_best, network.min_batch) == (1e-3, False, 2)


def test_it_learns_to_tell_machines_apart():
    vectors, target = vectors_of()
    network, history = trained(vectors, target)
    assert history.train_loss[-1] < history.train_loss[0]
    embeddings = embedded(network, vectors)
    cosines = embeddings @ embeddings.T
    is_same = target[:, None] == target
    assert cosines[is_same].mean() > cosines[~is_same].mean() + 0.3


def test_every_weight_learns():
    vectors, target = vectors_of()
    torch.manual_seed(0)
    network = IdEmbedding(24, 3).train()
    network.loss(torch.from_numpy(vectors), torch.from_numpy(target)).backward()
    assert all(parameter.grad.abs().max() > 0 for parameter in network.parameters())


def test_the_seed_decides_bit_for_bit():
    vectors, target = vectors_of()
    first, again, other = (embedded(trained(vectors, target, seed, epochs=2)[0], vectors) for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.allclose(first, other)


def test_the_loss_is_of_mixed_inputs_while_training_only():
    vectors, target = map(torch.from_numpy, vectors_of())
    network = IdEmbedding(24, 3)
    with torch.no_grad():
        assert len({network.train().loss(vectors, target).item() for _ in range(8)}) > 2
        assert len({network.eval().loss(vectors, target).item() for _ in range(8)}) == 1


def test_after_few_steps_it_normalises_with_what_its_recordings_are_like():
    vectors, target = vectors_of()
    network, _ = trained(vectors, target, epochs=1)
    assert np.allclose(network.normalise_input.running_mean, vectors.mean(axis=0), rtol=1e-4)
    assert np.allclose(network.normalise_input.running_var, vectors.var(axis=0, ddof=1), rtol=1e-3)
    batch, targets = torch.from_numpy(vectors), torch.from_numpy(target)
    labels = torch.nn.functional.one_hot(targets, 3).float()
    with torch.no_grad():
        in_use = network.loss(batch, targets).item()
        in_training = network.adacos.loss(network.train()(batch), labels).item()
    assert in_use == pytest.approx(in_training, rel=0.02)
    assert network.normalise_input.momentum == 0.1
