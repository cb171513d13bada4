"""The figure of losses."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure as Canvas
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter, StrMethodFormatter

from mimii.data.machines import MACHINE
from mimii.drawing import COLOURS, drawing
from mimii.report.figure import NARROW, WIDE, Figure, legend_below, panels, set_title
from mimii.report.loading import Results
from mimii.report.rows import has_seeds, machines_only
from mimii.report.texts import synthetic_note

_SPAN = 20  # a loss that falls by more than this factor is drawn on a logarithmic axis
_RISE = 1.05  # a validation loss that ends so far above its lowest value is worth a word


@dataclass
class _Losses:
    """The losses of a network: of each machine a series over the epochs."""

    training: list[pd.Series] = field(default_factory=list)
    validation: list[pd.Series] = field(default_factory=list)

    def add(self, history: pd.DataFrame) -> None:
        """Add a machine."""
        epochs = history.set_index("epoch")
        for column, found in (("train_loss", self.training), ("val_loss", self.validation)):
            if column in epochs and len(losses := epochs[column].dropna()):
                found.append(losses)

    @property
    def means(self) -> tuple[pd.Series, pd.Series]:
        """Over the machines: of training and of validation, which may be empty."""
        training, validation = (
            pd.concat(found).groupby(level=0).mean() if found else pd.Series(dtype=float)
            for found in (self.training, self.validation)
        )
        return training, validation


def losses(results: Results) -> list[Figure]:
    """Loss against epochs, of each network that has one."""
    rows = machines_only(results.detection)
    # however many ways it was scored in; of several seeds the first
    first = rows.drop_duplicates(["trained", *MACHINE])
    found: dict[str, _Losses] = {}
    for label, run_id in zip(first["trained"], first["run_id"], strict=True):
        history = results.kept("history", run_id, ["epoch", "train_loss"])
        if history is not None and np.isfinite(history["train_loss"]).any():
            found.setdefault(label, _Losses()).add(history)
    if not found:
        return []
    means = {label: one.means for label, one in found.items()}
    title = "Loss while training"
    with drawing():
        canvas, narrow = (_draw(found, means, width) for width in (WIDE, NARROW))
        for one in (canvas, narrow):
            set_title(one, title, is_synthetic=results.is_synthetic)
    seeds = " Of several seeds the first is shown." if has_seeds(rows) else ""
    return [
        Figure(
            name="losses",
            title=title,
            caption="Loss of each network against the epochs: the means over its machines and, faint, the training of "
            f"each machine.{seeds} The losses of different models are not comparable."
            f"{synthetic_note(results.is_synthetic)}",
            alt=f"Training and validation loss against epochs of {', '.join(found)}. {_finding(means)}",
            canvas=canvas,
            narrow=narrow,
        )
    ]


def _finding(means: Mapping[str, tuple[pd.Series, pd.Series]]) -> str:
    """Which networks learn by heart, in a sentence: those whose validation loss ends well above its lowest value."""
    validations = {label: validation for label, (_, validation) in means.items() if len(validation)}
    if not validations:
        return "There are no validation losses."
    rising = [label for label, one in validations.items() if one.iloc[-1] - one.min() > (_RISE - 1) * abs(one.min())]
    which = f"The validation loss of {', '.join(rising)}" if rising else "No validation loss"
    return f"{which} ends more than {100 * (_RISE - 1):.0f} % above its lowest value."


def _draw(found: Mapping[str, _Losses], means: Mapping[str, tuple[pd.Series, pd.Series]], width: float) -> Canvas:
    count = len(found)
    # of the numbers of columns in which a panel can be read, the one that leaves the fewest places empty
    columns = min((4, 5, 3) if width > NARROW else (2,), key=lambda number: -count % min(number, count))
    columns = min(columns, count)
    canvas, all_axes = panels(
        count, columns=columns, width=min(width / columns, 3.6), height=1.7, labels=("Epoch", "Loss")
    )
    for axes, (label, one) in zip(all_axes, found.items(), strict=True):
        _draw_losses(axes, one, *means[label])
        axes.set_title(label, fontsize=8)
    legend_below(canvas, all_axes)
    return canvas


def _draw_losses(axes: Axes, one: _Losses, training: pd.Series, validation: pd.Series) -> None:
    if len(one.training) > 1:
        lines = [np.column_stack([losses.index, losses]) for losses in one.training]
        faint = max(0.15, 1 / np.sqrt(len(lines)))
        name = "training, each machine"
        axes.add_collection(LineCollection(lines, colors=COLOURS[0], linewidths=0.7, alpha=faint, label=name))
    for mean, colour, line, name in (
        (training, COLOURS[0], "-", "training, mean"),
        (validation, COLOURS[1], "--", "validation, mean"),
    ):
        if len(mean):
            axes.plot(mean, color=colour, linestyle=line, marker="o" if len(mean) == 1 else None, label=name)
    axes.autoscale_view()
    values = np.concatenate([*one.training, *one.validation])
    if values.min() > 0 and values.max() > _SPAN * values.min():
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(numticks=5))
        axes.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        axes.yaxis.set_minor_formatter(NullFormatter())
    else:
        axes.yaxis.set_major_locator(MaxNLocator(4))
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    axes.tick_params(labelsize=7)
