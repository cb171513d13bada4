"""The facts about MIMII (Purohit et al., 2019). Standard library only, until the published figures are read."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from mimii.data.archives import Archive
from mimii.data.layouts import snr_name

if TYPE_CHECKING:
    import pandas as pd

RECORD_URL = "https://zenodo.org/api/records/3384388"
SNRS = {snr_name(decibels): decibels for decibels in (6, 0, -6)}  # name: level of the machine over the noise [dB]
MACHINE_TYPES = ("fan", "pump", "slider", "valve")

CHANNELS = 8  # microphones of a circular array
SAMPLE_RATE = 16000  # [Hz]
BITS = 16
SAMPLES = 160000  # of each channel: 10 s


def archives(snrs: Collection[str] | None = None, machine_types: Collection[str] | None = None) -> list[Archive]:
    """MIMII's archives of the wanted SNRs and machine types; None stands for all of them.

    Their paths, ``-6_dB_fan.zip`` say, are below the directory of the data set, in which each SNR has a directory.
    """
    return [
        Archive(PurePosixPath(f"{decibels}_dB_{machine_type}.zip"), folder=snr)
        for snr, decibels in SNRS.items()
        for machine_type in MACHINE_TYPES
        if (snrs is None or snr in snrs) and (machine_types is None or machine_type in machine_types)
    ]


def published_baseline() -> pd.DataFrame:
    """Numbers of clips of MIMII's 48 machines, and two reference runs of the authors' dense autoencoder.

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
    import pandas as pd  # here, because commands take their choices from this module and must start quickly

    return pd.read_csv(Path(__file__).with_name("published_baseline.csv"))
