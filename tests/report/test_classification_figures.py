"""The figures of classification."""

import re

import pandas as pd
from report_support import load, save, write_classification

from mimii.report.classification_figures import confusion_matrices


def results_of(tmp_path, accuracies, parameters, **kwargs):
    write_classification(tmp_path, models=tuple(accuracies), **kwargs)
    path = tmp_path / "research_classification_results.csv"
    rows = pd.read_csv(path)
    save(
        rows.assign(balanced_accuracy=rows["model"].map(accuracies), num_parameters=rows["model"].map(parameters)),
        path,
    )
    return load(tmp_path)


def test_the_caption_says_which_classifiers_tie_and_the_smallest_is_shown(tmp_path):
    accuracies = {"random_forest": 0.8, "svm": 0.8, "conv_classifier": 0.8, "deep_classifier": 0.7}
    parameters = {"random_forest": 900, "svm": 300, "conv_classifier": 500, "deep_classifier": 1}
    [figure] = confusion_matrices(results_of(tmp_path, accuracies, parameters))
    assert figure.title == "Confusion matrices of svm, normal or abnormal"
    assert "3 of 4 classifiers have the same highest mean balanced accuracy, 0.800: svm, which has the fewest" in (
        figure.caption
    )
    assert re.search("conv_classifier and random_forest|random_forest and conv_classifier", figure.caption)
    assert "deep_classifier" not in figure.caption


def test_without_a_tie_the_best_is_shown_with_how_many_it_confuses(tmp_path):
    results = results_of(tmp_path, {"random_forest": 0.8, "svm": 0.9}, {"random_forest": 1, "svm": 2})
    [figure] = confusion_matrices(results)
    assert "It has the highest mean balanced accuracy, 0.900, of 2 classifiers." in figure.caption
    panels = [axes for axes in figure.canvas.axes if axes.get_visible()]
    counts = [[int(text.get_text()) for text in axes.texts] for axes in panels]
    wrong = [b + c for _, b, c, _ in counts]
    assert f"{sum(wrong)} of 48 recordings are confused" in figure.alt
    assert f": {max(wrong)} of 16." in figure.alt


def test_of_many_groups_the_hardest_are_shown(tmp_path):
    types = [f"type{number:02}" for number in range(18)]
    results = results_of(tmp_path, {"svm": 0.9}, {"svm": 1}, types=types)
    results.classification["balanced_accuracy"] = [0.5 + number / 100 for number in range(18)]
    [figure] = confusion_matrices(results)
    titles = [axes.get_title() for axes in figure.canvas.axes if axes.get_visible()]
    assert titles == [f"6 dB {name}" for name in types[:16]]
    assert "Of 18 machine groups the 16 hardest are shown." in figure.caption
