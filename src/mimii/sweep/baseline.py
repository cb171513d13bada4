"""The MIMII authors' baseline as one more detector, and how it compares with the published figures."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import yaml

from mimii.data.mimii import published_baseline
from mimii.data.recordings import MACHINE
from mimii.features.windows import Features, Windows
from mimii.storage import files
from mimii.sweep.detection import DetectionTask
from mimii.sweep.engine import Session
from mimii.sweep.task import Outcome, Task


@dataclass(frozen=True, eq=False, kw_only=True)
class BaselineTask(DetectionTask):
    """The authors' autoencoder for one machine; see `mimii.sweep.task.Task`."""

    def training_windows(self, features: Features) -> tuple[Windows, Windows]:
        """The last windows are for validation, as Keras' ``validation_split`` has it."""
        is_train = (features.recordings["split"] == "train").to_numpy()
        windows = features.windows(self.settings.frames, is_train)
        count = int(len(windows) * (1 - self.settings.val_split))
        return windows.take(slice(0, count)), windows.take(slice(count, None))


class BaselineSession(Session):
    """Keeps the authors' result file and a figure of the loss, after every machine."""

    def keep(self, outcome: Outcome) -> None:
        """Keep the rows, then what follows from them."""
        super().keep(outcome)
        for place, history in outcome.files.items():
            if place.parent.name == "history":
                (row,) = outcome.rows
                _draw_loss(history, _authors_name(row), self.args.result_dir / "baseline_loss")
        self._write_result_file()

    def run(self, tasks: Sequence[Task], summary: "Comparison") -> int:
        """Do what is not done yet; the result file has what was done before, too."""
        status = super().run(tasks, summary)
        self._write_result_file()
        return status

    def _write_result_file(self) -> None:
        content = {_authors_name(row): {"AUC": float(row["auc"])} for row in self.rows().to_dict("records")}
        with files.whole_file(self.args.result_file) as temporary:
            temporary.write_text(yaml.safe_dump(content), encoding="utf-8")


class Comparison:
    """The table that the script ends with: each machine beside the published figures."""

    def table(self, rows: pd.DataFrame) -> str:
        """Format rows of the results table.

        An AUC is *within* where it lies between those of the two published runs, which show how far the same code
        differs from itself; that of a part of a machine is not really comparable, and a last line says so.
        """
        table = rows[[*MACHINE, "auc", "train_files", "eval_files"]].merge(published_baseline(), on=MACHINE, how="left")
        runs = table[["auc_run1", "auc_run2"]]
        clips = table["train_files"] + table["eval_files"]
        published_clips = table["normal_clips"] + table["abnormal_clips"]
        is_whole = clips == published_clips
        table["published"] = runs.mean(axis=1)
        table["difference"] = table["auc"] - table["published"]
        within = table["auc"].between(runs.min(axis=1), runs.max(axis=1)).map({True: "yes", False: "no"})
        table["within"] = within.where(table["published"].notna(), "-")
        table["clips"] = clips.astype(str) + "/" + published_clips.map("{:.0f}".format).replace("nan", "-")
        table["machine"] = table[MACHINE].agg(" ".join, axis=1).str.strip()
        shown = table[["machine", "clips", "auc", "published", "difference", "within"]].sort_values("machine")
        text = shown.to_string(index=False, float_format="{:.3f}".format, na_rep="-").splitlines()
        mean = f"mean AUC {table['auc'].mean():.3f}"
        if table["published"].notna().any():
            mean += f", of the published ones {table['published'].mean():.3f}"
        lines = [text[0], "-" * len(text[0]), *text[1:], "", mean]
        if not is_whole.all():
            lines.append(
                f"{(~is_whole).sum()} of {len(table)} machines are only in part here: mind that when comparing"
            )
        return "\n".join(lines)


def _authors_name(row: dict) -> str:
    """A machine as the authors name it: fan_id_00_0dB."""
    return "_".join(filter(None, (row["machine_type"], row["machine_id"], row["snr"])))


def _draw_loss(history: pd.DataFrame, name: str, directory: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5, 3.5), layout="constrained")
    axes = figure.subplots()
    axes.plot(history["epoch"], history["train_loss"], color="#0072B2", label="training")
    axes.plot(history["epoch"], history["val_loss"], color="#D55E00", linestyle="--", label="validation")
    axes.set(title=name, xlabel="epoch", ylabel="mean squared error")
    axes.legend()
    with files.whole_file(directory / f"{name}.png") as temporary:
        figure.savefig(temporary, dpi=150)
