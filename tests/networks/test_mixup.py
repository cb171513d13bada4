import pytest
import torch

from mimii.networks.mixup import mixup

INPUTS = torch.eye(6)[:, None] * torch.ones(6, 2, 1)  # (6, 2, 6): who is in it and by how much can be read
LABELS = torch.eye(6)


def mixed(seed, *, whole_batch=True):
    torch.manual_seed(seed)
    return mixup(INPUTS, LABELS, whole_batch=whole_batch)


@pytest.mark.parametrize("whole_batch", [True, False])
def test_labels_are_mixed_as_inputs_are(whole_batch):
    for seed in range(20):
        inputs, labels = mixed(seed, whole_batch=whole_batch)
        assert torch.equal(inputs[:, 0], labels)
        assert torch.equal(inputs[:, 1], labels)
        assert torch.allclose(labels.sum(dim=1), torch.ones(6))


def test_a_whole_batch_is_mixed_or_none_of_it_in_half_of_the_batches():
    counts = [int((mixed(seed)[1] != LABELS).any(dim=1).sum()) for seed in range(400)]
    assert 0.4 < sum(count == 0 for count in counts) / 400 < 0.6
    assert sum(0 < count < 4 for count in counts) < 20  # who is its own partner stays as it is, but few are


def test_each_input_of_a_batch_may_be_mixed_by_itself():
    counts = [int((mixed(seed, whole_batch=False)[1] != LABELS).any(dim=1).sum()) for seed in range(400)]
    assert sum(1 < count < 5 for count in counts) > 250
    assert 0.35 < sum(counts) / (6 * 400) < 0.5  # half of them, but for those who are their own partner


def test_each_input_is_the_partner_of_one_with_a_weight_from_0_to_1():
    weights = []
    for seed in range(200):
        _, labels = mixed(seed)
        if not torch.equal(labels, LABELS):
            own = labels.diagonal()
            others = labels - torch.diag(own)
            assert ((others > 0).sum(dim=0) <= 1).all()
            assert ((others > 0).sum(dim=1) <= 1).all()
            weights += own[own < 1].tolist()
    assert min(weights) >= 0
    assert sum(weights) / len(weights) == pytest.approx(0.5, abs=0.05)


def test_what_is_not_mixed_is_the_same_bit_for_bit():
    inputs = torch.randn(6, 1000)
    for seed in range(10):
        torch.manual_seed(seed)
        found, labels = mixup(inputs, LABELS, whole_batch=True)
        assert torch.equal(found, inputs) == torch.equal(labels, LABELS)


def test_the_seed_decides():
    assert all(torch.equal(one, other) for one, other in zip(mixed(3), mixed(3), strict=True))
    assert len({mixed(seed)[1].numpy().tobytes() for seed in range(20)}) > 5
