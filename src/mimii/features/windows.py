"""The log-mel frames of recordings, and windows of them.

The frames of all recordings of a machine are one array, and a window is a position in it: the matrix of stacked
windows, ``frames`` times as large, is never built.
"""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from mimii.errors import UserError
from mimii.features.joining import join_arrays, join_offsets

if TYPE_CHECKING:
    import pandas as pd

    from mimii.features.origins import Origins

_BLOCK = 4096  # frames that are worked on at once where a float64 copy of all would be large


@dataclass(frozen=True, eq=False)
class Samples:
    """The samples of some recordings, for networks that compute spectra of their own.

    Attributes
    ----------
    values : np.ndarray [shape=(total samples,), dtype=int16 or float32]
        One recording after the other, as `mimii.data.audio.read_channel` gives them.
    offsets : np.ndarray [shape=(n_recordings + 1,), dtype=int64]
        Recording i is at ``values[offsets[i] : offsets[i + 1]]``.
    """

    values: np.ndarray
    offsets: np.ndarray

    @staticmethod
    def concatenate(parts: list["Samples"]) -> "Samples":
        """The samples of several machines as one; the list is emptied as that of `join_arrays` is."""
        values, offsets = [part.values for part in parts], join_offsets([part.offsets for part in parts])
        parts.clear()
        return Samples(join_arrays(values), offsets)


@dataclass(eq=False)
class Features:
    """The log-mel frames of some recordings and, for models that need them, their samples.

    Attributes
    ----------
    frames : np.ndarray [shape=(total frames, n_mels), dtype=float32]
        [dB], one recording after the other.
    offsets : np.ndarray [shape=(n_recordings + 1,), dtype=int64]
        Recording i is at ``frames[offsets[i] : offsets[i + 1]]``.
    recordings : pd.DataFrame [n_recordings rows]
        Which they are.
    skipped : dict of str to str
        The path of each recording that can't be used, and why.
    sample_rate : int
        [Hz], of all of them.
    samples : Samples, optional
        Of the same recordings.
    """

    frames: np.ndarray
    offsets: np.ndarray
    recordings: "pd.DataFrame"
    skipped: dict[str, str]
    sample_rate: int
    samples: Samples | None = None

    def windows(
        self,
        length: int,
        chosen: np.ndarray,
        targets: np.ndarray | None = None,
        origins: "Origins | None" = None,
    ) -> "Windows":
        """The windows of some recordings: ``length`` consecutive frames of one recording, one from each frame on.

        Parameters
        ----------
        length : int > 0
            Frames in a window.
        chosen : np.ndarray [shape=(n_recordings,), dtype=bool]
            Which recordings; one of fewer than ``length`` frames has no window.
        targets : np.ndarray [shape=(n_recordings,), dtype=int64], optional
            The class of each recording.
        origins : Origins, optional
            Of all recordings.
        """
        counts = np.maximum(np.diff(self.offsets) - length + 1, 0)[chosen]
        begins = self.offsets[:-1][chosen]
        starts = [np.arange(begin, begin + count) for begin, count in zip(begins, counts, strict=True)]
        return Windows(
            frames=self.frames,
            starts=np.concatenate([np.empty(0, dtype=np.int64), *starts]),
            recording=np.repeat(np.flatnonzero(chosen), counts),
            length=length,
            target=None if targets is None else np.repeat(targets[chosen], counts),
            samples=self.samples,
            origins=origins,
        )

    @staticmethod
    def concatenate(parts: list["Features"]) -> "Features":
        """The features of several machines as one; those of a single machine are not copied.

        Parameters
        ----------
        parts : list of Features
            The list is emptied: where nothing else holds a machine's arrays, they are let go as they are copied.

        Returns
        -------
        Features
            With samples where all parts have them.

        Raises
        ------
        UserError
            The sample rates differ: the same mel band would mean another frequency.
        """
        import pandas as pd

        if len(parts) == 1:
            return parts.pop()
        rates = {part.sample_rate for part in parts if len(part.frames)}
        if len(rates) > 1:
            listed = ", ".join(f"{rate} Hz" for rate in sorted(rates))
            raise UserError(
                f"machines of different sample rates ({listed}) can't share a model; choose some, or a smaller --scope"
            )
        recordings = pd.concat([part.recordings for part in parts], ignore_index=True)
        skipped = {path: reason for part in parts for path, reason in part.skipped.items()}
        frames, offsets = [part.frames for part in parts], join_offsets([part.offsets for part in parts])
        samples = [part.samples for part in parts if part.samples]
        all_have_samples = len(samples) == len(parts)
        parts.clear()
        return Features(
            frames=join_arrays(frames),
            offsets=offsets,
            recordings=recordings,
            skipped=skipped,
            sample_rate=next(iter(rates), 0),
            samples=Samples.concatenate(samples) if all_have_samples else None,
        )


@dataclass(eq=False)
class Windows:
    """Windows as positions in an array of frames.

    Attributes
    ----------
    frames : np.ndarray [shape=(total frames, n_mels), dtype=float32]
    starts : np.ndarray [shape=(n_windows,), dtype=int64]
        The first frame of each window.
    recording : np.ndarray [shape=(n_windows,), dtype=int64]
        The recording that each window is of.
    length : int
        Frames in a window.
    target : np.ndarray [shape=(n_windows,), dtype=int64], optional
        The class of each window, where there are classes to learn.
    samples : Samples, optional
        Of the recordings that `recording` numbers, for models that need them.
    origins : Origins, optional
        Of the recordings that `recording` numbers, for models that know machines apart.
    """

    frames: np.ndarray
    starts: np.ndarray
    recording: np.ndarray
    length: int
    target: np.ndarray | None = None
    samples: Samples | None = None
    origins: "Origins | None" = None

    def __len__(self) -> int:
        return len(self.starts)

    def take(self, indices: np.ndarray | slice) -> "Windows":
        """Some of the windows, over the same frames."""
        target = None if self.target is None else self.target[indices]
        return replace(self, starts=self.starts[indices], recording=self.recording[indices], target=target)

    def joined(self, other: "Windows") -> "Windows":
        """These windows and others over the same frames, by recording; they have targets where both have them.

        Raises
        ------
        ValueError
            The others are over other frames, or of another length.
        """
        if self.frames is not other.frames or self.length != other.length:
            raise ValueError("windows of other frames, or of another length, can't be joined")
        recording = np.concatenate([self.recording, other.recording])
        order = np.argsort(recording, kind="stable")  # a recording's windows stay in their order
        target = None
        if self.target is not None and other.target is not None:
            target = np.concatenate([self.target, other.target])[order]
        starts = np.concatenate([self.starts, other.starts])[order]
        return replace(self, starts=starts, recording=recording[order], target=target)

    def gather(self) -> np.ndarray:
        """The windows themselves, stacked: for a few thousand of them.

        Returns
        -------
        np.ndarray [shape=(n_windows, length, n_mels), dtype=float32]
            Frame-major: flattened, frame t is at ``n_mels * t : n_mels * (t + 1)``, as the MIMII authors have it.
        """
        return self.frames[self.starts[:, None] + np.arange(self.length)]  # (n,) -> (n, length, n_mels)

    def band_statistics(self) -> tuple[np.ndarray, np.ndarray]:
        """Mean and standard deviation of each mel band over the frames that the windows touch.

        Returns
        -------
        mean, std : np.ndarray [shape=(n_mels,), dtype=float32]
            [dB]; a band that never changes has a standard deviation of 1, so that it can be divided by.
        """
        touched = np.zeros(len(self.frames), dtype=bool)
        for step in range(self.length):
            touched[self.starts + step] = True
        used = np.flatnonzero(touched)
        # block by block: a float64 copy of all frames would be the largest array of a run
        blocks = [used[start : start + _BLOCK] for start in range(0, len(used), _BLOCK)]
        mean = sum(self.frames[block].sum(axis=0, dtype=np.float64) for block in blocks) / len(used)
        variance = sum(((self.frames[block] - mean) ** 2).sum(axis=0) for block in blocks) / len(used)
        std = np.sqrt(variance)
        std[std < 1e-6] = 1
        return mean.astype(np.float32), std.astype(np.float32)

    def frames_by_recording(self) -> tuple[np.ndarray, list[np.ndarray]]:
        """The frames that the windows touch, each once.

        Returns
        -------
        numbers : np.ndarray [shape=(n,), dtype=int64]
            The recordings that have windows, ascending.
        parts : list of np.ndarray [shape=(n_frames, n_mels), dtype=float32]
            The frames of each.
        """
        owner = np.full(len(self.frames), -1)
        for step in range(self.length):
            owner[self.starts + step] = self.recording
        used = np.flatnonzero(owner >= 0)
        numbers, begins = np.unique(owner[used], return_index=True)  # a recording's frames are neighbours
        return numbers, [self.frames[part] for part in np.split(used, begins[1:])]

    def mean_by_recording(self, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Mean over each recording's windows.

        Parameters
        ----------
        values : np.ndarray [shape=(n_windows, ...)]
            One or several values for each window.

        Returns
        -------
        numbers : np.ndarray [shape=(n,), dtype=int64]
            The recordings that have windows, ascending.
        means : np.ndarray [shape=(n, ...), dtype=float64]
        """
        numbers, begins, counts = np.unique(self.recording, return_index=True, return_counts=True)
        sums = np.add.reduceat(values, begins, axis=0, dtype=np.float64)  # a recording's windows are neighbours
        return numbers, sums / counts.reshape(-1, *[1] * (values.ndim - 1))
