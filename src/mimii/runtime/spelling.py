"""Words that were misspelt, and texts that can't be shown as they are. Standard library only."""

import difflib
from collections.abc import Iterable


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A suggestion behind a word that is not known; empty where no known word is similar to it.

    Parameters
    ----------
    word : str
        As it was typed; upper and lower case count as the same.
    known : iterable of str

    Examples
    --------
    >>> did_you_mean("dep_ae", ["simple_ae", "deep_ae"])
    ' (did you mean deep_ae?)'
    """
    names = {name.casefold(): name for name in known if name}
    similar = difflib.get_close_matches(word.casefold(), names, n=1)
    return f" (did you mean {names[similar[0]]}?)" if similar else ""


def plain(text: str) -> str:
    """A text in one line of printable characters, whatever a file is called: others are escaped as Python does it."""
    if text.isprintable():
        return text
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in text)
