"""How well a detector or a classifier does."""

import numpy as np

MAX_FPR = 0.1  # where the partial AUC ends, as in DCASE's task 2


def detection_metrics(
    is_abnormal: np.ndarray, scores: np.ndarray, domains: np.ndarray | None = None
) -> dict[str, float]:
    """Ranking metrics of anomaly scores.

    Parameters
    ----------
    is_abnormal : np.ndarray [shape=(n,), dtype=bool]
        Both values must occur.
    scores : np.ndarray [shape=(n,)]
        Higher is more anomalous.
    domains : np.ndarray [shape=(n,)] of str, optional
        ``source`` or ``target``, empty where there are no domains.

    Returns
    -------
    dict
        - ``auc``: area under the ROC curve.
        - ``pr_auc``: average precision; the trapezoid over a precision-recall curve is too optimistic (Davis and
          Goadrich, 2006).
        - ``pauc``: area under the ROC curve up to a false-positive rate of 0.1, scaled so that chance is 0.5 and
          the best 1 (McClish, 1989).
        - ``auc_source``, ``auc_target``: the normal recordings of one domain against the abnormal ones of both, as
          DCASE's task 2 has it from 2022 on; only where that domain occurs.
    """
    from sklearn.metrics import average_precision_score, roc_auc_score

    metrics = {
        "auc": float(roc_auc_score(is_abnormal, scores)),
        "pr_auc": float(average_precision_score(is_abnormal, scores)),
        "pauc": float(roc_auc_score(is_abnormal, scores, max_fpr=MAX_FPR)),
    }
    for domain in ("source", "target"):
        if domains is not None and (~is_abnormal & (domains == domain)).any():
            chosen = is_abnormal | (domains == domain)
            metrics[f"auc_{domain}"] = float(roc_auc_score(is_abnormal[chosen], scores[chosen]))
    return metrics


def decision_metrics(is_abnormal: np.ndarray, scores: np.ndarray, threshold: float) -> dict[str, float]:
    """How good the decision is that recordings above a threshold are abnormal.

    Parameters
    ----------
    is_abnormal : np.ndarray [shape=(n,), dtype=bool]
    scores : np.ndarray [shape=(n,)]
    threshold : float

    Returns
    -------
    dict
        ``precision``: which share of the alarms was right; ``recall``: which share of the abnormal recordings was
        found; ``f1``: their harmonic mean. Each is 0 where nothing was found.
    """
    from sklearn.metrics import precision_recall_fscore_support

    precision, recall, f1, _ = precision_recall_fscore_support(
        is_abnormal, scores > threshold, average="binary", zero_division=0
    )
    return {"precision": float(precision), "recall": float(recall), "f1": float(f1)}


def classification_metrics(targets: np.ndarray, probabilities: np.ndarray) -> dict[str, float]:
    """Metrics of predicted classes; the prediction is the most probable class.

    Parameters
    ----------
    targets : np.ndarray [shape=(n,), dtype=int]
        The true classes; each one occurs.
    probabilities : np.ndarray [shape=(n, num_classes)]

    Returns
    -------
    dict
        - ``accuracy``; ``precision``, ``recall``, ``f1``: averages weighted by the number of each class.
        - ``balanced_accuracy``, ``f1_macro``: every class counts the same, however few there are of it.
        - ``roc_auc``: area under the ROC curve; of several classes the mean of each one against the rest.
    """
    from sklearn.metrics import (
        accuracy_score,
        balanced_accuracy_score,
        f1_score,
        precision_recall_fscore_support,
        roc_auc_score,
    )

    predicted = probabilities.argmax(axis=1)
    precision, recall, f1, _ = precision_recall_fscore_support(targets, predicted, average="weighted", zero_division=0)
    scores = probabilities[:, 1] if probabilities.shape[1] == 2 else probabilities
    # means of probabilities sum to 1 but for rounding, which scikit-learn does not forgive
    scores = scores if scores.ndim == 1 else scores / scores.sum(axis=1, keepdims=True)
    return {
        "accuracy": float(accuracy_score(targets, predicted)),
        "precision": float(precision),
        "recall": float(recall),
        "f1": float(f1),
        "balanced_accuracy": float(balanced_accuracy_score(targets, predicted)),
        "f1_macro": float(f1_score(targets, predicted, average="macro", zero_division=0)),
        "roc_auc": float(roc_auc_score(targets, scores, multi_class="ovr")),
    }
