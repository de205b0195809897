"""How many parts are needed to tell two detectors apart that judge the same parts."""

from __future__ import annotations

import math
from dataclasses import dataclass

from scipy import special

from .clustering import NONE, Amount, Clustering
from .errors import InputError
from .inputs import checked_fraction, checked_positive
from .judging import OF_NOMINAL
from .metrics import resolve_metric
from .sample_size import RATES, SampleSize, auroc_variance, counted, sized, smallest, two_sided, whole_above

_PAIRED = "both detectors judge the same objects"


@dataclass(frozen=True)
class _Pair:
    """Variances of a paired difference as functions of the independent units: without and with a difference."""

    metric: str
    first: float
    second: float
    correlation: float
    variance: str

    @property
    def difference(self) -> float:
        return abs(self.second - self.first)

    def variances(self, n_anomalous: float, n_nominal: float) -> tuple[float, float]:
        if self.metric == "auroc":
            v1, v2 = (auroc_variance(v, n_anomalous, n_nominal, variance=self.variance)
                      for v in (self.first, self.second))  # fmt: skip
            covariance = self.correlation * math.sqrt(v1 * v2)
            return 2 * v1 - 2 * covariance, v1 + v2 - 2 * covariance
        n = n_nominal if self.metric in OF_NOMINAL else n_anomalous
        discordant = discordant_share(self.first, self.second, self.correlation)
        return discordant / n, (discordant - self.difference**2) / n

    def power(self, z: float, n_anomalous: float, n_nominal: float) -> float:
        without, with_it = (math.sqrt(max(v, 0.0)) for v in self.variances(n_anomalous, n_nominal))
        return float(special.ndtr((self.difference - z * without) / with_it)) if with_it > 0 else 1.0


def sample_size_difference(difference: float, value: float, *, metric: str = "auroc", power: float = 0.8,
                           correlation: float = 0, ratio: float = 1, level: float = 0.95, views: float = 1,
                           icc: float = 0, views_cv: float = 0,
                           variance: str = "hanley_mcneil") -> SampleSize:  # fmt: skip
    r"""Objects on which a difference between two detectors is found with a given power (two-sided test, paired).

    The smallest n with :math:`z_{1-\alpha/2} \sqrt{V_0} + z_{power} \sqrt{V_A} \le |\delta|`.

    AUROC [1]_ [2]_: :math:`V_A = V_1 + V_2 - 2 r \sqrt{V_1 V_2}`, :math:`V_0 = 2 V_1 - 2 r \sqrt{V_1 V_2}`, with r
    the correlation of the two estimates. Rates [3]_, McNemar's test: :math:`V_0 = \psi / n`,
    :math:`V_A = (\psi - \delta^2) / n`, with :math:`\psi` the share of objects that the detectors judge differently,
    :math:`p_1 + p_2 - 2 (p_1 p_2 + r \sqrt{p_1 q_1 p_2 q_2})`.

    Parameters
    ----------
    difference
        The smallest difference worth finding: the second detector's value minus the first's, not 0.
    value
        The first detector's value, in (0, 1); so must be the second's.
    metric
        ``auroc``, ``sensitivity``, ``escape``, ``specificity`` or ``overkill``.
    power
        Chance of finding it, in (0, 1).
    correlation
        r in (-1, 1): of the two AUROC estimates, or of the two detectors' decisions on an object of the class. 0 is
        cautious: detectors tend to stumble over the same objects.
    ratio
        Nominal objects for each anomalous one, for the AUROC.
    level
        1 minus the significance level.
    views, icc, views_cv
        As in :func:`~protocols.planning_design_effect`, of the differences.
    variance
        Of an AUROC, as in :func:`~protocols.sample_size.auroc_variance`.

    Returns
    -------
    SampleSize
        ``half_width`` is that of the difference's interval, ``power`` what the rounded numbers reach.

    Raises
    ------
    InputError
        A value is out of range, or the correlation is impossible for these rates.

    References
    ----------
    .. [1] Hanley & McNeil (1983), A method of comparing the areas under ROC curves derived from the same cases.
    .. [2] Obuchowski & McClish (1997), Sample size determination for diagnostic accuracy studies involving binormal
       ROC curve indices.
    .. [3] Connor (1987), Sample size for testing differences in proportions for the paired-sample design.

    Examples
    --------
    >>> size = sample_size_difference(0.05, 0.90, power=0.8, correlation=0.5)
    >>> size.n_objects_anomalous, size.n_objects_nominal, round(size.power, 3)
    (182, 182, 0.803)
    >>> sample_size_difference(0.05, 0.90, metric="sensitivity", correlation=0.3).n_objects
    315
    """
    pair = _pair(difference, value, metric, correlation, variance)
    target, k, z = checked_fraction(power, "power"), checked_positive(ratio, "ratio"), two_sided(level)
    clustering = Clustering(views, icc, views_cv)
    n = smallest(lambda n: pair.power(z, n, whole_above(k * n)) >= target, "difference", difference)
    good = pair.metric in OF_NOMINAL
    anomalous, nominal = (NONE if good else clustering.needed(n)), (clustering.needed(n) if good else NONE)
    if pair.metric == "auroc":
        nominal = clustering.needed(whole_above(k * n))
    return _answer(pair, anomalous, nominal, clustering, level)


def achieved_power(difference: float, value: float, *, metric: str = "auroc", n_objects_anomalous: int = 0,
                   n_objects_nominal: int = 0, correlation: float = 0, level: float = 0.95, views: float = 1,
                   icc: float = 0, views_cv: float = 0, variance: str = "hanley_mcneil") -> SampleSize:  # fmt: skip
    r"""Power with which the objects at hand show a difference between two detectors.

    :math:`\Phi((|\delta| - z_{1-\alpha/2} \sqrt{V_0}) / \sqrt{V_A})`, with the variances of
    :func:`~protocols.sample_size_difference`.

    Parameters
    ----------
    difference, value, metric, correlation, level, views, icc, views_cv, variance
        As in :func:`~protocols.sample_size_difference`.
    n_objects_anomalous, n_objects_nominal
        Objects that are judged, of the classes that the metric needs.

    Returns
    -------
    SampleSize
        With the objects given, the ``power`` they reach and the ``half_width`` of the difference's interval.

    Raises
    ------
    InputError
        A value is out of range, or a class that the metric needs has no object.

    References
    ----------
    Obuchowski & McClish (1997), Sample size determination for diagnostic accuracy studies involving binormal ROC
    curve indices; Connor (1987), Sample size for testing differences in proportions for the paired-sample design.

    Examples
    --------
    >>> have = achieved_power(0.05, 0.90, n_objects_anomalous=40, n_objects_nominal=200, correlation=0.5)
    >>> round(have.power, 2), round(have.half_width, 3)
    (0.21, 0.059)
    """
    pair, clustering = _pair(difference, value, metric, correlation, variance), Clustering(views, icc, views_cv)
    two_sided(level)
    anomalous = nominal = NONE
    if pair.metric not in OF_NOMINAL:
        anomalous = clustering.of_objects(counted(n_objects_anomalous, "n_objects_anomalous"))
    if pair.metric == "auroc" or pair.metric in OF_NOMINAL:
        nominal = clustering.of_objects(counted(n_objects_nominal, "n_objects_nominal"))
    return _answer(pair, anomalous, nominal, clustering, level)


def discordant_share(first: float, second: float, correlation: float) -> float:
    """Return the share of objects of a class on which two detectors with these rates decide differently.

    Raises
    ------
    InputError
        No two decisions with these rates are correlated like that.

    Examples
    --------
    >>> round(discordant_share(0.9, 0.95, 0), 3), round(discordant_share(0.9, 0.95, 0.5), 4)
    (0.14, 0.0746)
    """
    unit = math.sqrt(first * (1 - first) * second * (1 - second))
    both = first * second + correlation * unit
    least, most = max(0.0, first + second - 1), min(first, second)
    if not least - 1e-12 <= both <= most + 1e-12:
        limits = f"a correlation from {(least - first * second) / unit:.4g} to {(most - first * second) / unit:.4g}"
        raise InputError("correlation", correlation, f"{limits} for the rates {first:g} and {second:g}",
                         "Correct the value.", code="OutOfRange")  # fmt: skip
    return first + second - 2 * both


def _pair(difference: float, value: float, metric: str, correlation: float, variance: str) -> _Pair:
    name = resolve_metric(metric).name
    if name not in ("auroc", *RATES):
        raise InputError("metric", metric, f"one of auroc, {', '.join(RATES)}", "Simulate others: protocols.power.")
    first = checked_fraction(value, "value")
    if not 0 < first + difference < 1 or difference == 0:
        raise InputError("difference", difference, f"a difference other than 0 that keeps {first:g} + difference "
                         "between 0 and 1", "Correct the value.", code="OutOfRange")  # fmt: skip
    if not -1 < correlation < 1:
        raise InputError("correlation", correlation, "a number between -1 and 1", "Correct the value.",
                         code="OutOfRange")  # fmt: skip
    pair = _Pair(name, first, first + difference, float(correlation), variance)
    pair.variances(1, 1)  # impossible correlations and unknown variances are named here
    return pair


def _answer(pair: _Pair, anomalous: Amount, nominal: Amount, clustering: Clustering, level: float) -> SampleSize:
    z, worth = two_sided(level), (clustering.worth(anomalous), clustering.worth(nominal))
    half_width = z * math.sqrt(max(pair.variances(*worth)[1], 0.0))
    if pair.metric == "auroc":
        correlation = f"the two AUROCs are correlated by {pair.correlation:g}"
    else:
        share = discordant_share(pair.first, pair.second, pair.correlation)
        correlation = f"decisions correlated by {pair.correlation:g}: {share:.4g} of the objects judged differently"
    notes = (_PAIRED, f"{pair.metric} {pair.first:g} against {pair.second:g}", correlation, *clustering.notes)
    if not pair.correlation:
        notes = (*notes, "correlation 0 is cautious")
    method = "paired AUROCs" if pair.metric == "auroc" else "McNemar, normal"
    return sized(anomalous, nominal, half_width, level, method, notes, power=pair.power(z, *worth),
                 anomalous_first=pair.metric not in OF_NOMINAL)  # fmt: skip
