"""A monitor as an ONNX file, which judges samples without this program, torch or Python."""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mimii.data.audio import RecordingError, read_channel
from mimii.errors import UserError
from mimii.features.logmel import FULL_SCALE
from mimii.models.recording import frames_of_samples
from mimii.monitoring.healthy import healthy_file
from mimii.monitoring.monitor import Monitor
from mimii.storage.files import first_line, whole_file

if TYPE_CHECKING:
    import onnx

LIMIT = 1e-4  # of the difference between a file's score and the model's; see `Exported`
_PACKAGES = ("onnx", "onnxruntime", "onnxscript")
_RECORDINGS = 8  # at most, that a file is tried on


@dataclass(frozen=True, kw_only=True)
class Exported:
    """What an export gives.

    Attributes
    ----------
    size : int
        Of the file [bytes].
    difference : float
        The largest difference between the file's score and the model's, in units of the model's score or, where that is
        larger, of the distance from the median of healthy scores to the threshold: a score may be 0.
    recordings : int
        How many healthy recordings that the model has learnt from it was tried on: those that are still there, eight at
        most.
    sounds : int
        How many made sounds it was tried on.
    """

    size: int
    difference: float
    recordings: int
    sounds: int


def export(monitor: Monitor, path: Path) -> Exported:
    """Write a monitor as an ONNX file that scores as it does, whole or not at all.

    The file's input is ``samples``, (n_samples,) float32 of the model's sample rate with full scale 1. Its outputs are
    a single float64 each: ``score``, and ``relative``, which is `Monitor.relative` of it and above 1 where the
    recording is abnormal. Both are NaN for what can't be judged: too few samples, silence, or values that are not
    finite, be it samples, log-mel frames or the score. What else is needed to use it is in its metadata.

    Raises
    ------
    UserError
        The detector can't be exported, a package is missing, or the file would not score as the monitor does.
    StorageError
        The file can't be written.
    """
    if missing := [package for package in _PACKAGES if find_spec(package) is None]:
        raise UserError(f"an export needs the package {missing[0]}: pip install -r requirements-onnx.txt")
    name = monitor.detector.model.name
    try:
        content = _built(monitor).SerializeToString()
        exported = _checked(monitor, content)
    except UserError:
        raise
    except Exception as error:  # other versions of the packages, and a file from elsewhere, can raise anything at all
        cause = error.__cause__ if isinstance(error.__cause__, Exception) else error  # torch's own says nothing
        raise UserError(f"{name} can't be exported: {first_line(cause)}") from error
    if not exported.difference <= LIMIT:  # it may be NaN
        raise UserError(
            f"the exported {name} would score other than the model, by a share of "
            f"{exported.difference:.1g}; nothing was written"
        )
    with whole_file(path) as temporary:
        temporary.write_bytes(content)
    return exported


def fewest_samples(monitor: Monitor) -> int:
    """The fewest samples that a monitor judges."""
    features, frames = monitor.detector.features, monitor.detector.model.frames
    return max(features.n_fft, (frames - 1) * features.hop_length + features.n_fft % 2)


def _built(monitor: Monitor) -> "onnx.ModelProto":
    from onnx import TensorProto, helper

    from mimii.monitoring.onnx_detectors import check_exportable, score
    from mimii.monitoring.onnx_graph import Graph
    from mimii.monitoring.onnx_logmel import log_mel

    detector = monitor.detector
    check_exportable(detector.model)
    graph, samples, fewest = Graph(), "samples", fewest_samples(monitor)
    count = graph("Shape", samples)  # (1,)
    # what is too short is filled up, so that no operator fails
    missing = graph("Max", graph("Sub", [fewest], count), [0])
    filled = graph("Pad", samples, graph("Concat", [0], missing, axis=0))
    frames = log_mel(graph, filled, detector.sample_rate, detector.features)
    found = score(graph, frames, filled, detector.model, monitor.way)

    is_long_enough = graph("GreaterOrEqual", graph("Squeeze", count), fewest)
    loudest, quietest = graph("ReduceMax", filled, keepdims=0), graph("ReduceMin", filled, keepdims=0)
    is_sound = graph("Not", graph("Equal", loudest, quietest))
    # infinity less infinity is NaN, and a sum with NaN in it is NaN
    are_finite = graph("Not", graph("IsNaN", graph("ReduceSum", graph("Sub", frames, frames), keepdims=0)))
    is_finite = graph("Not", graph("IsNaN", graph("Sub", found, found)))
    can_be_judged = graph("And", graph("And", is_long_enough, is_sound), graph("And", are_finite, is_finite))
    found = graph("Where", can_be_judged, found, np.nan)
    relative = graph("Div", graph("Sub", found, monitor.median_score), monitor.threshold - monitor.median_score)

    inputs = [helper.make_tensor_value_info(samples, TensorProto.FLOAT, ["n_samples"])]
    model = graph.model(inputs, {"score": found, "relative": relative})
    model.producer_name = "mimii-baselines"
    helper.set_model_props(model, _metadata(monitor))
    return model


def _metadata(monitor: Monitor) -> dict[str, str]:
    """All that is needed to use a file and to know what it is; texts, numbers as texts, or JSON."""
    detector, features = monitor.detector, monitor.detector.features
    values = {
        "model": detector.model.name,
        "scoring": monitor.way[0],
        "score_pooling": monitor.way[1],
        "sample_rate": detector.sample_rate,
        "channel": features.channel,
        "fewest_samples": fewest_samples(monitor),
        "threshold": monitor.threshold,
        "median_score": monitor.median_score,
        "false_alarms": monitor.false_alarms,
        "held_out_scores": sorted(monitor.calibration.scores.tolist()),
        "features": asdict(features),
        "frames": detector.model.frames,
        "clip_options": getattr(detector.model, "options", {}),
        "training": {name: value for name, value in detector.facts.items() if not isinstance(value, list)},
    }
    return {name: value if isinstance(value, str) else json.dumps(value) for name, value in values.items()}


def _checked(monitor: Monitor, content: bytes) -> Exported:
    """Hold the file's scores against the model's."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])

    def difference(signal: np.ndarray) -> float:
        samples = signal.astype(np.float32) / np.float32(FULL_SCALE[signal.dtype.name])
        found = float(session.run(["score"], {"samples": samples})[0])
        expected = _score(monitor, signal)
        spread = monitor.threshold - monitor.median_score
        return abs(found - expected) / max(abs(expected), spread)

    recordings = [difference(signal) for signal in _recordings(monitor)]
    sounds = [difference(signal) for signal in _sounds(monitor)]
    return Exported(
        size=len(content),
        difference=float(np.max(recordings + sounds)),
        recordings=len(recordings),
        sounds=len(sounds),
    )


def _score(monitor: Monitor, signal: np.ndarray) -> float:
    detector = monitor.detector
    frames = frames_of_samples(signal, detector.model, detector.features, detector.sample_rate)
    return float(monitor.scores([frames], [signal])[0])


def _recordings(monitor: Monitor) -> Iterator[np.ndarray]:
    """Some of the healthy recordings that can still be read, from the first to the last."""
    healthy, detector = monitor.healthy, monitor.detector
    for number in np.unique(np.linspace(0, len(healthy.paths) - 1, _RECORDINGS).round().astype(int)):
        path = healthy_file(healthy, number)
        if path is None:
            continue
        try:
            signal, rate = read_channel(path, detector.features.channel)
        except RecordingError:  # it was removed meanwhile
            continue
        if rate == detector.sample_rate and len(signal) >= fewest_samples(monitor):
            yield signal


def _sounds(monitor: Monitor) -> Iterator[np.ndarray]:
    """Noise as loud as the quietest and the loudest recording, of several lengths, and a tone in silence."""
    rng = np.random.default_rng(0)
    rate, fewest = monitor.detector.sample_rate, fewest_samples(monitor)
    for length in (fewest, fewest + rate // 2 + 1, fewest + 3 * rate):
        for level in (monitor.healthy.levels.min(), monitor.healthy.levels.max()):
            yield (10 ** (level / 20) * rng.standard_normal(length)).clip(-1, 1).astype(np.float32)
    yield (0.1 * np.sin(2 * np.pi * rate / 17 * np.arange(fewest + rate) / rate)).astype(np.float32)
