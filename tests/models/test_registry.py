import subprocess
import sys

import pytest
from support import SOURCE

from mimii.models import CLASSIFIERS, DETECTORS, REGISTRY, create_model

DETECTOR_NAMES = [
    *("simple_ae", "deep_ae", "vae", "conv_ae", "lstm_ae", "attention_ae", "residual_ae", "denoising_ae", "ss_ae"),
    *("idnn", "isolation_forest", "one_class_svm", "knn", "mahalanobis", "gmm", "pca", "ldn"),
    *("id_embedding", "two_branch", "multi_resolution", "fusion"),
]
CLASSIFIER_NAMES = [
    *("simple_classifier", "deep_classifier", "vae_classifier", "conv_classifier", "lstm_classifier"),
    *("attention_classifier", "residual_classifier", "denoising_classifier", "ss_classifier", "random_forest", "svm"),
]


def test_the_registry_has_the_models_of_the_tables_in_their_order():
    assert list(DETECTORS) == DETECTOR_NAMES
    assert list(CLASSIFIERS) == CLASSIFIER_NAMES


def test_only_the_convolutional_networks_have_a_fewest_number_of_bands():
    fewest = {name: entry.min_n_mels for name, entry in REGISTRY.items() if entry.min_n_mels != 1}
    assert fewest == {"conv_ae": 8, "conv_classifier": 8}


def test_an_unknown_model_is_refused_with_those_that_there_are():
    with pytest.raises(ValueError, match=r"super_ae.*simple_ae"):
        create_model("super_ae")


@pytest.mark.parametrize("frames", [1, 2, 4, 10])
def test_idnn_needs_a_middle_frame(frames):
    with pytest.raises(ValueError, match=f"idnn needs frames 3, 5, 7 or another odd number, not {frames}"):
        create_model("idnn", frames=frames)


def test_training_settings_that_make_a_difference():
    """What each model draws, learns in epochs, or looks at; the contract holds this against the models."""
    assert {name: REGISTRY[name].settings for name in ("isolation_forest", "svm", "gmm", "knn", "fusion")} == {
        "isolation_forest": ("frames", "seed"),
        "svm": ("frames", "seed"),
        "gmm": ("seed",),
        "knn": (),
        "fusion": (),
    }


def test_the_registry_imports_no_heavy_library():
    """So ``--help`` is quick."""
    code = "import sys, mimii.models; print({'numpy', 'pandas', 'torch', 'sklearn'} & set(sys.modules))"
    found = subprocess.run([sys.executable, "-c", code], cwd=SOURCE, capture_output=True, encoding="utf-8", check=True)
    assert found.stdout.strip() == "set()"
