"""What is said about a data set that is not MIMII: its counts, and what deviates."""

import shutil
from pathlib import Path

import pytest
import soundfile
from archive_support import sound
from support import write_machine

from mimii.commands import prepare_dataset
from mimii.data.inventory import look


def check(capsys, *options):
    """Run verify; returns its status, and the lines of its output."""
    status = prepare_dataset.main(["verify", *map(str, options)])
    captured = capsys.readouterr()
    assert captured.err == ""
    return status, captured.out.splitlines()


def write(path, *args, **kwargs):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(sound(*args, **kwargs))


@pytest.fixture
def year(tmp_path):
    """A small year of a challenge: a machine for development, and one whose test recordings have no labels."""
    home = tmp_path / "dcase2025"
    for number in range(6):
        write(home / "fan" / "train" / f"section_00_source_train_normal_{number:04d}_vel_4.wav", content=number)
    write(home / "fan" / "train" / "section_00_target_train_normal_0000_vel_5.wav", content=6)
    for domain in ("source", "target"):
        for label in ("normal", "anomaly"):
            for number in range(2):
                write(home / "fan" / "test" / f"section_00_{domain}_test_{label}_{number:04d}_vel_4.wav")
    for number in range(3):
        write(home / "ToyPet" / "train" / f"section_00_source_train_normal_{number:04d}_noAttribute.wav", 0.2)
        write(home / "ToyPet" / "test" / f"section_00_{number:04d}.wav", 0.2, content=number)
        write(home / "ToyPet" / "supplemental" / f"section_00_noise_{number:04d}_.wav", 0.3)
    return home


def test_a_data_set_that_is_right_is_counted_and_the_status_is_0(year, capsys):
    assert check(capsys, "--base_dir", year.parent) == (
        0,
        [
            "Data set dcase2025",
            "Development set: 1 machine, 15 recordings, 1 ch, 16 kHz, 0.1 s",
            "machine         train  test normal  test abnormal",
            "fan section_00    6+1          2+2            2+2",
            "",
            "Evaluation set: 1 machine, 9 recordings, 1 ch, 16 kHz, 0.2 s",
            "machine            train  test, no label  noise",
            "ToyPet section_00    3+0               3      3",
            "",
            "a+b: a recordings of the source domain and b of the target domain",
            "",
            "Test recordings without labels, which --ground_truth of an experiment gives:",
            "ToyPet section_00.",
            "Nothing is wrong.",
        ],
    )


def test_what_machines_do_not_share_has_a_column(tmp_path, capsys):
    for machine_type, facts in {"fan": {}, "gearboxEmu": {"channels": 2, "sample_rate": 48000}}.items():
        for number in range(2):
            write(tmp_path / machine_type / "train" / f"normal_id_00_0000000{number}.wav", **facts)
            write(tmp_path / machine_type / "test" / f"anomaly_id_00_0000000{number}.wav", **facts)
    status, lines = check(capsys, "--base_dir", tmp_path)
    assert status == 0
    assert lines[1:] == [
        "Development set: 2 machines, 8 recordings, 0.1 s",
        "machine           train  test abnormal  channels    rate",
        "fan id_00             2              2      1 ch  16 kHz",
        "gearboxEmu id_00      2              2      2 ch  48 kHz",
        "",
        "Nothing is wrong.",
    ]


def test_what_deviates_from_most_of_its_machine_is_named(year, capsys):
    fan = year / "fan" / "test"
    write(fan / "section_00_source_test_normal_0000_vel_4.wav", channels=2)
    write(fan / "section_00_source_test_normal_0001_vel_4.wav", 0.25)
    write(fan / "section_00_source_test_anomaly_0000_vel_4.wav", sample_rate=8000)
    (fan / "section_00_source_test_anomaly_0001_vel_4.wav").write_bytes(sound()[:-100])
    (fan / "section_00_target_test_normal_0000_vel_4.wav").write_bytes(b"")
    (fan / "section_00_target_test_normal_0001_vel_4.wav").write_bytes(b"no sound" * 20)
    status, lines = check(capsys, "--base_dir", year.parent)
    assert status == 1
    where = Path("dcase2025/fan/test")
    assert [line for line in lines if "fan/test" in Path(line).as_posix()] == [
        f"{where / 'section_00_source_test_anomaly_0000_vel_4.wav'}: sample rate [Hz] 8000 instead of 16000",
        f"{where / 'section_00_source_test_anomaly_0001_vel_4.wav'}: cut short, at 3,100 of 3,200 bytes of sound",
        f"{where / 'section_00_source_test_normal_0000_vel_4.wav'}: channels 2 instead of 1",
        f"{where / 'section_00_source_test_normal_0001_vel_4.wav'}: length [s] 0.25 instead of 0.1",
        f"{where / 'section_00_target_test_normal_0000_vel_4.wav'}: is empty",
        f"{where / 'section_00_target_test_normal_0001_vel_4.wav'}: is not a wav file",
    ]
    assert lines[-1] == "6 of 24 recordings have a fault. Get what is missing, or damaged, once more."
    assert lines[1] == "Development set: 1 machine, 15 recordings, 1 ch, 16 kHz, 0.1 s"


def test_the_same_fault_of_many_recordings_is_one_line(year, capsys):
    for number in range(12):
        write(year / "ToyPet" / "train" / f"section_00_source_train_normal_{number:04d}_noAttribute.wav", 0.2)
    for number in range(9):
        write(year / "ToyPet" / "test" / f"section_00_{number:04d}.wav", 0.2, channels=2, content=number)
    status, lines = check(capsys, "--base_dir", year.parent)
    assert status == 1
    [line] = [line for line in lines if "instead of" in line]
    assert line == f"{Path('dcase2025/ToyPet/test/section_00_0000.wav')} and 8 more: channels 2 instead of 1"


def test_recordings_of_any_length_are_no_fault(year, capsys):
    for number in range(6):
        write(year / "fan" / "train" / f"section_00_source_train_normal_{number:04d}_vel_4.wav", 0.1 * (number + 1))
    for number, path in enumerate(sorted((year / "fan" / "test").iterdir())):
        write(path, 0.1 * (number + 7))
    status, lines = check(capsys, "--base_dir", year.parent)
    assert status == 0
    assert lines[1] == "Development set: 1 machine, 15 recordings, 1 ch, 16 kHz, 0.1-1.4 s"


def test_training_data_alone_are_right(year, capsys):
    shutil.rmtree(year / "ToyPet" / "test")
    status, lines = check(capsys, "--base_dir", year.parent)
    assert status == 0
    assert lines[-2:] == [
        "No test recordings yet, which is enough for training: ToyPet section_00.",
        "Nothing is wrong.",
    ]


def test_test_data_alone_empty_folders_and_sections_are_wrong(year, capsys):
    shutil.rmtree(year / "ToyPet" / "train")
    (year / "ToyPet" / "train").mkdir()
    (year / "fan" / "attributes_00.csv").write_text("file_name,d1p,d1v\n")
    (year / "fan" / "attributes_02.csv").write_text("file_name,d1p,d1v\n")
    status, lines = check(capsys, "--base_dir", year.parent)
    assert status == 1
    assert "No recordings to train with: ToyPet section_00." in lines
    assert f"{Path('dcase2025/ToyPet/train')}/ has no recordings." in [line.replace("\\", "/") for line in lines]
    assert f"{Path('dcase2025/fan/attributes_02.csv')} belongs to a section without recordings." in lines
    assert not any("attributes_00" in line for line in lines)
    assert lines[-1] == "Get what is missing, or damaged, once more."


def test_one_data_set_or_machine_type_can_be_chosen(year, capsys):
    write(year.parent / "dcase2020" / "pump" / "train" / "normal_id_00_00000000.wav")
    status, lines = check(capsys, "--base_dir", year.parent)
    assert (status, [line for line in lines if "Data set" in line]) == (0, ["Data set dcase2020", "Data set dcase2025"])
    status, lines = check(capsys, "--base_dir", year.parent, "--dataset", "dcase2020")
    assert (status, [line for line in lines if "Data set" in line]) == (0, ["Data set dcase2020"])
    status, lines = check(capsys, "--base_dir", year.parent, "--machine_type", "ToyPet")
    assert (status, lines[:2]) == (
        0,
        ["Data set dcase2025", "Evaluation set: 1 machine, 9 recordings, 1 ch, 16 kHz, 0.2 s"],
    )
    assert prepare_dataset.main(["verify", "--base_dir", str(year), "--machine_type", "toypet"]) == 2
    assert "--machine_type toypet is not in the data set, which has ToyPet, fan" in capsys.readouterr().err
    assert prepare_dataset.main(["verify", "--base_dir", str(year), "--dataset", "dcase2024"]) == 2
    assert "--dataset dcase2024 is not in the data set, which has dcase2025" in capsys.readouterr().err


def test_mimii_beside_a_year_is_compared_with_mimii(year, capsys):
    write_machine(year.parent / "6dB" / "fan" / "id_00", normal=2, abnormal=1, seconds=0.1)
    status, lines = check(capsys, "--base_dir", year.parent)
    assert status == 1
    assert "6dB fan id_00          2 of 1011      1 of 407  1415 missing, 3 faulty" in lines
    assert lines[lines.index("Data set dcase2025") :][-1] == "Nothing is wrong."
    for options in (["--dataset", "mimii"], ["--snr", "6dB"]):
        status, lines = check(capsys, "--base_dir", year.parent, *options)
        assert status == 1
        assert "Data set dcase2025" not in lines
    status, lines = check(capsys, "--base_dir", year.parent, "--dataset", "dcase2025")
    assert (status, lines[0]) == (0, "Data set dcase2025")


def test_machines_of_ones_own_are_compared_with_each_other(tmp_path, capsys):
    write_machine(tmp_path / "machines" / "press", normal=3, abnormal=1, seconds=0.1)
    write_machine(tmp_path / "machines" / "lathe", normal=2, abnormal=0, seconds=0.1)
    status, lines = check(capsys, "--base_dir", tmp_path / "machines")
    assert status == 0
    assert lines == [
        "Data set machines",
        "2 machines, 6 recordings, 1 ch, 16 kHz, 0.1 s",
        "machine         normal  abnormal",
        "machines lathe       2         -",
        "machines press       3         1",
        "",
        "No abnormal recordings yet, which is enough for training: machines lathe.",
        "Nothing is wrong.",
    ]
    write(tmp_path / "machines" / "press" / "normal" / "00000000.wav", channels=2)
    status, lines = check(capsys, "--base_dir", tmp_path / "machines")
    assert status == 1
    assert f"{Path('press/normal/00000000.wav')}: channels 2 instead of 1" in lines
    assert check(capsys, "--base_dir", tmp_path / "machines", "--dataset", "mimii")[0] == 1


def test_a_synthetic_data_set_is_not_mimii(tmp_path, capsys):
    write_machine(tmp_path / "6dB" / "fan" / "id_00", normal=3, abnormal=1, seconds=0.1)
    (tmp_path / "README.txt").write_text("SYNTHETIC recordings\n")
    assert check(capsys, "--base_dir", tmp_path)[1][-1] == "Nothing is wrong."


def test_headers_of_all_formats_are_read(tmp_path):
    samples, rate = soundfile.read(write_and_give(tmp_path / "a.wav", 0.5, channels=2))
    for name in ("a.flac", "a.aiff", "a.ogg"):
        soundfile.write(tmp_path / name, samples, rate)
        assert look(str(tmp_path / name)) == (2, 16000, 0.5, "")
    (tmp_path / "b.flac").write_bytes(b"fLaC" + bytes(100))
    assert look(str(tmp_path / "b.flac")).fault.startswith("cannot be read: ")
    assert look(str(tmp_path / "absent.wav")).fault == "cannot be read: No such file or directory"
    write(tmp_path / "silent.wav", 0)
    assert look(str(tmp_path / "silent.wav")).fault == "has no samples"


def write_and_give(path, *args, **kwargs):
    write(path, *args, **kwargs)
    return path


def test_lines_fit_into_a_terminal(tmp_path, capsys):
    for machine_type in ("BlowerDustCollector", "SewingMachine", "ToyDrone"):
        home = tmp_path / "dcase2026" / machine_type
        for domain in ("source", "target"):
            for split, label in (("train", "normal"), ("test", "normal"), ("test", "anomaly")):
                for number in range(2):
                    seconds = 0.1 if machine_type == "ToyDrone" else 0.16
                    write(
                        home / split / f"section_00_{domain}_{split}_{label}_{number:04d}_nzl_1.wav",
                        seconds,
                        channels=2,
                    )
        write(home / "supplemental" / "section_00_machine_0000_.wav", channels=2)
    status, lines = check(capsys, "--base_dir", tmp_path)
    assert status == 0
    assert max(map(len, lines)) <= 80
