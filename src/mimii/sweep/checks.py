"""What makes the figures of an experiment better than they should be."""

import logging
from collections.abc import Mapping, Sequence

from mimii.sweep.groups import MachineGroup

log = logging.getLogger(__name__)

_NAMED = 3  # pairs that are named on the console


def find_copies(groups: Sequence[MachineGroup]) -> dict[str, str]:
    """Recordings for evaluation whose content a model learns from under another name.

    Parameters
    ----------
    groups : sequence of MachineGroup
        Their recordings have a column ``digest``, which is empty where there is no content.

    Returns
    -------
    dict of str to str
        The path of each one, and that of the recording for training.
    """
    copies: dict[str, str] = {}
    for group in groups:
        evaluation, recordings = group.of_split("eval"), group.recordings
        train = recordings[(recordings["split"] == "train") | recordings.get("is_lent", False)]
        learnt = dict(zip(train["digest"], train["path"], strict=True))
        learnt.pop("", None)
        copies |= {
            path: learnt[digest]
            for path, digest in zip(evaluation["path"], evaluation["digest"], strict=True)
            if learnt.get(digest, path) != path
        }
    return copies


def warn_of_copies(copies: Mapping[str, str]) -> None:
    """Name copies in one warning: some of many, and the log names all."""
    if not copies:
        return
    pairs = [f"{path} is {original}" for path, original in copies.items()]
    more = f"; {len(pairs) - _NAMED} more, which the log names" if len(pairs) > _NAMED else ""
    log.warning(
        "%d recording(s) for evaluation have the content of one for training, which makes the metrics too good; "
        "remove one of the two: %s%s.",
        len(pairs),
        "; ".join(pairs[:_NAMED]),
        more,
    )
    if more:
        log.debug("Of the same content: %s.", "; ".join(pairs[_NAMED:]))
