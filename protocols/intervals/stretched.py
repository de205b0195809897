"""Percentile intervals stretched by the randomness of training, and the bound where no replicate varies."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from protocols.judging import OF_ANOMALOUS, OF_NOMINAL, Criterion, limits
from protocols.results import Estimate, Status

from .draws import MAX_REDRAWN
from .resampling import Resampling
from .small_samples import rough_below

METHOD = "protocol bootstrap, percentile"


@dataclass(frozen=True)
class Scale:
    """What an interval must respect.

    Parameters
    ----------
    low, high
        Least and largest value of the metric.
    n_bound
        Objects behind a bound where no replicate varies: those of the class judged, else of the smaller class.
    difference
        Whether the value is a difference of two such metrics.
    """

    low: float
    high: float
    n_bound: int
    difference: bool = False

    @classmethod
    def of(cls, metric: str, n_objects: tuple[int, int], criterion: Criterion | None = None) -> Scale:
        """Return the scale of a metric, or of a difference for ``optimism_<metric>``."""
        name = metric.removeprefix("optimism_")
        low, high = criterion.limits(name) if criterion else limits(name)
        good, defective = n_objects
        n = defective if name in OF_ANOMALOUS else good if name in OF_NOMINAL else min(n_objects)
        return cls(low, high, n, name != metric)

    def as_difference(self) -> Scale:
        """Return the scale of a difference of two such values."""
        return Scale(self.low, self.high, self.n_bound, True)

    def clip(self, value: float) -> float:
        """Return the value moved into the range."""
        width = self.high - self.low
        low, high = (-width, width) if self.difference else (self.low, self.high)
        return min(max(value, low), high)

    def bound(self, value: float, level: float) -> tuple[float, float]:
        """Return a one-sided bound where no replicate varies: as for n of n units, ``(1 - level)^(1/n)``."""
        width = self.high - self.low
        reach = width * (1 - (1 - level) ** (1 / max(self.n_bound, 1)))
        if self.difference:
            return self.clip(value - reach), self.clip(value + reach)
        if value >= self.high - 1e-12 * width:
            return self.high - reach, self.high
        if value <= self.low + 1e-12 * width:
            return self.low, self.low + reach
        return self.low, self.high


def stretched_interval(
    replicates: NDArray[np.float64],
    values: Sequence[NDArray[np.float64]],
    resampling: Resampling,
    scale: Scale,
    *,
    level: float,
    value: float | None = None,
    widen: bool = False,
    n: tuple[int, int] | None = None,
    notes: tuple[str, ...] = (),
) -> Estimate:
    """Return the percentile interval, stretched around the value by SE_total / SE_boot and clipped to the range.

    It always holds the value. Where the plain percentile interval does not, the side in question ends at the value
    and the status is ``approximate``. Where the plain one has no width, a bound takes its place (``degenerate``).

    Parameters
    ----------
    replicates
        Of the mean over repeats, shape (B,); NaN where undefined.
    values
        Per-repeat values of each part of the estimate (two parts for a difference of independent trainings),
        each of shape (J,); the spread of each adds S_J^2 / J.
    resampling, scale
        Where the replicates come from and what the interval must respect.
    level
        Confidence level.
    value
        The estimate; None: the mean of the only part.
    widen
        For what is chosen and judged on the same data (apparent values, optimism, a best checkpoint): a resample
        has fewer distinct units to fit, so its replicates are too good by about the optimism itself. The interval
        then reaches from the plain percentile interval to the same moved by that bias (the mean of the replicates
        minus the value). The moved one alone would be centred, but where few units make the replicates lumpy it
        ends at the value.
    n
        Number of nominal and of anomalous units; None: of objects.
    notes
        Put before those on the interval.
    """
    centre = float(np.mean(values[0])) if value is None else value
    method = f"{METHOD}, widened by its bias" if widen else METHOD
    good, defective = resampling.n_objects
    counts = n or resampling.n_objects
    usable, redrawn = resampling.usable(replicates)
    if usable.size < 2:
        low, high = scale.bound(centre, level)
        remark = "no bootstrap replicate is defined: too few objects; the bound is that of perfect agreement"
        return Estimate(
            centre,
            low,
            high,
            level,
            method,
            "degenerate",
            *counts,
            good,
            defective,
            (*notes, remark, *rough_below(good, defective), *resampling.notes),
        )
    alpha = 1 - level
    bias = float(usable.mean()) - centre
    plain_low, plain_high = (float(q) for q in np.quantile(usable, [alpha / 2, 1 - alpha / 2]))
    se_boot = float(np.std(usable, ddof=1))
    spread = sum(float(np.var(v, ddof=1)) / v.size for v in values if v.size > 1)
    se_total = math.sqrt(se_boot**2 + spread)
    status: Status = "ok"
    width = scale.high - scale.low
    shift = bias if widen else 0.0
    varies = plain_high - plain_low > 1e-9 * width and se_boot > 1e-12 * width
    if varies:
        stretch = se_total / se_boot
        low = centre - (centre - plain_low + max(shift, 0.0)) * stretch
        high = centre + (plain_high - min(shift, 0.0) - centre) * stretch
    else:
        half = NormalDist().inv_cdf(1 - alpha / 2) * se_total
        low, high = centre - half, centre + half
    remarks = [_spread_note(se_boot, spread, se_total, values), f"plain bootstrap [{plain_low:.6g}, {plain_high:.6g}]"]
    if widen:
        remarks.append(f"bias of the bootstrap {bias:.6g}, by which the interval is widened")
    elif plain_low > centre or plain_high < centre:
        status = "approximate"
        remarks.append("the bootstrap is biased here: the plain interval misses the value")
    low, high = scale.clip(min(low, centre)), scale.clip(max(high, centre))
    if not varies or high - low <= 1e-9 * width:
        status = "degenerate"
        bound = scale.bound(centre, level)
        low, high = min(low, bound[0]), max(high, bound[1])
        few = "do not vary" if se_boot <= 1e-12 * width else f"hardly vary ({level:.0%} of them are equal)"
        remarks.append(f"the replicates {few}: a bound as for {scale.n_bound} of {scale.n_bound} objects (heuristic)")
    if redrawn > MAX_REDRAWN:
        status = "degenerate"
        remarks.append(f"{redrawn:.1%} of the replicates were undefined and drawn again")
    return Estimate(
        centre,
        low,
        high,
        level,
        method,
        status,
        *counts,
        good,
        defective,
        (*notes, *remarks, *rough_below(good, defective), *resampling.notes),
        se_total,
    )


def _spread_note(se_boot: float, spread: float, se_total: float, values: Sequence[NDArray[np.float64]]) -> str:
    repeats = " and ".join(str(v.size) for v in values)
    if all(v.size < 2 for v in values):
        return f"SE_boot {se_boot:.6g}; one repeat: the randomness of training is not covered"
    return f"SE_boot {se_boot:.6g}, S_J/sqrt(J) {math.sqrt(spread):.6g} (J = {repeats}), SE_total {se_total:.6g}"
