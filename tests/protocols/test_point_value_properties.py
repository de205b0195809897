"""What no choice of unit, order, name or number format may change, for point values and for every rule."""

import math
from functools import partial

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from protocols import (
    aggregate_by_object,
    aupr_trapezoid,
    auroc,
    auroc_bounds,
    average_precision,
    clustered_delong_interval,
    confusion,
    decision_metrics,
    delong_interval,
    fpr_at_tpr,
    partial_auroc,
    roc_curve,
    select_threshold,
    tpr_at_fpr,
)
from protocols.errors import InputError, UndefinedError
from protocols.thresholds import RULES

VALUES = {
    "auroc": auroc,
    "auroc_bounds": auroc_bounds,
    "average_precision": average_precision,
    "aupr_trapezoid": aupr_trapezoid,
    "partial_auroc": lambda y, s, **w: partial_auroc(y, s, max_fpr=0.3, **w),
    "standardised": lambda y, s, **w: partial_auroc(y, s, max_fpr=0.3, standardised=True, **w),
    "roc_curve": lambda y, s, **w: tuple(np.concatenate(roc_curve(y, s, **w)[:2])),
    "tpr_at_fpr": lambda y, s, **w: tpr_at_fpr(y, s, fpr=0.2, **w),
    "fpr_at_tpr": lambda y, s, **w: fpr_at_tpr(y, s, tpr=0.8, **w),
}
PARAMETERS = {
    "fbeta": {"beta": 2, "prevalence": 0.1}, "cost": {"missed": 10, "false_alarm": 1, "prevalence": 0.1},
    "max_fpr": {"value": 0.2}, "target_overkill": {"value": 0.2}, "min_tpr": {"value": 0.8},
    "target_escape": {"value": 0.2}, "nominal_quantile": {"value": 0.2}, "conformal": {"value": 0.2},
    "np_umbrella": {"value": 0.9, "delta": 0.9},
}  # fmt: skip
CHOICES = {rule: (rule, PARAMETERS.get(rule, {})) for rule in RULES} | {
    "guaranteed overkill": ("target_overkill", {"value": 0.9, "guarantee": 0.9}),
    "guaranteed escape": ("target_escape", {"value": 0.9, "guarantee": 0.9}),
}
every_value = pytest.mark.parametrize("value", VALUES.values(), ids=VALUES)
every_choice = pytest.mark.parametrize(("rule", "parameters"), CHOICES.values(), ids=CHOICES)
rows = st.lists(st.tuples(st.booleans(), st.integers(0, 9)), min_size=2, max_size=25).filter(
    lambda r: 0 < sum(y for y, _ in r) < len(r)
)
rising = {
    "tiny": lambda s: s * 1e-308,
    "subnormal": lambda s: s * 5e-324,
    "huge": lambda s: s * 1e307,
    "both signs": lambda s: (s - 4.5) * 3e307,
    "adjacent": lambda s: 1.0 + s * np.finfo(float).eps,
    "adjacent below zero": lambda s: -1.0 + s * np.finfo(float).eps / 2,
    "exponential": lambda s: np.exp(s),
    "logistic": lambda s: 1 / (1 + np.exp(-s)),
    "shifted": lambda s: s + 1e6,
}
every_map = pytest.mark.parametrize("rise", rising.values(), ids=rising)


def arrays(drawn):
    return np.array([int(y) for y, _ in drawn]), np.array([float(s) for _, s in drawn])


def called(labels, scores, rule, parameters, **options):
    """What the chosen threshold calls anomalous, and the choice."""
    chosen = select_threshold(labels, scores, rule, **parameters, **options)
    return (np.asarray(scores, float) >= chosen.value).tolist(), chosen


# -- ranking ---------------------------------------------------------------------------------------------------


@every_value
@every_map
@settings(max_examples=15)
@given(drawn=rows)
def test_a_strictly_rising_map_changes_no_point_value(value, rise, drawn):
    labels, scores = arrays(drawn)
    assert value(labels, rise(scores)) == value(labels, scores)


@every_choice
@every_map
@settings(max_examples=15)
@given(drawn=rows)
def test_a_strictly_rising_map_changes_no_decision(rule, parameters, rise, drawn):
    labels, scores = arrays(drawn)
    before, chosen = called(labels, scores, rule, parameters)
    after, mapped = called(labels, rise(scores), rule, parameters)
    assert after == before
    assert (mapped.apparent, mapped.status, mapped.notes) == (chosen.apparent, chosen.status, chosen.notes)
    assert math.isnan(chosen.value) or not math.isnan(mapped.value)


@given(rows)
def test_turning_the_scores_turns_the_curve(drawn):
    labels, scores = arrays(drawn)
    assert auroc(labels, -scores) == pytest.approx(1 - auroc(labels, scores), abs=1e-12)
    assert auroc(1 - labels, -scores) == pytest.approx(auroc(labels, scores), abs=1e-12)
    low, high = auroc_bounds(labels, scores)
    assert auroc_bounds(labels, -scores) == pytest.approx((1 - high, 1 - low))
    # The mirrored curve: what was missed is now overkill.
    there, back = roc_curve(labels, scores), roc_curve(1 - labels, -scores)
    assert back.tpr == pytest.approx((1 - there.fpr)[::-1])
    assert back.fpr == pytest.approx((1 - there.tpr)[::-1])


@given(rows, st.floats(0.01, 1))
def test_the_partial_area_is_that_under_the_polygon(drawn, end):
    labels, scores = arrays(drawn)
    curve = roc_curve(labels, scores)
    x = np.unique(np.concatenate([np.linspace(0, end, 4001), curve.fpr[curve.fpr <= end]]))
    # At a jump the polygon has two heights: from the right it starts at the upper one.
    upper = np.array([curve.tpr[curve.fpr <= v].max() for v in x])
    height = np.where(np.isin(x, curve.fpr), upper, np.interp(x, curve.fpr, curve.tpr))
    lower = np.array([curve.tpr[curve.fpr == v].min() if v in curve.fpr else h for v, h in zip(x, height, strict=True)])
    area = np.sum(np.diff(x) * (height[:-1] + lower[1:]) / 2)
    assert partial_auroc(labels, scores, max_fpr=end) == pytest.approx(area, abs=1e-9)


# -- order, names, weights, formats ----------------------------------------------------------------------------


@every_value
@settings(max_examples=25)
@given(drawn=rows, random=st.randoms())
def test_the_order_of_the_rows_changes_no_point_value(value, drawn, random):
    labels, scores = arrays(drawn)
    order = random.sample(range(len(labels)), len(labels))
    assert value(labels[order], scores[order]) == value(labels, scores)


@every_choice
@settings(max_examples=25)
@given(drawn=rows, random=st.randoms(), data=st.data())
def test_neither_the_order_of_rows_nor_the_names_of_objects_change_a_threshold(rule, parameters, drawn, random, data):
    labels, scores = arrays(drawn)
    n = len(labels)
    objects = np.array(data.draw(st.lists(st.integers(0, 5), min_size=n, max_size=n)))
    names = random.sample(["x", "7", "é", "o-1", "B b", "zz"], 6)
    order = random.sample(range(n), n)
    chosen = select_threshold(labels, scores, rule, objects=objects, **parameters)
    again = select_threshold(labels[order], scores[order], rule, objects=[names[g] for g in objects[order]],
                             **parameters)  # fmt: skip
    assert again == chosen or math.isnan(chosen.value)


@pytest.mark.parametrize("value", [v for k, v in VALUES.items() if k in (
    "auroc", "average_precision", "aupr_trapezoid", "partial_auroc", "standardised")])  # fmt: skip
@settings(max_examples=40)
@given(drawn=rows, data=st.data())
def test_whole_weights_are_repeated_rows_and_their_scale_is_free(value, drawn, data):
    labels, scores = arrays(drawn)
    weights = np.array(data.draw(st.lists(st.integers(0, 3), min_size=len(labels), max_size=len(labels))))
    repeated = np.repeat(labels, weights), np.repeat(scores, weights)
    if not 0 < repeated[0].sum() < len(repeated[0]):
        with pytest.raises(UndefinedError, match="weight above 0|weight > 0"):
            value(labels, scores, weights=weights)
        return
    expected = value(*repeated)
    assert value(labels, scores, weights=weights) == pytest.approx(expected, abs=1e-12)
    assert value(labels, scores, weights=weights * 0.25) == pytest.approx(expected, abs=1e-12)


@every_choice
@pytest.mark.parametrize("dtype", [np.float32, np.float16, np.int64, np.uint8, object, list])
def test_the_number_format_changes_nothing(rule, parameters, dtype):
    rng = np.random.default_rng(1)
    labels, scores = rng.integers(0, 2, 60), rng.integers(0, 30, 60)
    given_ = (labels.tolist(), scores.tolist()) if dtype is list else (labels.astype(bool), scores.astype(dtype))
    assert select_threshold(*given_, rule, **parameters) == select_threshold(labels, scores * 1.0, rule, **parameters)
    for value in VALUES.values():
        assert value(*given_) == value(labels, scores * 1.0)


def test_single_precision_scores_keep_their_neighbours_apart():
    low = np.float32(0.1)
    high = np.nextafter(low, np.float32(1))
    scores = np.array([low, high], np.float32)
    t = select_threshold([0, 1], scores)
    assert float(low) < t.value <= float(high)
    above = select_threshold([0, 0], scores[[0, 0]], "nominal_quantile", value=0.5).value
    assert float(low) < above < float(high)  # just above in double precision, so that a neighbour is not swallowed


@given(rows, st.sampled_from(["max", "mean", "median", "quantile(0.3)", "topk_mean(2)", "k_of_n(1)"]), st.randoms())
def test_object_scores_ignore_the_order_of_views_and_shift_with_the_scores(drawn, method, random):
    labels, scores = arrays(drawn)
    objects = np.array([random.randrange(4) for _ in drawn])
    y, s, ids = aggregate_by_object(labels, scores, objects, method=method)
    order = random.sample(range(len(labels)), len(labels))
    again = aggregate_by_object(labels[order], scores[order], objects[order], method=method)
    assert (again[0].tolist(), again[2].tolist()) == (y.tolist(), ids.tolist())
    assert again[1].tolist() == s.tolist()
    assert aggregate_by_object(labels, scores + 8, objects, method=method)[1] == pytest.approx(s + 8)
    for g, score in zip(ids, s, strict=True):
        own = scores[objects == g]
        assert own.min() <= score <= own.max()


# -- every optimum by trying all cuts --------------------------------------------------------------------------


def utility(rule, parameters, labels, scores, cut):
    """Section 3.2, one cut at a time in exact counts; None: not allowed. Larger is better."""
    k = confusion(labels, scores, cut)
    p, n = k.tp + k.fn, k.fp + k.tn
    tpr, fpr = k.tp / p, k.fp / n
    if rule in ("youden", "balanced_accuracy"):
        return k.tp * n - k.fp * p
    if rule in ("product", "gmean"):
        return k.tp * k.tn
    if rule == "topleft":
        return -((1 - tpr) ** 2 + fpr**2)
    if rule == "f1":
        return decision_metrics(k)["f1"]
    if rule == "fbeta":
        b2, pi = parameters["beta"] ** 2, parameters["prevalence"]
        hit = (1 + b2) * pi * tpr
        return hit / (hit + b2 * pi * (1 - tpr) + (1 - pi) * fpr) if k.tp else 0.0
    if rule == "cost":
        pi = parameters["prevalence"]
        return -(parameters["missed"] * pi * (1 - tpr) + parameters["false_alarm"] * (1 - pi) * fpr)
    if rule in ("max_fpr", "target_overkill"):
        return k.tp if fpr <= parameters["value"] + 1e-12 else None
    least = parameters["value"] if rule == "min_tpr" else 1 - parameters["value"]
    return -k.fp if tpr >= least - 1e-12 else None


@pytest.mark.parametrize("rule", [r for r in RULES if r not in ("nominal_quantile", "np_umbrella", "conformal")])
@settings(max_examples=60)
@given(drawn=rows, data=st.data())
def test_every_rule_finds_the_optimum_and_breaks_ties_by_tpr_then_fpr(rule, drawn, data):
    labels, scores = arrays(drawn)
    rate = st.sampled_from([0.0, 0.1, 0.25, 1 / 3, 0.5, 0.8, 1.0])
    share = st.sampled_from([0.001, 0.02, 0.3, 0.5, 0.9])
    given_ = {
        "fbeta": {"beta": data.draw(st.sampled_from([0.5, 1, 2])), "prevalence": data.draw(share)},
        "cost": {"missed": data.draw(st.sampled_from([1, 3, 1e-9, 1e9])), "false_alarm": 1,
                 "prevalence": data.draw(share)},
    }  # fmt: skip
    parameters = given_.get(rule, {"value": data.draw(rate)} if RULES[rule].required else {})
    prefer = data.draw(st.sampled_from(["sensitivity", "specificity"]))
    keys = {}
    for cut in [*np.unique(scores), math.inf]:
        found = utility(rule, parameters, labels, scores, cut)
        if found is not None:
            k = confusion(labels, scores, cut)
            keys[cut] = (found, (k.tp, k.tn) if prefer == "sensitivity" else (k.tn, k.tp))
    best = max(found for found, _ in keys.values())
    equal = [tie for found, tie in keys.values() if abs(found - best) <= 1e-12 * max(1.0, abs(best))]
    chosen = select_threshold(labels, scores, rule, prefer=prefer, **parameters)
    k = confusion(labels, scores, chosen.value)
    assert ((k.tp, k.tn) if prefer == "sensitivity" else (k.tn, k.tp)) == max(equal)


@every_choice
@settings(max_examples=25)
@given(drawn=rows)
def test_both_conventions_decide_alike_on_the_same_data(rule, parameters, drawn):
    labels, scores = arrays(drawn)
    middle, chosen = called(labels, scores, rule, parameters)
    observed, other = called(labels, scores, rule, parameters, convention="observed")
    assert observed == middle
    assert (chosen.apparent, chosen.status) == (other.apparent, other.status)
    strictly_between = math.isfinite(other.value) and chosen.value < other.value
    assert chosen.value == other.value or strictly_between


def test_costs_may_be_stated_in_any_unit():
    rng = np.random.default_rng(5)
    labels = rng.integers(0, 2, 80)
    scores = rng.normal(size=80) + labels
    of = [select_threshold(labels, scores, "cost", missed=10 * unit, false_alarm=unit, prevalence=0.1)
          for unit in (1e-15, 1e-6, 1, 1e9)]  # fmt: skip
    assert len({t.value for t in of}) == 1
    assert of[0].apparent == pytest.approx(of[2].apparent * 1e-15)


# -- empty, one class, constant --------------------------------------------------------------------------------


@every_value
@pytest.mark.parametrize(("labels", "n", "p"), [([], 0, 0), ([0, 0], 2, 0), ([1], 0, 1)], ids=["empty", "good", "bad"])
def test_a_missing_class_is_undefined(value, labels, n, p):
    with pytest.raises(UndefinedError, match=f"got P={p}, N={n}$") as caught:
        value(labels, [1.0] * len(labels))
    assert caught.value.code == "SingleClassPartition"


@every_choice
def test_no_images_give_no_threshold(rule, parameters):
    t = select_threshold([], [], rule, **parameters)
    assert (t.status, math.isnan(t.value)) == ("undefined", True)
    assert "needs" in t.notes[0]


def test_constant_scores_have_chance_values():
    labels, scores = [0, 0, 0, 1], [7.0] * 4
    assert (auroc(labels, scores), average_precision(labels, scores)) == (0.5, 0.25)
    assert auroc_bounds(labels, scores) == (0, 1)
    assert partial_auroc(labels, scores, max_fpr=0.2, standardised=True) == pytest.approx(0.5)
    assert (tpr_at_fpr(labels, scores, fpr=0.5), fpr_at_tpr(labels, scores, tpr=0.5)) == (0, 1)


# -- infinities and NaN by policy ------------------------------------------------------------------------------


@every_value
@settings(max_examples=25)
@given(drawn=rows)
def test_infinite_scores_are_the_lowest_and_the_highest(value, drawn):
    labels, scores = arrays(drawn)
    infinite = np.where(scores == 0, -np.inf, np.where(scores == 9, np.inf, scores))
    assert value(labels, infinite, inf_policy="rank") == value(labels, scores)
    if np.isinf(infinite).any():
        with pytest.raises(InputError) as caught:
            value(labels, infinite)
        assert caught.value.code == "NonFiniteScore"


@every_choice
@settings(max_examples=40)
@given(drawn=rows)
def test_thresholds_of_infinite_scores_decide_as_those_of_finite_ones(rule, parameters, drawn):
    labels, scores = arrays(drawn)
    infinite = np.where(scores == 0, -np.inf, np.where(scores == 9, np.inf, scores))
    before, finite = called(labels, scores, rule, parameters)
    after, chosen = called(labels, infinite, rule, parameters, inf_policy="rank")
    if before[int(np.argmax(scores))] or 9 not in scores:
        assert after == before
        assert not math.isnan(chosen.value) or math.isnan(finite.value)
    else:  # a score of inf is anomalous at every threshold: the next best
        assume(chosen.status != "undefined")
        assert after[int(np.argmax(scores))]


def test_a_rate_that_infinite_nominal_scores_exceed_is_undefined():
    for rule, parameters in (("max_fpr", {"value": 0}), ("conformal", {"value": 0.05}),
                             ("np_umbrella", {"value": 0.5, "delta": 0.3})):  # fmt: skip
        t = select_threshold([0, 0, 1], [1, np.inf, 2], rule, inf_policy="rank", **parameters)
        assert (t.status, math.isnan(t.value)) == ("undefined", True)
        assert "inf" in t.notes[0]


@every_value
def test_dropped_rows_change_nothing_else(value):
    labels, scores = np.array([0, 1, 0, 1, 0, 1]), np.array([1, np.nan, 2, 2, np.nan, 3])
    kept = ~np.isnan(scores)
    assert value(labels, scores, nan_policy="drop") == value(labels[kept], scores[kept])
    with pytest.raises(InputError, match=r"2 scores are NaN or infinite \(positions 1, 4\)") as caught:
        value(labels, scores)
    assert caught.value.code == "NonFiniteScore"
    with pytest.raises(InputError, match="error or drop"):
        value(labels, scores, nan_policy="omit")


def test_dropped_rows_take_their_weight_with_them():
    labels, scores, weights = [0, 1, 0, 1], [1, np.nan, 2, 2], [1, 5, 2, 3]
    kept = [0, 2, 3]
    assert auroc(labels, scores, weights=weights, nan_policy="drop") == auroc(
        [labels[i] for i in kept], [scores[i] for i in kept], weights=[weights[i] for i in kept]
    )


def test_dropped_rows_are_counted_by_class_in_the_notes():
    labels, scores, objects = [0, 1, 0, 1, 0], [1, np.nan, 2, 2, np.nan], list("abcde")
    t = select_threshold(labels, scores, objects=objects, nan_policy="drop")
    assert t.value == 1.5
    assert "2 rows with a NaN score dropped: 1 nominal, 1 anomalous" in t.notes


def test_the_first_five_positions_are_named():
    with pytest.raises(InputError, match=r"7 scores are NaN or infinite \(positions 0, 1, 2, 3, 4, \.\.\.\)"):
        auroc([0, 1] * 4, [np.nan] * 7 + [1])


def test_views_without_a_score_are_missing_and_infinite_ones_have_no_mean():
    labels, objects = [0, 1, 0, 0], list("aabb")
    scores = [1, np.nan, np.inf, 3]
    y, s, _ = aggregate_by_object(labels, scores, objects, nan_policy="drop", inf_policy="rank")
    assert (y.tolist(), s.tolist()) == ([0, 0], [1, np.inf])
    assert aggregate_by_object([0, 0], [np.inf, 3], list("bb"), method="k_of_n(2)", inf_policy="rank")[1] == [3]
    for method in ("mean", "median", "quantile(0.5)", "topk_mean(1)"):
        with pytest.raises(UndefinedError, match="infinite") as caught:
            aggregate_by_object(labels, scores, objects, method=method, nan_policy="drop", inf_policy="rank")
        assert caught.value.code == "InfiniteMean"


@settings(max_examples=30)
@given(drawn=rows, data=st.data())
def test_intervals_take_infinite_scores_as_ranks(drawn, data):
    labels, scores = arrays(drawn)
    objects = data.draw(st.lists(st.integers(0, 7), min_size=len(labels), max_size=len(labels)))
    infinite = np.where(scores == 0, -np.inf, np.where(scores == 9, np.inf, scores))
    for interval in (delong_interval, partial(clustered_delong_interval, objects=objects)):
        finite, ranked = interval(labels, scores), interval(labels, infinite, inf_policy="rank")
        assert repr(ranked) == repr(finite)  # NaN included


def test_intervals_count_what_was_dropped_by_class():
    labels, scores = [0, 1, 0, 1, 0, 1], [1, np.nan, 2, 2, np.nan, 3]
    kept = [0, 2, 3, 5]
    note = "2 rows with a NaN score dropped: 1 nominal, 1 anomalous"
    y, s = [labels[i] for i in kept], [scores[i] for i in kept]
    for interval, own in ((delong_interval, ()), (clustered_delong_interval, (list("abcdef"),))):
        e = interval(labels, scores, *own, nan_policy="drop")
        same = interval(y, s, *([o[i] for i in kept] for o in own))
        assert (e.value, e.low, e.high, e.n_nominal, e.n_anomalous) == (same.value, same.low, same.high, 2, 2)
        assert e.notes == (*same.notes, note)


@given(drawn=rows)
def test_both_bounds_are_noted_where_ties_matter(drawn):
    labels, scores = arrays(drawn)
    assume(1 < labels.sum() < len(labels) - 1)
    low, high = auroc_bounds(labels, scores)
    notes = [n for n in delong_interval(labels, scores).notes if n.startswith("ties: ")]
    assert notes == ([f"ties: AUROC {low:.4g} if all are lost, {high:.4g} if all are won"] if high > low else [])


def test_counts_take_the_policies_too():
    labels, scores = [0, 1, 1, 0], [-np.inf, np.inf, np.nan, 2]
    assert confusion(labels, scores, math.inf, nan_policy="drop", inf_policy="rank") == (1, 0, 0, 2)
