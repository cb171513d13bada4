"""The authors' baseline: its result file, a figure of each loss, and a comparison with published figures."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from mimii.data.machines import MACHINE
from mimii.data.mimii import published_baseline
from mimii.storage.files import whole_file


def authors_name(row: Mapping[Any, Any]) -> str:
    """The machine of a row as the authors name it: fan_id_00_0dB."""
    return "_".join(filter(None, (row["machine_type"], row["machine_id"], row["snr"])))


def write_result_file(path: Path, rows: pd.DataFrame) -> None:
    """Write the AUC of each machine as the authors' code does."""
    content = {authors_name(row): {"AUC": float(row["auc"])} for row in rows.to_dict("records")}
    with whole_file(path) as temporary:
        temporary.write_text(yaml.safe_dump(content, allow_unicode=True), encoding="utf-8")


def draw_loss(history: pd.DataFrame, name: str, directory: Path) -> None:
    """Draw the losses of a training.

    Parameters
    ----------
    history : pd.DataFrame
        ``epoch``, ``train_loss``, ``val_loss``.
    name : str
        Title, and name of the PNG.
    directory : Path
    """
    from matplotlib.figure import Figure

    from mimii.drawing import ABNORMAL, NORMAL, drawing

    with drawing():
        figure = Figure(figsize=(5, 3.5), layout="constrained")
        axes = figure.subplots()
        axes.plot(history["epoch"], history["train_loss"], color=NORMAL, label="training")
        axes.plot(history["epoch"], history["val_loss"], color=ABNORMAL, linestyle="--", label="validation")
        axes.set(title=name, xlabel="epoch", ylabel="mean squared error")
        axes.legend()
        with whole_file(directory / f"{name}.png") as temporary:
            figure.savefig(temporary, dpi=150)


def comparison(rows: pd.DataFrame) -> str:
    """Each machine beside the published figures, as lines of text under a heading.

    An AUC is *within* where it lies between those of the two published runs, whose difference shows how much the same
    code varies. The AUC of a part of a machine is not comparable, and a last line says so.
    """
    table = rows[[*MACHINE, "auc", "train_files", "eval_files"]].merge(published_baseline(), on=MACHINE, how="left")
    runs = table[["auc_run1", "auc_run2"]]
    clips = table["train_files"] + table["eval_files"]
    published_clips = table["normal_clips"] + table["abnormal_clips"]
    is_whole = clips == published_clips
    table["published"] = runs.mean(axis=1)
    is_compared = table["published"].notna() & table["auc"].notna()
    table["difference"] = table["auc"] - table["published"]
    within = table["auc"].between(runs.min(axis=1), runs.max(axis=1)).map({True: "yes", False: "no"})
    table["within"] = within.where(is_compared, "-")
    table["clips"] = clips.astype(str) + "/" + published_clips.map("{:.0f}".format).replace("nan", "-")
    table["machine"] = table[MACHINE].agg(" ".join, axis=1).str.strip()
    shown = table[["machine", "clips", "auc", "published", "difference", "within"]].sort_values("machine")
    heading, *lines = shown.to_string(index=False, float_format="{:.3f}".format, na_rep="-").splitlines()
    if table["auc"].isna().all():
        return "\n".join([heading, "-" * len(heading), *lines, "", "no AUC: it takes normal and abnormal recordings"])
    mean = f"mean AUC {table['auc'].mean():.3f}"
    if table["published"].notna().any():
        mean += f", of the published ones {table['published'].mean():.3f}"
    lines = [heading, "-" * len(heading), *lines, "", mean]
    if not is_whole.all():
        lines.append(f"{(~is_whole).sum()} of {len(table)} machines are only in part here: do not compare their AUC")
    return "\n".join(lines)
