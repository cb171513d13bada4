"""Clips of one length, cut from the samples of recordings, on the device that trains."""

import copy
import logging
from typing import Protocol

import numpy as np
import torch
from torch.nn import functional

from mimii.features.logmel import FULL_SCALE
from mimii.features.windows import Samples, Windows
from mimii.training.inference import by_blocks
from mimii.training.resident import Trainable

log = logging.getLogger(__name__)


class EmbedsClips(Trainable, Protocol):
    """A network over samples; `mimii.networks.embedding.EmbeddingNetwork` is one."""

    def embed(self, batch: torch.Tensor) -> torch.Tensor:
        """Samples, whose full scale is 1, to embeddings of length 1: (B, length) -> (B, size)."""


class ResidentClips:
    """A clip of each recording, whose samples live where the network does; batches are gathered there.

    A recording that is shorter than a clip is repeated. Of a longer one, a network that is being trained sees another
    part each time, drawn on the device; otherwise it is the middle. Samples stay 16 bits wide until they are in a
    batch; those that a GPU has no room for stay in main memory, and each batch is sent.

    Parameters
    ----------
    windows : Windows
        With samples; of windows of the same recording, the first one stands for it.
    device : str or torch.device
    length : int > 0
        Of a clip [samples].
    stay : bool
        The samples stay in main memory in any case: for a network that sees each of them once.
    """

    at_once = 64
    noun = "clips"

    def __init__(self, windows: Windows, device: str | torch.device, *, length: int, stay: bool = False):
        assert windows.samples is not None
        self.device = torch.device(device)
        self.length = length
        recordings, first = np.unique(windows.recording, return_index=True)
        place = torch.device("cpu") if stay else self.device
        values, begins, sizes = _settled(windows.samples, recordings, length, place)
        self.values = values
        self.begins = torch.from_numpy(begins).to(values.device)  # (n,)
        self.rooms = torch.from_numpy(sizes - length).to(values.device)  # (n,), within which a clip may begin
        self.target = None if windows.target is None else torch.from_numpy(windows.target[first]).to(device)
        self._full_scale = FULL_SCALE[windows.samples.values.dtype.name]
        # the clip that begins at sample i as row i, overlapping in memory: (total,) -> (possible clips, length)
        self._rows = values.as_strided((max(len(values) - length + 1, 0), length), (1, 1))

    def beside(self, windows: Windows) -> "ResidentClips":
        """Clips of other recordings for the same network."""
        return ResidentClips(windows, self.device, length=self.length)

    @property
    def are_resident(self) -> bool:
        """Whether the samples are where the network is."""
        return self.values.device.type == self.device.type

    def __len__(self) -> int:
        return len(self.begins)

    def batch(self, indices: torch.Tensor | slice, *, at_random: bool = False) -> torch.Tensor:
        """Gather clips: (B,) -> (B, length), float32 with full scale 1."""
        if not self.are_resident and isinstance(indices, torch.Tensor):
            indices = indices.cpu()
        rooms = self.rooms[indices]
        if at_random:
            starts = (torch.rand(len(rooms), device=rooms.device) * (rooms + 1)).long().clamp(max=rooms)
        else:
            starts = rooms // 2
        rows = self._rows.index_select(0, self.begins[indices] + starts)
        return rows.to(self.device).float() / self._full_scale

    def loss(self, network: Trainable, indices: torch.Tensor | slice) -> torch.Tensor:
        """A network's mean loss for clips of some recordings and their targets."""
        assert self.target is not None
        return network.loss(self.batch(indices, at_random=network.training), self.target[indices])

    def covering(self) -> tuple["ResidentClips", np.ndarray]:
        """Clips at even distances that cover each recording, and the recording that each is of: (clips,)."""
        rooms = self.rooms.cpu().numpy()
        counts = -(-rooms // self.length) + 1
        starts = [np.linspace(0, room, count).round() for room, count in zip(rooms, counts, strict=True)]
        owners = np.repeat(np.arange(len(rooms)), counts)
        clips = copy.copy(self)
        within = torch.from_numpy(np.concatenate([np.empty(0), *starts]).astype(np.int64)).to(self.values.device)
        clips.begins = self.begins[owners] + within
        clips.rooms = torch.zeros_like(clips.begins)
        clips.target = None if self.target is None else self.target[owners]
        return clips, owners


def _settled(
    samples: Samples, recordings: np.ndarray, length: int, device: torch.device
) -> tuple[torch.Tensor, np.ndarray, np.ndarray]:
    """The samples of some recordings on the device or, where it has no room for them, in main memory.

    Returns
    -------
    values : torch.Tensor [shape=(total,)]
        In main memory they are those that were given, unless one must be repeated.
    begins, sizes : np.ndarray [shape=(n,), dtype=int64]
        Where each recording is; it has ``length`` samples or more.
    """
    given_begins, given_sizes = samples.offsets[recordings], np.diff(samples.offsets)[recordings]
    if device.type == "cpu" and (given_sizes >= length).all():
        return torch.from_numpy(samples.values), given_begins, given_sizes
    sizes = np.maximum(given_sizes, length)
    ends = np.cumsum(sizes)
    dtype = torch.from_numpy(samples.values[:0]).dtype
    try:
        values = torch.empty(int(sizes.sum()), dtype=dtype, device=device)
    except torch.cuda.OutOfMemoryError:
        torch.cuda.empty_cache()
        log.warning(
            "%s has no room for %.1f GB of samples: they stay in main memory, which is slower.",
            device,
            sizes.sum() * samples.values.itemsize / 1e9,
        )
        return _settled(samples, recordings, length, torch.device("cpu"))
    for begin, size, end, wanted in zip(given_begins, given_sizes, ends, sizes, strict=True):
        recording = samples.values[begin : begin + size]
        values[end - wanted : end] = torch.from_numpy(np.resize(recording, wanted))  # it repeats what is too short
    return values, ends - sizes, sizes


@torch.inference_mode()
def embed_clips(
    network: EmbedsClips, windows: Windows, length: int, device: str = "cpu"
) -> tuple[np.ndarray, np.ndarray]:
    """Embed recordings: each one by the mean of the embeddings of the clips that cover it.

    Parameters
    ----------
    network : EmbedsClips
        Is set to evaluation.
    windows : Windows
        With samples.
    length : int > 0
        Of a clip [samples].
    device : str
        Where the network is.

    Returns
    -------
    numbers : np.ndarray [shape=(n,), dtype=int64]
        The recordings that have windows, ascending.
    embeddings : np.ndarray [shape=(n, size), dtype=float32]
        Of length 1.
    """
    network.eval()
    numbers = np.unique(windows.recording)
    clips, owners = ResidentClips(windows, device, length=length, stay=True).covering()
    parts = by_blocks(lambda chosen: network.embed(clips.batch(chosen)), clips)
    embeddings = torch.cat([part for _, part in parts]).cpu()  # (clips, size)
    sums = embeddings.new_zeros(len(numbers), embeddings.shape[1])
    sums.index_add_(0, torch.from_numpy(owners), embeddings)
    return numbers, functional.normalize(sums, dim=1).numpy()
