"""The layouts of data sets: for each one an object that reads paths and writes them. Standard library only."""

import re
from abc import ABC, abstractmethod
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import ClassVar, NamedTuple

from mimii.data.machines import LABELS, UNLABELLED, Machine

# 6dB, 0dB and min6dB as the commands name them; 6_dB_fan and -6_dB_fan as the archives unpack by themselves
_SNR = re.compile(
    r"(?:(?P<minus>[-\u2212]|min(?:us)?)|\+)?[_ ]?(?P<decibels>\d+)[_ ]?dB(?:_(?P<machine_type>.+))?", re.IGNORECASE
)

# what folders are called, in small letters
LABEL_FOLDERS = {"normal": LABELS[0], **dict.fromkeys(("abnormal", "anomaly", "anomalies", "anomalous"), LABELS[1])}
SPLIT_FOLDERS = {"train": "train", "training": "train", "test": "eval", "testing": "eval"}
RENAMED = "test_rename"  # of DCASE: the labelled copies of what lies in test/ without labels
SUPPLEMENTAL = "supplemental"  # of DCASE from 2025 on: the machine without noise, or the noise alone
BY_DOMAIN = ("source_test", "target_test")  # of DCASE 2021
FILE_NAME_FOLDERS = ("train", "test", RENAMED, *BY_DOMAIN, SUPPLEMENTAL)  # of DCASE
VALIDATION_FOLDERS = ("val", "valid", "validation")  # a part that no experiment here has a use for

_NO_ATTRIBUTES = "noattribute"  # what the file names of DCASE say, in small letters, of machines without any


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
        ``train``, ``eval`` or, of recordings that are no part of either, ``supplemental``; empty where the layout does
        not say.
    domain : str
        ``source`` or ``target``; empty where the layout has no domains.
    attributes : str
        A description of how the machine ran; empty where the file name has none.
    supplement : str
        Of supplemental recordings what they hold: ``clean``, the machine without noise, or ``noise`` alone.
    """

    machine: Machine
    label: str
    name: str
    split: str = ""
    domain: str = ""
    attributes: str = ""
    supplement: str = ""


class Layout(ABC):
    """Where the recordings of a data set lie.

    Attributes
    ----------
    pattern : str
        The paths as a user reads them.
    id_prefix : str
        What a machine ID begins with.
    has_snr : bool
        Whether a path says the SNR, so that a data set can have several.
    """

    pattern: ClassVar[str]
    id_prefix: ClassVar[str]
    has_snr: ClassVar[bool]

    @abstractmethod
    def read(self, directory: Path, below: PurePosixPath, base: Path | None = None) -> PathFacts | None:
        """Tell what a path says.

        Parameters
        ----------
        directory : Path
            Absolute; a directory above the recording.
        below : PurePosixPath
            The path of the recording below that directory: its name or, where it lies deeper, directories too.
        base : Path, optional
            A directory below which folders ``train`` and ``test`` may tell the split of machines whose label is a
            folder; without it such folders are ordinary names.

        Returns
        -------
        PathFacts or None
            None where the directory is none in which this layout keeps recordings, or the recording none of it.
        """

    def clip(self, name: str) -> str:
        """What of a name, without its ending, tells a recording from the machine's others in another directory."""
        return name

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
    id_prefix = "id"
    has_snr = True

    def read(self, directory: Path, below: PurePosixPath, base: Path | None = None) -> PathFacts | None:
        *folders, name = below.parts
        facts = self._of_folder(directory, tuple(folders), base)
        return facts and facts._replace(name=facts.name + name)

    @staticmethod
    @lru_cache(maxsize=1024)
    def _of_folder(directory: Path, below: tuple[str, ...], base: Path | None) -> PathFacts | None:
        """What the path of all recordings of a folder says; the name is what stands before that of a recording."""
        label = LABEL_FOLDERS.get(directory.name.casefold())
        if label is None or directory.parent.name.casefold() in LABEL_FOLDERS:
            return None  # normal/normal/ is a part of the first normal/
        folders = [part.casefold() for part in below]
        if any(LABEL_FOLDERS.get(folder, label) != label for folder in folders):
            return None
        machine, name, split = directory.parent, list(below), ""
        if base is not None and base in directory.parents:
            above = machine.relative_to(base).parts
            if any(folder.casefold() in VALIDATION_FOLDERS for folder in (*above, *folders)):
                return None
            splits = [number for number, folder in enumerate(above) if folder.casefold() in SPLIT_FOLDERS]
            if folders and folders[0] in SPLIT_FOLDERS:
                split = SPLIT_FOLDERS[folders[0]]
            elif splits:
                number = splits[-1]
                split = SPLIT_FOLDERS[above[number].casefold()]
                machine = base.joinpath(*above[:number], *above[number + 1 :])
                name.insert(0, above[number])  # because the same file name may be in train/ and in test/
        return PathFacts(parse_machine(machine), label, "".join(f"{folder}/" for folder in name), split)

    def path(
        self, machine: Machine, label: str, index: int, split: str = "", domain: str = "", attributes: str = ""
    ) -> PurePosixPath:
        return PurePosixPath(*machine, label, f"{index:08d}.wav")


class _Dcase(Layout):
    """The file name tells the machine ID and the label; `file_pattern` finds them, and an empty label is withheld."""

    file_pattern: ClassVar[re.Pattern[str]]
    has_snr = False
    labels: ClassVar[dict[str, str]] = {"normal": "normal", "anomaly": "abnormal", "": UNLABELLED}

    def read(self, directory: Path, below: PurePosixPath, base: Path | None = None) -> PathFacts | None:
        folder = directory.name.casefold()
        match = self.file_pattern.fullmatch(below.name)
        if folder == SUPPLEMENTAL:
            return self.read_supplemental(directory, below)
        if folder not in FILE_NAME_FOLDERS or match is None:
            return None
        facts = {key: (value or "").lower() for key, value in match.groupdict().items()}
        return PathFacts(
            machine=("", directory.parent.name, facts["machine_id"]),
            label=self.labels[facts["label"]],
            # with its folder, because the same file name may be in train/ and in test/
            name=f"{directory.name}/{below}",
            split="train" if folder == "train" else "eval",
            domain=facts.get("domain", ""),
            attributes=self.attributes(below.stem),
        )

    def read_supplemental(self, directory: Path, below: PurePosixPath) -> PathFacts | None:
        """What the path of a supplemental recording says; None where the layout has no such recordings."""
        return None

    def attributes(self, stem: str) -> str:
        """What a file name without its ending says about how the machine ran."""
        return ""

    def label_word(self, label: str) -> str:
        """The word for a label in a file name."""
        return next(word for word, meaning in self.labels.items() if meaning == label)


class _Dcase2020(_Dcase):
    pattern = "<machine_type>/{train,test}/{normal,anomaly}_id_XX_*.wav"
    id_prefix = "id"
    file_pattern = re.compile(r"(?:(?P<label>normal|anomaly)_)?(?P<machine_id>id_\d+)_.*\.\w+", re.IGNORECASE)

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
        r"(?:_(?P<label>normal|anomaly))?_.*\.\w+",
        re.IGNORECASE,
    )
    number_pattern = re.compile(r"(_\d{4,})_([^/]*)$")  # the number of a clip, and its attributes
    supplemental_pattern = re.compile(
        r"(?P<machine_id>section_\d+)_(?:.*_)?(?P<content>clean|machine|noise)(?:_(?P<domain>source|target))?_.*\.\w+",
        re.IGNORECASE,
    )

    def clip(self, name: str) -> str:
        """The name up to its number: the attributes that follow differ from year to year."""
        return self.number_pattern.sub(r"\1", name)

    def read_supplemental(self, directory: Path, below: PurePosixPath) -> PathFacts | None:
        match = self.supplemental_pattern.fullmatch(below.name)
        if match is None:
            return None
        return PathFacts(
            machine=("", directory.parent.name, match["machine_id"].lower()),
            label=LABELS[0],
            name=f"{directory.name}/{below}",
            split=SUPPLEMENTAL,
            domain=(match["domain"] or "").lower(),
            attributes=self.attributes(below.stem),
            supplement="noise" if match["content"].lower() == "noise" else "clean",
        )

    def attributes(self, stem: str) -> str:
        match = self.number_pattern.search(stem)
        return "" if match is None or match[2].casefold() == _NO_ATTRIBUTES else match[2]

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


def canonical_snr(text: str) -> str:
    """The name of an SNR that somebody writes in another way; any other text as it is.

    Examples
    --------
    >>> [canonical_snr(text) for text in ("-6dB", "-6_dB", "min6dB", "quiet")]
    ['min6dB', 'min6dB', 'min6dB', 'quiet']
    """
    match = _SNR.fullmatch(text)
    return _snr_name(bool(match["minus"]), match["decibels"]) if match and not match["machine_type"] else text


@lru_cache(maxsize=1024)
def parse_machine(directory: Path) -> Machine:
    """SNR, machine type and machine ID of the directory that holds ``normal/`` and ``abnormal/``.

    The directory's name is the machine's ID, the one above it the type, and the nearest one above that reads like a
    signal-to-noise ratio the SNR, which may also stand between the type and the ID, or below the ID. Right below an
    SNR, a name without a digit is a type, and the machine has no ID.

    Examples
    --------
    >>> parse_machine(Path("/data/-6_dB_fan/fan/id_00"))
    ('min6dB', 'fan', 'id_00')
    >>> parse_machine(Path("/data/fan/6dB/id_00"))
    ('6dB', 'fan', 'id_00')
    >>> parse_machine(Path("/data/6dB/fan"))
    ('6dB', 'fan', '')
    """
    snr = type_of_snr = ""
    names = [part for part in directory.parts[::-1] if part != directory.anchor]  # the directory itself first
    for part in names:
        if match := _SNR.fullmatch(part):
            snr = _snr_name(bool(match["minus"]), match["decibels"])
            type_of_snr = match["machine_type"] or ""
            break
    is_below_snr = any(_SNR.fullmatch(name) for name in names[:2])
    first, second = ([name for name in names if not _SNR.fullmatch(name)] + ["", ""])[:2]
    if not is_below_snr:
        return snr, second, first
    if type_of_snr:
        has_id = bool(names) and not _SNR.fullmatch(names[0]) and first != type_of_snr
        return snr, type_of_snr, first if has_id else ""
    return (snr, second, first) if re.search(r"\d", first) else (snr, first, "")
