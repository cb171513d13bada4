"""The tables of classification."""

from mimii.report.loading import CLASSIFICATION_METRICS, CLASSIFICATION_RANKING, Results
from mimii.report.means import means_table
from mimii.report.rows import by_task, groups_or_machines
from mimii.report.snr import at_snr, by_snr
from mimii.report.table import Table
from mimii.report.texts import mean_over, name_of, synthetic_note, task_title
from mimii.storage.schema import heading


def classification(results: Results) -> list[Table]:
    """For each task the metrics of each model, at each SNR."""
    rows = groups_or_machines(results.classification)
    shown = [metric for metric in CLASSIFICATION_METRICS if rows[metric].notna().any()]
    ranking = CLASSIFICATION_RANKING if CLASSIFICATION_RANKING in shown else next(iter(shown), "")
    tables = []
    for task, of_task in by_task(results.classification):
        for snr, at_level in by_snr(of_task):
            title = f"Classification, {task_title(task)}{at_snr(snr)}"
            tables.append(
                means_table(
                    list(at_level["label"].unique()),
                    {heading(metric): (at_level, metric) for metric in shown},
                    ranking=heading(ranking),
                    name=name_of("classification", task, snr),
                    title=title,
                    units="machine groups",
                    caption=f"{title}: {mean_over(at_level, 'machine groups')}. Precision, recall and F1 are "
                    f"weighted by the number of each class.{synthetic_note(results.is_synthetic)}",
                )
            )
    return tables
