"""Own derivatives of layers that `torch.func.vmap` can stack: the networks of many machines are trained as one."""

from typing import Any

import torch
from torch.autograd import Function


class OfManyNetworks(Function):
    """An operation on tensors whose first dimension counts networks, (K, ...), with its own derivative.

    Under `torch.func.vmap` the networks that it stacks become that dimension: what is inside is never split up, and
    may write into its own tensors.
    """

    @classmethod
    def of_one(cls, *arguments: Any) -> Any:
        """Apply it to the tensors of a single network, which have no K, and to what is no tensor as it is."""
        result = cls.apply(*(part.unsqueeze(0) if isinstance(part, torch.Tensor) else part for part in arguments))
        return result[0].squeeze(0) if isinstance(result, tuple) else result.squeeze(0)

    @classmethod
    def vmap(cls, info: Any, dims: tuple[int | None, ...], *arguments: Any) -> tuple[Any, Any]:
        """Let networks within networks be more networks: (N, K, ...) -> (N*K, ...)."""
        count = info.batch_size
        merged = []
        for part, dim in zip(arguments, dims, strict=True):
            if isinstance(part, torch.Tensor):
                part = part.expand(count, *part.shape) if dim is None else part.movedim(dim, 0)
                part = part.flatten(0, 1)  # (N, K, ...) -> (N*K, ...)
            merged.append(part)
        result = cls.apply(*merged)
        if isinstance(result, tuple):
            return tuple(part.unflatten(0, (count, -1)) for part in result), (0,) * len(result)
        return result.unflatten(0, (count, -1)), 0
