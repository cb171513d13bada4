"""A layer of a transformer encoder over a few tokens, as matrix products.

torch's general kernels are made for many tokens. For five, the products of queries and keys are so small that they are
taken element by element, with the batch as the last dimension: whole rows of memory are multiplied then.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from mimii.networks.stacking import OfManyNetworks


def encoder_layer(
    x: torch.Tensor, embed: nn.Linear, positions: torch.Tensor, layer: nn.TransformerEncoderLayer
) -> torch.Tensor:
    """What a layer of a transformer encoder, without dropout, gives for embedded tokens with positions.

    Queries, keys and values are linear in the embedding, which is linear in the token: the two maps are made one, and
    nothing has to be derived by the embedding between them.

    Parameters
    ----------
    x : torch.Tensor [shape=(T, B, M)]
        Tokens.
    embed : nn.Linear
        From M to W.
    positions : torch.Tensor [shape=(T, W)]
    layer : nn.TransformerEncoderLayer
        Its weights are used.

    Returns
    -------
    torch.Tensor [shape=(T, B, W)]
    """
    frames, batch, _ = x.shape
    tokens, attend = x.flatten(0, 1), layer.self_attn  # (T, B, M) -> (T*B, M)
    shift = embed.bias + positions  # (T, W)
    # M may be small, and so it is first in memory: its derivative has M rows then, not columns, which would be slow
    to_heads = (embed.weight.T @ attend.in_proj_weight.T).T  # (M, W), (W, 3*W) -> (3*W, M)
    shift_heads = functional.linear(shift, attend.in_proj_weight, attend.in_proj_bias).T  # (T, W) -> (3*W, T)
    heads = (to_heads @ tokens.T).unflatten(1, (frames, batch)) + shift_heads.unsqueeze(2)  # (3*W, T, B)
    seen = _Attend.of_one(heads.unflatten(0, (3, attend.num_heads, attend.head_dim)))  # -> (heads, d, T, B)
    seen = attend.out_proj(seen.flatten(0, 1).flatten(1).T).unflatten(0, (frames, batch))  # -> (T, B, W)
    embedded = (tokens @ embed.weight.T).unflatten(0, (frames, batch)) + shift.unsqueeze(1)
    states = layer.norm1(embedded + seen)
    return layer.norm2(states + layer.linear2(functional.gelu(layer.linear1(states))))


class _Attend(OfManyNetworks):
    """Attention of each head: queries, keys and values (K, 3, heads, d, T, B) -> (K, heads, d, T, B), and its weights.

    The sums are made term by term, so that there are no large tensors of terms: memory takes longer than arithmetic.
    """

    @staticmethod
    def forward(heads: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Give the weights too, (K, heads, T, T, B), of each query for all keys."""
        query, key, value = heads.unbind(1)
        weights = (_by_pairs(query, key) * query.shape[2] ** -0.5).softmax(dim=3)
        return _mixed(weights.unbind(3), value.unbind(3), torch.empty_like(query)), weights

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[torch.Tensor], output: tuple[torch.Tensor, torch.Tensor]) -> None:
        """Keep the weights."""
        ctx.mark_non_differentiable(output[1])
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(inputs[0], output[1])

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor, _: None) -> torch.Tensor:
        """The same sums, the other way."""
        heads, weights = ctx.saved_tensors
        query, key, value = heads.unbind(1)
        of_heads = torch.empty_like(heads)
        of_query, of_key, of_value = of_heads.unbind(1)
        of_scores = torch._softmax_backward_data(_by_pairs(grad, value), weights, 3, weights.dtype)
        of_scores.mul_(query.shape[2] ** -0.5)
        _mixed(of_scores.unbind(3), key.unbind(3), of_query)
        _mixed(of_scores.unbind(2), query.unbind(3), of_key)
        _mixed(weights.unbind(2), grad.unbind(3), of_value)
        return of_heads


def _by_pairs(first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
    """Sum over d of products of all pairs: 2 x (K, heads, d, T, B) -> (K, heads, T, T, B)."""
    (one, other), *pairs = zip(first.unsqueeze(4).unbind(2), second.unsqueeze(3).unbind(2), strict=True)
    total = one * other  # (K, heads, T, 1, B), (K, heads, 1, T, B)
    for one, other in pairs:
        total.addcmul_(one, other)
    return total


def _mixed(weights: Sequence[torch.Tensor], values: Sequence[torch.Tensor], out: torch.Tensor) -> torch.Tensor:
    """Weighted sum of values over one side of the pairs: T x (K, heads, T, B) and T x (K, heads, d, B)."""
    for number, (weight, value) in enumerate(zip(weights, values, strict=True)):
        factors = weight.unsqueeze(2), value.unsqueeze(3)  # (K, heads, 1, T, B), (K, heads, d, 1, B)
        if number == 0:
            torch.mul(*factors, out=out)
        else:
            out.addcmul_(*factors)
    return out
