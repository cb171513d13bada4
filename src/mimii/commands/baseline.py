"""The baseline of the MIMII authors (Purohit et al., 2019): a dense autoencoder for each machine.

    python src/baseline.py

It reads baseline.yaml and needs nothing else.
"""

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mimii.commands import chosen, options, parsing
from mimii.commands.running import experiment_log, guarded
from mimii.errors import UserError
from mimii.runtime.spelling import did_you_mean
from mimii.settings import DataSettings, DetectionSettings, FeatureSettings, RunSettings, TrainingSettings

if TYPE_CHECKING:
    import pandas as pd

    from mimii.sweep.rows import Outcome

# each key of the configuration: its section, how its text is read, and its help
KEYS: dict[str, tuple[str, Callable[[str], Any], str]] = {
    "base_directory": ("files", Path, "MIMII, or a part of it"),
    "pickle_directory": ("files", Path, "cache of features"),
    "model_directory": ("files", Path, "cache of trained models"),
    "result_directory": ("files", Path, "where results go"),
    "result_file": ("files", Path, "AUC of each machine, below result_directory"),
    "n_mels": ("feature", parsing.positive_int, "mel bands"),
    "frames": ("feature", parsing.positive_int, "frames in a window"),
    "n_fft": ("feature", parsing.positive_int, "FFT length [samples]"),
    "hop_length": ("feature", parsing.positive_int, "step between frames [samples]"),
    "power": ("feature", parsing.power, "exponent of the magnitude spectrogram"),
    "epochs": ("fit", parsing.positive_int, "passes over the data"),
    "batch_size": ("fit", parsing.positive_int, "windows in a step"),
    "validation_split": ("fit", parsing.fraction, "the last part of the training windows, for validation"),
}
# further keys of the authors' file, and the only values that this command has for them
FIXED = {"compile": {"optimizer": "adam", "loss": "mean_squared_error"}, "shuffle": True}
IGNORED = {"verbose"}


def build_parser() -> parsing.Parser:
    """The command line."""
    parser = parsing.Parser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--config", type=Path, default=Path("baseline.yaml"), help="configuration file")
    groups = {name: parser.add_argument_group(name) for name in ("files", "feature", "fit")}
    for key, (group, parse, description) in KEYS.items():
        groups[group].add_argument(
            f"--{key}", type=parse, metavar=key.upper(), help=f"{description} (default: as configured)"
        )
    options.add_run_options(parser)
    parser.add_argument("--seed", type=parsing.seed_int, default=42, help="all random numbers come from it")
    return parser


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line; a wrong one ends the process."""
    parser = build_parser()
    args = parser.parse_args(argv)
    chosen.check_backend(parser, args)
    return args


def read_config(path: Path) -> dict[str, Any]:
    """Read the configuration as one flat dict.

    Raises
    ------
    UserError
        The file is missing, is no YAML, or has a key or value that this command does not know.
    """
    import yaml

    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}; name the configuration with --config") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"{path} is not YAML: {' '.join(str(error).split())}") from error
    content = content if isinstance(content, dict) else {}
    sections = [content, content.get("feature"), content.get("fit")]
    if not all(isinstance(section, dict) for section in sections):
        raise UserError(f"{path} must have the keys {', '.join(list(KEYS)[:5])} and the sections feature and fit")
    flat = {
        key: value for section in sections if section for key, value in section.items() if key not in ("feature", "fit")
    }

    for key, value in flat.items():
        if key in FIXED and value != FIXED[key]:
            raise UserError(f"{path}: {key} is {value}, but the baseline is defined with {FIXED[key]}")
        if key not in FIXED and key not in KEYS and key not in IGNORED:
            known = [*KEYS, *FIXED, *IGNORED]
            raise UserError(f"{path}: unknown key {key}{did_you_mean(key, known)}; there are {', '.join(known)}")
    config = {}
    for key, (_, parse, _) in KEYS.items():
        if key not in flat:
            raise UserError(f"{path}: {key} is missing")
        if parse is Path and not isinstance(flat[key], str):
            raise UserError(f"{path}: {key}: {flat[key]} is not a path")
        try:
            config[key] = parse(str(flat[key]))
        except argparse.ArgumentTypeError as error:
            raise UserError(f"{path}: {key}: {error}") from error
    return config


def settings(args: argparse.Namespace, config: dict[str, Any]) -> DetectionSettings:
    """The configuration, in which options replace values, as settings.

    Raises
    ------
    UserError
        The recordings' directory is missing, or the features are impossible.
    """
    if not config["base_directory"].is_dir():
        raise UserError(
            f"base_directory {config['base_directory']} does not exist: correct {args.config} or --base_directory"
        )
    if problem := chosen.more_bands_than_bins(config["n_mels"], config["n_fft"]):
        raise UserError(problem)
    return DetectionSettings(
        data=DataSettings(base_dir=config["base_directory"]),
        features=FeatureSettings(**{key: config[key] for key in ("n_mels", "n_fft", "hop_length", "power")}),
        training=TrainingSettings(
            **{key: config[key] for key in ("frames", "epochs", "batch_size")},
            val_split=config["validation_split"],
            seed=args.seed,
        ),
        run=RunSettings(
            models=("mimii_baseline",),
            scope="machine",
            **{key: getattr(args, key) for key in ("retrain", "device", "jobs", "scheduler")},
            result_dir=config["result_directory"],
            pickle_dir=config["pickle_directory"],
            model_dir=config["model_directory"],
            output_csv=config["result_directory"] / "baseline_results.csv",
        ),
    )


def run(args: argparse.Namespace) -> int:
    """Do the baseline and print the comparison; returns the exit status."""
    config = read_config(args.config)
    config |= {key: getattr(args, key) for key in KEYS if getattr(args, key) is not None}
    asked = settings(args, config)

    from mimii.commands.summary import show
    from mimii.report import baseline as report
    from mimii.sweep import baseline

    args.result_dir, args.unfit = config["result_directory"], []
    result_file = config["result_directory"] / config["result_file"]

    def keep(outcome: "Outcome", rows: "pd.DataFrame") -> None:
        for path, history in outcome.files.items():
            if path.parent.name == "history":
                (row,) = outcome.rows
                report.draw_loss(history, report.authors_name(row), config["result_directory"] / "baseline_loss")
        report.write_result_file(result_file, rows)

    with experiment_log(args):
        result = baseline.run(asked, keep)
        report.write_result_file(result_file, result.rows)
        return show(result, report.comparison)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit status."""
    return guarded(lambda: run(parse_args(argv)))
