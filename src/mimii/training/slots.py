"""The memory of networks that are trained side by side on a device, and the step that all of them take together."""

import copy
from collections.abc import Iterator, Sequence
from typing import Protocol

import torch
from torch import nn

import mimii.training.devices  # noqa: F401  (it turns TF32 off)
from mimii.features.windows import Windows
from mimii.training.adam import Adam
from mimii.training.graphs import capture, warm_up
from mimii.training.resident import ResidentWindows, Trainable

_ALIGNED = 4  # values: matrix products read 16 bytes at once where they may


class Stackable(Trainable, Protocol):
    """A network over windows that can be a part of a stack; `mimii.networks.base.Network` is one."""

    n_mels: int

    # what every torch.nn.Module has

    def named_parameters(self) -> Iterator[tuple[str, torch.nn.Parameter]]: ...  # noqa: D102

    def named_buffers(self) -> Iterator[tuple[str, torch.Tensor]]: ...  # noqa: D102

    def buffers(self) -> Iterator[torch.Tensor]: ...  # noqa: D102


class Rows:
    """The weights and buffers of networks of one kind; each network has a row of them.

    Parameters
    ----------
    network : Stackable
        One of the kind.
    count : int > 0
        Rows.
    device : torch.device

    Attributes
    ----------
    weights : torch.Tensor [shape=(count, n)]
        All trained weights of a network, one after the other.
    stacked, buffers : dict of str to torch.Tensor [shape=(count, ...)]
        The same weights, and the buffers, by their names in the network.
    """

    def __init__(self, network: Stackable, count: int, device: torch.device):
        self._spans: dict[str, tuple[int, torch.Size]] = {}
        end = 0
        for name, parameter in network.named_parameters():
            self._spans[name] = end, parameter.shape
            end += -(-parameter.numel() // _ALIGNED) * _ALIGNED
        self.weights = torch.zeros(count, end, device=device)
        self.stacked = {name: self._of(self.weights, name).requires_grad_() for name in self._spans}
        self.buffers = {
            name: torch.zeros(count, *buffer.shape, dtype=buffer.dtype, device=device)
            for name, buffer in network.named_buffers()
        }

    def _of(self, rows: torch.Tensor, name: str) -> torch.Tensor:
        """A parameter in some rows, in the same memory: (..., n) -> (..., *its shape)."""
        start, shape = self._spans[name]
        values = rows[..., start : start + shape.numel()]
        return values.unflatten(-1, shape) if shape else values[..., 0]

    def flattened(self, gradients: Sequence[torch.Tensor], into: torch.Tensor) -> None:
        """Write the gradient of each parameter into rows: (..., *its shape) each -> (..., n)."""
        parts = []
        for gradient, (_, shape) in zip(gradients, self._spans.values(), strict=True):
            parts.append(gradient.reshape(*into.shape[:-1], shape.numel()))
            if missing := -shape.numel() % _ALIGNED:
                parts.append(gradient.new_zeros(*into.shape[:-1], missing))
        torch.cat(parts, dim=-1, out=into)

    def bind(self, network: Stackable, row: int) -> None:
        """Write a network's weights and buffers into a row, and let the network be what is there from now on."""
        for name, parameter in network.named_parameters():
            parameter.data = self._of(self.weights[row], name).copy_(parameter.detach())
        for name, buffer in network.named_buffers():
            buffer.data = self.buffers[name][row].copy_(buffer)

    def release(self, network: Stackable, weights: torch.Tensor) -> None:
        """Give a network that was bound memory of its own, and these weights, (n,)."""
        for name, parameter in network.named_parameters():
            parameter.data = self._of(weights, name).clone()
            parameter.grad = None
        for buffer in network.buffers():
            buffer.data = buffer.clone()


class _Loss(nn.Module):
    """A network's loss as a forward pass, which `torch.func.functional_call` needs."""

    def __init__(self, network: Stackable):
        super().__init__()
        self.network = network

    def forward(self, *batch: torch.Tensor) -> torch.Tensor:
        return self.network.loss(*batch)


class Slots:
    """Slots for networks of one kind, and the step that they take together.

    Each slot has a row of weights, of Adam's state and of the order in which windows are shown, a region of the frames
    and a generator of its own. A slot that nobody uses takes the steps as well, with whatever is in it: nobody reads
    what comes of it.

    Parameters
    ----------
    network : Stackable
        One of the kind.
    frames : torch.Tensor [shape=(regions, most frames, n_mels)]
        Where those of the networks are or will be, on the device.
    regions : sequence of int
        That of each slot.
    windows : int > 0
        The most that one of the networks learns from.
    length : int > 0
        Frames in a window.
    batch_size : int > 0
    learning_rate : float > 0

    Raises
    ------
    torch.cuda.OutOfMemoryError
        There is no room for so many slots.
    """

    def __init__(
        self,
        network: Stackable,
        frames: torch.Tensor,
        regions: Sequence[int],
        *,
        windows: int,
        length: int,
        batch_size: int,
        learning_rate: float,
    ):
        device, slots = frames.device, len(regions)
        self._kind = _Loss(copy.deepcopy(network).to(str(device)).train())
        self._batch_size, self._length, self._learning_rate = batch_size, length, learning_rate
        self._frames, self._regions = frames, regions
        # the window that begins at frame i of all regions as row i, overlapping in memory
        possible = frames.shape[0] * frames.shape[1] - length + 1
        self._possible = frames.as_strided((possible, length * frames.shape[2]), (frames.shape[2], 1))
        self._rows = Rows(network, slots, device)
        self._weight_rows = list(self._rows.weights)
        self._gradients = torch.zeros_like(self._rows.weights)
        self._gradient_rows = list(self._gradients)
        self._adam = Adam(
            self._weight_rows, learning_rate, weight_decay=network.weight_decay, capturable=device.type == "cuda"
        )
        self._generators = [torch.Generator(device) for _ in regions]
        self._best = torch.zeros_like(self._rows.weights)
        self._best_loss = torch.zeros(slots, device=device)
        self._order = torch.zeros(slots, max(windows, batch_size), dtype=torch.int64, device=device)
        self._next = torch.zeros(slots, dtype=torch.int64, device=device)  # where in its order a slot is
        self._advance = torch.zeros(slots, dtype=torch.int64, device=device)  # of a slot in a step
        self._ahead = torch.arange(batch_size, device=device)
        self._totals = torch.zeros(slots, device=device)  # of the losses of an epoch's windows
        self._graph: torch.cuda.CUDAGraph | None = None
        if device.type == "cuda":
            warm_up(self._take, device)
            self._graph = capture(self._take, device, self._generators)

    def narrowed(self, slots: Sequence[int], networks: Sequence[Stackable]) -> "Slots":
        """Make slots for some of the networks, in this order, which go on there.

        Raises
        ------
        RuntimeError
            There is no room for it; this one is as it was.
        """
        other = Slots(
            self._kind.network,
            self._frames,
            [self._regions[slot] for slot in slots],
            windows=self._order.shape[1],
            length=self._length,
            batch_size=self._batch_size,
            learning_rate=self._learning_rate,
        )
        for mine, its in (
            (self._best, other._best),
            (self._best_loss, other._best_loss),
            (self._order, other._order),
            (self._next, other._next),
            (self._advance, other._advance),
            (self._totals, other._totals),
        ):
            for number, slot in enumerate(slots):
                its[number].copy_(mine[slot])
        for number, (slot, network) in enumerate(zip(slots, networks, strict=True)):
            other._rows.bind(network, number)
            other._adam.take_over(number, self._adam, slot)
            other._generators[number].set_state(self._generators[slot].get_state())
        return other

    def has_room(self, windows: Windows) -> bool:
        """Whether a slot has room for what a network learns from."""
        return len(windows.frames) <= self._frames.shape[1] and len(windows) <= self._order.shape[1]

    def take_step(self) -> None:
        """Let each network learn from its next whole batch."""
        if self._graph is None:
            self._take()
        else:
            self._graph.replay()

    def seat(self, slot: int, network: Stackable, windows: Windows, seed: int) -> ResidentWindows:
        """Let a network, whose scale is known, begin in a slot; gives its windows there."""
        self._rows.bind(network.to(str(self._frames.device)).train(), slot)
        self._adam.reset(slot)
        self._best_loss[slot].fill_(float("inf"))
        self._generators[slot].manual_seed(seed)
        own = self._frames[self._regions[slot], : len(windows.frames)]
        own.copy_(torch.from_numpy(windows.frames))
        return ResidentWindows(windows, self._frames.device, own)

    def begin_epoch(self, slot: int, starts: torch.Tensor) -> None:
        """Show a slot's network the windows that begin at these of its frames, (n,) in this order, from now on."""
        first = self._regions[slot] * self._frames.shape[1]
        torch.add(starts, first, out=self._order[slot, : len(starts)])
        self._next[slot].zero_()  # not an assignment, for which the device is waited for
        self._advance[slot].fill_(self._batch_size)
        self._totals[slot].zero_()

    def take_rest(self, slot: int, network: Stackable, batch: torch.Tensor) -> None:
        """Let the network of a slot learn from a smaller batch, (b, length, n_mels)."""
        loss = network.loss(batch, *network.draw(batch, self._generators[slot]))
        self._rows.flattened(torch.autograd.grad(loss, list(network.parameters())), self._gradients[slot])
        self._totals[slot] += loss.detach() * len(batch)
        self._step_with([slot])

    def total(self, slot: int) -> torch.Tensor:
        """Sum of the losses of the windows that the network of a slot was shown in this epoch, a scalar."""
        return self._totals[slot]

    def keep(self, slot: int, loss: torch.Tensor | None) -> None:
        """Remember the weights of a slot if this loss is the least so far; or in any case where there is none."""
        if loss is None:
            self._best[slot].copy_(self._rows.weights[slot])
            return
        is_better = loss < self._best_loss[slot]
        self._best[slot].copy_(torch.where(is_better, self._rows.weights[slot], self._best[slot]))
        self._best_loss[slot].copy_(torch.where(is_better, loss, self._best_loss[slot]))

    def release(self, slot: int, network: Stackable) -> None:
        """Give the network of a slot the weights that were kept, in memory of its own, and free the slot."""
        self._advance[slot].zero_()
        self._next[slot].zero_()
        self._rows.release(network, self._best[slot])
        network.eval()

    def _take(self) -> None:
        shape = (-1, self._batch_size, self._length, self._frames.shape[2])
        starts = self._order.gather(1, self._next[:, None] + self._ahead)  # (slots, B)
        batch = self._possible.index_select(0, starts.flatten()).view(shape)  # -> (slots, B, length, n_mels)
        drawn = [self._kind.network.draw(*pair) for pair in zip(batch, self._generators, strict=True)]
        numbers = [torch.stack(of_all) for of_all in zip(*drawn, strict=True)]  # (slots, B, ...) each
        losses = torch.func.vmap(self._loss_of_one)(self._rows.stacked, self._rows.buffers, batch, *numbers)
        self._rows.flattened(torch.autograd.grad(losses.sum(), list(self._rows.stacked.values())), self._gradients)
        self._totals += losses.detach() * self._batch_size
        self._step_with(range(len(self._weight_rows)))
        self._next += self._advance

    def _loss_of_one(
        self, weights: dict[str, torch.Tensor], buffers: dict[str, torch.Tensor], *batch: torch.Tensor
    ) -> torch.Tensor:
        own = {f"network.{name}": value for name, value in (weights | buffers).items()}
        return torch.func.functional_call(self._kind, own, batch)

    def _step_with(self, slots: Sequence[int]) -> None:
        """Take a step of Adam with the gradients of some slots."""
        for row in self._weight_rows:
            row.grad = None
        for slot in slots:
            self._weight_rows[slot].grad = self._gradient_rows[slot]
        self._adam.step()
