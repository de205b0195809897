import itertools
import math

import numpy as np
import pytest

from protocols.errors import InputError, UndefinedError
from protocols.intervals import bootstrap as b
from protocols.intervals import draws
from protocols.intervals.bootstrap_limits import acceleration, bca_levels, bca_limits, misses, percentile_limits
from protocols.intervals.clustered_delong import clustered_delong_interval
from protocols.metrics import auroc, average_precision, blocks

MEANS = [np.mean(sample) for sample in itertools.product([1, 2, 6], repeat=3)]


def factory(n_objects=24, views=5, seed=0, shift=1.5):
    rng = np.random.default_rng(seed)
    objects = np.repeat(np.arange(n_objects), views)
    labels = (objects % 2 == 0).astype(int)
    scores = rng.normal(size=n_objects)[objects] + rng.normal(size=len(objects)) + shift * labels
    return labels, scores, objects


def test_example_5_5():
    jackknife = [4, 3.5, 1.5]
    assert percentile_limits(MEANS, 0.95) == pytest.approx((1.216667, 5.133333), abs=1e-6)
    assert acceleration(jackknife) == pytest.approx(0.0572703, abs=1e-7)
    levels, notes = bca_levels(3.0, MEANS, jackknife, 0.95)
    assert levels == pytest.approx((0.0466635, 0.9896474), abs=1e-7)
    low, high, _ = bca_limits(3.0, MEANS, jackknife, 0.95)
    assert (low, high) == pytest.approx((1.333333, 5.641109), abs=1e-6)
    assert notes == ()


def test_acceleration_weighs_strata_by_their_size():
    values, strata = np.array([1.0, 2.0, 4.0, 7.0, 9.0]), np.array([0, 0, 1, 1, 1])
    influence = np.concatenate([0.5 * (1.5 - values[:2]), 2 / 3 * (20 / 3 - values[2:])])
    expected = (influence**3).sum() / (6 * (influence**2).sum() ** 1.5)
    assert acceleration(values, strata) == pytest.approx(expected)
    assert acceleration(np.full(4, 0.3)) == 0


@pytest.mark.parametrize(
    ("value", "jackknife", "reason"), [(99.0, [1, 2, 3], "outside"), (3.0, [1, np.nan, 3], "leaving out")]
)
def test_bca_falls_back_on_percentiles_and_says_why(value, jackknife, reason):
    low, high, notes = bca_limits(value, MEANS, jackknife, 0.95)
    assert (low, high) == percentile_limits(MEANS, 0.95)
    assert reason in notes[0]


def test_an_interval_that_misses_its_value_says_so():
    assert misses(0.5, 0.4, 0.6) == ()
    for low, high in ((0.6, 0.7), (0.3, 0.4)):
        assert "misses the value" in misses(0.5, low, high)[0]

    def best_of_noise(labels, scores, weights):
        rng = np.random.default_rng(int(weights @ np.arange(weights.size)))
        return 0.0 if (weights == 1).all() else float(rng.random() - 0.001)

    e = b.bootstrap_interval(*factory()[:2], metric=best_of_noise, method="percentile", n_resamples=200)
    assert not e.low <= e.value <= e.high
    assert "misses the value" in " ".join(e.notes)


def test_draws_keep_the_size_of_each_stratum_and_do_not_depend_on_how_they_are_cut():
    defective = np.array([True, False, False, True, False])
    whole = draws.draw_objects(defective, 300, np.random.default_rng(3))
    rng = np.random.default_rng(3)
    parts = np.concatenate([draws.draw_objects(defective, n, rng) for n in (100, 1, 199)])
    np.testing.assert_array_equal(whole, parts)
    assert (whole[:, defective].sum(1) == 2).all()
    assert (whole[:, ~defective].sum(1) == 3).all()
    # Every object is drawn once on average: binomial error of the mean over 300 draws, 5 sigma.
    assert np.abs(whole.mean(0) - 1).max() < 5 * np.sqrt(2 / 3 / 300)


@pytest.mark.parametrize("method", ["percentile", "bca", "studentised"])
def test_the_same_seed_gives_the_same_interval_whatever_the_blocks(method, monkeypatch):
    labels, scores, objects = factory()
    first = b.bootstrap_interval(labels, scores, objects=objects, method=method, n_resamples=200, seed=5)
    monkeypatch.setattr(blocks, "__defaults__", (1000,))
    again = b.bootstrap_interval(labels, scores, objects=objects, method=method, n_resamples=200, seed=5)
    other = b.bootstrap_interval(labels, scores, objects=objects, method=method, n_resamples=200, seed=0)
    assert first == again
    assert (other.low, other.high) != (first.low, first.high)


@pytest.mark.parametrize("method", ["percentile", "bca", "studentised"])
def test_the_bootstrap_agrees_with_the_formula(method):
    labels, scores, objects = factory(n_objects=60)
    formula = clustered_delong_interval(labels, scores, objects)
    e = b.bootstrap_interval(labels, scores, objects=objects, method=method, n_resamples=1000)
    assert e.value == formula.value
    assert e.se == pytest.approx(formula.se, rel=0.15)
    assert (e.low, e.high) == pytest.approx((formula.low, formula.high), abs=0.3 * formula.se)
    assert (e.n_objects_anomalous, e.n_objects_nominal) == (30, 30)
    assert e.status == "ok"


def test_objects_widen_the_interval():
    labels, scores, objects = factory(views=10)
    images = b.bootstrap_interval(labels, scores, method="percentile", n_resamples=300)
    grouped = b.bootstrap_interval(labels, scores, objects=objects, method="percentile", n_resamples=300)
    assert grouped.high - grouped.low > 1.5 * (images.high - images.low)
    assert images.n_objects_nominal is None


def test_rows_may_come_in_any_order():
    labels, scores, objects = factory()
    order = np.random.default_rng(1).permutation(len(labels))
    first = b.bootstrap_interval(labels, scores, objects=objects, n_resamples=100)
    second = b.bootstrap_interval(labels[order], scores[order], objects=objects[order], n_resamples=100)
    assert (first.low, first.high, first.se) == pytest.approx((second.low, second.high, second.se), abs=1e-12)


def test_a_callable_gives_what_its_name_gives():
    labels, scores, objects = factory(n_objects=12)
    rng = np.random.default_rng
    by_name = b.bootstrap_interval(labels, scores, objects=objects, metric="average_precision", n_resamples=60,
                                   seed=rng(1))  # fmt: skip
    by_call = b.bootstrap_interval(labels, scores, objects=objects, n_resamples=60, seed=rng(1),
                                   metric=lambda y, s, w: average_precision(y, s, weights=w))  # fmt: skip
    assert (by_name.low, by_name.high, by_name.se) == (by_call.low, by_call.high, by_call.se)


def test_a_seed_sequence_and_a_generator_are_accepted():
    labels, scores, objects = factory(n_objects=12)
    sequence = np.random.SeedSequence(7)
    made = np.random.Generator(np.random.PCG64(np.random.SeedSequence(7)))
    first = b.bootstrap_interval(labels, scores, objects=objects, n_resamples=50, seed=sequence)
    second = b.bootstrap_interval(labels, scores, objects=objects, n_resamples=50, seed=made)
    assert (first.low, first.high) == (second.low, second.high)


def test_undefined_resamples_are_redrawn_and_many_are_degenerate():
    labels, scores, objects = factory(n_objects=8)

    def often_undefined(y, s, w):
        if w[0] == 0:
            raise UndefinedError("object 0 is not there")
        return auroc(y, s, weights=w)

    e = b.bootstrap_interval(labels, scores, objects=objects, metric=often_undefined, method="percentile",
                             n_resamples=200)  # fmt: skip
    assert e.status == "degenerate"
    assert any("redrawn" in note for note in e.notes)


def test_a_metric_that_is_never_defined_again_is_undefined():
    labels, scores, objects = factory()

    def only_as_it_is(y, s, w):
        return 0.5 if (w == 1).all() else math.nan

    e = b.bootstrap_interval(labels, scores, objects=objects, metric=only_as_it_is, n_resamples=20)
    assert e.status == "undefined"
    assert math.isnan(e.value)


def test_few_objects_in_a_stratum_are_noted():
    labels, scores, objects = factory(n_objects=8)
    e = b.bootstrap_interval(labels, scores, objects=objects, n_resamples=100)
    assert any("undercover" in note for note in e.notes)


def test_perfect_separation_has_a_one_sided_bound():
    labels, _, objects = factory(n_objects=12)
    e = b.bootstrap_interval(labels, labels + np.arange(60) / 100, objects=objects, n_resamples=50)
    assert (e.status, e.value, e.high) == ("degenerate", 1.0, 1.0)
    assert e.low == pytest.approx(0.05 ** (1 / 6))


@pytest.mark.parametrize(
    ("metric", "method"), [("auroc", "bca"), ("average_precision", "bca"), ("auroc", "studentised")]
)
def test_constant_scores_have_no_interval(metric, method):
    labels, _, objects = factory(n_objects=12)
    e = b.bootstrap_interval(labels, np.ones(60), objects=objects, metric=metric, method=method, n_resamples=50)
    assert (e.status, e.value) == ("degenerate", 0.5)
    assert math.isnan(e.low)
    assert any("equal" in note for note in e.notes)


@pytest.mark.parametrize("labels", [[0, 0, 0, 0], [1, 1, 1, 1]])
def test_one_class_is_undefined(labels):
    e = b.bootstrap_interval(labels, [1, 2, 3, 4], n_resamples=10)
    assert e.status == "undefined"
    assert "needs both classes" in e.notes[0]


def test_one_object_in_a_class_is_undefined():
    e = b.bootstrap_interval([1, 1, 0, 0, 0], [3, 1, 2, 0, 1], objects=list("AABBC"), n_resamples=10)
    assert e.status == "undefined"
    assert "cannot separate object effect" in e.notes[0]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"metric": "f1"}, "needs a threshold"), ({"metric": "aupro"}, "further parameters"),
        ({"metric": "aurok"}, "auroc"), ({"method": "normal"}, "percentile"), ({"n_resamples": 1}, "2 or more"),
        ({"n_resamples": math.nan}, "2 or more"), ({"batch": "all"}, "1 or more"),
        ({"level": 95}, "level"), ({"seed": -1}, "seed"), ({"seed": 1.5}, "seed"),
        ({"method": "studentised", "metric": "average_precision"}, "standard error"),
    ],
)  # fmt: skip
def test_bad_options_are_errors(options, message):
    labels, scores, objects = factory(n_objects=8)
    with pytest.raises(InputError, match=message):
        b.bootstrap_interval(labels, scores, objects=objects, **options)


def test_generators_of_two_metrics_differ_and_the_global_state_is_untouched():
    before = np.random.get_state()[1].copy()  # noqa: NPY002 - to see that it stays as it is
    b.bootstrap_interval(*factory(n_objects=8)[:2], n_resamples=20)
    assert (np.random.get_state()[1] == before).all()  # noqa: NPY002
    assert draws.generator(0, "auroc").random() != draws.generator(0, "average_precision").random()
