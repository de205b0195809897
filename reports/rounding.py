"""The one place where numbers lose digits: never more decimals than the interval's half-width supports.

The number of digits follows the rule of the Particle Data Group for quoting an uncertainty [1]_: if the three leading
digits of the half-width lie between 100 and 354 two of them are kept, between 355 and 949 one, and from 950 on it is
rounded up to 1000 and two are kept. Value and both limits are then written with the same number of decimals.

References
----------
.. [1] Particle Data Group, Review of Particle Physics, Introduction, section 5.3 "Rounding".
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from protocols.results import Estimate

MAX_DECIMALS = 4
UNDEFINED = "undefined"


def supported_decimals(half_width: float) -> int:
    """Return how many decimals a value with an uncertainty of `half_width` may be given.

    Parameters
    ----------
    half_width
        Half the width of the interval, >= 0.

    Returns
    -------
    int
        Between 0 and ``MAX_DECIMALS``.

    Examples
    --------
    >>> [supported_decimals(h) for h in (0.037, 0.012, 0.0036, 0.2, 0.5, 28.0)]
    [2, 3, 3, 2, 1, 0]
    """
    if not half_width > 0:
        return MAX_DECIMALS
    exponent = math.floor(math.log10(half_width) + 1e-12)
    leading = half_width / 10.0**exponent  # 1 <= leading < 10
    if leading >= 9.5:  # becomes 1.0 of the next decade, with two digits
        decimals = -exponent
    else:
        decimals = -exponent + (1 if leading < 3.55 else 0)
    return min(max(decimals, 0), MAX_DECIMALS)


def fixed(x: float, decimals: int) -> str:
    """Write a number with so many decimals; never ``-0.00``.

    Examples
    --------
    >>> fixed(-0.0004, 3), fixed(float("inf"), 2)
    ('0.000', 'inf')
    """
    if math.isinf(x):
        return "inf" if x > 0 else "-inf"
    text = f"{x:.{decimals}f}"
    return text[1:] if text.startswith("-") and not text.strip("-0.") else text


@dataclass(frozen=True)
class Shown:
    """An estimate as it is printed: `value`, and `interval` (empty if there is none)."""

    value: str
    interval: str

    def __str__(self) -> str:
        return f"{self.value} {self.interval}".strip()


def show(estimate: Estimate | None, *, sign: bool = False) -> Shown:
    """Write an estimate with its interval.

    Parameters
    ----------
    estimate
        None is an empty cell.
    sign
        Write a plus in front of positive values: for differences.

    Examples
    --------
    >>> str(show(Estimate(0.87134, 0.83411, 0.90802)))
    '0.87 [0.83, 0.91]'
    >>> str(show(Estimate(0.0312, 0.0123, 0.0503), sign=True))
    '+0.031 [0.012, 0.050]'
    """
    if estimate is None:
        return Shown("", "")
    if math.isnan(estimate.value):
        return Shown(UNDEFINED, "")
    if math.isnan(estimate.low) or math.isnan(estimate.high):
        return Shown(_signed(fixed(estimate.value, 2), sign), "[no interval]")
    decimals = supported_decimals((estimate.high - estimate.low) / 2)
    value = _signed(fixed(estimate.value, decimals), sign)
    return Shown(value, f"[{fixed(estimate.low, decimals)}, {fixed(estimate.high, decimals)}]")


def _signed(text: str, sign: bool) -> str:
    return f"+{text}" if sign and text[0] != "-" and text.strip("0.") else text


def show_width(width: float) -> str:
    """Write the width of an interval: two significant digits at most."""
    return fixed(width, min(supported_decimals(width), 3))


def show_number(x: float, digits: int = 3) -> str:
    """Write a number without an interval: so many significant digits, no exponent where avoidable.

    Examples
    --------
    >>> show_number(0.041234), show_number(1234.5), show_number(2.0), show_number(float("nan"))
    ('0.0412', '1234', '2', '')
    """
    if math.isnan(x):
        return ""
    if math.isinf(x):
        return fixed(x, 0)
    if x == round(x) and abs(x) < 1e15:
        return str(int(x))
    if abs(x) >= 10.0**digits:
        return f"{x:.0f}"
    return f"{x:.{digits}g}"


def show_range(low: float, high: float) -> str:
    """Write the ends of a range with equally many decimals: three significant digits of the larger.

    Examples
    --------
    >>> show_range(0.4603, 0.602), show_range(2.0, 2.0), show_range(0.5, float("inf"))
    ('0.460 to 0.602', '2', '0.500 to inf')
    """
    if low == high:
        return show_number(low)
    largest = max((abs(x) for x in (low, high) if math.isfinite(x)), default=1.0)
    decimals = max(0, 2 - math.floor(math.log10(largest))) if largest > 0 else 2
    return f"{fixed(low, decimals)} to {fixed(high, decimals)}"


def show_p(p: float) -> str:
    """Write a p value.

    Examples
    --------
    >>> show_p(0.0002), show_p(0.0314), show_p(0.47), show_p(float("nan"))
    ('< 0.001', '0.031', '0.47', 'undefined')
    """
    if math.isnan(p):
        return UNDEFINED
    return "< 0.001" if p < 0.001 else fixed(p, 3 if p < 0.1 else 2)


def show_seconds(seconds: float) -> str:
    """Write a duration.

    Examples
    --------
    >>> show_seconds(0.42), show_seconds(12.3), show_seconds(75), show_seconds(7500)
    ('0.4 s', '12 s', '1 min 15 s', '2 h 5 min')
    """
    if math.isnan(seconds):
        return ""
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def show_bytes(size: float) -> str:
    """Write a size in memory.

    Examples
    --------
    >>> show_bytes(734003200), show_bytes(3.2e9)
    ('700 MiB', '3.0 GiB')
    """
    if math.isnan(size):
        return ""
    if size < 2**30:
        return f"{size / 2**20:.0f} MiB"
    return f"{size / 2**30:.1f} GiB"
