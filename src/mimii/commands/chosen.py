"""The options that were given: whether they fit together, and the settings that they make."""

import argparse

from mimii.commands.options import BEST, WORKERS
from mimii.commands.parsing import Parser
from mimii.models import REGISTRY
from mimii.models.choices import check_fusion, misfit
from mimii.runtime.devices import choose_device
from mimii.settings import (
    BACKENDS,
    FUSED_AT_BEST,
    ClipSettings,
    DataSettings,
    FeatureSettings,
    RunSettings,
    ScoringSettings,
    TrainingSettings,
)


def check(parser: Parser, args: argparse.Namespace) -> None:
    """End the command where options don't fit together, and choose the models: ``all`` are those that fit.

    ``args.models`` are the models to run, and ``args.unfit`` says why others of ``all`` are not among them.
    """
    wants_all = "all" in args.model
    names = args.all_models if wants_all else list(dict.fromkeys(args.model))
    clip = clip_settings(args) if hasattr(args, "fuse") else ClipSettings()
    misfits = {name: misfit(name, args.n_mels, args.frames, clip) for name in names}
    args.models = [name for name, needed in misfits.items() if not needed]
    args.unfit = [f"{name} needs --{needed}" for name, needed in misfits.items() if needed]
    if wants_all and choose_device(args.device) == "cpu":
        slow = [name for name in args.models if REGISTRY[name].needs_samples]
        args.models = [name for name in args.models if name not in slow]
        if slow:
            args.unfit.append(f"{' and '.join(slow)}, made for a GPU and slow on a CPU: name them to run them here")
    if args.unfit and not (wants_all and args.models):
        parser.error(f"--model {args.unfit[0]}")
    if problem := more_bands_than_bins(args.n_mels, args.n_fft):
        parser.error(problem)
    check_backend(parser, args)


def more_bands_than_bins(n_mels: int, n_fft: int) -> str:
    """What is wrong with a number of mel bands; empty where nothing is."""
    bins = 1 + n_fft // 2
    return f"--n_mels {n_mels} is more than the {bins} bins of --n_fft {n_fft}" if n_mels > bins else ""


def check_backend(parser: Parser, args: argparse.Namespace) -> None:
    """End the command where it is not clear whether a cluster is meant.

    Commands with back-ends of embeddings take the word for a cluster, too, which older scripts name.
    """
    words = [args.backend] if isinstance(args.backend, str) else args.backend
    workers = [word for word in words if word in WORKERS]
    if isinstance(args.backend, list):
        args.backend = [word for word in words if word not in WORKERS] or [BACKENDS[0]]
        workers = workers or (["dask"] if args.scheduler else [])
    if ("dask" in workers) != bool(args.scheduler):
        parser.error("--backend dask and --scheduler go together")


def data_settings(args: argparse.Namespace) -> DataSettings:
    """The data options as settings."""
    chosen = {name: getattr(args, name) for name in ("snr", "machine_type", "machine_id")}
    return DataSettings(
        base_dir=args.base_dir,
        layout=args.layout,
        dataset=args.dataset,
        ground_truth=tuple(args.ground_truth or ()),
        **{name: None if values is None else tuple(values) for name, values in chosen.items()},
    )


def feature_settings(args: argparse.Namespace) -> FeatureSettings:
    """The feature options as settings."""
    return FeatureSettings(**{name: getattr(args, name) for name in FeatureSettings.__dataclass_fields__})


def training_settings(args: argparse.Namespace) -> TrainingSettings:
    """The window and training options as settings."""
    return TrainingSettings(**{name: getattr(args, name) for name in TrainingSettings.__dataclass_fields__})


def clip_settings(args: argparse.Namespace) -> ClipSettings:
    """The options of detectors that judge a recording as a whole as settings.

    Raises
    ------
    UserError
        The detectors can't be fused.
    """
    fields = [name for name in ClipSettings.__dataclass_fields__ if hasattr(args, name)]
    chosen = {name: getattr(args, name) for name in fields}
    fuse = dict.fromkeys(part for name in args.fuse for part in (FUSED_AT_BEST if name == BEST else (name,)))
    check_fusion(tuple(fuse))
    return ClipSettings(**chosen | {"fuse": tuple(fuse)})


def scoring_settings(args: argparse.Namespace) -> ScoringSettings:
    """The scoring options as settings."""
    scorings, backends = ([word] if isinstance(word, str) else word for word in (args.scoring, args.backend))
    return ScoringSettings(
        scoring=tuple(dict.fromkeys(scorings)),
        score_pooling=args.score_pooling,
        backend=tuple(dict.fromkeys(backends)),
        clip=clip_settings(args),
    )


def run_settings(args: argparse.Namespace) -> RunSettings:
    """The options of models, runs and output as settings."""
    return RunSettings(
        models=tuple(args.models),
        scope=args.scope,
        seeds=tuple(args.seeds or ()),
        **{name: getattr(args, name) for name in ("retrain", "device", "jobs", "scheduler")},
        **{name: getattr(args, name) for name in ("result_dir", "pickle_dir", "model_dir", "output_csv")},
        submission=getattr(args, "submission", None),
    )
