"""The columns of the results tables: their order, types, headings, formats and meanings. All else follows from here.

The CSV files, their parsing, the tables of the report and ``docs/columns.md`` use these columns, so a column is added,
renamed or explained in this module alone.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

DASH = "\N{EN DASH}"  # stands where there is no number
MINUS = "\N{MINUS SIGN}"
RANKINGS = ("auc", "pr_auc", "pauc")  # the columns by which the report can rank detectors


@dataclass(frozen=True)
class Column:
    """A column of the results tables.

    Attributes
    ----------
    name : str
        In the CSV.
    heading : str
        In tables and figures, with its unit.
    group : str
        ``subject``, what the row is about; ``quality``, how well the model does; ``decision``, the threshold;
        ``cost``; ``setting``, what makes two rows of one model results of different things; ``fact``, how the row
        came about.
    meaning : str
        For ``docs/columns.md``.
    is_text : bool
        It holds texts, however much one may look like a number or like nothing; the others hold numbers.
    decimals : int
        Of a number in a table.
    tables : tuple of str
        Which results tables have it: ``detection``, ``classification``.
    """

    name: str
    heading: str
    group: str
    meaning: str
    is_text: bool = False
    decimals: int = 3
    tables: tuple[str, ...] = ("detection", "classification")


_DETECTION = ("detection",)
_CLASSIFICATION = ("classification",)

COLUMNS = (
    Column("model", "Model", "subject", "the model's name in the registry", is_text=True),
    Column(
        "scoring",
        "Scoring",
        "setting",
        "`mse` or `mahalanobis`; of detectors with an embedding the back-end; `native` for a detector that has its own "
        "score",
        is_text=True,
        tables=_DETECTION,
    ),
    Column(
        "dataset",
        "Data set",
        "subject",
        "its name, such as `dcase2024`: by the year in a folder above the recordings, the folder's name, or "
        "`--dataset`; empty in the layout of MIMII without that option",
        is_text=True,
    ),
    Column("snr", "SNR", "subject", "signal-to-noise ratio; `all` for a group of several", is_text=True),
    Column("machine_type", "Machine type", "subject", "such as `fan`; `all` for a group of several", is_text=True),
    Column("machine_id", "Machine ID", "subject", "such as `id_00`; `all` for a group of machines", is_text=True),
    Column(
        "part",
        "Part",
        "subject",
        "of a challenge's data set: `development`, or `evaluation` where the file names do not tell the labels",
        is_text=True,
    ),
    Column(
        "dataset_scope",
        "Scope",
        "setting",
        "which machines share the model: `machine`, `type` or `all`",
        is_text=True,
    ),
    Column(
        "classification_type",
        "Task",
        "subject",
        "`machine_type` (normal or abnormal) or `machine_id` (which machine)",
        is_text=True,
        tables=_CLASSIFICATION,
    ),
    Column("num_classes", "Classes", "fact", "number of classes", decimals=0, tables=_CLASSIFICATION),
    Column("auc", "AUC", "quality", "area under the ROC curve", tables=_DETECTION),
    Column("pr_auc", "PR-AUC", "quality", "average precision", tables=_DETECTION),
    Column(
        "pauc",
        "pAUC",
        "quality",
        "area under the ROC curve up to a false-positive rate of 0.1, scaled so that chance is 0.5 (McClish, 1989)",
        tables=_DETECTION,
    ),
    Column(
        "auc_source",
        "AUC source",
        "quality",
        "normal recordings of the source domain against all abnormal ones; empty without domains",
        tables=_DETECTION,
    ),
    Column("auc_target", "AUC target", "quality", "the same for the target domain", tables=_DETECTION),
    Column(
        "threshold", "Threshold", "decision", "a recording with a higher score counts as abnormal", tables=_DETECTION
    ),
    Column(
        "threshold_from",
        "Threshold from",
        "decision",
        "the scores that the threshold follows from: `held_out`, of recordings that the model has not learnt from, or "
        "`training`; `held_out_highest` or `training_highest` where they are fewer than five and the highest one is "
        "the threshold",
        is_text=True,
        tables=_DETECTION,
    ),
    Column("accuracy", "Accuracy", "quality", "share of the recordings that were recognised", tables=_CLASSIFICATION),
    Column(
        "balanced_accuracy",
        "Balanced accuracy",
        "quality",
        "mean of the classes' recalls: every class counts the same",
        tables=_CLASSIFICATION,
    ),
    Column(
        "precision",
        "Precision",
        "quality",
        "detection: share of the alarms at the threshold that are right; classification: mean over the classes, "
        "weighted by their size",
    ),
    Column(
        "recall",
        "Recall",
        "quality",
        "detection: share of the abnormal recordings that are found at the threshold; classification: as `precision`",
    ),
    Column("f1", "F1", "quality", "harmonic mean of precision and recall; classification: as `precision`"),
    Column("f1_macro", "Macro F1", "quality", "mean of the classes' F1", tables=_CLASSIFICATION),
    Column(
        "roc_auc",
        "ROC AUC",
        "quality",
        "area under the ROC curve; of several classes the mean of each one against the rest",
        tables=_CLASSIFICATION,
    ),
    Column(
        "training_time_sec",
        "Training [s]",
        "cost",
        "wall time of the fit, after a rehearsal of one step, without extraction and without waiting for other "
        "processes that measure; for `mahalanobis` with the pass that finds the residuals. Where networks were trained "
        "as one stacked network, its share: the stack's time, divided by how many were being trained. Comparable "
        "between rows with `jobs` 1 and the same `stacked_with`",
        decimals=2,
    ),
    Column(
        "model_size_mb",
        "Size [MB]",
        "cost",
        "size of a file that holds what this scoring needs, its threshold included; 1 MB is 1,000,000 bytes",
    ),
    Column("num_parameters", "Parameters", "cost", "numbers that were fitted to the data and are kept", decimals=0),
    Column(
        "inference_time_ms",
        "Latency [ms]",
        "cost",
        "median time to score one recording, whatever the model; measured while no other task of this program works on "
        "the host",
    ),
    Column(
        "window_time_ms",
        "Window [ms]",
        "cost",
        "the same for one window; empty for clip-level detectors, which do not work on windows",
    ),
    Column(
        "throughput_samples_per_sec",
        "Recordings/s",
        "cost",
        "recordings scored in a second, in batches of 16, whatever the model",
        decimals=1,
    ),
    Column(
        "windows_per_sec",
        "Windows/s",
        "cost",
        "windows scored in a second, in batches of 256; empty for clip-level detectors",
        decimals=0,
    ),
    Column(
        "memory_usage_mb",
        "GPU memory [MB]",
        "cost",
        "peak GPU memory of tensors while training, frames included; 0 on the CPU",
        decimals=0,
    ),
    Column(
        "peak_ram_mb",
        "RAM [MB]",
        "cost",
        "the most memory that the fit took beyond what the process held before, features and libraries among that; of "
        "stacked networks each one's share, features included",
        decimals=1,
    ),
    Column(
        "score_pooling",
        "Score pooling",
        "setting",
        "`--score_pooling`; empty where windows have no scores",
        is_text=True,
        tables=_DETECTION,
    ),
    Column(
        "pooling",
        "Pooling",
        "setting",
        "`--pooling`; empty for all but clip-level detectors",
        is_text=True,
        tables=_DETECTION,
    ),
    Column("twfr_r", "twfr r", "setting", "`--twfr_r`; empty for all poolings but `twfr`", tables=_DETECTION),
    Column(
        "distance",
        "Distance",
        "setting",
        "`--distance`; empty for detectors that do not look at neighbours",
        is_text=True,
        tables=_DETECTION,
    ),
    Column(
        "fuse",
        "Fused",
        "setting",
        "`--fuse`: the detectors that a fusion is made of; `variant` has those that it could be made of",
        is_text=True,
        tables=_DETECTION,
    ),
    Column(
        "classes",
        "Told apart",
        "setting",
        "`--classes`: what an embedding learns to tell apart; empty for other detectors",
        is_text=True,
        tables=_DETECTION,
    ),
    Column(
        "ensemble",
        "Networks",
        "setting",
        "`--ensemble`: networks of an embedding, whose mean score counts; empty for other detectors",
        decimals=0,
        tables=_DETECTION,
    ),
    Column("class_weight", "Class weight", "setting", "`--class_weight`", is_text=True, tables=_CLASSIFICATION),
    Column("n_mels", "Mel bands", "setting", "`--n_mels`", decimals=0),
    Column("frames", "Frames", "setting", "`--frames`; empty for clip-level detectors", decimals=0),
    Column("n_fft", "FFT length", "setting", "`--n_fft` [samples]", decimals=0),
    Column("hop_length", "Hop length", "setting", "`--hop_length` [samples]", decimals=0),
    Column("power", "Power", "setting", "`--power`", decimals=1),
    Column("channel", "Channel", "setting", "`--channel`: a number, or `difference`", is_text=True),
    Column("epochs", "Epochs", "setting", "`--epochs`; empty for models that are no networks", decimals=0),
    Column("batch_size", "Batch size", "setting", "`--batch_size`; empty for models that are no networks", decimals=0),
    Column("learning_rate", "Learning rate", "setting", "`--learning_rate`; empty for models that are no networks"),
    Column("val_split", "Validation split", "setting", "`--val_split`; empty for models that are no networks"),
    Column(
        "seed",
        "Seed",
        "fact",
        "`--seed` or one of `--seeds`; empty for models that draw no random number",
        decimals=0,
    ),
    Column("tf32", "TF32", "setting", "`--tf32`; empty for all but networks on a GPU", is_text=True),
    Column(
        "train_files",
        "Training files",
        "fact",
        "recordings that the model learnt from, validation included",
        decimals=0,
    ),
    Column("eval_files", "Evaluation files", "fact", "recordings that it was evaluated on", decimals=0),
    Column("skipped_files", "Skipped files", "fact", "recordings of the machine group that can't be used", decimals=0),
    Column(
        "train_samples",
        "Training samples",
        "fact",
        "windows that the model was trained on; with a clip-level detector recordings",
        decimals=0,
    ),
    Column("variant", "Variant", "fact", "which algorithm, where a model chooses by the amount of data", is_text=True),
    Column("device", "Device", "fact", "`cpu`, `cuda` or `mps`", is_text=True),
    Column("device_name", "Device name", "fact", "what the processor or the graphics card is called", is_text=True),
    Column(
        "jobs",
        "Jobs",
        "fact",
        "how many tasks ran side by side when the model was trained, this one included",
        decimals=0,
    ),
    Column(
        "stacked_with",
        "Stacked with",
        "fact",
        "with how many other networks it was trained side by side as one stacked network, at most; 0 where it was "
        "trained alone. Training time and memory are its share then; the latency is always that of one network alone",
        decimals=0,
    ),
    Column(
        "measured_alone",
        "Measured alone",
        "fact",
        "`no` where another process of this program did not pause, because it was stopped, say, and may have disturbed "
        "the measurement of latency and throughput; else `yes`",
        is_text=True,
    ),
    Column("synthetic", "Synthetic", "fact", "`yes` for recordings of `make_demo_dataset.py`; else `no`", is_text=True),
    Column("torch_version", "PyTorch", "fact", "version of torch", is_text=True),
    Column(
        "run_id",
        "Run",
        "fact",
        "hash of all settings that make a difference to the model and of the recordings (name and content), not of the "
        "code",
        is_text=True,
    ),
    Column("timestamp", "Time", "fact", "when the row was written, UTC", is_text=True),
)

_BY_NAME = {column.name: column for column in COLUMNS}


def of_table(table: str) -> list[Column]:
    """The columns of the results table of ``detection`` or ``classification``, in order."""
    return [column for column in COLUMNS if table in column.tables]


def of_group(*groups: str, table: str = "") -> list[str]:
    """Names of the columns of some groups, in order; with ``table`` those that it has."""
    return [column.name for column in COLUMNS if column.group in groups and (not table or table in column.tables)]


def heading(name: str) -> str:
    """What a column is called in tables and figures."""
    return _BY_NAME[name].heading


def is_text(name: str) -> bool:
    """Tell whether a column holds texts; a column that is not in the schema does."""
    return name not in _BY_NAME or _BY_NAME[name].is_text


def show(name: str, value: float) -> str:
    """A number of a column as text for a table, a dash where there is none."""
    return number(value, _BY_NAME[name].decimals)


def number(value: float, decimals: int = 3) -> str:
    """A number as text, a dash where there is none."""
    return f"{value:,.{decimals}f}".replace("-", MINUS) if math.isfinite(value) else DASH


def signed(value: float, decimals: int = 3) -> str:
    """A difference as text, with its sign."""
    return f"{value:+.{decimals}f}".replace("-", MINUS)


def convert(table: "pd.DataFrame", *, strict: bool) -> "pd.DataFrame":
    """Give the columns of a table of texts their types: an empty number is NaN, a text stays as it is.

    Parameters
    ----------
    table : pd.DataFrame of str
    strict : bool
        A text in a column of numbers is an error; otherwise it becomes NaN.

    Raises
    ------
    ValueError
        Its message names the column.
    """
    import pandas as pd  # here, so that --help is quick

    converted = table.copy()
    for name in table.columns:
        if is_text(name):
            continue
        values = table[name].where(table[name] != "", math.nan)
        try:
            converted[name] = pd.to_numeric(values, errors="raise" if strict else "coerce")
        except ValueError as error:
            raise ValueError(f"a value of {name} is no number") from error
    return converted


def markdown(columns: Iterable[Column] = COLUMNS) -> str:
    """The columns as the table of ``docs/columns.md``."""
    lines = ["| column | heading | table | meaning |", "|---|---|---|---|"]
    for column in columns:
        table = "both" if len(column.tables) > 1 else column.tables[0]
        lines.append(f"| `{column.name}` | {column.heading} | {table} | {column.meaning} |")
    return "\n".join(lines)
