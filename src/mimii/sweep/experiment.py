"""An experiment as one line downwards: settings -> recordings -> tasks -> rows."""

from collections.abc import Sequence

from mimii.errors import UserError
from mimii.models import REGISTRY, list_models
from mimii.settings import ClassificationSettings, DetectionSettings
from mimii.storage.results import ResultsTable
from mimii.sweep import classification, detection
from mimii.sweep.engine import Result, check_writable, run_tasks


def run(settings: DetectionSettings | ClassificationSettings) -> Result:
    """Do an experiment: one model for each machine group, evaluated on each machine.

    What has rows in its table already is not done again.

    Parameters
    ----------
    settings : DetectionSettings or ClassificationSettings

    Returns
    -------
    Result

    Raises
    ------
    UserError
        The settings, the recordings or the directories can't be used.
    """
    if isinstance(settings, DetectionSettings):
        check(settings, list_models("detection"))
        recordings = detection.prepare(settings)
        table = open_table(settings)
        return run_tasks(detection.plan(settings, recordings), settings.run, table, recordings)
    check(settings, list_models("classification"))
    recordings = classification.prepare(settings)
    table = open_table(settings)
    return run_tasks(classification.plan(settings, recordings), settings.run, table, recordings)


def check(settings: DetectionSettings | ClassificationSettings, models: Sequence[str]) -> None:
    """See that the models are among those of the experiment and fit the windows, and that files can be written.

    Raises
    ------
    UserError
        Something does not fit.
    """
    if not settings.run.models:
        raise UserError(f"no model is chosen; there are {', '.join(models)}")
    for name in settings.run.models:
        if name not in models:
            raise UserError(f"unknown model {name}; there are {', '.join(models)}")
        if misfit := REGISTRY[name].misfit(settings.features.n_mels, settings.training.frames):
            raise UserError(f"{name} needs {misfit}")
    run = settings.run
    directories = [run.pickle_dir, run.model_dir, run.result_dir]
    check_writable(*directories, *([run.output_csv.parent] if run.output_csv else []))


def open_table(settings: DetectionSettings | ClassificationSettings) -> ResultsTable:
    """The results table of an experiment."""
    experiment = detection if isinstance(settings, DetectionSettings) else classification
    return ResultsTable(settings.run.output_csv or settings.run.result_dir / experiment.OUTPUT, experiment.COLUMNS)
