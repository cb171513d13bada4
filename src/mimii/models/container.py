"""The container of a model file: a description as JSON and further parts, in one sealed zip archive.

Whatever a file holds, reading it runs no code: JSON has none, and the parts are read by loaders that make only known
types. Nothing in it is compressed, so that a small file can't become large in memory.
"""

import io
import json
import math
import types
import typing
import zipfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from mimii.settings import FeatureSettings
from mimii.storage.files import CacheError, first_line, open_sealed, sealed_file

FORMAT = 3  # it is raised when the content of model files changes

_DESCRIPTION = "model.json"
_LARGEST = 2**24  # of any whole number that says how large something is

Value = TypeVar("Value")


@dataclass(frozen=True, kw_only=True)
class CalibrationEntry:
    """A calibration as it stands in a description; see `mimii.models.calibration.Calibration`.

    Attributes
    ----------
    scoring, score_pooling, source : str
    scores : list of float
    machines : list of list of str
        Each machine once.
    machine_of : list of int
        For each score the index of its machine.
    threshold : float
        From all scores.
    machine_thresholds : list of float
        From the scores of each machine.
    """

    scoring: str
    score_pooling: str
    source: str
    scores: list[float]
    machines: list[list[str]]
    machine_of: list[int]
    threshold: float
    machine_thresholds: list[float]


@dataclass(frozen=True, kw_only=True)
class Description:
    """All that a model file holds beside what was learnt.

    Attributes
    ----------
    format : int
    name : str
        Of the registry.
    frames : int
        In a window.
    variant : str
    balanced : bool
        Of a classifier.
    clip_options : dict of str to str or float
        Of a clip-level detector.
    features : FeatureSettings
    sample_rate : int
        [Hz]
    classes : list of str
        Of a classifier.
    calibrations : list of CalibrationEntry
        Of a detector, one for each way of scoring.
    facts : dict
        About the training.
    """

    format: int = FORMAT
    name: str
    frames: int
    variant: str
    balanced: bool
    clip_options: dict[str, str | float]
    features: FeatureSettings
    sample_rate: int
    classes: list[str]
    calibrations: list[CalibrationEntry]
    facts: dict[str, str | int | float | bool | list[float] | None]


def save(path: Path, description: Description, parts: Mapping[str, bytes]) -> None:
    """Write a model file, whole or not at all.

    Parameters
    ----------
    path : Path
    description : Description
    parts : dict of str to bytes
        What was learnt, and what else belongs to it: archives, by their names.
    """
    with sealed_file(path) as file:
        file.write(archived(description, parts))


def archived(description: Description, parts: Mapping[str, bytes]) -> bytes:
    """The archive that a model file holds."""
    text = json.dumps(asdict(description), indent=1, allow_nan=False)
    return pack({_DESCRIPTION: text.encode(), **parts})


def load(path: Path) -> tuple[Description, dict[str, bytes]]:
    """Read a model file.

    Returns
    -------
    description : Description
        Its types are right; what the values mean is not looked at.
    parts : dict of str to bytes
        Archives by their names.

    Raises
    ------
    FileNotFoundError
        There is no such file.
    CacheError
        The file is damaged, of another version or no model file.
    """
    with open_sealed(path) as file:
        content = file.read()
    try:
        parts = unpack(content)
        if len(parts) < 2 or _DESCRIPTION not in parts:
            raise CacheError(f"{path.name} is no model file, or one of an older version of this program")
        raw = json.loads(parts.pop(_DESCRIPTION), parse_constant=_refuse)
        if not isinstance(raw, dict) or raw.get("format") != FORMAT:
            raise CacheError(f"{path.name} is a model file of another version of this program; train the model again")
        description = parse(Description, raw)
        for part in parts.values():
            unpack(part)  # an archive, too
    except CacheError:
        raise
    except Exception as error:  # a file from elsewhere can raise anything at all
        raise CacheError(f"{path.name}: {first_line(error)}") from error
    return description, parts


def pack(parts: Mapping[str, bytes]) -> bytes:
    """An archive of several parts, for a model that is made of others."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:  # stored, not compressed
        for name, content in parts.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def unpack(content: bytes) -> dict[str, bytes]:
    """The parts of an archive, which must not be compressed and must not share bytes.

    Raises
    ------
    ValueError
        It is no such archive. Content from elsewhere can raise anything else, too.
    """
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        infos = archive.infolist()
        if any(info.compress_type != zipfile.ZIP_STORED or info.file_size != info.compress_size for info in infos):
            raise ValueError("it holds compressed files")
        if sum(info.file_size for info in infos) > len(content):
            raise ValueError("its parts are larger than the whole")
        return {info.filename: archive.read(info) for info in infos}


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no number")


def parse(expected: Any, value: Any) -> Any:
    """Check a value that was read from JSON against a type, and make dataclasses of dicts.

    Parameters
    ----------
    expected : type
        A dataclass, a list, a dict with texts as keys, a union, or a simple type.
    value : Any

    Raises
    ------
    ValueError
        The value is of another type, lacks something or has something else, or is a number that is too large.
    """
    origin, arguments = get_origin(expected), get_args(expected)
    if is_dataclass(expected) and isinstance(value, dict):
        hints = get_type_hints(expected)
        if set(value) == {field.name for field in fields(expected)}:
            return typing.cast(Any, expected)(**{name: parse(hints[name], part) for name, part in value.items()})
    elif origin is list and isinstance(value, list):
        return [parse(arguments[0], part) for part in value]
    elif origin is dict and isinstance(value, dict):
        return {name: parse(arguments[1], part) for name, part in value.items()}
    elif origin is types.UnionType:
        for alternative in arguments:
            try:
                return parse(alternative, value)
            except ValueError:
                continue
    elif expected is float:
        if type(value) in (int, float) and math.isfinite(value):
            return value
    elif type(value) is expected:
        return value
    raise ValueError(f"{value!r:.40} is not what belongs there")


def check_size(name: str, value: int, lowest: int = 1) -> None:
    """See that a number that says how large something is can be one.

    Raises
    ------
    ValueError
        It is too small or too large.
    """
    if not lowest <= value <= _LARGEST:
        raise ValueError(f"{name} can't be {value}")
