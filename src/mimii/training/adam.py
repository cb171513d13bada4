"""Adam and AdamW, as torch has them, without torch's compiler."""

from collections.abc import Iterable

import torch
from torch.optim.adam import adam


class Adam:
    """Adam (Kingma and Ba, 2015) with torch's fused kernel: the numbers are those of ``torch.optim.Adam``.

    With weight decay it is AdamW (Loshchilov and Hutter, 2019), and the numbers are those of ``torch.optim.AdamW``.
    These classes import torch's compiler, which is not used here and takes each process a second.

    Parameters
    ----------
    parameters : iterable of torch.nn.Parameter
    learning_rate : float > 0
    weight_decay : float >= 0
        Each step makes every weight smaller by this times the learning rate, as a share of it.
    capturable : bool
        Its steps can be captured in a CUDA graph.
    """

    def __init__(
        self,
        parameters: Iterable[torch.nn.Parameter],
        learning_rate: float,
        *,
        weight_decay: float = 0.0,
        capturable: bool = False,
    ):
        self._parameters = list(parameters)
        self._learning_rate = learning_rate
        self._weight_decay = weight_decay
        self._capturable = capturable
        self._means = [torch.zeros_like(parameter) for parameter in self._parameters]
        self._squares = [torch.zeros_like(parameter) for parameter in self._parameters]
        self._steps = [torch.zeros((), device=parameter.device) for parameter in self._parameters]

    def reset(self, only: int | None = None) -> None:
        """Forget all steps, or those of one parameter; what a graph has captured stays where it is."""
        chosen = slice(None) if only is None else slice(only, only + 1)
        for tensor in (*self._means[chosen], *self._squares[chosen], *self._steps[chosen]):
            tensor.zero_()

    def take_over(self, number: int, other: "Adam", its_number: int) -> None:
        """Let a parameter go on from the steps that a parameter of another one has taken."""
        for mine, its in ((self._means, other._means), (self._squares, other._squares), (self._steps, other._steps)):
            mine[number].copy_(its[its_number])

    def clear(self) -> None:
        """Drop the gradients."""
        for parameter in self._parameters:
            parameter.grad = None

    @torch.no_grad()
    def step(self) -> None:
        """Take a step with the gradients; a parameter that has none stays."""
        gradients = {
            number: parameter.grad for number, parameter in enumerate(self._parameters) if parameter.grad is not None
        }
        used = list(gradients)
        adam(
            [self._parameters[number] for number in used],
            list(gradients.values()),
            [self._means[number] for number in used],
            [self._squares[number] for number in used],
            [],
            [self._steps[number] for number in used],
            fused=True,
            capturable=self._capturable,
            amsgrad=False,
            beta1=0.9,
            beta2=0.999,
            lr=self._learning_rate,
            weight_decay=self._weight_decay,
            eps=1e-8,
            maximize=False,
            decoupled_weight_decay=self._weight_decay > 0,
        )
