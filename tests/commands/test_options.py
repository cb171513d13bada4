import re
import subprocess
import sys
from pathlib import Path

import pytest
from support import SCRIPT, script_environment

from mimii.commands import chosen, detection, make_demo_dataset, make_report
from mimii.commands.running import guarded
from mimii.errors import UserError
from mimii.models import DETECTORS
from mimii.settings import FUSED_AT_BEST

ON_SAMPLES = ["two_branch", "multi_resolution"]
OPTIONS_OF_THE_ISSUE = {
    # the seeds' options with their defaults
    "models": [name for name in DETECTORS if name not in ON_SAMPLES],  # on a CPU
    "n_mels": 64,
    "frames": 5,
    "n_fft": 1024,
    "hop_length": 512,
    "power": 2.0,
    "epochs": None,  # each model's own
    "batch_size": None,
    "learning_rate": 0.001,
    "val_split": 0.1,
    "retrain": False,
    "seed": 42,
    # and those that the issue adds
    "snr": None,
    "machine_type": None,
    "machine_id": None,
    "pickle_dir": Path("cache/research_features"),
    "model_dir": Path("cache/research_models"),
    "result_dir": Path("results"),
    "output_csv": None,
    "scope": None,  # each model's own
    "channel": 0,
    "scoring": ["mse"],
    "score_pooling": "mean",
    "pooling": "mean",
    "twfr_r": 0.99,
    "distance": "euclidean",
    "backend": ["ldn"],
    "classes": "machine",
    "ensemble": None,
    "fuse": ["ldn", "mahalanobis", "id_embedding"],
    "tf32": False,
    "device": "auto",
    "jobs": None,
}
HEAVY = ["torch", "librosa", "sklearn", "numpy", "pandas", "scipy", "soundfile", "joblib", "skops"]


@pytest.fixture(autouse=True)
def on_a_cpu(monkeypatch):
    monkeypatch.setattr(chosen, "choose_device", lambda name: "cpu" if name == "auto" else name)


def parse(*words):
    return detection.parse_args(["--base_dir", "data", *map(str, words)])


def refusal(capsys, *words):
    """The line that wrong options are answered with."""
    with pytest.raises(SystemExit) as caught:
        detection.parse_args(list(words))
    output = capsys.readouterr()
    assert caught.value.code == 2
    assert output.out == ""
    assert output.err.count("\n") == 1
    assert output.err.endswith("\n")
    return output.err


def test_the_options_of_the_seeds_and_of_the_issue_have_their_defaults():
    args = vars(parse())
    assert {name: args[name] for name in OPTIONS_OF_THE_ISSUE} == OPTIONS_OF_THE_ISSUE
    assert args["base_dir"] == Path("data")


def test_the_command_of_the_issue_is_understood():
    args = parse(
        *("--model", "deep_ae", "--epochs", 100, "--batch_size", 512),
        *("--learning_rate", 0.0001, "--n_mels", 128, "--frames", 10),
    )
    assert (args.models, args.epochs, args.batch_size) == (["deep_ae"], 100, 512)
    assert (args.learning_rate, args.n_mels, args.frames) == (0.0001, 128, 10)


def test_several_values_select_several():
    args = parse("--model", "vae", "ss_ae", "--snr", "6dB", "min6dB", "--machine_type", "fan", "--machine_id", "id_00")
    assert args.models == ["vae", "ss_ae"]
    assert (args.snr, args.machine_type, args.machine_id) == (["6dB", "min6dB"], ["fan"], ["id_00"])


def test_a_model_named_twice_is_run_once_and_all_means_all():
    assert parse("--model", "vae", "vae").models == ["vae"]
    assert parse("--model", "vae", "all", "--device", "cuda").models == list(DETECTORS)


def test_all_models_on_a_cpu_are_those_that_are_not_made_for_a_gpu():
    args = parse("--model", "all", "--device", "cpu")
    assert args.models == [name for name in DETECTORS if name not in ON_SAMPLES]
    [reason] = args.unfit
    assert reason.startswith("two_branch and multi_resolution")
    assert "CPU" in reason
    assert parse("--model", "all", "--device", "cuda").unfit == []
    # who names them gets them, beside the others, too
    assert parse("--model", *ON_SAMPLES, "--device", "cpu").models == ON_SAMPLES
    assert parse("--fuse", "best", "--device", "cpu").models[-1] == "fusion"


def test_every_option_reaches_the_settings():
    """Each field of the settings takes the value of the option of its name."""
    given = {
        ("data", "base_dir"): Path("data"),
        ("data", "layout"): "mimii",
        ("data", "snr"): ("6dB", "0dB"),
        ("data", "machine_type"): ("fan",),
        ("data", "machine_id"): ("id_00",),
        **{("features", name): value for name, value in {"n_mels": 32, "n_fft": 512, "hop_length": 256}.items()},
        ("features", "power"): 1.0,
        ("features", "channel"): 3,
        **{("training", name): value for name, value in {"frames": 7, "epochs": 3, "batch_size": 9}.items()},
        ("training", "learning_rate"): 0.5,
        ("training", "val_split"): 0.2,
        ("training", "tf32"): True,
        ("scoring", "scoring"): ("mahalanobis", "mse"),
        ("scoring", "score_pooling"): "max",
        ("clip", "pooling"): "twfr",
        ("clip", "twfr_r"): 0.5,
        ("clip", "distance"): "cosine",
        ("clip", "classes"): "attributes",
        ("clip", "ensemble"): 4,
        ("clip", "fuse"): ("pca", "vae"),
        ("scoring", "backend"): ("kmeans", "knn"),
        ("run", "scope"): "type",
        ("run", "seeds"): (3, 4),
        ("run", "retrain"): True,
        ("run", "device"): "cpu",
        ("run", "jobs"): 5,
        ("run", "scheduler"): "tcp://host:1",
        ("run", "result_dir"): Path("r"),
        ("run", "pickle_dir"): Path("p"),
        ("run", "model_dir"): Path("m"),
        ("run", "output_csv"): Path("a.csv"),
        ("run", "submission"): Path("s"),
        ("data", "dataset"): "dcase2023",
        ("data", "ground_truth"): (Path("g"), Path("h.csv")),
    }
    words = ["--model", "vae", "knn"]
    for (_, name), value in given.items():
        if value is True:
            words.append(f"--{name}")
        elif name != "base_dir":
            words += [f"--{name}", *map(str, value if isinstance(value, tuple) else [value])]
    settings = detection.settings(parse(*words))
    parts = {"clip": settings.scoring.clip} | {field: getattr(settings, field) for field in vars(settings)}
    assert {key: getattr(parts[key[0]], key[1]) for key in given} == given
    assert settings.run.models == ("vae", "knn")
    fields = {(part, name) for part, values in parts.items() for name in vars(values)}
    assert fields - set(given) == {("run", "models"), ("training", "seed"), ("scoring", "clip")}
    assert detection.settings(parse("--seed", "7")).training.seed == 7


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--n_mels", "0"),
        ("--n_mels", "64.5"),
        ("--frames", "0"),
        ("--frames", "-1"),
        ("--n_fft", "0"),
        ("--hop_length", "0"),
        ("--power", "0"),
        ("--power", "-2"),
        ("--power", "nan"),
        ("--channel", "-1"),
        ("--epochs", "0"),
        ("--epochs", "many"),
        ("--batch_size", "0"),
        ("--learning_rate", "0"),
        ("--learning_rate", "inf"),
        ("--learning_rate", "nan"),
        ("--val_split", "1"),
        ("--val_split", "-0.1"),
        ("--val_split", "nan"),
        ("--seed", "-1"),
        ("--seed", "1.5"),
        ("--jobs", "0"),
        ("--jobs", "-1"),
        ("--scope", "everything"),
        ("--scoring", "mae"),
        ("--score_pooling", "median"),
        ("--pooling", "sum"),
        ("--twfr_r", "1.01"),
        ("--twfr_r", "-0.1"),
        ("--twfr_r", "nan"),
        ("--distance", "manhattan"),
        ("--backend", "lda"),
        ("--classes", "colours"),
        ("--ensemble", "0"),
        ("--ensemble", "1.5"),
        ("--fuse", "fusion"),
        ("--device", "tpu"),
        ("--model", "super_ae"),
    ],
)
def test_a_value_out_of_range_is_named_with_its_option_in_one_line(option, value, capsys):
    line = refusal(capsys, "--base_dir", "data", option, value)
    assert option in line
    assert value in line


@pytest.mark.parametrize("options", [[], ["--base_dir"], ["--base_dir", "data", "--model"], ["--base_dir", "a", "b"]])
def test_an_incomplete_command_is_answered_in_one_line(options, capsys):
    refusal(capsys, *options)


@pytest.mark.parametrize("option", ["--epoch", "--learnig_rate", "--lr"])
def test_an_unknown_or_shortened_option_is_refused(option, capsys):
    assert option in refusal(capsys, "--base_dir", "data", option, "1")


def test_too_few_mel_bands_for_a_model_are_refused_for_that_model_only(capsys):
    line = refusal(capsys, "--base_dir", "data", "--model", "conv_ae", "simple_ae", "--n_mels", "7")
    assert "conv_ae" in line
    assert "8" in line
    assert parse("--model", "conv_ae", "--n_mels", 8).n_mels == 8
    assert parse("--model", "simple_ae", "--n_mels", 7).n_mels == 7


def test_windows_without_a_middle_frame_are_refused_for_the_model_that_needs_one(capsys):
    line = refusal(capsys, "--base_dir", "data", "--model", "simple_ae", "idnn", "--frames", "4")
    assert "--model idnn needs --frames 3, 5, 7 or another odd number, not 4" in line
    assert parse("--model", "idnn", "--frames", 3).models == ["idnn"]
    all_of_them = parse("--model", "all", "--frames", 4, "--device", "cuda")
    assert all_of_them.models == [name for name in DETECTORS if name != "idnn"]
    assert parse("--frames", 5, "--device", "cuda").unfit == []


def test_a_fusion_needs_what_its_members_need(capsys):
    line = refusal(capsys, "--base_dir", "data", "--model", "fusion", "--fuse", "knn", "idnn", "--frames", "4")
    assert "--model fusion needs --frames 3, 5, 7 or another odd number, not 4" in line
    assert parse("--model", "fusion", "--frames", 4).models == ["fusion"]


@pytest.mark.parametrize(
    ("words", "fused"),
    [
        (["best"], FUSED_AT_BEST),
        (["best", "knn"], (*FUSED_AT_BEST, "knn")),
        (["knn", "pca"], ("knn", "pca")),
    ],
    ids=str,
)
def test_what_is_fused(words, fused):
    assert detection.settings(parse("--fuse", *words)).scoring.clip.fuse == fused


@pytest.mark.parametrize("words", [["knn"], ["knn", "knn"]], ids=str)
def test_a_fusion_of_one_detector_is_refused_at_once(words):
    with pytest.raises(UserError, match="--fuse: a fusion needs two detectors or more, and each one once"):
        parse("--fuse", *words)


@pytest.mark.parametrize(
    ("words", "backends", "scheduler"),
    [
        (["knn", "ldn", "knn"], ("knn", "ldn"), None),
        (["loky"], ("ldn",), None),  # as scripts have it that are older than back-ends of embeddings
        (["loky", "knn"], ("knn",), None),
        (["dask", "--scheduler", "tcp://host:1"], ("ldn",), "tcp://host:1"),
        (["kmeans", "--scheduler", "tcp://host:1"], ("kmeans",), "tcp://host:1"),
        (["kmeans", "dask", "--scheduler", "tcp://host:1"], ("kmeans",), "tcp://host:1"),
    ],
    ids=str,
)
def test_backends_are_of_embeddings_or_of_workers(words, backends, scheduler):
    settings = detection.settings(parse("--backend", *words))
    assert (settings.scoring.backend, settings.run.scheduler) == (backends, scheduler)


@pytest.mark.parametrize("words", [["dask"], ["dask", "knn"], ["loky", "--scheduler", "tcp://host:1"]], ids=str)
def test_a_cluster_without_its_address_is_refused(words, capsys):
    assert "--backend dask and --scheduler go together" in refusal(capsys, "--base_dir", "data", "--backend", *words)


def test_what_a_user_can_mend_is_one_line_and_status_2(capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["/somewhere/exp_autoencoding.py"])

    def fail():
        raise UserError("no recordings here")

    assert guarded(fail) == 2
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.count("\n") == 1
    assert "exp_autoencoding.py" in output.err
    assert "no recordings here" in output.err
    assert guarded(lambda: 0) == 0


def test_ctrl_c_says_how_to_go_on(capsys):
    def interrupt():
        raise KeyboardInterrupt

    assert guarded(interrupt) == 130
    assert "again" in capsys.readouterr().err


@pytest.fixture(scope="module")
def help_run(tmp_path_factory):
    """``--help`` in a process of its own, which tells at its end what it has loaded."""
    directory = tmp_path_factory.mktemp("help")
    program = (
        "import runpy, sys\n"
        f"sys.argv = [{str(SCRIPT)!r}, '--help']\n"
        f"sys.path.insert(0, {str(SCRIPT.parent)!r})\n"
        "try:\n"
        "    runpy.run_path(sys.argv[0], run_name='__main__')\n"
        "except SystemExit as end:\n"
        "    print('status', end.code)\n"
        "print('loaded', *sorted({name.partition('.')[0] for name in sys.modules}))\n"
    )
    return subprocess.run(
        [sys.executable, "-c", program],
        cwd=directory,
        env=script_environment(directory) | {"COLUMNS": "100"},
        capture_output=True,
        encoding="utf-8",
        check=True,
    )


def test_help_loads_nothing_heavy(help_run):
    text, _, loaded = help_run.stdout.rpartition("loaded ")
    assert "status 0" in text or "status None" in text
    assert "mimii" in loaded.split()
    assert [name for name in HEAVY if name in loaded.split()] == []


def test_help_shows_every_option_in_a_group_with_its_default(help_run):
    entries = {}
    for entry in re.split(r"\n(?=  -)", help_run.stdout):
        if match := re.match(r"  (?:-h, )?--(\w+)", entry):
            entries[match[1]] = " ".join(entry.split())
    defaults = {"model" if name == "models" else name: value for name, value in OPTIONS_OF_THE_ISSUE.items()}
    assert set(entries) >= {"base_dir", *defaults}
    for name, default in defaults.items():
        shown = {
            "model": "all",
            "scoring": "mse",
            "jobs": "the cores",
            "output_csv": "research_results.csv",
            "learning_rate": "0.001",
            "scope": "machine; for id_embedding type, for two_branch and .* all",
            "epochs": "50, id_embedding 40, two_branch 16, multi_resolution 16",
            "batch_size": "256, id_embedding 64, two_branch 64, multi_resolution 64",
            "backend": "ldn",
            "ensemble": "id_embedding 3, two_branch 1, multi_resolution 1",
            "fuse": "ldn mahalanobis id_embedding",
        }
        if default not in (None, False) or name in shown:
            assert re.search(rf"default: .*{shown.get(name, re.escape(str(default)))}", entries[name]), name
    headings = re.findall(r"^(\w[\w ]*):$", help_run.stdout, re.MULTILINE)
    assert len(headings) >= 5
    for name in DETECTORS:
        assert name in entries["model"]


@pytest.mark.parametrize("words", [["--snr", "-6dB"], ["--snr=-6dB"], ["--snr", "min6dB"], ["--snr", "-6_dB"]])
@pytest.mark.parametrize("command", [detection, make_report, make_demo_dataset])
def test_an_snr_may_begin_with_a_minus(command, words):
    base = ["--base_dir", "data"] if command is detection else []
    assert command.parse_args([*base, *words]).snr == ["min6dB"]


def test_a_directory_may_begin_with_a_minus_and_a_digit():
    """As MIMII's archives unpack by themselves."""
    assert detection.parse_args(["--base_dir", "-6_dB_fan"]).base_dir == Path("-6_dB_fan")


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (["--base_dri", "data"], "--base_dir"),  # and not that --base_dir is missing
        (["--base_dir", "data", "--epoch", "3"], "--epochs"),
        (["--base_dir", "data", "--learning-rate=3"], "--learning_rate"),
        (["--base_dir", "data", "--model", "dep_ae"], "deep_ae"),
        (["--base_dir", "data", "--model", "KNN"], "knn"),
        (["--base_dir", "data", "--scoring", "mahalonobis"], "mahalanobis"),
        (["--base_dir", "data", "--device", "CPU"], "cpu"),
        (["--base_dir", "data", "--scope", "typ"], "type"),
        (["--base_dir", "data", "--fuse", "ldn", "id_embeding"], "id_embedding"),
        (["--base_dir", "data", "--fuse", "bset"], "best"),
        (["--base_dir", "data", "--backend", "kmean"], "kmeans"),
        (["--base_dir", "data", "--classes", "attribute"], "attributes"),
    ],
)
def test_the_right_word_is_suggested_for_a_misspelt_one(words, meant, capsys):
    assert f"(did you mean {meant}?)" in refusal(capsys, *words)


def test_nothing_is_suggested_for_a_word_that_is_like_no_other(capsys):
    assert "did you mean" not in refusal(capsys, "--base_dir", "data", "--model", "xyz")
