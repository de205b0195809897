"""Threshold rules by name, and the thresholds they choose: once, or under thousands of bootstrap multiplicities.

What a rule maximises is a function in :mod:`protocols.threshold_criteria`, or with a guarantee in
:mod:`protocols.guarantees`. Ties are broken in one place (:func:`~protocols.candidates.select`), never by which came
first.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from difflib import get_close_matches
from importlib.metadata import entry_points
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .candidates import NEVER, Candidates, candidates, select
from .decisions import Confusion
from .errors import InputError
from .guarantees import conformal, conformal_remarks, escape_remarks, escape_umbrella, np_remarks, np_umbrella
from .inputs import (
    admitted_rows,
    checked_fraction,
    checked_scores,
    checked_weights,
    object_index,
    one_class,
)
from .metrics import blocks
from .results import Status, Threshold
from .threshold_criteria import (
    cost,
    fbeta,
    max_fpr,
    min_tpr,
    nominal_quantile,
    product,
    target_escape,
    topleft,
    youden,
)
from .threshold_rule import Rule, attainable, chosen_cuts, placed, possible

__all__ = ["NEVER", "RULES", "Candidates", "Rule", "candidates", "chosen_cuts", "prepared_rule", "resolve_rule",
           "rule_name", "select", "select_threshold", "selected_cuts"]  # fmt: skip

CONVENTIONS_OF_ALL = ("convention", "prefer")
USELESS = "no useful threshold under this criterion"


def _tpr(u: float, k: Confusion) -> float:
    return k.tp / (k.tp + k.fn) if k.tp + k.fn else math.nan


def _fpr(u: float, k: Confusion) -> float:
    return k.fp / (k.fp + k.tn) if k.fp + k.tn else math.nan


def _youden_j(u: float, k: Confusion) -> float:
    return u / ((k.tp + k.fn) * (k.fp + k.tn))


_UMBRELLA = Rule(np_umbrella, ("value",), ("delta",), _fpr, "none", ("nominal",), "above", guarantees="nominal",
                 remarks=np_remarks)  # fmt: skip
_ESCAPE = Rule(escape_umbrella, ("value",), ("delta",), _fpr, "all", ("anomalous",), "score", guarantees="anomalous",
               remarks=escape_remarks)  # fmt: skip

# fmt: off
RULES: dict[str, Rule] = {
    "youden": Rule(youden, criterion=_youden_j),
    "balanced_accuracy": Rule(youden, criterion=lambda u, k: (_youden_j(u, k) + 1) / 2),
    "topleft": Rule(topleft, criterion=lambda u, k: math.sqrt(-u)),
    "product": Rule(product, criterion=_youden_j),
    "gmean": Rule(product, criterion=lambda u, k: math.sqrt(_youden_j(u, k))),
    "fbeta": Rule(fbeta, optional=("beta", "prevalence")),
    "f1": Rule(fbeta, optional=("prevalence",)),
    "cost": Rule(cost, required=("missed", "false_alarm"), optional=("prevalence",), criterion=lambda u, k: -u),
    "max_fpr": Rule(max_fpr, required=("value",), criterion=_tpr, useless_end="none"),
    "target_overkill": Rule(max_fpr, required=("value",), optional=("guarantee",), criterion=_tpr, useless_end="none",
                            guaranteed=replace(_UMBRELLA, criterion=_tpr)),
    "min_tpr": Rule(min_tpr, required=("value",), criterion=_fpr, useless_end="all"),
    "target_escape": Rule(target_escape, required=("value",), optional=("guarantee",), criterion=_fpr,
                          useless_end="all", guaranteed=_ESCAPE),
    "nominal_quantile": Rule(nominal_quantile, required=("value",), criterion=_fpr, useless_end="none",
                             needs=("nominal",), place="above"),
    "np_umbrella": _UMBRELLA,
    "conformal": Rule(conformal, required=("value",), criterion=_fpr, useless_end="none", needs=("nominal",),
                      place="above", otherwise=math.inf, by_object=True, remarks=conformal_remarks),
}
# fmt: on


def select_threshold(labels: ArrayLike, scores: ArrayLike, rule: str = "youden", *, objects: Any = None,
                     nan_policy: str = "error", inf_policy: str = "error", **parameters: Any
                     ) -> Threshold:  # fmt: skip
    """Choose a threshold: anomalous if and only if ``score >= threshold``.

    Candidates are the lowest score, the midpoints of neighbouring scores and inf. Equal criteria are decided by the
    higher TPR, then the lower FPR, never by order.

    Parameters
    ----------
    labels, scores
        The threshold partition, shape (n,).
    rule
        A name of ``RULES``.
    objects
        Object ids, shape (n,). ``conformal`` then gives every object the same weight; a guarantee that counts images
        as independent is noted as void where an object has several of the class concerned. Other rules weigh every
        image equally.
    nan_policy
        ``error``, or ``drop``: leave out rows whose score is NaN; the notes count them by class.
    inf_policy
        ``error``, or ``rank``: infinite scores are the lowest and the highest. A score of inf is anomalous at every
        threshold.
    **parameters
        The rule's parameters, and for all ``convention`` (``midpoint`` between neighbouring scores, or ``observed``:
        the upper of the two) and ``prefer`` (``sensitivity`` or ``specificity``, for ties). Rules that take an order
        statistic (``nominal_quantile``, ``np_umbrella``, ``conformal``, ``guarantee``) lie at that score, or just
        above it, whatever the convention.

    Returns
    -------
    Threshold
        ``apparent`` is the criterion on the same data, hence optimistic. ``degenerate``: the best cut calls
        everything, or nothing, anomalous. ``approximate``: a guarantee does not hold. ``undefined``: a class is
        missing, or no cut is possible.

    Raises
    ------
    UndefinedError
        Code ``GuaranteeInfeasible``: a guarantee needs more units than there are; the message states both numbers.
    InputError
        The rule, a parameter or the data are wrong.

    References
    ----------
    Tong, Feng & Li (2018), Neyman-Pearson classification algorithms and NP receiver operating characteristics.
    Vovk, Gammerman & Shafer (2005), Algorithmic learning in a random world. Lee, Barber & Willett (2023),
    Distribution-free inference with hierarchical data.

    Examples
    --------
    >>> labels, scores = [0, 0, 0, 0, 1, 1, 1], [1, 2, 2, 3, 2, 3, 4]
    >>> select_threshold(labels, scores).value
    2.5
    >>> select_threshold(labels, scores, "cost", missed=10, false_alarm=1, prevalence=0.02).value
    3.5
    >>> bool(select_threshold([0] * 100, range(1, 101), "np_umbrella", value=0.05).value == np.nextafter(99, 100))
    True
    >>> views, objects = [1, 5, 2, 3, 4, 9], ["a", "a", "b", "c", "c", "c"]
    >>> round(select_threshold([0] * 6, views, "conformal", objects=objects, value=0.4).value, 6)
    5.0
    """
    rows = admitted_rows(labels, scores, nan_policy=nan_policy, inf_policy=inf_policy)
    y, s = rows.labels, rows.scores
    index = None if objects is None else object_index(rows.of(objects, "objects"), len(y))[1]
    chosen, own, convention, prefer = prepared_rule(rule, parameters)
    shown = dict(sorted(parameters.items()))
    p = int(y.sum())
    n = len(y) - p
    missing = [name for name, count in (("anomalous", p), ("nominal", n)) if name in chosen.needs and not count]
    if missing:
        reason = one_class(rule, n, p) if len(chosen.needs) > 1 else f"{rule} needs {missing[0]} images; got 0"
        return Threshold(math.nan, rule, shown, "undefined", (reason, *rows.notes))
    crowded = {} if index is None else {"nominal": _several(index[y == 0]), "anomalous": _several(index[y == 1])}
    by_object = index if chosen.by_object and crowded.get("nominal") else None
    c = candidates(y, s, convention=convention, objects=by_object, inf_policy=inf_policy)
    notes = chosen.remarks(c, **own) if chosen.remarks else ()
    utilities = attainable(c, chosen.function(c, **own))
    at = int(select(c, utilities, prefer))
    value = float(placed(c, chosen, utilities, np.int64(at)))
    if math.isnan(value):
        reason = "no cut is possible: a nominal score of inf is anomalous at every threshold"
        return Threshold(math.nan, rule, shown, "undefined", (reason, *notes, *rows.notes))
    if not possible(utilities):
        at = len(c.cuts) - 1  # nothing is anomalous
    counts = Confusion(int(c.tp[at]), int(c.fp[at]), int(c.fn[at]), int(c.tn[at]))
    apparent = float(chosen.criterion(float(utilities[at]), counts))
    status, doubts = _doubts(chosen, c, at, p, n)
    if not possible(utilities) and status == "ok":
        status, doubts = "degenerate", (USELESS,)
    notes = (*doubts, *notes)
    if crowded.get(chosen.guarantees):
        status = "degenerate" if status == "degenerate" else "approximate"
        notes = ('guarantee="void (clustered units)"', *notes)
    if "prevalence" in chosen.optional and chosen.function is cost and own.get("prevalence") is None:
        notes = (*notes, f"no prevalence given: the partition's own, {p / (p + n):.4g}, was used")
    return Threshold(value, rule, shown, status, (*notes, *rows.notes), apparent)


def selected_cuts(labels: ArrayLike, scores: ArrayLike, weights: ArrayLike, rule: str = "youden", *,
                  objects: Any = None, **parameters: Any) -> NDArray[np.float64]:  # fmt: skip
    """Choose a threshold under each row of multiplicities, as if each image were there that often.

    Parameters
    ----------
    labels, scores
        Shape (n,).
    weights
        Whole multiplicities, shape (B, n). Worked through in blocks of rows.
    rule, **parameters
        As in :func:`select_threshold`.
    objects
        Object ids, shape (n,), for rules that give all objects the same weight: an object drawn w times is w objects.

    Returns
    -------
    ndarray
        Shape (B,); NaN where a class that the rule needs has no weight, or too little for its guarantee.
    """
    y, s = checked_scores(labels, scores)
    chosen, own, convention, prefer = prepared_rule(rule, parameters)
    w = np.atleast_2d(checked_weights(weights, len(y)))
    by_object = None
    if chosen.by_object and objects is not None:
        index = object_index(objects, len(y))[1]
        by_object = index if _several(index[y == 0]) else None
    cuts = np.full(len(w), np.nan)
    for rows in blocks(len(w), len(y)):
        weight = {"anomalous": w[rows] @ y, "nominal": w[rows] @ (1 - y)}
        usable = np.all([weight[name] > 0 for name in chosen.needs], axis=0)
        if usable.any():
            c = candidates(y, s, w[rows][usable], convention, by_object)
            cuts[np.arange(len(w))[rows][usable]] = chosen_cuts(c, chosen, own, prefer)
    return cuts


def _several(index: NDArray[np.int64]) -> bool:
    """Return whether some object is there more than once."""
    return len(np.unique(index)) < len(index)


def rule_name(rule: str, parameters: Mapping[str, object] | None = None) -> str:
    """Return the rule with the parameters given, sorted: the column ``threshold_rule``.

    Examples
    --------
    >>> rule_name("youden"), rule_name("cost", {"missed": 100, "false_alarm": 2.0, "prevalence": 0.01})
    ('youden', 'cost(false_alarm=2,missed=100,prevalence=0.01)')
    """
    given = {k: v for k, v in (parameters or {}).items() if v is not None}
    if not given:
        return rule
    return f"{rule}({','.join(f'{k}={_shown(given[k])}' for k in sorted(given))})"


def resolve_rule(rule: str) -> Rule:
    """Return the rule of this name: one of ``RULES``, or a plug-in of the group ``lab2factory.thresholds``.

    A plug-in is a :class:`Rule`, or a function of :class:`Candidates` without parameters.

    Raises
    ------
    InputError
        Code ``UnknownRule``; the message shows the nearest names.
    """
    if rule in RULES:
        return RULES[rule]
    plugins = {point.name: point for point in entry_points(group="lab2factory.thresholds")}
    if rule in plugins:
        found = plugins[rule].load()
        return found if isinstance(found, Rule) else Rule(found)
    known = [*RULES, *plugins]
    raise InputError("threshold rule", rule, f"one of {get_close_matches(str(rule), known) or sorted(known)}",
                     "Correct the name.", code="UnknownRule")  # fmt: skip


def prepared_rule(rule: str, parameters: Mapping[str, Any]) -> tuple[Rule, dict[str, Any], str, str]:
    """Return the rule, its own parameters, the convention and the preference, all names checked.

    With a ``guarantee`` it is the rule that gives it, and not the one that only fits these data.

    Raises
    ------
    InputError
        Code ``UnknownRule``, ``UnknownParameter`` or ``MissingParameter``.
    """
    chosen = resolve_rule(rule)
    own = {k: v for k, v in parameters.items() if k not in CONVENTIONS_OF_ALL}
    allowed = (*chosen.required, *chosen.optional)
    for name in own:
        if name not in allowed:
            raise InputError(f"threshold rule {rule!r}", name,
                             f"one of {[*allowed, *CONVENTIONS_OF_ALL]}", "Remove or correct the parameter.",
                             code="UnknownParameter")  # fmt: skip
    for name in chosen.required:
        if own.get(name) is None:
            raise InputError(f"threshold rule {rule!r}", sorted(own), f"the parameter {name!r}", "Add it.",
                             code="MissingParameter")  # fmt: skip
    delta = own.pop("guarantee", None) if chosen.guaranteed else None
    if chosen.guaranteed and delta is not None:
        chosen, own = chosen.guaranteed, {**own, "delta": checked_fraction(delta, "guarantee")}
    return chosen, own, str(parameters.get("convention", "midpoint")), str(parameters.get("prefer", "sensitivity"))


def _doubts(rule: Rule, c: Candidates, at: int, p: int, n: int) -> tuple[Status, tuple[str, ...]]:
    """Return status and notes of a selected cut."""
    if not p or not n:
        return "ok", ()
    tp, fp = int(c.tp[at]), int(c.fp[at])
    useless = {"both": (tp, fp) in ((0, 0), (p, n)), "none": tp == 0, "all": fp == n}[rule.useless_end]
    notes: tuple[str, ...] = (USELESS,) if useless else ()
    if int(youden(c).max()) <= 0:
        notes += ("the best J is 0: scores may be inverted",)
    if len(c.distinct) == 1:
        notes += ("all scores are equal",)
    return ("degenerate" if useless else "ok"), notes


def _shown(value: object) -> str:
    if isinstance(value, (float, np.floating)):
        text = repr(float(value))
        return text[:-2] if text.endswith(".0") else text
    return str(value)
