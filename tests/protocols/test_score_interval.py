"""The score interval of a proportion of images in objects."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize, stats

from protocols import clustered_proportion_interval, wilson_interval
from protocols.intervals.beta_binomial import BetaBinomial

objects_of_views = st.lists(
    st.integers(1, 12).flatmap(lambda m: st.tuples(st.integers(0, m), st.just(m))), min_size=2, max_size=12
)
Z = stats.norm.ppf(0.975)


def rows(counts):
    outcomes = np.concatenate([np.arange(m) < x for x, m in counts]).astype(int)
    return outcomes, np.repeat(np.arange(len(counts)), [m for _, m in counts])


def arrays(counts):
    return np.array([x for x, _ in counts]), np.array([m for _, m in counts])


def wilson(p, n):
    centre, half = p + Z**2 / (2 * n), Z * np.sqrt(p * (1 - p) / n + Z**2 / (4 * n**2))
    return (centre - half) / (1 + Z**2 / n), (centre + half) / (1 + Z**2 / n)


def fitted_rho(x, m, p):
    """The beta-binomial correlation of greatest likelihood by SciPy's distribution and a plain search."""

    def loss(rho):
        size = (1 - rho) / rho
        return -stats.betabinom.logpmf(x, m, p * size, (1 - p) * size).sum()

    grid = np.concatenate([np.geomspace(1e-5, 0.05, 60), np.linspace(0.05, 0.9999, 120)])
    best = int(np.argmin([loss(rho) for rho in grid]))
    low, high = grid[max(best - 1, 0)], grid[min(best + 1, len(grid) - 1)]
    return optimize.minimize_scalar(loss, bounds=(low, high), method="bounded", options={"xatol": 1e-9}).x


@pytest.mark.parametrize("p", [0.3, 0.7, 0.9])
@pytest.mark.parametrize("icc", [0.2, 0.7])
def test_the_correlation_is_that_of_greatest_likelihood(p, icc):
    rng = np.random.default_rng(1)
    m = rng.integers(1, 30, 15)
    x = rng.binomial(m, rng.beta(0.8 * (1 - icc) / icc, 0.2 * (1 - icc) / icc, 15))
    assert BetaBinomial(x, m).correlation(p) == pytest.approx(fitted_rho(x, m, p), abs=2e-5)


def test_no_correlation_is_found_where_objects_are_more_alike_than_chance():
    x, m = np.array([5, 5, 5, 5]), np.array([10, 10, 10, 10])
    assert BetaBinomial(x, m).correlation(0.5) == 0
    outcomes, objects = rows(list(zip(x, m, strict=True)))
    e = clustered_proportion_interval(outcomes, objects, method="score")
    assert (e.low, e.high) == pytest.approx(wilson(0.5, 40))


def test_objects_that_are_all_or_nothing_count_once():
    x, m = np.array([10, 10, 0, 10]), np.array([10, 10, 10, 10])
    assert BetaBinomial(x, m).correlation(0.6) == 1
    outcomes, objects = rows(list(zip(x, m, strict=True)))
    e = clustered_proportion_interval(outcomes, objects, method="score")
    assert (e.low, e.high) == pytest.approx(wilson(0.75, 4), abs=1e-6)


def test_the_limits_solve_their_equation():
    x, m = np.array([8, 5, 9, 3, 12]), np.array([10, 10, 10, 4, 12])
    p = x.sum() / m.sum()
    p_all, mates = x.sum() / m.sum(), (m**2).sum() / m.sum()
    seen = len(m) / (len(m) - 1) * ((x - p_all * m) ** 2).sum() / (p_all * (1 - p_all) * m.sum())
    for limit in BetaBinomial(x, m).limits(Z):
        effect = max(1 + (mates - 1) * fitted_rho(x, m, limit), seen)
        variance = limit * (1 - limit) / m.sum() * effect
        assert (p - limit) ** 2 == pytest.approx(Z**2 * variance, rel=1e-4)


@given(objects_of_views)
@settings(max_examples=60, deadline=None)
def test_the_interval_lies_between_wilsons_for_objects_and_for_images(counts):
    x, m = arrays(counts)
    e = clustered_proportion_interval(*rows(counts), method="score")
    widest, narrowest = wilson(e.value, m.sum() ** 2 / (m**2).sum()), wilson(e.value, m.sum())
    assert widest[0] - 1e-9 <= e.low <= narrowest[0] + 1e-9
    assert narrowest[1] - 1e-9 <= e.high <= widest[1] + 1e-9
    assert 0 <= e.low <= e.value <= e.high <= 1 and e.low < e.high


def test_the_design_effect_is_never_less_than_the_one_seen():
    """Parts of two kinds, nearly always caught or never, are not beta distributed: the fitted correlation is small."""
    counts = [(60, 60)] * 30 + [(59, 60)] * 20 + [(0, 60)] * 3
    fitted = BetaBinomial(*arrays(counts))
    p = fitted.value
    x, m = arrays(counts)
    seen = len(m) / (len(m) - 1) * ((x - p * m) ** 2).sum() / (p * (1 - p) * m.sum())
    assert 1 + 59 * fitted.correlation(p) < 0.8 * seen
    assert fitted.design_effect(p) == pytest.approx(min(seen, 60))


@given(objects_of_views)
@settings(max_examples=60, deadline=None)
def test_the_mirror_image_has_the_mirrored_interval(counts):
    outcomes, objects = rows(counts)
    e = clustered_proportion_interval(outcomes, objects, method="score")
    mirrored = clustered_proportion_interval(1 - outcomes, objects, method="score")
    assert (mirrored.low, mirrored.high) == pytest.approx((1 - e.high, 1 - e.low), abs=1e-7)


@given(st.lists(st.booleans(), min_size=1, max_size=40))
def test_images_that_are_their_own_objects_have_wilsons_interval(outcomes):
    e = clustered_proportion_interval(outcomes, range(len(outcomes)), method="score")
    plain = wilson_interval(sum(outcomes), len(outcomes))
    assert (e.low, e.high) == pytest.approx((plain.low, plain.high), abs=1e-12)


@given(objects_of_views, st.randoms(use_true_random=False))
@settings(max_examples=30, deadline=None)
def test_order_of_rows_and_names_of_objects_change_nothing(counts, random):
    outcomes, objects = rows(counts)
    order = list(range(len(outcomes)))
    random.shuffle(order)
    names = [f"part {100 - g}" for g in objects]
    a = clustered_proportion_interval(outcomes, objects, method="score")
    b = clustered_proportion_interval(outcomes[order], [names[i] for i in order], method="score")
    assert (a.value, a.low, a.high) == pytest.approx((b.value, b.low, b.high), abs=1e-12)


def test_all_outcomes_equal_count_as_kishs_number_of_objects():
    outcomes, objects = rows([(1, 1), (1, 1), (8, 8)])
    e = clustered_proportion_interval(outcomes, objects, method="score")
    assert (e.low, e.high) == pytest.approx(wilson(1, 100 / 66), abs=1e-9)
    assert "3 objects count as 1.515 trials" in e.notes[0]


def test_one_object_of_mixed_outcomes_has_no_interval():
    assert clustered_proportion_interval([1, 0, 1], ["a"] * 3, method="score").status == "undefined"


def test_rare_hard_objects_that_the_sample_lacks_are_allowed_for():
    """19 of 20 objects caught in all views, one in all but a few: far fewer than 1,200 independent images."""
    outcomes, objects = rows([(60, 60)] * 19 + [(55, 60)])
    score = clustered_proportion_interval(outcomes, objects, method="score")
    wilson_of_n_eff = clustered_proportion_interval(outcomes, objects)
    assert score.low < 0.9 < 0.97 < wilson_of_n_eff.low
