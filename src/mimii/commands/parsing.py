"""How the commands read their words: a parser that answers in one line, and what numbers an option may take."""

import argparse
import re
import sys
from collections.abc import Callable

from mimii.runtime.spelling import did_you_mean
from mimii.settings import DIFFERENCE, MOST_NETWORKS


class _HelpFormatter(argparse.ArgumentDefaultsHelpFormatter):
    """Shows the defaults that there are."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        if isinstance(action.default, list):
            return f"{action.help} (default: {' '.join(action.default)})"
        return (
            super()._get_help_string(action)
            if action.default is not None and action.default is not False
            else action.help
        )


class Parser(argparse.ArgumentParser):
    """Shows each option's default, and answers a wrong one with a single line that suggests the right one."""

    def __init__(self, **kwargs):
        super().__init__(formatter_class=_HelpFormatter, allow_abbrev=False, **kwargs)
        # a word such as -6dB or -6_dB_fan is a value; argparse takes only plain negative numbers for one
        self._negative_number_matcher = re.compile(r"-\d")

    def parse_known_args(self, args=None, namespace=None):
        """Refuse options that do not exist before anything else: a misspelt one seems to be missing otherwise."""
        words = list(sys.argv[1:] if args is None else args)
        if self._subparsers is None:  # else the subcommand's parser knows its options
            options = [word.partition("=")[0] for word in words[: words.index("--") if "--" in words else None]]
            known = self._option_string_actions
            if unknown := [name for name in options if name.startswith("--") and name not in known]:
                self.error(f"unrecognized arguments: {' '.join(unknown)}{did_you_mean(unknown[0], known)}")
        return super().parse_known_args(words, namespace)

    def _check_value(self, action, value):
        if action.choices is not None and value not in action.choices:
            choices = [str(choice) for choice in action.choices]
            suggestion = did_you_mean(str(value), choices)
            raise argparse.ArgumentError(
                action, f"invalid choice: {value!r}{suggestion}; choose from {', '.join(choices)}"
            )

    def error(self, message: str):
        """One line instead of the usage of thirty options."""
        self.exit(2, f"{self.prog}: error: {message} (--help shows all options)\n")


def _number(
    parse_text: Callable[[str], float], allowed: Callable[[float], bool], description: str
) -> Callable[[str], float]:
    def parse(text: str) -> float:
        try:
            value = parse_text(text)
        except ValueError:
            value = None
        if value is None or not allowed(value):
            raise argparse.ArgumentTypeError(f"{text} is not {description}")
        return value

    return parse


positive_int = _number(int, lambda value: value > 0, "a whole number above 0")
networks = _number(int, lambda value: 1 <= value <= MOST_NETWORKS, f"a whole number from 1 to {MOST_NETWORKS}")
natural = _number(int, lambda value: value >= 0, "a whole number from 0")
seed_int = _number(int, lambda value: 0 <= value < 2**32, "a whole number from 0 to 2^32 - 1")
positive_float = _number(float, lambda value: 0 < value < float("inf"), "a number above 0")
power = _number(float, lambda value: 0.1 <= value <= 10, "a number from 0.1 to 10")
alarm_share = _number(float, lambda value: 1e-6 <= value < 0.5, "a share from 0.000001 to below 0.5")
fraction = _number(float, lambda value: 0 <= value < 1, "a number from 0 to below 1")
share = _number(float, lambda value: 0 <= value <= 1, "a number from 0 to 1")


def channel(text: str) -> int | str:
    """A channel's number, or the word for the difference of two."""
    if text == DIFFERENCE:
        return text
    try:
        return int(natural(text))
    except argparse.ArgumentTypeError as error:
        raise argparse.ArgumentTypeError(f"{error}, nor {DIFFERENCE}{did_you_mean(text, [DIFFERENCE])}") from None
