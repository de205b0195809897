import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as sk

from protocols.decisions import (
    Confusion,
    at_prevalence,
    confusion,
    decision_metrics,
    rates_from_counts,
    trivial_costs,
)  # fmt: skip
from protocols.errors import InputError
from protocols.metrics import METRICS

EXAMPLE = Confusion(tp=9, fp=3, fn=1, tn=17)
counts = st.integers(0, 30)


def test_example_4_1():
    rates = decision_metrics(EXAMPLE)
    expected = {
        "sensitivity": 0.9, "specificity": 0.85, "precision": 0.75, "accuracy": 0.866667, "balanced_accuracy": 0.875,
        "f1": 0.818182, "mcc": 0.721688, "youden_j": 0.75, "overkill": 0.15, "escape": 0.1, "npv": 17 / 18,
    }  # fmt: skip
    assert rates == pytest.approx(expected, abs=1e-6)


def test_example_4_2():
    factory = at_prevalence(EXAMPLE, prevalence=0.01, missed=100, false_alarm=2)
    assert factory["ppv_at_prevalence"] == pytest.approx(0.0571429, abs=1e-7)
    assert factory["npv_at_prevalence"] == pytest.approx(0.998813, abs=1e-6)
    assert factory["cost"] == pytest.approx(0.397)
    assert factory["rejects_per_thousand"] == pytest.approx(1000 * (0.01 * 0.9 + 0.99 * 0.15))
    assert factory["escapes_per_million"] == pytest.approx(1e6 * 0.01 * 0.1)
    assert trivial_costs(prevalence=0.01, missed=100, false_alarm=2) == pytest.approx((1.0, 1.98))


@given(counts, counts, counts, counts)
def test_rates_equal_scikit_learn_and_arrays_equal_single_values(tp, fp, fn, tn):
    rates = decision_metrics(Confusion(tp, fp, fn, tn))
    many = rates_from_counts([tp, 1], [fp, 1], [fn, 1], [tn, 1])
    assert set(many) == set(rates) <= set(METRICS)
    for name, value in rates.items():
        assert many[name].shape == (2,)
        assert math.isnan(many[name][0]) if value is None else many[name][0] == value
    labels = np.repeat([1, 0, 1, 0], [tp, fp, fn, tn])
    called = np.repeat([1, 1, 0, 0], [tp, fp, fn, tn])
    if 0 < labels.sum() < len(labels) and 0 < called.sum() < len(called):
        assert rates["mcc"] == pytest.approx(sk.matthews_corrcoef(labels, called), abs=1e-12)
        assert rates["f1"] == pytest.approx(sk.f1_score(labels, called))
        assert rates["precision"] == pytest.approx(sk.precision_score(labels, called))
        assert rates["balanced_accuracy"] == pytest.approx(sk.balanced_accuracy_score(labels, called))


def test_zero_denominators_are_undefined_not_zero():
    nothing_called = decision_metrics(Confusion(0, 0, 5, 10))
    assert nothing_called["precision"] is None
    assert nothing_called["mcc"] is None
    assert nothing_called["f1"] == 0  # there are anomalies, none was found
    assert nothing_called["sensitivity"] == 0
    no_anomalies = decision_metrics(Confusion(0, 0, 0, 10))
    assert no_anomalies["f1"] is None
    assert no_anomalies["sensitivity"] is None
    assert no_anomalies["balanced_accuracy"] is None
    assert no_anomalies["specificity"] == 1
    assert set(decision_metrics(Confusion(0, 0, 0, 0)).values()) == {None}
    assert decision_metrics(Confusion(0, 0, 5, 10), mcc_zero=0.0)["mcc"] == 0


def test_large_counts_do_not_overflow():
    rates = rates_from_counts(*(np.array([c], np.int32) for c in (900_000, 300_000, 100_000, 1_700_000)))
    assert rates["mcc"][0] == pytest.approx(0.721688, abs=1e-6)


def test_cell_probabilities_give_the_rates_at_another_prevalence():
    tpr, fpr, pi = 0.9, 0.15, 0.01
    rates = rates_from_counts(pi * tpr, (1 - pi) * fpr, pi * (1 - tpr), (1 - pi) * (1 - fpr))
    assert rates["precision"] == pytest.approx(0.0571429, abs=1e-7)
    assert rates["accuracy"] == pytest.approx(pi * tpr + (1 - pi) * (1 - fpr))


def test_decisions_include_the_threshold_itself():
    assert confusion([0, 1], [0.5, 0.5], 0.5) == (1, 1, 0, 0)
    assert confusion([0, 1], [0.5, 0.5], np.nextafter(0.5, 1)) == (0, 0, 1, 1)
    assert confusion([0, 1], [0.5, 0.5], math.inf) == (0, 0, 1, 1)


def test_an_undefined_threshold_is_an_error():
    with pytest.raises(InputError, match="threshold"):
        confusion([0, 1], [0, 1], math.nan)


@pytest.mark.parametrize(
    "options",
    [{"prevalence": 0}, {"prevalence": 1}, {"prevalence": 5}, {"prevalence": math.nan},
     {"prevalence": 0.1, "missed": 1}, {"prevalence": 0.1, "missed": 0, "false_alarm": 1}],
)  # fmt: skip
def test_bad_prevalence_and_costs_are_errors(options):
    with pytest.raises(InputError):
        at_prevalence(EXAMPLE, **options)


def test_cost_is_none_without_costs():
    assert at_prevalence(EXAMPLE, prevalence=0.01)["cost"] is None
