"""What somebody may have meant."""

import pytest

from mimii.runtime.spelling import did_you_mean


@pytest.mark.parametrize(
    ("word", "meant"),
    [("dep_ae", "deep_ae"), ("KNN", "knn"), ("mahalanobi", "mahalanobis"), ("--epoch", "--epochs")],
)
def test_a_similar_word_is_suggested(word, meant):
    assert did_you_mean(word, ["deep_ae", "knn", "", "mahalanobis", "--epochs"]) == f" (did you mean {meant}?)"


@pytest.mark.parametrize("word", ["pump", ""])
def test_no_word_is_suggested_where_none_is_similar(word):
    assert did_you_mean(word, ["deep_ae", "knn", ""]) == ""
