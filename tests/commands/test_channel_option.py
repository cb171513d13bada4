"""The words that ``--channel`` takes."""

import argparse

import pytest

from mimii.commands.chosen import feature_settings
from mimii.commands.options import add_feature_options
from mimii.commands.parsing import Parser, channel


@pytest.mark.parametrize(("text", "value"), [("0", 0), ("7", 7), ("difference", "difference")])
def test_a_number_or_the_difference_is_taken(text, value):
    parser = Parser()
    add_feature_options(parser)
    assert feature_settings(parser.parse_args(["--channel", text])).channel == value


@pytest.mark.parametrize("text", ["-1", "1.5", "near", "", "Difference", "diffrence"])
def test_another_word_is_refused_and_both_are_named(text):
    with pytest.raises(argparse.ArgumentTypeError, match="is not a whole number from 0, nor difference"):
        channel(text)


def test_what_is_nearly_right_is_suggested():
    with pytest.raises(argparse.ArgumentTypeError, match="did you mean difference"):
        channel("diffrence")
