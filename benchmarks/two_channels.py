"""What a far microphone is good for: ways to take the noise that it hears from what the near one hears.

python benchmarks/two_channels.py

The scenes are made: a synthetic machine and the noise of a factory, each on its own path to either microphone. The near
one hears the machine directly. Every other path has an early part, whose echoes die away in some milliseconds, and a
late one, diffuse, of 0.3 s. The path of a machine stays, and those of the noise change with every recording. The
machine alone is known: its log-mel frames are compared with those of the cleaned signal. What counts more is whether a
detector finds more faults: for each machine mahalanobis and knn learn from cleaned healthy recordings, and judge
others. Ways other than `mimii.data.two_channels` are written down here, as one finds them in textbooks. On two cores it
takes four minutes. It ends with status 1 where our way is worse than the near microphone alone by more than 0.02 of the
AUC, in any scene.
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import common
import numpy as np
import pandas as pd
from common import Figure
from scipy.ndimage import uniform_filter1d
from scipy.signal import fftconvolve, istft, stft

from mimii.commands.options import Parser, positive_int, seed_int
from mimii.data.synthesis import factory_noise, recording_parts
from mimii.data.two_channels import without_noise
from mimii.evaluation.metrics import detection_metrics
from mimii.features.logmel import log_mel
from mimii.features.windows import Features
from mimii.models import create_model
from mimii.runtime.processes import in_parallel
from mimii.settings import FeatureSettings, TrainingSettings
from mimii.training.hooks import Training

RATE, SECONDS = common.SAMPLE_RATE, 5.0
MACHINES = [
    *[("fan", "id_00"), ("fan", "id_02"), ("pump", "id_02"), ("pump", "id_04"), ("slider", "id_04"), ("valve", "id_00")]
]
LEARNT, HEALTHY, FAULTY = 24, 16, 18  # recordings of a machine
DETECTORS = ("mahalanobis", "knn")
EARLY, LATE, LATE_FROM = 0.004, 0.3, 0.02  # s: decay of early echoes, that of late ones to -30 dB, when these begin
HISS = 1e-5  # of a microphone, against full scale
FLOOR = 0.1  # least gain of a way that multiplies
FRAME = 1024  # of these ways [samples]; as usual for them, and as long as that of the features
WORSE = 0.02  # of the AUC


@dataclass(frozen=True)
class Scene:
    """What the microphones hear, each level in dB.

    Attributes
    ----------
    snr : float
        Of the machine to the noise at the near microphone.
    leak : float
        Of the machine at the far microphone, against the near one.
    far_noise : float
        Of the noise at the far microphone, against the near one.
    early : float
        Share of a path's power in its early part: what the microphones can share of the noise.
    sources : int
        Of noise, each with its own paths.
    """

    snr: float = 0.0
    leak: float = -12.0
    far_noise: float = 3.0
    early: float = 0.5
    sources: int = 1


SCENES = {
    "SNR 0 dB": Scene(),
    "SNR -6 dB": Scene(snr=-6),
    "SNR 6 dB": Scene(snr=6),
    "noise mostly direct": Scene(early=0.9),
    "noise mostly diffuse": Scene(early=0.1),
    "two sources of noise": Scene(sources=2),
    "machine only 6 dB fainter": Scene(leak=-6),
    "machine 20 dB fainter": Scene(leak=-20),
    "noise 10 dB louder": Scene(far_noise=10),
    "noise 3 dB fainter": Scene(far_noise=-3),
    "hardly any noise": Scene(snr=40),
}


def path(rng: np.random.Generator, early: float) -> np.ndarray:
    """The impulse response of a path through a hall, of energy 1."""
    time = np.arange(int(2 * LATE * RATE)) / RATE
    delay = rng.integers(0, 80)  # samples
    first, late = np.zeros(len(time)), rng.standard_normal(len(time)) * 10 ** (-1.5 * time / LATE)
    first[delay:] = 0.25 * rng.standard_normal(len(time) - delay) * np.exp(-time[: len(time) - delay] / EARLY)
    first[delay] += 1
    late[time < LATE_FROM] = 0
    return np.sqrt(early) * first / np.linalg.norm(first) + np.sqrt(1 - early) * late / np.linalg.norm(late)


def through(sound: np.ndarray, response: np.ndarray) -> np.ndarray:
    """A sound at the end of a path."""
    heard: np.ndarray = fftconvolve(sound, response)[: len(sound)]
    return heard


def scaled(sound: np.ndarray, level: float) -> np.ndarray:
    """A sound at a level, its root mean square."""
    return sound * (level / np.sqrt(np.mean(sound**2)))


def recording(scene: Scene, number: int, label: str, index: int, seed: int) -> tuple[np.ndarray, ...]:
    """The machine alone, and what the near and the far microphone hear: (n_samples,) each."""
    parts = recording_parts(*MACHINES[number], label, index, seed, duration=SECONDS)
    machine, noise = (part[:, 0] for part in parts)
    level = np.sqrt(np.mean(noise**2)) * 10 ** (-scene.snr / 20)
    rng = np.random.default_rng([seed, number, label == "normal", index])
    sources = [noise, *(factory_noise(rng, len(noise)) for _ in range(scene.sources - 1))]
    near, far = (
        scaled(sum(through(scaled(source, 1), path(rng, scene.early)) for source in sources), level * gain)
        for gain in (1, 10 ** (scene.far_noise / 20))
    )
    at_far = 10 ** (scene.leak / 20) * through(machine, path(np.random.default_rng([seed, number]), 0.5))
    hiss = HISS * rng.standard_normal((2, len(machine)))
    return tuple(sound.astype(np.float32) for sound in (machine, machine + near + hiss[0], at_far + far + hiss[1]))


def gained(near: np.ndarray, far: np.ndarray, gain: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> np.ndarray:
    """The near signal, each bin of each short frame times a gain that is found from both spectra, (bins, frames)."""
    spectra = [stft(signal, nperseg=FRAME, noverlap=FRAME * 3 // 4)[2] for signal in (near, far)]
    cleaned = istft(spectra[0] * gain(*spectra), nperseg=FRAME, noverlap=FRAME * 3 // 4)[1]
    return cleaned[: len(near)].astype(np.float32)


def power(spectra: np.ndarray, frames: int = 1) -> np.ndarray:
    """The power of spectra, as a running mean over some frames."""
    return np.maximum(uniform_filter1d(np.abs(spectra) ** 2, frames, axis=1), 1e-30)


def amplitude(gain: np.ndarray) -> np.ndarray:
    """The gain of amplitudes from that of powers, with a floor."""
    return np.sqrt(np.maximum(gain, FLOOR**2))


def mean_subtraction(near: np.ndarray, far: np.ndarray) -> np.ndarray:
    """Subtract the far channel's mean power spectrum from the power of each near frame (Boll, 1979)."""
    return gained(near, far, lambda n, f: amplitude(1 - power(f).mean(axis=1, keepdims=True) / power(n)))


def frame_subtraction(near: np.ndarray, far: np.ndarray) -> np.ndarray:
    """Subtract the far channel's power frame by frame, scaled for each frequency as in the frames of most noise."""

    def gain(n: np.ndarray, f: np.ndarray) -> np.ndarray:
        ratio = np.minimum(1, np.quantile(power(n, 9) / power(f, 9), 0.1, axis=1, keepdims=True))
        return amplitude(1 - ratio * power(f, 5) / power(n, 5))

    return gained(near, far, gain)


def level_difference(near: np.ndarray, far: np.ndarray) -> np.ndarray:
    """Wiener gain from the difference of both powers, the noise being as loud at both (Jeub et al., 2012)."""

    def gain(n: np.ndarray, f: np.ndarray) -> np.ndarray:
        machine = np.maximum(power(n, 5) - power(f, 5), 0)
        return np.maximum(machine / (machine + power(f, 5)), FLOOR)

    return gained(near, far, gain)


def coherence(near: np.ndarray, far: np.ndarray) -> np.ndarray:
    """Keep the share of the power that is not coherent with the far channel."""

    def gain(n: np.ndarray, f: np.ndarray) -> np.ndarray:
        cross = n * f.conj()
        shared = uniform_filter1d(cross.real, 31, axis=1) ** 2 + uniform_filter1d(cross.imag, 31, axis=1) ** 2
        return amplitude(1 - shared / (power(n, 31) * power(f, 31)))

    return gained(near, far, gain)


def projection(near: np.ndarray, far: np.ndarray) -> np.ndarray:
    """Subtract the far channel through its Wiener filter, whatever the filter amplifies (Widrow et al., 1975)."""
    ours = without_noise(near, far, RATE, highest=np.inf)
    return np.zeros_like(near) if ours is None else ours


def limited(near: np.ndarray, far: np.ndarray) -> np.ndarray:
    """Our way."""
    ours = without_noise(near, far, RATE)
    assert ours is not None
    return ours


NEAR, OURS = "near alone", "limited projection"
WAYS: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    NEAR: lambda near, far: near,
    "mean subtraction": mean_subtraction,
    "frame subtraction": frame_subtraction,
    "level difference": level_difference,
    "coherence": coherence,
    "projection": projection,
    OURS: limited,
}


@dataclass(frozen=True)
class Case:
    """A scene and a machine."""

    scene: str
    machine: int
    seed: int

    @property
    def name(self) -> str:
        """For messages."""
        return f"{self.scene}, {' '.join(MACHINES[self.machine])}"


def try_case(case: Case) -> list[dict[str, float | str]]:
    """A row for each way: its error, and the AUC of each detector."""
    sounds = [("normal", index) for index in range(LEARNT + HEALTHY)] + [("abnormal", n) for n in range(FAULTY)]
    frames: dict[str, list[np.ndarray]] = {name: [] for name in WAYS}
    errors: dict[str, list[float]] = {name: [] for name in WAYS}
    for sound in sounds:
        machine, near, far = recording(SCENES[case.scene], case.machine, *sound, case.seed)
        alone = log_mel(machine, RATE, FeatureSettings())
        for name, way in WAYS.items():
            frames[name].append(log_mel(way(near, far), RATE, FeatureSettings()))
            errors[name].append(float(np.abs(frames[name][-1] - alone).mean()))
    is_learnt = np.arange(len(sounds)) < LEARNT
    is_abnormal = np.array([label == "abnormal" for label, _ in sounds])[~is_learnt]
    rows: list[dict[str, float | str]] = []
    for name, found in frames.items():
        offsets, table = np.arange(len(found) + 1) * len(found[0]), pd.DataFrame(sounds)
        features = Features(np.concatenate(found), offsets, table, {}, RATE)
        row: dict[str, float | str] = {"scene": case.scene, "way": name, "error": float(np.mean(errors[name]))}
        for detector in DETECTORS:
            model = create_model(detector)
            model.fit(features.windows(1, is_learnt), None, Training(TrainingSettings(), seed=0))
            scores = model.score_recordings(features.windows(1, ~is_learnt))[1]
            row[detector] = detection_metrics(is_abnormal, scores)["auc"]
        rows.append(row)
    return rows


def figures_of(table: pd.DataFrame) -> list[Figure]:
    """A row for each scene, and one for all of them: the mean AUC of both detectors, near alone beside."""
    table = table.assign(auc=table[list(DETECTORS)].mean(axis=1))
    everywhere = table.assign(scene="all scenes")
    figures = []
    for scene, rows in pd.concat([table, everywhere]).groupby("scene", sort=False):
        ours, near = (float(rows.loc[rows["way"] == way, "auc"].mean()) for way in (OURS, NEAR))
        figures.append(
            Figure(
                str(scene),
                "AUC",
                ours=ours,
                plain=near,
                wanted=f"{near - WORSE:.3f}",
                holds=ours >= near - WORSE,
            )
        )
    return figures


def main() -> int:
    """Measure, and print tables; returns the exit status."""
    options = Parser(description=(__doc__ or "").splitlines()[0])
    options.add_argument("--seed", type=seed_int, default=7, help="of the recordings")
    options.add_argument("--jobs", type=positive_int, default=2, help="processes")
    options.add_argument("--output", type=Path, metavar="FILE", help="receives the figures as JSON")
    args = options.parse_args()
    cases = [Case(scene, machine, args.seed) for scene, machine in product(SCENES, range(len(MACHINES)))]
    rows: list[dict[str, float | str]] = []
    for number, found in enumerate(in_parallel(try_case, cases, args.jobs), start=1):
        rows += found
        print(f"{number} of {len(cases)}", file=sys.stderr, flush=True)
    order = {name: place for place, name in enumerate([*SCENES, *WAYS])}
    table = pd.DataFrame(rows).sort_values(["scene", "way"], key=lambda column: column.map(order))
    measures = ["error", *DETECTORS]
    print(table.groupby(["scene", "way"], sort=False)[measures].mean().round(3).to_string())
    print(table.groupby("way", sort=False)[measures].mean().round(3).to_string())
    return common.report(figures_of(table), args.output)


if __name__ == "__main__":
    sys.exit(main())
