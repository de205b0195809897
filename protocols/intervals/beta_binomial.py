"""The score interval of a proportion of images in objects: the correlation is fitted at every value considered."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy import optimize

# theta = rho / (1 - rho): from hardly any correlation to objects that are all or nothing
_LOG_THETA = np.linspace(math.log(1e-4), math.log(1e4), 48)


class BetaBinomial:
    r"""Successes in objects, as if each object had its own rate from a beta distribution.

    With mean p and correlation :math:`\rho = \theta / (1 + \theta)` of two images of an object, the log likelihood of
    x of m is, but for a constant,
    :math:`\sum_{j<x} \log(p + j\theta) + \sum_{j<m-x} \log(1 - p + j\theta) - \sum_{j<m} \log(1 + j\theta)`.
    theta = 0 is the binomial, theta = infinity means objects that are all or nothing.

    Parameters
    ----------
    successes, sizes
        x and m of each object, shape (I,).
    """

    def __init__(self, successes: NDArray[np.int64], sizes: NDArray[np.int64]) -> None:
        longest = int(sizes.max())
        self._step = np.arange(longest, dtype=np.float64)
        self._won, self._lost, self._all = (
            np.cumsum(np.bincount(counts, minlength=longest + 1)[::-1])[::-1][1:].astype(np.float64)
            for counts in (successes, sizes - successes, sizes)
        )  # how many objects have more than j, shape (longest,)
        self.n_images = int(sizes.sum())
        self.value = int(successes.sum()) / self.n_images
        # Mean number of images in the object of an image.
        self._mates = float((sizes.astype(np.float64) ** 2).sum()) / self.n_images
        self._seen = min(max(_seen_effect(successes, sizes, self.value), 1.0), self._mates)

    @property
    def least_effective(self) -> float:
        """Kish's effective number of objects (sum m)^2 / sum m^2: all that is left if rho = 1."""
        return self.n_images / self._mates

    def correlation(self, p: float) -> float:
        """Return the rho of greatest likelihood, 0 to 1, given the mean p, 0 < p < 1."""
        heights = self._log_likelihood(p, np.exp(_LOG_THETA))
        best = int(np.argmax(heights))
        if self._log_likelihood(p, np.zeros(1))[0] >= heights[best]:
            return 0.0
        low, high = _LOG_THETA[max(best - 1, 0)], _LOG_THETA[min(best + 1, len(_LOG_THETA) - 1)]
        if self._slope(high, p) >= 0:  # no object is in between all and nothing
            return 1.0
        if self._slope(low, p) <= 0:
            return 0.0
        theta = math.exp(optimize.brentq(self._slope, low, high, args=(p,), xtol=1e-10))
        return theta / (1 + theta)

    def design_effect(self, p: float) -> float:
        """Return by how much the variance p (1 - p) / sum m grows.

        1 + (sum m^2 / sum m - 1) rho, but at least what the objects show at the observed rate: parts of two kinds, of
        which one is never caught, follow no beta distribution, and the correlation that fits best is then too small.
        """
        return max(1 + (self._mates - 1) * self.correlation(p), self._seen)

    def limits(self, z: float) -> tuple[float, float]:
        """Return the p at which (value - p)^2 = z^2 p (1 - p) / n_eff(p), below and above the value.

        With no correlation, and with full correlation, these are Wilson's limits for ``n_images`` and for
        ``least_effective`` trials: the root is sought between the two.
        """
        widest, narrowest = wilson(self.value, self.least_effective, z), wilson(self.value, self.n_images, z)
        low, high = (self._root(outer, inner, z) for outer, inner in zip(widest, narrowest, strict=True))
        return low, high

    def _root(self, outer: float, inner: float, z: float) -> float:
        if inner - outer == 0 or self._excess(outer, z) <= 0:
            return outer
        if self._excess(inner, z) >= 0:
            return inner
        return float(optimize.brentq(self._excess, outer, inner, args=(z,), xtol=1e-9))

    def _excess(self, p: float, z: float) -> float:
        """Return by how much (value - p)^2 exceeds z^2 p (1 - p) / n_eff(p)."""
        if p <= 0 or p >= 1:
            return (self.value - p) ** 2
        return (self.value - p) ** 2 - z * z * p * (1 - p) * self.design_effect(p) / self.n_images

    def _log_likelihood(self, p: float, theta: NDArray[np.float64]) -> NDArray[np.float64]:
        steps = theta[:, None] * self._step  # (T, longest)
        return np.asarray(
            np.log(p + steps) @ self._won + np.log(1 - p + steps) @ self._lost - np.log1p(steps) @ self._all
        )

    def _slope(self, log_theta: float, p: float) -> float:
        """Return the derivative of the log likelihood with respect to theta."""
        j, theta = self._step, math.exp(log_theta)
        won, lost, every = j / (p + j * theta), j / (1 - p + j * theta), j / (1 + j * theta)
        return float(won @ self._won + lost @ self._lost - every @ self._all)


def _seen_effect(successes: NDArray[np.int64], sizes: NDArray[np.int64], p: float) -> float:
    """Return I/(I-1) sum (x - p m)^2 / (p (1 - p) sum m); 1 where there is nothing to see."""
    if sizes.size < 2 or p in (0.0, 1.0):
        return 1.0
    squares = float(((successes - p * sizes) ** 2).sum())
    return sizes.size / (sizes.size - 1) * squares / (p * (1 - p) * float(sizes.sum()))


def wilson(p: float, n: float, z: float) -> tuple[float, float]:
    """Return Wilson's limits for a share p of n trials, which need not be whole; exactly 0 and 1 at the ends."""
    below = 1 + z * z / n
    centre = (p + z * z / (2 * n)) / below
    half = z / below * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return (0.0 if p <= 0 else centre - half), (1.0 if p >= 1 else centre + half)
