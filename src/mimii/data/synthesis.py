"""Synthetic machine recordings: the sounds of the demo data set.

Nothing here is recorded. Each machine type is built from what makes the real one sound as it does, the
factory around it is coloured noise with hum and clanks, and each fault is one that a maintainer would name:

fan
    ``imbalance``: a heavy blade raises the once-per-turn line and modulates the blade-pass tones.
    ``clogging``: the throttled flow stalls; low rumble and blade-pass tones rise, the hiss falls.
    ``voltage_drop``: a low supply voltage makes the fan turn more slowly, and so more quietly.
pump
    ``leakage``: water jets out of a gap and hisses at high frequency, in surges.
    ``clogging``: the starved inlet cavitates; bursts of crackle follow the turning of the impeller.
    ``contamination``: grit in the housing knocks against the impeller at random.
slider
    ``rail_damage``: the carriage knocks each time it passes the damage.
    ``loose_belt``: the slack belt slaps and flutters after each reversal.
    ``no_grease``: the dry rail rubs; rough friction noise swells with the speed of the carriage.
valve
    ``missed_clicks``: the sticking plunger skips some strokes and chatters when it comes free.
    ``softened_clicks``: the worn seat damps the impact; the clicks are duller and longer.
    ``contamination``: dirt keeps the seat open; air whistles past it after the click.

Every random number of a recording comes from the seed and the recording's name, so neither the order in
which recordings are made nor the number of processes changes them. As in MIMII, the level of the noise is set
against the mean level of the healthy machine, so the SNR of one recording varies with the machine's level.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import fft, special

from mimii.data.machines import LABELS
from mimii.data.mimii import CHANNELS, SAMPLE_RATE, SAMPLES
from mimii.data.synthetic_machines import MACHINES, Machine

DURATION = SAMPLES / SAMPLE_RATE  # s

_MACHINE_LEVEL = 10 ** (-46 / 20)  # RMS of a healthy machine re full scale: the level of MIMII's clips
_ARRAY_RADIUS = 0.034  # m
_SPEED_OF_SOUND = 343.0  # m/s
_TABLE_SIZE = 65536  # samples of one cycle; the nearest one then errs by less than -50 dB up to order 64

Array = NDArray[np.float64]


def _generator(seed: int, stream: str, machine_type: str, machine_id: str, label: str, index: int):
    """Random numbers of one part of one recording; `zlib.crc32` is the same in every process and release."""
    name = f"{stream}/{machine_type}/{machine_id}/{label}".encode()
    return np.random.default_rng([seed, zlib.crc32(name), index])


def _even_draw(seed: int, stream: str, machine_type: str, machine_id: str, label: str, index: int) -> float:
    """Draw a number between 0 and 1, random for each `index` but even over any few that follow each other.

    A dozen independent draws can all be mild faults, or one recording be far louder than those trained on;
    the scores of a set this small would then tell more of the draw than of the model.
    """
    start = _generator(seed, stream, machine_type, machine_id, label, 0).uniform()
    golden_ratio = (1 + np.sqrt(5)) / 2
    return float(np.clip((start + index * golden_ratio) % 1.0, 0.01, 0.99))


def _frequencies(n_samples: int) -> Array:
    """Frequencies of the bins of `_coloured_noise` in Hz."""
    return fft.rfftfreq(n_samples, 1 / SAMPLE_RATE)


def _unit(x: Array) -> Array:
    """`x` scaled to an RMS of one."""
    return x / np.sqrt(np.mean(x**2))


def _gain(db: ArrayLike) -> Array:
    """Amplitude ratio of a level in dB."""
    return 10 ** (np.asarray(db) / 20)


def _coloured_noise(rng: np.random.Generator, magnitude: Array, n_samples: int) -> Array:
    """Gaussian noise of unit RMS with the amplitude spectrum `magnitude`, shape (n_samples // 2 + 1,)."""
    spectrum = rng.standard_normal(2 * magnitude.size).view(complex)
    spectrum *= magnitude
    return _unit(fft.irfft(spectrum, n_samples, overwrite_x=True))


@lru_cache(maxsize=64)
def _band(n_samples: int, low: float, high: float, order: int = 2) -> Array:
    """Magnitude of a smooth band from `low` to `high` Hz, flat inside."""
    f = _frequencies(n_samples)
    with np.errstate(divide="ignore"):
        return 1 / np.sqrt((1 + (low / f) ** (2 * order)) * (1 + (f / high) ** (2 * order)))


def _slow_curve(rng: np.random.Generator, n_samples: int, rate: float) -> Array:
    """Random curve of about unit variance that takes a new value `rate` times per second."""
    n_knots = int(np.ceil(n_samples / SAMPLE_RATE * rate)) + 2
    position = np.arange(n_samples) * (rate / SAMPLE_RATE)
    return np.interp(position, np.arange(n_knots), rng.standard_normal(n_knots))


def _shaft_phase(rng: np.random.Generator, n_samples: int, rate: float, wander: float) -> Array:
    """Phase in turns of a shaft of `rate` turns per second whose speed wanders by the fraction `wander`."""
    speed = rate * (1 + wander * _slow_curve(rng, n_samples, 2.0))
    return rng.uniform() + np.cumsum(speed) / SAMPLE_RATE


def _harmonics(phase: Array, orders: ArrayLike, amplitudes: ArrayLike) -> Array:
    """Sum of cosines at whole multiples (`orders`) of `phase` (turns), shape of `phase`."""
    orders = np.asarray(orders)
    # Schroeder's phases: the lines must not all peak at once, or the tone would sound like a click per turn.
    offsets = np.exp(-1j * np.pi * np.arange(orders.size) ** 2 / orders.size)
    spectrum = np.zeros(_TABLE_SIZE // 2 + 1, complex)
    spectrum[orders] = np.asarray(amplitudes) * offsets * (_TABLE_SIZE / 2)
    cycle = fft.irfft(spectrum, _TABLE_SIZE)
    return cycle[(phase * _TABLE_SIZE).astype(np.int64) & (_TABLE_SIZE - 1)]


def _resonance_gain(frequency: ArrayLike, resonances: Sequence[float], boost: float, width: float = 0.12) -> Array:
    """Gain by which the housing passes on `frequency` (Hz): one, and `boost` more near each resonance."""
    f = np.asarray(frequency, float)
    peaks = (np.exp(-(((f - centre) / (width * centre)) ** 2)) for centre in resonances)
    return 1 + boost * sum(peaks, np.zeros_like(f))


@lru_cache(maxsize=16)
def _housed_band(n_samples: int, low: float, high: float, resonances: tuple[float, ...], boost: float) -> Array:
    """Magnitude of air or water noise from `low` to `high` Hz as it comes out of a ringing housing."""
    return _band(n_samples, low, high, 1) * _resonance_gain(_frequencies(n_samples), resonances, boost)


def _knocks(
    rng: np.random.Generator,
    n_samples: int,
    times: ArrayLike,
    resonances: ArrayLike,
    decay: float,
    spread: float,
) -> Array:
    """Knocks that ring at `resonances` (Hz) and die away in `decay` s (to 1/e); shape (n_samples,).

    Knocks at `times` (s) outside of the recording are not heard. Their strength is log-normal with a standard
    deviation of `spread` dB around an amplitude of about one.
    """
    start = np.round(np.ravel(times) * SAMPLE_RATE).astype(int)
    start = start[(start >= 0) & (start < n_samples)]
    frequency = np.ravel(resonances) * (1 + 0.02 * rng.standard_normal(np.size(resonances)))
    time = np.arange(int(6 * decay * SAMPLE_RATE)) / SAMPLE_RATE
    ringing = np.sin(2 * np.pi * frequency[:, None] * time) * np.exp(-time / decay)
    strength = _gain(spread * rng.standard_normal((start.size, frequency.size))) / np.sqrt(frequency.size)
    out = np.zeros(n_samples + time.size)
    np.add.at(out, start[:, None] + np.arange(time.size), strength @ ringing)
    return out[:n_samples]


def _poisson_times(rng: np.random.Generator, n_samples: int, rate: float) -> Array:
    """Draw the times in s of events that happen at random, `rate` per second on average."""
    duration = n_samples / SAMPLE_RATE
    return rng.uniform(0, duration, rng.poisson(rate * duration))


def fan_sound(
    machine: Machine, rng: np.random.Generator, n_samples: int, fault: str = "", severity: float = 0.0
) -> Array:
    """Sound of a fan: blade-pass harmonics over the turbulence of the air.

    Parameters
    ----------
    machine : Machine
        The fan.
    rng : numpy.random.Generator
        Source of the recording's random numbers.
    n_samples : int
        Length in samples.
    fault : str
        Name of the fault, empty for a healthy fan.
    severity : float
        Severity of the fault; 0 is healthy.

    Returns
    -------
    numpy.ndarray of shape (n_samples,)
        Sound pressure; the healthy fan has an RMS of about one.
    """
    imbalance, clogging, voltage_drop = (
        severity * (fault == name) for name in ("imbalance", "clogging", "voltage_drop")
    )
    slowing = 1 - 0.08 * voltage_drop
    rate = machine.rate * (1 + 0.015 * rng.standard_normal()) * slowing
    phase = _shaft_phase(rng, n_samples, rate, 0.002)

    blade_orders = machine.elements * np.arange(1, 15)
    blade_amplitudes = (
        np.arange(1, 15) ** -1.1
        * _resonance_gain(blade_orders * rate, machine.resonances, boost=2.0)
        * _gain(1.0 * rng.standard_normal(14))
    )
    blade_tones = _unit(_harmonics(phase, blade_orders, blade_amplitudes))
    blade_tones *= (1 + 0.5 * imbalance * np.cos(2 * np.pi * phase)) * _gain(2.0 * clogging)
    shaft_tones = _harmonics(phase, [1, 2, 3], [0.5 + 0.5 * imbalance, 0.25 + 0.2 * imbalance, 0.1])

    rumble = _coloured_noise(rng, _band(n_samples, 60, 350), n_samples)
    rumble *= 1 + np.clip(0.25 * (1 + 2 * clogging) * _slow_curve(rng, n_samples, 8.0), -0.9, 2)
    hiss = _coloured_noise(rng, _housed_band(n_samples, 300, 1500, machine.resonances, 1.0), n_samples)
    turbulence = 0.8 * rumble * _gain(4.0 * clogging) + 0.6 * hiss * _gain(-2.0 * clogging)

    tonal = machine.tonal
    tones = np.sqrt(0.75 * tonal) * blade_tones + np.sqrt(1.55 * tonal) * shaft_tones
    # Aeroacoustic pressure grows with about the fifth power of speed (power) for the same fan.
    return (tones + np.sqrt(1 - tonal) * turbulence) * slowing**2.5


def pump_sound(
    machine: Machine, rng: np.random.Generator, n_samples: int, fault: str = "", severity: float = 0.0
) -> Array:
    """Sound of a pump: a motor's harmonics, flow noise and the bubbles of the returning water.

    Parameters and returned value are those of `fan_sound`.
    """
    rate = machine.rate * (1 + 0.008 * rng.standard_normal())
    phase = _shaft_phase(rng, n_samples, rate, 0.0008)

    orders = np.arange(1, int(3500 / machine.rate))
    amplitudes = orders**-0.8 * np.where(orders % machine.elements, 0.3, 1.0)
    amplitudes *= _resonance_gain(orders * rate, machine.resonances, 3.0, 0.05)
    amplitudes *= _gain(1.5 * rng.standard_normal(orders.size))
    tones = _unit(_harmonics(phase, orders, amplitudes))

    flow = _coloured_noise(rng, _housed_band(n_samples, 150, 900, machine.resonances, 0.8), n_samples)
    flow *= _gain(1.0 * _slow_curve(rng, n_samples, 4.0))
    bubble_times = _poisson_times(rng, n_samples, rng.uniform(6, 14))
    bubbles = _knocks(rng, n_samples, bubble_times, np.multiply(machine.resonances, 0.9), 0.006, 5.0)

    sound = np.sqrt(machine.tonal) * tones + np.sqrt(1 - machine.tonal) * flow + 0.5 * bubbles
    if fault == "leakage":
        jet = _coloured_noise(rng, _band(n_samples, 3500, 6500, 3), n_samples)
        sound += 0.2 * severity * jet * _gain(2.5 * _slow_curve(rng, n_samples, 3.0))
    elif fault == "clogging":
        crackle = _coloured_noise(rng, _band(n_samples, 1200, 5000), n_samples)
        crackle *= np.clip(np.cos(2 * np.pi * phase), 0, None) ** 4
        sound += severity * crackle * np.clip(_slow_curve(rng, n_samples, 5.0), 0, None)
    elif fault == "contamination":
        grit_times = _poisson_times(rng, n_samples, 12 * severity)
        sound += 2.0 * severity * _knocks(rng, n_samples, grit_times, (2900.0, 5300.0, 6700.0), 0.003, 4.0)
    return sound


def slider_sound(
    machine: Machine, rng: np.random.Generator, n_samples: int, fault: str = "", severity: float = 0.0
) -> Array:
    """Sound of a slide rail: the whine and rolling of a carriage that travels there and back.

    Parameters and returned value are those of `fan_sound`.
    """
    rate = machine.rate * (1 + 0.03 * rng.standard_normal())
    start = rng.uniform()
    time = np.arange(n_samples) / SAMPLE_RATE
    # A trapezoid of speed: the carriage accelerates, runs, brakes and waits a moment at each end of the rail.
    speed = np.clip(2.2 * np.abs(np.sin(2 * np.pi * (start + rate * time))) - 0.35, 0, 1)
    distance = np.cumsum(speed) / SAMPLE_RATE

    # The drive's converter keeps some lines on at standstill; the whine of the motor follows the carriage.
    hum = _unit(_harmonics(50.0 * time, [2, 4, 6, 12], [1.0, 0.4, 0.3, 0.2]))
    whine_rate = 40.0 * machine.elements * (1 + 0.01 * rng.standard_normal())
    orders = np.arange(1, 13)
    amplitudes = orders**-0.9 * _resonance_gain(orders * whine_rate, machine.resonances, 2.0)
    whine = _unit(_harmonics(whine_rate * distance, orders, amplitudes) * speed)
    rolling = _coloured_noise(rng, _housed_band(n_samples, 150, 1200, machine.resonances, 1.5), n_samples)
    rolling = _unit(rolling * speed)
    cycle = np.arange(-1, np.ceil(rate * n_samples / SAMPLE_RATE) + 1)
    reversals = (np.concatenate([cycle, cycle + 0.5]) - start) / rate
    reversals += 0.01 * rng.standard_normal(reversals.size)
    thuds = _knocks(rng, n_samples, reversals, (140.0, *machine.resonances[:2]), 0.012, 2.0)

    sound = np.sqrt(machine.tonal) * (0.85 * whine + 0.53 * hum) + np.sqrt(1 - machine.tonal) * rolling
    sound += 2.0 * thuds
    if fault == "rail_damage":
        damage = rng.uniform(0.15, 0.35)  # its position on the rail, in travels; the carriage passes it twice a cycle
        passes = (np.concatenate([cycle + damage, cycle + 1 - damage]) - start) / rate
        sound += 10.0 * severity * _knocks(rng, n_samples, passes, machine.resonances, 0.015, 2.0)
    elif fault == "loose_belt":
        slaps = reversals[:, None] + 0.12 + 0.055 * np.arange(5)
        belt = (260.0, 520.0, machine.resonances[0])
        sound += 1.8 * severity * _knocks(rng, n_samples, slaps, belt, 0.015, 3.0)
    elif fault == "no_grease":
        rubbing = _coloured_noise(rng, _band(n_samples, 2000, 7000), n_samples) * speed
        sound += 0.35 * severity * rubbing * np.clip(1 + 0.5 * _slow_curve(rng, n_samples, 12.0), 0, None)
    return sound


def _click(machine: Machine, rng: np.random.Generator, softness: float) -> Array:
    """One stroke of the plunger: a dull pull-in, then the hard impact on the seat, which `softness` damps.

    The energy (sum of squares over the sample rate) of a click that is not softened is about one.
    """
    time = np.arange(int(0.08 * SAMPLE_RATE)) / SAMPLE_RATE
    n_resonances = len(machine.resonances)
    frequency = np.asarray(machine.resonances) * (1 + 0.01 * rng.standard_normal(n_resonances))
    level = _gain(1.0 * rng.standard_normal(n_resonances) - 9.0 * softness * frequency / 6000)
    phase = frequency[:, None] * time + rng.uniform(0, 1, (n_resonances, 1))
    ringing = level @ np.sin(2 * np.pi * phase)
    burst = 0.8 * rng.standard_normal(time.size) * _gain(-9.0 * softness)
    impact_decay, pull_in_decay = 0.006, 0.012  # s
    impact = (ringing + burst) * np.exp(-time / (impact_decay * (1 + 0.8 * softness)))
    pull_in = 0.7 * np.sin(2 * np.pi * 320 * time) * np.exp(-time / pull_in_decay)
    delay = int(rng.uniform(0.010, 0.014) * SAMPLE_RATE)
    energy = (n_resonances / 2 + 0.8**2) * impact_decay / 2 + 0.7**2 / 2 * pull_in_decay / 2
    return (np.concatenate([np.zeros(delay), impact[:-delay]]) + pull_in) / np.sqrt(energy)


def valve_sound(
    machine: Machine, rng: np.random.Generator, n_samples: int, fault: str = "", severity: float = 0.0
) -> Array:
    """Sound of a solenoid valve: clicks in a rhythm over the hum of the coil.

    Parameters and returned value are those of `fan_sound`.
    """
    duration = n_samples / SAMPLE_RATE
    period = 1 / (machine.rate * (1 + 0.02 * rng.standard_normal()))
    # The clicks of one cycle follow each other unevenly: a rhythm, not merely a faster rate.
    offsets = np.cumsum(np.linspace(0.8, 1.2, machine.elements)) / machine.elements
    times = ((np.arange(-2, duration / period + 1)[:, None] + offsets - rng.uniform()) * period).ravel()
    times += 0.004 * rng.standard_normal(times.size)
    times = times[(times >= 0) & (times < duration)]
    strokes = [(time, _gain(0.7 * rng.standard_normal())) for time in times]

    if fault == "missed_clicks":
        # At least one: a recording in which every stroke succeeds would not be abnormal.
        n_missed = min(max(1, rng.binomial(len(strokes), 0.4 * severity)), len(strokes))
        missed = set(rng.choice(len(strokes), n_missed, replace=False)) if strokes else set()
        kept = [stroke for number, stroke in enumerate(strokes) if number not in missed]
        chatter = [
            (time + 0.04 * bounce, gain * 0.5**bounce)
            for time, gain in kept
            if rng.uniform() < 0.35 * severity
            for bounce in (1, 2, 3)
        ]
        strokes = kept + chatter
    softness = severity if fault == "softened_clicks" else 0.0
    clicks = np.zeros(n_samples)
    for time, gain in strokes:
        start = int(time * SAMPLE_RATE)
        click = _click(machine, rng, softness)[: max(n_samples - start, 0)]
        clicks[start : start + click.size] += gain * click
    clicks /= np.sqrt(machine.rate * machine.elements)

    mains = 50.0 * np.arange(n_samples) / SAMPLE_RATE
    hum = _unit(_harmonics(mains, [1, 2, 4, 8, 16], [0.6, 1.0, 0.5, 0.4, 0.3]))
    sound = np.sqrt(1 - machine.tonal) * clicks + np.sqrt(machine.tonal) * hum
    if fault == "contamination":
        pressure = np.zeros(n_samples)  # drives the leak; it falls after each click
        for time in times:
            start = int(time * SAMPLE_RATE)
            pressure[start:] += np.exp(-np.arange(n_samples - start) / (0.25 * SAMPLE_RATE))
        sound += 0.15 * severity * pressure * _coloured_noise(rng, _band(n_samples, 4000, 6000, 4), n_samples)
    return sound


_SOUNDS = {"fan": fan_sound, "pump": pump_sound, "slider": slider_sound, "valve": valve_sound}


def machine_sound(
    machine_type: str, machine_id: str, label: str, index: int, seed: int, duration: float = DURATION
) -> Array:
    """Sound of one machine as it would be recorded in a silent room.

    Parameters
    ----------
    machine_type : str
        ``fan``, ``pump``, ``slider`` or ``valve``.
    machine_id : str
        ``id_00``, ``id_02``, ``id_04`` or ``id_06``.
    label : str
        ``normal``, or ``abnormal`` for one with a fault: each of the machine's faults in turn,
        at a random severity.
    index : int
        Number of the recording, from 0.
    seed : int
        Seed of the data set, 0 or more.
    duration : float
        Length in s.

    Returns
    -------
    numpy.ndarray of shape (n_samples,)
        Amplitudes re full scale.

    Raises
    ------
    KeyError
        If there is no such machine.
    ValueError
        If `label` is neither ``normal`` nor ``abnormal``.
    """
    if label not in LABELS:
        raise ValueError(f"label must be one of {', '.join(LABELS)}, not {label!r}")
    machine = MACHINES[machine_type, machine_id]
    name = machine_type, machine_id, label
    level = machine.level_spread * special.ndtri(_even_draw(seed, "level", *name, index))
    fault, severity = "", 0.0
    if label == "abnormal":
        turn, number = divmod(index, len(machine.faults))
        fault, (mildest, worst) = list(machine.faults.items())[number]
        severity = mildest + (worst - mildest) * _even_draw(seed, fault, *name, turn)
    rng = _generator(seed, "machine", *name, index)
    sound = _SOUNDS[machine_type](machine, rng, round(duration * SAMPLE_RATE), fault, severity)
    return _MACHINE_LEVEL * _gain(level) * sound


def _noise_floor(rng: np.random.Generator, n_samples: int, tilt: float) -> Array:
    """Hall noise of unit RMS, falling with frequency; `tilt` makes it steeper, in powers of frequency."""
    f = _frequencies(n_samples)
    magnitude = _band(n_samples, 40, 7600, 4) * (80 / (f + 80)) ** (1 + tilt)
    return _coloured_noise(rng, magnitude, n_samples)


def factory_noise(rng: np.random.Generator, n_samples: int, tilt: float = 0.0) -> Array:
    """Noise of the factory around the machine: a hall's rumble, other machines' hum and distant clanks.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of the recording's random numbers.
    n_samples : int
        Length in samples.
    tilt : float
        How much faster than ``1 / frequency`` the amplitude spectrum falls.

    Returns
    -------
    numpy.ndarray of shape (n_samples,)
        Noise of unit RMS.
    """
    floor = _noise_floor(rng, n_samples, tilt) * _gain(1.0 * _slow_curve(rng, n_samples, 1.0))
    hum_phase = _shaft_phase(rng, n_samples, rng.uniform(45, 60), 0.003)
    hum_amplitudes = _gain(3.0 * rng.standard_normal(7)) / [2, 1, 2, 2, 3, 4, 6]
    hum = _harmonics(hum_phase, [1, 2, 3, 4, 6, 8, 12], hum_amplitudes)
    hum *= _gain(2.0 * _slow_curve(rng, n_samples, 0.5))
    clank_times = _poisson_times(rng, n_samples, 0.3)
    clanks = _knocks(rng, n_samples, clank_times, rng.uniform(400, 5000, 4), 0.03, 5.0)
    return _unit(floor + 0.25 * hum + 0.4 * clanks)


def _over_the_array(machine: Array, noise: Array, azimuth: float, rng: np.random.Generator, tilt: float):
    """Machine and noise at all microphones, each of shape (n_samples, CHANNELS); channel 0 is as given.

    The machine is a plane wave from `azimuth` (degrees). The noise comes from everywhere: what a microphone
    shares of it with that of channel 0 falls with frequency and distance as in a diffuse field.
    """
    n_samples = machine.size
    angle = 2 * np.pi * np.arange(CHANNELS) / CHANNELS
    position = _ARRAY_RADIUS * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    source = np.array([np.cos(np.radians(azimuth)), np.sin(np.radians(azimuth))])
    delay = (position[0] - position) @ source / _SPEED_OF_SOUND
    distance = np.linalg.norm(position - position[0], axis=1)
    f = _frequencies(n_samples)
    machine_spectrum, noise_spectrum = fft.rfft(machine), fft.rfft(noise)
    machines, noises = [machine], [noise]
    for channel in range(1, CHANNELS):
        coherence = np.sinc(2 * f * distance[channel] / _SPEED_OF_SOUND)
        incoherent = fft.rfft(_noise_floor(rng, n_samples, tilt))
        machines.append(fft.irfft(machine_spectrum * np.exp(-2j * np.pi * f * delay[channel]), n_samples))
        noises.append(fft.irfft(coherence * noise_spectrum + np.sqrt(1 - coherence**2) * incoherent, n_samples))
    return np.stack(machines, axis=1), np.stack(noises, axis=1)


def recording_parts(
    machine_type: str,
    machine_id: str,
    label: str,
    index: int,
    seed: int,
    channels: int = 1,
    duration: float = DURATION,
) -> tuple[Array, Array]:
    """Synthesise the two sounds of a recording, to be mixed by `mix`.

    Parameters
    ----------
    machine_type, machine_id, label, index, seed, duration
        As for `machine_sound`.
    channels : int
        1, or 8 for MIMII's microphone array, whose first channel is the single channel.

    Returns
    -------
    machine, noise : numpy.ndarray of shape (n_samples, channels)
        Amplitudes re full scale of the machine and of the factory at an SNR of 0 dB.

    Raises
    ------
    KeyError
        If there is no such machine.
    ValueError
        If `label` or `channels` is none of the above.
    """
    if channels not in (1, CHANNELS):
        raise ValueError(f"channels must be 1 or {CHANNELS}, not {channels}")
    name = machine_type, machine_id, label, index
    machine = machine_sound(*name, seed, duration)
    rng = _generator(seed, "noise", *name)
    tilt = 0.04 * rng.standard_normal()
    noise = factory_noise(rng, machine.size, tilt)
    if channels == 1:
        machine, noise = machine[:, None], noise[:, None]
    else:
        azimuth = MACHINES[machine_type, machine_id].azimuth
        machine, noise = _over_the_array(machine, noise, azimuth, _generator(seed, "array", *name), tilt)
    return machine, _MACHINE_LEVEL * noise


def mix(machine: Array, noise: Array, snr: float) -> NDArray[np.int16]:
    """Mix a recording and return it as 16-bit samples.

    Parameters
    ----------
    machine, noise : numpy.ndarray of shape (n_samples, channels)
        What `recording_parts` returns.
    snr : float
        Level of the machine over that of the noise in dB.

    Returns
    -------
    numpy.ndarray of int16, shape (n_samples, channels)
        The machine at its level with the noise `snr` dB below it; clipped at full scale.
    """
    samples = np.round(32767 * (machine + _gain(-snr) * noise))
    return np.clip(samples, -32768, 32767).astype(np.int16)
