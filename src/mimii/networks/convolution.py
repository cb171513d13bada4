"""Strided 3 x 3 convolutions over a few frames and all mels, and back, as matrix products with their own derivative.

The kernels that torch has for them are made for many channels and large pictures, and can't be stacked well. Here the
mels come first, then all frames and channels of a mel as its features, and the batch is last, (m, F, B). The features
of neighbouring mels are one block of memory then, and a convolution, which strides over two mels, is one matrix for all
blocks of three: nothing is copied. The matrix has zeros where a frame does not see another; with many frames it would
have little else.
"""

from typing import Any

import torch
from torch import nn

from mimii.networks.stacking import OfManyNetworks

MOST_FRAMES = 8  # beyond, torch's own convolutions take less time


def reach(frames: int, step: int) -> torch.Tensor:
    """Which row of a kernel, with padding 1, an output on the time axis has for a frame.

    Parameters
    ----------
    frames, step : int > 0

    Returns
    -------
    torch.Tensor [shape=(t, frames, 3)]
        1 or 0; t = ceil(frames / step).
    """
    outputs = torch.arange(0, frames, step)
    return ((torch.arange(frames) - outputs[:, None] + 1).unsqueeze(2) == torch.arange(3)).float()


def convolution(x: torch.Tensor, layer: nn.Conv2d, reached: torch.Tensor) -> torch.Tensor:
    """ReLU of a convolution that strides over two mels: (m, T*C, B) -> (ceil(m / 2), t*O, B).

    Parameters
    ----------
    x : torch.Tensor
    layer : nn.Conv2d
        Its weights are used; kernel 3 x 3, padding 1.
    reached : torch.Tensor [shape=(t, T, 3)]
        See `reach`.
    """
    assert layer.bias is not None
    return _Down.of_one(x, _banded(layer.weight, reached), _repeated(layer.bias, reached.shape[0]))


def back(x: torch.Tensor, layer: nn.ConvTranspose2d, reached: torch.Tensor, n_mels: int, *, bend: bool) -> torch.Tensor:
    """A transposed convolution, the adjoint of a convolution: (m, t*C, B) -> (n_mels, T*O, B).

    Parameters
    ----------
    x : torch.Tensor
    layer : nn.ConvTranspose2d
        Its weights are used; kernel 3 x 3, padding 1.
    reached : torch.Tensor [shape=(t, T, 3)]
        See `reach`; of the convolution.
    n_mels : int > 0
        How many to go back to.
    bend : bool
        A ReLU follows.
    """
    assert layer.bias is not None
    return _Up.of_one(x, _banded(layer.weight, reached), _repeated(layer.bias, reached.shape[1]), n_mels, bend)


def _banded(weight: torch.Tensor, reached: torch.Tensor) -> torch.Tensor:
    """The matrix of a kernel for all frames: (O, C, 3, 3) -> (t*O, 3, T*C)."""
    rows = weight.permute(2, 0, 3, 1)  # (O, C, time, mel) -> (time, O, mel, C)
    placed = (reached.flatten(0, 1) @ rows.flatten(1)).unflatten(0, reached.shape[:2])  # (t*T, 3) -> (t, T, O*3*C)
    placed = placed.unflatten(2, rows.shape[1:]).permute(0, 2, 3, 1, 4)  # -> (t, O, 3, T, C)
    return placed.flatten(3).flatten(0, 1)


def _repeated(bias: torch.Tensor, frames: int) -> torch.Tensor:
    """The same for each frame: (O,) -> (frames*O,)."""
    return bias.expand(frames, -1).flatten()


class _Down(OfManyNetworks):
    """(K, m, F, B), (K, G, 3, F), (K, G) -> (K, ceil(m / 2), G, B)."""

    @staticmethod
    def forward(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
        """Multiply, shift, and bend."""
        return _down(x.contiguous(), weight).add_(bias[:, None, :, None]).relu_()

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[torch.Tensor, ...], output: torch.Tensor) -> None:
        """Keep what the derivative needs."""
        ctx.save_for_backward(*inputs[:2], output)

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        """The way back."""
        x, weight, out = ctx.saved_tensors
        grad = torch.ops.aten.threshold_backward(grad.contiguous(), out, 0)
        of_x = _up(grad, weight, x.shape[1]) if ctx.needs_input_grad[0] else None
        return of_x, _of_weight(grad, x.contiguous()), grad.sum(dim=(1, 3))


class _Up(OfManyNetworks):
    """(K, m', G, B), (K, G, 3, F), (K, F) -> (K, m, F, B)."""

    @staticmethod
    def forward(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor, n_mels: int, bend: bool) -> torch.Tensor:
        """Multiply, shift and, if told to, bend."""
        out = _up(x.contiguous(), weight, n_mels).add_(bias[:, None, :, None])
        return out.relu_() if bend else out

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: torch.Tensor) -> None:
        """Keep what the derivative needs."""
        ctx.bend = inputs[4]
        ctx.save_for_backward(*inputs[:2], *((output,) if ctx.bend else ()))

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        """The convolution."""
        x, weight, *out = ctx.saved_tensors
        grad = grad.contiguous()
        if ctx.bend:
            grad = torch.ops.aten.threshold_backward(grad, *out, 0)
        return _down(grad, weight), _of_weight(x.contiguous(), grad), grad.sum(dim=(1, 3)), None, None


def _down(x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """Of output j, mels 2j-1 to 2j+1: (K, m, F, B), (K, G, 3, F) -> (K, ceil(m / 2), G, B)."""
    out = x.new_empty(len(x), (x.shape[1] + 1) // 2, weight.shape[1], x.shape[3])
    for outputs, taps, seen in _sights(x):
        _multiply(weight[:, :, taps].flatten(2), seen, out[:, outputs])
    return out


def _of_weight(x: torch.Tensor, large: torch.Tensor) -> torch.Tensor:
    """Derivative by the weights: (K, ceil(m / 2), G, B), (K, m, F, B) -> (K, G, 3, F)."""
    total = x.new_zeros(len(x), x.shape[2], 3, large.shape[2])
    for outputs, taps, seen in _sights(large):
        some = x[:, outputs]
        if len(x) == 1:
            part = torch.bmm(seen[0], some[0].mT).sum(0, keepdim=True)
        else:
            part = x.new_zeros(len(x), seen.shape[2], x.shape[2])
            for one, other in zip(seen.unbind(1), some.unbind(1), strict=True):
                part.baddbmm_(one, other.mT)
        total[:, :, taps] += part.mT.unflatten(2, (-1, large.shape[2]))  # (K, taps*F, G) -> (K, G, taps, F)
    return total


def _up(x: torch.Tensor, weight: torch.Tensor, n_mels: int) -> torch.Tensor:
    """Adjoint of `_down`: (K, m', G, B), (K, G, 3, F) -> (K, n_mels, F, B)."""
    out = x.new_empty(len(x), n_mels, weight.shape[3], x.shape[3])
    first, middle, last = weight.unbind(2)
    _multiply(middle.mT, x, out[:, ::2])  # an even mel is the middle of what one output sees
    pairs = x.shape[1] - 1
    if pairs:  # an odd one is the last for one output, and the first for the next
        both = torch.cat([last, first], dim=1).mT
        _multiply(both, _overlapping(x, 0, pairs, 1, 2), out[:, 1 : 2 * pairs : 2])
    if n_mels % 2 == 0:
        _multiply(last.mT, x[:, -1:], out[:, -1:])
    return out


def _sights(x: torch.Tensor) -> list[tuple[slice, slice, torch.Tensor]]:
    """Outputs, the taps of the kernel that are within the window, and the mels under these: (K, J, taps*F, B)."""
    mels = x.shape[1]
    inner = mels // 2 - 1  # outputs that see three
    found = [(slice(0, 1), slice(1, 3), _overlapping(x, 0, 1, 2, 2))]
    if inner:
        found.append((slice(1, 1 + inner), slice(0, 3), _overlapping(x, 1, inner, 2, 3)))
    if mels % 2:
        found.append((slice(1 + inner, 2 + inner), slice(0, 2), _overlapping(x, mels - 2, 1, 2, 2)))
    return found


def _overlapping(x: torch.Tensor, begin: int, count: int, stride: int, length: int) -> torch.Tensor:
    """Every so many mels, some neighbours, without a copy: (K, m, F, B) -> (K, count, length*F, B)."""
    networks, _, features, batch = x.shape
    size = features * batch
    shape = (networks, count, length * features, batch)
    return x[:, begin:].as_strided(shape, (x.stride(0), stride * size, batch, 1))


def _multiply(weight: torch.Tensor, x: torch.Tensor, out: torch.Tensor) -> None:
    """(K, O, I), (K, J, I, B) into (K, J, O, B): in one go for a single network, else for all networks in turn of J."""
    if len(weight) == 1:
        torch.bmm(weight.expand(x.shape[1], -1, -1), x[0], out=out[0])
    else:
        for part, place in zip(x.unbind(1), out.unbind(1), strict=True):
            torch.bmm(weight, part, out=place)
