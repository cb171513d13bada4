import math

import numpy as np
import pytest
import torch

from mimii.networks.adacos import SubclusterAdaCos


def made(classes=3, subclusters=4, *, trainable=True):
    torch.manual_seed(0)
    return SubclusterAdaCos(5, classes, subclusters=subclusters, trainable=trainable)


def logits_by_numpy(embeddings, centres, scale):
    """The definition, a recording, a class and a centre at a time."""
    logits = np.zeros((len(embeddings), len(centres)))
    for row, embedding in enumerate(embeddings):
        for column, of_class in enumerate(centres):
            cosines = [embedding @ centre / np.linalg.norm(embedding) / np.linalg.norm(centre) for centre in of_class]
            logits[row, column] = np.log(np.sum(np.exp(scale * np.array(cosines))))
    return logits


def test_logits_and_loss_are_those_of_the_definition():
    adacos = made()
    embeddings = np.random.default_rng(1).normal(size=(6, 5))
    labels = np.random.default_rng(2).dirichlet(np.ones(3), size=6)
    scale = math.sqrt(2) * math.log(3 * 4 - 1)
    expected = logits_by_numpy(embeddings, adacos.centres.detach().numpy(), scale)
    shares = np.exp(expected) / np.exp(expected).sum(axis=1, keepdims=True)
    with torch.no_grad():
        logits = adacos.logits(torch.tensor(embeddings, dtype=torch.float32))
        loss = adacos.loss(torch.tensor(embeddings, dtype=torch.float32), torch.tensor(labels, dtype=torch.float32))
    assert np.allclose(logits.numpy(), expected, atol=1e-5)
    assert loss.item() == pytest.approx(-(labels * np.log(shares)).sum(axis=1).mean(), abs=1e-5)


def test_an_embedding_counts_by_its_direction_alone():
    adacos = made()
    embeddings = torch.randn(4, 5)
    assert torch.allclose(adacos.logits(embeddings), adacos.logits(100 * embeddings), atol=1e-5)


def test_the_centres_are_of_length_1_and_learnt_where_they_may_be():
    for trainable in (True, False):
        adacos = made(trainable=trainable)
        assert torch.allclose(adacos.centres.norm(dim=2), torch.ones(3, 4))
        assert [name for name, _ in adacos.named_parameters()] == (["centres"] if trainable else [])
        assert list(adacos.state_dict()) == ["centres"]


def test_the_scale_is_positive_for_few_centres():
    assert made(2, 1).scale > 0.5
    assert made(2, 16).scale == pytest.approx(math.sqrt(2) * math.log(31))


def test_one_class_is_not_to_be_told_from_others():
    with pytest.raises(ValueError, match="two classes"):
        made(1)
