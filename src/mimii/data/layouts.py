"""The layouts of data sets: for each one an object that reads paths and writes them. Standard library only."""

import re
from abc import ABC, abstractmethod
from pathlib import Path, PurePosixPath
from typing import ClassVar, NamedTuple

from mimii.data.machines import LABELS, UNLABELLED

# 6dB, 0dB and min6dB as the commands name them; 6_dB_fan and -6_dB_fan as the archives unpack by themselves
_SNR = re.compile(r"(?P<minus>-|min)?_?(?P<decibels>\d+)_?dB(?:_(?P<machine_type>.+))?", re.IGNORECASE)

Machine = tuple[str, str, str]  # SNR, machine type and machine ID; the SNR is empty where the path has none


class PathFacts(NamedTuple):
    """What the path of a recording says about it.

    Attributes
    ----------
    machine : Machine
    label : str
        ``normal``, ``abnormal`` or ``unlabelled``.
    name : str
        The path below the machine's label, or below the machine type where the label is in the file name.
    split : str
        ``train`` or ``eval``; empty where the layout does not say.
    domain : str
        ``source`` or ``target``; empty where the layout has no domains.
    """

    machine: Machine
    label: str
    name: str
    split: str = ""
    domain: str = ""


class Layout(ABC):
    """Where the recordings of a data set lie.

    Attributes
    ----------
    pattern : str
        The paths as a user reads them.
    folders : tuple of str
        Names of the directories that hold wav files.
    id_prefix : str
        What a machine ID begins with.
    has_snr : bool
        Whether a path says the SNR, so that a data set can have several.
    """

    pattern: ClassVar[str]
    folders: ClassVar[tuple[str, ...]]
    id_prefix: ClassVar[str]
    has_snr: ClassVar[bool]

    @abstractmethod
    def read(self, directory: Path, file_name: str) -> PathFacts | None:
        """Tell what a path says.

        Parameters
        ----------
        directory : Path
            Absolute; the directory of the wav file.
        file_name : str

        Returns
        -------
        PathFacts or None
            None where the path is not one of this layout.
        """

    @abstractmethod
    def path(
        self, machine: Machine, label: str, index: int, split: str = "", domain: str = "", attributes: str = ""
    ) -> PurePosixPath:
        """Make the path of a recording below the directory of its data set, such that `read` gives back these facts.

        Parameters
        ----------
        machine : Machine
        label : str
            ``normal``, ``abnormal`` or, where the layout has it, ``unlabelled``.
        index : int >= 0
            Number of the recording among those of its machine and label.
        split, domain : str
            As in `PathFacts`; of use to the layouts that have them.
        attributes : str
            A description with which the file names of ``dcase2021`` may end.
        """


class _Mimii(Layout):
    pattern = "<snr>/<machine_type>/<machine_id>/{normal,abnormal}/*.wav"
    folders = LABELS
    id_prefix = "id"
    has_snr = True

    def read(self, directory: Path, file_name: str) -> PathFacts | None:
        if directory.name not in LABELS:
            return None
        return PathFacts(parse_machine(directory.parent), directory.name, file_name)

    def path(
        self, machine: Machine, label: str, index: int, split: str = "", domain: str = "", attributes: str = ""
    ) -> PurePosixPath:
        return PurePosixPath(*machine, label, f"{index:08d}.wav")


class _Dcase(Layout):
    """The file name tells the machine ID and the label; `file_pattern` finds them, and an empty label is withheld."""

    file_pattern: ClassVar[re.Pattern[str]]
    folders = ("train", "test", "source_test", "target_test")  # the last two are those of 2021
    has_snr = False
    labels: ClassVar[dict[str, str]] = {"normal": "normal", "anomaly": "abnormal", "": UNLABELLED}

    def read(self, directory: Path, file_name: str) -> PathFacts | None:
        match = self.file_pattern.fullmatch(file_name)
        if directory.name not in self.folders or match is None:
            return None
        facts = {key: (value or "").lower() for key, value in match.groupdict().items()}
        return PathFacts(
            machine=("", directory.parent.name, facts["machine_id"]),
            label=self.labels[facts["label"]],
            # with its folder, because the same file name may be in train/ and in test/
            name=f"{directory.name}/{file_name}",
            split="train" if directory.name == "train" else "eval",
            domain=facts.get("domain", ""),
        )

    def label_word(self, label: str) -> str:
        """The word for a label in a file name."""
        return next(word for word, meaning in self.labels.items() if meaning == label)


class _Dcase2020(_Dcase):
    pattern = "<machine_type>/{train,test}/{normal,anomaly}_id_XX_*.wav"
    id_prefix = "id"
    file_pattern = re.compile(r"(?:(?P<label>normal|anomaly)_)?(?P<machine_id>id_\d+)_.*\.wav", re.IGNORECASE)

    def path(
        self, machine: Machine, label: str, index: int, split: str = "", domain: str = "", attributes: str = ""
    ) -> PurePosixPath:
        _, machine_type, machine_id = machine
        folder = "train" if split == "train" else "test"
        words = [self.label_word(label), machine_id, f"{index:08d}"]
        return PurePosixPath(machine_type, folder, "_".join(filter(None, words)) + ".wav")


class _Dcase2021(_Dcase):
    """DCASE 2021 and later; a section is a machine."""

    pattern = "<machine_type>/{train,test}/section_XX_{source,target}_{train,test}_{normal,anomaly}_*.wav"
    id_prefix = "section"
    file_pattern = re.compile(
        r"(?P<machine_id>section_\d+)(?:_(?P<domain>source|target))?(?:_(?:train|test))?"
        r"(?:_(?P<label>normal|anomaly))?_.*\.wav",
        re.IGNORECASE,
    )

    def path(
        self, machine: Machine, label: str, index: int, split: str = "", domain: str = "", attributes: str = ""
    ) -> PurePosixPath:
        _, machine_type, machine_id = machine
        folder = "train" if split == "train" else "test"
        words = [machine_id, domain, folder if domain else "", self.label_word(label), f"{index:04d}", attributes]
        return PurePosixPath(machine_type, folder, "_".join(filter(None, words)) + ".wav")


LAYOUTS: dict[str, Layout] = {"mimii": _Mimii(), "dcase2020": _Dcase2020(), "dcase2021": _Dcase2021()}


def snr_name(decibels: int) -> str:
    """The name of an SNR.

    Examples
    --------
    >>> snr_name(-6)
    'min6dB'
    """
    return _snr_name(decibels < 0, str(abs(decibels)))


def _snr_name(is_negative: bool, digits: str) -> str:
    return f"{'min' if is_negative else ''}{digits}dB"


def parse_machine(directory: Path) -> Machine:
    """SNR, machine type and machine ID of the directory that holds ``normal/`` and ``abnormal/``.

    The directory's name is the machine's ID, the one above it the type, and the nearest one above that reads like a
    signal-to-noise ratio the SNR.

    Examples
    --------
    >>> parse_machine(Path("/data/-6_dB_fan/fan/id_00"))
    ('min6dB', 'fan', 'id_00')
    """
    snr = machine_type = ""
    for part in directory.parts[-2::-1]:  # the parent first
        if match := _SNR.fullmatch(part):
            snr = _snr_name(bool(match["minus"]), match["decibels"])
            machine_type = match["machine_type"] or ""
            break
    parent = directory.parent.name
    if not _SNR.fullmatch(parent):
        machine_type = parent
    return snr, machine_type, directory.name
