"""Checks of single values of a configuration: what may stand there, and which name is nearest to a wrong one."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Mapping
from pathlib import PurePath
from typing import Any

from pydantic_core import PydanticCustomError

from bench.plugins import listing, nearest_hint
from protocols.errors import InputError, UndefinedError

COMMON_PARAMETERS: Mapping[str, tuple[str, ...]] = {
    "convention": ("midpoint", "observed"),
    "prefer": ("sensitivity", "specificity"),
}


def wrong(expected: str, fix: str = "Correct the value.", *, at: str = "", found: object = ...) -> PydanticCustomError:
    """Return the error of a value; `at` is a dotted path below the value that is checked."""
    return PydanticCustomError("wrong", "{expected}", {"expected": expected, "fix": fix, "at": at, "found": found})


def known(kind: str) -> Callable[[str], str]:
    """Return a check that a name is one of ``listing(kind)``."""

    def checked(name: str) -> str:
        names = tuple(listing(kind))
        if name not in names:
            raise wrong(f"one of {', '.join(names)}", nearest_hint(name, names))
        return name

    return checked


def only(value: object) -> Callable[[Any], Any]:
    """Return a check for keys that later versions give a meaning to: this one takes only the default."""

    def checked(given: Any) -> Any:
        if given != value or isinstance(given, bool) != isinstance(value, bool):
            raise wrong(f"{json.dumps(value)}: this version has nothing else here", "Leave the key out.")
        return given

    return checked


def exactly_one(values: Mapping[str, object]) -> None:
    """Check that exactly one of these keys is given."""
    given = [key for key, value in values.items() if value is not None]
    if len(given) != 1:
        found = f"both {' and '.join(given)}" if given else "none of them"
        fix = "Keep one of them." if given else "Add one of them."
        raise wrong(f"exactly one of the keys {', '.join(values)}", fix, found=found)


def unused(values: Mapping[str, object], reason: str) -> None:
    """Check that none of these keys is given."""
    for key, value in values.items():
        if value:
            raise wrong(f"no such key here: {reason}", "Remove the key.", at=key)


def one_of(name: str | None, names: Collection[str], at: str) -> None:
    """Check that a name, if given, is one of `names`."""
    if name is not None and name not in names:
        raise wrong(f"a label of a detector, one of {', '.join(names)}", nearest_hint(name, names), at=at)


def distinct(key: str, what: str) -> Callable[[tuple[Any, ...]], tuple[Any, ...]]:
    """Return a check that no two entries have the same `key`."""

    def checked(entries: tuple[Any, ...]) -> tuple[Any, ...]:
        values = [getattr(entry, key) for entry in entries]
        for index, value in enumerate(values):
            if value in values[:index]:
                fix = "Give each its own label." if key == "label" else "Remove one of them."
                expected = f"each {key} of {what} once (also at {values.index(value)})"
                raise wrong(expected, fix, at=f"{index}.{key}", found=value)
        return entries

    return checked


def distinct_rules(rules: tuple[Any, ...]) -> tuple[Any, ...]:
    """Check that no threshold rule is there twice with the same parameters."""
    for index, entry in enumerate(rules):
        if entry in rules[:index]:
            raise wrong("each rule once", "Remove one of them.", at=str(index), found=entry.rule)
    return rules


def one_or_list(value: Any) -> Any:
    """Return one name as a list of one; null stays."""
    if isinstance(value, str):
        return [value]
    if value is None or (isinstance(value, (list, tuple)) and value and all(isinstance(v, str) and v for v in value)):
        return value
    raise wrong("null, a name, or a list of names", "Quote names that look like numbers.")


def switch_or_list(value: Any) -> Any:
    """Return true, false or a list of labels."""
    if isinstance(value, bool) or (isinstance(value, (list, tuple)) and all(isinstance(v, str) and v for v in value)):
        return value
    raise wrong("true, false, or a list of detectors' labels")


def object_pattern(pattern: str) -> str:
    """Check a regular expression with a group called ``object``, or the name of one of ours."""
    from bench.object_ids import SHORTCUTS

    if pattern in SHORTCUTS:
        return pattern
    try:
        groups = re.compile(pattern).groupindex
    except re.error as error:
        raise wrong(f"a regular expression ({error})") from error
    if "object" not in groups:
        raise wrong(
            "a regular expression with a group called 'object'", r"For example: (?P<object>part\d+)_(?P<view>\d+)"
        )
    return pattern


def class_path(text: str) -> str:
    """Check the form of a class path; it is imported later."""
    if not re.fullmatch(r"[^\W\d]\w*(\.[^\W\d]\w*)+", text):
        raise wrong("a class path such as my_package.MyDetector")
    return text


def with_label(given: Any) -> Any:
    """Fill in the label: the name, the class's name, or the score file's stem."""
    if not isinstance(given, dict) or given.get("label") is not None:
        return given
    for key, short in (
        ("name", str),
        ("class_path", lambda t: t.rpartition(".")[2]),
        ("scores", lambda t: PurePath(t).stem),
    ):
        if isinstance(given.get(key), str):
            return {**given, "label": short(given[key])}
    return {**given, "label": "detector"}  # another fault of the entry is reported instead


def with_design(given: Any) -> Any:
    """Fill in repeats of the design ``resample``, runs and folds of ``rotate``; refuse those of the other."""
    if not isinstance(given, dict):
        return given
    defaults = {"resample": {"repeats": 10}, "rotate": {"runs": 10, "folds": 5}}
    design = given.get("design", "resample")
    if not isinstance(design, str) or design not in defaults:
        return given  # that is reported instead
    idle = [key for other, keys in defaults.items() if other != design for key in keys if given.get(key) is not None]
    if idle:
        right = "design rotate" if design == "resample" else "design resample"
        fix = "Set runs and folds instead." if design == "rotate" else "Set design to rotate, or leave the key out."
        raise wrong(f"no {idle[0]} with design {design}: it belongs to {right}", fix, at=idle[0], found=given[idle[0]])
    own = {key: value for key, value in defaults[design].items() if given.get(key) is None}
    none = dict.fromkeys(key for other, keys in defaults.items() if other != design for key in keys)
    return {**given, **own, **none}


def design(name: str, *, swap: bool, blocks: int, conditional: bool) -> None:
    """Check what only the design ``resample`` has, and that conditional blocks are several."""
    for key, value in (("swap", swap), ("conditional", conditional)):
        if value and name != "resample":
            raise wrong(
                f"false: only design resample has {key}", "Leave the key out, or set design to resample.", at=key
            )
    if conditional and blocks < 2:
        raise wrong("at least 2 blocks with conditional", "10 are advised.", at="blocks", found=blocks)


def object_score(text: str) -> str:
    """Check how the views of an object become one score."""
    from protocols.aggregate import aggregate_by_object

    try:
        aggregate_by_object([0], [0.0], ["one view"], method=text)
    except UndefinedError:
        return text  # it needs several views: nothing is wrong with its name
    except InputError as error:
        raise wrong(f"one of {error.args[2]}", error.args[3]) from error
    return text


def requirements(values: dict[str, float]) -> dict[str, float]:
    """Check the names (level and metric joined) and that shares are shares."""
    from protocols.metrics import METRICS, resolve_metric

    for name, value in values.items():
        level, _, metric = name.partition("_")
        if level not in ("image", "object", "pixel"):
            level, metric = "image", name
        try:
            low, high = resolve_metric(metric).range
        except InputError as error:
            names = [f"{which}_{m}" for which in ("image", "object") for m in METRICS]
            raise wrong("a level and a metric, as in object_sensitivity", nearest_hint(name, names), at=name,
                        found=name) from error  # fmt: skip
        if not low <= value <= high:
            raise wrong(f"a number from {low:g} to {high:g}", "Fractions, not per cent.", at=name, found=value)
    return values


def synthetic(given: Any) -> Any:
    """Nest the renderer's parameters and let the renderer check them."""
    if not isinstance(given, dict):
        return given
    parameters = {k: v for k, v in given.items() if k not in ("profile", "seed", "parameters")}
    parameters = {**(given["parameters"] if isinstance(given.get("parameters"), dict) else {}), **parameters}
    from bench.synthetic import resolve

    try:
        resolve(str(given.get("profile", "demo")), parameters)
    except InputError as error:
        where, found, expected, fix = error.args[:4]
        key = next((k for k in given if k in (found, *re.split(r"\W+", where))), "")
        raise wrong(expected, fix, at=key, found=found) from error
    return {**{k: given[k] for k in ("profile", "seed") if k in given}, "parameters": parameters}


def rule(given: Any) -> Any:
    """Nest a rule's parameters and check them: which there are, and what each may be."""
    at = "" if isinstance(given, str) else "rule"
    if isinstance(given, str):
        given = {"rule": given}
    if not isinstance(given, dict):
        raise wrong("a rule, as in youden or {rule: max_fpr, value: 0.05}")
    nested = given.get("parameters")
    flat = {k: v for k, v in given.items() if k not in ("rule", "parameters")}
    parameters = {**(nested if isinstance(nested, dict) else {}), **flat}
    name = given.get("rule")
    from bench.plugins import listing
    from protocols.thresholds import resolve_rule

    known = listing("thresholds")
    if name not in known:
        raise wrong(f"one of {', '.join(known)}", nearest_hint(name, known), at=at, found=name)
    rule = resolve_rule(str(name))
    required, optional = tuple(rule.required), (*rule.optional, *COMMON_PARAMETERS)
    for key in required:
        if key not in parameters:
            example = f"For example: {{rule: {name}, {_example(required)}}}"
            raise wrong(f"the parameter {key!r}, which {name} needs", example, found=sorted(parameters) or "none")
    for key, value in parameters.items():
        if key not in (*required, *optional):
            raise wrong(f"a parameter of {name}: {', '.join(dict.fromkeys((*required, *optional)))}",
                        nearest_hint(key, (*required, *optional)), at=key, found=key)  # fmt: skip
        _parameter(key, value)
    guaranteed = rule.remarks is not None or parameters.get("guarantee") is not None
    if guaranteed and parameters["value"] in (0, 1):
        raise wrong("a rate between 0 and 1", "No sample can guarantee a rate of 0. Write 0.05 for 5 %.", at="value",
                    found=parameters["value"])  # fmt: skip
    return {"rule": name, "parameters": parameters}


def _example(required: tuple[str, ...]) -> str:
    values = {"missed": "100", "false_alarm": "2", "value": "0.05", "beta": "2", "prevalence": "0.01"}
    return ", ".join(f"{key}: {values.get(key, '...')}" for key in required)


def _parameter(key: str, value: object) -> None:
    """Check one parameter of a rule."""
    if key in COMMON_PARAMETERS:
        if value not in COMMON_PARAMETERS[key]:
            words = COMMON_PARAMETERS[key]
            raise wrong(f"one of {', '.join(words)}", nearest_hint(value, words), at=key, found=value)
        return
    if key in ("prevalence", "guarantee") and value is None:
        return
    if isinstance(value, bool) or not isinstance(value, (int, float)) or value != value or abs(value) == float("inf"):
        raise wrong("a number", at=key, found=value)
    if key in ("missed", "false_alarm", "beta") and value <= 0:
        hint = "The default is 1." if key == "beta" else "Costs are in any unit; only their ratio matters."
        raise wrong("a number above 0", hint, at=key, found=value)
    if key == "prevalence" and not 0 < value < 1:
        raise wrong("a share between 0 and 1", "Write 0.01 for 1 %.", at=key, found=value)
    if key in ("delta", "guarantee") and not 0 < value < 1:
        hint = "It is the chance of missing the rate: write 0.05 for a guarantee that holds with 95 %."
        raise wrong("a chance between 0 and 1", hint, at=key, found=value)
    if key == "value" and not 0 <= value <= 1:
        raise wrong("a rate from 0 to 1", "Write 0.05 for 5 %.", at=key, found=value)
