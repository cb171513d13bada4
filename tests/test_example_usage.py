"""The example for newcomers does what it says."""

import re

import pytest
from support import write_machine

import example_usage
from mimii.storage.results import read_table


@pytest.fixture(scope="module")
def example(tmp_path_factory):
    """The directory that the example fills, from two small machines."""
    base = tmp_path_factory.mktemp("example")
    for number in (0, 2):
        write_machine(base / "data" / "6dB" / "fan" / f"id_0{number}", normal=16, abnormal=3, seed=number)
    return base


def test_a_faulty_recording_is_judged_abnormal_and_a_healthy_one_is_not(example, capsys):
    example_usage.main(example / "data", example / "output")
    out = capsys.readouterr().out
    found = re.findall(r"^  (\w+) +\S+: score (\S+), threshold (\S+): (\w+)$", out, re.MULTILINE)
    assert [(label, verdict) for label, _, _, verdict in found] == [("normal", "normal"), ("abnormal", "abnormal")]
    assert all((float(score) > float(threshold)) == (verdict == "abnormal") for _, score, threshold, verdict in found)
    assert len(read_table(example / "output" / "research_results.csv")) == 2
    assert (example / "output" / "score_over_time.png").stat().st_size > 5000
