"""What happened while a model was trained."""

from dataclasses import dataclass, field


@dataclass
class History:
    """What happened while a model was trained.

    Attributes
    ----------
    train_loss, val_loss : list of float, one an epoch
        Mean over the windows. ``val_loss`` is empty where no recording could be spared for validation; both are empty
        where a model is not trained in epochs.
    training_time_sec : float
        Wall time of the fit, after a rehearsal of one step, without the time in which others measured their
        latency [s]. Of a network that was trained beside others its share.
    residuals_time_sec : float
        Wall time of what a network's ``mahalanobis`` scoring takes beyond that [s].
    train_samples : int
        Windows that the model learned from; of a clip-level detector, recordings.
    """

    train_loss: list[float] = field(default_factory=list)
    val_loss: list[float] = field(default_factory=list)
    training_time_sec: float = 0.0
    residuals_time_sec: float = 0.0
    train_samples: int = 0
