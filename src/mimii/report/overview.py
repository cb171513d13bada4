"""What was run: which machines, recordings, models, settings and versions the results are of."""

from collections.abc import Sequence

import pandas as pd

from mimii.data.machines import MACHINE, machine_name
from mimii.report.labels import settings_text
from mimii.report.loading import Results
from mimii.report.rows import groups_or_machines, machines_only
from mimii.report.snr import snr_title, snrs


def run_facts(loaded: Sequence[Results]) -> dict[str, str]:
    """The facts as texts, by their titles."""
    detection = pd.concat([results.detection for results in loaded])
    classification = pd.concat([results.classification for results in loaded])
    rows = pd.concat([detection, classification])
    facts = {"Machines": _machines(rows)}
    for task, table, evaluated in (
        ("detection", detection, machines_only),
        ("classification", classification, groups_or_machines),
    ):
        if table.empty:
            continue
        models = list(table["label"].unique())
        facts[f"Models, {task}"] = f"{len(models)}: {', '.join(models)}"
        units = evaluated(table.drop_duplicates([*MACHINE, "train_files", "eval_files"])).drop_duplicates(MACHINE)
        if units["eval_files"].notna().any():
            facts[f"Clips, {task}"] = (
                f"{units['train_files'].sum():,.0f} for training, {units['eval_files'].sum():,.0f} for evaluation"
            )
        facts[f"Settings, {task}"] = settings_text(table)
    for title, column in (("Device", "device_name"), ("PyTorch", "torch_version")):
        if values := sorted(filter(None, rows[column].unique())):
            facts[title] = ", ".join(values)
    if dates := sorted(date[:10] for date in rows["timestamp"] if date):
        facts["Run"] = dates[0] if dates[0] == dates[-1] else f"{dates[0]} to {dates[-1]}"
    return facts


def _machines(rows: pd.DataFrame) -> str:
    keys = machines_only(rows)[MACHINE].drop_duplicates()
    if len(keys) == 1:
        return machine_name(keys.iloc[0])
    counts = keys.groupby("machine_type").size()
    types = ", ".join(f"{count} {machine_type or 'machines'}" for machine_type, count in counts.items())
    levels = ", ".join(snr_title(snr) for snr in snrs(keys) if snr)
    return f"{len(keys)} ({types})" + (f" at {levels}" if levels else "")


def lead(results: Results) -> str:
    """What the results are of, in a line."""
    facts = run_facts([results])
    parts = [f"Machines: {facts['Machines']}"]
    for name, rows in (("detector", results.detection), ("classifier", results.classification)):
        if count := rows["model"].nunique():
            scored = rows["label"].nunique()
            ways = f" in {scored} versions" if scored > count else ""
            parts.append(f"{count} {name}{'s' if count > 1 else ''}{ways}")
    return "; ".join(parts) + (f"; run {facts['Run']}" if "Run" in facts else "") + "."
