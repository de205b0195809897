"""Threshold rules: what to maximise over the candidate cuts of the threshold partition, one function a rule.

A rule sees :class:`Candidates`, counts at every cut for one or for many weightings, and returns a utility to
maximise: whole numbers where possible, so that equal cuts compare equal. Ties are broken in one place
(:func:`select`), never by which came first.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from importlib.metadata import entry_points
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .candidates import Candidates, candidates, cut_values
from .errors import InputError
from .inputs import checked_fraction, checked_positive, checked_scores, checked_weights, object_index, one_class
from .metrics import blocks
from .results import Status, Threshold

__all__ = ["RULES", "Candidates", "Rule", "candidates", "resolve_rule", "rule_name", "select", "select_threshold",
           "selected_cuts"]  # fmt: skip

Utilities = NDArray[Any]
_NEVER = np.iinfo(np.int64).min


def youden(c: Candidates) -> Utilities:
    """Largest J = TPR - FPR, compared as TP N - FP P (Youden 1950). Same cut as balanced accuracy."""
    return c.tp * c.n_nominal - c.fp * c.n_anomalous


def topleft(c: Candidates) -> Utilities:
    """Nearest to the corner (0, 1): smallest (1 - TPR)^2 + FPR^2."""
    return -((c.fn / c.n_anomalous) ** 2 + (c.fp / c.n_nominal) ** 2)


def product(c: Candidates) -> Utilities:
    """Largest TPR TNR; the geometric mean is its root and chooses the same cut."""
    return c.tp * c.tn


def fbeta(c: Candidates, *, beta: float = 1.0, prevalence: float | None = None) -> Utilities:
    """Largest F-beta; 0 without caught anomalies. ``prevalence`` reweights the counts to the factory's share."""
    b2 = checked_positive(beta, "beta") ** 2
    tp, fn, fp = c.tp.astype(np.float64), c.fn.astype(np.float64), c.fp.astype(np.float64)
    if prevalence is not None:
        pi = checked_fraction(prevalence, "prevalence")
        tp, fn, fp = pi * tp / c.n_anomalous, pi * fn / c.n_anomalous, (1 - pi) * fp / c.n_nominal
    below = (1 + b2) * tp + b2 * fn + fp
    return np.asarray((1 + b2) * tp / np.where(below > 0, below, 1.0))


def cost(c: Candidates, *, missed: float, false_alarm: float, prevalence: float | None = None) -> Utilities:
    """Smallest expected cost a part, c_FN pi FNR + c_FP (1 - pi) FPR; pi is the partition's own if not given."""
    c_fn, c_fp = checked_positive(missed, "missed"), checked_positive(false_alarm, "false_alarm")
    if prevalence is None:
        pi: Any = c.n_anomalous / (c.n_anomalous + c.n_nominal)
    else:
        pi = checked_fraction(prevalence, "prevalence")
    return np.asarray(-(c_fn * pi * c.fn / c.n_anomalous + c_fp * (1 - pi) * c.fp / c.n_nominal))


def max_fpr(c: Candidates, *, value: float) -> Utilities:
    """Largest TPR with FPR <= value (plug-in: no guarantee on new data)."""
    limit = np.floor(checked_fraction(value, "value", closed=True) * c.n_nominal + 1e-9)
    return np.where(c.fp <= limit, c.tp, _NEVER)


def min_tpr(c: Candidates, *, value: float) -> Utilities:
    """Smallest FPR with TPR >= value (plug-in: no guarantee on new data)."""
    return target_escape(c, value=1 - checked_fraction(value, "value", closed=True))


def target_escape(c: Candidates, *, value: float) -> Utilities:
    """Smallest overkill with an escape rate of at most value."""
    limit = np.floor(checked_fraction(value, "value", closed=True) * c.n_anomalous + 1e-9)
    return np.where(c.fn <= limit, -c.fp, _NEVER)


def nominal_quantile(c: Candidates, *, value: float) -> Utilities:
    """Just above the ceil((1 - value) N)-th smallest nominal score; needs no anomalous image."""
    rank = np.ceil((1 - checked_fraction(value, "value", closed=True)) * c.n_nominal - 1e-9)
    return np.where(c.tn >= rank, c.fp, _NEVER)


@dataclass(frozen=True)
class Rule:
    """A threshold rule and what to know about it.

    Parameters
    ----------
    function
        Candidates (and parameters) to utilities, shape (..., m + 1); impossible = the smallest int64 or -inf.
    required, optional
        Names of its parameters.
    criterion
        (best utility, P, N) to the value of the criterion as people state it.
    useless_end
        Which end of the curve makes it useless: ``both`` ends, ``none`` (nothing caught) or ``all`` (all rejected).
    needs_anomalous
        Whether it needs anomalous images.
    above
        The threshold is just above the score below the cut, not between two scores.
    """

    function: Callable[..., Utilities]
    required: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()
    criterion: Callable[[float, int, int], float] = lambda u, p, n: u
    useless_end: str = "both"
    needs_anomalous: bool = True
    above: bool = False


# fmt: off
RULES: dict[str, Rule] = {
    "youden": Rule(youden, criterion=lambda u, p, n: u / (p * n)),
    "balanced_accuracy": Rule(youden, criterion=lambda u, p, n: (u / (p * n) + 1) / 2),
    "topleft": Rule(topleft, criterion=lambda u, p, n: math.sqrt(-u)),
    "product": Rule(product, criterion=lambda u, p, n: u / (p * n)),
    "gmean": Rule(product, criterion=lambda u, p, n: math.sqrt(u / (p * n))),
    "fbeta": Rule(fbeta, optional=("beta", "prevalence")),
    "f1": Rule(fbeta, optional=("prevalence",)),
    "cost": Rule(cost, required=("missed", "false_alarm"), optional=("prevalence",), criterion=lambda u, p, n: -u),
    "max_fpr": Rule(max_fpr, required=("value",), criterion=lambda u, p, n: u / p, useless_end="none"),
    "target_overkill": Rule(max_fpr, required=("value",), criterion=lambda u, p, n: u / p, useless_end="none"),
    "min_tpr": Rule(min_tpr, required=("value",), criterion=lambda u, p, n: -u / n, useless_end="all"),
    "target_escape": Rule(target_escape, required=("value",), criterion=lambda u, p, n: -u / n, useless_end="all"),
    "nominal_quantile": Rule(nominal_quantile, required=("value",), criterion=lambda u, p, n: u / n,
                             useless_end="none", needs_anomalous=False, above=True),
}
# fmt: on


def select(c: Candidates, utilities: Utilities, prefer: str = "sensitivity") -> NDArray[np.int64]:
    """Return the position of the best cut; ties by higher TPR, then lower FPR (or the other way round).

    Parameters
    ----------
    c
        The candidates.
    utilities
        Shape (..., m + 1); whole numbers compare exactly, others within 1e-12 (of the best, if that is above 1).
    prefer
        ``sensitivity`` or ``specificity``: what decides between equal cuts first.

    Returns
    -------
    ndarray
        Shape (...).
    """
    best = utilities.max(axis=-1, keepdims=True)
    if utilities.dtype.kind == "f":
        # Of the best, not of the worst: one costly cut must not make the good ones equal.
        equal = utilities >= best - 1e-12 * np.where(np.isfinite(best), np.maximum(np.abs(best), 1.0), 0.0)
    else:
        equal = utilities == best
    if prefer == "sensitivity":
        key = c.tp * (c.n_nominal + 1) + c.tn
    elif prefer == "specificity":
        key = c.tn * (c.n_anomalous + 1) + c.tp
    else:
        raise InputError("prefer", prefer, "sensitivity or specificity", "Correct the value.")
    return np.asarray(np.where(equal, key, -1).argmax(axis=-1), np.int64)


def select_threshold(labels: ArrayLike, scores: ArrayLike, rule: str = "youden", *, objects: Any = None,
                     **parameters: Any) -> Threshold:  # fmt: skip
    """Choose a threshold: anomalous if and only if ``score >= threshold``.

    Parameters
    ----------
    labels, scores
        The threshold partition, shape (n,).
    rule
        A name of ``RULES``.
    objects
        Object ids, shape (n,); the rules that exist now weigh every image equally and only check them.
    **parameters
        The rule's parameters, and for all ``convention`` (``midpoint`` between neighbouring scores, or ``observed``:
        the upper of the two) and ``prefer`` (``sensitivity`` or ``specificity``, for ties).

    Returns
    -------
    Threshold
        ``apparent`` is the criterion on the same data, hence optimistic. ``degenerate``: the best cut calls
        everything, or nothing, anomalous. ``undefined``: a class is missing.

    Examples
    --------
    >>> labels, scores = [0, 0, 0, 0, 1, 1, 1], [1, 2, 2, 3, 2, 3, 4]
    >>> select_threshold(labels, scores).value
    2.5
    >>> select_threshold(labels, scores, "cost", missed=10, false_alarm=1, prevalence=0.02).value
    3.5
    """
    y, s = checked_scores(labels, scores)
    if objects is not None:
        object_index(objects, len(y))
    chosen, own, convention, prefer = _prepared(rule, parameters)
    shown = dict(sorted(parameters.items()))
    p = int(y.sum())
    n = len(y) - p
    if not n or (not p and chosen.needs_anomalous):
        reason = one_class(rule, n, p) if chosen.needs_anomalous else f"{rule} needs nominal images; got N=0"
        return Threshold(math.nan, rule, shown, "undefined", (reason,))
    c = candidates(y, s, convention=convention)
    utilities = chosen.function(c, **own)
    at = int(select(c, utilities, prefer))
    value = float(cut_values(c, np.int64(at), above=chosen.above))
    apparent = float(chosen.criterion(float(utilities[at]), p, n))
    status, notes = _doubts(chosen, c, at, p, n)
    if "prevalence" in chosen.optional and chosen.function is cost and own.get("prevalence") is None:
        notes = (*notes, f"no prevalence given: the partition's own, {p / (p + n):.4g}, was used")
    return Threshold(value, rule, shown, status, notes, apparent)


def selected_cuts(labels: ArrayLike, scores: ArrayLike, weights: ArrayLike, rule: str = "youden",
                  **parameters: Any) -> NDArray[np.float64]:  # fmt: skip
    """Choose a threshold under each row of multiplicities, as if each image were there that often.

    Parameters
    ----------
    labels, scores
        Shape (n,).
    weights
        Whole multiplicities, shape (B, n). Worked through in blocks of rows.
    rule, **parameters
        As in :func:`select_threshold`.

    Returns
    -------
    ndarray
        Shape (B,); NaN where a class that the rule needs has no weight.
    """
    y, s = checked_scores(labels, scores)
    chosen, own, convention, prefer = _prepared(rule, parameters)
    w = np.atleast_2d(checked_weights(weights, len(y)))
    cuts = np.full(len(w), np.nan)
    for rows in blocks(len(w), len(y)):
        n_anomalous, n_nominal = w[rows] @ y, w[rows] @ (1 - y)
        usable = (n_nominal > 0) & ((n_anomalous > 0) | (not chosen.needs_anomalous))
        if not usable.any():
            continue
        c = candidates(y, s, w[rows][usable], convention)
        at = select(c, chosen.function(c, **own), prefer)
        cuts[np.arange(len(w))[rows][usable]] = cut_values(c, at, above=chosen.above)
    return cuts


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


def _prepared(rule: str, parameters: Mapping[str, Any]) -> tuple[Rule, dict[str, Any], str, str]:
    """Return the rule, its own parameters, the convention and the preference, all names checked."""
    chosen = resolve_rule(rule)
    own = {k: v for k, v in parameters.items() if k not in ("convention", "prefer")}
    allowed = (*chosen.required, *chosen.optional)
    for name in own:
        if name not in allowed:
            raise InputError(f"threshold rule {rule!r}", name,
                             f"one of {[*allowed, 'convention', 'prefer']}", "Remove or correct the parameter.",
                             code="UnknownParameter")  # fmt: skip
    for name in chosen.required:
        if own.get(name) is None:
            raise InputError(f"threshold rule {rule!r}", sorted(own), f"the parameter {name!r}", "Add it.",
                             code="MissingParameter")  # fmt: skip
    return chosen, own, str(parameters.get("convention", "midpoint")), str(parameters.get("prefer", "sensitivity"))


def _doubts(rule: Rule, c: Candidates, at: int, p: int, n: int) -> tuple[Status, tuple[str, ...]]:
    """Return status and notes of a selected cut."""
    if not p:
        return "ok", ()
    tp, fp = int(c.tp[at]), int(c.fp[at])
    useless = {"both": (tp, fp) in ((0, 0), (p, n)), "none": tp == 0, "all": fp == n}[rule.useless_end]
    notes: tuple[str, ...] = ("no useful threshold under this criterion",) if useless else ()
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
