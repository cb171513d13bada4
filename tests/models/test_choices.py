"""What follows from the choice of a model and its settings."""

import pytest

from mimii.errors import UserError
from mimii.models import DETECTORS, REGISTRY, choices, clip_options, scoring_ways
from mimii.settings import BACKENDS, FUSED, FUSED_AT_BEST, ClipSettings, TrainingSettings


def test_ways_of_scoring_are_those_that_are_wanted_of_a_network_and_else_its_own():
    assert scoring_ways("simple_ae") == [("mse", "mean"), ("mse", "max"), ("mse", "top10"), ("mahalanobis", "")]
    assert scoring_ways("vae", ["mahalanobis", "mse"], "max") == [("mahalanobis", ""), ("mse", "max")]
    assert scoring_ways("isolation_forest") == [("native", "mean"), ("native", "max"), ("native", "top10")]
    assert scoring_ways("one_class_svm", ["mahalanobis"], "top10") == [("native", "top10")]
    assert scoring_ways("knn") == scoring_ways("knn", ["mse"], "max") == [("native", "")]
    assert scoring_ways("mimii_baseline") == scoring_ways("simple_ae")
    for name in ("id_embedding", "two_branch", "multi_resolution"):
        assert scoring_ways(name) == [(backend, "") for backend in BACKENDS]
        assert scoring_ways(name, ["mse"], "max", ["kmeans", "knn"]) == [("kmeans", ""), ("knn", "")]
    assert scoring_ways("fusion", ["mse"], "max", ["kmeans"]) == [("native", "")]


def test_a_member_of_a_fusion_scores_as_it_does_best():
    ways = {name: choices.fusion_way(name) for name in ("simple_ae", "isolation_forest", "ldn", "two_branch")}
    assert ways == {
        "simple_ae": ("mahalanobis", ""),
        "isolation_forest": ("native", "mean"),
        "ldn": ("native", ""),
        "two_branch": ("ldn", ""),
    }


def test_clip_options_are_those_that_make_a_difference():
    chosen = ClipSettings(pooling="twfr", twfr_r=0.5, distance="cosine")
    assert clip_options("knn", chosen) == {"pooling": "twfr", "twfr_r": 0.5, "distance": "cosine"}
    assert clip_options("pca", chosen) == {"pooling": "twfr", "twfr_r": 0.5}
    assert clip_options("pca", ClipSettings(twfr_r=0.5)) == {"pooling": "mean"}
    assert clip_options("simple_ae", chosen) == clip_options("isolation_forest", chosen) == {}
    assert clip_options("id_embedding", ClipSettings()) == {"pooling": "mean", "classes": "machine", "ensemble": 3}
    assert clip_options("two_branch", chosen) == {"classes": "machine", "ensemble": 1}
    many = ClipSettings(ensemble=5, classes="attributes", pooling="max")
    assert clip_options("id_embedding", many) == {"pooling": "max", "classes": "attributes", "ensemble": 5}


def test_the_options_of_a_fusion_are_those_of_its_members_and_their_names():
    fuse = {"fuse": "ldn mahalanobis id_embedding"}
    expected = {"pooling": "mean", "distance": "euclidean", "classes": "machine"} | fuse
    assert clip_options("fusion", ClipSettings()) == expected  # each member has its own number of networks
    assert clip_options("fusion", ClipSettings(ensemble=5)) == expected | {"ensemble": 5}
    assert clip_options("fusion", ClipSettings(fuse=("idnn", "vae"))) == {"fuse": "idnn vae"}
    assert clip_options("fusion", ClipSettings(fuse=("knn", "vae"), ensemble=5)) == {
        "pooling": "mean",
        "distance": "euclidean",
        "fuse": "knn vae",
    }


def test_a_fusion_is_as_its_members_are():
    default, networks = ClipSettings(), ClipSettings(fuse=("idnn", "ldn"))
    best = ClipSettings(fuse=FUSED_AT_BEST)
    assert set(FUSED) == {"ldn", "mahalanobis", "id_embedding"} < set(FUSED_AT_BEST)
    assert "two_branch" in FUSED_AT_BEST
    assert any(REGISTRY[name].reconstructs for name in FUSED_AT_BEST)
    scopes = [choices.scope_of("fusion", None, clip) for clip in (networks, default, best)]
    assert scopes == ["machine", "type", "all"]
    assert choices.scope_of("fusion", "machine", best) == "machine"
    assert [choices.needs_samples("fusion", clip) for clip in (networks, default, best)] == [False, False, True]
    assert [choices.trains_network("fusion", clip) for clip in (default, networks)] == [False, True]
    assert [choices.window_length("fusion", 7, clip) for clip in (default, networks)] == [1, 7]
    assert choices.misfit("fusion", 64, 4, default) == ""
    assert "frames 3, 5, 7" in choices.misfit("fusion", 64, 4, networks)
    assert choices.training_settings("fusion", ClipSettings(fuse=("ldn", "knn"))) == ()
    assert choices.training_settings("fusion", default) == ("epochs", "batch_size", "learning_rate", "seed")
    assert "val_split" in choices.training_settings("fusion", networks)


def test_scopes_of_detectors_that_tell_machines_apart():
    scopes = {name: choices.scope_of(name, None, ClipSettings()) for name in DETECTORS}
    others = {name: scope for name, scope in scopes.items() if scope != "machine"}
    assert others == {"id_embedding": "type", "two_branch": "all", "multi_resolution": "all", "fusion": "type"}
    assert {choices.scope_of(name, "all", ClipSettings()) for name in DETECTORS} == {"all"}


def test_each_model_has_its_own_number_of_epochs_where_nobody_asks_for_another():
    own = {name: choices.member_settings(name, TrainingSettings()) for name in REGISTRY}
    assert (own["id_embedding"].epochs, own["id_embedding"].batch_size) == (40, 64)
    assert (own["two_branch"].epochs, own["two_branch"].batch_size) == (16, 64)
    assert (own["multi_resolution"].epochs, own["multi_resolution"].batch_size) == (16, 64)
    assert (own["simple_ae"].epochs, own["simple_ae"].batch_size) == (50, 256)
    asked = TrainingSettings(epochs=3, batch_size=8)
    assert choices.member_settings("two_branch", asked) == asked


@pytest.mark.parametrize(
    ("fuse", "words"),
    [
        (("ldn",), "two detectors or more"),
        ((), "two detectors or more"),
        (("ldn", "ldn"), "each one once"),
        (("ldn", "knn", "ldn"), "each one once"),
        (("ldn", "fusion"), "--fuse fusion: it can't be fused"),
        (("ldn", "mahalanobi"), "did you mean mahalanobis"),
        (("ldn", "svm"), "--fuse svm"),
    ],
)
def test_what_cant_be_fused_is_refused(fuse, words):
    with pytest.raises(UserError, match=words):
        choices.check_fusion(fuse)
