import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.errors import InputError
from protocols.intervals.delong import delong_interval, delong_variance, placement_values
from protocols.intervals.hanley_mcneil import hanley_mcneil_interval
from protocols.metrics import auroc

LABELS = np.array([0, 0, 0, 0, 1, 1, 1])
SCORES = np.array([1.0, 2, 2, 3, 2, 3, 4])


def test_example_5_1():
    v10, v01 = placement_values(LABELS, SCORES)
    assert v10 == pytest.approx([0.5, 0.875, 1])
    assert v01 == pytest.approx([1, 0.833333, 0.833333, 0.5], abs=1e-6)
    assert v10.var(ddof=1) == pytest.approx(0.0677083, abs=1e-7)
    assert v01.var(ddof=1) == pytest.approx(0.0439815, abs=1e-7)
    e = delong_interval(LABELS, SCORES)
    assert e.se == pytest.approx(0.183207, abs=1e-6)
    assert e.se**2 == pytest.approx(0.0335648, abs=1e-7)
    assert (e.low, e.high) == pytest.approx((0.30108, 0.97103), abs=5e-6)
    wald = delong_interval(LABELS, SCORES, scale="identity")
    assert (wald.low, wald.high) == pytest.approx((0.4326, 1), abs=5e-5)
    assert (e.n_nominal, e.n_anomalous, e.n_objects_nominal, e.status) == (4, 3, None, "ok")


def test_example_5_1_second_detector():
    second = np.array([1.0, 1, 3, 2, 3, 2, 5])
    e = delong_interval(LABELS, second)
    assert e.value == pytest.approx(0.833333, abs=1e-6)
    assert e.se**2 == pytest.approx(0.0260417, abs=1e-7)


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 9)), min_size=4, max_size=40).filter(
    lambda r: 2 <= sum(y for y, _ in r) <= len(r) - 2))  # fmt: skip
def test_fast_placements_equal_the_definition(rows):
    labels, scores = (np.array(column, float) for column in zip(*rows, strict=True))
    labels = labels.astype(int)
    x, y = scores[labels == 1][:, None], scores[labels == 0][None]
    psi = (x > y) + 0.5 * (x == y)
    v10, v01 = placement_values(labels, scores)
    np.testing.assert_allclose(v10, psi.mean(1), atol=1e-12)
    np.testing.assert_allclose(v01, psi.mean(0), atol=1e-12)
    direct = psi.mean(1).var(ddof=1) / len(x) + psi.mean(0).var(ddof=1) / y.size
    assert delong_variance(labels, scores) == pytest.approx(direct, abs=1e-12)
    e = delong_interval(labels, scores)
    if e.status == "ok":
        assert e.value == pytest.approx(auroc(labels, scores), abs=1e-12)
        assert 0 <= e.low < e.value < e.high <= 1


@pytest.mark.parametrize(
    ("labels", "low", "high"),
    [([0] * 5 + [1] * 3, 0.05 ** (1 / 3), 1), ([1] * 5 + [0] * 3, 0, 1 - 0.05 ** (1 / 3))],
    ids=["separated", "inverted"],
)
@pytest.mark.parametrize("scale", ["logit", "identity"])
def test_perfect_separation_has_a_one_sided_bound(labels, low, high, scale):
    e = delong_interval(labels, np.arange(8), scale=scale)
    assert e.status == "degenerate"
    assert (e.low, e.high) == pytest.approx((low, high))
    assert any("heuristic" in note for note in e.notes)


@pytest.mark.parametrize("labels", [[0, 0], [1, 1], []])
def test_one_class_is_undefined(labels):
    e = delong_interval(labels, [1.0] * len(labels))
    assert e.status == "undefined"
    assert math.isnan(e.value)
    assert "needs both classes" in e.notes[0]


@pytest.mark.parametrize("labels", [[0, 0, 0, 1], [0, 1, 1, 1], [0, 1]])
def test_one_image_in_a_class_has_no_variance_and_the_note_holds_the_value(labels):
    e = delong_interval(labels, np.arange(len(labels)))
    assert e.status == "undefined"
    assert math.isnan(e.low)
    assert "AUROC is 1.0" in e.notes[0]
    assert "hanley_mcneil_interval" in e.notes[0]


def test_constant_scores_are_degenerate_without_an_interval():
    e = delong_interval([0, 0, 1, 1], [3, 3, 3, 3])
    assert (e.value, e.status) == (0.5, "degenerate")
    assert math.isnan(e.low) and math.isnan(e.high)
    assert "all scores are equal" in e.notes


def test_a_value_below_one_half_is_kept_and_noted():
    e = delong_interval(LABELS, -SCORES)
    assert e.value == pytest.approx(1 - 0.7916667, abs=1e-7)
    assert any("inverted" in note for note in e.notes)


def test_half_precision_ties_are_noted():
    rng = np.random.default_rng(0)
    scores = rng.random(20_000).astype(np.float16)
    e = delong_interval(np.arange(20_000) % 2, scores)
    assert any("float16" in note for note in e.notes)


@pytest.mark.parametrize("options", [{"level": 95}, {"level": 1}, {"level": 0}, {"scale": "log"}])
def test_bad_options_are_errors(options):
    with pytest.raises(InputError):
        delong_interval(LABELS, SCORES, **options)


def test_example_5_2():
    e = hanley_mcneil_interval(0.871, 403, 165)
    assert e.se == pytest.approx(0.018697, abs=1e-6)
    assert (e.low, e.high) == pytest.approx((0.8344, 0.9076), abs=5e-5)
    assert hanley_mcneil_interval(0.9, 50, 50).se == pytest.approx(0.032124, abs=1e-6)
    assert e.status == "approximate"
    assert "assumes independent images" in e.notes


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_hanley_mcneil_never_has_zero_width(value):
    e = hanley_mcneil_interval(value, 30, 20)
    assert e.status == "degenerate"
    assert e.high - e.low == pytest.approx(1 - 0.05 ** (1 / 20))


@pytest.mark.parametrize("arguments", [(1.2, 5, 5), (0.9, 0, 5), (0.9, 5, 2.5)])
def test_hanley_mcneil_refuses_impossible_summaries(arguments):
    with pytest.raises(InputError):
        hanley_mcneil_interval(*arguments)
