"""The MIMII authors' baseline as one more experiment of detection."""

from dataclasses import dataclass

from mimii.features.windows import Features, Windows
from mimii.models import BASELINES
from mimii.settings import DetectionSettings
from mimii.sweep import detection, experiment
from mimii.sweep.detection import DetectionTask
from mimii.sweep.engine import Keep, Result, run_tasks


@dataclass(frozen=True, eq=False, kw_only=True)
class BaselineTask(DetectionTask):
    """The authors' autoencoder for one machine; see `mimii.sweep.task.Task`."""

    def training_windows(self, features: Features) -> tuple[Windows, Windows]:
        """The last windows are for validation, as Keras' ``validation_split`` has it."""
        is_train = (features.recordings["split"] == "train").to_numpy()
        windows = features.windows(self.window_length, is_train)
        count = int(len(windows) * (1 - self.settings.val_split))
        return windows.take(slice(0, count)), windows.take(slice(count, None))


def run(settings: DetectionSettings, keep: Keep) -> Result:
    """Do the baseline, as `mimii.sweep.experiment.run` does any experiment of detection.

    Parameters
    ----------
    settings : DetectionSettings
    keep : callable
        Is called with the outcome of each machine and all rows so far.
    """
    experiment.check(settings, list(BASELINES))
    recordings = detection.prepare(settings)
    table = experiment.open_table(settings)
    return run_tasks(detection.plan(settings, recordings, BaselineTask), settings.run, table, recordings, keep)
