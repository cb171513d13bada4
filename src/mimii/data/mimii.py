"""What is published about MIMII: the clips of each machine, and how well the authors' baseline did on it."""

from pathlib import Path

import pandas as pd


def published_baseline() -> pd.DataFrame:
    """Clip counts of MIMII's 48 machines, and two reference runs of the authors' dense autoencoder.

    The baseline is 64-64-8-64-64 on windows of 64 mels x 5 frames, one model for each machine, 50 epochs, batch
    512, trained and evaluated on all of MIMII. The two runs are by a third party (github.com/yachuchi/mimii); they
    show how far the same code differs from itself, machine by machine. A machine's three SNRs have the same clips.

    Returns
    -------
    pd.DataFrame
        A row a machine, with the columns

        - snr, machine_type, machine_id : str
        - normal_clips, abnormal_clips : int
        - auc_run1, auc_run2 : float in [0, 1]
    """
    return pd.read_csv(Path(__file__).with_name("published_baseline.csv"))
