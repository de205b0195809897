"""How much the chosen threshold varies over the repeats."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .intervals.protocol_bootstrap import Judged, Replicates
from .intervals.resampling import Resampling
from .results import Estimate
from .units import count_distinct


def spread_of_thresholds(
    result: Replicates, repeats: Sequence[Judged], resampling: Resampling, level: float
) -> Estimate:
    """Return the standard deviation of the thresholds over the repeats, with its percentile interval.

    Parameters
    ----------
    result
        The thresholds, in the order of ``repeats``.
    repeats
        Whose threshold partitions they were chosen on.
    resampling, level
        Of the interval.
    """
    method = "protocol bootstrap, percentile"
    nominal = [r.threshold.scores[r.threshold.labels == 0] for r in repeats]
    iqr = float(np.mean([np.subtract(*np.quantile(scores, [0.75, 0.25])) for scores in nominal]))
    counts = count_distinct(r.threshold for r in repeats)
    if not np.isfinite(result.values).all():
        infinite = np.isinf(result.values).any()
        reason = "an infinite threshold (nothing called anomalous)" if infinite else "a repeat without a threshold"
        reason = f"{reason} has no spread"
        return Estimate.undefined(reason, level=level, method=method, n_nominal=counts[0], n_anomalous=counts[1])
    sd = float(np.std(result.values, ddof=1))
    finite = np.where(np.isfinite(result.replicates).all(axis=0), result.replicates, np.nan)
    usable, _ = resampling.usable(np.std(finite, axis=0, ddof=1))
    low, high = (float(q) for q in np.quantile(usable, [(1 - level) / 2, (1 + level) / 2])) if usable.size else (sd, sd)
    relative = f"{sd / iqr:.6g} of the mean IQR of nominal scores" if iqr > 0 else "the nominal scores have no IQR"
    if not high - low > 1e-12 * max(sd, high):
        notes = (relative, "the thresholds do not vary over the resamples: no interval")
        nan = np.nan
        return Estimate(sd, nan, nan, level, method, "degenerate", *counts, *resampling.n_objects, notes)
    return Estimate(
        sd,
        min(low, sd),
        max(high, sd),
        level,
        method,
        "approximate",
        *counts,
        *resampling.n_objects,
        (relative, "a spread of few thresholds: the interval is rough"),
    )
