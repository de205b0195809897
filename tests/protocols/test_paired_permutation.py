"""The permutation and the sign-flip test, and the exchanges behind both."""

import itertools
import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from protocols import auroc, delong_test, permutation_test, sign_flip_test
from protocols.comparisons import exchange
from protocols.errors import InputError

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "paired_tests.json").read_text())
rows_in_objects = st.lists(
    st.tuples(st.integers(0, 5), st.booleans(), st.integers(0, 6), st.integers(0, 6)), min_size=2, max_size=14
).filter(lambda r: {y for _, y, *_ in r} == {True, False})
differences = st.lists(st.integers(-20, 20).map(lambda v: v / 10), min_size=1, max_size=8)


def columns(rows):
    objects, labels, a, b = zip(*rows, strict=True)
    return np.array(labels, int), np.array(a, float), np.array(b, float), np.array(objects)


def every_exchange(labels, a, b, objects):
    """Return the AUROC difference after each exchange of midranks, ranked anew each time."""
    rank_a, rank_b = stats.rankdata(a), stats.rankdata(b)
    ids, index = np.unique(objects, return_inverse=True)
    found = []
    for pattern in itertools.product([False, True], repeat=len(ids)):
        swap = np.array(pattern)[index]
        mixed_a, mixed_b = np.where(swap, rank_b, rank_a), np.where(swap, rank_a, rank_b)
        found.append(auroc(labels, mixed_a) - auroc(labels, mixed_b))
    return np.array(found)


@given(rows_in_objects)
def test_the_linear_form_equals_ranking_every_exchange_anew(rows):
    labels, a, b, objects = columns(rows)
    all_of_them = every_exchange(labels, a, b, objects)
    r = permutation_test(labels, a, b, objects=objects)
    assert r.difference == r.statistic == pytest.approx(all_of_them[0], abs=1e-12)
    assert r.p_value == (np.abs(all_of_them) >= abs(all_of_them[0]) - 1e-9).mean()
    assert "exact" in r.method


def test_random_exchanges_follow_the_exact_distribution():
    rng = np.random.default_rng(2)
    labels = np.tile([0, 1, 1], 10)[:28]
    a, b = rng.normal(size=28) + labels, rng.normal(size=28)
    objects = np.repeat(range(14), 2)
    exact = permutation_test(labels, a, b, objects=objects).p_value
    assert exact == (np.abs(t := every_exchange(labels, a, b, objects)) >= abs(t[0]) - 1e-9).mean()
    split = np.append(objects[:-4], [20, 21, 22, 23])
    more = permutation_test(labels, a, b, objects=split, n_resamples=20000)
    assert "20000 resamples" not in more.method  # 16 objects: 65,536 exchanges
    singles = permutation_test(labels, a, b, n_resamples=20000, seed=3)
    assert "20000 resamples" in singles.method
    # 2^28 exchanges of single images: twice as many draws, of another seed, agree within the Monte-Carlo error.
    other = permutation_test(labels, a, b, n_resamples=40000, seed=4).p_value
    assert singles.p_value == pytest.approx(other, abs=4 * math.sqrt(other * (1 - other) * (1 / 20000 + 1 / 40000)))


def test_p_is_never_zero_and_counts_the_identity():
    labels = np.repeat([0, 1], 40)
    good, bad = np.arange(80.0), np.tile(np.arange(40.0), 2)
    r = permutation_test(labels, good, bad, n_resamples=199)
    assert r.difference == 0.5
    assert r.p_value == 1 / 200


@given(rows_in_objects, st.randoms(use_true_random=False))
def test_swap_names_order_and_monotone_maps_change_no_p(rows, random):
    labels, a, b, objects = columns(rows)
    before = permutation_test(labels, a, b, objects=objects)
    assert permutation_test(labels, b, a, objects=objects).p_value == before.p_value
    order = list(range(len(labels)))
    random.shuffle(order)
    names = random.sample(range(100), 6)
    after = permutation_test(
        labels[order], np.exp(a[order]), 3 * b[order] - 1, objects=[names[g] for g in objects[order]]
    )
    assert (after.p_value, after.difference) == (before.p_value, before.difference)


def test_random_exchanges_do_not_depend_on_order_names_or_blocks(monkeypatch):
    rng = np.random.default_rng(5)
    labels = rng.integers(0, 2, 120)
    a, b, objects = rng.normal(size=120) + labels, rng.normal(size=120), rng.integers(0, 70, 120)
    before = permutation_test(labels, a, b, objects=objects, n_resamples=500, seed=1)
    assert before.p_value == permutation_test(labels, a, b, objects=objects, n_resamples=500, seed=1).p_value
    order = rng.permutation(120)
    renamed = permutation_test(labels[order], a[order], b[order], objects=[f"{7 * g % 71}" for g in objects[order]],
                               n_resamples=500, seed=1)  # fmt: skip
    assert renamed.p_value == before.p_value
    monkeypatch.setattr(exchange, "blocks", lambda rows, _: (slice(i, i + 7) for i in range(0, rows, 7)))
    assert permutation_test(labels, a, b, objects=objects, n_resamples=500, seed=1).p_value == before.p_value
    seeds = {permutation_test(labels, a, b, objects=objects, n_resamples=500, seed=s).p_value for s in range(6)}
    assert len(seeds) > 1


def test_the_interval_is_that_of_delong_and_says_so():
    labels, a, b = [0, 0, 0, 0, 1, 1, 1], [1, 2, 2, 3, 2, 3, 4], [1, 1, 3, 2, 3, 2, 5]
    r, lent = permutation_test(labels, a, b), delong_test(labels, a, b, objects=range(7))
    assert (r.low, r.high) == (lent.low, lent.high)
    assert "interval is that of another test" in r.notes[0]
    same = permutation_test(labels, a, a)
    assert (same.p_value, same.status) == (1.0, "degenerate")
    assert math.isnan(same.low)
    assert "no interval" in same.notes[0]


def test_one_class_has_no_permutation_test():
    r = permutation_test([1, 1], [1, 2], [2, 1])
    assert r.status == "undefined"
    assert math.isnan(r.p_value)
    assert "needs both classes" in r.notes[0]


def test_example_5_7():
    r = sign_flip_test([0.1, 0.2, 0.3])
    assert r.p_value == 0.25
    assert r.difference == pytest.approx(0.2)
    assert math.isnan(r.low)
    assert "no p below 0.05" in r.notes[0]


@pytest.mark.parametrize("row", GOLDEN["sign_flip"], ids=lambda row: str(len(row["differences"])))
def test_sign_flip_equals_scipy(row):
    assert sign_flip_test(row["differences"]).p_value == pytest.approx(row["p"], abs=1e-12)


@given(differences)
def test_sign_flip_equals_enumeration(d):
    sums = [
        abs(sum(e * v for e, v in zip(signs, d, strict=True))) for signs in itertools.product([1, -1], repeat=len(d))
    ]
    assert sign_flip_test(d).p_value == np.mean(np.array(sums) >= abs(sum(d)) - 1e-9)


@given(differences, st.randoms(use_true_random=False))
def test_sign_flip_mirrors_and_forgets_the_order(d, random):
    shuffled = random.sample(d, len(d))
    there, back = sign_flip_test(d), sign_flip_test([-v for v in shuffled])
    assert there.p_value == back.p_value
    there, back = [there.difference, there.low, there.high], [-back.difference, -back.high, -back.low]
    np.testing.assert_allclose(there, back, atol=1e-12)


@pytest.mark.parametrize("n", [8, 30])
def test_the_sign_flip_interval_holds_what_the_test_does_not_reject(n):
    rng = np.random.default_rng(n)
    d = rng.normal(0.3, 1, n)
    r = sign_flip_test(d, n_resamples=4000)
    assert r.low < r.difference < r.high
    width = r.high - r.low
    shifts = np.linspace(r.low - width / 2, r.high + width / 2, 41)
    kept = [sign_flip_test(d - shift, n_resamples=4000, seed=9).p_value > 0.05 for shift in shifts]
    # Drawn patterns differ with the seed: the limits of two seeds agree to about a hundredth of the width.
    slack = 1e-9 if n == 8 else 0.05 * width
    for shift, keep in zip(shifts, kept, strict=True):
        if min(abs(shift - r.low), abs(shift - r.high)) > slack:
            assert keep == (r.low < shift < r.high), shift
    t = stats.ttest_1samp(d, 0).confidence_interval()
    assert (r.low, r.high) == pytest.approx((t.low, t.high), abs=0.25 * (t.high - t.low))


def test_equal_differences_have_no_interval():
    equal = sign_flip_test([0.5] * 10)
    assert equal.p_value == 2 / 2**10
    assert equal.status == "degenerate"
    assert math.isnan(equal.low)
    zero = sign_flip_test([0.0] * 30, n_resamples=100)
    assert (zero.p_value, zero.status) == (1.0, "degenerate")
    assert sign_flip_test([]).status == "undefined"


@pytest.mark.parametrize(
    ("d", "options", "message"),
    [
        ([0.1, math.nan], {}, "position 1"), ([[0.1]], {}, "one-dimensional"),
        ([0.1], {"n_resamples": 0}, "n_resamples"), ([0.1], {"n_resamples": 9.5}, "n_resamples"),
        ([0.1] * 20, {"seed": -1}, "seed"),
    ],
)  # fmt: skip
def test_bad_differences_are_errors(d, options, message):
    with pytest.raises(InputError, match=message):
        sign_flip_test(d, **options)


def test_patterns_are_fair_and_independent_between_objects():
    drawn = np.concatenate(list(exchange.exchanges(130, 20000, np.random.default_rng(0))))
    assert drawn.shape == (20000, 130)
    assert np.abs(drawn.mean(axis=0) - 0.5).max() < 5 * 0.5 / math.sqrt(20000)
    assert np.abs(np.corrcoef(drawn.T) - np.eye(130)).max() < 5 / math.sqrt(20000)


@pytest.mark.parametrize("n", [1, 3, 16])
def test_few_objects_have_every_pattern_once(n):
    drawn = np.concatenate(list(exchange.exchanges(n, 5, np.random.default_rng(0))))
    assert len(np.unique(drawn, axis=0)) == len(drawn) == 2**n
