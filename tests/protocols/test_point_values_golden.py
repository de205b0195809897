"""Against stored output of pROC and scikit-learn, on data sets with and without ties (scripts beside it)."""

import json
import math
from pathlib import Path

import numpy as np
import pytest

from protocols import (
    aupr_trapezoid,
    auroc,
    average_precision,
    confusion,
    decision_metrics,
    partial_auroc,
    roc_curve,
    select_threshold,
)

GOLDEN = Path(__file__).parents[1] / "golden"
PROC = json.loads((GOLDEN / "point_values_proc.json").read_text())
SKLEARN = json.loads((GOLDEN / "point_values_sklearn.json").read_text())
EXACT = {"rel": 0, "abs": 1e-10}
every_set = pytest.mark.parametrize("name", PROC["sets"])


def data(name):
    of = PROC["sets"][name]
    return np.array(of["labels"], int), np.array(of["scores"]), of


@every_set
def test_auroc_and_partial_areas_equal_proc(name):
    labels, scores, of = data(name)
    assert auroc(labels, scores) == pytest.approx(of["auroc"][0], **EXACT)
    for i, end in enumerate(PROC["ends"]):
        assert partial_auroc(labels, scores, max_fpr=end) == pytest.approx(of["partial"][i], **EXACT)
        standardised = partial_auroc(labels, scores, max_fpr=end, standardised=True)
        assert standardised == pytest.approx(of["partial_standardised"][i], **EXACT)


@every_set
def test_roc_points_equal_proc(name):
    labels, scores, of = data(name)
    curve = roc_curve(labels, scores)
    assert curve.tpr[::-1] == pytest.approx(np.array(of["sensitivities"]), **EXACT)
    assert 1 - curve.fpr[::-1] == pytest.approx(np.array(of["specificities"]), **EXACT)


@every_set
@pytest.mark.parametrize("w", range(len(PROC["weights"])), ids=[f"cost {c}, {pi}" for c, pi in PROC["weights"]])
def test_the_best_youden_threshold_of_proc_is_that_of_least_cost(name, w):
    labels, scores, of = data(name)
    relative_cost, prevalence = PROC["weights"][w]
    ours = select_threshold(labels, scores, "cost", missed=relative_cost, false_alarm=1, prevalence=prevalence)
    # pROC lists all that are equal, and calls the lowest -Inf; ours is the one with the highest sensitivity.
    assert ours.value == pytest.approx(max(min(of["youden"][w]), scores.min()), **EXACT)
    if prevalence == 0.5 and relative_cost == 1:
        assert select_threshold(labels, scores).value == ours.value


@every_set
def test_the_threshold_closest_to_the_corner_equals_proc(name):
    labels, scores, of = data(name)
    assert select_threshold(labels, scores, "topleft").value == pytest.approx(min(of["topleft"]), **EXACT)


@every_set
@pytest.mark.parametrize("form", ["plain", "weighted"])
def test_ranking_metrics_and_curves_equal_scikit_learn(name, form):
    labels, scores, _ = data(name)
    of = SKLEARN["sets"][name]
    w = None if form == "plain" else np.array(of["weights"])
    theirs = of[form]
    assert auroc(labels, scores, weights=w) == pytest.approx(theirs["auroc"], **EXACT)
    assert average_precision(labels, scores, weights=w) == pytest.approx(theirs["average_precision"], **EXACT)
    assert aupr_trapezoid(labels, scores, weights=w) == pytest.approx(theirs["aupr_trapezoid"], **EXACT)
    for end, value in zip(PROC["ends"], theirs["partial_standardised"], strict=True):
        ours = partial_auroc(labels, scores, max_fpr=end, standardised=True, weights=w)
        assert ours == pytest.approx(value, **EXACT)
    for ours, value in zip(roc_curve(labels, scores, weights=w), theirs["roc"], strict=True):
        assert ours == pytest.approx(np.array(value), **EXACT)


@every_set
def test_the_largest_f1_equals_scikit_learn(name):
    labels, scores, _ = data(name)
    chosen = select_threshold(labels, scores, "f1")
    largest = SKLEARN["sets"][name]["plain"]["largest_f1"]
    assert chosen.apparent == pytest.approx(largest, **EXACT)
    assert decision_metrics(confusion(labels, scores, chosen.value))["f1"] == pytest.approx(largest, **EXACT)


def test_the_data_have_ties_and_the_programs_are_named():
    assert "pROC 1.18.0" in PROC["programs"]
    assert "scikit-learn" in SKLEARN["programs"]
    tied = [len(set(of["scores"])) < len(of["scores"]) for of in PROC["sets"].values()]
    assert sum(tied) >= 6
    assert not math.isnan(PROC["sets"]["separated"]["auroc"][0])
