import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as sk

from protocols import metrics as m
from protocols.errors import InputError, UndefinedError
from protocols.precision_recall import precision_recall_curve

LABELS = [0, 0, 0, 0, 1, 1, 1]
SCORES = [1, 2, 2, 3, 2, 3, 4]

# Few distinct values, so that ties are common.
rows = st.lists(st.tuples(st.booleans(), st.integers(0, 9)), min_size=2, max_size=40).filter(
    lambda r: 0 < sum(y for y, _ in r) < len(r)
)


def arrays(drawn):
    return np.array([int(y) for y, _ in drawn]), np.array([s / 3 for _, s in drawn])


def by_definition(labels, scores, weights=None):
    w = np.ones(len(labels)) if weights is None else weights
    x, y = scores[labels == 1][:, None], scores[labels == 0][None]
    pairs = w[labels == 1][:, None] * w[labels == 0][None]
    return (((x > y) + 0.5 * (x == y)) * pairs).sum() / pairs.sum()


def test_example_1_ranking_metrics():
    assert m.auroc(LABELS, SCORES) == pytest.approx(9.5 / 12, abs=1e-12)
    assert m.auroc_bounds(LABELS, SCORES) == pytest.approx((8 / 12, 11 / 12))
    assert m.average_precision(LABELS, SCORES) == pytest.approx(13 / 18, abs=1e-12)
    assert m.partial_auroc(LABELS, SCORES, max_fpr=0.5) == pytest.approx(0.3125)
    assert m.partial_auroc(LABELS, SCORES, max_fpr=0.5, standardised=True) == pytest.approx(0.75)
    assert m.partial_auroc(LABELS, SCORES, max_fpr=1) == pytest.approx(m.auroc(LABELS, SCORES))


def test_example_1_roc_vertices():
    curve = m.roc_curve(LABELS, SCORES)
    assert curve.fpr == pytest.approx([0, 0, 1 / 4, 3 / 4, 1])
    assert curve.tpr == pytest.approx([0, 1 / 3, 2 / 3, 1, 1])
    assert curve.thresholds.tolist() == [np.inf, 4, 3, 2, 1]


@given(rows)
def test_auroc_equals_its_definition_and_scikit_learn(drawn):
    labels, scores = arrays(drawn)
    assert m.auroc(labels, scores) == pytest.approx(by_definition(labels, scores), abs=1e-12)
    assert m.auroc(labels, scores) == pytest.approx(sk.roc_auc_score(labels, scores), abs=1e-12)
    assert np.mean(m.auroc_bounds(labels, scores)) == pytest.approx(m.auroc(labels, scores), abs=1e-12)


@given(rows)
def test_average_precision_equals_scikit_learn(drawn):
    labels, scores = arrays(drawn)
    assert m.average_precision(labels, scores) == pytest.approx(sk.average_precision_score(labels, scores), abs=1e-12)


@given(rows)
def test_roc_curve_equals_scikit_learn(drawn):
    labels, scores = arrays(drawn)
    curve = m.roc_curve(labels, scores)
    fpr, tpr, thresholds = sk.roc_curve(labels, scores, drop_intermediate=False)
    np.testing.assert_allclose(curve.fpr, fpr)
    np.testing.assert_allclose(curve.tpr, tpr)
    np.testing.assert_array_equal(curve.thresholds, thresholds)


@given(rows, st.sampled_from([0.1, 0.3, 0.5, 0.9]))
def test_standardised_partial_auroc_equals_scikit_learn(drawn, end):
    labels, scores = arrays(drawn)
    ours = m.partial_auroc(labels, scores, max_fpr=end, standardised=True)
    assert ours == pytest.approx(sk.roc_auc_score(labels, scores, max_fpr=end), abs=1e-12)


@given(rows, st.floats(0, 1))
def test_operating_points_are_real_and_best(drawn, rate):
    labels, scores = arrays(drawn)
    called = [scores >= cut for cut in [*np.unique(scores), np.inf]]
    points = [(c[labels == 0].mean(), c[labels == 1].mean()) for c in called]
    assert m.tpr_at_fpr(labels, scores, fpr=rate) == max(t for f, t in points if f <= rate + 1e-12)
    assert m.fpr_at_tpr(labels, scores, tpr=rate) == min(f for f, t in points if t >= rate - 1e-12)


@given(rows, st.data())
def test_whole_weights_are_repetitions(drawn, data):
    labels, scores = arrays(drawn)
    weights = np.array(data.draw(st.lists(st.integers(0, 3), min_size=len(labels), max_size=len(labels))))
    many = np.repeat(labels, weights), np.repeat(scores, weights)
    stacked = np.stack([weights, np.ones_like(weights)])
    for one, all_at_once in ((m.auroc, m.weighted_auroc), (m.average_precision, m.weighted_average_precision)):
        values = all_at_once(labels, scores, stacked)
        assert values[1] == one(labels, scores)
        if 0 < many[0].sum() < len(many[0]):
            assert values[0] == pytest.approx(one(*many), abs=1e-12)
            assert one(labels, scores, weights=weights) == values[0]
        else:
            assert np.isnan(values[0])
            with pytest.raises(UndefinedError):
                one(labels, scores, weights=weights)


def test_blocks_of_replicates_change_nothing(monkeypatch):
    rng = np.random.default_rng(0)
    labels, scores = rng.integers(0, 2, 50), rng.normal(size=50)
    weights = rng.integers(0, 3, (37, 50))
    whole = m.weighted_auroc(labels, scores, weights), m.weighted_average_precision(labels, scores, weights)
    monkeypatch.setattr(m.blocks, "__defaults__", (120,))
    np.testing.assert_array_equal(m.weighted_auroc(labels, scores, weights), whole[0])
    np.testing.assert_array_equal(m.weighted_average_precision(labels, scores, weights), whole[1])


@given(rows)
def test_auroc_ignores_monotone_maps_and_turns_with_the_sign(drawn):
    labels, scores = arrays(drawn)
    assert m.auroc(labels, np.exp(scores)) == m.auroc(labels, scores)
    assert m.auroc(labels, -scores) == pytest.approx(1 - m.auroc(labels, scores), abs=1e-12)


def test_constant_scores_rank_by_chance():
    assert m.auroc([0, 0, 0, 1], [7, 7, 7, 7]) == 0.5
    assert m.average_precision([0, 0, 0, 1], [7, 7, 7, 7]) == 0.25


def test_one_image_a_class_is_enough_for_a_value():
    assert m.auroc([0, 1], [0.1, 0.2]) == 1.0
    assert m.average_precision([0, 1], [0.1, 0.2]) == 1.0


@pytest.mark.parametrize("labels", [[0, 0], [1, 1], []], ids=["nominal", "anomalous", "empty"])
@pytest.mark.parametrize("metric", [m.auroc, m.average_precision, m.roc_curve, m.auroc_bounds])
def test_one_class_is_undefined_and_says_the_counts(metric, labels):
    with pytest.raises(UndefinedError, match=rf"needs both classes; got P={sum(labels)}") as caught:
        metric(labels, [0.5] * len(labels))
    assert caught.value.code == "SingleClassPartition"


@pytest.mark.parametrize("metric", [m.auroc, m.average_precision, m.roc_curve, precision_recall_curve])
def test_a_class_without_weight_is_missing_and_says_the_counts(metric):
    with pytest.raises(UndefinedError, match="got P=2, N=0 of weight above 0") as caught:
        metric([0, 0, 1, 1], [1, 2, 3, 4], weights=[0.0, 0, 0.5, 1])
    assert caught.value.code == "SingleClassPartition"


@pytest.mark.parametrize("exponent", [-1070, -600, -1, 600, 1020])
def test_the_unit_of_the_weights_changes_nothing(exponent):
    labels, scores, weights = [0, 0, 1, 1], [1, 2, 2, 3], np.array([1, 2, 5, 3.0])
    for metric in (m.auroc, m.average_precision):
        expected = metric(labels, scores, weights=weights)
        assert metric(labels, scores, weights=np.ldexp(weights, exponent)) == expected


@pytest.mark.parametrize(
    ("labels", "scores", "code", "message"),
    [
        ([0.2, 0.9], [0, 1], "LabelsNotBinary", "may be swapped"),
        (["good", "bad"], [0, 1], "LabelsNotBinary", "'good'"),
        ([0, 2], [0, 1], "LabelsNotBinary", "position 1"),
        ([0, 1], [np.nan, 1], "NonFiniteScore", "1 scores are NaN or infinite"),
        ([0, 1], [0, -np.inf], "NonFiniteScore", "position"),
        ([0, 1], ["0,5", "0,7"], "NotNumeric", "Convert"),
        ([0, 1], [0.5, "0.7"], "NotNumeric", "position 1: found '0.7'"),
        ([0, 1], np.array([0.5, "0.7"], object), "NotNumeric", "position 1: found '0.7'"),
        (["0", "1"], [0, 1], "LabelsNotBinary", "'0'"),
        ([0, 1, 1], [0, 1], "LengthMismatch", "length 2"),
        ([[0, 1]], [[0, 1]], "NotOneDimensional", "one-dimensional"),
    ],
    ids=[
        "swapped",
        "text-label",
        "label-2",
        "nan",
        "infinite",
        "text-score",
        "some-text",
        "text-object",
        "text-digit-label",
        "lengths",
        "matrix",
    ],
)
def test_bad_arrays_are_named(labels, scores, code, message):
    with pytest.raises(InputError, match=message) as caught:
        m.auroc(labels, scores)
    assert caught.value.code == code


@pytest.mark.parametrize(
    "weights", [[-1, 1], [np.nan, 1], [np.inf, 1], ["a", "b"], [1]], ids=["negative", "nan", "inf", "text", "short"]
)
def test_bad_weights_are_errors(weights):
    with pytest.raises(InputError, match="weights"):
        m.auroc([0, 1], [0, 1], weights=weights)


def test_boolean_labels_and_half_precision_scores_are_taken():
    assert m.auroc([False, True], np.array([0.1, 0.2], np.float16)) == 1.0


def test_every_metric_of_the_interface_is_described():
    names = (
        "auroc pauroc average_precision sensitivity specificity overkill escape precision npv accuracy "
        "balanced_accuracy f1 mcc youden_j cost ppv_at_prevalence rejects_per_thousand escapes_per_million "
        "aupro aupimo f1_max"
    )
    for name in names.split():
        assert m.METRICS[name].name == name
        assert m.METRICS[name].label
        assert m.METRICS[name].latex
        low, high = m.METRICS[name].range
        assert low < high
    assert set(m.METRICS) - set(names.split()) == {"npv_at_prevalence"}


@pytest.mark.parametrize(
    ("alias", "name"),
    [("recall", "sensitivity"), ("tpr", "sensitivity"), ("tnr", "specificity"), ("fpr", "overkill"),
     ("false_alarm_rate", "overkill"), ("fnr", "escape"), ("auroc", "auroc")],
)  # fmt: skip
def test_aliases_are_accepted(alias, name):
    assert m.resolve_metric(alias).name == name


def test_an_unknown_metric_shows_the_nearest_names():
    with pytest.raises(InputError, match="auroc") as caught:
        m.resolve_metric("auroc_")
    assert caught.value.code == "UnknownMetric"


@pytest.mark.parametrize("end", [0, -1, 1.5, "0.3", True])
def test_a_partial_area_needs_a_fraction(end):
    with pytest.raises(InputError, match="max_fpr"):
        m.partial_auroc(LABELS, SCORES, max_fpr=end)
