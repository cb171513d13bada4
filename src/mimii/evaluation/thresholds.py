"""From scores of normal recordings to the threshold above which a recording counts as abnormal."""

from dataclasses import dataclass

import numpy as np

_QUANTILE = 0.9  # of the scores of normal recordings: where the threshold is
# scores, for a distribution to be fitted; its two parameters and its begin, which depends on the scores, too, would be
# found from hardly more numbers than they are
_FEWEST = 5


@dataclass(frozen=True, eq=False)
class NormalScores:
    """Scores of normal recordings, from which a threshold follows.

    Attributes
    ----------
    numbers : np.ndarray [shape=(n,), dtype=int64]
        Which recordings.
    scores : np.ndarray [shape=(n,)]
    source : str
        ``held_out``: the detector that gave the scores had not learnt from these recordings. ``training``: it had,
        because there were no others; the scores are lower than those of new recordings, and so is the threshold.
    """

    numbers: np.ndarray
    scores: np.ndarray
    source: str

    def of(self, chosen: np.ndarray) -> "NormalScores":
        """Those of some of the recordings, which a truth value each or their places choose."""
        return NormalScores(self.numbers[chosen], self.scores[chosen], self.source)


def are_few(count: int) -> bool:
    """Tell whether so many scores are too few for a distribution: their highest is then the threshold."""
    return count < _FEWEST


def gamma_threshold(scores: np.ndarray) -> float:
    """The score above which a recording counts as abnormal, from scores of normal recordings alone.

    It is the 90th percentile of a gamma distribution fitted to the scores, as in the baseline of DCASE's task 2
    (Kawaguchi et al., 2021). The distribution begins one standard deviation below the lowest score: so scores may be
    negative, and a shift or a change of scale of the scores does the same to the threshold.

    Parameters
    ----------
    scores : np.ndarray [shape=(n,)]
        One at least. Where there are fewer than five, or all are the same, the highest is the threshold.
    """
    from scipy.stats import gamma

    if are_few(len(scores)):
        return float(np.max(scores))
    lowest, spread = float(np.min(scores)), float(np.std(scores))
    if spread <= 1e-9 * float(np.max(np.abs(scores))):
        return float(np.max(scores))
    shape, _, scale = gamma.fit((scores - lowest) / spread, floc=-1.0)
    return lowest + spread * float(gamma.ppf(_QUANTILE, shape, -1.0, scale))
