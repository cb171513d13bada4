"""The sounds of the demo data set."""

import numpy as np
import pytest

from mimii.data import synthesis
from mimii.data.mimii import SNRS

MACHINES = sorted(synthesis.MACHINES)


def test_microphones_hear_the_same_levels():
    machine, noise = synthesis.recording_parts("pump", "id_00", "normal", 0, 42, channels=8, duration=2.0)
    for sound in (machine, noise):
        rms = np.sqrt(np.mean(sound**2, axis=0))
        np.testing.assert_allclose(rms, rms[0], rtol=0.05)


@pytest.mark.parametrize("snr", SNRS)
def test_mean_snr_is_the_one_asked_for(snr):
    for machine_type, machine_id in MACHINES:
        powers = []
        for index in range(8):
            machine, noise = synthesis.recording_parts(machine_type, machine_id, "normal", index, 42, duration=3.0)
            both = synthesis.mix(machine, noise, SNRS[snr]) / 32767
            powers.append([np.mean(machine**2), np.mean((both - machine) ** 2)])
        machine_power, noise_power = np.mean(powers, axis=0)
        realised = 10 * np.log10(machine_power / noise_power)
        assert abs(realised - SNRS[snr]) < 1.5, (machine_type, machine_id)


@pytest.mark.parametrize(("machine_type", "machine_id"), MACHINES)
def test_every_fault_changes_the_sound_and_more_so_when_worse(machine_type, machine_id):
    machine = synthesis.MACHINES[machine_type, machine_id]

    def spectrum(fault="", severity=0.0):
        """Mean power in 16 bands, over recordings that share their random numbers with the healthy ones."""
        rngs = [np.random.default_rng(number) for number in range(3)]
        sounds = [synthesis._SOUNDS[machine_type](machine, rng, 48000, fault, severity) for rng in rngs]
        power = np.abs(np.fft.rfft(sounds)) ** 2
        return np.log10([band.mean() for band in np.array_split(power, 16, axis=1)])

    healthy = spectrum()
    for fault, (_, worst) in machine.faults.items():
        change = [np.abs(spectrum(fault, severity) - healthy).max() for severity in (0.01, 2 * worst)]
        assert change[1] > max(change[0], 0.02), fault


@pytest.mark.parametrize(("machine_type", "machine_id"), MACHINES)
def test_abnormal_is_not_normal_and_no_two_recordings_are_alike(machine_type, machine_id):
    sounds = [
        synthesis.machine_sound(machine_type, machine_id, label, index, 42, duration=1.5)
        for label in synthesis.LABELS
        for index in range(3)
    ]
    assert np.isfinite(sounds).all()
    correlation = np.corrcoef(sounds) - np.eye(len(sounds))
    assert correlation.max() < 0.99


def test_recordings_of_a_label_differ_in_level():
    sounds = [synthesis.machine_sound("fan", "id_00", "normal", index, 42, duration=1.0) for index in range(12)]
    levels = 20 * np.log10(np.std(sounds, axis=1))
    assert 0.5 < np.std(levels) < 2.5


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (("fan", "id_08", "normal", 0, 42), KeyError),
        (("fan", "id_00", "broken", 0, 42), ValueError),
        (("fan", "id_00", "normal", 0, 42, 2), ValueError),
    ],
)
def test_synthesis_refuses_what_it_does_not_know(arguments, error):
    with pytest.raises(error):
        synthesis.recording_parts(*arguments)
