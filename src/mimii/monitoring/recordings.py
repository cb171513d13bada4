"""Finds the healthy recordings of machines; says which ones can't be used, and why."""

import os
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

from mimii.data.content import contents
from mimii.data.folders import UNUSABLE, audio_files, on_disk
from mimii.errors import UserError
from mimii.monitoring.heard import Heard, Hearing, hear


@dataclass(frozen=True)
class Recordings:
    """The recordings that can be learnt from, in the order of time as far as their names tell it.

    Attributes
    ----------
    heard : list of Heard
        Of the machine that is to be watched; all of one sample rate.
    digests : list of str
        Of their content; see `mimii.data.content`.
    left_out : dict of str to str
        The path of each recording that can't be used, and why.
    others : list of list of Heard
        Those of each other machine that has some, of the same sample rate.
    """

    heard: list[Heard]
    digests: list[str]
    left_out: dict[str, str]
    others: list[list[Heard]] = field(default_factory=list)


def find(paths: Iterable[str | os.PathLike[str]], *, own_name_counts: bool = False) -> tuple[list[str], dict[str, str]]:
    """The audio files among paths and below them, in natural order: ``10.wav`` comes after ``9.wav``.

    Parameters
    ----------
    paths : iterable of path
        Files of any name, and directories, which are searched to any depth.
    own_name_counts : bool
        Even a single given directory may be one of faulty recordings.

    Returns
    -------
    found : list of str
        Absolute paths, each once.
    left_out : dict of str to str
        Those that are not to be learnt from, and why: of a format that is not read, or below a given directory in one
        that is called ``abnormal``, as that of MIMII's faulty recordings is; ``Abnormal`` is the same.

    Raises
    ------
    UserError
        A path does not exist.
    """
    found: dict[str, None] = {}
    left_out: dict[str, str] = {}
    all_given = list(map(Path, paths))
    for given in all_given:
        path = Path(os.path.abspath(on_disk(given)))  # noqa: PTH100 (a link's name may be what tells the time)
        if not path.exists():
            raise UserError(f"{given} does not exist")
        if not path.is_dir():
            found[str(path)] = None
            continue
        # of several folders, as of a machine's normal/ and abnormal/, each one's own name counts as well
        base = path.parent if len(all_given) > 1 or own_name_counts else path
        for directory, names in audio_files(path):
            is_abnormal = "abnormal" in (part.casefold() for part in directory.relative_to(base).parts)
            for name in names:
                file = f"{directory}{os.sep}{name}"
                if is_abnormal:
                    left_out[file] = "in a folder that is called abnormal"
                elif name.lower().endswith(UNUSABLE):
                    left_out[file] = f"of the format {Path(name).suffix[1:].lower()}, which is not read: convert to wav"
                else:
                    found[file] = None
    return sorted(found, key=natural_key), left_out


def natural_key(path: str) -> list[tuple[str, int]]:
    """What paths are sorted by, so that the numbers in them come in their order."""
    return [(text.casefold(), int(number or 0)) for text, number in re.findall(r"(\D*)(\d*)", path)]


def load(
    paths: Iterable[str | os.PathLike[str]],
    hearing: Hearing,
    jobs: int,
    others: Sequence[str | os.PathLike[str]] = (),
) -> Recordings:
    """Find recordings, read them in parallel and compute their log-mel frames as they will be when others are judged.

    Left out are those that can't be read, have another sample rate than most of the machine, are shorter than the
    detector needs, are silent, or are the same as an earlier one.

    Parameters
    ----------
    paths : iterable of path
        See `find`.
    hearing : Hearing
    jobs : int > 0
        Processes.
    others : sequence of path
        Recordings of other machines: each path is one machine, a file or a directory.

    Raises
    ------
    UserError
        A path does not exist, a recording is of two machines, or none of another machine can be used.
    """
    own, left_out = find(paths)
    of_others = {os.fspath(given): _of_other(given, left_out) for given in others}
    every = list(dict.fromkeys(chain(own, *of_others.values())))
    digests = dict(zip(every, (content.digest for content in contents(every)), strict=True))
    _check_apart({"the machine": own} | {f"--others {given}": found for given, found in of_others.items()}, digests)
    results = hear(every, hearing, jobs)
    rates = Counter(result.sample_rate for path in own if isinstance(result := results[path], Heard))
    usual = rates.most_common(1)[0][0] if rates else 0
    first: dict[str, str] = {}  # the path of the first recording of each digest

    def usable(found: list[str]) -> list[Heard]:
        kept = []
        for path in found:
            result, digest = results[path], digests[path]
            if isinstance(result, str):
                left_out[path] = result
            elif result.sample_rate != usual:
                left_out[path] = f"{result.sample_rate} Hz, where most recordings have {usual} Hz"
            elif digest in first:
                left_out[path] = f"a copy of {first[digest]}"
            else:
                first[digest] = path
                kept.append(result)
        return kept

    heard = usable(own)
    kept = [machine for found in of_others.values() if (machine := usable(found))]
    if of_others and heard and not kept:
        path = next(chain.from_iterable(of_others.values()))
        raise UserError(f"no recording of --others can be used, such as {path}: {left_out[path]}")
    return Recordings(heard, [digests[one.path] for one in heard], left_out, kept)


def _of_other(given: str | os.PathLike[str], left_out: dict[str, str]) -> list[str]:
    """The recordings of another machine; adds to those that are left out."""
    found, not_used = find([given], own_name_counts=True)
    left_out |= not_used
    if not found and "abnormal" in Path(given).name.casefold():
        raise UserError(
            f"--others {os.fspath(given)}: other machines must be healthy, too; give their normal recordings"
        )
    if not found:
        raise UserError(f"there is no audio file to learn from in --others {os.fspath(given)}")
    return found


def _check_apart(machines: Mapping[str, list[str]], digests: Mapping[str, str]) -> None:
    """See that no recording is of two machines: a network can't tell it from itself."""
    known: dict[str, tuple[str, str]] = {}  # of each digest the machine and the path
    for machine, found in machines.items():
        for path in found:
            other, earlier = known.setdefault(digests[path] or path, (machine, path))
            if other != machine:
                same = "" if earlier == path else f", which is the same as {earlier},"
                raise UserError(f"{path}{same} is among the recordings of {other} and of {machine}")
