"""McNemar's test on objects, equivalence and non-inferiority."""

import json
import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from protocols import discordant_objects, equivalence_test, mcnemar_exact, non_inferiority_test
from protocols.errors import InputError

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "paired_tests.json").read_text())


def test_mcnemar_example_of_5_7():
    r = mcnemar_exact(8, 1)
    assert r.p_value == 0.0390625
    assert r.difference == pytest.approx(7 / 9)
    assert r.low > 0


@pytest.mark.parametrize("row", GOLDEN["mcnemar"], ids=lambda row: f"{row['b']}-{row['c']}")
def test_mcnemar_equals_statsmodels(row):
    r = mcnemar_exact(row["b"], row["c"])
    assert r.p_value == pytest.approx(row["p"], abs=1e-10, rel=1e-9)
    assert r.statistic == row["statistic"]


@given(st.integers(0, 40), st.integers(0, 40))
def test_mcnemar_is_the_binomial_test_and_its_interval_inverts_it(b, c):
    r, back = mcnemar_exact(b, c), mcnemar_exact(c, b)
    assert (r.p_value, r.difference) == (back.p_value, -back.difference)
    assert (r.low, r.high) == pytest.approx((-back.high, -back.low), abs=1e-12)
    assert r.low < r.high
    if b + c:
        assert r.p_value == pytest.approx(stats.binomtest(b, b + c).pvalue, abs=1e-9)
        assert (r.p_value < 0.05) == (r.low > 0 or r.high < 0)


def test_no_discordant_object_says_nothing():
    r = mcnemar_exact(0, 0)
    assert (r.p_value, r.low, r.high, r.status) == (1.0, -1.0, 1.0, "degenerate")


@pytest.mark.parametrize("counts", [(-1, 2), (1.5, 2), (True, 2), (2, "3")])
def test_counts_are_whole_numbers(counts):
    with pytest.raises(InputError, match="whole number"):
        mcnemar_exact(*counts)


LABELS, OBJECTS = [1, 0, 0, 0, 1, 1, 0, 0], ["p", "p", "q", "q", "r", "r", "s", "t"]
SCORES_A = [2, 9, 1, 2, 3, 4, 8, 1]  # at 5 rejects p (by a nominal view) and s
SCORES_B = [1, 2, 8, 1, 3, 9, 1, 7]  # at 7 rejects q, r and t


@pytest.mark.parametrize(("of", "counts"), [("defective", (1, 1)), ("good", (2, 1)), ("all", (3, 2))])
def test_objects_are_decided_by_their_highest_view(of, counts):
    found = discordant_objects(LABELS, SCORES_A, SCORES_B, threshold_a=5, threshold_b=7, objects=OBJECTS, of=of)
    assert found == counts


def test_a_score_at_the_threshold_rejects_and_an_infinite_one_rejects_nothing():
    assert discordant_objects([1, 0], [2, 1], [2, 1], threshold_a=2, threshold_b=math.inf) == (1, 0)
    assert discordant_objects([0, 0], [2, 1], [2, 1], threshold_a=2, threshold_b=math.inf) == (0, 1)


@pytest.mark.parametrize(
    ("options", "message"),
    [({"threshold_a": math.nan}, "threshold_a"), ({"of": "bad"}, "of"), ({"objects": ["p"]}, "objects")],
)
def test_bad_decisions_are_errors(options, message):
    with pytest.raises(InputError, match=message):
        discordant_objects(LABELS, SCORES_A, SCORES_B, **({"threshold_a": 1, "threshold_b": 1} | options))


def test_example_5_8():
    r = equivalence_test(0.005, 0.008, margin=0.02)
    assert r.p_value == pytest.approx(0.030396, abs=1e-6)
    assert (r.low, r.high) == pytest.approx((-0.00816, 0.01816), abs=5e-6)
    assert r.level == 0.9
    assert r.notes[0].startswith("equivalent at level 0.95")
    assert non_inferiority_test(0.005, 0.008, margin=0.02).p_value == pytest.approx(0.000889, abs=1e-6)


@pytest.mark.parametrize("row", GOLDEN["equivalence"], ids=lambda row: f"df{row['df']:.0f}")
def test_equivalence_equals_statsmodels(row):
    arguments = {"margin": row["margin"], "df": row["df"]}
    r = equivalence_test(row["difference"], row["se"], **arguments)
    assert r.p_value == pytest.approx(row["p"], abs=1e-9)
    assert (r.low, r.high) == pytest.approx((row["low"], row["high"]), abs=1e-9)
    assert r.statistic == pytest.approx(row["t_lower"] if row["p_lower"] > row["p_upper"] else row["t_upper"], abs=1e-9)
    worse = non_inferiority_test(row["difference"], row["se"], **arguments)
    assert (worse.p_value, worse.statistic) == pytest.approx((row["p_lower"], row["t_lower"]), abs=1e-9)


@given(st.floats(-0.1, 0.1), st.floats(1e-4, 0.1), st.floats(1e-3, 0.1), st.one_of(st.none(), st.floats(1, 50)),
       st.floats(0.6, 0.99))  # fmt: skip
def test_p_below_alpha_means_the_interval_inside_the_margins(d, se, margin, df, level):
    r = equivalence_test(d, se, margin=margin, df=df, level=level)
    if abs(r.p_value - (1 - level)) > 1e-9:
        assert (r.p_value < 1 - level) == (-margin < r.low and r.high < margin)
        assert r.notes[0].startswith("equivalent at") == (r.p_value < 1 - level)
    back = equivalence_test(-d, se, margin=margin, df=df, level=level)
    assert back.p_value == pytest.approx(r.p_value, abs=1e-12)
    worse = non_inferiority_test(d, se, margin=margin, df=df, level=level)
    assert worse.p_value <= r.p_value
    assert worse.low == pytest.approx(r.low)
    assert worse.high == math.inf


def test_no_difference_shown_is_never_called_equivalent():
    r = equivalence_test(0.001, 0.5, margin=0.02)
    assert r.p_value > 0.05
    assert r.notes == ("equivalence within 0.02 is not shown, nor is a difference thereby",)


@pytest.mark.parametrize("test", [equivalence_test, non_inferiority_test])
@pytest.mark.parametrize("margin", [{}, {"margin": None}, {"margin": 0}, {"margin": -0.1}, {"margin": math.nan}])
def test_without_a_margin_fixed_in_advance_there_is_no_test(test, margin):
    with pytest.raises(InputError, match="in advance") as caught:
        test(0.005, 0.008, **margin)
    assert caught.value.code == "NoMargin"


@pytest.mark.parametrize("test", [equivalence_test, non_inferiority_test])
def test_no_variance_or_no_value_has_no_test(test):
    certain = test(0.005, 0.0, margin=0.02)
    assert certain.status == "degenerate"
    assert math.isnan(certain.p_value)
    nothing = test(math.nan, 0.1, margin=0.02)
    assert nothing.status == "undefined"
    assert math.isnan(nothing.p_value)


@pytest.mark.parametrize(
    ("arguments", "options"),
    [((0.1, -0.1), {}), ((math.inf, 0.1), {}), ((0.1, 0.1), {"df": 0}), ((0.1, 0.1), {"level": 0.4}),
     ((0.1, "x"), {})],
)  # fmt: skip
def test_bad_equivalence_arguments_are_errors(arguments, options):
    with pytest.raises(InputError):
        equivalence_test(*arguments, margin=0.02, **options)
