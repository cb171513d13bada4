"""How well a detector or a classifier does."""

import numpy as np

MAX_FPR = 0.1  # where the partial AUC ends, as in DCASE's task 2


def detection_metrics(is_abnormal: np.ndarray, scores: np.ndarray) -> dict[str, float]:
    """Ranking metrics of anomaly scores.

    Parameters
    ----------
    is_abnormal : np.ndarray [shape=(n,), dtype=bool]
        Both values must occur.
    scores : np.ndarray [shape=(n,)]
        Higher is more anomalous.

    Returns
    -------
    dict
        - ``auc``: area under the ROC curve.
        - ``pr_auc``: average precision; the trapezoid over a precision-recall curve is too optimistic (Davis and
          Goadrich, 2006).
        - ``pauc``: area under the ROC curve up to a false-positive rate of 0.1, scaled so that chance is 0.5 and
          the best 1 (McClish, 1989).
    """
    from sklearn.metrics import average_precision_score, roc_auc_score

    return {
        "auc": float(roc_auc_score(is_abnormal, scores)),
        "pr_auc": float(average_precision_score(is_abnormal, scores)),
        "pauc": float(roc_auc_score(is_abnormal, scores, max_fpr=MAX_FPR)),
    }
