"""The table that an experiment's command ends with."""

import pandas as pd
import pytest

from mimii.commands.summary import Summary


@pytest.mark.parametrize("unit", ["machines", "groups"])
def test_machines_are_counted_and_not_rows(unit):
    """Two machines with five seeds each are two machines."""
    machines = [("6dB", "fan", "id_00"), ("0dB", "fan", "id_00"), ("6dB", "pump", "all"), ("6dB", "valve", "all")]
    rows = pd.DataFrame(
        [("vae", *machine, seed, 0.5) for machine in machines for seed in range(5)],
        columns=["model", "snr", "machine_type", "machine_id", "seed", "auc"],
    )
    _, _, line = Summary(unit, {"auc": "AUC"}).table(rows).splitlines()
    assert line.split() == ["vae", "2", "0.500"]
