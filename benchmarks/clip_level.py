"""What detectors cost that judge a recording as a whole: fit to 1,000 recordings and score of 1,000 others.

python benchmarks/clip_level.py

The recordings are log-mel frames drawn at random, as many and as large as those of MIMII (10 s, 64 bands): the time
depends on their number, not on what they hold. They are of four machines, which detectors that tell machines apart
need. Pooling is part of it; reading wav files is not. Detectors on samples are measured by benchmarks/samples.py.
"""

import statistics
import sys
import time

import common
from common import Figure, features_of

from mimii.settings import TrainingSettings
from mimii.training.hooks import Training

RECORDINGS, MACHINES, THREADS = 1000, 4, 1
MOST = {"id_embedding": 10.0, "fusion": 60.0}  # s; of the others 2


def measure(repeats: int) -> list[Figure]:
    """Fit and score each model, with the default pooling."""
    import numpy as np
    from threadpoolctl import threadpool_limits

    from mimii.features.origins import Origins
    from mimii.models import DETECTORS, create_model
    from mimii.models.choices import member_settings

    features = features_of(2 * RECORDINGS)
    # a recording has a level of its own in each band, as the recordings of a machine have
    levels = np.random.default_rng(1).normal(size=(2 * RECORDINGS, 64)).astype(np.float32)
    features.frames += np.repeat(levels, np.diff(features.offsets), axis=0)
    machine = np.arange(2 * RECORDINGS) % MACHINES
    features.frames += np.repeat(levels[machine], np.diff(features.offsets), axis=0)
    names = tuple(f"id_{number:02d}" for number in range(MACHINES))
    origins = Origins(
        machines=tuple(("", "fan", name) for name in names),
        machine=machine,
        classes=names,
        target=machine,
        is_target_domain=np.zeros(2 * RECORDINGS, dtype=bool),
    )
    training = features.windows(1, np.arange(2 * RECORDINGS) < RECORDINGS, origins=origins)
    evaluation = features.windows(1, np.arange(2 * RECORDINGS) >= RECORDINGS, origins=origins)

    figures = []
    for name in [name for name, entry in DETECTORS.items() if entry.options and not entry.needs_samples]:
        fits, scores = [], []
        with threadpool_limits(THREADS):
            for _ in range(repeats):
                model = create_model(name)
                begin = time.perf_counter()
                model.fit(training, None, Training(member_settings(name, TrainingSettings()), seed=0))
                middle = time.perf_counter()
                model.score_recordings(evaluation)
                fits.append(middle - begin)
                scores.append(time.perf_counter() - middle)
        fit, score = statistics.median(fits), statistics.median(scores)
        most = MOST.get(name, 2.0)
        figures.append(
            Figure(
                f"{name}, {RECORDINGS:,} + {RECORDINGS:,} recordings",
                "s",
                ours=fit + score,
                wanted=f"{most:g} s",
                holds=fit + score < most,
                notes={"fit": fit, "score": score, "parameters": float(model.num_parameters)},
            )
        )
    return figures


if __name__ == "__main__":
    sys.exit(common.main(__doc__, measure))
