import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.candidates import candidates
from protocols.decisions import confusion, decision_metrics
from protocols.errors import InputError, UndefinedError
from protocols.thresholds import RULES, Rule, resolve_rule, rule_name, select, select_threshold, selected_cuts

LABELS = [0, 0, 0, 0, 1, 1, 1]
SCORES = [1, 2, 2, 3, 2, 3, 4]
PARAMETERS = {
    "fbeta": {"beta": 2, "prevalence": 0.1}, "cost": {"missed": 10, "false_alarm": 1, "prevalence": 0.1},
    "max_fpr": {"value": 0.2}, "target_overkill": {"value": 0.2}, "min_tpr": {"value": 0.8},
    "target_escape": {"value": 0.2}, "nominal_quantile": {"value": 0.2},
    "np_umbrella": {"value": 0.4, "delta": 0.5}, "conformal": {"value": 0.2},
}  # fmt: skip
every_rule = pytest.mark.parametrize("rule", RULES)
OF_NOMINALS = ("nominal_quantile", "np_umbrella", "conformal")  # they need no anomalous image
rows = st.lists(st.tuples(st.booleans(), st.integers(0, 9)), min_size=2, max_size=25).filter(
    lambda r: 0 < sum(y for y, _ in r) < len(r)
)


def arrays(drawn):
    return np.array([int(y) for y, _ in drawn]), np.array([s / 3 for _, s in drawn])


def rates(labels, scores, cut):
    called = scores >= cut
    return called[labels == 1].mean(), called[labels == 0].mean()


def test_example_3_1_counts():
    c = candidates(LABELS, SCORES)
    assert c.cuts.tolist() == [1, 1.5, 2.5, 3.5, math.inf]
    assert c.tp.tolist() == [3, 3, 2, 1, 0]
    assert c.fp.tolist() == [4, 3, 1, 0, 0]
    assert (c.tp + c.fn).tolist() == [3] * 5
    assert (c.fp + c.tn).tolist() == [4] * 5


@pytest.mark.parametrize(
    ("rule", "parameters", "threshold", "apparent"),
    [
        ("youden", {}, 2.5, 0.416667),
        ("balanced_accuracy", {}, 2.5, 0.708333),
        ("topleft", {}, 2.5, 0.416667),
        ("product", {}, 2.5, 0.5),
        ("gmean", {}, 2.5, 0.707107),
        ("f1", {}, 1.5, 0.666667),
        ("fbeta", {}, 1.5, 0.666667),
        ("fbeta", {"prefer": "specificity"}, 2.5, 0.666667),
        ("fbeta", {"beta": 2}, 1.5, 0.833333),
        ("cost", {"missed": 10, "false_alarm": 1, "prevalence": 0.02}, 3.5, 0.133333),
        ("cost", {"missed": 10, "false_alarm": 1, "prevalence": 0.5}, 1.5, 0.375),
        ("max_fpr", {"value": 0.25}, 2.5, 2 / 3),
        ("max_fpr", {"value": 0.2}, 3.5, 1 / 3),
        ("target_overkill", {"value": 0.25}, 2.5, 2 / 3),
        ("min_tpr", {"value": 0.6}, 2.5, 0.25),
        ("target_escape", {"value": 0.4}, 2.5, 0.25),
        ("nominal_quantile", {"value": 0.25}, np.nextafter(2, 3), 0.25),
        ("nominal_quantile", {"value": 0.1}, np.nextafter(3, 4), 0.0),
        ("youden", {"convention": "observed"}, 3, 0.416667),
    ],
)
def test_example_3_1_thresholds(rule, parameters, threshold, apparent):
    t = select_threshold(LABELS, SCORES, rule, **parameters)
    assert t.value == threshold
    assert t.apparent == pytest.approx(apparent, abs=1e-6)
    assert (t.status, t.rule, dict(t.parameters)) == ("ok", rule, parameters)


def test_example_3_1_costs_and_f_scores_of_every_cut():
    c = candidates(LABELS, SCORES)
    cost = RULES["cost"].function
    assert -cost(c, missed=10, false_alarm=1, prevalence=0.02) == pytest.approx(
        [0.98, 0.735, 0.311667, 0.133333, 0.2], abs=1e-6
    )
    assert -cost(c, missed=10, false_alarm=1, prevalence=0.5) == pytest.approx(
        [0.5, 0.375, 1.791667, 3.333333, 5], abs=1e-6
    )
    f = RULES["fbeta"].function
    assert f(c) == pytest.approx([0.6, 0.666667, 0.666667, 0.5, 0], abs=1e-6)
    assert f(c, beta=2) == pytest.approx([0.789474, 0.833333, 0.666667, 0.384615, 0], abs=1e-6)


def criterion(rule, labels, scores, cut):
    """The definitions of section 3.2, one cut at a time; None: not allowed. Larger is better."""
    tpr, fpr = rates(labels, scores, cut)
    if rule in ("youden", "balanced_accuracy"):
        return tpr - fpr
    if rule == "topleft":
        return -((1 - tpr) ** 2 + fpr**2)
    if rule in ("product", "gmean"):
        return tpr * (1 - fpr)
    if rule == "f1":
        return decision_metrics(confusion(labels, scores, cut))["f1"]
    if rule == "fbeta":
        tp, fn, fp = 0.1 * tpr, 0.1 * (1 - tpr), 0.9 * fpr
        return 5 * tp / (5 * tp + 4 * fn + fp) if tp else 0.0
    if rule == "cost":
        return -(10 * 0.1 * (1 - tpr) + 0.9 * fpr)
    if rule in ("max_fpr", "target_overkill"):
        return tpr if fpr <= 0.2 + 1e-12 else None
    return -fpr if tpr >= 0.8 - 1e-12 else None


@pytest.mark.parametrize("rule", [r for r in RULES if r not in OF_NOMINALS])
@settings(max_examples=40)
@given(drawn=rows, prefer=st.sampled_from(["sensitivity", "specificity"]))
def test_a_rule_finds_the_best_cut_and_breaks_ties_as_stated(rule, drawn, prefer):
    labels, scores = arrays(drawn)
    best = []
    for cut in [*np.unique(scores), math.inf]:
        value = criterion(rule, labels, scores, cut)
        if value is not None:
            tpr, fpr = rates(labels, scores, cut)
            tie = (tpr, -fpr) if prefer == "sensitivity" else (-fpr, tpr)
            best.append((round(value, 9), *tie))
    t = select_threshold(labels, scores, rule, prefer=prefer, **PARAMETERS.get(rule, {}))
    tpr, fpr = rates(labels, scores, t.value)
    tie = (tpr, -fpr) if prefer == "sensitivity" else (-fpr, tpr)
    assert (round(criterion(rule, labels, scores, t.value), 9), *tie) == max(best)


@given(rows, st.sampled_from([0.0, 0.05, 0.2, 0.5, 0.75]))
def test_nominal_quantile_lies_just_above_an_order_statistic(drawn, value):
    labels, scores = arrays(drawn)
    nominal = np.sort(scores[labels == 0])
    k = math.ceil((1 - value) * len(nominal) - 1e-9)
    expected = np.nextafter(nominal[k - 1], math.inf)
    assert select_threshold(labels, scores, "nominal_quantile", value=value).value == expected
    assert select_threshold(np.zeros(len(nominal), int), nominal, "nominal_quantile", value=value).value == expected


@every_rule
@settings(max_examples=30)
@given(drawn=rows, data=st.data())
def test_multiplicities_choose_as_repeated_images_would(rule, drawn, data):
    labels, scores = arrays(drawn)
    row = st.lists(st.integers(0, 3), min_size=len(labels), max_size=len(labels))
    weights = np.array(data.draw(st.lists(row, min_size=1, max_size=3)))
    convention = data.draw(st.sampled_from(["midpoint", "observed"]))
    parameters = {"convention": convention, **PARAMETERS.get(rule, {})}
    cuts = selected_cuts(labels, scores, weights, rule, **parameters)
    for w, cut in zip(weights, cuts, strict=True):
        try:
            t = select_threshold(np.repeat(labels, w), np.repeat(scores, w), rule, **parameters)
        except UndefinedError as error:
            assert (error.code, rule) == ("GuaranteeInfeasible", "np_umbrella")
            assert math.isnan(cut)
            continue
        assert cut == t.value or (math.isnan(cut) and t.status == "undefined")


def test_the_midpoint_neither_overflows_nor_falls_on_the_lower_score():
    huge = np.finfo(float).max
    assert select_threshold([0, 1], [huge * 0.9, huge]).value <= huge
    for low in (1.0, 0.1, 5e-324, -1.0, 0.0):
        high = np.nextafter(low, 2)
        t = select_threshold([0, 1], [low, high])
        assert low < t.value <= high
        assert confusion([0, 1], [low, high], t.value) == (1, 0, 0, 1)


def test_youden_is_exact_where_floats_are_not():
    # 1/3 - 0/3 and 2/3 - 1/3 differ in floating point; as integers they tie, and the higher TPR wins.
    labels, scores = [1, 0, 1, 0, 0, 1], [6, 5, 4, 3, 2, 1]
    assert select_threshold(labels, scores).value == 3.5
    assert select_threshold(labels, scores, prefer="specificity").value == 5.5


@pytest.mark.parametrize("labels", [[0, 0, 0], [1, 1, 1]], ids=["nominal", "anomalous"])
@every_rule
def test_one_class_gives_an_undefined_threshold(rule, labels):
    t = select_threshold(labels, [1, 2, 3], rule, **PARAMETERS.get(rule, {}))
    if rule in OF_NOMINALS and not sum(labels):
        assert t.status == ("degenerate" if rule == "conformal" else "ok")  # three are too few for 0.2
        return
    assert t.status == "undefined"
    assert math.isnan(t.value)
    assert "needs" in t.notes[0]


@every_rule
def test_constant_scores_leave_only_the_ends(rule):
    t = select_threshold([0, 0, 1, 1], [3, 3, 3, 3], rule, **PARAMETERS.get(rule, {}))
    assert t.status == "degenerate"
    assert "no useful threshold under this criterion" in t.notes
    assert "all scores are equal" in t.notes
    assert t.value in (np.nextafter(3, 4), math.inf) if rule in OF_NOMINALS else t.value in (3, math.inf)


def test_inverted_scores_are_noted_not_flipped():
    t = select_threshold([1, 1, 0, 0], [1, 2, 3, 4])
    assert t.status == "degenerate"
    assert any("inverted" in note for note in t.notes)


def test_a_limit_may_be_met_at_the_end_of_the_curve():
    # An end is useless only when the other rate is: nothing caught, or everything rejected.
    assert select_threshold([0, 1], [1, 2], "max_fpr", value=0).status == "ok"
    assert select_threshold([1, 0, 1], [1, 2, 3], "min_tpr", value=1).status == "degenerate"
    assert select_threshold([1, 0], [1, 2], "max_fpr", value=0).status == "degenerate"


def test_cost_without_prevalence_uses_the_partitions_own_and_says_so():
    t = select_threshold(LABELS, SCORES, "cost", missed=10, false_alarm=1)
    assert t.value == select_threshold(LABELS, SCORES, "cost", missed=10, false_alarm=1, prevalence=3 / 7).value
    assert any("own" in note for note in t.notes)


def test_a_large_cost_does_not_blur_ties():
    small = select_threshold(LABELS, SCORES, "cost", missed=10, false_alarm=1, prevalence=0.3)
    large = select_threshold(LABELS, SCORES, "cost", missed=1e9, false_alarm=1e8, prevalence=0.3)
    assert small.value == large.value


@pytest.mark.parametrize(
    ("rule", "parameters", "code", "message"),
    [
        ("youdn", {}, "UnknownRule", "youden"),
        ("youden", {"value": 1}, "UnknownParameter", "'value'"),
        ("max_fpr", {}, "MissingParameter", "'value'"),
        ("max_fpr", {"value": 5}, "OutOfRange", "fraction"),
        ("cost", {"missed": 0, "false_alarm": 1}, "OutOfRange", "above 0"),
        ("cost", {"missed": 1, "false_alarm": 1, "prevalence": 1}, "OutOfRange", "prevalence"),
        ("fbeta", {"beta": -1}, "OutOfRange", "beta"),
        ("youden", {"convention": "mid"}, "InputError", "midpoint or observed"),
        ("youden", {"prefer": "both"}, "InputError", "sensitivity or specificity"),
    ],
)
def test_bad_rules_and_parameters_are_named(rule, parameters, code, message):
    with pytest.raises(InputError, match=message) as caught:
        select_threshold(LABELS, SCORES, rule, **parameters)
    assert caught.value.code == code


def test_weights_must_be_whole():
    with pytest.raises(InputError, match="whole"):
        candidates(LABELS, SCORES, np.full(7, 0.5))


@pytest.mark.parametrize(
    ("rule", "parameters", "name"),
    [
        ("youden", {}, "youden"),
        ("youden", None, "youden"),
        ("max_fpr", {"value": 0.05}, "max_fpr(value=0.05)"),
        ("cost", {"prevalence": 0.1, "missed": 9.0, "false_alarm": 2}, "cost(false_alarm=2,missed=9,prevalence=0.1)"),
        ("fbeta", {"beta": 2, "prevalence": None}, "fbeta(beta=2)"),
    ],
)  # fmt: skip
def test_a_rules_name_holds_the_parameters_given_sorted(rule, parameters, name):
    assert rule_name(rule, parameters) == name


def test_objects_are_checked_even_where_they_change_nothing():
    assert select_threshold(LABELS, SCORES, objects=list("AABBCCD")).value == 2.5
    with pytest.raises(InputError, match="objects"):
        select_threshold(LABELS, SCORES, objects=list("AAB"))


def test_a_rule_is_found_by_name():
    assert isinstance(resolve_rule("youden"), Rule)


def test_one_very_bad_cut_does_not_make_the_good_ones_equal():
    c = candidates([0, 1, 1], [1, 2, 3])
    assert select(c, np.array([-1e15, 1.0, 1.1, 0.0])) == 2
    assert select(c, np.array([-np.inf, 1.0, 1.0 + 1e-13, 0.0])) == 1  # equal: the higher sensitivity
