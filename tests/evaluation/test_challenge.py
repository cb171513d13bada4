"""The official score of DCASE's task 2 against a plain computation from its definitions."""

import math
from fractions import Fraction
from itertools import pairwise, product
from statistics import fmean

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from mimii.evaluation.challenge import machine_table, mean_of_machines, official_score
from mimii.evaluation.resampling import interval, resampled_areas, resampled_scores, weighted_areas

YEARS = [2020, 2021, 2022, 2026]
COLUMNS = ["machine_type", "machine_id", "label", "domain", "score"]
# three IDs of one type, one of another and two of the last
MACHINES = [("fan", "id_00"), ("fan", "id_02"), ("fan", "id_04"), ("pump", "id_00"), ("valve", "a"), ("valve", "b")]


def clips_of(machine, *, counts=(7, 5, 6, 4), seed=0, ties=True):
    """Scored clips of a machine: normal and abnormal ones of the source domain, then those of the target domain."""
    rng = np.random.default_rng([seed, *map(ord, "".join(machine))])
    rows = []
    for (domain, label), count in zip(product(("source", "target"), ("normal", "abnormal")), counts, strict=True):
        scores = rng.normal(1.0 * (label == "abnormal") + 0.5 * (domain == "target"), 1, count)
        rows += [(*machine, label, domain, float(score)) for score in (scores.round() if ties else scores)]
    return rows


def table(rows):
    return pd.DataFrame(rows, columns=COLUMNS)


def everything(**kwargs):
    return table([row for number, machine in enumerate(MACHINES) for row in clips_of(machine, seed=number, **kwargs)])


# --- the definitions, in plain words


def plain_auc(normal, abnormal):
    """The share of pairs in the right order, a tie is half of one."""
    pairs = list(product(normal, abnormal))
    return Fraction(sum(2 * (high > low) + (high == low) for low, high in pairs), 2 * len(pairs))


def plain_pauc(normal, abnormal, end=Fraction(1, 10)):
    """The area below the ROC curve's corners up to a false-positive rate, scaled by McClish's formula."""
    corners = [(Fraction(0), Fraction(0))]
    for threshold in sorted({*normal, *abnormal}, reverse=True):
        rates = [Fraction(sum(score >= threshold for score in scores), len(scores)) for scores in (normal, abnormal)]
        corners.append(tuple(rates))
    area = Fraction(0)
    for (x0, y0), (x1, y1) in pairwise(corners):
        if x0 >= end or x0 == x1:
            continue
        stop = min(x1, end)
        y_stop = y0 + (y1 - y0) * (stop - x0) / (x1 - x0)
        area += (stop - x0) * (y0 + y_stop) / 2
    return (1 + (area - end**2 / 2) / (end - end**2 / 2)) / 2


def plain_values(rows, year):
    """The numbers of one machine that the score is a mean of."""

    def scores(label, *domains):
        return [row[4] for row in rows if row[2] == label and row[3] in domains]

    both = ("source", "target")
    if year == 2020:
        parts = [(scores("normal", *both), scores("abnormal", *both))]
        return [plain_auc(*parts[0]), plain_pauc(*parts[0])]
    if year == 2021:
        parts = [(scores("normal", domain), scores("abnormal", domain)) for domain in both]
        return [value(*part) for part in parts for value in (plain_auc, plain_pauc)]
    aucs = [plain_auc(scores("normal", domain), scores("abnormal", *both)) for domain in both]
    return [*aucs, plain_pauc(scores("normal", *both), scores("abnormal", *both))]


def plain_score(clips, year):
    by_machine = {}
    for row in clips.itertuples(index=False, name=None):
        if row[2] != "unlabelled":
            by_machine.setdefault(row[:2], []).append(row)
    values = {machine: plain_values(rows, year) for machine, rows in by_machine.items()}
    if year == 2020:
        types = {machine_type for machine_type, _ in values}
        per_type = [fmean(fmean(v) for machine, v in values.items() if machine[0] == one) for one in sorted(types)]
        return fmean(per_type)
    flat = [max(float(value), np.finfo(float).eps) for of_machine in values.values() for value in of_machine]
    return len(flat) / sum(1 / value for value in flat)


def score(clips, year):
    return official_score(machine_table(clips, year), year)


@pytest.mark.parametrize("year", YEARS)
@pytest.mark.parametrize("ties", [True, False])
def test_the_score_is_that_of_the_definition(year, ties):
    clips = everything(ties=ties)
    assert score(clips, year) == pytest.approx(plain_score(clips, year), rel=1e-12)


def test_the_three_definitions_differ():
    assert len({round(score(everything(), year), 6) for year in (2020, 2021, 2022)}) == 3
    assert score(everything(), 2026) == score(everything(), 2022)


def test_a_type_of_many_ids_counts_in_2020_as_one_of_a_single_id():
    clips = everything()
    machines = machine_table(clips, 2020)
    assert score(clips, 2020) != pytest.approx(machines[["auc", "pauc"]].mean().mean())
    of_type = machines.groupby("machine_type")[["auc", "pauc"]].mean()
    assert mean_of_machines(machines["auc"], machines["machine_type"], 2020) == pytest.approx(of_type["auc"].mean())


@pytest.mark.parametrize("year", YEARS)
def test_machines_and_clips_without_labels_do_not_count(year):
    clips = everything()
    hidden = [("fan", "id_06", "unlabelled", "", 9.0), ("fan", "id_00", "unlabelled", "", 9.0)]
    only_normal = [("fan", "id_08", "normal", "source", 9.0)]
    more = pd.concat([clips, table(hidden + only_normal)], ignore_index=True)
    assert score(more, year) == score(clips, year)
    assert len(machine_table(more, year)) == len(MACHINES)
    assert math.isnan(score(table(hidden), year))


@pytest.mark.parametrize("label", ["normal", "abnormal"])
def test_a_machine_without_a_domain_is_not_scored_by_another_formula(label):
    clips = everything()
    is_missing = (clips["machine_id"] == "a") & (clips["domain"] == "target") & (clips["label"] == label)
    clips = clips[~is_missing]
    # the abnormal clips of one domain are enough from 2022 on, but not in 2021
    expected = {2020: True, 2021: False, 2022: label == "abnormal"}
    for year, exists in expected.items():
        machines = machine_table(clips, year).set_index("machine_id")
        assert machines["gap"].tolist() == [""] * 4 + ["" if exists else f"no {label} clip of the target domain", ""]
        low, high = interval(resampled_scores(resampled_areas(clips, year, resamples=200), year))
        if exists:
            assert score(clips, year) == pytest.approx(plain_score(clips, year), rel=1e-12)
            assert low < score(clips, year) < high
        else:
            assert np.isnan([score(clips, year), low, high, machines.loc["a", "auc_target"]]).all()
            assert np.isfinite(machines.loc["a", "auc_source"])


def test_labelled_clips_of_an_unknown_domain_are_no_third_domain():
    clips = everything()
    clips.loc[0, "domain"] = ""
    machines = machine_table(clips, 2023)
    assert machines["gap"].iloc[0] == "the domain of 1 of 22 labelled clips is not known"
    assert math.isnan(official_score(machines, 2023))
    assert score(clips, 2020) == score(everything(), 2020)


@pytest.mark.parametrize("year", [2021, 2022])
def test_an_area_of_0_becomes_the_machine_epsilon(year):
    clips = table(clips_of(("fan", "section_00")))
    clips.loc[(clips["domain"] == "target") & (clips["label"] == "normal"), "score"] = 100.0
    found = score(clips, year)
    assert 0 < found < 1e-14
    assert found == pytest.approx(plain_score(clips, year), rel=1e-12)


def test_published_figures_follow_from_their_cells():
    """The reconstruction error of the organisers' baseline on the evaluation set of 2026."""
    machines = pd.DataFrame(
        {
            "machine_type": ["ToyDrone", "ToothBrush", "SewingMachine", "BlowerDustCollector", "Sander"],
            "auc_source": [0.7126, 0.5902, 0.6484, 0.6948, 0.6714],
            "auc_target": [0.468, 0.6434, 0.6142, 0.8838, 0.4402],
            "pauc": [
                0.5510526315789473,
                0.5978947368421053,
                0.5810526315789474,
                0.6178947368421053,
                0.5089473684210526,
            ],
        }
    )
    assert official_score(machines, 2026) == pytest.approx(0.5980289616592438, rel=1e-12)
    means = [mean_of_machines(machines[name], machines["machine_type"], 2026) for name in machines.columns[1:]]
    assert means == pytest.approx([0.66062, 0.57324, 0.56873], abs=5e-6)


def test_decisions_of_a_domain_are_of_its_own_clips():
    rows = [
        *[("fan", "a", "normal", "source", score) for score in (0, 0, 2)],
        *[("fan", "a", "abnormal", "source", score) for score in (2, 2, 0)],
        *[("fan", "a", "normal", "target", score) for score in (0, 0)],
        *[("fan", "a", "abnormal", "target", score) for score in (1, 2)],
    ]
    for year in (2021, 2022):
        [found] = machine_table(table(rows), year, {("fan", "a"): 1.0}).to_dict("records")
        assert [found[f"{name}_source"] for name in ("precision", "recall", "f1")] == pytest.approx([2 / 3] * 3)
        assert [found[f"{name}_target"] for name in ("precision", "recall")] == [1.0, 0.5]
        assert math.isnan(found["f1"])
    [found] = machine_table(table(rows), 2020, {("fan", "a"): 1.0}).to_dict("records")
    assert (found["precision"], found["recall"]) == (0.75, 0.6)
    assert machine_table(table(rows), 2022)["f1_source"].isna().all()


# --- the bootstrap


@pytest.mark.parametrize("max_fpr", [1.0, 0.1])
@pytest.mark.parametrize("steps", [3, 20, 10_000])
def test_weighted_areas_are_those_of_scikit_learn(max_fpr, steps):
    """Weights of 0 among them, few and many ties."""
    rng = np.random.default_rng(steps)
    for count in (2, 5, 40, 200):
        is_abnormal = np.r_[True, False, rng.random(count - 2) < 0.4]
        scores = -np.sort(-rng.integers(0, steps, count).astype(float) / steps)
        weights = rng.integers(0, 4, (10, count)).astype(float)
        weights[:, :2] = 1  # both labels occur
        found = weighted_areas(weights, is_abnormal, scores, max_fpr)
        expected = [roc_auc_score(is_abnormal, scores, sample_weight=one, max_fpr=max_fpr) for one in weights]
        np.testing.assert_allclose(found, expected, atol=1e-12)


@pytest.mark.parametrize("year", [2020, 2021, 2022])
def test_a_sample_is_scored_as_the_clips_are(year):
    """Of clips that are all there once, each sample has the same score."""
    clips = everything(counts=(1, 1, 1, 1))
    samples = resampled_scores(resampled_areas(clips, year, resamples=3), year)
    np.testing.assert_allclose(samples, score(clips, year))


@pytest.mark.parametrize("year", [2020, 2021, 2022])
def test_the_interval_is_about_that_of_samples_drawn_one_by_one(year):
    clips = table(
        clips_of(("fan", "id_00"), counts=(20, 20, 20, 20)) + clips_of(("pump", "id_00"), counts=(9, 9, 9, 9))
    )
    rng = np.random.default_rng(1)
    strata = [group for _, group in clips.groupby(["machine_type", "machine_id", "domain", "label"])]
    drawn = []
    for _ in range(50):
        sample = pd.concat([group.iloc[rng.integers(0, len(group), len(group))] for group in strata])
        drawn.append(score(sample, year))
    samples = resampled_scores(resampled_areas(clips, year), year)
    assert len(samples) == 2000
    assert np.mean(samples) == pytest.approx(np.mean(drawn), abs=4 * np.std(drawn) / np.sqrt(50))
    assert np.std(samples) == pytest.approx(np.std(drawn), rel=0.3)
    low, high = interval(samples)
    assert low < score(clips, year) < high


def test_the_interval_depends_neither_on_the_order_nor_on_other_machines():
    clips = everything(ties=False)
    shuffled = clips.sample(frac=1, random_state=0)
    areas, again = resampled_areas(clips, 2022, resamples=50), resampled_areas(shuffled, 2022, resamples=50)
    alone = resampled_areas(clips[clips["machine_id"] == "b"], 2022, resamples=50)
    for machine, values in areas.items():
        np.testing.assert_array_equal(values, again[machine])
    np.testing.assert_array_equal(areas["valve", "b"], alone["valve", "b"])
