"""Results as the experiments leave them, and what tests of the report need besides."""

import html
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd

from mimii.commands import make_report
from mimii.data.machines import MACHINE
from mimii.evaluation.metrics import classification_metrics, detection_metrics
from mimii.report import loading

MODELS = ("simple_ae", "conv_ae", "isolation_forest")
TYPES = ("fan", "pump", "valve")
SCOPES = {"conv_ae": "type", "isolation_forest": "all"}  # each model may share its machines in its own way
SETTINGS = {
    **{"dataset_scope": "machine", "n_mels": 64, "frames": 5, "n_fft": 1024, "hop_length": 512, "power": 2.0},
    **{"channel": 0, "epochs": 3, "batch_size": 256, "learning_rate": 0.001, "val_split": 0.1},
    **{"device": "cpu", "device_name": "a CPU", "torch_version": "2.13.0", "timestamp": "2026-01-02T03:04:05+00:00"},
}
COST = {
    **{"model_size_mb": 0.2, "training_time_sec": 1.5, "inference_time_ms": 0.3, "throughput_samples_per_sec": 250.0},
    **{"window_time_ms": 0.04, "windows_per_sec": 1e5, "memory_usage_mb": 0.0, "peak_ram_mb": 40.0},
}


def write_results(
    directory,
    *,
    models=MODELS,
    types=TYPES,
    ids=("id_00", "id_02"),
    snrs=("6dB",),
    seeds=(42,),
    data="data",
    files=True,
):
    """Write what the detection experiments leave; gives the rows."""
    rng = np.random.default_rng(0)
    rows = []
    for number, (model, snr, machine_type, machine_id, seed) in enumerate(
        (m, s, t, i, seed) for m in models for s in snrs for t in types for i in ids for seed in seeds
    ):
        run_id = f"{number:016x}"
        machine = dict(zip(MACHINE, (snr, machine_type, machine_id), strict=True))
        labels = np.repeat(["normal", "abnormal"], 12)
        # the later a model comes, the worse it is
        scores = rng.normal(np.where(labels == "abnormal", 1.5 - 0.5 * models.index(model), 0), 1)
        folder = Path(data) / snr / machine_type / machine_id
        paths = [str(folder / label / f"{n:08d}.wav") for n, label in enumerate(labels)]
        table = pd.DataFrame(machine, index=range(24)).assign(path=paths, label=labels, score=scores)
        history = pd.DataFrame({"epoch": [1, 2, 3], "train_loss": [3.0, 2.0, 1.5], "val_loss": [3.1, 2.2, np.nan]})
        stem = f"{model}_{snr}_{machine_type}_{machine_id}_{run_id}"
        if files:
            save(table, directory / "scores" / f"{stem}.csv")
            save(history, directory / "history" / f"{stem}.csv")
        rows.append(
            {"model": model, **machine, "seed": seed, "run_id": run_id}
            | detection_metrics(labels == "abnormal", scores)
            | {"num_parameters": 1000 * (1 + models.index(model)), "train_files": 30, "eval_files": 24}
            | COST
            | SETTINGS
            | {"dataset_scope": SCOPES.get(model, "machine")}
        )
    save(pd.DataFrame(rows), directory / "research_results.csv")
    return pd.DataFrame(rows)


def write_classification(directory, *, models=("random_forest", "svm"), types=TYPES):
    """Write what the classification experiment leaves."""
    rng = np.random.default_rng(1)
    rows = []
    for number, (model, machine_type) in enumerate((m, t) for m in models for t in types):
        run_id = f"c{number:015x}"
        targets = np.repeat([0, 1], 8)
        probabilities = rng.dirichlet([1, 1], 16)
        classes = np.array(["normal", "abnormal"])
        confusion = pd.crosstab(classes[targets], classes[probabilities.argmax(axis=1)]).reindex(
            index=pd.Index(classes, name="target"), columns=classes, fill_value=0
        )
        save(confusion.reset_index(), directory / "scores" / f"{model}_6dB_{machine_type}_all_{run_id}_confusion.csv")
        rows.append(
            {"model": model, "snr": "6dB", "machine_type": machine_type, "machine_id": "all", "seed": 42}
            | {"run_id": run_id, "classification_type": "machine_type", "num_parameters": 500}
            | {"train_files": 60, "eval_files": 16}
            | classification_metrics(targets, probabilities)
            | COST
            | SETTINGS
        )
    save(pd.DataFrame(rows), directory / "research_classification_results.csv")


def save(table, path):
    path.parent.mkdir(parents=True, exist_ok=True)
    table.to_csv(path, index=False)


def load(directory, **choice):
    """What a results directory with one data set holds."""
    [results] = loading.load(directory, **choice)
    return results


def make(*words):
    """Run the command; gives the exit status."""
    return make_report.main([str(word) for word in words])


class Page(HTMLParser):
    """What a test wants to know about the page."""

    def __init__(self, path):
        super().__init__()
        self.source = path.read_text(encoding="utf-8")
        self.images, self.outside = [], []
        self.feed(self.source)
        self.text = html.unescape(re.sub(r"<(style|script).*?</\1>|<[^>]+>", " ", self.source, flags=re.DOTALL))
        self.text = self.text.replace("\xa0", " ")

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        if tag == "img":
            self.images.append(attrs)
        link = attrs.get("src") or attrs.get("href") or ""
        if tag != "a" and link and not link.startswith("data:"):
            self.outside.append(link)
