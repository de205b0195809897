"""Intervals of proportions: Wilson and Clopper-Pearson, of independent images and of images in objects."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from protocols.errors import InputError
from protocols.inputs import checked_binary, checked_fraction, object_index
from protocols.intervals.beta_binomial import BetaBinomial, wilson
from protocols.results import Estimate

NAMES = {"wilson": "Wilson", "clopper_pearson": "Clopper-Pearson", "score": "score"}


def wilson_interval(k: int, n: int, *, level: float = 0.95) -> Estimate:
    r"""Proportion with Wilson's interval: the default for description.

    Centre :math:`(p + z^2/2n) / (1 + z^2/n)`, half width
    :math:`\frac{z}{1 + z^2/n} \sqrt{p(1-p)/n + z^2/4n^2}`.

    Parameters
    ----------
    k, n
        Successes and trials, 0 <= k <= n; n = 0 is ``undefined``.
    level
        Confidence level.

    Returns
    -------
    Estimate
        ``undefined`` without trials.

    Raises
    ------
    InputError
        The counts are not whole, or not 0 <= k <= n (code ``OutOfRange``).

    References
    ----------
    Wilson (1927), Probable inference, the law of succession, and statistical inference.

    Examples
    --------
    >>> e = wilson_interval(9, 10)
    >>> round(e.low, 5), round(e.high, 5)
    (0.59585, 0.98212)
    """
    return _independent(k, n, level, "wilson")


def clopper_pearson_interval(k: int, n: int, *, level: float = 0.95) -> Estimate:
    """Proportion with the exact interval of Clopper and Pearson: for acceptance claims.

    Quantiles a/2 of Beta(k, n - k + 1) and 1 - a/2 of Beta(k + 1, n - k); 0 and 1 at the ends.

    Parameters
    ----------
    k, n
        Successes and trials, 0 <= k <= n; n = 0 is ``undefined``.
    level
        Confidence level.

    Returns
    -------
    Estimate
        ``undefined`` without trials.

    Raises
    ------
    InputError
        The counts are not whole, or not 0 <= k <= n (code ``OutOfRange``).

    References
    ----------
    Clopper & Pearson (1934), The use of confidence or fiducial limits illustrated in the case of the binomial.

    Examples
    --------
    >>> e = clopper_pearson_interval(9, 10)
    >>> round(e.low, 5), round(e.high, 5)
    (0.55498, 0.99747)
    """
    return _independent(k, n, level, "clopper_pearson")


def zero_event_limit(n: int, *, level: float = 0.95) -> float:
    """Return the one-sided upper limit 1 - alpha^(1/n) of a rate of which no event was seen in n trials.

    Examples
    --------
    >>> round(zero_event_limit(59), 6), round(zero_event_limit(299), 4)
    (0.049508, 0.01)
    """
    _, trials = _counts(0, n)
    if not trials:
        raise InputError("n", n, "a count of 1 or more", "Correct the value.", code="OutOfRange")
    return float(1 - (1 - checked_fraction(level, "level")) ** (1 / trials))


def clustered_proportion_interval(outcomes: ArrayLike, objects: Iterable[Any], *, level: float = 0.95,
                                  method: str = "wilson") -> Estimate:  # fmt: skip
    r"""Proportion of images that come in objects, as if of fewer independent images.

    With :math:`x_i` of :math:`m_i` in object i: :math:`p = \sum x / \sum m`,
    :math:`Var = \frac{I}{I-1} \sum (x_i - p m_i)^2 / (\sum m)^2`, design effect
    :math:`DE = Var / (p(1-p)/\sum m)`, :math:`n_{eff} = \sum m / DE` between I and :math:`\sum m`. At p = 0 or 1
    the design effect is undefined and :math:`n_{eff} = I`.

    That design effect is one number, seen at p. With few objects, strong correlation, unequal numbers of views or p
    near 1 the sample often lacks the rare hard objects, the design effect comes out too small and the interval covers
    less than it says (docs/coverage.md). ``score`` asks of every value p' whether it can be true: the limits solve
    :math:`(p - p')^2 = z^2 p' (1 - p') DE(p') / \sum m` with
    :math:`DE(p') = 1 + (\sum m^2 / \sum m - 1) \rho(p')` and :math:`\rho(p')` the correlation of greatest
    beta-binomial likelihood if p' were the rate [1]_, but not below the design effect seen at p. It is Wilson's
    interval where every image is its own object, and lies between Wilson's for :math:`\sum m` and for
    :math:`(\sum m)^2 / \sum m^2` trials. The rows of the protocols use it.

    Parameters
    ----------
    outcomes
        0 or 1 for each image, shape (n,).
    objects
        Object ids, shape (n,).
    level
        Confidence level.
    method
        ``wilson`` or ``clopper_pearson``, with :math:`n_{eff}` trials, or ``score``.

    Returns
    -------
    Estimate
        ``se`` is the clustered standard error. ``undefined`` without images, or with 0 < p < 1 in one object.

    Raises
    ------
    InputError
        Outcomes other than 0 and 1, an object id that is missing, or an unknown method.

    References
    ----------
    .. [1] Williams (1975), The analysis of binary responses from toxicological experiments involving reproduction and
       teratogenicity. Rao & Scott (1992), A simple method for the analysis of clustered binary data.

    Examples
    --------
    >>> outcomes = [1] * 8 + [0] * 2 + [1] * 5 + [0] * 5 + [1] * 9 + [0]
    >>> e = clustered_proportion_interval(outcomes, [i // 10 for i in range(30)])
    >>> round(e.value, 6), round(e.low, 5), round(e.high, 5)
    (0.733333, 0.46756, 0.89596)
    >>> e = clustered_proportion_interval(outcomes, [i // 10 for i in range(30)], method="score")
    >>> round(e.low, 5), round(e.high, 5)
    (0.37806, 0.89596)
    """
    x = checked_binary(outcomes, "outcomes")
    ids, index = object_index(objects, len(x))
    checked_fraction(level, "level")
    name = f"{NAMES[_checked_method(method)]}, clustered"
    n_images, n_objects = len(x), len(ids)
    if not n_images:
        return Estimate.undefined("a proportion needs at least one image", level=level, method=name)
    successes = np.bincount(index, x, minlength=n_objects)
    sizes = np.bincount(index, minlength=n_objects)
    p = int(x.sum()) / n_images
    notes: tuple[str, ...] = ()
    fitted = BetaBinomial(successes.astype(np.int64), sizes) if method == "score" else None
    if p in (0.0, 1.0):
        n_eff, se = fitted.least_effective if fitted else float(n_objects), 0.0
        if n_objects < n_images:
            notes = (f"all outcomes are equal: {n_objects} objects count as {n_eff:.4g} trials",)
    elif n_objects < 2:
        return Estimate.undefined(f"cannot separate object effect: all {n_images} images are of one object; "
                                  f"the proportion is {p!r}", level=level, method=name)  # fmt: skip
    else:
        variance = n_objects / (n_objects - 1) * float(((successes - p * sizes) ** 2).sum()) / n_images**2
        se = math.sqrt(variance)
        if fitted:
            effect = fitted.design_effect(p)
            n_eff = n_images / effect
        else:
            effect = variance / (p * (1 - p) / n_images)
            n_eff = min(max(n_images / effect, n_objects), n_images) if effect > 0 else float(n_images)
        notes = (f"design effect {effect:.4g}, effective n {n_eff:.4g}",) if n_objects < n_images else ()
    z = float(special.ndtri((1 + level) / 2))
    low, high = fitted.limits(z) if fitted else _limits(p * n_eff, n_eff, level, method)
    return Estimate(p, low, high, level, name, "ok", None, None, None, None, notes, se)


def _independent(k: int, n: int, level: float, method: str) -> Estimate:
    successes, trials = _counts(k, n)
    checked_fraction(level, "level")
    if not trials:
        return Estimate.undefined("a proportion needs at least one trial; got n=0", level=level, method=NAMES[method])
    p = successes / trials
    low, high = _limits(successes, trials, level, method)
    return Estimate(p, low, high, level, NAMES[method], se=math.sqrt(p * (1 - p) / trials))


def _limits(k: float, n: float, level: float, method: str) -> tuple[float, float]:
    """Return the limits for k of n, which need not be whole."""
    tail = (1 - level) / 2
    if method == "clopper_pearson":
        low = float(special.betaincinv(k, n - k + 1, tail)) if k > 0 else 0.0
        high = float(special.betaincinv(k + 1, n - k, 1 - tail)) if k < n else 1.0
        return low, high
    return wilson(k / n, n, float(special.ndtri(1 - tail)))


def _counts(k: int, n: int) -> tuple[int, int]:
    try:
        whole = int(k) == k and int(n) == n
    except (TypeError, ValueError, OverflowError):
        whole = False
    if not whole or not 0 <= k <= n:
        raise InputError("k of n", (k, n), "whole counts with 0 <= k <= n", "Correct the counts.", code="OutOfRange")
    return int(k), int(n)


def _checked_method(method: str) -> str:
    if method not in NAMES:
        raise InputError("method", method, "wilson, clopper_pearson or score", "Correct the value.")
    return method
