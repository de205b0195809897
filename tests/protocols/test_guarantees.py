import math
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import stats

from protocols import ScoreTable, conformal_p_value, select_threshold
from protocols.errors import InputError, UndefinedError
from protocols.judging import Criterion, Weighted, criteria
from protocols.order_statistics import (
    conformal_band,
    conformal_rank,
    escape_rank,
    least_units,
    object_shares,
    overkill_rank,
    violation_probability,
)
from protocols.samples import SampleTable
from protocols.three_way import ThreeWay
from protocols.thresholds import selected_cuts
from protocols.units import Units

rates = st.sampled_from([0.01, 0.05, 0.1, 0.2, 0.3, 0.5, 0.9])
nominal_scores = st.lists(st.integers(0, 12), min_size=1, max_size=40).map(lambda s: np.array(s) / 4)


def just_above(score):
    return np.nextafter(score, math.inf)


# -- formulas --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("n", "a", "delta", "k", "v"),
    [(59, 0.05, 0.05, 59, 0.048495), (100, 0.05, 0.05, 99, 0.037081), (200, 0.05, 0.05, 196, 0.026447),
     (100, 0.1, 0.05, 96, None), (22, 0.1, 0.1, 22, 0.098477)],
)  # fmt: skip
def test_example_3_2_overkill(n, a, delta, k, v):
    assert overkill_rank(n, value=a, delta=delta) == k
    if v:
        assert violation_probability(k, n, value=a) == pytest.approx(v, abs=5e-7)
    t = select_threshold(np.zeros(n, int), np.arange(n), "np_umbrella", value=a, delta=delta)
    assert t.value == just_above(k - 1.0)
    assert t.status == "ok"
    same = select_threshold(np.zeros(n, int), np.arange(n), "target_overkill", value=a, guarantee=delta)
    assert same.value == t.value


@pytest.mark.parametrize(
    ("n", "e", "k", "v"), [(60, 0.05, 1, 0.046070), (100, 0.05, 2, 0.037081), (100, 0.1, 5, 0.023711)]
)
def test_example_3_2_escapes(n, e, k, v):
    assert escape_rank(n, value=e, delta=0.05) == k
    assert violation_probability(n + 1 - k, n, value=e) == pytest.approx(v, abs=5e-7)
    assert stats.binom.cdf(k - 1, n, e) == pytest.approx(v, abs=5e-7)
    t = select_threshold(np.ones(n, int), np.arange(n), "target_escape", value=e, guarantee=0.05)
    assert t.value == k - 1  # the score itself: it is caught
    assert t.status == "ok"


@pytest.mark.parametrize(("n", "a", "k"), [(9, 0.1, 9), (19, 0.05, 19), (20, 0.05, 20), (100, 0.05, 96)])
def test_example_3_3(n, a, k):
    assert conformal_rank(n, value=a) == k
    t = select_threshold(np.zeros(n, int), np.arange(n), "conformal", value=a)
    assert (t.value, t.status) == (just_above(k - 1.0), "ok")
    assert f"{1 - k / (n + 1):.4g}" in t.notes[0]
    low, high = stats.beta.ppf([0.05, 0.95], n + 1 - k, k)
    assert f"[{low:.4g}, {high:.4g}]" in t.notes[1]
    assert conformal_band(n, k) == pytest.approx((low, high))


def test_example_3_3_rates_and_too_few():
    assert 1 - 20 / 21 == pytest.approx(0.047619, abs=5e-7)
    assert 1 - 96 / 101 == pytest.approx(0.049505, abs=5e-7)
    t = select_threshold([0] * 8, range(8), "conformal", value=0.1)
    assert (t.value, t.status, t.apparent) == (math.inf, "degenerate", 0.0)
    assert "at least 9 are needed" in " ".join(t.notes)


@pytest.mark.parametrize(("a", "threshold"), [(0.25, just_above(9.0)), (0.4, just_above(5.0)), (0.2, math.inf)])
def test_example_3_4(a, threshold):
    views, objects = [1, 5, 2, 3, 4, 9], list("AABCCC")
    t = select_threshold([0] * 6, views, "conformal", objects=objects, value=a)
    assert t.value == threshold
    assert t.status == ("degenerate" if math.isinf(threshold) else "ok")
    assert "3 objects" in " ".join(t.notes)


@given(st.integers(1, 400), st.data(), rates)
def test_violation_probability_is_the_binomial_tail(n, data, a):
    k = data.draw(st.integers(1, n))
    assert violation_probability(k, n, value=a) == pytest.approx(stats.binom.sf(k - 1, n, 1 - a), rel=1e-9, abs=1e-300)


@settings(max_examples=60)
@given(st.integers(1, 400), rates, rates)
def test_ranks_by_trying_all(n, a, delta):
    ok = [k for k in range(1, n + 1) if stats.binom.sf(k - 1, n, 1 - a) <= delta * (1 + 1e-12)]
    assert overkill_rank(n, value=a, delta=delta) == (min(ok) if ok else 0)
    mirrored = [k for k in range(1, n + 1) if stats.binom.cdf(k - 1, n, a) <= delta * (1 + 1e-12)]
    assert escape_rank(n, value=a, delta=delta) == (max(mirrored) if mirrored else 0)
    assert bool(ok) == (n >= least_units(value=a, delta=delta))


def test_a_million_units_take_no_factorials():
    k = int(overkill_rank(10**6, value=1e-3, delta=1e-3))
    assert stats.binom.sf(k - 1, 10**6, 0.999) <= 1e-3 < stats.binom.sf(k - 2, 10**6, 0.999)


def test_ranks_keep_the_shape_of_n():
    assert overkill_rank(np.array([[59], [58]]), value=0.05, delta=0.05).tolist() == [[59], [0]]
    assert conformal_rank(np.array([[9], [8]]), value=0.1).shape == (2, 1)


@given(nominal_scores, st.integers(-1, 14))
def test_a_conformal_p_value_counts_itself(nominal, s):
    p = conformal_p_value(nominal, s / 4)
    assert p == (1 + (nominal >= s / 4).sum()) / (len(nominal) + 1)


@given(nominal_scores, rates)
def test_the_conformal_threshold_rejects_what_has_a_small_p_value(nominal, a):
    t = select_threshold(np.zeros(len(nominal), int), nominal, "conformal", value=a).value
    for s in [*np.unique(nominal), 1e9]:
        assert (s >= t) == (conformal_p_value(nominal, s) <= a + 1e-12)


# -- thresholds ------------------------------------------------------------------------------------------------


@given(nominal_scores, rates, rates)
def test_with_ties_the_whole_tied_score_passes(nominal, a, delta):
    k = int(overkill_rank(len(nominal), value=a, delta=delta))
    assume(k > 0)
    t = select_threshold(np.zeros(len(nominal), int), nominal, "np_umbrella", value=a, delta=delta)
    assert t.value == just_above(np.sort(nominal)[k - 1])
    assert t.apparent == (nominal > np.sort(nominal)[k - 1]).mean()


@given(nominal_scores, rates, rates, st.lists(st.integers(0, 12), max_size=10))
def test_the_escape_guarantee_takes_an_anomalous_score_whatever_the_nominals(anomalous, e, delta, others):
    k = int(escape_rank(len(anomalous), value=e, delta=delta))
    assume(k > 0)
    labels = np.repeat([1, 0], [len(anomalous), len(others)])
    for prefer in ("sensitivity", "specificity"):
        t = select_threshold(labels, [*anomalous, *others], "target_escape", value=e, guarantee=delta, prefer=prefer)
        assert t.value == np.sort(anomalous)[k - 1]


@pytest.mark.parametrize(
    ("rule", "label", "parameters", "needed"),
    [
        ("np_umbrella", 0, {"value": 0.05}, 59),
        ("np_umbrella", 0, {"value": 0.1, "delta": 0.1}, 22),
        ("target_overkill", 0, {"value": 0.05, "guarantee": 0.05}, 59),
        ("target_escape", 1, {"value": 0.01, "guarantee": 0.05}, 299),
    ],
)
def test_too_few_units_for_a_guarantee_say_how_many_are_needed(rule, label, parameters, needed):
    n = needed - 1
    labels = [label] * n + [1 - label] * 500
    with pytest.raises(UndefinedError, match=rf"needs {needed} .*; there are {n}") as caught:
        select_threshold(labels, np.arange(len(labels)), rule, **parameters)
    assert caught.value.code == "GuaranteeInfeasible"
    assert select_threshold([label] * needed + [1 - label] * 5, np.arange(needed + 5), rule, **parameters).notes


def test_a_target_without_guarantee_is_the_plug_in_rule():
    labels, scores = [0, 0, 0, 0, 1, 1, 1], [1, 2, 2, 3, 2, 3, 4]
    for guarantee in ({}, {"guarantee": None}):
        assert select_threshold(labels, scores, "target_overkill", value=0.25, **guarantee).value == 2.5


@pytest.mark.parametrize(
    ("rule", "parameters"),
    [
        ("np_umbrella", {"value": 0, "delta": 0.1}),
        ("np_umbrella", {"value": 0.1, "delta": 1}),
        ("target_escape", {"value": 1, "guarantee": 0.1}),
        ("target_escape", {"value": 0.1, "guarantee": 0}),
        ("conformal", {"value": 0}),
        ("conformal", {"value": 1}),
    ],
)
def test_impossible_rates_are_errors(rule, parameters):
    with pytest.raises(InputError, match="between 0 and 1"):
        select_threshold([0, 1], [0, 1], rule, **parameters)


@pytest.mark.parametrize(
    ("rule", "parameters", "crowded"),
    [("np_umbrella", {"value": 0.3, "delta": 0.3}, 0), ("target_overkill", {"value": 0.3, "guarantee": 0.3}, 0),
     ("target_escape", {"value": 0.3, "guarantee": 0.3}, 1)],
)  # fmt: skip
def test_views_of_one_object_void_a_guarantee_that_counts_images(rule, parameters, crowded):
    labels, scores = np.repeat([0, 1], 10), np.arange(20.0)
    own = np.arange(20)
    void = 'guarantee="void (clustered units)"'
    for clustered in (0, 1):
        objects = np.where(labels == clustered, own // 2, own)
        t = select_threshold(labels, scores, rule, objects=objects, **parameters)
        assert t.value == select_threshold(labels, scores, rule, **parameters).value
        assert (void in t.notes) == (clustered == crowded)
        assert t.status == ("approximate" if clustered == crowded else "ok")
    assert select_threshold(labels, scores, rule, objects=own, **parameters).status == "ok"


# -- hierarchical conformal ------------------------------------------------------------------------------------


def by_hand(scores, objects, a):
    """Section 3.4 in fractions; the rate as the decimal number it was written as."""
    ids = sorted(set(objects))
    weight = {g: Fraction(1, (len(ids) + 1) * objects.count(g)) for g in ids}
    for t in sorted(set(scores)):
        if sum(weight[g] for s, g in zip(scores, objects, strict=True) if s <= t) >= 1 - Fraction(str(a)):
            return just_above(t)
    return math.inf


views = st.lists(st.tuples(st.integers(0, 12), st.integers(0, 6)), min_size=1, max_size=30)


@given(views, rates)
def test_hierarchical_conformal_equals_its_definition_in_fractions(rows, a):
    scores, objects = [float(s) for s, _ in rows], [g for _, g in rows]
    t = select_threshold([0] * len(rows), scores, "conformal", objects=objects, value=a)
    assert t.value == by_hand(scores, objects, a)


@given(nominal_scores, rates)
def test_one_image_an_object_is_plain_conformal(nominal, a):
    labels = np.zeros(len(nominal), int)
    plain = select_threshold(labels, nominal, "conformal", value=a)
    assert select_threshold(labels, nominal, "conformal", objects=np.arange(len(nominal)), value=a) == plain


def test_weights_are_exact_where_their_common_denominator_exceeds_64_bits():
    sizes = [53, 59, 61, 67, 71, 73, 79, 83, 89, 97, 101, 103]
    shares, unit = object_shares(np.array(sizes))
    assert shares.dtype == object
    assert unit == math.prod(sizes)
    objects = [g for g, m in enumerate(sizes) for _ in range(m)]
    scores = np.random.default_rng(0).permutation(len(objects)) / 7
    for a in (0.1, 0.25, 0.5):
        t = select_threshold([0] * len(objects), scores, "conformal", objects=objects, value=a)
        assert t.value == by_hand(scores.tolist(), objects, a)
    weights = np.random.default_rng(1).integers(0, 3, (4, len(sizes)))[:, objects]
    cuts = selected_cuts([0] * len(objects), scores, weights, "conformal", objects=objects, value=0.25)
    assert cuts.tolist() == [drawn_again(scores, objects, w, 0.25) for w in weights]


def drawn_again(scores, objects, multiplicity, a):
    """Every copy of an object is an object of its own."""
    copies = [(float(s), (g, c)) for s, g, w in zip(scores, objects, multiplicity, strict=True) for c in range(w)]
    return by_hand([s for s, _ in copies], [g for _, g in copies], a)


@given(views, rates, st.data())
def test_multiplicities_of_objects_choose_as_copies_of_objects_would(rows, a, data):
    scores, objects = np.array([s for s, _ in rows], float), [g for _, g in rows]
    draw = st.lists(st.integers(0, 3), min_size=7, max_size=7)
    weights = np.array(data.draw(st.lists(draw, min_size=1, max_size=3)))[:, objects]
    assume((weights.sum(axis=1) > 0).all())
    cuts = selected_cuts([0] * len(rows), scores, weights, "conformal", objects=objects, value=a)
    assert cuts.tolist() == [drawn_again(scores, objects, w, a) for w in weights]


def test_images_of_one_object_cannot_be_drawn_apart():
    with pytest.raises(InputError, match="whole objects"):
        selected_cuts([0, 0, 0], [1, 2, 3], [[2, 1, 1]], "conformal", objects=list("aab"), value=0.5)


# -- in the protocol -------------------------------------------------------------------------------------------

GUARANTEED = (
    ("np_umbrella", {"value": 0.3, "delta": 0.3}),
    ("target_overkill", {"value": 0.3, "guarantee": 0.3}),
    ("target_escape", {"value": 0.3, "guarantee": 0.3}),
    ("conformal", {"value": 0.3}),
    ("conformal", {"value": 0.3, "prefer": "specificity"}),
)


@pytest.mark.parametrize("clustered", [False, True])
@pytest.mark.parametrize(("rule", "parameters"), GUARANTEED)
def test_replicates_choose_as_the_copies_of_their_objects_would(rule, parameters, clustered):
    rng = np.random.default_rng(3)
    objects = np.array([f"o{i // (2 if clustered else 1)}" for i in range(36)], object)
    labels, scores = (np.arange(36) < 12).astype(int), rng.integers(0, 20, 36) / 4
    names, index = np.unique(objects, return_inverse=True)
    weights = rng.integers(0, 3, (25, len(names)))[:, index]
    units = Units(labels, scores, objects, objects)
    found = Weighted(units, weights).select(Criterion(rule, parameters))
    for w, cut in zip(weights, found, strict=True):
        rows = np.repeat(np.arange(36), w)
        copy = np.concatenate([np.arange(k) for k in w])
        try:
            t = select_threshold(labels[rows], scores[rows], rule, objects=list(zip(objects[rows], copy, strict=True)),
                                 **parameters)  # fmt: skip
        except UndefinedError:
            assert math.isnan(cut)
        else:
            assert cut == t.value


def test_a_configuration_is_not_refused_for_two_points_that_carry_no_guarantee():
    assert len(criteria(GUARANTEED, None)) == len(GUARANTEED)
    with pytest.raises(InputError, match="delta"):
        criteria([("np_umbrella", {"value": 0.1, "delta": 5})], None)


def test_a_repeat_without_enough_units_has_undefined_rows_that_say_why():
    rng = np.random.default_rng(0)
    names = [f"o{g:02d}" for g in range(45) for _ in range(2)]
    labels = np.array([int(g < 15) for g in range(45) for _ in range(2)])
    frame = SampleTable.checked(
        pd.DataFrame({
            "sample_id": [f"i{i}" for i in range(90)], "object_id": names, "label": labels,
            "source": np.where(labels == 1, "test", "train"),
        }), "samples")  # fmt: skip
    table = ScoreTable.checked(frame.frame.assign(score=rng.normal(size=90) + 2 * labels), "scores")
    rules = (("np_umbrella", {"value": 0.05}), ("conformal", {"value": 0.3}))
    protocol = ThreeWay(thresholds=rules, repeats=3, n_resamples=50)
    splits = protocol.plan(frame, 0)
    rows = [*protocol.evaluate(splits[0], table), *protocol.summarise(splits, [table] * 3)]
    infeasible = [r for r in rows if r.threshold_rule == "np_umbrella(value=0.05)"]
    assert {r.metric for r in infeasible} >= {"sensitivity", "overkill", "optimism_overkill", "threshold_sd"}
    for r in infeasible:
        assert r.estimate.status == "undefined"
        assert math.isnan(r.estimate.value)
        assert r.threshold is None
        if r.metric != "threshold_sd":
            assert "needs 59 nominal units" in " ".join(r.estimate.notes)
    others = [r for r in rows if r.threshold_rule == "conformal(value=0.3)" and r.metric == "overkill"]
    assert all(0 <= r.estimate.value <= 1 for r in others)


# -- what is promised, by simulation ---------------------------------------------------------------------------


def test_an_umbrella_is_left_as_seldom_as_promised():
    rng, n, a, delta = np.random.default_rng(11), 100, 0.1, 0.1
    rounds = 4000
    for digits in (12, 1):  # with ties the overkill is that of a discrete score, and lower
        weights, labels = np.ones((1, n), int), np.zeros(n, int)
        t = np.array([selected_cuts(labels, rng.normal(size=n).round(digits), weights, "np_umbrella", value=a,
                                    delta=delta)[0] for _ in range(rounds)])  # fmt: skip
        half = 10.0**-digits / 2
        overkill = stats.norm.sf(np.ceil(t / (2 * half)) * 2 * half - half)
        exceeded = (overkill > a).mean()
        assert exceeded <= delta + 3 * math.sqrt(delta * (1 - delta) / rounds)
        if digits == 12:
            promised = float(violation_probability(overkill_rank(n, value=a, delta=delta), n, value=a))
            assert exceeded == pytest.approx(promised, abs=4 * math.sqrt(promised * (1 - promised) / rounds))


def test_an_escape_guarantee_is_broken_as_seldom_as_promised():
    rng, n, e, delta = np.random.default_rng(12), 60, 0.1, 0.1
    k = int(escape_rank(n, value=e, delta=delta))
    s = np.sort(rng.normal(size=(20_000, n)), axis=1)[:, k - 1]
    exceeded = (stats.norm.cdf(s) > e).mean()
    promised = float(violation_probability(n + 1 - k, n, value=e))
    assert promised <= delta
    assert exceeded == pytest.approx(promised, abs=4 * math.sqrt(promised * (1 - promised) / 20_000))


def test_conformal_overkill_is_right_on_average_and_has_the_band_it_states():
    rng, n, a = np.random.default_rng(13), 59, 0.05
    k = int(conformal_rank(n, value=a))
    overkill = stats.norm.sf(np.sort(rng.normal(size=(20_000, n)), axis=1)[:, k - 1])
    assert overkill.mean() == pytest.approx(1 - k / (n + 1), abs=4 * overkill.std() / math.sqrt(20_000))
    assert overkill.mean() <= a + 4 * overkill.std() / math.sqrt(20_000)
    low, high = conformal_band(n, k)
    assert ((low <= overkill) & (overkill <= high)).mean() == pytest.approx(0.9, abs=0.01)


def test_hierarchical_conformal_holds_for_views_of_objects_where_plain_conformal_breaks():
    rng, rounds, a = np.random.default_rng(14), 1500, 0.1
    hierarchical, plain = np.empty(rounds), np.empty(rounds)
    for r in range(rounds):
        # Objects with high scores have many views: images are neither independent nor exchangeable.
        centre = rng.normal(size=15)
        sizes = np.where(centre > 0.5, 1, 12)
        index = np.repeat(np.arange(15), sizes)
        s = centre[index] + 0.3 * rng.normal(size=len(index))
        labels, weights = np.zeros(len(s), int), np.ones((1, len(s)), int)
        cuts = [selected_cuts(labels, s, weights, "conformal", objects=o, value=a)[0] for o in (index, None)]
        hierarchical[r], plain[r] = stats.norm.sf(np.array(cuts) / math.hypot(1, 0.3))
    # A view, chosen at random, of a new object.
    assert hierarchical.mean() <= a + 3 * hierarchical.std() / math.sqrt(rounds)
    assert plain.mean() > a + 5 * plain.std() / math.sqrt(rounds)
