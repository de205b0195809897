"""Views of one object are not independent: what their images are worth, to plan with."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

from .errors import InputError
from .inputs import checked_positive

EPSILON = 1e-9  # before ceil: 300.00000000001 units are 300


class Amount(NamedTuple):
    """Objects, and their images."""

    objects: int
    images: int


NONE = Amount(0, 0)


@dataclass(frozen=True)
class Clustering:
    """Objects with several views each, and how much the views of one object agree.

    Parameters
    ----------
    views
        Mean number of views an object, 1 or more.
    icc
        Intraclass correlation of what is averaged, in [0, 1]: 0, views are as good as objects; 1, all views of an
        object say the same.
    views_cv
        Coefficient of variation (sd / mean) of the number of views, 0 or more.
    """

    views: float = 1
    icc: float = 0
    views_cv: float = 0

    def __post_init__(self) -> None:
        for name, least, most in (("views", 1.0, math.inf), ("icc", 0.0, 1.0), ("views_cv", 0.0, math.inf)):
            value = getattr(self, name)
            if isinstance(value, bool) or not least <= float(value) <= most or math.isinf(float(value)):
                limits = f"a number from {least:g}" + (f" to {most:g}" if math.isfinite(most) else "")
                raise InputError(name, value, limits, "Correct the value.", code="OutOfRange")
        if self.views == 1 and self.views_cv > 0:
            raise InputError("views_cv", self.views_cv, "0 where every object has one view", "Correct the views.",
                             code="OutOfRange")  # fmt: skip

    @property
    def effect(self) -> float:
        """The design effect, never below 1: an object is worth at most its images."""
        return 1 + (self.views * (1 + self.views_cv**2) - 1) * self.icc

    def needed(self, n: float) -> Amount:
        """Return what is worth n independent images: n times the design effect in images, on as few objects."""
        images = n * self.effect
        return Amount(max(1, math.ceil(images / self.views - EPSILON)), math.ceil(images - EPSILON))

    def of_objects(self, n_objects: int) -> Amount:
        """Return so many objects with all their views."""
        return Amount(n_objects, math.ceil(n_objects * self.views - EPSILON))

    def worth(self, amount: Amount) -> float:
        """Return how many independent images these images are worth."""
        return amount.images / self.effect

    @property
    def notes(self) -> tuple[str, ...]:
        """What is assumed about the views."""
        if self.views == 1:
            return ("one image an object",)
        cv = f", coefficient of variation {self.views_cv:g}" if self.views_cv else ""
        return (f"{self.views:g} views an object{cv}, intraclass correlation {self.icc:g}: design effect "
                f"{self.effect:.4g}",)  # fmt: skip


def planning_design_effect(views: float, icc: float, *, views_cv: float = 0) -> float:
    r"""Design effect to plan with: how many images are worth one independent image.

    :math:`DE = 1 + (\bar m (1 + cv^2) - 1) ICC`, :math:`n_{eff} = n / DE`. From data, use
    :func:`~protocols.design_effect`.

    Parameters
    ----------
    views
        Mean number of views an object, 1 or more.
    icc
        Intraclass correlation of what is averaged, in [0, 1].
    views_cv
        Coefficient of variation of the number of views.

    Returns
    -------
    float
        1 or more.

    Raises
    ------
    InputError
        A value is out of range.

    References
    ----------
    Kish (1965), Survey sampling; unequal sizes: Eldridge, Ashby & Kerry (2006), Sample size for cluster randomized
    trials: effect of coefficient of variation of cluster size and analysis method.

    Examples
    --------
    >>> effect = planning_design_effect(views=120, icc=0.3)
    >>> round(effect, 1), round(568 / effect, 1)
    (36.7, 15.5)
    """
    return Clustering(views, icc, views_cv).effect


def icc_from_design_effect(effect: float, *, views: float, views_cv: float = 0) -> float:
    r"""Intraclass correlation that a measured design effect implies: the inverse of the planning form.

    :math:`ICC = (DE - 1) / (\bar m (1 + cv^2) - 1)`, moved into [0, 1]: plan with the correlation of data at hand.

    Parameters
    ----------
    effect
        For example of :func:`~protocols.design_effect`, above 0.
    views, views_cv
        Mean number of views an object, above 1, and its coefficient of variation.

    Returns
    -------
    float
        In [0, 1].

    Raises
    ------
    InputError
        One view an object: there is nothing to correlate.

    References
    ----------
    Kish (1965), Survey sampling.

    Examples
    --------
    >>> round(icc_from_design_effect(36.7, views=120), 3)
    0.3
    """
    slope = Clustering(views, 1, views_cv).effect - 1
    if slope <= 0:
        raise InputError("views", views, "more than one view an object", "One view has no correlation within objects.",
                         code="OutOfRange")  # fmt: skip
    return min(max((checked_positive(effect, "effect") - 1) / slope, 0.0), 1.0)
