"""A kind of arrays of recordings, such as their log-mel frames, in the feature store: a pickle a machine."""

import logging
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from mimii.data.machines import MACHINE, machine_name
from mimii.data.recordings import fingerprint
from mimii.features.extraction import Skipped, can_be_read_now
from mimii.features.joining import join_arrays
from mimii.storage import files
from mimii.storage.names import feature_file

log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Arrays:
    """Arrays of a machine's recordings, one after the other.

    Attributes
    ----------
    values : np.ndarray [shape=(total, ...)]
    offsets : np.ndarray [shape=(n_recordings + 1,), dtype=int64]
        Recording i is at ``values[offsets[i] : offsets[i + 1]]``.
    paths : list of str [n_recordings]
        Which they are.
    skipped : dict of str to str
        The path of each recording of the machine that is not among them, and why.
    sample_rate : int
        [Hz], of most of them; 0 where there is no recording.
    """

    values: np.ndarray
    offsets: np.ndarray
    paths: list[str]
    skipped: dict[str, str]
    sample_rate: int

    def without(self, paths: Collection[str]) -> "Arrays":
        """Leave out some recordings; where none of them is here, nothing is copied."""
        is_left = [path not in paths for path in self.paths]
        if all(is_left):
            return self
        parts = np.split(self.values, self.offsets[1:-1]) if self.paths else []
        left = [part for part, stays in zip(parts, is_left, strict=True) if stays]
        return replace(
            self,
            values=join_arrays([self.values[:0], *left]),
            offsets=_offsets(left),
            paths=[path for path, stays in zip(self.paths, is_left, strict=True) if stays],
        )


@dataclass(frozen=True, eq=False)
class Kind:
    """A kind of arrays, and where they are kept.

    Attributes
    ----------
    name : str
        ``frames`` or ``samples``: their name in `mimii.features.extraction.Extracted` and in the pickle.
    directory : Path
        Where the pickles are.
    facts : dict of str to Any
        All that the arrays depend on, besides the recordings.
    empty : np.ndarray [shape=(0, ...)]
        The arrays of no recordings.
    in_file_name : str
        What the name of a pickle says of its kind.
    is_of_one_rate : bool
        Recordings of another sample rate than most of their machine are left out. Of samples it is the frames that
        decide, because the recordings that are used have both.
    """

    name: str
    directory: Path
    facts: dict[str, Any]
    empty: np.ndarray
    in_file_name: str = ""
    is_of_one_rate: bool = True

    def path(self, machine: pd.DataFrame) -> Path:
        """The pickle of a machine's recordings; its name changes with every recording and every fact."""
        facts = {**self.facts, "recordings": fingerprint(machine)}
        return self.directory / feature_file(machine_name(machine[MACHINE].iloc[0]), facts, self.in_file_name)

    def load(self, machine: pd.DataFrame) -> Arrays:
        """Read a machine's pickle.

        Raises
        ------
        FileNotFoundError
            There is none.
        mimii.storage.files.CacheError
            It can't be used.
        """
        path = self.path(machine)
        content = files.load_pickle(path)
        try:
            skipped = {machine["path"].iloc[number]: reason for number, reason in content["skipped"].items()}
            arrays = Arrays(
                values=content[self.name],
                offsets=content["offsets"],
                paths=[recording for recording in machine["path"] if recording not in skipped],
                skipped=skipped,
                sample_rate=content["sample_rate"],
            )
            whole = len(arrays.offsets) == len(arrays.paths) + 1
            whole &= arrays.values.shape == (arrays.offsets[-1], *self.empty.shape[1:])
        except (KeyError, TypeError, IndexError, AttributeError) as error:
            raise files.CacheError(f"{path.name}: {error!r}") from error
        if not whole:
            raise files.CacheError(f"{path.name}: its lengths do not fit its recordings")
        return arrays

    def skipped(self, machine: pd.DataFrame, channel: int | str) -> dict[str, str] | None:
        """The recordings that a machine's pickle lacks, and why; None where the pickle must be made, first or again."""
        try:
            skipped = self.load(machine).skipped
        except FileNotFoundError:
            return None
        except files.CacheError as error:
            log.warning("The feature file %s: it is made again.", error)
            return None
        # what could not be read may only have been out of reach
        return None if any(can_be_read_now(path, reason, channel) for path, reason in skipped.items()) else skipped

    def save(
        self,
        machine: pd.DataFrame,
        found: dict[int, np.ndarray | Skipped],
        rates: dict[int, int],
        changed: Collection[int],
    ) -> tuple[dict[str, str], int]:
        """Write a machine's pickle.

        Parameters
        ----------
        machine : pd.DataFrame
        found : dict of int to np.ndarray or Skipped
            Of each recording, by its number; it is emptied, so that no array stays that is copied already.
        rates : dict of int to int
            The sample rate of each recording [Hz].
        changed : collection of int
            Recordings that are not any more the files that were found.

        Returns
        -------
        skipped : dict of str to str
            The path of each recording that is not in the pickle, and why.
        sample_rate : int
            Of most of the others [Hz]; 0 where there are none.
        """
        numbers = range(len(machine))
        votes = Counter(rates[number] for number in numbers if not isinstance(found[number], Skipped))
        sample_rate = votes.most_common(1)[0][0] if votes else 0
        arrays, skipped = [self.empty], {}
        for number in numbers:
            array, rate = found.pop(number), rates[number]
            if isinstance(array, Skipped):
                skipped[number] = array.reason
            elif number in changed:
                skipped[number] = "it changed while this command ran"
            elif self.is_of_one_rate and rate != sample_rate:
                skipped[number] = f"{rate} Hz, where most recordings of the machine have {sample_rate} Hz"
            else:
                arrays.append(array)
        offsets = _offsets(arrays[1:])
        content = {self.name: join_arrays(arrays), "offsets": offsets, "sample_rate": sample_rate, "skipped": skipped}
        files.save_pickle(self.path(machine), content)
        return {machine["path"].iloc[number]: reason for number, reason in skipped.items()}, sample_rate


def _offsets(arrays: Sequence[np.ndarray]) -> np.ndarray:
    """Where each array begins among all of them, and where the last one ends."""
    return np.cumsum([0, *map(len, arrays)], dtype=np.int64)
