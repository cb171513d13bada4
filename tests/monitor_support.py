"""Recordings of a machine with planted faults, and monitors that have learnt from healthy ones."""

import numpy as np
import soundfile
from support import SAMPLE_RATE, sound

from mimii.monitoring.training import train_monitor
from mimii.settings import MonitorSettings, TrainingSettings

SECONDS = 4.0
HEALTHY = 24
TONE_HZ, TONE_BEGIN = 3000.0, 1.9
KNOCK_AT = 2.6
MISSING_HZ = (4000.0, 5000.0)


def healthy_sound(rng):
    """A healthy recording; it is up to 1 dB louder or quieter than others."""
    return sound(rng, seconds=SECONDS) * np.float32(10 ** (rng.uniform(-1, 1) / 20))


def with_tone(signal):
    """A whistle from 1.9 s on."""
    time = np.arange(len(signal)) / SAMPLE_RATE
    return signal + np.where(time >= TONE_BEGIN, 0.02 * np.sin(2 * np.pi * TONE_HZ * time), 0).astype(np.float32)


def with_knock(signal, at=KNOCK_AT):
    """Something that strikes the machine: a burst of noise that dies away in a few hundredths of a second."""
    rng = np.random.default_rng(99)
    time = np.arange(int(0.12 * SAMPLE_RATE)) / SAMPLE_RATE
    signal = signal.copy()
    begin = int(at * SAMPLE_RATE)
    signal[begin : begin + len(time)] += (0.25 * rng.standard_normal(len(time)) * np.exp(-time / 0.03)).astype("f4")
    return signal


def without_band(signal):
    """What a blown capsule of a microphone, or a part that no longer hisses, sounds like: a band has nearly gone."""
    spectrum = np.fft.rfft(signal)
    frequencies = np.fft.rfftfreq(len(signal), 1 / SAMPLE_RATE)
    spectrum[(frequencies >= MISSING_HZ[0]) & (frequencies <= MISSING_HZ[1])] *= 0.1
    return np.fft.irfft(spectrum, len(signal)).astype(np.float32)


def write(path, signal, sample_rate=SAMPLE_RATE):
    """Write a recording of 16 bits; gives its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, signal, sample_rate, subtype="PCM_16")
    return path


def write_healthy(folder, count=HEALTHY, seed=0):
    """Write healthy recordings."""
    rng = np.random.default_rng(seed)
    for number in range(count):
        write(folder / f"{number:03d}.wav", healthy_sound(rng))
    return folder


def write_others(folder, count=5, seconds=0.5, pitches=(150.0, 420.0)):
    """Write recordings of other machines, of another pitch each; gives a folder for each machine."""
    rng = np.random.default_rng(1)
    for pitch in pitches:
        for number in range(count):
            write(folder / f"{pitch:.0f} Hz" / f"{number}.wav", sound(rng, seconds=seconds, pitch=pitch))
    return [folder / f"{pitch:.0f} Hz" for pitch in pitches]


def trained(paths, model, others=()):
    """A monitor that has learnt from recordings, quickly."""
    settings = MonitorSettings(model=model, training=TrainingSettings(epochs=2, batch_size=64), device="cpu", jobs=1)
    return train_monitor(paths, settings, others).monitor
