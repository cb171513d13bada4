"""Recordings of the same content for training and for evaluation."""

import pandas as pd

from mimii.sweep.checks import find_copies, warn_of_copies
from mimii.sweep.groups import make_groups


def recordings(*rows):
    table = pd.DataFrame(rows, columns=["path", "machine_id", "split", "digest"])
    return table.assign(snr="6dB", machine_type="fan")


def test_a_recording_for_evaluation_with_the_content_of_one_for_training_is_found():
    table = recordings(
        ("a", "id_00", "train", "1"),
        ("b", "id_00", "train", "2"),
        ("c", "id_00", "eval", "1"),
        ("d", "id_00", "eval", "3"),
        ("e", "id_00", "eval", "3"),
    )
    assert find_copies(make_groups(table, "machine")) == {"c": "a"}


def test_what_a_model_does_not_learn_from_and_what_has_no_content_does_not_count():
    table = recordings(
        ("a", "id_00", "train", "1"),
        ("b", "id_00", "train", ""),
        ("c", "id_00", "eval", ""),
        ("d", "id_02", "eval", "1"),
    )
    assert find_copies(make_groups(table, "machine")) == {}
    assert find_copies(make_groups(table, "type")) == {"d": "a"}


def test_many_are_one_warning_and_the_log_names_all(log_lines):
    warn_of_copies({})
    assert log_lines == []
    warn_of_copies({f"eval{number}.wav": f"train{number}.wav" for number in range(5)})
    warning, detail = log_lines
    assert warning.startswith("WARNING 5 recording(s)")
    assert "eval0.wav is train0.wav" in warning
    assert "2 more" in warning
    assert detail.startswith("DEBUG")
    assert "eval4.wav is train4.wav" in detail
