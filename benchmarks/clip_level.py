"""What clip-level detectors cost: fit to 1,000 recordings and score of 1,000 others.

python benchmarks/clip_level.py

The recordings are log-mel frames drawn at random, as many and as large as those of MIMII (10 s, 64 bands): the time
depends on their number, not on what they hold. Pooling is part of it; reading wav files is not.
"""

import statistics
import sys
import time

import common
from common import Figure, features_of

from mimii.settings import TrainingSettings
from mimii.training.hooks import Training

RECORDINGS, THREADS = 1000, 2
MOST = {"fusion": 10.0}  # s; of the others 2


def measure(repeats: int) -> list[Figure]:
    """Fit and score each model, with the default pooling."""
    import numpy as np
    from threadpoolctl import threadpool_limits

    from mimii.models import DETECTORS, create_model

    features = features_of(2 * RECORDINGS)
    # a recording has a level of its own in each band, as the recordings of a machine have
    levels = np.random.default_rng(1).normal(size=(2 * RECORDINGS, 64)).astype(np.float32)
    features.frames += np.repeat(levels, np.diff(features.offsets), axis=0)
    training = features.windows(1, np.arange(2 * RECORDINGS) < RECORDINGS)
    evaluation = features.windows(1, np.arange(2 * RECORDINGS) >= RECORDINGS)

    figures = []
    for name in [name for name, entry in DETECTORS.items() if entry.options]:
        fits, scores = [], []
        with threadpool_limits(THREADS):
            for _ in range(repeats):
                model = create_model(name)
                begin = time.perf_counter()
                model.fit(training, None, Training(TrainingSettings(), seed=0))
                middle = time.perf_counter()
                model.score_recordings(evaluation, "native")
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
