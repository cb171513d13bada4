import subprocess
import sys

import pytest
import torch
from support import SOURCE

from mimii.training.adam import Adam

DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA"))]


def network_of(device):
    torch.manual_seed(1)
    return torch.nn.Sequential(torch.nn.Linear(9, 7), torch.nn.ReLU(), torch.nn.Linear(7, 2)).to(device)


def batches(device, count):
    generator = torch.Generator().manual_seed(2)
    return [torch.randn(5, 9, generator=generator).to(device) for _ in range(count)]


@pytest.mark.parametrize("device", DEVICES)
def test_it_learns_what_torchs_learns_bit_for_bit(device):
    ours, theirs = network_of(device), network_of(device)
    adam, reference = Adam(ours.parameters(), 3e-3), torch.optim.Adam(theirs.parameters(), lr=3e-3, fused=True)
    for batch in batches(device, 30):
        adam.clear()
        reference.zero_grad()
        ours(batch).square().mean().backward()
        theirs(batch).square().mean().backward()
        adam.step()
        reference.step()
    for one, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize("device", DEVICES)
def test_with_weight_decay_it_learns_what_torchs_adamw_learns_bit_for_bit(device):
    ours, theirs = network_of(device), network_of(device)
    adam = Adam(ours.parameters(), 3e-3, weight_decay=0.1)
    reference = torch.optim.AdamW(theirs.parameters(), lr=3e-3, weight_decay=0.1, fused=True)
    for batch in batches(device, 30):
        adam.clear()
        reference.zero_grad()
        ours(batch).square().mean().backward()
        theirs(batch).square().mean().backward()
        adam.step()
        reference.step()
    for one, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert torch.equal(one, other)


def test_after_a_reset_it_begins_again():
    network = network_of("cpu")
    adam = Adam(network.parameters(), 1e-2)
    (batch,) = batches("cpu", 1)
    start = [parameter.detach().clone() for parameter in network.parameters()]
    ends = []
    for _ in range(2):
        with torch.no_grad():
            for parameter, value in zip(network.parameters(), start, strict=True):
                parameter.copy_(value)
        adam.reset()
        for _ in range(3):
            adam.clear()
            network(batch).square().mean().backward()
            adam.step()
        ends.append(torch.cat([parameter.detach().flatten() for parameter in network.parameters()]))
    assert torch.equal(*ends)


def test_a_parameter_without_gradient_stays():
    network = network_of("cpu")
    adam = Adam(network.parameters(), 1e-2)
    before = [parameter.detach().clone() for parameter in network.parameters()]
    network[2].bias.grad = torch.ones(2)
    adam.step()
    changed = [not torch.equal(one, other) for one, other in zip(network.parameters(), before, strict=True)]
    assert changed == [False, False, False, True]


def test_torchs_compiler_is_not_imported():
    code = (
        "import sys, torch; from mimii.training.loop import load_libraries; load_libraries(); "
        "print('torch._dynamo' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=SOURCE, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
