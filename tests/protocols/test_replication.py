import math
from itertools import combinations, product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from protocols import p_value_replicability, replicability
from protocols.comparisons.replication import CAVEAT, CONDITIONAL
from protocols.errors import InputError, UndefinedError


def outcomes(n, q):
    return [True] * q + [False] * (n - q)


@pytest.mark.parametrize(
    ("n", "q", "value"),
    [(10, 7, 0.533333), (1000, 154, 0.739171), (10, 5, 0.444444), (4, 1, 0.5), (10, 0, 1), (10, 10, 1)],
)
def test_example_6_3(n, q, value):
    r = replicability(outcomes(n, q))
    assert r.value == pytest.approx(value, abs=1e-6)
    assert (r.n, r.rejection_rate) == (n, q / n)


def test_example_6_3_interval():
    r = replicability(outcomes(10, 7))
    assert (r.low, r.high) == pytest.approx((0.5, 0.8754), abs=5e-5)
    one_sided = replicability(outcomes(1000, 154))  # the limits of pi do not enclose 1/2
    limits = stats.binomtest(154, 1000).proportion_ci(0.95, method="exact")
    assert (one_sided.high, one_sided.low) == pytest.approx([p**2 + (1 - p) ** 2 for p in limits])
    never = replicability(outcomes(10, 0))
    assert never.value == never.high == 1
    assert never.low == pytest.approx(0.3085**2 + 0.6915**2, abs=1e-4)  # 0 of 10: pi up to 0.3085


@given(st.lists(st.sampled_from([-1, 0, 1]), min_size=2, max_size=15))
def test_it_is_the_share_of_pairs_that_agree_and_symmetric(e):
    pairs = [a == b for a, b in combinations(e, 2)]
    r, turned = replicability(e, directions=True), replicability([-v for v in reversed(e)], directions=True)
    assert r.value == pytest.approx(np.mean(pairs))
    assert (r.low, r.high, r.value) == pytest.approx((turned.low, turned.high, turned.value))
    assert r.counts == turned.counts[::-1]
    assert 1 / 3 - 1e-9 <= r.low <= r.high <= 1
    assert r.rejection_rate == pytest.approx(np.mean(np.array(e) != 0))


@given(st.lists(st.booleans(), min_size=2, max_size=15))
def test_two_outcomes_are_one_minus_twice_the_variance(e):
    r = replicability(e)
    assert r.value == pytest.approx(1 - 2 * np.var(e, ddof=1))
    assert r == replicability(np.array(e).astype(int)) == replicability(np.array(e).astype(float))
    negated = replicability([not v for v in e])
    assert (r.value, r.low, r.high) == pytest.approx((negated.value, negated.low, negated.high))


@pytest.mark.parametrize("counts", [(5, 3, 2), (1, 8, 1), (4, 0, 4), (30, 10, 2)])
def test_the_limits_of_three_outcomes_are_the_extremes_of_the_region(counts):
    n = sum(counts)
    r = replicability([1] * counts[0] + [0] * counts[1] + [-1] * counts[2])
    limits = [stats.binomtest(c, n).proportion_ci(1 - 0.05 / 3, method="exact") for c in counts]
    grid = np.linspace(0, 1, 401)
    region = [
        p**2 + q**2 + (1 - p - q) ** 2
        for p, q in product(grid, grid)
        if all(c.low <= v <= c.high for c, v in zip(limits, (p, q, 1 - p - q), strict=True))
    ]
    assert min(region) == pytest.approx(r.low, abs=0.01)
    assert max(region) == pytest.approx(r.high, abs=0.01)
    assert r.low <= min(region) + 1e-12
    assert r.high >= max(region) - 1e-12


@pytest.mark.parametrize(
    ("pi", "directions"),
    [((0.1, 0.9, 0.0), None), ((0.3, 0.7, 0.0), False), ((0.25, 0.5, 0.25), True), ((0.6, 0.3, 0.1), True),
     ((0.95, 0.0, 0.05), True)],
)  # fmt: skip
def test_it_is_unbiased_and_its_interval_covers(pi, directions):
    rng, runs = np.random.default_rng(0), 1000
    found = [replicability(rng.choice([1, 0, -1], 12, p=pi), directions=directions) for _ in range(runs)]
    truth = float(np.square(pi).sum())
    values = np.array([r.value for r in found])
    assert values.mean() == pytest.approx(truth, abs=4 * values.std() / math.sqrt(runs))
    assert np.mean([r.low - 1e-12 <= truth <= r.high + 1e-12 for r in found]) >= 0.95 - 3 * math.sqrt(0.0475 / runs)


@pytest.mark.parametrize("e", [[], [True]])
def test_fewer_than_two_experiments_have_no_replicability(e):
    r = replicability(e)
    assert r.status == "undefined"
    assert math.isnan(r.value)
    assert math.isnan(r.low)
    assert "two experiments" in r.notes[0]


def test_doubts_are_said():
    assert "at least 10" in replicability(outcomes(9, 3)).notes[0]
    assert replicability(outcomes(20, 3)).notes == ()
    assert "least possible" in replicability(outcomes(10, 5)).notes[0]
    assert "Type I error" in CAVEAT
    assert "trained models" in CONDITIONAL


def test_p_values_that_agree_are_replicable():
    p = [0.01, 0.04, 0.2, 0.03]
    assert p_value_replicability(p) == pytest.approx(1 - 2 * np.var(p, ddof=1))
    assert p_value_replicability([0.3] * 5) == 1
    assert p_value_replicability([0, 1]) == 0
    # Demsar (2006): with p of 0 and 1 only it is the replicability of the decisions.
    assert p_value_replicability([0, 0, 1, 1, 1]) == pytest.approx(replicability([1, 1, 0, 0, 0]).value)


@pytest.mark.parametrize("p", [[0.5, math.nan], [0.5, 1.2], [-0.1, 0.5], [[0.1, 0.2]]])
def test_bad_p_values_are_errors(p):
    with pytest.raises(InputError):
        p_value_replicability(p)
    with pytest.raises(UndefinedError):
        p_value_replicability([0.5])


@pytest.mark.parametrize("e", [[0, 2], [0.5, 1], [math.nan, 1], ["yes", "no"], [[True, False]], [None, True]])
def test_other_outcomes_are_errors(e):
    with pytest.raises(InputError, match="outcomes"):
        replicability(e)


def test_directions_widen_the_interval_even_where_only_one_was_seen():
    two, three = replicability([1] * 9 + [0] * 6), replicability([1] * 9 + [0] * 6, directions=True)
    assert three.value == two.value
    assert three.low < two.low
    assert "three outcomes" in three.method
    assert "three outcomes" in replicability([-1] * 9 + [0] * 6).method
    with pytest.raises(InputError, match="directions"):
        replicability([-1, 0, 1], directions=False)


def test_a_level_is_a_fraction():
    with pytest.raises(InputError, match="level"):
        replicability([True, False], level=95)
    assert replicability(outcomes(20, 5), level=0.5).high < replicability(outcomes(20, 5)).high
