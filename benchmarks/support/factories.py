"""Simulated factories: parts photographed from several sides, two normal classes, every truth known."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy import special

UNEQUAL = "1-60"  # a few parts have 60 views, most have fewer than 10


@dataclass(frozen=True)
class Factory:
    """A binormal world: a score is its class's mean, plus what the part adds, plus what the view adds.

    The variances of part and view add up to 1; ``icc`` is the part's share. Good parts have mean 0, defective ones
    the mean that gives the AUROC, of images of different parts.

    Parameters
    ----------
    n_defective, n_good
        Parts.
    views
        Images a part, or ``"1-60"``: from 1 to 60 in equal ratios.
    icc
        From 0 to below 1.
    auroc
        Truth.
    """

    n_defective: int
    n_good: int
    views: int | str
    icc: float
    auroc: float

    @property
    def separation(self) -> float:
        """Mean of the defective parts' scores."""
        return float(np.sqrt(2) * special.ndtri(self.auroc))

    @cached_property
    def sizes(self) -> NDArray[np.int64]:
        """Views of each part, the defective ones first."""
        parts = (self.n_defective, self.n_good)
        if self.views == UNEQUAL:
            each = [np.round(np.geomspace(1, 60, n)).astype(np.int64) for n in parts]
        else:
            each = [np.full(n, int(self.views)) for n in parts]
        return np.concatenate(each)

    @cached_property
    def objects(self) -> NDArray[np.int64]:
        """Part of each image."""
        return np.repeat(np.arange(self.sizes.size), self.sizes)

    @cached_property
    def labels(self) -> NDArray[np.int64]:
        """1 for each image of a defective part."""
        return (self.objects < self.n_defective).astype(np.int64)

    def scores(self, rng: np.random.Generator) -> NDArray[np.float64]:
        """Draw the scores of one detector."""
        return self.separation * self.labels + self.noise(rng)

    def pair(self, rng: np.random.Generator, shared: float = 0.5) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Draw the scores of two equally good detectors that share a part of what they see in parts and views."""
        common, *own = (self.noise(rng) for _ in range(3))
        a, b = (self.separation * self.labels + np.sqrt(shared) * common + np.sqrt(1 - shared) * o for o in own)
        return a, b

    def noise(self, rng: np.random.Generator) -> NDArray[np.float64]:
        """Draw what parts and views add to the means."""
        parts = rng.standard_normal(self.sizes.size)[self.objects]
        return np.asarray(np.sqrt(self.icc) * parts + np.sqrt(1 - self.icc) * rng.standard_normal(self.objects.size))

    def cut(self, specificity: float) -> float:
        """Return the threshold below which that share of good images lies."""
        return float(special.ndtri(specificity))
