"""What is found where a directory is compared with MIMII."""

import os
import shutil
import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile

from mimii.commands import prepare_dataset
from mimii.data import faults, verify
from mimii.data.mimii import published_baseline
from mimii.data.wav import EXTENSIBLE


def run(capsys, *options):
    """Run the command; returns its status, and the lines of its output and its errors."""
    status = prepare_dataset.main([str(option) for option in options])
    captured = capsys.readouterr()
    return status, captured.out.splitlines(), captured.err.splitlines()


def wav_header(*, channels=8, sample_rate=16000, bits=16, samples=160000, tag=1, junk=b""):
    """The header of a wav file, as far as the first sample, and how many bytes of samples follow."""
    frame_size = channels * bits // 8
    fields = struct.pack("<HHIIHH", tag, channels, sample_rate, sample_rate * frame_size, frame_size, bits)
    if tag == EXTENSIBLE:
        fields += struct.pack("<HHI", 22, bits, 0) + struct.pack("<H", 1) + bytes(14)
    chunks = b"fmt " + struct.pack("<I", len(fields)) + fields
    if junk:
        chunks += b"junk" + struct.pack("<I", len(junk)) + junk + bytes(len(junk) % 2)
    size = samples * frame_size
    chunks += b"data" + struct.pack("<I", size)
    return b"RIFF" + struct.pack("<I", 4 + len(chunks) + size) + b"WAVE" + chunks, size


def write_wav(path, *, missing=0, **kwargs):
    """Write a silent wav that takes no space on disk, or one that lacks its last bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    header, size = wav_header(**kwargs)
    with open(path, "wb") as file:
        file.write(header)
        file.truncate(len(header) + size - missing)
    return path


@pytest.fixture
def small_mimii(monkeypatch, tmp_path):
    """A data set of two machines with 7 + 2 and 3 + 1 clips, which is all that is expected."""
    expected = published_baseline().iloc[[0, 16]].assign(normal_clips=[7, 3], abnormal_clips=[2, 1])
    monkeypatch.setattr(verify, "published_baseline", lambda: expected)
    for machine in expected.itertuples():
        folder = tmp_path / machine.snr / machine.machine_type / machine.machine_id
        for label, count in (("normal", machine.normal_clips), ("abnormal", machine.abnormal_clips)):
            for number in range(count):
                write_wav(folder / label / f"{number:08d}.wav", tag=EXTENSIBLE)
    return tmp_path


def test_what_is_right_is_said_and_the_status_is_0(small_mimii, capsys):
    (small_mimii / "0dB" / "fan" / "id_00" / "normal" / ".00000000.wav.part").touch()
    status, lines, errors = run(capsys, "verify", "--base_dir", small_mimii)
    assert (status, errors) == (0, [])
    assert lines == [
        "machine                   normal      abnormal  state",
        "6dB fan id_00             7 of 7        2 of 2  ok",
        "0dB fan id_00             3 of 3        1 of 1  ok",
        "",
        "All 2 machines are as in MIMII, with 13 recordings.",
    ]


def test_only_what_is_selected_is_expected(small_mimii, capsys):
    shutil.rmtree(small_mimii / "6dB")
    status, lines, _ = run(capsys, "verify", "--base_dir", small_mimii, "--snr", "0dB", "--machine_type", "fan")
    assert status == 0
    assert len(lines) == 4
    assert run(capsys, "verify", "--base_dir", small_mimii)[0] == 1
    status, lines, _ = run(capsys, "verify", "--base_dir", small_mimii, "--snr", "6dB")  # which has nothing
    assert (status, lines[1]) == (1, "6dB fan id_00             0 of 7        0 of 2  missing")


def test_each_fault_is_named(small_mimii, capsys):
    fan = small_mimii / "6dB" / "fan" / "id_00"
    write_wav(fan / "normal" / "00000001.wav", missing=100)
    write_wav(fan / "normal" / "00000002.wav", sample_rate=44100, samples=441000)
    (fan / "normal" / "00000003.wav").write_bytes(b"")
    (fan / "abnormal" / "00000001.wav").unlink()
    write_wav(small_mimii / "0dB" / "fan" / "id_00" / "normal" / "extra.wav")
    write_wav(small_mimii / "0dB" / "fan" / "id_07" / "normal" / "00000000.wav")
    status, lines, _ = run(capsys, "verify", "--base_dir", small_mimii)
    assert status == 1
    assert lines == [
        "machine                   normal      abnormal  state",
        "6dB fan id_00             7 of 7        1 of 2  1 missing, 3 faulty",
        "0dB fan id_00             4 of 3        1 of 1  1 too many",
        "0dB fan id_07             1 of 0        0 of 0  not in MIMII",
        "",
        *(
            f"{Path('6dB/fan/id_00/normal')}{os.sep}{fault}"
            for fault in (
                "00000001.wav: 2559944 bytes on disk instead of the 2560044 of its header",
                "00000002.wav: sample rate [Hz] 44100 instead of 16000; samples 441000 instead of 160000",
                "00000003.wav: is empty",
            )
        ),
        "",
        "0 of 3 machines are as in MIMII, 0 are missing; 3 of 14 recordings have a fault.",
        "Get what is missing, and mend what is damaged, with download and extract.",
    ]


def test_the_same_fault_of_many_recordings_is_one_line(small_mimii, capsys):
    for number in range(1, 7):
        write_wav(small_mimii / "6dB" / "fan" / "id_00" / "normal" / f"{number:08d}.wav", channels=1)
    lines = run(capsys, "verify", "--base_dir", small_mimii)[1]
    assert f"{Path('6dB/fan/id_00/normal/00000001.wav')} and 5 more: channels 1 instead of 8" in lines
    assert len(lines) == 8


def test_a_list_of_faults_without_end_is_cut(small_mimii, capsys, monkeypatch):
    monkeypatch.setattr(faults, "FAULT_LINES", 3)
    for number in range(7):
        write_wav(small_mimii / "6dB" / "fan" / "id_00" / "normal" / f"{number:08d}.wav", missing=number + 1)
    lines = run(capsys, "verify", "--base_dir", small_mimii)[1]
    assert sum("bytes on disk" in line for line in lines) == 3
    assert "... and 4 more lines like these" in lines


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        ({}, ""),
        ({"tag": EXTENSIBLE}, ""),
        ({"junk": b"odd"}, ""),
        ({"junk": bytes(100_000)}, ""),
        ({"channels": 1}, "channels 1 instead of 8"),
        ({"sample_rate": 8000}, "sample rate [Hz] 8000 instead of 16000"),
        ({"bits": 24}, "bits 24 instead of 16"),
        ({"tag": 3, "bits": 32}, "format 3 instead of PCM (1); bits 32 instead of 16"),
        ({"samples": 159999}, "samples 159999 instead of 160000"),
        ({"samples": 0}, "samples 0 instead of 160000"),
        ({"missing": 1}, "2560043 bytes on disk instead of the 2560044 of its header"),
        ({"missing": 2560000}, "44 bytes on disk instead of the 2560044 of its header"),
        ({"missing": -5}, "2560049 bytes on disk instead of the 2560044 of its header"),
        ({"missing": 2560001}, "has no samples: its header is cut short or damaged"),
        ({"missing": 2560000 + 20}, "has no samples: its header is cut short or damaged"),
        ({"missing": 2560000 + 40}, "is not a wav file"),
        ({"bits": 0, "channels": 0}, "channels 0 instead of 8; bits 0 instead of 16; samples 0 instead of 160000"),
    ],
    ids=str,
)
def test_headers(tmp_path, content, fault):
    assert verify.wav_fault(write_wav(tmp_path / "a.wav", **content)) == fault


def test_deleted_recordings_are_not_compared(small_mimii, capsys):
    write_wav(small_mimii / "#recycle" / "6dB" / "fan" / "id_00" / "normal" / "00000000.wav")
    write_wav(small_mimii / "$RECYCLE.BIN" / "S-1-5" / "6dB" / "pump" / "id_02" / "normal" / "00000000.wav")
    status, lines, _ = run(capsys, "verify", "--base_dir", small_mimii)
    assert (status, lines[-1]) == (0, "All 2 machines are as in MIMII, with 13 recordings.")


def test_other_files_are_no_wavs(tmp_path):
    assert verify.wav_fault(tmp_path / "absent.wav") == "cannot be read: No such file or directory"
    (tmp_path / "a.wav").write_bytes(b"OggS" + bytes(100))
    assert verify.wav_fault(tmp_path / "a.wav") == "is not a wav file"
    (tmp_path / "a.wav").write_bytes(b"RIFF" + bytes(4) + b"WAVE" + b"\xff" * 40)
    assert "has no samples" in verify.wav_fault(tmp_path / "a.wav")


def test_headers_are_read_as_an_audio_library_writes_them(tmp_path):
    samples = np.zeros((160000, 8), dtype=np.int16)
    for name in ("WAV", "WAVEX"):
        soundfile.write(tmp_path / "a.wav", samples, 16000, format=name, subtype="PCM_16")
        assert verify.wav_fault(tmp_path / "a.wav") == ""
    soundfile.write(tmp_path / "a.wav", samples, 16000, format="WAVEX", subtype="FLOAT")
    assert verify.wav_fault(tmp_path / "a.wav") == "format 3 instead of PCM (1); bits 32 instead of 16"


def test_a_directory_without_recordings_is_one_line(tmp_path, capsys):
    status, lines, errors = run(capsys, "verify", "--base_dir", tmp_path)
    assert (status, lines, len(errors)) == (2, [], 1)
    assert "no recordings of the layout" in errors[0]
    assert run(capsys, "verify", "--base_dir", tmp_path / "nowhere")[0] == 2


def test_on_real_clips_it_reports_exactly_what_is_missing(real_clips, capsys):
    [report] = verify.verify(real_clips)
    found = report.machines[report.machines["snr"] == "0dB"]
    counts = {(row.machine_type, row.machine_id): (row.normal, row.abnormal) for row in found.itertuples()}
    assert counts.pop(("fan", "id_00")) == (20, 6)
    assert counts.pop(("fan", "id_02")) == (10, 4)
    assert list(counts.values()) == [(1, 1)] * 14
    assert set(report.faults["fault"]) == {"channels 1 instead of 8"}

    status, lines, _ = run(capsys, "verify", "--base_dir", real_clips)
    assert status == 1
    assert sum(line.endswith("  missing") for line in lines) == 32
    assert "0dB fan id_00         20 of 1011      6 of 407  1392 missing, 26 faulty" in lines
    assert f"{Path('0dB/fan/id_00/abnormal/00000000.wav')} and 25 more: channels 1 instead of 8" in lines
    assert "0 of 48 machines are as in MIMII, 32 are missing; 68 of 68 recordings have a fault." in lines
    assert max(map(len, lines)) <= 84


def test_real_clips_with_all_channels_have_no_fault(real_clips_8ch):
    [report] = verify.verify(real_clips_8ch, snrs=["0dB"])
    assert report.faults.empty
    assert report.machines[["normal", "abnormal"]].sum().tolist() == [4, 0]
    assert not report.is_good
