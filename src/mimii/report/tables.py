"""The tables of the report, each one as LaTeX (booktabs), Markdown, CSV and for the page."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from mimii.data.recordings import MACHINE, machine_name
from mimii.models import REGISTRY
from mimii.report import loading, statistics
from mimii.report.loading import MINUS, PUBLISHED, Results, snr_title, snrs
from mimii.storage import files

TITLES = {
    "auc": "AUC",
    "pr_auc": "PR-AUC",
    "pauc": "pAUC",
    "accuracy": "Accuracy",
    "balanced_accuracy": "Balanced accuracy",
    "precision": "Precision",
    "recall": "Recall",
    "f1": "F1",
    "f1_macro": "Macro F1",
    "roc_auc": "ROC AUC",
    "num_parameters": "Parameters",
    "model_size_mb": "Size [MB]",
    "training_time_sec": "Training [s]",
    "inference_time_ms": "Latency [ms]",
    "throughput_samples_per_sec": "Windows/s",
    "memory_usage_mb": "GPU memory [MB]",
    "peak_ram_mb": "RAM [MB]",
}
TASKS = {"machine_type": "normal or abnormal", "machine_id": "which individual machine"}
DASH = "\N{EN DASH}"  # where there is no number
_LONG = 40  # rows from which on a LaTeX table may break over pages
_NARROW = 7  # columns up to which it may, for only a table on one page can be scaled to its width
_FIT = r"\resizebox{\ifdim\width>\textwidth\textwidth\else\width\fi}{!}"  # only what is wider than the text shrinks
_TEX = {"±": r"$\pm$", MINUS: "$-$", "†": r"$^\dagger$", DASH: "--"}


@dataclass
class Table:
    """A table: what is shown, and the numbers behind it.

    Attributes
    ----------
    name : str
        Of its files.
    title, caption : str
    texts : pd.DataFrame
        What is shown; the index is the first column.
    values : pd.DataFrame
        Numbers of the same shape, by which the page sorts.
    marks : pd.DataFrame
        Of the same shape: ``best``, ``second`` or empty.
    data : pd.DataFrame
        What the CSV holds, unrounded.
    """

    name: str
    title: str
    caption: str
    texts: pd.DataFrame
    values: pd.DataFrame
    marks: pd.DataFrame
    data: pd.DataFrame

    @property
    def _alignment(self) -> list[str]:
        """Of each column, the index first: numbers to the right."""
        return ["left", *("left" if is_text else "right" for is_text in self.values.isna().all())]

    def to_latex(self) -> str:
        """A float for a paper; its comment names the packages that it needs."""
        is_long = len(self.texts) > _LONG and self.texts.shape[1] <= _NARROW
        styles = {"best": "textbf:--rwrap;", "second": "underline:--rwrap;", "": ""}
        # the styles are given by position: a label can be there twice
        css = self.marks.map(styles.get).to_numpy()
        frame = self.texts.reset_index()
        css = np.hstack([np.full((len(frame), 1), ""), css])
        text = (
            frame.style.hide(axis="index")
            .format(escape="latex")
            .format_index(escape="latex", axis="columns")
            .apply(lambda _: css, axis=None)
            .to_latex(
                hrules=True,
                column_format="".join("l" if column == "left" else "r" for column in self._alignment),
                caption=_latex(self.caption),
                label=f"tab:{self.name.replace('_', '-')}",
                environment="longtable" if is_long else None,
                position=None if is_long else "t",
                position_float=None if is_long else "centering",
            )
        )
        for character, command in _TEX.items():
            text = text.replace(character, command)
        if is_long:
            text = f"\\begingroup\\footnotesize\n{text}\\endgroup\n"
        else:
            text = text.replace(r"\begin{tabular}", _FIT + "{%\n\\begin{tabular}")
            text = text.replace(r"\end{tabular}", r"\end{tabular}}")
        return f"% \\usepackage{{booktabs,graphicx,longtable}}\n{text}"

    def to_markdown(self) -> str:
        """A table for a README."""
        wraps = {"best": "**{}**", "second": "<u>{}</u>", "": "{}"}
        shown = [
            [wraps[mark].format(text) for text, mark in zip(texts, marks, strict=True)]
            for texts, marks in zip(self.texts.to_numpy(), self.marks.to_numpy(), strict=True)
        ]
        frame = pd.DataFrame(shown, index=self.texts.index, columns=self.texts.columns)
        return f"{frame.to_markdown(colalign=self._alignment, disable_numparse=True)}\n\n{self.caption}\n"

    def write(self, directory: Path) -> None:
        """Write all forms of the table."""
        for suffix, text in (
            ("tex", self.to_latex()),
            ("md", self.to_markdown()),
            ("csv", self.data.to_csv(index=False)),
        ):
            with files.whole_file(directory / f"{self.name}.{suffix}") as temporary:
                temporary.write_text(text, encoding="utf-8")


def _latex(text: str) -> str:
    """Escape what LaTeX reads as a command."""
    for character in "&%$#_{}":
        text = text.replace(character, f"\\{character}")
    return text


def marks(values: pd.DataFrame, comparable: pd.DataFrame | None = None, decimals: int = 3) -> pd.DataFrame:
    """The best value of each column and the second, as a reader sees them: rounded; equal ones are marked alike.

    Parameters
    ----------
    values : pd.DataFrame
        Higher is better.
    comparable : pd.DataFrame of bool, optional
        Which cells take part.
    decimals : int
    """
    shown = values.round(decimals)
    if comparable is not None:
        shown = shown.where(comparable)
    ranks = shown.rank(method="dense", ascending=False)
    names = {1.0: "best", 2.0: "second"}
    found = ranks.map(lambda rank: names.get(rank, ""))
    alone = shown.notna().sum() < 2  # the only one is not the best
    found.loc[:, alone.to_numpy()] = ""
    return found


def mean_and_std(rows: pd.DataFrame, metric: str, over_seeds: bool, what: Sequence[str] = MACHINE) -> dict:
    """Mean over machines of one model's rows, and the standard deviation over machines or over seeds.

    Parameters
    ----------
    rows : pd.DataFrame
    metric : str
    over_seeds : bool
        The deviation is that of the seeds' means, of the seeds that have all of the machines.
    what : sequence of str
        The columns that tell one machine from another.

    Returns
    -------
    dict
        ``mean``, ``std`` and ``n``, the number of machines.
    """
    table = rows.pivot(index=list(what), columns="seed", values=metric).dropna(how="all")
    if table.empty:
        return {"mean": np.nan, "std": np.nan, "n": 0}
    per_machine = table.mean(axis=1)
    std = table.dropna(axis="columns").mean().std() if over_seeds else per_machine.std()
    return {"mean": per_machine.mean(), "std": std, "n": len(table)}


def has_seeds(rows: pd.DataFrame) -> bool:
    """Tell whether a model was run with several seeds."""
    return bool(len(rows)) and rows.groupby("label")["seed"].nunique().max() > 1


def _deviation(over_seeds: bool, what: str) -> str:
    if over_seeds:
        return f"mean over the {what} and standard deviation over the seeds"
    return f"mean and standard deviation over the {what}"


def _about(results: Results) -> str:
    return " Synthetic demo data, not real machines." if results.is_synthetic else ""


def _means_table(
    groups: dict[str, Callable[[pd.DataFrame], pd.DataFrame]],
    rows: pd.DataFrame,
    metrics: dict[str, str],
    *,
    over_seeds: bool,
    what: Sequence[str] = MACHINE,
    **names: str,
) -> Table:
    """Means of each model in each group: the columns are groups, of one metric, or metrics, of one group.

    Parameters
    ----------
    groups : dict of str to callable
        Heading, and which of the rows belong to it.
    rows : pd.DataFrame
    metrics : dict of str to str
        Heading and metric of each column; headings are those of the groups.
    over_seeds, what
        See `mean_and_std`.
    **names : str
        Name, title and caption.
    """
    labels = list(rows["label"].unique())
    cells = {
        heading: [
            mean_and_std(choose(rows[rows["label"] == label]), metrics[heading], over_seeds, what) for label in labels
        ]
        for heading, choose in groups.items()
    }
    index = pd.Index(labels, name="Model")
    values, deviations, counts = (
        pd.DataFrame({heading: [cell[key] for cell in column] for heading, column in cells.items()}, index=index)
        for key in ("mean", "std", "n")
    )
    full = counts == counts.max()
    texts = pd.DataFrame(
        [
            [
                number(mean) + (f" ± {std:.3f}" if np.isfinite(std) else "") + ("" if whole or not n else "†")
                for mean, std, whole, n in zip(*parts, strict=True)
            ]
            for parts in zip(*(frame.to_numpy() for frame in (values, deviations, full, counts)), strict=True)
        ],
        index=index,
        columns=values.columns,
    )
    own = np.array(index != PUBLISHED)[:, None]
    names["caption"] += " Best in bold, second underlined."
    if texts.stack().str.endswith("†").any():
        names["caption"] += " † not all of the machines that other models have; not ranked."
    data = pd.concat({"mean": values, "std": deviations, "n": counts}, axis=1).swaplevel(axis=1)[values.columns]
    data.columns = [" ".join(pair) for pair in data.columns]
    return Table(texts=texts, values=values, marks=marks(values, full & own), data=data.reset_index(), **names)


def number(value: float, decimals: int = 3) -> str:
    """A number as text, a dash where there is none."""
    return f"{value:,.{decimals}f}" if np.isfinite(value) else DASH


def signed(value: float) -> str:
    """A difference as text."""
    return f"{value:+.3f}".replace("-", MINUS)


def by_type(results: Results, metric: str) -> list[Table]:
    """Model x machine type, one table at each SNR, and model x SNR where there are several."""
    rows = loading.machines_only(results.detection).dropna(subset=metric)
    if rows.empty:
        return []
    over_seeds = has_seeds(rows)
    if metric == "auc" and len(published := loading.published_rows(results)):
        rows = pd.concat([rows, published], ignore_index=True)
    deviation = _deviation(over_seeds, "machine IDs")
    title = TITLES[metric]
    tables = []
    for snr in snrs(rows):
        here = rows[rows["snr"] == snr]
        groups = {kind: _having(machine_type=kind) for kind in sorted(here["machine_type"].unique())}
        if len(groups) > 1:
            groups["mean"] = _having()
        at = f" at {snr_title(snr)}" if snr else ""
        tables.append(
            _means_table(
                groups,
                here,
                dict.fromkeys(groups, metric),
                over_seeds=over_seeds,
                name="_".join(filter(None, [metric, snr])),
                title=f"{title} by machine type{at}",
                caption=f"{title} of each model by machine type{at}: {deviation}."
                f"{_caption_of_metric(metric)}{_about_published(here)}{_about(results)}",
            )
        )
    if len(tables) > 1:
        groups = {snr_title(snr) or "no SNR": _having(snr=snr) for snr in snrs(rows)} | {"mean": _having()}
        tables.append(
            _means_table(
                groups,
                rows,
                dict.fromkeys(groups, metric),
                over_seeds=over_seeds,
                name=f"{metric}_overall",
                title=f"{title} by SNR",
                caption=f"{title} of each model by SNR: {_deviation(over_seeds, 'machines')}."
                f"{_about_published(rows)}{_about(results)}",
            )
        )
    return tables


def _having(**wanted: str) -> Callable[[pd.DataFrame], pd.DataFrame]:
    def choose(rows: pd.DataFrame) -> pd.DataFrame:
        for column, value in wanted.items():
            rows = rows[rows[column] == value]
        return rows

    return choose


def _caption_of_metric(metric: str) -> str:
    return " The area ends at a false-positive rate of 0.1 and is scaled so that chance is 0.5." * (metric == "pauc")


def _about_published(rows: pd.DataFrame) -> str:
    if not (rows["label"] == PUBLISHED).any():
        return ""
    return (
        f" {PUBLISHED}: not run here; mean of two third-party runs of the MIMII authors' dense autoencoder on the "
        "same machines; not ranked."
    )


def decisions(results: Results) -> list[Table]:
    """Precision, recall and F1 of each detector at its threshold, one table at each SNR."""
    rows = loading.machines_only(results.detection).dropna(subset=["threshold", "f1"])
    tables = []
    for snr in snrs(rows):
        here = rows[rows["snr"] == snr]
        metrics = {TITLES[name]: name for name in ("precision", "recall", "f1")}
        over_seeds = has_seeds(here)
        at = f" at {snr_title(snr)}" if snr else ""
        tables.append(
            _means_table(
                dict.fromkeys(metrics, _having()),
                here,
                metrics,
                over_seeds=over_seeds,
                name="_".join(filter(None, ["threshold", snr])),
                title=f"Decisions at the threshold{at}",
                caption=f"Precision, recall and F1 of the abnormal recordings at each machine's own threshold{at}, the "
                f"90th percentile of a gamma distribution fitted to scores of normal recordings: "
                f"{_deviation(over_seeds, 'machines')}. No label was used.{_about(results)}",
            )
        )
    return tables


def machines(results: Results, metric: str) -> list[Table]:
    """Every machine x model."""
    rows = loading.machines_only(results.detection).dropna(subset=metric)
    if rows.empty:
        return []
    table = loading.by_machine(rows, metric).T  # (machines, models)
    values = table.copy()
    values.index = pd.Index([machine_name(machine) for machine in table.index], name="Machine")
    values.columns.name = None
    over = ", mean over the seeds" if has_seeds(rows) else ""
    caption = f"{TITLES[metric]} of every machine{over}. Best in bold, second underlined.{_about(results)}"
    return [
        Table(
            name=f"machines_{metric}",
            title=f"{TITLES[metric]} of every machine",
            caption=caption,
            texts=values.map(number),
            values=values,
            marks=marks(values.T).T,
            data=table.reset_index(),
        )
    ]


def intervals(results: Results) -> list[Table]:
    """The bootstrap interval of each AUC."""
    found = []
    rows = loading.machines_only(results.detection)
    for row in rows[rows["run_id"].isin(list(results.scores))].to_dict("records"):
        scores = results.scores[row["run_id"]]
        is_abnormal = (scores["label"] == "abnormal").to_numpy()
        low, high = statistics.auc_interval(is_abnormal, scores["score"].to_numpy())
        counts = {"normal": int((~is_abnormal).sum()), "abnormal": int(is_abnormal.sum())}
        found.append(
            {**{key: row[key] for key in [*MACHINE, "label", "seed", "auc"]}, "low": low, "high": high, **counts}
        )
    if not found:
        return []
    data = pd.DataFrame(found)
    data = data.sort_values(MACHINE, key=lambda c: c.map(loading.decibels) if c.name == "snr" else c, kind="stable")
    index = pd.Index([machine_name(machine) for machine in data[MACHINE].to_numpy()], name="Machine")
    shown = data.set_index(index)[["label", "seed", "auc", "low", "high", "normal", "abnormal"]]
    if data["seed"].nunique() == 1:
        shown = shown.drop(columns="seed")
    texts = shown.astype(object).copy()
    for name in ("auc", "low", "high"):
        texts[name] = shown[name].map(number)
    headings = {"label": "Model", "seed": "Seed", "auc": "AUC", "normal": "Normal", "abnormal": "Abnormal"}
    values = shown.assign(label=np.nan).rename(columns=headings)
    texts = texts.astype(str).rename(columns=headings)
    return [
        Table(
            name="intervals",
            title="95 % interval of each AUC",
            caption=f"AUC of each model on every machine with its 95 % bootstrap interval (percentiles of "
            f"{statistics.RESAMPLES:,} resamples, stratified over normal and abnormal recordings).{_about(results)}",
            texts=texts,
            values=values,
            marks=texts.map(lambda _: ""),
            data=data,
        )
    ]


def efficiency(results: Results, metric: str) -> list[Table]:
    """Cost of each model beside the mean of a metric: of the detectors, and of the classifiers for each task."""
    tables = _costs(loading.machines_only(results.detection), metric, results, "detection")
    rows = loading.pools_or_machines(results.classification)
    for task in sorted(rows["classification_type"].unique(), reverse=True):
        of_task = rows[rows["classification_type"] == task]
        tables += _costs(of_task, "balanced_accuracy", results, task)
    return tables


def _costs(rows: pd.DataFrame, metric: str, results: Results, task: str) -> list[Table]:
    """A table of costs, means over the machines or pools of the rows; none where there is nothing to show."""
    columns = [column for column in loading.COST if rows[column].notna().any()]
    columns = [column for column in columns if column != "memory_usage_mb" or rows[column].gt(0).any()]
    if rows.empty or not columns:
        return []
    shown = [metric, *columns] if rows[metric].notna().any() else columns
    means = rows.groupby("label", sort=False)[shown].mean()
    means.index.name = "Model"
    values = means.rename(columns=TITLES)
    whole = ("num_parameters", "throughput_samples_per_sec", "peak_ram_mb", "memory_usage_mb")
    decimals = dict.fromkeys(whole, 0) | {"training_time_sec": 2}
    texts = pd.DataFrame({TITLES[name]: [number(v, decimals.get(name, 3)) for v in means[name]] for name in shown})
    texts.index = means.index
    best = values.map(lambda _: "")
    if metric in shown:
        best[[TITLES[metric]]] = marks(values[[TITLES[metric]]])
    devices = ", ".join(filter(None, rows["device_name"].unique())) or "an unknown device"
    pooled = [name for name in rows["model"].unique() if name in REGISTRY and REGISTRY[name].options]
    whole = f", or of {', '.join(pooled)}, which judge recordings as a whole, of one recording" if pooled else ""
    return [
        Table(
            name=f"efficiency_{task}",
            title=f"Efficiency, {TASKS.get(task, 'anomaly detection')}",
            caption=f"Cost of each model beside its {TITLES[metric]}, means over what it was trained for. "
            f"Measured on {devices}; latency is that of a single window{whole}; RAM is that of the worker process "
            f"with its libraries.{_about(results)}",
            texts=texts,
            values=values,
            marks=best,
            data=means.reset_index(),
        )
    ]


def classification(results: Results) -> list[Table]:
    """For each task the metrics of each model, at each SNR."""
    rows = loading.pools_or_machines(results.classification)
    shown = [
        name for name in ("accuracy", "balanced_accuracy", "precision", "recall", "f1") if rows[name].notna().any()
    ]
    tables = []
    for task in sorted(rows["classification_type"].unique(), reverse=True):
        of_task = rows[rows["classification_type"] == task]
        over_seeds = has_seeds(of_task)
        for snr in snrs(of_task):
            here = of_task[of_task["snr"] == snr]
            at = f" at {snr_title(snr)}" if snr not in ("", "all") else ""
            about = TASKS.get(task, task)
            groups = {TITLES[name]: _having() for name in shown}
            tables.append(
                _means_table(
                    groups,
                    here,
                    {TITLES[name]: name for name in shown},
                    over_seeds=over_seeds,
                    name="_".join(filter(None, ["classification", task, snr])),
                    title=f"Classification, {about}{at}",
                    caption=f"Classification, {about}{at}: {_deviation(over_seeds, 'pools of machines')}. Precision, "
                    f"recall and F1 are weighted by the number of each class.{_about(results)}",
                )
            )
    return tables


def tests(comparison: statistics.Comparison, metric: str, results: Results) -> list[Table]:
    """Average ranks, and the pairs of models with their p-values."""
    ranks = comparison.ranks.rename_axis("Model").to_frame("Average rank")
    found = [
        Table(
            name="ranks",
            title="Average ranks",
            caption=f"Average rank of each model by {TITLES[metric]} over {comparison.machines} machines; 1 is the "
            f"best.{_about(results)}",
            texts=ranks.map(lambda value: number(value, 2)),
            values=ranks,
            marks=ranks.map(lambda _: ""),
            data=ranks.reset_index(),
        )
    ]
    if len(comparison.pairs):
        pairs = comparison.pairs.sort_values(["p_holm", "p"], kind="stable")
        mean = f"Mean A {MINUS} B"
        headings = {"b": "Model B", "difference": mean, "p": "p", "p_holm": "p (Holm)"}
        values = pairs.set_index(pairs["a"].rename("Model A")).drop(columns="a").rename(columns=headings)
        texts = values.astype(object).copy()
        texts[mean] = values[mean].map(signed)
        for column in ("p", "p (Holm)"):
            texts[column] = ["< 0.001" if value < 0.001 else f"{value:.3f}" for value in values[column]]
        found.append(
            Table(
                name="pairs",
                title="Pairs of models",
                caption=f"Wilcoxon signed-rank tests of {TITLES[metric]} over {comparison.machines} machines, "
                f"two-sided, with Holm's correction for {len(pairs)} pairs.{_about(results)}",
                texts=texts,
                values=values.assign(**{"Model B": np.nan}),
                marks=texts.map(lambda _: ""),
                data=pairs,
            )
        )
    return found
