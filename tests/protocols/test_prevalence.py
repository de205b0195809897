import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as sk

from protocols import (
    Naive,
    SampleTable,
    ScoreTable,
    ThreeWay,
    at_prevalence,
    aupr_trapezoid,
    average_precision,
    decision_metrics,
    decision_metrics_at_prevalence,
    precision_recall_curve,
    prevalence_curve,
    trivial_costs,
)
from protocols.decisions import Confusion
from protocols.errors import InputError, UndefinedError

EXAMPLE = Confusion(tp=9, fp=3, fn=1, tn=17)
counts = st.integers(0, 60)
both_classes = st.tuples(counts, counts, counts, counts).filter(lambda c: c[0] + c[2] > 0 and c[1] + c[3] > 0)


def test_example_4_2_and_the_trivial_policies():
    curve = prevalence_curve(EXAMPLE, prevalences=[0.01], missed=100, false_alarm=2)
    at = {name: values[0] for name, values in curve.items()}
    assert at["ppv_at_prevalence"] == pytest.approx(0.0571429, abs=5e-8)
    assert at["npv_at_prevalence"] == pytest.approx(0.998813, abs=5e-7)
    assert at["cost"] == pytest.approx(0.397)
    assert (at["cost_pass_all"], at["cost_reject_all"]) == pytest.approx((1.0, 1.98))
    assert trivial_costs(prevalence=0.01, missed=100, false_alarm=2) == pytest.approx((1.0, 1.98))


@given(both_classes, st.floats(0.001, 0.999))
def test_metrics_at_a_prevalence_are_those_of_weighted_decisions(cells, pi):
    confusion = Confusion(*cells)
    tp, fp, fn, tn = cells
    labels, called = np.array([1, 0, 1, 0]), np.array([1, 1, 0, 0])
    w = np.array([pi * tp / (tp + fn), (1 - pi) * fp / (fp + tn), pi * fn / (tp + fn), (1 - pi) * tn / (fp + tn)])
    rates = decision_metrics_at_prevalence(confusion, prevalence=pi)
    assert rates["accuracy"] == pytest.approx(sk.accuracy_score(labels, called, sample_weight=w))
    f1 = sk.f1_score(labels, called, sample_weight=w, zero_division=np.nan)
    assert rates["f1"] == pytest.approx(f1, abs=1e-12)
    if tp + fp and tn + fn:
        assert rates["precision"] == pytest.approx(sk.precision_score(labels, called, sample_weight=w))
        assert rates["mcc"] == pytest.approx(sk.matthews_corrcoef(labels, called, sample_weight=w), abs=1e-9)
    else:
        assert rates["mcc"] is None
    given_by_class = ("sensitivity", "specificity", "overkill", "escape", "balanced_accuracy", "youden_j")
    own = decision_metrics(confusion)
    assert [rates[n] for n in given_by_class] == pytest.approx([own[n] for n in given_by_class], abs=1e-12)


@given(both_classes)
def test_at_the_prevalence_of_the_test_set_nothing_changes(cells):
    tp, fp, fn, tn = cells
    own = decision_metrics(Confusion(*cells))
    rates = decision_metrics_at_prevalence(Confusion(*cells), prevalence=(tp + fn) / sum(cells))
    for name, value in own.items():
        assert rates[name] is None if value is None else rates[name] == pytest.approx(value, abs=1e-9)


@given(both_classes, st.lists(st.floats(0.001, 0.999), min_size=1, max_size=4))
def test_a_curve_is_its_points(cells, prevalences):
    confusion = Confusion(*cells)
    curve = prevalence_curve(confusion, prevalences=prevalences, missed=30, false_alarm=0.5)
    for i, pi in enumerate(prevalences):
        point = decision_metrics_at_prevalence(confusion, prevalence=pi)
        point |= at_prevalence(confusion, prevalence=pi, missed=30, false_alarm=0.5)
        for name, value in point.items():
            shown = curve[name][i]
            assert math.isnan(shown) if value is None else shown == pytest.approx(value, rel=1e-9, abs=1e-12)


def test_passing_or_rejecting_everything_costs_what_the_trivial_policies_do():
    prevalences = np.linspace(0.05, 0.95, 7)
    for cells, name in (((0, 0, 4, 9), "cost_pass_all"), ((4, 9, 0, 0), "cost_reject_all")):
        curve = prevalence_curve(Confusion(*cells), prevalences=prevalences, missed=7, false_alarm=3)
        assert curve["cost"] == pytest.approx(curve[name])


@pytest.mark.parametrize("cells", [(0, 3, 0, 5), (4, 0, 1, 0)], ids=["nominal", "anomalous"])
def test_a_missing_class_has_no_rates_to_carry_over(cells):
    with pytest.raises(UndefinedError, match="needs both classes") as caught:
        prevalence_curve(Confusion(*cells), prevalences=[0.1])
    assert caught.value.code == "SingleClassPartition"


@pytest.mark.parametrize(
    "options",
    [{"prevalences": [0.1, 1]}, {"prevalences": [0]}, {"prevalences": [math.nan]}, {"prevalences": [[0.1]]},
     {"prevalences": [0.1], "missed": 2}, {"prevalences": [0.1], "missed": 2, "false_alarm": 0}],
)  # fmt: skip
def test_bad_prevalences_and_costs_are_errors(options):
    with pytest.raises(InputError):
        prevalence_curve(EXAMPLE, **options)


# -- precision and recall --------------------------------------------------------------------------------------

rows = st.lists(st.tuples(st.booleans(), st.integers(0, 9)), min_size=2, max_size=30).filter(
    lambda r: 0 < sum(y for y, _ in r) < len(r)
)


def test_example_1_has_another_area_by_trapezoids():
    labels, scores = [0, 0, 0, 0, 1, 1, 1], [1, 2, 2, 3, 2, 3, 4]
    assert aupr_trapezoid(labels, scores) == pytest.approx(0.8055556, abs=5e-8)
    assert average_precision(labels, scores) == pytest.approx(0.7222222, abs=5e-8)


@given(rows)
def test_the_curve_equals_scikit_learn_and_its_steps_are_average_precision(drawn):
    labels, scores = np.array([int(y) for y, _ in drawn]), np.array([s / 3 for _, s in drawn])
    curve = precision_recall_curve(labels, scores)
    precision, recall, thresholds = sk.precision_recall_curve(labels, scores)
    n = len(recall)  # scikit-learn may leave out what lies beyond full recall
    assert curve.recall[:n] == pytest.approx(recall[::-1])
    assert curve.precision[:n] == pytest.approx(precision[::-1])
    assert curve.thresholds[1:n].tolist() == thresholds[::-1].tolist()
    assert (curve.recall[n:] == 1).all()
    steps = np.sum(np.diff(curve.recall) * curve.precision[1:])
    assert average_precision(labels, scores) == pytest.approx(steps)


def test_average_precision_stands_beside_its_chance_level_in_every_protocol():
    rng = np.random.default_rng(0)
    label = np.repeat([1, 0, 0], [12, 30, 30])
    frame = pd.DataFrame({
        "sample_id": [f"i{i}" for i in range(72)], "object_id": [f"o{i}" for i in range(72)], "label": label,
        "source": np.repeat(["test", "test", "train"], [12, 30, 30]), "score": rng.normal(size=72) + label,
    })  # fmt: skip
    samples, table = SampleTable.checked(frame), ScoreTable.checked(frame)
    for protocol in (Naive(n_resamples=20), ThreeWay(repeats=2, n_resamples=20), ThreeWay(repeats=2, swap=True)):
        splits = protocol.plan(samples, 0)
        rows_ = list(protocol.evaluate(splits[0], table))
        if isinstance(protocol, ThreeWay):
            rows_ += protocol.summarise(splits, [table] * 2)
        found = [r.estimate for r in rows_ if r.metric == "average_precision"]
        assert found
        for e in found:
            share = 12 / 42 if isinstance(protocol, Naive) else 0.5
            assert f"chance level {share:.4g}: the share of anomalous units" in e.notes
