"""What is said of an epoch that has ended."""

import logging

import numpy as np

from mimii.errors import TaskError
from mimii.training.history import History

log = logging.getLogger(__name__)


def end_of_epoch(history: History, epochs: int, *, announce: bool = True) -> None:
    """Look at the losses of the epoch that has ended, and log them.

    Parameters
    ----------
    history : History
        Its last losses are those of the epoch.
    epochs : int
        How many there will be.
    announce : bool
        Log the losses.

    Raises
    ------
    TaskError
        One of them is not finite.
    """
    epoch = len(history.train_loss)
    if not np.isfinite([*history.train_loss[-1:], *history.val_loss[-1:]]).all():
        raise TaskError(f"the loss is not finite in epoch {epoch}; lower --learning_rate")
    if announce:
        validation = f", validation {history.val_loss[-1]:.5f}" if history.val_loss else ""
        log.info("epoch %d/%d: loss %.5f%s", epoch, epochs, history.train_loss[-1], validation, extra={"epoch": epoch})
