import math
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from protocols import auroc, average_precision, bootstrap_test, delong_test
from protocols.comparisons.paired_bootstrap import compared
from protocols.errors import InputError, UndefinedError

SMALL = 200
paired_rows = st.lists(
    st.tuples(st.integers(0, 7), st.booleans(), st.integers(0, 9), st.integers(0, 9)), min_size=4, max_size=16
).filter(lambda r: min(len({o for o, y, *_ in r if y == c}) for c in (True, False)) >= 2)


def factory(seed, bad=30, good=40, views=4, shift=(1.0, 1.6), icc=0.4):
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(bad + good) < bad, views).astype(int)
    objects = np.repeat(np.arange(bad + good), views)
    shared = rng.normal(size=bad + good)[objects]
    scores = [m * labels + math.sqrt(icc) * shared + math.sqrt(1 - icc) * rng.normal(size=len(labels)) for m in shift]
    return labels, *scores, objects


def columns(rows):
    objects, labels, a, b = zip(*rows, strict=True)
    return np.array(labels, int), np.array(a, float), np.array(b, float), np.array(objects)


def fields(r):
    return [r.difference, r.low, r.high, r.statistic, r.p_value]


@pytest.mark.parametrize("shift", [(1.0, 1.6), (1.0, 1.05)])
def test_agrees_with_the_clustered_delong_test(shift):
    labels, a, b, objects = factory(1, bad=60, good=80, shift=shift)
    r, d = bootstrap_test(labels, a, b, objects=objects), delong_test(labels, a, b, objects=objects)
    assert r.difference == pytest.approx(d.difference, abs=1e-12)
    assert (r.low, r.high) == pytest.approx((d.low, d.high), abs=0.12 * (d.high - d.low))
    assert r.p_value == pytest.approx(d.p_value, abs=0.06)
    assert r.statistic == pytest.approx(d.statistic, rel=0.12)


@pytest.mark.parametrize("seed", range(12))
def test_p_inverts_the_interval(seed):
    labels, a, b, objects = factory(seed, bad=8, good=12, shift=(1.0, 1.25))
    r = bootstrap_test(labels, a, b, objects=objects, n_resamples=4000, seed=seed)
    assert 0.03 < r.p_value < 0.99  # these seeds; else one of the tails is empty
    at = bootstrap_test(labels, a, b, objects=objects, n_resamples=4000, seed=seed, level=1 - r.p_value)
    # At that level the interval ends at 0, to the next few replicates.
    assert min(abs(at.low), abs(at.high)) < 0.02 * (r.high - r.low)


def test_p_is_not_zero_where_all_replicates_are_on_one_side():
    labels, a, b, objects = factory(0, bad=8, good=60, shift=(0.0, 5.0))
    r = bootstrap_test(labels, a, b, objects=objects, n_resamples=SMALL)
    assert r.high < 0
    assert r.p_value == pytest.approx(2 * stats.t.cdf(stats.norm.ppf(1 / (SMALL + 1)) * math.sqrt(7 / 8), 7))
    assert not any("no p below" in note for note in r.notes)
    few = bootstrap_test(labels[16:], a[16:], b[16:], objects=objects[16:], n_resamples=SMALL)
    assert few.p_value > 0.05
    assert any("no p below" in note for note in few.notes)


def test_few_objects_widen_the_interval():
    labels, a, b, objects = factory(3, bad=5, good=100)
    r = bootstrap_test(labels, a, b, objects=objects, n_resamples=4000)
    # Percentiles further out than 2.5 %: t with 4 df times sqrt(5/4) standard deviations, 3.1 instead of 1.96.
    sd = r.difference / r.statistic
    assert 2.3 < (r.high - r.low) / (2 * sd) < 3.9


@given(paired_rows, st.randoms(use_true_random=False))
@settings(max_examples=40)
def test_swap_names_order_and_monotone_maps_change_nothing(rows, random):
    labels, a, b, objects = columns(rows)
    before = bootstrap_test(labels, a, b, objects=objects, n_resamples=SMALL)
    back = bootstrap_test(labels, b, a, objects=objects, n_resamples=SMALL)
    assert back.p_value == pytest.approx(before.p_value, nan_ok=True)
    np.testing.assert_allclose([back.low, back.high], [-before.high, -before.low], atol=1e-12)
    order = list(range(len(labels)))
    random.shuffle(order)
    names = random.sample(range(100), 8)
    after = bootstrap_test(labels[order], np.exp(a[order]), 2 * b[order], objects=[names[g] for g in objects[order]],
                           n_resamples=SMALL)  # fmt: skip
    np.testing.assert_allclose(fields(after), fields(before), atol=1e-12)


def test_a_callable_is_judged_with_weights_as_a_name_is():
    labels, a, b, objects = factory(4, bad=10, good=10)

    def ranking(y, s, w):
        return auroc(y, s, weights=w)

    ranking.__name__ = "auroc"  # the same stream of draws
    named = bootstrap_test(labels, a, b, objects=objects, n_resamples=SMALL)
    called = bootstrap_test(labels, a, b, objects=objects, metric=ranking, n_resamples=SMALL)
    np.testing.assert_allclose(fields(called), fields(named), atol=1e-12)
    precise = bootstrap_test(labels, a, b, metric="average_precision", n_resamples=SMALL)
    assert precise.difference == pytest.approx(average_precision(labels, a) - average_precision(labels, b))


def test_undefined_resamples_are_redrawn_and_counted():
    labels, a, b, objects = factory(5, bad=6, good=6, views=1)

    def needs_the_first_image(y, s, w):
        if not w[0]:
            raise UndefinedError("the first image was not drawn")
        return auroc(y, s, weights=w)

    r = bootstrap_test(labels, a, b, objects=objects, metric=needs_the_first_image, n_resamples=SMALL)
    assert r.status == "degenerate"
    share = float(re.search(r"([\d.]+)% of the resamples were undefined", " ".join(r.notes))[1])
    assert share == pytest.approx(100 * (5 / 6) ** 6, abs=10)
    assert 0 < r.p_value <= 1

    def never(y, s, w):
        if (w != 1).any():
            raise UndefinedError("only the whole sample")
        return 0.5

    r = bootstrap_test(labels, a, b, objects=objects, metric=never, n_resamples=SMALL)
    assert r.status == "undefined"
    assert "nearly all resamples" in r.notes[0]


def test_replicates_that_do_not_vary_are_degenerate():
    labels = np.repeat([0, 1], 6)
    same = bootstrap_test(labels, labels, labels * 3, n_resamples=SMALL)
    assert (same.difference, same.p_value, same.status) == (0.0, 1.0, "degenerate")
    opposite = bootstrap_test(labels, labels, -labels, n_resamples=SMALL)
    assert (opposite.difference, opposite.status) == (1.0, "degenerate")
    assert math.isnan(opposite.p_value)
    assert math.isnan(opposite.low)


@pytest.mark.parametrize(
    ("labels", "objects", "reason"),
    [([1, 1, 1, 1], None, "needs both classes"), ([0, 1, 1, 1], None, "fewer than two objects"),
     ([0, 0, 1, 1], "aabc", "fewer than two objects")],
)  # fmt: skip
def test_too_few_objects_are_undefined(labels, objects, reason):
    r = bootstrap_test(labels, [1, 2, 3, 4], [2, 1, 4, 3], objects=objects, n_resamples=SMALL)
    assert r.status == "undefined"
    assert math.isnan(r.p_value)
    assert reason in r.notes[0]


def test_seeds_repeat_and_differ():
    labels, a, b, objects = factory(6)
    same = [bootstrap_test(labels, a, b, objects=objects, n_resamples=SMALL, seed=8) for _ in range(2)]
    assert fields(same[0]) == fields(same[1])
    assert bootstrap_test(labels, a, b, objects=objects, n_resamples=SMALL, seed=9).low != same[0].low


def test_one_sided_tails_share_the_replicates():
    labels, a, b, objects = factory(7, shift=(1.0, 1.2))
    greater, less, both = (
        compared(labels, a, b, objects, "auroc", 500, 0, 0.95, alternative)
        for alternative in ("greater", "less", "two-sided")
    )
    assert min(greater.p_value, less.p_value) == pytest.approx(both.p_value / 2)
    assert (greater.high, less.low) == (1.0, -1.0)
    assert both.low < greater.low


def test_bad_arguments_are_errors():
    labels, a, b, _ = factory(8)
    for options, message in (({"metric": "sensitivity"}, "callable"), ({"n_resamples": 1}, "n_resamples"),
                             ({"level": 1.0}, "level"), ({"objects": [1]}, "objects")):  # fmt: skip
        with pytest.raises(InputError, match=message):
            bootstrap_test(labels, a, b, **options)


def test_the_method_says_that_the_interval_is_the_expanded_one():
    r = bootstrap_test([0, 0, 1, 1], [1, 2, 2, 3], [1, 3, 2, 4], n_resamples=50)
    assert r.method == "paired object bootstrap of auroc, expanded percentile, 50 resamples"
