"""Puts arrays of recordings one after the other."""

from collections.abc import Sequence

import numpy as np

from mimii.features.logmel import FULL_SCALE


def join_arrays(arrays: list[np.ndarray]) -> np.ndarray:
    """Put arrays one after the other.

    Parameters
    ----------
    arrays : list of np.ndarray [shape=(n, ...)]
        One at least. The list is emptied, each array as it is copied: of the samples of many machines, only those of
        one are in memory twice.

    Returns
    -------
    np.ndarray [shape=(total, ...)]
        Of int16 and float32 together float32, where the full scale of both is 1.
    """
    dtype = np.result_type(*arrays)
    whole = np.empty((sum(map(len, arrays)), *arrays[0].shape[1:]), dtype)
    end = len(whole)
    while arrays:
        array = arrays.pop()
        place = whole[end - len(array) : end]
        if array.dtype == dtype:
            place[:] = array
        else:
            np.divide(array, dtype.type(FULL_SCALE[array.dtype.name]), out=place)
        end -= len(array)
    return whole


def join_offsets(parts: Sequence[np.ndarray]) -> np.ndarray:
    """The offsets of arrays that are put one after the other."""
    return np.concatenate([[0], np.cumsum(np.concatenate([np.diff(part) for part in parts]))])
