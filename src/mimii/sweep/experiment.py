"""An experiment as one line downwards: settings -> recordings -> tasks -> rows."""

from collections.abc import Sequence
from dataclasses import replace

from mimii.errors import UserError
from mimii.models import list_models
from mimii.models.choices import check_scoring, misfit
from mimii.runtime.spelling import did_you_mean
from mimii.settings import ClassificationSettings, ClipSettings, DetectionSettings
from mimii.storage.files import check_writable
from mimii.storage.results import ResultsTable
from mimii.sweep import challenge, classification, detection, submission
from mimii.sweep.engine import Result, run_tasks


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
        if settings.run.submission:
            submission.check(settings.run.submission, recordings)
        table = open_table(settings)
        result = run_tasks(detection.plan(settings, recordings), settings.run, table, recordings)
        result = replace(result, official=challenge.keep_scores(result, settings.run.result_dir))
        if settings.run.submission:
            incomplete = submission.write(result, settings.run.result_dir, settings.run.submission)
            result = replace(result, failed=[*result.failed, *incomplete])
        return result
    check(settings, list_models("classification"))
    recordings = classification.prepare(settings)
    table = open_table(settings)
    return run_tasks(classification.plan(settings, recordings), settings.run, table, recordings)


def check(settings: DetectionSettings | ClassificationSettings, models: Sequence[str]) -> None:
    """See that the models are among those of the experiment and fit the windows, and that results can be written.

    A cache that exists is looked at when something is to be written there: a complete one may be read-only.

    Raises
    ------
    UserError
        Something does not fit.
    """
    if not settings.run.models:
        raise UserError(f"no model is chosen; there are {', '.join(models)}")
    clip = ClipSettings()
    if isinstance(settings, DetectionSettings):
        check_scoring(settings.scoring)
        clip = settings.scoring.clip
    for name in settings.run.models:
        if name not in models:
            raise UserError(f"unknown model {name}{did_you_mean(name, models)}; there are {', '.join(models)}")
        if needed := misfit(name, settings.features.n_mels, settings.training.frames, clip):
            raise UserError(f"{name} needs {needed}")
    for cache in (settings.run.pickle_dir, settings.run.model_dir):
        if not cache.is_dir():
            check_writable(cache, "this cache")
    check_writable(settings.run.result_dir, "the results")
    if settings.run.output_csv:
        check_writable(settings.run.output_csv.parent, "the table")


def open_table(settings: DetectionSettings | ClassificationSettings) -> ResultsTable:
    """The results table of an experiment."""
    experiment = detection if isinstance(settings, DetectionSettings) else classification
    return ResultsTable(settings.run.output_csv or settings.run.result_dir / experiment.OUTPUT, experiment.COLUMNS)
