"""An LSTM over a few frames as matrix products, with its own derivative.

The kernel that torch has for it on a CPU takes twice the time of its matrix products, and can't be stacked. Here the
batch is the last dimension: the gates of a frame, (4, H, B), are whole blocks of memory then. A tanh takes six times
the time of a sigmoid, so it is made of one: tanh(x) = 2 sigmoid(2x) - 1. The factors of two, which are exact, are put
where they cost nothing: into the few weights, and into the cells, which are kept doubled.
"""

from collections.abc import Iterator
from typing import Any

import torch
from torch import nn

from mimii.networks.stacking import OfManyNetworks

_WEIGHTS = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")


def lstm(x: torch.Tensor, layers: nn.LSTM, frames: int) -> torch.Tensor:
    """What an ``nn.LSTM`` gives for each frame, in one direction and from a state of zeros.

    Parameters
    ----------
    x : torch.Tensor [shape=(T, I, B)]
        The frames, or one that is shown every time, (1, I, B).
    layers : nn.LSTM
        Its weights are used.
    frames : int > 0
        T.

    Returns
    -------
    torch.Tensor [shape=(T, H, B)]
    """
    for number in range(layers.num_layers):
        of_input, of_state, bias, other_bias = (getattr(layers, f"{name}_l{number}") for name in _WEIGHTS)
        x = _Layer.of_one(x, of_input, of_state, bias + other_bias, frames)  # (T or 1, I, B) -> (T, H, B)
    return x


class _Layer(OfManyNetworks):
    """A layer: (K, T or 1, I, B), weights (K, 4*H, I), (K, 4*H, H), (K, 4*H) -> (K, T, H, B), and for its derivative.

    The derivative needs the gates (K, T, 4*H, B), the doubled cells and half of their tanh, both (K, T, H, B).
    """

    @staticmethod
    def forward(
        x: torch.Tensor, of_input: torch.Tensor, of_state: torch.Tensor, bias: torch.Tensor, frames: int
    ) -> tuple[torch.Tensor, ...]:
        """Frame by frame; the gates stand in torch's order."""
        count, inputs, _, batch = x.shape
        size = of_state.shape[2]
        of_input, of_state, bias = (_tanh_as_sigmoid(weight) for weight in (of_input, 2 * of_state, bias.unsqueeze(2)))
        gates = x.new_empty(count, frames, 4 * size, batch)
        cells, bent, states = (x.new_empty(count, frames, size, batch) for _ in range(3))
        shown = torch.baddbmm(bias, of_input, x[:, 0]) if inputs < frames else None  # (K, 4*H, B), every time
        cell = state = None
        for time, (gate, next_cell, tanh, next_state) in enumerate(_by_time(gates, cells, bent, states)):
            if shown is None:
                torch.baddbmm(bias, of_input, x[:, time], out=gate)
                if state is not None:
                    gate.baddbmm_(of_state, state)
            elif state is None:
                gate.copy_(shown)
            else:
                torch.baddbmm(shown, of_state, state, out=gate)
            entry, forget, new, leave = gate.sigmoid_().unflatten(1, (4, size)).unbind(1)
            half = new - 0.5  # of the tanh
            if cell is None:
                torch.mul(entry, half, out=next_cell).mul_(4)
            else:
                torch.mul(forget, cell, out=next_cell).addcmul_(entry, half, value=4)
            torch.sigmoid(next_cell, out=tanh).sub_(0.5)
            torch.mul(leave, tanh, out=next_state)  # half of the state: the weights have the factor
            cell, state = next_cell, next_state
        return states.mul_(2), gates, cells, bent

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[torch.Tensor, ...]) -> None:
        """Keep what was found on the way."""
        ctx.mark_non_differentiable(*output[1:])
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(*inputs[:3], *output)

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor, *_: None) -> tuple[torch.Tensor | None, ...]:
        """Back through time."""
        x, of_input, of_state, states, gates, cells, bent = ctx.saved_tensors
        count, _, size, batch = states.shape
        scale = x.new_full((4, 1, 1), 2)  # what the derivatives of the gates below lack
        scale[1].fill_(0.5)
        scale[2].fill_(4)

        entry, forget, new, leave = gates.unflatten(2, (4, size)).unbind(2)
        slope = leave * torch.addcmul(x.new_ones(()), bent, bent, value=-4)  # of the states, by the cells
        of_gates = torch.empty_like(gates)  # by what they open to, at first; and their own in the end
        of_entry, of_forget, of_new, of_leave = of_gates.unflatten(2, (4, size)).unbind(2)
        torch.sub(new, 0.5, out=of_entry)
        of_forget[:, 0].zero_()
        of_forget[:, 1:].copy_(cells[:, :-1])
        of_new.copy_(entry)
        of_leave.copy_(bent)
        torch.ops.aten.sigmoid_backward.grad_input(of_gates, gates, grad_input=of_gates)

        back = (scale * of_state.unflatten(1, (4, size))).flatten(1, 2).mT  # (K, H, 4*H)
        of_cell = x.new_zeros(count, size, batch)
        of_later = None
        for above, by_cell, by_state, kept, slope_now, of_now in reversed(
            list(_by_time(grad, of_gates[:, :, : 3 * size].unflatten(2, (3, size)), of_leave, forget, slope, of_gates))
        ):
            if of_later is not None:
                above = torch.baddbmm(above, back, of_later)
            of_cell.addcmul_(above, slope_now)
            by_cell.mul_(of_cell.unsqueeze(1))
            by_state.mul_(above)
            of_cell.mul_(kept)
            of_later = of_now

        def scaled(of_weight: torch.Tensor) -> torch.Tensor:
            return (scale * of_weight.unflatten(1, (4, size))).flatten(1, 2)  # (K, 4*H, ...)

        of_products = of_gates if x.shape[1] > 1 else of_gates.sum(1, keepdim=True)
        of_x = None
        if ctx.needs_input_grad[0]:
            of_x = scaled(of_input).mT.unsqueeze(1) @ of_products  # (K, T or 1, I, B)
        of_bias = scaled(of_products.sum(dim=(1, 3)).unsqueeze(2)).squeeze(2)
        return of_x, scaled(_summed(of_products, x)), scaled(_summed(of_gates[:, 1:], states)), of_bias, None


def _by_time(*sequences: torch.Tensor) -> Iterator[tuple[torch.Tensor, ...]]:
    """Of each sequence, (K, T, ...), what is at the same time: (K, ...)."""
    return zip(*(sequence.unbind(1) for sequence in sequences), strict=True)


def _tanh_as_sigmoid(weight: torch.Tensor) -> torch.Tensor:
    """Double the weights of the third gate: (K, 4*H, ...) -> a new one."""
    weight = weight.clone()
    weight.chunk(4, dim=1)[2].mul_(2)
    return weight


def _summed(of_outputs: torch.Tensor, inputs: torch.Tensor) -> torch.Tensor:
    """Derivative of weights, the sum over the frames: (K, T, O, B), (K, T or more, I, B) -> (K, O, I)."""
    total = of_outputs.new_zeros(of_outputs.shape[0], of_outputs.shape[2], inputs.shape[2])
    for time in range(of_outputs.shape[1]):
        total.baddbmm_(of_outputs[:, time], inputs[:, time].mT)
    return total
