"""Lines about recordings with a fault."""

import os
from pathlib import Path

import pandas as pd

from mimii.data.machines import MACHINE

FAULT_LINES = 50  # the most lines about faults that are printed
NAMED_ALONE = 5  # the most recordings of a machine with the same fault that have a line each


def fault_lines(faults: pd.DataFrame, base_dir: Path) -> list[str]:
    """A line for each recording with a fault; one line for many recordings of a machine with the same fault.

    Parameters
    ----------
    faults : pd.DataFrame
        A row a recording, with the columns path, snr, machine_type, machine_id and fault.
    base_dir : Path
        The paths in the lines are relative to it.
    """
    lines = []
    for (*_, fault), recordings in faults.groupby([*MACHINE, "fault"], sort=False):
        paths = [os.path.relpath(path, base_dir) for path in recordings["path"]]
        if len(paths) <= NAMED_ALONE:
            lines += [f"{path}: {fault}" for path in paths]
        else:
            lines.append(f"{paths[0]} and {len(paths) - 1} more: {fault}")
    if len(lines) > FAULT_LINES:
        return [*lines[:FAULT_LINES], f"... and {len(lines) - FAULT_LINES} more lines like these"]
    return lines
