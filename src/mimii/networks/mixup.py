"""Mixed training inputs."""

import torch

SHARE = 0.5  # of batches, or of their inputs, that are mixed


def mixup(inputs: torch.Tensor, labels: torch.Tensor, *, whole_batch: bool) -> tuple[torch.Tensor, torch.Tensor]:
    """Mix half of the inputs with others of the batch, and their labels alike (Zhang et al., 2018).

    An input's partner is drawn from the batch, each one being the partner of one, and its weight uniformly from 0 to 1.
    All is drawn on the device without a look at what was drawn, so that a CUDA graph can do it again.

    Parameters
    ----------
    inputs : torch.Tensor [shape=(B, ...)]
    labels : torch.Tensor [shape=(B, classes)]
        The shares of the classes.
    whole_batch : bool
        Either all inputs of a batch are mixed or none; otherwise it is drawn for each of them.

    Returns
    -------
    inputs, labels : torch.Tensor
        As they were given; what is not mixed is so bit for bit.
    """
    count = len(inputs)

    def uniform(size: int) -> torch.Tensor:
        return torch.rand(size, device=inputs.device)

    partner = uniform(count).argsort()  # a permutation; torch.randperm can't be captured
    is_mixed = uniform(1 if whole_batch else count) < SHARE
    weight = torch.where(is_mixed, uniform(count), 1.0)  # (B,)

    def mixed(values: torch.Tensor) -> torch.Tensor:
        return torch.lerp(values[partner], values, weight.view(-1, *[1] * (values.ndim - 1)))

    return mixed(inputs), mixed(labels)
