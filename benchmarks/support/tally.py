"""What was counted in one setting, and whether it is in its band."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

Row = dict[str, Any]

BAND = (0.93, 0.97)
BAND_OF_FEW = 0.90  # with 8 to 19 objects of a class
ERRORS_ALLOWED = 2  # Monte-Carlo standard errors
SIZE = 0.06


class Coverage:
    """Counts how often intervals hold the truth, and on which side they miss it."""

    def __init__(self) -> None:
        self.limits: list[tuple[float, float]] = []

    def add(self, low: float, high: float) -> None:
        """Count one interval; NaN: it is undefined."""
        self.limits.append((low, high))

    def counted(self, truth: float) -> Row:
        """Return the counts as a row."""
        there = [(low, high) for low, high in self.limits if not math.isnan(low)]
        n = max(1, len(there))
        return {
            "kind": "interval",
            "runs": len(self.limits),
            "undefined": len(self.limits) - len(there),
            "coverage": sum(low <= truth <= high for low, high in there) / n,
            "above": sum(low > truth for low, _ in there) / n,  # the interval lies above the truth
            "below": sum(high < truth for _, high in there) / n,
            "width": sum(high - low for low, high in there) / n,
        }


class Rejections:
    """Counts how often a test rejects at the nominal level of 5 %."""

    def __init__(self) -> None:
        self.p: list[float] = []

    def add(self, p: float) -> None:
        """Count one p value; NaN: the test is undefined, which is no rejection."""
        self.p.append(p)

    def counted(self) -> Row:
        """Return the counts as a row."""
        return {
            "kind": "test",
            "runs": len(self.p),
            "undefined": sum(math.isnan(p) for p in self.p),
            "rejected": sum(p <= 0.05 for p in self.p) / max(1, len(self.p)),
        }


def error_of(share: float, runs: int) -> float:
    """Return the Monte-Carlo standard error of a share."""
    return math.sqrt(share * (1 - share) / max(1, runs))


def verdict(row: Mapping[str, Any], n_objects: int) -> str:
    """Say whether a coverage or a rejection rate is in its band, give or take two Monte-Carlo standard errors.

    Parameters
    ----------
    row
        Of :class:`Coverage` or :class:`Rejections`.
    n_objects
        Objects of the smaller class that is judged.
    """
    runs = int(row["runs"]) - int(row["undefined"]) if row["kind"] == "interval" else int(row["runs"])
    if row["kind"] == "test":
        share, low, high = row["rejected"], 0.0, SIZE
    else:
        share = row["coverage"]
        low, high = BAND if n_objects >= 20 else (BAND_OF_FEW, 1.0)
    # The error of a share at the edge of the band: that of the share itself vanishes at 0 and 1.
    if share < low - ERRORS_ALLOWED * error_of(low, runs):
        return "too low"
    return "too high" if share > high + ERRORS_ALLOWED * error_of(high, runs) else "in band"


def markdown(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a table; numbers have three decimals."""
    lines = ["| " + " | ".join(columns) + " |", "|" + " --- |" * len(columns)]
    return "\n".join([*lines, *("| " + " | ".join(_cell(value) for value in row) + " |" for row in rows)])


def _cell(value: object) -> str:
    return f"{value:.3f}" if isinstance(value, float) else str(value)
