import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import stats

from protocols.comparisons.corrected_t import corrected_resampled_ttest
from protocols.comparisons.multiplicity import adjust_p_values
from protocols.errors import InputError, UndefinedError

X = [0.02, 0.01, 0.03, 0, 0.04]


@pytest.mark.parametrize(
    ("correction", "t", "p", "low", "high"),
    [
        ({"rho": 0}, 2.828427, 0.047421, None, None),
        ({"test_train_ratio": 0}, 2.828427, 0.047421, None, None),
        ({"test_train_ratio": 20 / 80}, 1.885618, 0.132419, -0.009449, 0.049449),
        ({"rho": 0.2}, 1.885618, 0.132419, -0.009449, 0.049449),
        ({"rho": 1 / 2}, 1.154701, 0.312500, -0.028089, 0.068089),
    ],
)
def test_example_6_1(correction, t, p, low, high):
    r = corrected_resampled_ttest(X, **correction)
    assert (r.difference, r.df) == pytest.approx((0.02, 4))
    assert r.statistic == pytest.approx(t, abs=1e-6)
    assert r.p_value == pytest.approx(p, abs=1e-6)
    if low is not None:
        assert (r.low, r.high) == pytest.approx((low, high), abs=1e-6)


def test_ten_times_ten_fold_factor():
    # Bouckaert & Frank (2004): 1/100 + 1/9 = .121111.
    x = np.random.default_rng(0).normal(size=100)
    r = corrected_resampled_ttest(x, test_train_ratio=1 / 9)
    assert (r.difference / r.statistic) ** 2 / x.var(ddof=1) == pytest.approx(0.121111, abs=1e-6)


@given(hnp.arrays(float, 8, elements=st.floats(-1, 1)), hnp.arrays(float, 8, elements=st.floats(-1, 1)))
def test_without_correction_it_is_the_paired_t_test(a, b):
    r = corrected_resampled_ttest(a, b, rho=0)
    if np.std(a - b) <= 1e-9:
        return
    expected = stats.ttest_rel(a, b)
    assert (r.statistic, r.p_value) == pytest.approx((expected.statistic, expected.pvalue), rel=1e-6, abs=1e-12)
    interval = expected.confidence_interval(0.95)
    assert (r.low, r.high) == pytest.approx((interval.low, interval.high), rel=1e-6, abs=1e-12)


def test_swapping_the_detectors_turns_the_sign():
    a, b = np.array(X), np.array(X[::-1]) / 3
    there, back = corrected_resampled_ttest(a, b, rho=0.5), corrected_resampled_ttest(b, a, rho=0.5)
    assert (there.difference, there.low, there.p_value) == pytest.approx((-back.difference, -back.high, back.p_value))


def test_equal_differences_have_no_test():
    zero = corrected_resampled_ttest([0.0] * 5, rho=0.5)
    assert (zero.p_value, zero.status) == (1.0, "degenerate")
    assert math.isnan(zero.low)
    constant = corrected_resampled_ttest([0.1 + 1e-17] * 5, rho=0.5)
    assert constant.status == "degenerate"
    assert math.isnan(constant.p_value)
    assert "no variance" in constant.notes[0]


def test_weka_has_p_zero_for_equal_differences_on_request():
    # PairedStatsCorrected: without variance p is 1 if the sum of squares is 0, else 0.
    constant = corrected_resampled_ttest([0.1] * 5, test_train_ratio=0.25, compat="weka")
    assert (constant.p_value, constant.status) == (0.0, "degenerate")
    assert "Weka" in constant.notes[-1]
    assert math.isnan(constant.low)
    assert corrected_resampled_ttest([0.0] * 5, rho=0.5, compat="weka").p_value == 1.0
    assert corrected_resampled_ttest(X, rho=0.5, compat="weka") == corrected_resampled_ttest(X, rho=0.5)


def test_differences_of_equal_values_that_rounding_tells_apart_are_zero():
    r = corrected_resampled_ttest([0.1 + 0.2, 0.5, 0.7], [0.3, 0.5, 0.7], rho=0.5)
    assert (r.p_value, r.status, r.notes) == (1.0, "degenerate", ("all differences are 0",))


@pytest.mark.parametrize("x", [[], [0.1]])
def test_fewer_than_two_repeats_are_undefined(x):
    r = corrected_resampled_ttest(x, rho=0.5)
    assert r.status == "undefined"
    assert math.isnan(r.p_value)


@pytest.mark.parametrize("rho", [1, 1.0, 2])
def test_a_correction_of_one_is_refused_and_points_to_the_bootstrap(rho):
    with pytest.raises(UndefinedError, match="protocol_bootstrap") as caught:
        corrected_resampled_ttest(X, rho=rho)
    assert caught.value.code == "CorrectionUndefined"


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        ((X,), {}, "exactly one"), ((X,), {"rho": 0.5, "test_train_ratio": 1}, "exactly one"),
        ((X,), {"rho": -0.1}, "rho"), ((X,), {"rho": math.nan}, "rho"), ((X,), {"test_train_ratio": -1}, "ratio"),
        ((X, X[:3]), {"rho": 0}, "shape"), (([0.1, math.nan],), {"rho": 0}, "finite"),
        (([[0.1, 0.2]],), {"rho": 0}, "one-dimensional"), ((X,), {"rho": 0, "level": 95}, "level"),
        ((X,), {"rho": 0, "compat": "r"}, "weka"),
    ],
)  # fmt: skip
def test_bad_arguments_are_errors(arguments, options, message):
    with pytest.raises(InputError, match=message):
        corrected_resampled_ttest(*arguments, **options)


def test_example_6_7():
    p = [0.01, 0.04, 0.03, 0.005]
    assert adjust_p_values(p) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert adjust_p_values(p, "bh") == pytest.approx([0.02, 0.04, 0.04, 0.02])


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_adjusted_values_equal_scipy_and_the_stepwise_procedure(p):
    assert adjust_p_values(p, "bh") == pytest.approx(stats.false_discovery_control(p), abs=1e-12)
    m = len(p)
    for level in (0.01, 0.05, 0.3):
        rejected = set()
        for step, i in enumerate(np.argsort(p, kind="stable")):  # Holm (1979): stop at the first that is too large
            if p[i] > level / (m - step):
                break
            rejected.add(i)
        adjusted = adjust_p_values(p)
        for i, value in enumerate(adjusted):
            assert value == pytest.approx(level, abs=1e-12) or (value <= level) == (i in rejected)


@given(st.lists(st.one_of(st.floats(0, 1), st.just(math.nan)), max_size=12), st.sampled_from(["holm", "bh"]))
def test_undefined_values_stay_and_do_not_count(p, method):
    p = np.array(p, float)
    adjusted = adjust_p_values(p, method)
    defined = ~np.isnan(p)
    np.testing.assert_array_equal(np.isnan(adjusted), ~defined)
    np.testing.assert_array_equal(adjusted[defined], adjust_p_values(p[defined], method))


@pytest.mark.parametrize(("p", "method"), [([0.5, 1.2], "holm"), ([-0.1], "bh"), ([0.5], "sidak"), ([[0.5]], "holm")])
def test_bad_p_values_are_errors(p, method):
    with pytest.raises(InputError):
        adjust_p_values(p, method)
