"""Makes a synthetic data set: which recordings it has, where they lie, and a README that says how it was made."""

import io
import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import soundfile
from tqdm import tqdm

from mimii.data.layouts import LAYOUTS
from mimii.data.machines import LABELS
from mimii.data.mimii import SAMPLE_RATE, SNRS
from mimii.data.recordings import README_NAME, SYNTHETIC_MARK
from mimii.data.synthesis import mix, recording_parts
from mimii.data.synthetic_machines import IDS, MACHINES
from mimii.errors import UserError
from mimii.runtime.processes import in_parallel
from mimii.storage.files import whole_file

README_TITLE = f"{SYNTHETIC_MARK} demo data set made by make_demo_dataset.py"
_FIRST_IDS = 2  # of each machine type, in the data sets whose README does not say how many
SYNTHESIS_VERSION = 1  # to be raised with every change of the sound, so that old data are not taken for new


@dataclass(frozen=True, kw_only=True)
class DemoSettings:
    """What decides the recordings of a demo data set.

    Attributes
    ----------
    snr : tuple of str
        Names of the SNRs, of `mimii.data.mimii.SNRS`; the machine and the noise are the same in each.
    machine_type : tuple of str
        Machine types, of `mimii.data.mimii.MACHINE_TYPES`.
    layout : str
        A key of `mimii.data.layouts.LAYOUTS`.
    ids : int
        Machines of each type, four at most.
    normal, abnormal : int
        Recordings of each machine.
    channels : int
        1 or 8.
    seed : int
        All random numbers follow from it.
    """

    snr: tuple[str, ...]
    machine_type: tuple[str, ...]
    layout: str
    ids: int
    normal: int
    abnormal: int
    channels: int
    seed: int

    def facts(self) -> dict[str, Any]:
        """The settings, and the version of the sounds, as JSON holds them."""
        return {"synthesis_version": SYNTHESIS_VERSION} | json.loads(json.dumps(asdict(self)))

    @property
    def machines(self) -> list[tuple[str, str]]:
        """Machine type and machine ID of each machine."""
        return [machine for machine in MACHINES if machine[0] in self.machine_type and machine[1] in IDS[: self.ids]]


@dataclass(frozen=True)
class Recording:
    """A recording to write, at one SNR or at several.

    Attributes
    ----------
    output_dir : Path
        Directory of the data set.
    settings : DemoSettings
        Those of the data set; of the SNRs only those at which the recording is to be written.
    machine_type, machine_id, label : str
    index : int
        Number of the recording among those of its machine and label.
    """

    output_dir: Path
    settings: DemoSettings
    machine_type: str
    machine_id: str
    label: str
    index: int

    @property
    def name(self) -> str:
        """What a message calls the recording."""
        return f"{self.machine_type} {self.machine_id} {self.label} {self.index}"

    def path(self, snr: str) -> Path:
        """Path of the recording at an SNR.

        The layouts that tell the split have the one that MIMII's rule gives. Of two recordings for evaluation one is
        said to be of the target domain.
        """
        layout = LAYOUTS[self.settings.layout]
        split = "eval" if self.label == "abnormal" or self.index < self.settings.abnormal else "train"
        relative = layout.path(
            (snr, self.machine_type, self.machine_id.replace("id", layout.id_prefix)),
            self.label,
            self.index,
            split=split,
            domain="target" if split == "eval" and self.index % 2 else "source",
            attributes="synthetic",
        )
        return self.output_dir / relative


@dataclass(frozen=True)
class Made:
    """What `make_dataset` did.

    Attributes
    ----------
    recordings : int
        Files of the data set, at all the SNRs of the settings.
    written : int
        Of these, the files that were missing.
    size : int [bytes]
        Of all the files together.
    """

    recordings: int
    written: int
    size: int


def make_dataset(output_dir: Path, settings: DemoSettings, jobs: int) -> Made:
    """Write the recordings of a data set that do not exist yet.

    Parameters
    ----------
    output_dir : Path
        Is made where it is missing.
    settings : DemoSettings
    jobs : int > 0
        Processes.

    Raises
    ------
    UserError
        The directory holds something else, or can't be written.
    """
    counts = {"normal": settings.normal, "abnormal": settings.abnormal}
    recordings = [
        Recording(output_dir, settings, machine_type, machine_id, label, index)
        for machine_type, machine_id in settings.machines
        for label in LABELS
        for index in range(counts[label])
    ]
    claim_directory(output_dir, settings)
    absent = {
        recording: tuple(snr for snr in settings.snr if not recording.path(snr).is_file()) for recording in recordings
    }
    missing = [replace(recording, settings=replace(settings, snr=snrs)) for recording, snrs in absent.items() if snrs]
    done = in_parallel(write_recording, missing, jobs)
    for _ in tqdm(done, total=len(missing), unit="recording", disable=None if missing else True):
        pass
    paths = [recording.path(snr) for recording in recordings for snr in settings.snr]
    return Made(len(paths), sum(map(len, absent.values())), sum(path.stat().st_size for path in paths))


def write_recording(recording: Recording) -> None:
    """Synthesise a recording and write it at each of its SNRs; raises `UserError` where a file can't be written."""
    settings = recording.settings
    machine, noise = recording_parts(
        recording.machine_type, recording.machine_id, recording.label, recording.index, settings.seed, settings.channels
    )
    for snr in settings.snr:
        # Through memory: an error of the disk must come as an OSError, not as libsndfile reports it.
        wav = io.BytesIO()
        soundfile.write(wav, mix(machine, noise, SNRS[snr]), SAMPLE_RATE, "PCM_16", format="WAV")
        with whole_file(recording.path(snr)) as temporary:
            temporary.write_bytes(wav.getvalue())


def claim_directory(output_dir: Path, settings: DemoSettings) -> None:
    """Make the directory of a data set, and mark it by a README.

    An SNR can be added to a data set whose other settings are the same. A directory that holds anything else is left
    as it is.

    Raises
    ------
    UserError
        The directory holds something else, or can't be made or written.
    """
    facts = settings.facts()
    try:
        output_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"cannot write to {output_dir}: {error.strerror}; choose another --output_dir") from error
    readme = output_dir / README_NAME
    known = recorded_facts(readme)
    if known is None:
        if any(not path.name.startswith(".") for path in output_dir.iterdir()):
            raise UserError(f"{output_dir} holds files that this script did not make; choose another --output_dir")
    elif {**known, "snr": facts["snr"]} != facts:
        changed = sorted(key for key in facts if key != "snr" and known.get(key) != facts[key])
        raise UserError(
            f"{output_dir} holds a demo data set made with another {', '.join(changed)}; "
            "delete it or choose another --output_dir"
        )
    else:
        made = known.get("snr", [])
        facts["snr"] = [snr for snr in SNRS if snr in made or snr in facts["snr"]]
    if facts != known:
        with whole_file(readme) as temporary:
            temporary.write_text(readme_text(facts), encoding="utf-8")


def readme_text(facts: dict[str, Any]) -> str:
    """The README of a data set; its last line is what `recorded_facts` reads."""
    return f"""{README_TITLE}

These recordings are calculated, not recorded: no machine and no factory was in front of a microphone. They
have the layout of MIMII (https://zenodo.org/records/3384388) so that the framework can be tried without
downloading it. Scores on them say nothing about real machines and must not be reported as results on MIMII.

What each sound and each fault consists of is described in src/mimii/data/synthesis.py.
Made with these options:
{json.dumps(facts, sort_keys=True)}
"""


def recorded_facts(readme: Path) -> dict[str, Any] | None:
    """The facts in a README that `claim_directory` wrote; None where it is missing or somebody else's."""
    try:
        lines = readme.read_text(encoding="utf-8").splitlines()
        facts = json.loads(lines[-1]) if lines[:1] == [README_TITLE] else None
    except (FileNotFoundError, UnicodeDecodeError, json.JSONDecodeError):
        return None
    return {"ids": _FIRST_IDS} | facts if isinstance(facts, dict) else None
