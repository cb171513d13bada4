"""Monitors that have learnt from recordings of other machines, too."""

import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from monitor_support import write, write_others
from support import SAMPLE_RATE, SOURCE, sound

from mimii.errors import UserError
from mimii.models.machines import ONE_MACHINE
from mimii.monitoring.monitor import Monitor
from mimii.monitoring.recipe import Recipe
from mimii.monitoring.training import train_monitor
from mimii.settings import ClipSettings, FeatureSettings, MonitorSettings, ScoringSettings, TrainingSettings

COUNT = 10


def settings(model, *, epochs=5, **clip):
    return MonitorSettings(
        model=model,
        features=FeatureSettings(n_mels=16),
        training=TrainingSettings(epochs=epochs),
        scoring=ScoringSettings(scoring=("mahalanobis",), clip=ClipSettings(**{"ensemble": 1} | clip)),
        false_alarms=0.2,
        device="cpu",
        jobs=1,
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder, rng = tmp_path_factory.mktemp("own"), np.random.default_rng(0)
    for number in range(COUNT):
        write(folder / f"{number}.wav", sound(rng, seconds=0.5))
    return folder


@pytest.fixture(scope="module")
def others(tmp_path_factory):
    return write_others(tmp_path_factory.mktemp("others"))


@pytest.fixture
def own_others(others, tmp_path):
    return [Path(shutil.copytree(other, tmp_path / other.name)) for other in others]


@pytest.fixture(scope="module")
def learnt(folder, others):
    return train_monitor([folder], settings("id_embedding", epochs=20), others)


def test_the_file_knows_the_watched_machine_alone(learnt, folder, others, tmp_path):
    learnt.monitor.save(tmp_path / "a.model")
    monitor = Monitor.load(tmp_path / "a.model")
    assert monitor.detector.model.machines == (ONE_MACHINE,)
    for member in monitor.detector.model.members:
        assert [len(reference["source"]["vectors"]) for reference in member.references.values()] == [COUNT]
    assert len(monitor.healthy.paths) == len(monitor.calibration.scores) == COUNT
    assert all(str(path).startswith(str(folder)) for path in monitor.healthy.paths)
    assert (monitor.detector.facts["other_machines"], monitor.detector.facts["other_files"]) == (2, 10)
    content = (tmp_path / "a.model").read_bytes()
    assert not any(other.name.encode() in content for other in others)


def test_it_judges_without_torch(learnt, folder, tmp_path):
    learnt.monitor.save(tmp_path / "a.model")
    code = (
        f"import sys; sys.path.insert(0, {str(SOURCE)!r})\n"
        "from mimii.monitoring.judging import judge\n"
        "from mimii.monitoring.monitor import Monitor\n"
        f"print(judge(Monitor.load({str(tmp_path / 'a.model')!r}), {str(folder / '0.wav')!r}).verdict)\n"
        "assert not {'torch', 'sklearn', 'pandas', 'scipy.stats', 'scipy.signal'} & set(sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, encoding="utf-8", timeout=60)
    assert (run.stdout, run.stderr) == ("normal\n", "")


def test_what_another_machine_sounds_like_is_abnormal(learnt):
    rng = np.random.default_rng(3)
    score = learnt.monitor.detector.score
    normal = [score(sound(rng, seconds=0.5)).score for _ in range(10)]
    other = [score(sound(rng, seconds=0.5, pitch=420.0)).score for _ in range(10)]
    assert np.quantile(normal, 0.9) < min(other)
    assert all(value > learnt.monitor.threshold for value in other)


def test_a_back_end_can_be_chosen(folder, others):
    asked = settings("id_embedding")
    asked = replace(asked, scoring=replace(asked.scoring, backend=("mahalanobis",)))
    assert train_monitor([folder], asked, others).monitor.way == ("mahalanobis", "")


def test_a_fusion_is_the_mean_of_z_scores_of_what_its_members_are_alone(folder, others, tmp_path):
    alone = {
        name: train_monitor([folder], settings(name), others if name == "id_embedding" else ()).monitor
        for name in ("ldn", "mahalanobis", "id_embedding")
    }
    monitor = train_monitor([folder], settings("fusion"), others).monitor
    assert monitor.name == "fusion of ldn, mahalanobis and id_embedding"
    held_out, scales = [], {}
    for name, one in alone.items():
        scores = one.calibration.scores
        rest = [np.delete(scores, number) for number in range(COUNT)]
        held_out.append([(score - r.mean()) / r.std() for score, r in zip(scores, rest, strict=True)])
        scales[name] = scores.mean(), scores.std()
    assert monitor.calibration.scores == pytest.approx(np.mean(held_out, axis=0), rel=1e-5)
    monitor.save(tmp_path / "a.model")
    today = sound(np.random.default_rng(4), seconds=0.5, abnormal=True)
    expected = [(one.detector.score(today).score - scales[name][0]) / scales[name][1] for name, one in alone.items()]
    assert Monitor.load(tmp_path / "a.model").detector.score(today).score == pytest.approx(np.mean(expected), rel=1e-5)


def test_a_fusion_without_other_machines_is_one_of_the_rest(folder, log_lines):
    learnt = train_monitor([folder], settings("fusion"))
    assert learnt.monitor.name == "fusion of ldn and mahalanobis"
    assert learnt.missing == ("id_embedding",)
    assert not [line for line in log_lines if line.startswith("WARNING")]


def test_a_network_that_is_a_part_of_a_fusion_scores_by_its_residuals(folder):
    fused = train_monitor([folder], settings("fusion", fuse=("idnn", "pca"), epochs=2)).monitor
    (_, idnn, scale), _ = fused.detector.model.members_of(ONE_MACHINE)
    alone = train_monitor([folder], settings("idnn", epochs=2)).monitor
    assert (fused.detector.model.frames, alone.way) == (5, ("mahalanobis", ""))
    assert idnn.residuals.mean == pytest.approx(alone.detector.model.residuals.mean, abs=1e-4)
    assert scale[0] == pytest.approx(alone.calibration.scores.mean(), rel=1e-3)


def test_of_few_recordings_others_are_not_used_unless_that_is_asked_for(folder, others):
    learnt = train_monitor([folder], settings(None), others)
    assert learnt.monitor.name == "mahalanobis"
    assert any("--others are not used" in warning for warning in learnt.warnings)
    assert learnt.monitor.detector.facts["other_files"] == 0


def test_of_many_recordings_they_are_used(folder, others, monkeypatch):
    monkeypatch.setattr("mimii.monitoring.choosing.MANY", COUNT)
    learnt = train_monitor([folder], settings(None), others)
    assert learnt.monitor.name == "fusion of ldn, mahalanobis and id_embedding"


def test_recordings_of_others_that_can_t_be_used_are_left_out_by_name(folder, own_others, learnt):
    rng = np.random.default_rng(0)
    first, second = own_others
    write(first / "rate.wav", sound(rng, seconds=1, sample_rate=8000), 8000)
    write(first / "silent.wav", np.zeros(SAMPLE_RATE, dtype=np.float32))
    write(first / "abnormal" / "a.wav", sound(rng, seconds=0.5))
    shutil.copy(second / "0.wav", second / "z copy.wav")
    again = train_monitor([folder], settings("id_embedding", epochs=20), own_others)
    reasons = {Path(path).relative_to(first.parent).as_posix(): reason for path, reason in again.left_out.items()}
    assert reasons == {
        "150 Hz/rate.wav": "8000 Hz, where most recordings have 16000 Hz",
        "150 Hz/silent.wav": "digital silence: all samples are the same",
        "150 Hz/abnormal/a.wav": "in a folder that is called abnormal",
        "420 Hz/z copy.wav": f"a copy of {second / '0.wav'}",
    }
    assert again.monitor.threshold == pytest.approx(learnt.monitor.threshold, rel=1e-4)


def test_another_machine_none_of_whose_recordings_can_be_used_does_not_count(folder, own_others):
    first, _ = own_others
    for path in first.iterdir():
        write(path, sound(np.random.default_rng(0), seconds=1, sample_rate=8000), 8000)
    facts = train_monitor([folder], settings("id_embedding"), own_others).monitor.detector.facts
    assert facts["other_machines"] == 1
    with pytest.raises(UserError, match=r"no recording of --others can be used, such as .*0\.wav: 8000 Hz"):
        train_monitor([folder], settings("id_embedding"), [first])


def test_recordings_of_two_machines_are_refused_in_one_line(folder, own_others):
    first, _ = own_others

    def refused(others):
        with pytest.raises(UserError) as error:
            train_monitor([folder], settings("id_embedding"), others)
        assert "\n" not in str(error.value)
        return str(error.value)

    assert refused([folder]) == f"{folder / '0.wav'} is among the recordings of the machine and of --others {folder}"
    copy = Path(shutil.copy(folder / "3.wav", first / "x.wav"))
    assert refused(own_others) == (
        f"{copy}, which is the same as {folder / '3.wav'}, is among the recordings of the machine and of --others "
        f"{first}"
    )
    copy.unlink()
    assert f"of --others {first} and of --others {first.parent}" in refused([first, first.parent])


@pytest.mark.parametrize(
    ("model", "clip", "words"),
    [
        ("id_embedding", {}, "id_embedding learns to tell machines apart: give healthy recordings of other machines"),
        ("two_branch", {}, "by --others, a folder for each"),
        ("fusion", {"fuse": ("ldn", "id_embedding")}, "nothing is left of the fusion but ldn: give healthy recordings"),
        (
            "fusion",
            {"fuse": ("two_branch", "id_embedding")},
            "two_branch and id_embedding learn to tell machines",
        ),
        (None, {"fuse": ("ldn", "id_embedding")}, "nothing is left of the fusion but ldn: give healthy recordings"),
    ],
)
def test_what_learns_from_others_needs_them(folder, model, clip, words):
    with pytest.raises(UserError) as error:
        train_monitor([folder], settings(model, **clip))
    assert words in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("model", "fuse", "words"),
    [
        (
            "mahalanobis",
            ("ldn", "pca"),
            "mahalanobis can't learn from --others; id_embedding, two_branch, multi_resolution and",
        ),
        ("fusion", ("ldn", "pca"), "ldn and pca can't learn from --others"),
        (None, ("ldn", "pca"), "ldn and pca can't learn from --others"),
    ],
)
def test_what_learns_from_one_machine_alone_refuses_others(folder, others, model, fuse, words):
    with pytest.raises(UserError, match=words):
        train_monitor([folder], settings(model, fuse=fuse), others)


def test_a_folder_of_others_without_recordings_is_refused(folder, tmp_path):
    with pytest.raises(UserError, match=r"there is no audio file to learn from in --others .*"):
        train_monitor([folder], settings("id_embedding"), [tmp_path])
    with pytest.raises(UserError, match="nowhere does not exist"):
        train_monitor([folder], settings("id_embedding"), ["nowhere"])


def test_too_few_recordings_of_the_machine_are_the_reason_whatever_there_is_of_others(others, tmp_path):
    write(tmp_path / "silent.wav", np.zeros(SAMPLE_RATE, dtype=np.float32))
    with pytest.raises(UserError, match=r"0 recording\(s\) to learn from, and 5 are the fewest"):
        train_monitor([tmp_path], settings("id_embedding"), others)


def test_a_fold_takes_as_many_steps_as_the_whole_of_all_machines():
    recipe = Recipe(
        model="id_embedding",
        features=FeatureSettings(),
        sample_rate=SAMPLE_RATE,
        training=TrainingSettings(),
        clip=ClipSettings(),
        device="cpu",
        others=[[None] * 100, [None] * 200],
    )
    assert recipe.epochs(100, 100) == 40
    assert recipe.epochs(20, 100) == 50
    assert (recipe.trainings(200), recipe.trainings(50), recipe.trainings(8)) == (5, 10, 8)
