"""The baseline of the MIMII authors (Purohit et al., 2019): a dense autoencoder for each machine.

    python src/baseline.py

It reads baseline.yaml and needs nothing else.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

from mimii.commands import options as cli
from mimii.errors import UserError

# where each key of the configuration goes: its options group, type and help
KEYS = {
    "base_directory": ("files", Path, "MIMII, or a part of it"),
    "pickle_directory": ("files", Path, "cache of features"),
    "model_directory": ("files", Path, "cache of trained models"),
    "result_directory": ("files", Path, "where results go"),
    "result_file": ("files", Path, "AUC of each machine, below result_directory"),
    "n_mels": ("feature", cli.positive_int, "mel bands"),
    "frames": ("feature", cli.positive_int, "frames in a window"),
    "n_fft": ("feature", cli.positive_int, "FFT length [samples]"),
    "hop_length": ("feature", cli.positive_int, "step between frames [samples]"),
    "power": ("feature", cli.power, "exponent of the magnitude spectrogram"),
    "epochs": ("fit", cli.positive_int, "passes over the data"),
    "batch_size": ("fit", cli.positive_int, "windows in a step"),
    "validation_split": ("fit", cli.fraction, "the last part of the training windows, for validation"),
}
# what the authors' file says besides, and the only values that this script has
FIXED = {"compile": {"optimizer": "adam", "loss": "mean_squared_error"}, "shuffle": True}
IGNORED = {"verbose"}


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = cli.Parser(description=__doc__.splitlines()[0])
    parser.add_argument("--config", type=Path, default=Path("baseline.yaml"), help="configuration file")
    groups = {name: parser.add_argument_group(name) for name in ("files", "feature", "fit")}
    for key, (group, kind, what) in KEYS.items():
        groups[group].add_argument(f"--{key}", type=kind, metavar=key.upper(), help=f"{what} (default: as configured)")
    cli.add_run_options(parser)
    parser.add_argument("--seed", type=cli.seed_int, default=42, help="where all random numbers come from")
    args = parser.parse_args(argv)
    cli.check_backend(parser, args)
    return args


def read_config(path: Path) -> dict[str, Any]:
    """Read the configuration as one flat dict.

    Raises
    ------
    UserError
        The file is missing, is no YAML, or has a key or value that this script does not know.
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
    flat = {key: value for section in sections for key, value in section.items() if key not in ("feature", "fit")}

    for key, value in flat.items():
        if key in FIXED and value != FIXED[key]:
            raise UserError(f"{path}: {key} is {value}, but the baseline is defined with {FIXED[key]}")
        if key not in FIXED and key not in KEYS and key not in IGNORED:
            raise UserError(f"{path}: unknown key {key}; there are {', '.join([*KEYS, *FIXED, *IGNORED])}")
    config = {}
    for key, (_, kind, _) in KEYS.items():
        if key not in flat:
            raise UserError(f"{path}: {key} is missing")
        if kind is Path and not isinstance(flat[key], str):
            raise UserError(f"{path}: {key}: {flat[key]} is not a path")
        try:
            config[key] = kind(str(flat[key]))
        except argparse.ArgumentTypeError as error:
            raise UserError(f"{path}: {key}: {error}") from error
    return config


def settings(args: argparse.Namespace) -> argparse.Namespace:
    """Complete the command line by the configuration, as the options that experiments have."""
    config = read_config(args.config)
    config |= {key: getattr(args, key) for key in KEYS if getattr(args, key) is not None}
    if not config["base_directory"].is_dir():
        raise UserError(
            f"base_directory {config['base_directory']} is not there: mend {args.config} or --base_directory"
        )
    if problem := cli.more_bands_than_bins(config["n_mels"], config["n_fft"]):
        raise UserError(problem)
    return argparse.Namespace(
        base_dir=config["base_directory"],
        pickle_dir=config["pickle_directory"],
        model_dir=config["model_directory"],
        result_dir=config["result_directory"],
        output_csv=config["result_directory"] / "baseline_results.csv",
        result_file=config["result_directory"] / config["result_file"],
        **{key: config[key] for key, (group, _, _) in KEYS.items() if group == "feature"},
        **{key: config[key] for key in ("epochs", "batch_size")},
        val_split=config["validation_split"],
        learning_rate=1e-3,
        tf32=False,
        channel=0,
        model=["mimii_baseline"],
        left_out_models=[],
        scope="machine",
        layout="auto",
        **dict.fromkeys(("snr", "machine_type", "machine_id")),
        **{key: getattr(args, key) for key in ("seed", "retrain", "device", "jobs", "scheduler")},
    )


def run(args: argparse.Namespace) -> int:
    """Run the baseline; returns the exit status."""
    args = settings(args)

    from mimii.data.recordings import split_for_detection
    from mimii.sweep import baseline, detection
    from mimii.sweep.engine import session
    from mimii.sweep.task import make_pools

    with session(args, detection.COLUMNS, baseline.BaselineSession) as lab:
        pools = lab.usable(make_pools(split_for_detection(lab.recordings), "machine"), detection.unusable)
        return lab.run(lab.make_tasks(baseline.BaselineTask, pools, args.seed), baseline.Comparison())


if __name__ == "__main__":
    sys.exit(cli.guarded(lambda: run(parse_args())))
