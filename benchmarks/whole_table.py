"""The table of `whole_mimii.py`, in minutes: what was measured, and what follows for all of MIMII."""

from collections.abc import Sequence

from common import CHANNELS, SAMPLE_RATE, SECONDS, Figure
from projection import BEFORE, EPOCHS, MODELS, NETWORKS, OURS, Measured, Projected, Size, project

from mimii.evaluation.efficiency import device_name

_MINUTE = 60
_MOST_TRAINING, _MOST_EXTRACTION = 30, 3  # minutes, on an H100
_LEAST_RATIO = 1.5  # to the commit before, on a CPU
_RECORDING = 44 + SECONDS * SAMPLE_RATE * CHANNELS * 2  # bytes


def explanation(measured: Measured) -> str:
    """What was run, and how all of it follows from that; for a terminal of 80 columns."""
    share, whole = measured.share, Size.of_all()
    epochs = sorted({run.epochs for run in measured.runs[OURS] if run.epochs})
    lines = [
        f"Run on {device_name(measured.device)}:",
        f"{share.machines} of {whole.machines} machines, {share.recordings:,} of {whole.recordings:,} recordings;",
        f"epochs of the networks: {' and '.join(map(str, epochs)) or 'none'}.",
        "Extrapolated to all of MIMII and 50 epochs:",
        "- the plain way, from some steps of each network and one fit",
    ]
    if share != whole or epochs != [EPOCHS]:
        lines.append(f"- training of networks, by {'windows' if measured.device == 'cpu' else 'steps'} times epochs")
    if share != whole:
        lines += [
            "- features, by recordings, beyond the start of the processes",
            "- training of classical detectors, by the windows that they draw",
            "- evaluating and measuring, by recordings: too much where clips are left out",
            "Finding and planning are measured on all recordings.",
        ]
    return "\n".join(lines)


def figures(measured: Measured) -> list[Figure]:
    """The rows of the table, of what was measured so far."""
    projected = {
        name: {
            model: project([run for run in runs if run.model == model], measured.share, measured.device)
            for model in measured.models(name)
        }
        for name, runs in measured.runs.items()
    }
    ours, before = projected[OURS], projected.get(BEFORE, {})
    finding, features = _finding(measured), _features(measured)
    models = [_model(measured, model, ours[model], before.get(model)) for model in ours]
    return [finding, features, *models, *_sums(measured, ours, before, finding, features, models)]


def _compared(ours: float, before: float) -> dict[str, float | str]:
    return {"the commit before": before, "times as fast": before / ours}


def _finding(measured: Measured) -> Figure:
    taken = {name: seconds / _MINUTE for name, seconds in measured.finding.items()}
    notes = _compared(taken[OURS], taken[BEFORE]) if BEFORE in taken else {}
    return Figure(f"find {Size.of_all().recordings:,} recordings, plan", "min", taken[OURS], "", True, notes=notes)


def _features(measured: Measured) -> Figure:
    recordings = Size.of_all().recordings
    taken = {name: measured.features(name) / _MINUTE for name in measured.extraction}
    is_bound = measured.device != "cpu"
    plain = measured.plain["features"] * recordings / _MINUTE if "features" in measured.plain else None
    return Figure(
        f"features of {recordings:,} recordings",
        "min",
        ours=taken[OURS],
        plain=plain,
        ratio=plain and plain / taken[OURS],
        floor=recordings * _RECORDING / measured.limits["reading"] / measured.jobs / _MINUTE,
        wanted=f"{_MOST_EXTRACTION} min" if is_bound else "",
        holds=not is_bound or taken[OURS] <= _MOST_EXTRACTION,
        notes={"recordings/s": recordings / taken[OURS] / _MINUTE, "floor": "reading from memory"}
        | (_compared(taken[OURS], taken[BEFORE]) if BEFORE in taken else {}),
    )


def _model(measured: Measured, model: str, ours: Projected, before: Projected | None) -> Figure:
    whole, taken = Size.of_all(), ours.training / _MINUTE
    notes: dict[str, float | str] = {"measured [s]": ours.measured, "factor": ours.factor, "from": ours.how}
    if ours.by_rows != ours.training:
        notes["by the rows"] = ours.by_rows / _MINUTE
    notes |= {"command [s]": ours.wall, "its processor time [s]": ours.cpu}
    floor = None
    if model in NETWORKS:
        steps = whole.steps * EPOCHS
        plain = measured.plain[model] * steps
        floor = measured.operations[model] * whole.windows * EPOCHS / measured.limits["products"] / _MINUTE
        notes["floor"] = "matrix products"
        if model in measured.kernels:
            count = measured.kernels[model]
            notes["launches one by one"] = count * steps * measured.limits["launch"] / _MINUTE
            at_once = count * whole.longest * EPOCHS * measured.limits["in_graph"] / _MINUTE
            notes["launches in a graph of all machines"] = at_once
    else:
        plain = measured.plain[model] * whole.machines
    if before:
        notes |= _compared(taken, before.training / _MINUTE)
        notes |= {"its command [s]": before.wall, "with less processor time [x]": before.cpu / ours.cpu}
    plain /= _MINUTE
    return Figure(f"train {model}", "min", taken, "", True, plain, plain / taken, floor, notes)


def _sums(
    measured: Measured,
    ours: dict[str, Projected],
    before: dict[str, Projected],
    finding: Figure,
    features: Figure,
    models: Sequence[Figure],
) -> list[Figure]:
    """Training, the rest, the whole and, where there is one, the whole of the commit before."""
    count = f"{len(models)} detectors"
    is_all = len(models) == len(MODELS)
    on_gpu = measured.device != "cpu"

    def total(of: dict[str, Projected], part: str) -> float:
        return sum(getattr(of[model], part) for model in ours) / _MINUTE

    training, rest = total(ours, "training"), total(ours, "rest")
    has_before = set(ours) <= set(before)
    theirs = {part: total(before, part) for part in ("training", "rest")} if has_before else {}
    plain = sum(figure.plain or 0.0 for figure in models)
    trained = Figure(
        f"train {count}",
        "min",
        ours=training,
        plain=plain,
        ratio=plain / training,
        floor=sum(figure.floor or 0.0 for figure in models),
        wanted=f"{_MOST_TRAINING} min" if on_gpu and is_all else "",
        holds=not (on_gpu and is_all) or training <= _MOST_TRAINING,
        notes={"on": device_name(measured.device)} | (_compared(training, theirs["training"]) if theirs else {}),
    )
    evaluated = Figure(
        f"evaluate, measure {count}",
        "min",
        rest,
        "",
        True,
        notes=_compared(rest, theirs["rest"]) if theirs else {},
    )
    whole = finding.ours + features.ours + training + rest
    plain += features.plain or 0.0
    notes: dict[str, float | str] = {"plain": f"{'features and ' if features.plain else ''}training alone"}
    table = [
        trained,
        evaluated,
        Figure(f"the whole, {count}", "min", whole, "", True, plain, plain / whole, notes=notes),
    ]
    if theirs:
        other = (measured.finding[BEFORE] / _MINUTE) + float(features.notes["the commit before"]) + sum(theirs.values())
        is_bound = is_all and not on_gpu
        table.append(
            Figure(
                "the whole and the commit before",
                "min",
                ours=whole,
                plain=other,
                ratio=other / whole,
                wanted=f"{_LEAST_RATIO} x" if is_bound else "",
                holds=not is_bound or other / whole >= _LEAST_RATIO,
                notes={"plain": "the commit before"},
            )
        )
    return table
