"""Options that the commands share, in groups. ``--help`` is quick: no heavy library."""

import argparse
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mimii.commands.parsing import (
    Parser,
    channel,
    fraction,
    networks,
    positive_float,
    positive_int,
    power,
    seed_int,
    share,
)
from mimii.data.layouts import LAYOUTS, canonical_snr
from mimii.data.mimii import SNRS
from mimii.models import DETECTORS, REGISTRY
from mimii.settings import (
    BACKENDS,
    CLASSES,
    DEVICES,
    DIFFERENCE,
    DISTANCES,
    FUSED,
    FUSED_AT_BEST,
    JOBS_PER_GPU,
    POOLINGS,
    SCORE_POOLINGS,
    SCORINGS,
    ClipSettings,
    FeatureSettings,
    TrainingSettings,
)

_EMBEDDINGS = [name for name, entry in DETECTORS.items() if entry.has_embedding]
BEST = "best"
WORKERS = ("loky", "dask")  # what a --backend without embeddings chooses from


def add_data_options(parser: Parser) -> None:
    """Which recordings."""
    group = parser.add_argument_group("data")
    group.add_argument(
        "--base_dir",
        type=Path,
        required=True,
        default=argparse.SUPPRESS,
        help="the data set or a part of it, such as one machine; of DCASE also several years",
    )
    group.add_argument(
        "--layout", choices=["auto", *LAYOUTS], default="auto", help="how the data set is laid out; auto recognises it"
    )
    group.add_argument(
        "--dataset",
        metavar="NAME",
        help="its name, such as dcase2024, where no folder says the year; of several data sets the one to use",
    )
    group.add_argument(
        "--ground_truth",
        type=Path,
        nargs="+",
        metavar="PATH",
        help="files or folders with the labels of DCASE's evaluation sets, as the organisers publish them",
    )
    group.add_argument(
        "--snr",
        type=canonical_snr,
        nargs="+",
        metavar="SNR",
        help=f"only these, such as {', '.join(SNRS)}; -6dB is min6dB",
    )
    group.add_argument("--machine_type", nargs="+", metavar="TYPE", help="only these, by the names of their folders")
    group.add_argument("--machine_id", nargs="+", metavar="ID", help="only these, such as id_00 or section_00")


def add_model_options(parser: Parser, models: Sequence[str], scopes: dict[str, str], own_scopes: str = "") -> None:
    """Which models, and what each one is trained on; the first scope is the default.

    Where ``own_scopes`` says so, some models have another default.
    """
    group = parser.add_argument_group("models")
    group.add_argument(
        "--model",
        nargs="+",
        choices=[*models, "all"],
        default="all",
        metavar="MODEL",
        help=f"all, or one or several of {', '.join(models)}",
    )
    parser.set_defaults(all_models=list(models))
    group.add_argument(
        "--scope",
        choices=list(scopes),
        default=None if own_scopes else next(iter(scopes)),
        help="one model for " + "; ".join(f"{name}: {machines}" for name, machines in scopes.items()) + own_scopes,
    )


def add_scoring_options(parser: Parser, *, only: str | None = None) -> None:
    """How a recording gets its score; one scoring at a time where there is a default ``only``."""
    clip = ClipSettings()
    group = parser.add_argument_group("scoring")
    how_many: dict[str, Any] = {"default": only} if only else {"nargs": "+", "default": [SCORINGS[0]]}
    group.add_argument(
        "--scoring",
        choices=SCORINGS,
        metavar="SCORING",
        help=f"of models that reconstruct{'' if only else ', one or both'}: mse, the mean squared error; mahalanobis, "
        "the distance of the recording's mean error from those of the training recordings",
        **how_many,
    )
    group.add_argument(
        "--score_pooling",
        choices=SCORE_POOLINGS,
        default=SCORE_POOLINGS[0],
        help="score of a recording from those of its windows: their mean, the highest, or the mean of the highest "
        "tenth",
    )
    group.add_argument(
        "--pooling",
        choices=POOLINGS,
        default=clip.pooling,
        help="of clip-level detectors: how each band's frames become one value; twfr is a mean that "
        "weights loud frames more",
    )
    group.add_argument("--twfr_r", type=share, default=clip.twfr_r, help="of twfr: 1 makes it the mean, 0 the maximum")
    group.add_argument(
        "--distance", choices=DISTANCES, default=clip.distance, help="of knn and ldn: between recordings"
    )
    group.add_argument(
        "--backend",
        choices=[*BACKENDS, *(() if only else WORKERS)],
        metavar="BACKEND",
        help=f"of {', '.join(_EMBEDDINGS)}{'' if only else ', one or several'}: how a recording is compared with its "
        f"machine's others: {', '.join(BACKENDS)}",
        **({"default": BACKENDS[0]} if only else {"nargs": "+", "default": [BACKENDS[0]]}),
    )
    if not only:
        group.add_argument(
            "--classes",
            choices=CLASSES,
            default=clip.classes,
            help="what they learn to tell apart: machines, or machines and the attributes in the file names of DCASE",
        )
    group.add_argument(
        "--ensemble",
        type=networks,
        metavar="N",
        help="networks of each of them, whose mean score counts (default: "
        + ", ".join(f"{name} {REGISTRY[name].ensemble}" for name in _EMBEDDINGS)
        + ")",
    )
    group.add_argument(
        "--fuse",
        nargs="+",
        choices=[*(name for name in DETECTORS if name != "fusion"), BEST],
        default=list(FUSED),
        metavar="MODEL",
        help=f"the detectors that fusion is made of; {BEST} are {' '.join(FUSED_AT_BEST)}, with a GPU or time",
    )


def add_feature_options(parser: Parser) -> None:
    """Log-mel settings and the window."""
    features = FeatureSettings()
    group = parser.add_argument_group("features")
    group.add_argument("--n_mels", type=positive_int, default=features.n_mels, help="mel bands")
    group.add_argument("--frames", type=positive_int, default=TrainingSettings().frames, help="frames in a window")
    group.add_argument("--n_fft", type=positive_int, default=features.n_fft, help="FFT length [samples]")
    group.add_argument(
        "--hop_length", type=positive_int, default=features.hop_length, help="step between frames [samples]"
    )
    group.add_argument("--power", type=power, default=features.power, help="exponent of the magnitude spectrogram")
    group.add_argument(
        "--channel",
        type=channel,
        default=features.channel,
        metavar="N",
        help=f"channel that is read, from 0; {DIFFERENCE}: channel 0, of a microphone near the machine, without the "
        "noise that channel 1, of one far from it, hears as well",
    )


def add_training_options(
    parser: Parser, models: Sequence[str], *, several_seeds: bool = True
) -> argparse._ArgumentGroup:
    """Training settings of some models; gives the group, so that a script can add its own."""
    training = TrainingSettings()
    group = parser.add_argument_group("training")
    group.add_argument(
        "--epochs",
        type=positive_int,
        default=training.epochs,
        help=f"passes over the data (default: {_own('epochs', models)})",
    )
    group.add_argument(
        "--batch_size",
        type=positive_int,
        default=training.batch_size,
        help=f"windows in a step (default: {_own('batch_size', models)})",
    )
    group.add_argument("--learning_rate", type=positive_float, default=training.learning_rate, help="of Adam")
    group.add_argument(
        "--val_split",
        type=fraction,
        default=training.val_split,
        help="part of the training recordings that is kept for validation",
    )
    group.add_argument("--tf32", action="store_true", help="let a GPU multiply in TF32: 10 bits instead of 23")
    seeds = group.add_mutually_exclusive_group()
    seeds.add_argument("--seed", type=seed_int, default=training.seed, help="all random numbers come from it")
    if several_seeds:
        seeds.add_argument(
            "--seeds", type=seed_int, nargs="+", metavar="SEED", help="every experiment with each of these"
        )
    return group


def _own(setting: str, models: Sequence[str]) -> str:
    """A setting's default, and what it is for those of the models that have another one."""
    entries = {name: REGISTRY[name] for name in models}
    values = {name: getattr(entry, setting) for name, entry in entries.items() if setting in entry.settings}
    usual = Counter(values.values()).most_common(1)[0][0]
    others = [f"{name} {value}" for name, value in values.items() if value != usual]
    return ", ".join([str(usual), *others])


def scheduler_address(text: str) -> str:
    """The address of a Dask scheduler."""
    if not re.fullmatch(r"\w+://.+:\d+", text):
        raise argparse.ArgumentTypeError(f"{text} is not an address such as tcp://host:8786")
    return text


def add_run_options(parser: Parser, *, has_backends: bool = False) -> None:
    """Where and how often to run; a parser that has another ``--backend`` needs no word for a cluster."""
    group = parser.add_argument_group("run")
    group.add_argument("--retrain", action="store_true", help="do again what is done already")
    add_device_option(group)
    group.add_argument(
        "--jobs",
        type=positive_int,
        help=f"processes (default: the cores; at most {JOBS_PER_GPU} on one GPU); 1 trains each network alone",
    )
    if not has_backends:
        group.add_argument(
            "--backend", choices=WORKERS, default="loky", help="loky: processes of this machine; dask: a cluster"
        )
    group.add_argument(
        "--scheduler",
        type=scheduler_address,
        metavar="ADDRESS",
        help="of a Dask cluster that runs everything, such as tcp://host:8786",
    )


def add_device_option(group: argparse._ArgumentGroup) -> None:
    """Where networks run."""
    group.add_argument(
        "--device",
        choices=DEVICES,
        default="auto",
        help="auto takes CUDA, then MPS, then the CPU",
    )


def add_model_file(parser: Parser) -> None:
    """The file of a monitor."""
    parser.add_argument(
        "--model_file", type=Path, required=True, default=argparse.SUPPRESS, help="what monitor.py train wrote"
    )


def add_output_options(
    parser: Parser, pickle_dir: str, model_dir: str, output_csv: str, *, has_submission: bool = False
) -> None:
    """Where files go."""
    group = parser.add_argument_group("output")
    group.add_argument("--pickle_dir", type=Path, default=Path(pickle_dir), help="cache of features")
    group.add_argument("--model_dir", type=Path, default=Path(model_dir), help="cache of trained models")
    group.add_argument(
        "--result_dir", type=Path, default=Path("results"), help="scores of each recording, loss histories, logs"
    )
    group.add_argument(
        "--output_csv",
        type=Path,
        metavar="FILE",
        help=f"table that rows are appended to (default: {output_csv} in --result_dir)",
    )
    if has_submission:
        group.add_argument(
            "--submission", type=Path, metavar="DIR", help="write the files that DCASE asks for: scores and decisions"
        )
