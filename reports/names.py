"""Names as people say them: metrics, threshold rules, protocols."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

METRICS = {
    "auroc": "AUROC",
    "pauroc": "partial AUROC",
    "average_precision": "average precision",
    "sensitivity": "sensitivity",
    "specificity": "specificity",
    "overkill": "overkill",
    "escape": "escape rate",
    "precision": "precision",
    "npv": "negative predictive value",
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced accuracy",
    "f1": "F1",
    "mcc": "MCC",
    "youden_j": "Youden's J",
    "cost": "cost per part",
    "ppv_at_prevalence": "precision at factory prevalence",
    "npv_at_prevalence": "NPV at factory prevalence",
    "rejects_per_thousand": "rejects per 1,000 parts",
    "escapes_per_million": "escapes per million parts",
    "aupro": "AUPRO",
    "aupimo": "AUPIMO",
    "f1_max": "largest F1",
}
TESTS = {
    "corrected_t": "corrected resampled t-test",
    "sorted_runs": "t-test on sorted runs",
    "bootstrap": "object bootstrap",
}
PARTITIONS = {"threshold": "threshold part", "inference": "inference part", "test": "test set", "train": "training"}

_RULES = {
    "youden": "Youden",
    "balanced_accuracy": "balanced accuracy",
    "topleft": "closest to top left",
    "product": "sensitivity × specificity",
    "gmean": "geometric mean",
    "f1": "F1",
    "fbeta": "F-beta",
    "cost": "lowest cost",
    "max_fpr": "overkill ≤ {value}",
    "min_tpr": "sensitivity ≥ {value}",
    "target_overkill": "overkill target {value}",
    "target_escape": "escape target {value}",
    "nominal_quantile": "nominal quantile {value}",
    "np_umbrella": "overkill guarantee {value}",
    "conformal": "conformal {value}",
}


def metric_name(metric: str, level: str = "") -> str:
    """Return a metric in words, with its level of analysis in front.

    Examples
    --------
    >>> metric_name("auroc", "object"), metric_name("optimism_f1"), metric_name("my_metric", "image")
    ('object AUROC', 'optimism of F1', 'image my_metric')
    """
    if metric.startswith("optimism_"):
        return f"optimism of {metric_name(metric.removeprefix('optimism_'), level)}"
    name = METRICS.get(metric, metric)
    return f"{level} {name}" if level else name


def full_name(metric: str, level: str) -> str:
    """Return the stored full name: ``image_auroc``."""
    return f"{level}_{metric}"


def rule_parameters(rule: str) -> tuple[str, dict[str, str]]:
    """Take ``max_fpr(value=0.05)`` apart.

    Examples
    --------
    >>> rule_parameters("cost(false_alarm=2,missed=100)")
    ('cost', {'false_alarm': '2', 'missed': '100'})
    """
    matched = re.fullmatch(r"([^()]+)\((.*)\)", rule)
    if not matched:
        return rule, {}
    pairs = (part.split("=", 1) for part in matched[2].split(",") if "=" in part)
    return matched[1], {k.strip(): v.strip() for k, v in pairs}


def rule_name(rule: str) -> str:
    """Return a threshold rule in words.

    Examples
    --------
    >>> rule_name("youden"), rule_name("max_fpr(value=0.05)")
    ('Youden', 'overkill ≤ 0.05')
    >>> rule_name("cost(false_alarm=2,missed=100,prevalence=0.01)")
    'lowest cost (missed 100 : false alarm 2, prevalence 0.01)'
    """
    name, parameters = rule_parameters(rule)
    text = _RULES.get(name, name)
    if "{value}" in text:
        text = text.format(value=parameters.pop("value", "?"))
    if name == "cost" and {"missed", "false_alarm"} <= parameters.keys():
        costs = f"missed {parameters.pop('missed')} : false alarm {parameters.pop('false_alarm')}"
        rest = "".join(f", {k} {v}" for k, v in parameters.items())
        return f"{text} ({costs}{rest})"
    if name == "fbeta" and "beta" in parameters:
        text = f"F{parameters.pop('beta')}"
    return text + (f" ({', '.join(f'{k} {v}' for k, v in parameters.items())})" if parameters else "")


def short_rule_name(rule: str) -> str:
    """Return a threshold rule in few words, for axes."""
    name, parameters = rule_parameters(rule)
    if name == "cost" and {"missed", "false_alarm"} <= parameters.keys():
        return f"cost {parameters['missed']}:{parameters['false_alarm']}"
    return rule_name(rule)


def rule_names(rules: Sequence[str]) -> dict[str, str]:
    """Return a name for each rule: the short one where it is unambiguous.

    Examples
    --------
    >>> list(rule_names(["cost(false_alarm=2,missed=9)", "youden"]).values())
    ['cost 9:2', 'Youden']
    """
    short = {rule: short_rule_name(rule) for rule in rules}
    counts = Counter(short.values())
    return {rule: name if counts[name] == 1 else rule_name(rule) for rule, name in short.items()}


def file_name(*parts: str) -> str:
    """Return a file name from free text: only letters, digits, ``-``, ``_`` and ``.`` survive.

    Examples
    --------
    >>> file_name("roc", "CS-Flow <b>", "image"), file_name("roc", "../x")
    ('roc_CS-Flow-b_image', 'roc_x')
    """
    clean = (re.sub(r"[^A-Za-z0-9._-]+", "-", p).strip("-._") for p in parts if p)
    return "_".join(c or "x" for c in clean)[:120]
