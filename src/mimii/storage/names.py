"""Every name that a file of this project has: caches, models, scores, histories, logs.

A name says what is in the file, for people, and ends with a digest of all facts that it depends on, for programs.
"""

import hashlib
import json
import re
from pathlib import Path
from typing import Any

# of features and model files; it is raised when their content changes, and files of other versions are not used
CACHE_VERSION = 3

# the official scores of a challenge and what they are made of, below the results directory
CHALLENGE_SCORES = "challenge_scores.csv"
CHALLENGE_MACHINES = "challenge_machines.csv"

_LONGEST = 120  # [bytes]; with a model before it and a digest after it, a file name may have 255
_DIGEST = "[0-9a-f]{16}"
_CACHE_FILE = re.compile(rf".+_{_DIGEST}(?:\.v(\d+))?\.(?:pickle|model|pt|skops)")


def digest(facts: Any) -> str:
    """Short name for a set of facts: equal facts have equal names, and any change gives another name.

    Parameters
    ----------
    facts : Any
        Nested dicts, lists, strings, numbers and None.

    Returns
    -------
    str
        The first 16 hexadecimal digits of the SHA-256 of the facts as JSON with sorted keys.
    """
    canonical = json.dumps(facts, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(canonical.encode()).hexdigest()[:16]


def file_name(text: str) -> str:
    """A part of a file name that says what ``text`` says, without what is no part of a path or can't be printed.

    Examples
    --------
    >>> file_name("6dB fan ../id_00")
    '6dB_fan_.._id_00'
    """
    plain = re.sub(r"[^\w.-]", "_", text)
    return plain.encode()[:_LONGEST].decode(errors="ignore")


def feature_file(machine: str, facts: Any, kind: str = "") -> str:
    """Name of the features of a machine's recordings; ``facts`` are all that they depend on."""
    return f"{'_'.join(filter(None, (file_name(machine), kind, digest(facts))))}.v{CACHE_VERSION}.pickle"


def model_file(model: str, group: str, training_digest: str) -> str:
    """Name of a trained model of a machine group; the digest is that of all facts that the training depends on."""
    return f"{model}_{file_name(group)}_{training_digest}.v{CACHE_VERSION}.model"


def model_files(directory: Path, model: str, group: str) -> list[Path]:
    """The trained models of a machine group in a cache, whatever their training depended on; the latest first."""
    name = re.compile(rf"{re.escape(f'{model}_{file_name(group)}')}_{_DIGEST}\.v{CACHE_VERSION}\.model")
    found = [path for path in directory.glob("*.model") if name.fullmatch(path.name)]
    return sorted(found, key=lambda path: path.stat().st_mtime, reverse=True)


def outdated_files(directory: Path) -> list[Path]:
    """The files of a cache that other versions of this program wrote."""
    return [
        path
        for path in sorted(directory.iterdir())
        if (match := _CACHE_FILE.fullmatch(path.name)) and match[1] != str(CACHE_VERSION)
    ]


def _kept(folder: str, model: str, machine: str, run_id: str, suffix: str = "") -> Path:
    return Path(folder) / f"{model}_{file_name(machine)}_{run_id}{suffix}.csv"


def scores_file(model: str, machine: str, run_id: str) -> Path:
    """Where the scores or probabilities of a run's recordings are, below the results directory."""
    return _kept("scores", model, machine, run_id)


def confusion_file(model: str, machine: str, run_id: str) -> Path:
    """Where the confusion matrix of a run is, below the results directory."""
    return _kept("scores", model, machine, run_id, "_confusion")


def history_file(model: str, machine: str, run_id: str) -> Path:
    """Where the losses of a run's training are, below the results directory."""
    return _kept("history", model, machine, run_id)


def kept_files(result_dir: Path) -> dict[tuple[str, str], Path]:
    """All files that runs kept: their paths by ``scores``, ``confusion`` or ``history`` and the ``run_id``."""
    files = {}
    for folder in ("scores", "history"):
        for path in sorted((result_dir / folder).glob("*.csv")):
            stem = path.stem.removesuffix("_confusion")
            files[folder if stem == path.stem else "confusion", stem.rpartition("_")[2]] = path
    return files


def log_file(script: str, start: str, process_id: int) -> Path:
    """Where the log of a command is, below the results directory."""
    return Path("logs") / f"{script}_{start}_{process_id}.log"
