"""The loss of networks that learn to tell classes apart by angles."""

import math

import torch
from torch import nn
from torch.nn import functional


class SubclusterAdaCos(nn.Module):
    """Sub-cluster AdaCos (Wilkinghoff, 2021) with the fixed scale of AdaCos (Zhang et al., 2019).

    Each class has several centres on the unit sphere. An embedding is compared with all of them by the cosine: a class
    may sound in several ways, and is not drawn together to a single point. The scale is sqrt(2) ln(C S - 1) for C
    classes of S centres each.

    Parameters
    ----------
    size : int > 0
        Values in an embedding.
    classes : int >= 2
    subclusters : int > 0
        Centres of a class.
    trainable : bool
        The centres are learnt; otherwise they stay where they were drawn.

    Attributes
    ----------
    centres : torch.Tensor [shape=(classes, subclusters, size)]
        Only their directions count.
    scale : float > 0
    """

    centres: torch.Tensor

    def __init__(self, size: int, classes: int, *, subclusters: int = 16, trainable: bool):
        super().__init__()
        if classes < 2:
            raise ValueError(f"there must be two classes or more to tell apart, not {classes}")
        centres = functional.normalize(torch.randn(classes, subclusters, size), dim=2)
        if trainable:
            self.centres = nn.Parameter(centres)
        else:
            self.register_buffer("centres", centres)
        self.classes = classes
        self.scale = math.sqrt(2) * math.log(max(classes * subclusters - 1, 2))  # of two centres in all it would be 0

    def logits(self, embeddings: torch.Tensor) -> torch.Tensor:
        """Logsumexp of the scaled cosines over the centres of a class: (B, size) -> (B, classes)."""
        directions = functional.normalize(self.centres, dim=2).flatten(0, 1)  # (C, S, size) -> (C*S, size)
        cosines = functional.normalize(embeddings, dim=1) @ directions.T  # (B, size) -> (B, C*S)
        return (self.scale * cosines).unflatten(1, (self.classes, -1)).logsumexp(dim=2)  # (B, C, S) -> (B, C)

    def loss(self, embeddings: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Mean cross-entropy of embeddings (B, size) for the shares of the classes (B, classes), a scalar."""
        return functional.cross_entropy(self.logits(embeddings), labels)
