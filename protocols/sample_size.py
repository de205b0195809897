"""How many parts are needed for an interval of a given half width, or to show that a rare fault is rare.

The formulas count independent units. Views of one object are not: the number of images is multiplied by the planning
form of the design effect, and what has to be made or collected are objects. In the three-way protocol half of the
defective objects are judged in a repeat; over many repeats the information tends to that of all of them, never more
(:mod:`protocols.power` simulates it).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from scipy import special

from .clustering import EPSILON, NONE, Amount, Clustering
from .errors import InputError
from .inputs import checked_fraction, checked_positive
from .judging import OF_NOMINAL
from .metrics import resolve_metric

RATES = ("sensitivity", "escape", "specificity", "overkill")
VARIANCES = ("hanley_mcneil", "obuchowski", "binormal")
LARGEST = 10**9  # objects; beyond this the question is wrong

_THREE_WAY = "in the three-way protocol half of the defective objects are judged in a repeat; over many repeats the " \
             "information tends to that of all of them"  # fmt: skip


@dataclass(frozen=True)
class SampleSize:
    """How many objects and images answer a question about precision or power.

    Parameters
    ----------
    n_objects, n_images
        Of the class that the formula counts: the one judged by a rate, the anomalous one for AUROC. Sizes asked for
        are the least numbers: ``n_images`` images, on ``n_objects`` objects.
    n_objects_anomalous, n_objects_nominal, n_images_anomalous, n_images_nominal
        Of each class; 0 where the question does not need it.
    half_width
        Half the width of the interval that these numbers give; NaN where the question is another.
    level
        Confidence level.
    method
        Name of the formula.
    notes
        Assumptions, as sentences.
    power
        Chance that the difference is found; NaN where none was asked for.
    """

    n_objects: int
    n_images: int
    n_objects_anomalous: int
    n_objects_nominal: int
    n_images_anomalous: int
    n_images_nominal: int
    half_width: float
    level: float
    method: str
    notes: tuple[str, ...] = ()
    power: float = math.nan

    def as_row(self, question: str) -> dict[str, object]:
        """Return the size as a row of a table of plans; a half width that does not exist is None.

        Examples
        --------
        >>> row = zero_failure_size(0.01).as_row("show an escape rate below 1 %")
        >>> row["objects_anomalous"], row["objects_nominal"], row["half_width"]
        (299, 0, None)
        """
        return {
            "question": question,
            "objects_anomalous": self.n_objects_anomalous,
            "objects_nominal": self.n_objects_nominal,
            "images_anomalous": self.n_images_anomalous,
            "images_nominal": self.n_images_nominal,
            "half_width": None if math.isnan(self.half_width) else self.half_width,
            "level": self.level,
            "method": self.method,
            "assumptions": list(self.notes),
        }


def sample_size_proportion(value: float, half_width: float, *, level: float = 0.95, views: float = 1, icc: float = 0,
                           views_cv: float = 0, metric: str = "sensitivity") -> SampleSize:  # fmt: skip
    r"""Objects needed for a rate (sensitivity, specificity, ...) known to plus or minus ``half_width``.

    :math:`n = z^2 p (1 - p) / h^2`, rounded up: the normal approximation, too small where :math:`n (1 - p)` is
    below about 5 (then see :func:`zero_failure_size`). With views the number of images is :math:`n \cdot DE`.

    Parameters
    ----------
    value
        The rate expected, in (0, 1).
    half_width
        Half the width of its interval, in (0, 1).
    level
        Confidence level.
    views, icc, views_cv
        As in :func:`~protocols.planning_design_effect`.
    metric
        ``sensitivity`` or ``escape`` (defective objects), ``specificity`` or ``overkill`` (good objects).

    Returns
    -------
    SampleSize
        ``half_width``: what the rounded number gives.

    Raises
    ------
    InputError
        A value is out of range, or the metric is not a rate of one class.

    References
    ----------
    Cochran (1977), Sampling techniques.

    Examples
    --------
    >>> sample_size_proportion(0.95, 0.03).n_objects, sample_size_proportion(0.90, 0.05).n_objects
    (203, 139)
    >>> many_views = sample_size_proportion(0.95, 0.03, views=20, icc=0.3)
    >>> many_views.n_objects, many_views.n_images
    (69, 1361)
    """
    p, target = checked_fraction(value, "value"), checked_fraction(half_width, "half_width")
    clustering, z = Clustering(views, icc, views_cv), two_sided(level)
    n = _reachable(z * z * p * (1 - p) / target**2, "half_width", half_width)
    return _of_rate(metric, p, clustering.needed(n), clustering, level)


def zero_failure_size(rate: float, *, level: float = 0.95, metric: str = "escape") -> SampleSize:
    r"""Objects that must all be right to show that a rate of faults is below ``rate``.

    :math:`n \ge \ln \alpha / \ln(1 - e)`: with no fault in n objects the one-sided upper limit
    :math:`1 - \alpha^{1/n}` is at most e. One fault and the demonstration has failed.

    Parameters
    ----------
    rate
        The rate e to undercut, in (0, 1).
    level
        Confidence level :math:`1 - \alpha`, one-sided.
    metric
        ``escape`` (defective objects, none missed) or ``overkill`` (good objects, none rejected).

    Returns
    -------
    SampleSize
        ``half_width`` is NaN; the notes hold the limit reached. Objects are the trials, however many views they have.

    Raises
    ------
    InputError
        A value is out of range.

    References
    ----------
    Clopper & Pearson (1934), The use of confidence or fiducial limits illustrated in the case of the binomial.

    Examples
    --------
    >>> zero_failure_size(0.01).n_objects, zero_failure_size(0.05).n_objects
    (299, 59)
    """
    e, alpha = checked_fraction(rate, "rate"), 1 - checked_fraction(level, "level")
    n = _reachable(math.log(alpha) / math.log1p(-e), "rate", rate)
    notes = (
        f"no fault in {n} objects: the rate is at most {1 - alpha ** (1 / n):.6g} (one-sided)",
        "an object is right only if it is judged right from all its views together",
    )
    of_class = (Amount(n, n), NONE) if _is_anomalous(metric) else (NONE, Amount(n, n))
    return sized(*of_class, math.nan, level, "zero failures", notes, anomalous_first=_is_anomalous(metric))


def auroc_variance(value: float, n_anomalous: float, n_nominal: float, *, variance: str = "hanley_mcneil") -> float:
    r"""Variance of an AUROC that is expected of so many independent images.

    ``hanley_mcneil``: :math:`[A(1-A) + (P-1)(Q_1-A^2) + (N-1)(Q_2-A^2)] / (PN)` with :math:`Q_1 = A/(2-A)`,
    :math:`Q_2 = 2A^2/(1+A)` (exponential scores) [1]_. ``binormal``: the same with :math:`Q_1 = Q_2` of two normal
    classes of equal variance, exact for them. ``obuchowski``:
    :math:`0.0099 e^{-B^2/2} [(5B^2+8) + (B^2+8)/k] / P`, :math:`B = 1.414 \Phi^{-1}(A)`, k = N/P (normal classes
    whose variances are estimated too: the cautious choice) [2]_.

    Parameters
    ----------
    value
        The AUROC expected, in (0, 1).
    n_anomalous, n_nominal
        Independent images P and N, above 0; not whole where they stand for clustered ones.
    variance
        ``hanley_mcneil``, ``obuchowski`` or ``binormal``.

    Returns
    -------
    float
        The variance.

    Raises
    ------
    InputError
        A value is out of range, or the variance is not known.

    References
    ----------
    .. [1] Hanley & McNeil (1982), The meaning and use of the area under a ROC curve.
    .. [2] Obuchowski & McClish (1997), Sample size determination for diagnostic accuracy studies involving binormal
       ROC curve indices; Obuchowski, Lieber & Wians (2004), ROC curves in clinical chemistry.

    Examples
    --------
    >>> round(auroc_variance(0.871, 165, 403) ** 0.5, 6)
    0.018697
    >>> round(auroc_variance(0.9, 1, 1, variance="obuchowski"), 7)
    0.0684346
    """
    a = checked_fraction(value, "value")
    p, n = checked_positive(n_anomalous, "n_anomalous"), checked_positive(n_nominal, "n_nominal")
    if variance == "obuchowski":
        b = 1.414 * float(special.ndtri(a))
        return 0.0099 * math.exp(-b * b / 2) * ((5 * b * b + 8) + (b * b + 8) * p / n) / p
    if variance == "hanley_mcneil":
        q1, q2 = a / (2 - a), 2 * a * a / (1 + a)
    elif variance == "binormal":
        q1 = q2 = _both_win(a)
    else:
        raise InputError("variance", variance, f"one of {', '.join(VARIANCES)}", "Correct the name.")
    # Fewer than one independent image is no image: the terms must not turn negative.
    return (a * (1 - a) + max(p - 1, 0) * (q1 - a * a) + max(n - 1, 0) * (q2 - a * a)) / (p * n)


def sample_size_auroc(value: float, half_width: float, *, ratio: float = 1, level: float = 0.95, views: float = 1,
                      icc: float = 0, views_cv: float = 0, variance: str = "hanley_mcneil") -> SampleSize:  # fmt: skip
    r"""Objects needed for an AUROC known to plus or minus ``half_width``.

    The smallest P with :math:`z \sqrt{Var(A, P, kP)} \le h`, kP rounded up. With views the numbers of images are
    multiplied by DE; the correlation of an AUROC's components is below that of the scores, so this is rather too many.

    Parameters
    ----------
    value
        The AUROC expected, in (0, 1).
    half_width
        Half the width of its interval, in (0, 1).
    ratio
        k: nominal objects for each anomalous one, among those judged.
    level
        Confidence level.
    views, icc, views_cv
        As in :func:`~protocols.planning_design_effect`.
    variance
        As in :func:`auroc_variance`.

    Returns
    -------
    SampleSize
        ``n_objects`` and ``n_images`` are those of the anomalous class.

    Raises
    ------
    InputError
        A value is out of range, or the variance is not known.

    References
    ----------
    Hanley & McNeil (1982), The meaning and use of the area under a ROC curve.

    Examples
    --------
    >>> sample_size_auroc(0.9, 0.05).n_objects, sample_size_auroc(0.95, 0.03).n_objects
    (79, 110)
    >>> sample_size_auroc(0.9, 0.05, variance="obuchowski").n_objects
    106
    """
    a, target = checked_fraction(value, "value"), checked_fraction(half_width, "half_width")
    k, z = checked_positive(ratio, "ratio"), two_sided(level)
    clustering = Clustering(views, icc, views_cv)

    def narrow(p: int) -> bool:
        return z * math.sqrt(auroc_variance(a, p, whole_above(k * p), variance=variance)) <= target

    p = smallest(narrow, "half_width", half_width)
    of_class = clustering.needed(p), clustering.needed(whole_above(k * p))
    return _of_auroc(a, *of_class, clustering, level, variance)


def achieved_half_width(metric: str, value: float, *, n_objects_anomalous: int = 0, n_objects_nominal: int = 0,
                        level: float = 0.95, views: float = 1, icc: float = 0, views_cv: float = 0,
                        variance: str = "hanley_mcneil") -> SampleSize:  # fmt: skip
    r"""Half width that the objects at hand give: the sample sizes read backwards.

    :math:`z \sqrt{p(1-p)/n}` for a rate, :math:`z \sqrt{Var(A, P, N)}` for the AUROC, with n the number of
    independent images that the images are worth, :math:`n / DE`.

    Parameters
    ----------
    metric
        ``auroc``, ``sensitivity``, ``escape``, ``specificity`` or ``overkill``.
    value
        The value expected, in (0, 1).
    n_objects_anomalous, n_objects_nominal
        Objects that are judged, of the classes that the metric needs.
    level
        Confidence level.
    views, icc, views_cv
        As in :func:`~protocols.planning_design_effect`.
    variance
        Of the AUROC, as in :func:`auroc_variance`.

    Returns
    -------
    SampleSize
        With the objects given and the ``half_width`` they reach.

    Raises
    ------
    InputError
        A value is out of range, or a class that the metric needs has no object.

    References
    ----------
    Cochran (1977), Sampling techniques; Hanley & McNeil (1982), The meaning and use of the area under a
    ROC curve.

    Examples
    --------
    >>> round(achieved_half_width("sensitivity", 0.95, n_objects_anomalous=40).half_width, 3)
    0.068
    >>> round(achieved_half_width("auroc", 0.9, n_objects_anomalous=79, n_objects_nominal=79).half_width, 3)
    0.05
    """
    name = resolve_metric(metric).name
    v, clustering = checked_fraction(value, "value"), Clustering(views, icc, views_cv)
    two_sided(level)
    anomalous = nominal = NONE
    if name == "auroc" or name not in OF_NOMINAL:
        anomalous = clustering.of_objects(counted(n_objects_anomalous, "n_objects_anomalous"))
    if name == "auroc" or name in OF_NOMINAL:
        nominal = clustering.of_objects(counted(n_objects_nominal, "n_objects_nominal"))
    if name == "auroc":
        return _of_auroc(v, anomalous, nominal, clustering, level, variance)
    return _of_rate(name, v, anomalous if _is_anomalous(name) else nominal, clustering, level)


def two_sided(level: float) -> float:
    """Return the two-sided normal quantile of a confidence level."""
    return float(special.ndtri((1 + checked_fraction(level, "level")) / 2))


def whole_above(n: float) -> int:
    """Return the number rounded up, at least 1; what rounding added is not counted."""
    return max(1, math.ceil(n - EPSILON))


def counted(n: int, what: str) -> int:
    """Return a number of objects, 1 or more."""
    if isinstance(n, bool) or n != int(n) or n < 1:
        raise InputError(what, n, "a whole number of 1 or more", "Say how many objects there are.", code="OutOfRange")
    return int(n)


def smallest(enough: Callable[[int], bool], what: str, found: object) -> int:
    """Return the smallest number that is enough; if one is, all larger ones are."""
    high = 1
    while not enough(high):
        high *= 2
        _reachable(high, what, found)
    low = high // 2  # not enough, or 0
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


def _reachable(n: float, what: str, found: object) -> int:
    if n > LARGEST:
        raise InputError(what, found, f"what {LARGEST:,} objects can reach", "Ask for less.", code="OutOfRange")
    return whole_above(n)


def _both_win(a: float) -> float:
    """Return the chance that two anomalous images both outscore one nominal image: normal classes, equal variances."""
    h = float(special.ndtri(a))
    # The bivariate normal cdf at (h, h) with correlation 1/2, by Owen's T.
    return a - 2 * float(special.owens_t(h, math.sqrt(1 / 3)))


def _is_anomalous(metric: str) -> bool:
    name = resolve_metric(metric).name
    if name not in RATES:
        raise InputError("metric", metric, f"one of {', '.join(RATES)}", "Only rates of one class have this formula.")
    return name not in OF_NOMINAL


def _of_rate(metric: str, p: float, amount: Amount, clustering: Clustering, level: float) -> SampleSize:
    n, anomalous = clustering.worth(amount), _is_anomalous(metric)
    half_width = two_sided(level) * math.sqrt(p * (1 - p) / n)
    notes = (f"{resolve_metric(metric).name} {p:g} at a threshold that is given", *clustering.notes)
    if n * min(p, 1 - p) < 5:
        notes = (*notes, "fewer than 5 events expected: the normal approximation is rough")
    of_class = (amount, NONE) if anomalous else (NONE, amount)
    return sized(*of_class, half_width, level, "proportion, normal", (*notes, _THREE_WAY) if anomalous else notes,
                 anomalous_first=anomalous)  # fmt: skip


def _of_auroc(a: float, anomalous: Amount, nominal: Amount, clustering: Clustering, level: float,
              variance: str) -> SampleSize:  # fmt: skip
    expected = auroc_variance(a, clustering.worth(anomalous), clustering.worth(nominal), variance=variance)
    names = {"hanley_mcneil": "Hanley-McNeil", "obuchowski": "Obuchowski-McClish", "binormal": "binormal"}
    notes = (f"AUROC {a:g}", *clustering.notes, _THREE_WAY)
    return sized(anomalous, nominal, two_sided(level) * math.sqrt(expected), level, f"AUROC, {names[variance]}", notes)


def sized(anomalous: Amount, nominal: Amount, half_width: float, level: float, method: str, notes: tuple[str, ...], *,
          anomalous_first: bool = True, power: float = math.nan) -> SampleSize:  # fmt: skip
    """Return the size; ``n_objects`` and ``n_images`` are of the class that the formula counts."""
    first = anomalous if anomalous_first else nominal
    return SampleSize(first.objects, first.images, anomalous.objects, nominal.objects, anomalous.images,
                      nominal.images, half_width, level, method, notes, power)  # fmt: skip
