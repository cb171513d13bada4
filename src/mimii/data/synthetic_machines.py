"""The machines of the synthetic data set: made up, and named as those of MIMII."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Machine:
    """What tells one machine from another.

    Attributes
    ----------
    rate : float
        Nominal speed: turns per second (fan, pump), travels there and back per second (slider) or rhythm
        cycles per second (valve).
    elements : int
        Blades of a fan, vanes of a pump, motor poles of a slider, clicks per rhythm cycle of a valve.
    resonances : tuple of float
        Frequencies in Hz at which housing, rail or plunger ring.
    tonal : float
        Share of the healthy machine's power that is in its tones, from 0 to 1.
    level_spread : float
        Standard deviation of the level from recording to recording in dB.
    azimuth : float
        Direction of the machine as seen from the microphone array in degrees.
    faults : mapping of str to (float, float)
        The faults this machine can have, each with its mildest and its worst severity (0 is healthy).
    """

    rate: float
    elements: int
    resonances: tuple[float, ...]
    tonal: float
    level_spread: float
    azimuth: float
    faults: Mapping[str, tuple[float, float]]


IDS = ("id_00", "id_02", "id_04", "id_06")  # of each machine type, in the order in which they are made

MACHINES: dict[tuple[str, str], Machine] = {
    ("fan", "id_00"): Machine(
        rate=23.5,
        elements=7,
        resonances=(410.0, 980.0, 2300.0),
        tonal=0.35,
        level_spread=1.2,
        azimuth=180.0,
        faults={"imbalance": (0.2, 0.9), "clogging": (0.2, 0.8), "voltage_drop": (0.2, 0.7)},
    ),
    ("fan", "id_02"): Machine(
        rate=31.0,
        elements=5,
        resonances=(620.0, 1500.0, 6300.0),
        tonal=0.5,
        level_spread=1.0,
        azimuth=180.0,
        faults={"imbalance": (0.4, 1.5), "clogging": (0.3, 1.2), "voltage_drop": (0.3, 1.2)},
    ),
    ("fan", "id_04"): Machine(
        rate=18.2,
        elements=9,
        resonances=(520.0, 1250.0, 3100.0),
        tonal=0.4,
        level_spread=1.1,
        azimuth=180.0,
        faults={"imbalance": (0.2, 0.9), "clogging": (0.2, 0.8), "voltage_drop": (0.2, 0.7)},
    ),
    ("fan", "id_06"): Machine(
        rate=27.1,
        elements=6,
        resonances=(350.0, 1750.0, 4700.0),
        tonal=0.45,
        level_spread=1.0,
        azimuth=180.0,
        faults={"imbalance": (0.2, 0.9), "clogging": (0.2, 0.8), "voltage_drop": (0.2, 0.7)},
    ),
    ("pump", "id_00"): Machine(
        rate=24.3,
        elements=6,
        resonances=(1150.0, 2450.0, 4300.0),
        tonal=0.4,
        level_spread=1.2,
        azimuth=90.0,
        faults={"leakage": (0.2, 1.0), "clogging": (0.2, 1.0), "contamination": (0.2, 1.0)},
    ),
    ("pump", "id_02"): Machine(
        rate=48.4,
        elements=3,
        resonances=(900.0, 1450.0, 3300.0),
        tonal=0.6,
        level_spread=1.0,
        azimuth=90.0,
        faults={"leakage": (0.1, 0.8), "clogging": (0.1, 0.8), "contamination": (0.1, 0.8)},
    ),
    ("pump", "id_04"): Machine(
        rate=29.2,
        elements=5,
        resonances=(760.0, 1950.0, 5200.0),
        tonal=0.5,
        level_spread=1.1,
        azimuth=90.0,
        faults={"leakage": (0.2, 1.0), "clogging": (0.2, 1.0), "contamination": (0.2, 1.0)},
    ),
    ("pump", "id_06"): Machine(
        rate=36.5,
        elements=7,
        resonances=(1320.0, 2850.0, 3900.0),
        tonal=0.45,
        level_spread=1.0,
        azimuth=90.0,
        faults={"leakage": (0.2, 1.0), "clogging": (0.2, 1.0), "contamination": (0.2, 1.0)},
    ),
    ("slider", "id_00"): Machine(
        rate=0.42,
        elements=4,
        resonances=(700.0, 1900.0, 4600.0),
        tonal=0.5,
        level_spread=1.0,
        azimuth=270.0,
        faults={"rail_damage": (0.2, 1.0), "loose_belt": (0.2, 1.0), "no_grease": (0.2, 1.0)},
    ),
    ("slider", "id_02"): Machine(
        rate=0.28,
        elements=6,
        resonances=(950.0, 2500.0, 6100.0),
        tonal=0.4,
        level_spread=1.2,
        azimuth=270.0,
        faults={"rail_damage": (0.2, 1.0), "loose_belt": (0.2, 1.0), "no_grease": (0.2, 1.0)},
    ),
    ("slider", "id_04"): Machine(
        rate=0.35,
        elements=8,
        resonances=(820.0, 2200.0, 5300.0),
        tonal=0.45,
        level_spread=1.1,
        azimuth=270.0,
        faults={"rail_damage": (0.2, 1.0), "loose_belt": (0.2, 1.0), "no_grease": (0.2, 1.0)},
    ),
    ("slider", "id_06"): Machine(
        rate=0.5,
        elements=5,
        resonances=(1100.0, 1650.0, 3700.0),
        tonal=0.5,
        level_spread=1.0,
        azimuth=270.0,
        faults={"rail_damage": (0.2, 1.0), "loose_belt": (0.2, 1.0), "no_grease": (0.2, 1.0)},
    ),
    ("valve", "id_00"): Machine(
        rate=0.92,
        elements=1,
        resonances=(1300.0, 4800.0, 5700.0, 6900.0),
        tonal=0.1,
        level_spread=1.0,
        azimuth=0.0,
        faults={"missed_clicks": (0.3, 1.1), "softened_clicks": (0.4, 1.3), "contamination": (0.2, 1.1)},
    ),
    ("valve", "id_02"): Machine(
        rate=0.55,
        elements=3,
        resonances=(800.0, 2900.0, 4100.0, 6200.0),
        tonal=0.15,
        level_spread=1.2,
        azimuth=0.0,
        faults={"missed_clicks": (0.1, 0.6), "softened_clicks": (0.3, 1.1), "contamination": (0.1, 0.8)},
    ),
    ("valve", "id_04"): Machine(
        rate=0.75,
        elements=2,
        resonances=(1050.0, 3500.0, 5100.0, 6600.0),
        tonal=0.1,
        level_spread=1.1,
        azimuth=0.0,
        faults={"missed_clicks": (0.3, 1.1), "softened_clicks": (0.4, 1.3), "contamination": (0.2, 1.1)},
    ),
    ("valve", "id_06"): Machine(
        rate=1.1,
        elements=1,
        resonances=(1600.0, 2500.0, 4400.0, 7000.0),
        tonal=0.15,
        level_spread=1.0,
        azimuth=0.0,
        faults={"missed_clicks": (0.3, 1.1), "softened_clicks": (0.4, 1.3), "contamination": (0.2, 1.1)},
    ),
}
