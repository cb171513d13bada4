"""The data sets of DCASE's challenges: which archives are downloaded, and what tree they become."""

import stat
import zipfile

import pytest
from archive_support import fails, names, sound, zipped
from record_server import serving

from mimii.commands import prepare_dataset
from mimii.data import dcase
from mimii.data.mimii import MACHINE_TYPES
from mimii.data.recordings import find_recordings

ATTRIBUTES = "file_name,d1p,d1v\n"
# for each year: the archives of each part as Zenodo's records have them, and the files of each
YEARS = {
    "dcase2020": {
        "development": {"dev_data_fan.zip": ["train/normal_id_00_00000000.wav", "test/anomaly_id_00_00000000.wav"]},
        "additional": {"eval_data_train_fan.zip": ["train/normal_id_01_00000000.wav"]},
        "evaluation": {"eval_data_test_fan.zip": ["test/id_01_00000000.wav"]},
    },
    "dcase2021": {
        "development": {
            "dev_data_fan.zip": [
                "train/section_00_source_train_normal_0000_strength_1_ambient.wav",
                "source_test/section_00_source_test_normal_0000.wav",
                "target_test/section_00_target_test_anomaly_0099.wav",
            ]
        },
        "additional": {"eval_data_fan_train.zip": ["train/section_03_source_train_normal_0000_strength_1_ambient.wav"]},
        "evaluation": {
            "eval_data_fan_test.zip": [
                "source_test/section_03_source_test_0000.wav",
                "target_test/section_03_target_test_0000.wav",
            ]
        },
    },
    "dcase2022": {
        "development": {
            "dev_fan.zip": [
                "train/section_00_source_train_normal_0000_m-n_W.wav",
                "test/section_00_target_test_anomaly_0000_m-n_Z.wav",
                "attributes_00.csv",
            ]
        },
        "additional": {
            "eval_data_fan_train.zip": ["train/section_03_source_train_normal_0000_m-n_W.wav", "attributes_03.csv"]
        },
        "evaluation": {"eval_data_fan_test.zip": ["test/section_03_0000.wav"]},
    },
    "dcase2023": {
        "development": {
            "dev_bearing.zip": [
                "train/section_00_source_train_normal_0001_pro_A_vel_4_loc_A.wav",
                "test/section_00_source_test_normal_0001_pro_A_vel_4_loc_A.wav",
                "attributes_00.csv",
            ]
        },
        "additional": {
            "eval_data_Vacuum_train.zip": ["train/section_00_source_train_normal_0000_pwr_1.wav", "attributes_00.csv"]
        },
        "evaluation": {"eval_data_Vacuum_test.zip": ["test/section_00_0000.wav"]},
    },
    "dcase2024": {
        "development": {
            "dev_gearbox.zip": [
                "train/section_00_source_train_normal_0001_noAttribute.wav",
                "test/section_00_source_test_anomaly_0001_noAttribute.wav",
                "attributes_00.csv",
            ]
        },
        "additional": {
            "eval_data_3DPrinter_train_r2.zip": [
                "train/section_00_target_train_normal_0001_mdl_B_spd_2.wav",
                "attributes_00.csv",
            ]
        },
        "evaluation": {"eval_data_3DPrinter_test.zip": ["test/section_00_0001.wav"]},
    },
    "dcase2025": {
        "development": {
            "dev_ToyCar.zip": [
                "train/section_00_source_train_normal_0001_car_B1_spd_31V_mic_1.wav",
                "test/section_00_source_test_normal_0001_car_B1_spd_31V_mic_1.wav",
                "supplemental/section_00_machine_0001_.wav",
                "attributes_00.csv",
            ]
        },
        "additional": {
            "eval_data_ToyPet_train.zip": [
                "train/section_00_source_train_normal_0001_noAttribute.wav",
                "supplemental/section_00_noise_0001_.wav",
            ]
        },
        "evaluation": {"eval_data_ToyPet_test.zip": ["test/section_00_0000.wav"]},
    },
    "dcase2026": {
        "development": {
            "dev_ToyCar_r2.zip": [
                "train/section_00_source_train_normal_0000_noAttribute.wav",
                "test/section_00_source_test_anomaly_0000_noAttribute.wav",
            ]
        },
        "additional": {"eval_data_Sander_train.zip": ["train/section_00_source_train_normal_0000_grt_1.wav"]},
        "evaluation": {"eval_data_Sander_test.zip": ["test/section_00_0000.wav"]},
    },
}


@pytest.fixture
def server(monkeypatch):
    with serving(monkeypatch) as server:
        monkeypatch.setattr(dcase, "record_url", lambda dataset, part: f"{server.url}/{part}")
        yield server


def publish(server, year):
    """Serve the three records of a year; returns the files that the archives hold."""
    tree = {}
    for part, archives in YEARS[year].items():
        server.parts[part] = list(archives)
        for archive, files in archives.items():
            members = {f"{dcase.machine_type(archive)}/{name}": content_of(name) for name in files}
            server.files[archive] = zipped(members)
            tree |= members
    return tree


def content_of(name):
    number = sum(map(ord, name)) % 256  # recordings differ
    return sound(content=number) if name.endswith(".wav") else ATTRIBUTES.encode()


def command(*words):
    return prepare_dataset.main([str(word) for word in words])


def tree(directory):
    """The files of a data set, apart from its archives."""
    files = [path for path in directory.rglob("*") if path.is_file() and not path.name.endswith((".zip", ".lock"))]
    return {path.relative_to(directory).as_posix(): path.read_bytes() for path in files}


def archives(directory):
    return sorted(path.relative_to(directory / "archives").as_posix() for path in directory.glob("archives/*/*"))


@pytest.mark.parametrize("year", YEARS)
def test_the_three_records_of_a_year_become_one_tree(tmp_path, server, capsys, year):
    expected = publish(server, year)
    for subcommand in ("download", "extract"):
        assert command(subcommand, "--base_dir", tmp_path, "--dataset", year) == 0
    assert archives(tmp_path / year) == sorted(
        f"{part}/{archive}" for part, found in YEARS[year].items() for archive in found
    )
    assert tree(tmp_path / year) == expected
    recordings = find_recordings(tmp_path)
    assert set(recordings["dataset"]) == {year}
    assert len(recordings) == sum(name.endswith(".wav") for name in expected)
    assert set(recordings["part"]) == {"development", "evaluation"}
    assert command("verify", "--base_dir", tmp_path) == 0

    # and once more, nothing is downloaded or written
    capsys.readouterr()
    requested = len(server.requested)
    for subcommand in ("download", "extract"):
        assert command(subcommand, "--base_dir", tmp_path, "--dataset", year) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(server.requested) == requested
    assert sum("already there" in line for line in lines) == 3
    assert sum(": 0 files written" in line for line in lines) == 3


def test_each_year_has_three_records_of_its_own():
    numbers = [number for parts in dcase.RECORDS.values() for number in parts.values()]
    assert list(dcase.RECORDS) == [f"dcase{year}" for year in range(2020, 2027)] == list(YEARS)
    assert all(list(parts) == ["development", "additional", "evaluation"] for parts in dcase.RECORDS.values())
    assert len(set(numbers)) == 21
    assert dcase.record_url("dcase2024", "evaluation") == "https://zenodo.org/api/records/11363076"


def test_parts_and_machine_types_can_be_chosen(tmp_path, server, capsys):
    publish(server, "dcase2024")
    options = ["--base_dir", tmp_path, "--dataset", "dcase2024"]
    assert command("download", *options, "--part", "additional", "evaluation") == 0
    home = tmp_path / "dcase2024"
    assert names(home / "archives") == ["additional", "evaluation"]
    assert command("extract", *options, "--part", "development", "additional") == 0
    assert "not there: archives of the part development" in capsys.readouterr().out
    assert {name.split("/")[1] for name in tree(home)} == {"train", "attributes_00.csv"}
    assert command("download", *options, "--machine_type", "gearbox") == 0
    assert archives(home)[-1] == "evaluation/eval_data_3DPrinter_test.zip"
    assert names(home / "archives" / "development") == ["dev_gearbox.zip"]


def test_a_machine_type_that_a_data_set_lacks_is_one_line_that_says_what_it_has(tmp_path, server, capsys):
    publish(server, "dcase2024")
    options = ["--base_dir", tmp_path, "--dataset", "dcase2024", "--machine_type", "3dprinter", "gearbox"]
    line = fails(capsys, *options)
    assert "--machine_type 3dprinter: the record of dcase2024 has 3DPrinter, gearbox (did you mean 3DPrinter?)" in line
    assert not (tmp_path / "dcase2024").exists()
    assert command("download", *options[:4], "--part", "development") == 0
    assert "archives has gearbox" in fails(capsys, *options, command="extract")


def test_a_later_revision_replaces_an_archive(tmp_path, server, capsys):
    expected = publish(server, "dcase2024")
    server.files["eval_data_3DPrinter_train.zip"] = zipped({"3DPrinter/attributes_00.csv": b"wrong"})
    server.files["README.md"] = b"text"
    server.parts["additional"] += ["eval_data_3DPrinter_train.zip", "README.md"]
    assert command("download", "--base_dir", tmp_path, "--dataset", "dcase2024") == 0
    output = capsys.readouterr().out
    assert "left out, for they are no archives or older ones: eval_data_3DPrinter_train.zip, README.md" in output
    old = tmp_path / "dcase2024" / "archives" / "additional" / "eval_data_3DPrinter_train.zip"
    assert not old.exists()
    old.write_bytes(server.files[old.name])  # somebody had it already
    assert command("extract", "--base_dir", tmp_path, "--dataset", "dcase2024") == 0
    assert tree(tmp_path / "dcase2024") == expected


@pytest.mark.parametrize("name", ["../dev_fan.zip", "a/dev_fan.zip", "a\\dev_fan.zip", "C:dev_fan.zip", ".fan.zip"])
def test_a_name_that_leaves_the_directory_is_not_downloaded(tmp_path, server, capsys, name):
    publish(server, "dcase2022")
    server.files[name] = b"bad"
    server.parts["development"].append(name)
    assert command("download", "--base_dir", tmp_path / "data", "--dataset", "dcase2022") == 0
    assert f"left out, for they are no archives or older ones: {name}\n" in capsys.readouterr().out
    assert names(tmp_path) == ["data"]
    assert len(archives(tmp_path / "data" / "dcase2022")) == 3


def test_records_with_files_of_the_same_name_are_kept_apart(tmp_path, server):
    publish(server, "dcase2022")
    server.parts = {part: ["dev_fan.zip"] for part in dcase.PARTS}
    assert command("download", "--base_dir", tmp_path, "--dataset", "dcase2022") == 0
    assert archives(tmp_path / "dcase2022") == [f"{part}/dev_fan.zip" for part in sorted(dcase.PARTS)]
    assert command("extract", "--base_dir", tmp_path, "--dataset", "dcase2022") == 0  # they are the same


def test_another_record_stands_for_one_part(tmp_path, server, capsys):
    publish(server, "dcase2023")
    options = ["--base_dir", tmp_path, "--dataset", "dcase2023", "--url", f"{server.url}/evaluation"]
    assert command("download", *options, "--part", "additional") == 0
    assert archives(tmp_path / "dcase2023") == ["additional/eval_data_Vacuum_test.zip"]
    for parts in ([], ["--part", "development", "additional"]):
        with pytest.raises(SystemExit):
            command("download", *options, *parts)
        assert "argument --url: choose with --part the one that it has" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["download", "--dataset", "dcase2019"], "invalid choice: 'dcase2019' (did you mean"),
        (["download", "--dataset", "dcase2024", "--snr", "6dB"], "argument --snr: dcase2024 has no SNR"),
        (["extract", "--part", "development"], "argument --part: MIMII has no parts"),
        (["extract", "--dataset", "dcase2024", "--part", "test"], "invalid choice: 'test'"),
        (["verify", "--dataset", "dcase2024", "--part", "evaluation"], "unrecognized arguments: --part"),
    ],
)
def test_options_that_do_not_fit_together_are_one_line(capsys, options, message):
    with pytest.raises(SystemExit) as end:
        command(*options, "--base_dir", ".")
    errors = capsys.readouterr().err
    assert (end.value.code, errors.count("\n")) == (2, 1)
    assert message in errors


@pytest.mark.parametrize("subcommand", ["download", "extract", "verify"])
def test_help_names_no_machine_types(capsys, subcommand):
    with pytest.raises(SystemExit):
        command(subcommand, "--help")
    words = capsys.readouterr().out.replace(",", " ").split()
    assert not set(MACHINE_TYPES) & set(words)


# --- unpacking ----------------------------------------------------------------------------------------------------


def put(base_dir, part, name, members):
    path = base_dir / "dcase2022" / "archives" / part / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(zipped(members))
    return path


OPTIONS = ("--dataset", "dcase2022")


def test_without_archives_it_says_where_they_belong(tmp_path, capsys):
    line = fails(capsys, "--base_dir", tmp_path, *OPTIONS, "--part", "additional", command="extract")
    assert f"there is no archive in {tmp_path / 'dcase2022' / 'archives'}, in the directory additional" in line


def test_two_archives_with_different_files_of_one_name_are_one_line(tmp_path, capsys):
    name = "fan/train/section_00_source_train_normal_0000_m-n_W.wav"
    first = put(tmp_path, "development", "dev_fan.zip", {name: b"one", "fan/attributes_00.csv": b"same"})
    second = put(tmp_path, "additional", "eval_data_fan_train.zip", {name: b"two", "fan/attributes_00.csv": b"same"})
    line = fails(capsys, "--base_dir", tmp_path, *OPTIONS, "--remove_archives", command="extract")
    assert f"{first} and {second} have different files {name}: remove the archive that is wrong" in line
    assert tree(tmp_path / "dcase2022") == {}
    assert first.is_file()
    second.unlink()
    assert command("extract", "--base_dir", tmp_path, *OPTIONS) == 0
    assert len(tree(tmp_path / "dcase2022")) == 2


def test_members_that_are_whole_are_left_alone_and_others_are_mended(tmp_path, capsys):
    members = {f"fan/test/section_03_000{number}.wav": bytes([number]) * 1000 for number in range(4)}
    path = put(tmp_path, "evaluation", "eval_data_fan_test.zip", members)
    assert command("extract", "--base_dir", tmp_path, *OPTIONS) == 0
    files = [tmp_path / "dcase2022" / name for name in members]
    files[0].unlink()
    files[1].write_bytes(b"cut")
    files[2].write_bytes(bytes(1000))
    assert command("extract", "--base_dir", tmp_path, *OPTIONS, "--remove_archives") == 0
    assert tree(tmp_path / "dcase2022") == members
    assert ": 3 files written" in capsys.readouterr().out
    assert not path.exists()


@pytest.mark.parametrize("name", ["../outside.wav", "/outside.wav", "fan\\..\\outside.wav", "C:outside.wav"])
def test_members_that_would_leave_the_tree_are_refused(tmp_path, capsys, name):
    put(tmp_path, "development", "dev_fan.zip", {"fan/test/section_00_0000.wav": b"good", name: b"bad"})
    line = fails(capsys, "--base_dir", tmp_path, *OPTIONS, command="extract")
    assert f"its member {name!r} could write outside the directory" in line
    assert tree(tmp_path) == {}


def test_a_link_is_refused(tmp_path, capsys):
    path = put(tmp_path, "development", "dev_fan.zip", {})
    link = zipfile.ZipInfo("fan/train")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(link, "/etc")
    assert "its member 'fan/train' could" in fails(capsys, "--base_dir", tmp_path, *OPTIONS, command="extract")


def test_what_a_system_adds_to_an_archive_is_left_out(tmp_path):
    members = {"fan/test/section_03_0000.wav": b"good", "__MACOSX/fan/._x": b"bad", "fan/.DS_Store": b"bad"}
    put(tmp_path, "evaluation", "eval_data_fan_test.zip", members)
    put(tmp_path, "evaluation", "eval_data_valve_test.zip", {"__MACOSX/fan/._x": b"other", "fan/.DS_Store": b"other"})
    assert command("extract", "--base_dir", tmp_path, *OPTIONS) == 0
    assert list(tree(tmp_path / "dcase2022")) == ["fan/test/section_03_0000.wav"]
