import math
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import stats

from protocols import adjust_p_values
from protocols.comparisons import bayesian_ranks
from protocols.comparisons.bayesian_ranks import bayesian_signed_rank, signed_rank_moments
from protocols.comparisons.corrected_t import corrected_resampled_ttest
from protocols.comparisons.correlated_bayes import correlated_bayes_ttest
from protocols.comparisons.friedman import friedman_from_ranks, friedman_test
from protocols.comparisons.posteriors import Posterior
from protocols.comparisons.rank_post_hoc import (
    control_tests,
    indistinguishable_groups,
    nemenyi_critical_difference,
    nemenyi_p_values,
)
from protocols.comparisons.sign_flip import sign_flip_test
from protocols.comparisons.signs import sign_test_over_datasets
from protocols.comparisons.wilcoxon import pairwise_wilcoxon, wilcoxon_over_datasets
from protocols.errors import InputError, UndefinedError

X = [0.02, 0.01, 0.03, 0, 0.04]
RANKS = [44 / 14, 28 / 14, 40.5 / 14, 27.5 / 14]
# Demsar (2006), table 6. Its printed values tie on voting where its ranks do not: the third is raised there.
DEMSAR = np.array([
    [0.763, 0.768, 0.771, 0.798], [0.599, 0.591, 0.590, 0.569], [0.954, 0.971, 0.968, 0.967],
    [0.628, 0.661, 0.654, 0.657], [0.882, 0.888, 0.886, 0.898], [0.936, 0.931, 0.916, 0.931],
    [0.661, 0.668, 0.609, 0.685], [0.583, 0.583, 0.563, 0.625], [0.775, 0.838, 0.866, 0.875],
    [1.000, 1.000, 1.000, 1.000], [0.940, 0.962, 0.965, 0.962], [0.619, 0.666, 0.614, 0.669],
    [0.972, 0.981, 0.9751, 0.975], [0.957, 0.978, 0.946, 0.970],
])  # fmt: skip
STEPS = st.integers(-40, 40).map(lambda i: i / 64)  # exact in binary
DIFFERENCES = hnp.arrays(float, st.integers(1, 12), elements=STEPS)
TABLES = hnp.arrays(float, st.tuples(st.integers(2, 7), st.integers(2, 5)), elements=STEPS)


# The Bayesian correlated t test


def test_example_6_4():
    p = correlated_bayes_ttest(X, rho=0.2, rope=0.01)
    assert (p.p_b_better, p.p_equivalent, p.p_a_better) == pytest.approx((0.023710, 0.175870, 0.800419), abs=1e-6)
    assert (p.mean, p.df, p.rope) == (pytest.approx(0.02), 4, 0.01)
    assert p.decide() == "undecided"
    assert p.decide(probability=0.8) == "a_better"


@given(hnp.arrays(float, 7, elements=STEPS), st.sampled_from([0, 0.1, 0.5]), st.sampled_from([0, 0.01, 0.2]))
def test_the_posterior_is_the_corrected_t_test_read_the_other_way(x, rho, rope):
    p, q = correlated_bayes_ttest(x, rho=rho, rope=rope), correlated_bayes_ttest(-x, rho=rho, rope=rope)
    assert (p.p_a_better, p.p_equivalent) == pytest.approx((q.p_b_better, q.p_equivalent), abs=1e-12)
    assert p.p_a_better + p.p_equivalent + p.p_b_better == pytest.approx(1)
    test = corrected_resampled_ttest(x, rho=rho)
    if test.status == "ok" and rope == 0:
        assert 2 * min(p.p_a_better, p.p_b_better) == pytest.approx(test.p_value, abs=1e-12)


@pytest.mark.parametrize(
    ("value", "expected"), [(0.02, (1, 0, 0)), (-0.02, (0, 0, 1)), (0.0, (0, 1, 0)), (0.01, (0, 1, 0))]
)
def test_without_variance_the_posterior_is_a_point(value, expected):
    p = correlated_bayes_ttest([value] * 5, rho=0.5, rope=0.01)
    assert (p.p_a_better, p.p_equivalent, p.p_b_better) == expected
    assert (p.status, p.scale) == ("degenerate", 0)


def test_equal_values_that_rounding_tells_apart_are_equivalent():
    p = correlated_bayes_ttest([0.1 + 0.2, 0.5, 0.7], [0.3, 0.5, 0.7], rho=0.5, rope=0)
    assert (p.p_a_better, p.p_equivalent, p.p_b_better, p.status) == (0, 1, 0, "degenerate")


def test_one_repeat_has_no_posterior():
    p = correlated_bayes_ttest([0.1], rho=0.5, rope=0.01)
    assert p.status == "undefined"
    assert math.isnan(p.p_a_better)
    assert p.decide() == "undecided"
    with pytest.raises(UndefinedError) as caught:
        correlated_bayes_ttest(X, rho=1, rope=0.01)
    assert caught.value.code == "CorrectionUndefined"


@pytest.mark.parametrize(
    ("p", "decision"),
    [((0.95, 0.05, 0), "a_better"), ((0, 0.95, 0.05), "equivalent"), ((0, 0.04, 0.96), "b_better"),
     ((0.5, 0, 0.5), "undecided")],
)  # fmt: skip
def test_a_region_is_named_when_it_is_probable_enough(p, decision):
    assert Posterior(*p, 0.0, 1.0, 4.0).decide() == decision


@pytest.mark.parametrize("probability", [0.5, 0.3, 1.5])
def test_a_decision_needs_more_than_even_odds(probability):
    with pytest.raises(InputError, match="probability"):
        Posterior(1, 0, 0, 0.0, 1.0, 4.0).decide(probability=probability)


@pytest.mark.parametrize("rope", [-0.1, math.nan, math.inf, True, "0.1"])
def test_a_rope_is_a_width(rope):
    for call in (lambda: correlated_bayes_ttest(X, rho=0, rope=rope), lambda: bayesian_signed_rank(X, rope=rope)):
        with pytest.raises(InputError, match="rope"):
            call()


# Friedman


def test_example_6_5_from_ranks_and_from_the_published_values():
    for r in (friedman_from_ranks(RANKS, 14), friedman_test(DEMSAR, tie_correction=False)):
        assert r.average_ranks == pytest.approx(RANKS)
        assert (r.chi2, r.statistic) == pytest.approx((9.278571, 3.686313), abs=1e-6)
        assert (r.df, r.df1, r.df2, r.n_datasets) == (3, 3, 39, 14)
        assert r.p_value == pytest.approx(0.0198, abs=5e-5)
        assert "not corrected" in r.notes[0]
    corrected = friedman_test(DEMSAR)
    assert corrected.notes == ("corrected for ties on 4 of 14 data sets",)
    assert corrected.chi2 == pytest.approx(stats.friedmanchisquare(*DEMSAR.T).statistic)
    assert friedman_test(DEMSAR[[0, 1, 2]]).notes == ()


@given(TABLES)
def test_friedman_does_not_see_monotone_maps_order_or_direction(x):
    r = friedman_test(x)
    others = [friedman_test(-x, higher_is_better=False), friedman_test(x[::-1]), friedman_test(x**3)]
    permuted = friedman_test(x[:, ::-1])
    for other in (*others, permuted):
        assert (other.statistic, other.p_value) == pytest.approx((r.statistic, r.p_value), nan_ok=True)
    assert permuted.average_ranks == pytest.approx(r.average_ranks[::-1])
    assert r.average_ranks.sum() == pytest.approx(x.shape[1] * (x.shape[1] + 1) / 2)


@given(TABLES)
def test_without_ties_the_formula_of_ranks_is_that_of_values(x):
    one, other = friedman_test(x, tie_correction=False), friedman_from_ranks(friedman_test(x).average_ranks, len(x))
    if one.status == "ok":
        assert (one.chi2, one.p_value) == pytest.approx((other.chi2, other.p_value), abs=1e-9)


def test_perfect_agreement_is_infinitely_significant():
    for values in ([[3, 2, 1]] * 4, [[3, 3, 1]] * 4):
        r = friedman_test(values)
        assert (r.statistic, r.p_value, r.chi2) == (math.inf, 0.0, 8.0)
        assert "alike" in r.notes[-1]
    assert friedman_from_ranks([1, 2, 3], 4).p_value == 0


def test_no_rank_differences_are_degenerate_and_one_data_set_is_undefined():
    r = friedman_test(np.ones((5, 3)))
    assert (r.p_value, r.statistic, r.status) == (1.0, 0.0, "degenerate")
    one = friedman_test([[3, 2, 1]])
    assert one.status == "undefined"
    assert math.isnan(one.p_value)


@pytest.mark.parametrize("values", [[1, 2, 3], [[1], [2]], [], [[1, 2], [1]], [[1, math.nan], [2, 3]], [["a", "b"]]])
def test_bad_tables_are_errors(values):
    for function in (friedman_test, pairwise_wilcoxon):
        with pytest.raises(InputError):
            function(values)


@pytest.mark.parametrize(("ranks", "n"), [([1, 2, 9], 5), ([1], 5), ([0.2, 2, 3.8], 5), (RANKS, 0), (RANKS, 2.5)])
def test_what_are_no_ranks_is_an_error(ranks, n):
    with pytest.raises(InputError):
        friedman_from_ranks(ranks, n)


# Post hoc


def test_critical_differences_of_the_table():
    for k, q in zip(range(2, 7), (1.960, 2.344, 2.569, 2.728, 2.850), strict=True):
        assert nemenyi_critical_difference(k, 6) / math.sqrt(k * (k + 1) / 36) == pytest.approx(q, abs=5e-4)
    assert nemenyi_critical_difference(4, 14) == pytest.approx(1.253559, abs=1e-6)
    # Two detectors are a normal test; q of two is sqrt(2) times the normal quantile.
    assert nemenyi_critical_difference(2, 6, alpha=0.1) == pytest.approx(stats.norm.ppf(0.95) * math.sqrt(1 / 6))


def test_a_difference_of_exactly_the_critical_one_has_p_alpha():
    cd = nemenyi_critical_difference(3, 10)
    p = nemenyi_p_values([2 - cd / 2, 2, 2 + cd / 2], 10)
    assert p[0, 2] == pytest.approx(0.05, abs=1e-9)
    assert p[0, 1] > 0.05
    assert np.array_equal(p, p.T)


def test_example_6_5_against_the_first():
    r = control_tests(RANKS, 14)
    assert r.z[[3, 1, 2]] == pytest.approx([2.415, 2.342, 0.512], abs=5e-4)
    assert (r.p_adjusted < 0.05).tolist() == [False, True, False, True]
    assert math.isnan(r.p_values[0])
    assert control_tests(RANKS, 14, control=1).z[0] == pytest.approx(-r.z[1])


@pytest.mark.parametrize("arguments", [(1, 5), (3, 0), (2.5, 4), (True, 4)])
def test_bad_counts_are_errors(arguments):
    with pytest.raises(InputError):
        nemenyi_critical_difference(*arguments)
    with pytest.raises(InputError, match="control"):
        control_tests(RANKS, 14, control=4)
    with pytest.raises(InputError, match="alpha"):
        nemenyi_critical_difference(3, 4, alpha=5)


@given(st.lists(st.integers(2, 40).map(lambda i: i / 4), min_size=1, max_size=7), st.sampled_from([0.5, 1.0, 2.3]))
def test_bars_are_the_largest_groups_within_a_critical_difference(ranks, cd):
    ranks = np.array(ranks)
    found = {frozenset(group) for group in indistinguishable_groups(ranks, critical_difference=cd)}
    alike = [
        frozenset(group)
        for size in range(2, len(ranks) + 1)
        for group in combinations(range(len(ranks)), size)
        if np.ptp(ranks[list(group)]) < cd
    ]
    largest = {group for group in alike if not any(group < other for other in alike)}
    assert found == largest


@given(st.integers(2, 6).flatmap(lambda k: hnp.arrays(float, (k, k), elements=st.sampled_from([0.01, 0.2, math.nan]))))
def test_bars_of_p_values_are_neighbours_of_which_no_pair_differs(p):
    p = np.triu(p, 1) + np.triu(p, 1).T
    k = len(p)
    ranks = np.random.default_rng(k).permutation(k) + 1.0
    order = np.argsort(ranks)
    differ = (p < 0.05) & ~np.eye(k, dtype=bool)
    runs = [
        order[i:j].tolist()
        for i in range(k)
        for j in range(i + 2, k + 1)
        if not differ[np.ix_(order[i:j], order[i:j])].any()
    ]
    largest = [tuple(run) for run in runs if not any(set(run) < set(other) for other in runs)]
    assert indistinguishable_groups(ranks, p_values=p) == largest
    assert indistinguishable_groups(ranks, p_values=p, omnibus_p=0.2) == []
    assert indistinguishable_groups(ranks, p_values=p, omnibus_p=0.01) == largest


def test_a_group_that_is_no_clique_is_no_bar():
    p = np.array([[1, 0.5, 0.01], [0.5, 1, 0.5], [0.01, 0.5, 1]])
    assert indistinguishable_groups([1, 2, 3], p_values=p) == [(0, 1), (1, 2)]
    p[0, 1] = p[1, 0] = 0.01  # 1 and 3 differ, 1 and 2 differ
    assert indistinguishable_groups([1, 2, 3], p_values=p) == [(1, 2)]


@pytest.mark.parametrize(
    "options",
    [{}, {"critical_difference": 1, "p_values": np.eye(3)}, {"critical_difference": 0}, {"p_values": [[1, 0.2]]},
     {"p_values": [[1, 0.2, 0.3], [0.4, 1, 0.3], [0.3, 0.3, 1]]}, {"critical_difference": 1, "alpha": 2}],
)  # fmt: skip
def test_bad_groups_are_errors(options):
    with pytest.raises(InputError):
        indistinguishable_groups([1, 2, 3], **options)


# Two detectors over data sets


def test_the_published_signed_ranks():
    # Demsar (2006), section 3.1.3: R+ = 93, R- = 12, so that T = 12 is below the critical 21.
    r = wilcoxon_over_datasets(DEMSAR[:, 1], DEMSAR[:, 0], zero_method="zsplit")
    assert r.statistic == 12
    assert r.notes[0] == "rank sums 93 (a better) and 12 (b better)"
    assert r.status == "approximate"
    assert "2 of 14" in r.notes[1]
    exact = wilcoxon_over_datasets(DEMSAR[:, 1], DEMSAR[:, 0], distribution="exact")
    assert exact.p_value < 0.02
    assert exact.status == "ok"


@given(DIFFERENCES, st.sampled_from(["pratt", "wilcox", "zsplit"]), st.randoms(use_true_random=False))
def test_exchanging_detectors_and_order_of_data_sets(x, zero_method, random):
    shuffled = np.array(random.sample(x.tolist(), len(x)))
    there = wilcoxon_over_datasets(x, zero_method=zero_method)
    back = wilcoxon_over_datasets(0 * x, shuffled, zero_method=zero_method)
    assert (there.statistic, there.p_value) == pytest.approx((back.statistic, back.p_value))
    assert there.difference == pytest.approx(-back.difference)
    up = wilcoxon_over_datasets(x, zero_method=zero_method, alternative="greater").p_value
    down = wilcoxon_over_datasets(-x, zero_method=zero_method, alternative="less").p_value
    assert up == pytest.approx(down)
    signs = sign_test_over_datasets(x), sign_test_over_datasets(0 * x, shuffled)
    assert signs[0].p_value == pytest.approx(signs[1].p_value)


def test_decimals_that_tie_but_for_rounding_tie():
    a, b = [0.763, 0.936, 0.9, 0.8], [0.768, 0.931, 0.8, 0.6]  # -.005, .005, .1, .2
    assert wilcoxon_over_datasets(a, b).statistic == 1.5


@pytest.mark.parametrize("function", [wilcoxon_over_datasets, sign_test_over_datasets])
def test_no_difference_and_no_data_set(function):
    same = function([0.5, 0.6], [0.5, 0.6])
    assert (same.p_value, same.status) == (1.0, "degenerate")
    none = function([], [])
    assert none.status == "undefined"
    assert math.isnan(none.p_value)
    few = wilcoxon_over_datasets([0.1, 0.2, 0.3])
    assert few.p_value == 0.25
    assert "3 data sets" in few.notes[-1]


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        (([1, 2], [1]), {}, "shape"), (([1, math.nan],), {}, "data sets"), (([[1, 2]],), {}, "one-dimensional"),
        (([1, 2],), {"alternative": "more"}, "alternative"), (([1, 2],), {"zero_method": "none"}, "zero_method"),
        (([1, 2],), {"level": 5}, "level"),
    ],
)  # fmt: skip
def test_bad_arguments_are_errors(arguments, options, message):
    for function in (wilcoxon_over_datasets, sign_test_over_datasets):
        with pytest.raises(InputError, match=message):
            function(*arguments, **options)


def test_pairs_are_adjusted_together():
    x = np.random.default_rng(0).normal(size=(12, 4)) + [0, 0, 0.5, 3]
    raw = [wilcoxon_over_datasets(x[:, i], x[:, j]).p_value for i, j in combinations(range(4), 2)]
    p = pairwise_wilcoxon(x)
    assert p[np.triu_indices(4, 1)] == pytest.approx(adjust_p_values(raw))
    assert np.array_equal(p, p.T)
    assert indistinguishable_groups(friedman_test(x).average_ranks, p_values=p)[-1] != (3,)


# The Bayesian signed-rank test


def test_example_6_6():
    m = signed_rank_moments([0.03, 0.05], rope=0.01)
    assert m == pytest.approx((0.914286, 0.085714, 0), abs=1e-6)
    assert m.equivalent == pytest.approx(0.75 / 8.75)


def step(sums, bound):
    return (sums > bound) + 0.5 * (sums == bound)


@given(DIFFERENCES, st.sampled_from([0, 1 / 64, 0.125]), st.sampled_from([0.5, 2.0]))
def test_moments_are_the_sum_over_pairs(z, rope, s):
    points = np.concatenate([[0], z])
    alpha = np.array([s, *np.ones(len(z))])
    total = alpha.sum()
    expected = (np.outer(alpha, alpha) + np.diag(alpha)) / (total * (total + 1))
    sums = points[:, None] + points
    a, b = (expected * step(sums, 2 * rope)).sum(), (expected * step(-sums, 2 * rope)).sum()
    assert signed_rank_moments(z, rope=rope, prior_weight=s) == pytest.approx((a, 1 - a - b, b), abs=1e-12)


@given(DIFFERENCES, st.sampled_from([0, 1 / 64, 0.125]))
def test_the_bayesian_signed_rank_is_antisymmetric_draw_by_draw(z, rope):
    p, q = bayesian_signed_rank(z, rope=rope, n_draws=200), bayesian_signed_rank(0 * z, z, rope=rope, n_draws=200)
    assert (p.p_a_better, p.p_equivalent, p.p_b_better) == pytest.approx(
        (q.p_b_better, q.p_equivalent, q.p_a_better), abs=1e-12
    )
    assert p.p_a_better + p.p_equivalent + p.p_b_better == pytest.approx(1)
    assert p.mean == pytest.approx(-q.mean)
    if rope == 0:
        assert p.p_equivalent == 0


def test_the_bayesian_signed_rank_by_its_definition():
    z, rope, n = np.array([0.03, -0.02, 0.05, 0.0, 0.015, 0.01]), 0.01, 20_000
    w = np.random.default_rng(0).dirichlet([0.5, *np.ones(len(z))], n)
    sums = np.add.outer([0, *z], [0, *z])
    above, below = (np.einsum("di,ij,dj->d", w, step(np.round(side, 9), 2 * rope), w) for side in (sums, -sums))
    largest = np.argmax([above, 1 - above - below, below], axis=0)
    p = bayesian_signed_rank(z, rope=rope, n_draws=n)
    for i, ours in enumerate((p.p_a_better, p.p_equivalent, p.p_b_better)):
        assert ours == pytest.approx(np.mean(largest == i), abs=4 * math.sqrt(0.5 / n))


def test_neither_blocks_nor_the_order_of_data_sets_change_the_draws(monkeypatch):
    z = np.array([0.03, 0.01, 0.05, -0.04])
    whole = bayesian_signed_rank(z, rope=0.01, n_draws=1000)
    turned = bayesian_signed_rank(z[::-1], rope=0.01, n_draws=1000)
    assert (turned.p_a_better, turned.p_equivalent) == (whole.p_a_better, whole.p_equivalent)
    assert bayesian_signed_rank(z, rope=0.01, n_draws=1000, seed=1) != whole
    monkeypatch.setattr(bayesian_ranks, "BLOCK", 33)
    assert bayesian_signed_rank(z, rope=0.01, n_draws=1000) == whole


def test_a_boundary_counts_half_whatever_the_rounding():
    # .1 + .2 > .3 in floating point; the sum lies on the boundary 2 * .15.
    m = signed_rank_moments([0.1, 0.2], rope=0.15)
    assert m.a_better == pytest.approx((2 + 2 * 0.5) / 8.75)


def test_no_data_set_has_no_posterior():
    assert bayesian_signed_rank([], rope=0.01).status == "undefined"
    with pytest.raises(InputError):
        signed_rank_moments([], rope=0.01)
    for options in ({"n_draws": 0}, {"prior_weight": 0}, {"seed": -1}):
        with pytest.raises(InputError):
            bayesian_signed_rank([0.1], rope=0.01, **options)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=10))
def test_holm_is_at_least_bh_is_at_least_raw_and_order_is_kept(p):
    holm, bh = adjust_p_values(p), adjust_p_values(p, "bh")
    assert (holm >= bh - 1e-15).all()
    assert (bh >= np.array(p) - 1e-15).all()
    order = np.argsort(p, kind="stable")
    assert (np.diff(holm[order]) >= 0).all()
    assert (np.diff(bh[order]) >= 0).all()


@pytest.mark.parametrize(
    "test",
    [
        lambda values: adjust_p_values(values), lambda values: sign_flip_test(values),
        lambda values: corrected_resampled_ttest(values, rho=0.5),
        lambda values: wilcoxon_over_datasets(values, values),
        lambda values: bayesian_signed_rank([0.1, 0.2], values, rope=0.01),
    ],
    ids=["p values", "sign flip", "corrected t", "Wilcoxon", "Bayesian signed rank"],
)  # fmt: skip
def test_values_that_are_text_are_named(test):
    with pytest.raises(InputError, match="position 0: found '0,1', expected numbers") as caught:
        test(["0,1", "0,2"])
    assert caught.value.code == "NotNumeric"
