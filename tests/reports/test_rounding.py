import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.results import Estimate
from reports.rounding import MAX_DECIMALS, fixed, show, show_number, show_p, supported_decimals


@pytest.mark.parametrize(
    ("half_width", "decimals"),
    [
        (0.827, 1), (0.119, 2), (0.367, 1), (0.0355, 2), (0.0354, 3), (0.95, 1), (0.098, 2), (12.0, 0), (0.0, 4),
        (1e-9, 4), (1.0, 1), (0.1, 2),
    ],
)  # fmt: skip
def test_decimals_follow_the_rule_of_the_particle_data_group(half_width, decimals):
    # 0.827 +- 0.119 -> 0.83 +- 0.12 and 0.827 +- 0.367 -> 0.8 +- 0.4 are the examples printed there
    assert supported_decimals(half_width) == decimals


@given(st.floats(-2, 2), st.floats(1e-7, 1))
def test_the_last_printed_digit_is_never_finer_than_a_thirty_sixth_of_the_half_width(value, half):
    shown = show(Estimate(value, value - half, value + half))
    decimals = len(shown.value.partition(".")[2])
    width = (value + half) - (value - half)
    assert decimals <= MAX_DECIMALS
    assert 10.0**-decimals >= width / 2 / 36 or decimals == 0


@given(st.floats(-2, 2), st.floats(1e-7, 1))
def test_printed_numbers_are_the_stored_ones_to_half_a_unit_of_the_last_digit(value, half):
    shown = show(Estimate(value, value - half, value + half))
    decimals = len(shown.value.partition(".")[2])
    printed = [float(x) for x in re.findall(r"-?[\d.]+", f"{shown.value} {shown.interval}")]
    for number, text in zip((value, value - half, value + half), printed, strict=True):
        assert abs(number - text) <= 0.5000001 * 10.0**-decimals


def test_value_and_both_limits_have_equally_many_decimals():
    assert str(show(Estimate(0.9, 0.85, 0.95))) == "0.90 [0.85, 0.95]"


def test_an_undefined_estimate_is_called_undefined_and_not_nan():
    assert str(show(Estimate.undefined("one class is empty"))) == "undefined"


def test_a_value_without_interval_says_so():
    assert str(show(Estimate(1.0, math.nan, math.nan))) == "1.00 [no interval]"


def test_a_difference_of_zero_has_no_sign():
    assert str(show(Estimate(0.0, -0.02, 0.02), sign=True)) == "0.000 [-0.020, 0.020]"


@pytest.mark.parametrize(("x", "text"), [(-0.00001, "0.00"), (math.inf, "inf"), (-math.inf, "-inf"), (-1.005, "-1.00")])
def test_numbers_are_never_minus_zero(x, text):
    assert fixed(x, 2) == text


def test_infinite_thresholds_and_tiny_p_values_have_their_own_form():
    assert show_number(math.inf) == "inf"
    assert show_p(1e-12) == "< 0.001"
