import math
from itertools import combinations, product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import stats

from protocols.comparisons import calibrated_df
from protocols.comparisons.calibrated_df import calibrate_df, fixed_learner_folds
from protocols.comparisons.ranks import midranks, signed_ranks
from protocols.comparisons.repeated_kfold import repeated_kfold_ttest
from protocols.comparisons.run_by_fold import SCHEMES, TESTS, run_by_fold_test, scheme_sample, t_tests
from protocols.comparisons.signs import sign_counts
from protocols.errors import InputError, UndefinedError

X = [[0.03, -0.01, 0.02], [0, 0.04, 0.01]]
ELEMENTS = st.floats(-1, 1, allow_subnormal=False).map(lambda v: round(v, 6))
MATRICES = hnp.arrays(float, st.tuples(st.integers(2, 5), st.integers(2, 6)), elements=ELEMENTS)


def approx(*values, abs=1e-6):
    return pytest.approx(values, abs=abs)


@pytest.mark.parametrize(
    ("scheme", "sample", "t", "df", "p"),
    [
        ("use_all", [0.03, -0.01, 0.02, 0, 0.04, 0.01], 1.963961, 5, 0.106746),
        ("avg_folds", [0.0133333333, 0.0166666667], 9.0, 1, 0.070447),
        ("sorted_runs", [-0.005, 0.015, 0.035], 1.299038, 2, 0.323519),
    ],
)
def test_example_6_2(scheme, sample, t, df, p):
    r = run_by_fold_test(X, scheme=scheme)
    assert (r.difference, r.statistic, r.df, r.p_value) == approx(0.015, t, df, p)
    assert scheme_sample(np.array(X), scheme) == pytest.approx(sample)
    assert np.std(X, ddof=1) == pytest.approx(0.0187083, abs=1e-7)


def test_example_6_2_averages_of_fold_positions_are_constant():
    r = run_by_fold_test(X, scheme="avg_runs")
    assert scheme_sample(np.array(X), "avg_runs") == pytest.approx([0.015] * 3)
    assert r.status == "degenerate"
    assert math.isnan(r.p_value)
    assert math.isnan(r.low)
    assert "no variance" in r.notes[0]


def test_the_factor_of_ten_times_ten_folds_is_published():
    # Bouckaert & Frank (2004): 1/100 + 1/9, not 1/10 * 10 + 1/9.
    x = np.random.default_rng(0).normal(size=(10, 10))
    r = repeated_kfold_ttest(x)
    assert (r.difference / r.statistic) ** 2 / x.var(ddof=1) == pytest.approx(0.121111, abs=1e-6)
    assert r.df == 99


@given(MATRICES)
def test_the_correction_is_the_same_from_both_doors(x):
    one, other = repeated_kfold_ttest(x), run_by_fold_test(x, scheme="use_all", correction="repeated_kfold")
    for name in ("difference", "low", "high", "statistic", "df", "p_value"):
        assert getattr(one, name) == pytest.approx(getattr(other, name), nan_ok=True), name


def test_calibrated_df_replaces_n_in_both_places():
    x = np.random.default_rng(1).normal(size=(10, 10))
    r = run_by_fold_test(x, scheme="use_all", df="calibrated")
    t = x.mean() * math.sqrt(11) / x.std(ddof=1)
    assert (r.statistic, r.df, r.p_value) == approx(t, 10, 2 * stats.t.sf(abs(t), 10), abs=1e-12)
    half = stats.t.ppf(0.975, 10) * x.std(ddof=1) / math.sqrt(11)
    assert (r.low, r.high) == approx(x.mean() - half, x.mean() + half, abs=1e-12)
    assert run_by_fold_test(x, scheme="use_all", df=10).p_value == r.p_value
    assert "uncorrected" in run_by_fold_test(x, scheme="use_all").method
    assert run_by_fold_test(x, scheme="use_all").status == "approximate"
    assert r.status == "ok"


@pytest.mark.parametrize("scheme", SCHEMES)
def test_t_is_scipys_on_the_sample(scheme):
    x = np.random.default_rng(2).normal(0.3, 1, size=(6, 7))
    r, sample = run_by_fold_test(x, scheme=scheme, level=0.9), scheme_sample(x, scheme)
    expected = stats.ttest_1samp(sample, 0)
    interval = expected.confidence_interval(0.9)
    assert (r.statistic, r.p_value, r.low, r.high) == approx(
        expected.statistic, expected.pvalue, interval.low, interval.high, abs=1e-12
    )
    assert r.method.startswith(scheme)


def test_sorted_runs_needs_no_caution_and_liberal_schemes_say_what_they_are():
    x = np.random.default_rng(3).normal(size=(5, 5))
    assert run_by_fold_test(x).status == "ok"
    assert run_by_fold_test(x).notes == ()
    for scheme in ("use_all", "avg_folds", "avg_runs", "resampling"):
        assert run_by_fold_test(x, scheme=scheme).status == "approximate"
        assert run_by_fold_test(x, scheme=scheme).notes
    assert "first of 5 runs" in run_by_fold_test(x, scheme="kfold").notes[0]
    assert "fewer than 5" in run_by_fold_test(X).notes[0]


@given(MATRICES, st.randoms(use_true_random=False), st.sampled_from(["t", "sign", "wilcoxon"]))
def test_neither_the_order_of_runs_nor_of_folds_inside_a_run_matters(x, random, test):
    rows, columns = list(range(len(x))), [list(range(x.shape[1])) for _ in x]
    random.shuffle(rows)
    for order in columns:
        random.shuffle(order)
    shuffled = np.array([x[i][columns[i]] for i in rows])
    for scheme in ("sorted_runs", "use_all"):
        one, other = run_by_fold_test(x, scheme=scheme, test=test), run_by_fold_test(shuffled, scheme=scheme, test=test)
        assert one.p_value == pytest.approx(other.p_value, nan_ok=True, rel=1e-6, abs=1e-12)
        assert one.difference == pytest.approx(other.difference, abs=1e-12)


@given(MATRICES, st.sampled_from(SCHEMES), st.sampled_from(["t", "sign", "wilcoxon"]))
def test_exchanging_the_detectors_turns_the_sign_only(x, scheme, test):
    there, back = run_by_fold_test(x, scheme=scheme, test=test), run_by_fold_test(-x, scheme=scheme, test=test)
    assert there.p_value == pytest.approx(back.p_value, nan_ok=True, rel=1e-6, abs=1e-12)
    assert there.difference == pytest.approx(-back.difference, abs=1e-12)
    assert (there.low, there.high) == pytest.approx((-back.high, -back.low), nan_ok=True, abs=1e-12)
    assert there.status == back.status


@given(MATRICES, st.sampled_from(SCHEMES), st.sampled_from(["t", "sign", "wilcoxon"]), st.sampled_from([1e-12, 1e9]))
def test_the_unit_of_the_metric_does_not_matter(x, scheme, test, unit):
    one, other = run_by_fold_test(x, scheme=scheme, test=test), run_by_fold_test(x * unit, scheme=scheme, test=test)
    assert one.p_value == pytest.approx(other.p_value, nan_ok=True, rel=1e-6, abs=1e-12)


def test_one_run_of_sorted_runs_is_kfold_and_flat_values_are_one_run():
    x = np.random.default_rng(4).normal(size=(1, 8))
    sorted_runs, kfold = run_by_fold_test(x), run_by_fold_test(x, scheme="kfold")
    assert sorted_runs.p_value == pytest.approx(kfold.p_value)
    assert run_by_fold_test(x[0], scheme="kfold") == kfold
    assert run_by_fold_test(x[0], scheme="resampling") == run_by_fold_test(x, scheme="resampling")


@pytest.mark.parametrize(
    ("values", "split", "drop"),
    [
        ([1, 1, 1, 1, 1], (5, 5, 0.0625), (5, 5, 0.0625)),
        ([1, 1, 1, 0, 0], (4, 5, 0.375), (3, 3, 0.25)),
        ([1, 1, 1, 0, 0, 0], (4, 5, 0.375), (3, 3, 0.25)),  # one of three zeros is left out
        ([0, 0], (1, 2, 1.0), (0, 0, 1.0)),
        ([0], (0, 0, 1.0), (0, 0, 1.0)),
        ([-1, -1, -1, -1, 1, 1], (2, 6, 0.6875), (2, 6, 0.6875)),
    ],
)
def test_zeros_are_split_or_dropped_in_the_sign_test(values, split, drop):
    assert tuple(sign_counts(np.array(values, float))) == approx(*split)
    assert tuple(sign_counts(np.array(values, float), zero_method="drop")) == approx(*drop)


@given(hnp.arrays(np.int64, st.integers(1, 8), elements=st.integers(-3, 3)), st.sampled_from(["pratt", "wilcox"]))
def test_the_exact_signed_rank_p_counts_every_choice_of_signs(values, zero_method):
    found = signed_ranks(values.astype(float), zero_method=zero_method, distribution="exact")
    kept = values[values != 0] if zero_method == "wilcox" else values
    ranks = stats.rankdata(np.abs(kept)) * (kept != 0) if kept.size else np.zeros(0)
    signs = np.array(list(product([0, 1], repeat=len(ranks))))
    sums = signs @ ranks
    observed = ranks[kept > 0].sum()
    upper, lower = np.mean(sums >= observed - 1e-9), np.mean(sums <= observed + 1e-9)
    assert found.positive == pytest.approx(observed)
    assert found.p_value == pytest.approx(min(1.0, 2 * min(upper, lower)))


@given(hnp.arrays(float, st.integers(1, 12), elements=st.sampled_from([-0.3, -0.1, 0, 0.1, 0.2, 0.3, 0.1 + 0.2])))
def test_values_that_differ_by_rounding_are_ties(values):
    ranks, sizes = midranks(values, 1e-12)
    expected = stats.rankdata(np.round(values, 6))
    assert ranks == pytest.approx(expected)
    assert sizes.tolist() == [int((expected == r).sum()) for r in expected]


def test_many_samples_at_once_are_each_by_itself():
    rng = np.random.default_rng(5)
    x = np.concatenate([rng.normal(size=(20, 9)), rng.integers(-2, 3, (20, 9))])
    assert signed_ranks(x).p_value == pytest.approx([float(signed_ranks(row).p_value) for row in x])
    assert sign_counts(x).p_value == pytest.approx([float(sign_counts(row).p_value) for row in x])
    assert t_tests(x).p_value == pytest.approx([float(t_tests(row).p_value) for row in x])


def test_wilcoxon_on_fold_means_with_ties_is_approximate_and_without_exact():
    exact = run_by_fold_test(np.arange(1.0, 11)[None, :], test="wilcoxon")
    assert (exact.p_value, exact.status, exact.statistic) == (2 / 1024, "ok", 0.0)
    tied = run_by_fold_test([[1.0, 1.0, 2.0, -3.0]], test="wilcoxon")
    assert tied.status == "approximate"
    assert tied.p_value == pytest.approx(
        stats.wilcoxon([1, 1, 2, -3], method="asymptotic", correction=False).pvalue, abs=1e-12
    )


@pytest.mark.parametrize("ties", [False, True])
def test_ranksum_compares_the_two_samples_unpaired(ties):
    rng = np.random.default_rng(6)
    a, b = rng.normal(0.5, 1, (4, 6)), rng.normal(size=(4, 6))
    if ties:
        a, b = np.round(a), np.round(b)
    r = run_by_fold_test(a, other=b, test="ranksum", scheme="kfold")
    method = "asymptotic" if ties else "exact"
    expected = stats.mannwhitneyu(a[0], b[0], use_continuity=False, method=method)
    assert (r.statistic, r.p_value) == approx(*expected, abs=1e-12)
    assert r.difference == pytest.approx(a[0].mean() - b[0].mean())
    assert run_by_fold_test(b, other=a, test="ranksum", scheme="kfold").p_value == pytest.approx(r.p_value)
    constant = run_by_fold_test(np.ones((2, 3)), other=np.ones((2, 3)), test="ranksum")
    assert (constant.p_value, constant.status) == (1.0, "degenerate")


@pytest.mark.parametrize("test", ["t", "sign", "wilcoxon"])
def test_values_of_both_detectors_do_what_their_differences_do(test):
    a, b = np.random.default_rng(7).normal(size=(2, 5, 6))
    assert run_by_fold_test(a, other=b, test=test).p_value == run_by_fold_test(a - b, test=test).p_value


@pytest.mark.parametrize("test", ["t", "sign", "wilcoxon"])
@pytest.mark.parametrize("scheme", SCHEMES)
def test_no_difference_anywhere_is_degenerate_with_p_1(scheme, test):
    r = run_by_fold_test(np.zeros((3, 4)), scheme=scheme, test=test)
    assert (r.p_value, r.status, r.difference) == (1.0, "degenerate", 0.0)


def test_rounding_in_the_average_of_runs_is_no_difference():
    x = np.array([[0.1, 0.2, -0.3], [0.3, -0.2, -0.1]])  # the run means are rounding
    r = run_by_fold_test(x, scheme="avg_folds")
    assert (r.p_value, r.status) == (1.0, "degenerate")


def test_one_value_has_no_t_test():
    r = run_by_fold_test([[0.1, 0.2]], scheme="avg_folds")
    assert r.status == "undefined"
    assert math.isnan(r.p_value)
    assert run_by_fold_test([[0.1], [0.2]], scheme="sorted_runs").status == "undefined"


@pytest.mark.parametrize(
    ("values", "options", "message"),
    [
        ([0.1, 0.2], {}, "runs, folds"), ([[0.1, 0.2], [0.1]], {}, "runs, folds"), ([], {}, "runs, folds"),
        ([[0.1, math.nan]], {}, "finite"), (X, {"scheme": "all"}, "sorted_runs"), (X, {"test": "z"}, "wilcoxon"),
        (X, {"level": 95}, "level"), (X, {"df": 0}, "above 0"), (X, {"df": "auto"}, "calibrated"),
        (X, {"df": "calibrated"}, "use_all"), (X, {"correction": "repeated_kfold"}, "use_all"),
        (X, {"correction": "full"}, "repeated_kfold"), (X, {"test": "sign", "df": 3}, "t, where"),
        (X, {"scheme": "use_all", "df": 3, "correction": "repeated_kfold"}, "either"),
        (X, {"zero_method": "pratt"}, "sign or wilcoxon"), (X, {"test": "sign", "zero_method": "pratt"}, "split"),
        (X, {"test": "wilcoxon", "zero_method": "drop"}, "pratt"), (X, {"test": "ranksum"}, "two samples"),
        (X, {"other": [[1, 2]]}, "shape"),
    ],
)  # fmt: skip
def test_bad_arguments_are_errors(values, options, message):
    with pytest.raises(InputError, match=message):
        run_by_fold_test(values, **options)


def test_one_fold_has_no_correction():
    for call in (
        lambda: repeated_kfold_ttest([[0.1], [0.2]]),
        lambda: run_by_fold_test([[0.1], [0.2]], scheme="use_all", correction="repeated_kfold"),
    ):
        with pytest.raises(UndefinedError) as caught:
            call()
        assert caught.value.code == "CorrectionUndefined"


def test_every_test_runs_with_every_scheme():
    a, b = np.random.default_rng(8).normal(size=(2, 5, 6))
    for scheme, test in product(SCHEMES, TESTS):
        assert 0 <= run_by_fold_test(a, other=b, scheme=scheme, test=test).p_value <= 1


@pytest.mark.parametrize("folds", [3, 10])
def test_one_run_is_calibrated_by_the_ordinary_df(folds):
    # The folds of one run are independent normals: k - 1 is exact. Bounds: the quantile's Monte Carlo error.
    df = calibrate_df(1, folds, 4 * folds, n_simulations=20_000)
    at_df = 2 * stats.t.sf(stats.t.ppf(0.975, df) / math.sqrt(df + 1) * math.sqrt(folds), folds - 1)
    assert at_df == pytest.approx(0.05, abs=4 * math.sqrt(0.05 * 0.95 / 20_000))


def test_ten_times_ten_folds_have_about_ten_df():
    assert calibrate_df(10, 10, 300, n_simulations=4000) == pytest.approx(10, abs=1.5)  # Bouckaert (2003)
    assert calibrate_df(10, 10, 300, n_simulations=500) == calibrate_df(10, 10, 300, n_simulations=500)
    assert calibrate_df(10, 10, 300, n_simulations=500) != calibrate_df(10, 10, 300, n_simulations=500, seed=1)


def test_calibration_gives_its_nominal_rate_on_fresh_data():
    runs, folds, n, simulations = 5, 4, 30, 8000
    df = calibrate_df(runs, folds, n)
    rng = np.random.default_rng(9)
    x = fixed_learner_folds(rng.normal(size=(simulations, n)), runs, folds, rng)
    rate = (t_tests(scheme_sample(x, "use_all"), df=df).p_value < 0.05).mean()
    uncorrected = (t_tests(scheme_sample(x, "use_all")).p_value < 0.05).mean()
    assert rate == pytest.approx(0.05, abs=4 * math.sqrt(0.05 * 0.95 * (1 / simulations + 1 / 10_000)))
    assert uncorrected > 0.25


def test_folds_hold_every_object_once_a_run():
    rng = np.random.default_rng(10)
    values = 2.0 ** np.arange(11)  # sums tell which objects they are of
    x = fixed_learner_folds(values, 4, 3, rng)
    assert x.shape == (4, 3)
    sizes = np.array([4, 4, 3])
    assert (x * sizes).sum(axis=1) == pytest.approx([values.sum()] * 4)
    assert all([bin(round(total)).count("1") for total in row] == sizes.tolist() for row in x * sizes)
    assert not any(np.array_equal(one, other) for one, other in combinations(x, 2))


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        ((0, 5, 20), {}, "runs"), ((2, 1, 20), {}, "folds"), ((2, 5, 4), {}, "one object a fold"),
        ((2, 5, 20.5), {}, "n"), ((2, 5, 20), {"scheme": "x"}, "scheme"), ((2, 5, 20), {"level": 5}, "level"),
        ((2, 5, 20), {"n_simulations": 1}, "n_simulations"),
    ],
)  # fmt: skip
def test_bad_calibrations_are_errors(arguments, options, message):
    with pytest.raises(InputError, match=message):
        calibrate_df(*arguments, **options)


def test_averages_of_whole_runs_cannot_be_calibrated():
    with pytest.raises(UndefinedError, match="no variance"):
        calibrate_df(3, 4, 20, scheme="avg_folds", n_simulations=100)
    with pytest.raises(UndefinedError, match="two"):
        calibrate_df(1, 4, 20, scheme="avg_folds", n_simulations=100)


def test_blocks_of_the_simulation_do_not_change_it(monkeypatch):
    whole = calibrate_df(2, 3, 13, n_simulations=200)
    monkeypatch.setattr(calibrated_df, "BLOCK", 7 * 26)
    assert calibrate_df(2, 3, 13, n_simulations=200) == whole
