"""What a model is called in the report: its name and, where it was run in several ways, what tells them apart."""

from collections.abc import Sequence
from dataclasses import fields

import numpy as np
import pandas as pd

from mimii.models import REGISTRY
from mimii.settings import NATIVE, ClipSettings, TrainingSettings
from mimii.storage import schema
from mimii.sweep.identity import used_settings

# what makes two rows of one model results of different things; the seed makes them repetitions of the same
SETTINGS = schema.of_group("setting")
_OF_SCORES = ("scoring", "score_pooling")  # settings that make other scores of the same trained model


def without_unused_settings(rows: pd.DataFrame) -> pd.DataFrame:
    """Empty the training settings that make no difference to a model; older tables have them in every row.

    Models that are not in the registry keep all of them.
    """
    rows = rows.copy()
    settings = TrainingSettings(epochs=1, batch_size=1)  # all of them have a value
    fused = rows["fuse"].fillna("") if "fuse" in rows else pd.Series("", index=rows.index)
    for (model, device, fuse), group in rows.groupby([rows["model"], rows["device"], fused]):
        if model not in REGISTRY:
            continue
        clip = ClipSettings(fuse=tuple(str(fuse).split())) if fuse else ClipSettings()
        used = used_settings(str(model), settings, str(device), clip)
        for name in (field.name for field in fields(settings) if field.name not in used):
            rows.loc[group.index, name] = "" if schema.is_text(name) else np.nan
    return rows


def with_labels(rows: pd.DataFrame) -> pd.DataFrame:
    """Add the columns ``label``, and ``trained``, the label without the settings that only scores depend on."""
    of_training = [name for name in SETTINGS if name not in _OF_SCORES]
    return rows.assign(label=_labels(rows, SETTINGS), trained=_labels(rows, of_training))


def _labels(rows: pd.DataFrame, settings: Sequence[str]) -> pd.Series:
    """The model and, where it was run with several settings, those that differ between its rows."""
    labels = rows["model"].copy()
    known = rows[list(settings)].replace("", None)
    if "scoring" in known:  # a model's own way of scoring, which is its only one, needs no name
        known["scoring"] = known["scoring"].replace(NATIVE, None)
    for _, group in rows.groupby(["model", "classification_type"]):
        of_model = known.loc[group.index]
        # how it was scored is part of a detector's name as soon as any two of them differ in it
        varied = [name for name in settings if (known if name == "scoring" else of_model)[name].nunique() > 1]
        for index in of_model.index:
            parts = [
                setting_text(value) if name == "scoring" else f"{name}={setting_text(value)}"
                for name in varied
                if pd.notna(value := of_model[name][index])
            ]
            if parts:
                labels.loc[index] += f" ({', '.join(parts)})"
    return labels


def setting_text(value: object) -> str:
    """A setting as text, a number without needless digits."""
    if isinstance(value, float):
        return f"{value:.0f}" if value.is_integer() else f"{value:g}"
    return str(value)


def settings_text(rows: pd.DataFrame) -> str:
    """The settings of some rows, with all of the values that they have."""
    values = {name: rows[name].replace("", None).dropna().unique() for name in [*SETTINGS, "seed"]}
    return "; ".join(
        f"{name} {', '.join(setting_text(value) for value in found)}" for name, found in values.items() if len(found)
    )
