"""A small tree of DCASE task 2, 2020 to 2026, named as the organisers name it, and what is true of it."""

import csv
import wave
import zlib
from collections import defaultdict
from collections.abc import Iterable
from itertools import count
from pathlib import Path
from typing import NamedTuple

import numpy as np

SAMPLE_RATE = 16000
YEARS = range(2020, 2027)
LABEL_WORDS = {"normal": "normal", "abnormal": "anomaly"}
WITHHELD = "CoffeeGrinder"  # of 2025: nobody says which of its test clips are abnormal
MISTAKEN = (
    "ToyCar"  # of 2022: the names in the lists of its evaluation clips have wrong labels, the evaluator's are right
)
DATASETS = {year: f"dcase{year}" for year in YEARS}
FOLDERS = DATASETS | {2023: "dcase2023t2"}  # the latter as the baseline calls it


class Machine(NamedTuple):
    """A machine, and what its file names say of the source and of the target domain after the number of the clip.

    Where they say noAttribute, the ground truth of 2024 and 2025 still has attributes, here `told`.
    """

    part: str
    machine_type: str
    machine_id: str
    source: str = ""
    target: str = ""
    told: str = ""


class Clip(NamedTuple):
    """A recording and all that is known about it.

    `path` is below the tree. `renamed` is where the baseline leaves a copy with the label in its name, and empty where
    there is none. `full_name` is the name with label, domain and attributes, `told` are the attributes that the ground
    truth has, and `is_open` says whether it has the label. `twin` is the recording whose sound this one has, too, or
    itself.
    """

    dataset: str
    part: str
    machine_type: str
    machine_id: str
    split: str
    label: str
    domain: str
    attributes: str
    path: str
    renamed: str
    full_name: str
    told: str
    is_open: bool
    twin: str

    @property
    def machine(self):
        return self.dataset, self.machine_type, self.machine_id

    @property
    def is_supplemental(self):
        return self.split == "supplemental"

    @property
    def name(self):
        return self.path.rpartition("/")[2]


MACHINES = {
    2020: [
        Machine("development", "fan", "id_00"),
        Machine("development", "fan", "id_02"),
        Machine("development", "pump", "id_00"),
        Machine("development", "ToyCar", "id_01"),
        Machine("evaluation", "fan", "id_01"),
        Machine("evaluation", "pump", "id_01"),
        Machine("evaluation", "pump", "id_03"),
    ],
    2021: [
        Machine("development", "fan", "section_00", "strength_1_ambient", "strength_2_ambient"),
        Machine("development", "ToyTrain", "section_00", "A1_spd_6_mic_1", "A1_spd_9_mic_2"),
        Machine("evaluation", "fan", "section_03", "strength_1_ambient", "strength_2_ambient"),
        Machine("evaluation", "ToyTrain", "section_03", "B1_spd_6_mic_1", "B1_spd_9_mic_2"),
        Machine("evaluation", "ToyTrain", "section_04", "B2_spd_6_mic_1", "B2_spd_9_mic_2"),
    ],
    2022: [
        Machine("development", "bearing", "section_00", "vel_6", "vel_14"),
        Machine("development", "bearing", "section_01", "vel_6_loc_A", "vel_6_loc_E"),
        Machine("development", "valve", "section_00", "pat_00", "pat_05"),
        Machine("evaluation", "bearing", "section_03", "vel_9", "vel_25"),
        Machine("evaluation", MISTAKEN, "section_03", "car_F1_spd_31V_mic_1_noise_6", "car_G1_spd_34V_mic_1_noise_6"),
    ],
    2023: [
        Machine("development", "fan", "section_00", "m-n_W", "m-n_X"),
        Machine("development", "ToyCar", "section_00", "car_A2_spd_28V_mic_1_noise_1", "car_E2_spd_31V_mic_2_noise_1"),
        Machine("evaluation", "Vacuum", "section_00", "loc_A", "loc_C"),
        Machine("evaluation", "ToyDrone", "section_00", "car_A1_spd_1_mic_1", "car_C1_spd_1_mic_2"),
    ],
    2024: [
        Machine("development", "gearbox", "section_00", "noAttribute", "noAttribute"),
        Machine("development", "ToyCar", "section_00", "car_B1_spd_31V_mic_1", "car_E1_spd_28V_mic_1"),
        Machine("evaluation", "3DPrinter", "section_00", "mdl_A_spd_1", "mdl_B_spd_2"),
        Machine("evaluation", "AirCompressor", "section_00", "noAttribute", "noAttribute", told="fl_2_nos_3"),
        Machine("evaluation", "ToothBrush", "section_00", "noAttribute", "noAttribute"),
    ],
    2025: [
        Machine("development", "ToyCar", "section_00", "car_B1_spd_31V_mic_1", "car_E1_spd_28V_mic_1"),
        Machine("development", "bearing", "section_00", "noAttribute", "noAttribute"),
        Machine("evaluation", "ScrewFeeder", "section_00", "noAttribute", "noAttribute", told="id_B_spd_2"),
        Machine("evaluation", "ToyRCCar", "section_00", "car_A1_spd_1_mic_1", "car_C1_spd_2_mic_2"),
        Machine("evaluation", WITHHELD, "section_00", "id_A_lv_1", "id_B_lv_2"),
    ],
    2026: [
        Machine("development", "fan", "section_00", "m-n_W", "m-n_X"),
        Machine("development", "ToyCarEmu", "section_00", "noAttribute", "noAttribute"),
        Machine("evaluation", "ToothBrush", "section_00", "noAttribute", "noAttribute"),  # as in 2024
        Machine("evaluation", "ToyDrone", "section_00", "noAttribute", "noAttribute"),  # as in 2023
        Machine("evaluation", "Sander", "section_00", "spd_1", "spd_2"),
    ],
}


# --- names


def clips(year):
    """All recordings of a year, `Clip` objects in the order of their machines."""
    return [clip for number, machine in enumerate(MACHINES[year]) for clip in _clips_of(year, machine, number)]


def all_clips(years=YEARS):
    return [clip for year in years for clip in clips(year)]


def _clips_of(year, machine, number):
    found = []
    domains = [""] if year == 2020 else ["source", "target"]
    for domain in domains:
        of_training = 2 if domain == "target" else 8 + number % 2
        found += [_clip(year, machine, "train", "normal", domain, index) for index in range(of_training)]
    if year == 2025:
        found += [_supplement(machine, index) for index in range(2)]
    test = []
    for place, domain in enumerate(domains):
        for label, size in (("normal", 4 + (number + place) % 2), ("abnormal", 3 + (number + place) % 3)):
            test += [(label, domain)] * (size * 2 // len(domains))
    first = 1 if machine.machine_type == "3DPrinter" else 0
    numbers = defaultdict(lambda: count(first))
    for label, domain in np.random.default_rng([year, number]).permutation(test).tolist():
        # clips without a label are numbered through, in 2021 each domain for itself, and in 2026 all are
        is_through = machine.part == "evaluation" or year == 2026
        series = (label, domain) if not is_through else domain if year == 2021 else ""
        found.append(_clip(year, machine, "eval", label, domain, next(numbers[series])))
    if number == 0:  # the first machine of each year has a tie: an abnormal recording sounds like a normal one
        abnormal = next(place for place, clip in enumerate(found) if clip.label == "abnormal")
        domain = found[abnormal].domain
        twin = next(clip for clip in found if (clip.split, clip.label, clip.domain) == ("eval", "normal", domain))
        found[abnormal] = found[abnormal]._replace(twin=twin.path)
    return found


def _clip(year, machine, split, label, domain, index):
    attributes = {"": "", "source": machine.source, "target": machine.target}[domain]
    folder = "train" if split == "train" else "test"
    word = LABEL_WORDS[label]
    is_hidden = split == "eval" and machine.part == "evaluation"
    renamed = ""
    if year == 2020:
        full_name = f"{word}_{machine.machine_id}_{index:08d}.wav"
        name = full_name.removeprefix(f"{word}_") if is_hidden else full_name
    else:
        if year == 2021 and split == "eval":
            attributes = ""  # the names of its test clips have none
        words = [machine.machine_id, domain, folder, word, f"{index:04d}", attributes]
        full_name = "_".join(filter(None, words)) + ".wav"
        name = full_name
        if year == 2021 and split == "eval":
            folder = f"{domain}_test"
        if is_hidden:
            name = "_".join([*([machine.machine_id, domain, "test"] if year == 2021 else words[:1]), words[4]]) + ".wav"
    home = _home(year, machine, split)
    if year == 2023 and is_hidden:
        renamed = f"{home}/{machine.machine_type}/test_rename/{full_name}"
    path = f"{home}/{machine.machine_type}/{folder}/{name}"
    return Clip(
        dataset=DATASETS[year],
        part=machine.part,
        machine_type=machine.machine_type,
        machine_id=machine.machine_id,
        split=split,
        label=label,
        domain=domain,
        attributes="" if attributes == "noAttribute" else attributes,
        path=path,
        renamed=renamed,
        full_name=full_name,
        told="" if year == 2026 and is_hidden else machine.told or attributes.replace("noAttribute", ""),
        is_open=machine.machine_type != WITHHELD or split == "train",
        twin=path,
    )


def _supplement(machine, index):
    """Of 2025: the machine alone where its attributes are known, else the noise alone."""
    kind = "noise" if machine.source == "noAttribute" else "machine"
    clip = _clip(2025, machine, "train", "normal", "source", index)
    path = clip.path.replace("/train/", "/supplemental/").replace("source_train_normal", kind)
    return clip._replace(split="supplemental", domain="", path=path, twin=path)


def _home(year, machine, split):
    """Where a machine type lies: in one folder, side by side, as archives unpack, or as the baseline leaves it."""
    is_development = machine.part == "development"
    if year == 2022:
        return FOLDERS[year]
    if year == 2024:
        step = "train" if split == "train" else "test"
        name = machine.machine_type
        return f"{FOLDERS[year]}/{f'dev_{name}' if is_development else f'eval_data_{name}_{step}'}"
    if year == 2025:
        of_evaluation = "evaluation" if split == "eval" else "additional_training"
        return f"{FOLDERS[year]}/{'development' if is_development else of_evaluation}"
    below = "/raw" if year == 2023 else ""
    return f"{FOLDERS[year]}/{'dev_data' if is_development else 'eval_data'}{below}"


# --- files


def write_tree(base, wanted, *, channels=None):
    """Write recordings, and the tables of attributes beside them; gives ``base``.

    Parameters
    ----------
    base : Path
    wanted : iterable of Clip
    channels : sequence of int, optional
        Which channels to write, of which 0 is near the machine and 1 far from it; without it both in 2026, and the
        near one in the other years.
    """
    tables = {}
    for clip in wanted:
        chosen = channels or ((0, 1) if clip.dataset == DATASETS[2026] else (0,))
        for path in filter(None, (clip.path, clip.renamed)):
            _write_wav(base / path, _sound(clip)[:, list(chosen)])
        if clip.dataset >= DATASETS[2022] and not clip.is_supplemental and clip.name == clip.full_name:
            parent = Path(clip.path).parents[1]
            tables.setdefault(parent / f"attributes_{clip.machine_id[-2:]}.csv", []).append(clip)
    for path, rows in tables.items():
        _write_attributes(base / path, rows)
    return base


def touch_tree(base, wanted):
    """The same without sounds: empty files."""
    for clip in wanted:
        for path in filter(None, (clip.path, clip.renamed)):
            (base / path).parent.mkdir(parents=True, exist_ok=True)
            (base / path).touch()
    return base


def _write_wav(path, samples):
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(samples.shape[1])
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE)
        file.writeframes((32767 * samples.clip(-1, 1)).astype("<i2").tobytes())


def _sound(clip):
    """A hum in noise, and a faint whistle where it is abnormal; both channels, as an array (samples, 2)."""
    machine = zlib.crc32("/".join(clip.machine).encode())
    rng = np.random.default_rng([machine, zlib.crc32(clip.twin.encode())])
    sounds_abnormal = clip.label == "abnormal" and clip.twin == clip.path
    time = np.arange(int(0.4 * SAMPLE_RATE)) / SAMPLE_RATE
    loudness = {"": 1.0, "source": 1.0, "target": 1.3}[clip.domain] * rng.uniform(0.9, 1.1)
    near = 0.1 * loudness * np.sin(2 * np.pi * (120 + machine % 400) * time + rng.uniform(0, 6))
    if sounds_abnormal:
        near += rng.uniform(0, 0.008) * np.sin(2 * np.pi * (2000 + machine % 1700) * time)
    noise = rng.standard_normal((2, len(time)), dtype=np.float32)
    return np.column_stack([near + 0.02 * noise[0], 0.3 * near + 0.03 * noise[1]])


def _write_attributes(path, rows):
    """Three ways to write such a table: with paths and attributes, with names alone, without attributes."""
    table = []
    for clip in rows:
        is_toy = clip.machine_type.startswith("Toy")
        below = "/".join(clip.path.split("/")[-3:])  # such as fan/train/section_00_...wav
        table.append([Path(below).stem if is_toy else below, *filter(None, clip.attributes.split("_"))])
    pairs = (max(len(row) for row in table) - 1) // 2
    heading = ["file_name", *(f"d{pair}{kind}" for pair in range(1, pairs + 1) for kind in "pv")]
    _write_csv(path, [heading, *(row + [""] * (len(heading) - len(row)) for row in table)])


# --- the ground truth, as evaluators and the baseline keep it


def write_truth(base, wanted, *, kinds=("evaluator", "list")):
    """Write what is told about the clips without labels, as it lies in a folder of clones; gives ``base``.

    Parameters
    ----------
    base : Path
    wanted : iterable of Clip
        The clips of the evaluation sets count, unless their labels are in the names of renamed copies or withheld.
    kinds : sequence of str
        ``evaluator``: the tables of an evaluator for each machine, which 2020 and 2025 have not here. ``list``: the
        baseline's list of a year, which 2026 has not.
    """
    machines = {}
    for clip in wanted:
        if clip.split == "eval" and clip.is_open and clip.name != clip.full_name and not clip.renamed:
            machines.setdefault(clip.machine, []).append(clip)
    lists = {}
    for (dataset, machine_type, _), found in machines.items():
        year = int(dataset.removeprefix("dcase"))
        if "evaluator" in kinds and year not in (2020, 2025):
            _write_evaluator(base / f"dcase{year}_{'' if year == 2022 else 'task2_'}evaluator", year, found)
        if "list" in kinds and year != 2026:
            lines = lists.setdefault(year, {}).setdefault(machine_type, [])
            lines += [[clip.name, listed_name(clip), *([_number(clip)] if year == 2020 else [])] for clip in found]
    for year, blocks in lists.items():
        rows = [row for machine_type, lines in blocks.items() for row in ([machine_type], *lines)]
        _write_csv(base / "dcase2023_task2_baseline_ae" / "datasets" / f"eval_data_list_{year}.csv", rows)
    if lists:  # what lies beside it and is no ground truth of evaluation clips
        beside = base / "dcase2023_task2_baseline_ae" / "datasets" / "ground_truth_attributes" / "dcase2024t2"
        names = [
            "section_00_source_test_normal_0000_pro_A_wt_200.wav",
            "section_00_source_test_normal_0000_noAttribute.wav",
        ]
        table = beside / "dev_data" / "gearbox" / "attributes_00_test_correspondence.csv"
        _write_csv(table, [["source_file_name", "target_file_name"], names])
        (base / "dcase2023_task2_baseline_ae" / "README.md").write_text("# Baseline\n", encoding="utf-8")
    return base


def is_mistaken(clip):
    """Whether the lists name a wrong label, of which the evaluator's table has the right one."""
    return (clip.dataset, clip.machine_type) == (DATASETS[2022], MISTAKEN) and int(clip.name[-5]) % 3 == 0


def listed_name(clip):
    """The name with label, domain and all attributes that are told."""
    name = clip.full_name.replace("noAttribute", clip.told or "noAttribute")
    if not is_mistaken(clip):
        return name
    word = LABEL_WORDS[clip.label]
    [other] = set(LABEL_WORDS.values()) - {word}
    return name.replace(f"_{word}_", f"_{other}_")


def _write_evaluator(directory, year, found):
    machine_type, machine_id = found[0].machine_type, found[0].machine_id
    labels, attributes = directory / "ground_truth_data", directory / "ground_truth_attributes"
    if year == 2021:
        for domain in ("source", "target"):
            rows = [[clip.name, _number(clip)] for clip in found if clip.domain == domain]
            _write_csv(labels / f"ground_truth_{machine_type}_{machine_id}_{domain}_test.csv", rows)
        return
    name = f"ground_truth_{machine_type}_{machine_id}_test.csv"
    _write_csv(labels / name, [[clip.name, _number(clip)] for clip in found])
    domains = [[clip.name, int(clip.domain == "target")] for clip in found]
    _write_csv(directory / "ground_truth_domain" / name, domains)
    if year == 2022:
        folder = f"{machine_type}/test"
        last = "file_name_with_attributes" if machine_type.startswith("Toy") else "file_name_with_full_attributes"
        rows = [
            [f"{folder}/{clip.name}", *clip.attributes.split("_")[:2], f"{folder}/{listed_name(clip)}"]
            for clip in found
        ]
        table = attributes / machine_type / f"attributes_{machine_id[-2:]}.csv"
        _write_csv(table, [["file_name", "d1p", "d1v", last], *rows])
    elif year != 2026:
        # a third column has the attributes of a machine whose names hide them
        rows = [
            [clip.name, clip.full_name.removesuffix(".wav"), *[listed_name(clip)] * ("noAttribute" in clip.full_name)]
            for clip in found
        ]
        _write_csv(attributes / name, rows)


def _number(clip):
    return int(clip.label == "abnormal")


def _write_csv(path, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows(rows)


def by_path(wanted: Iterable[Clip]):
    """The clips by each path below the tree under which they lie."""
    return {path: clip for clip in wanted for path in filter(None, (clip.path, clip.renamed))}
