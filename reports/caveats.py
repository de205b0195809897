"""What to distrust: found in the stored results, not written by hand for a run."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from reports.data import AVERAGE, ReportData, to_estimate
from reports.names import metric_name, short_rule_name
from reports.reasons import reasons
from reports.tables.honest import honest_figure, judged_defective_objects

FEW_DEFECTIVE_OBJECTS = 10
FEW_REPEATS = 5


def caveats(data: ReportData) -> tuple[str, ...]:
    """Return sentences, the gravest first, each once."""
    found = [*data.warnings, *_missing(data), *_few_objects(data), *_few_repeats(data), *_inverted(data),
             *_design(data), *_presets(data), *_doubtful(data), *_always(data)]  # fmt: skip
    return tuple(dict.fromkeys(found))


def failures(data: ReportData) -> tuple[str, ...]:
    """Return one sentence a failed job and one a detector that lacks repeats."""
    lines = []
    for _, job in data.jobs[data.jobs["status"] != "done"].iterrows():
        repeat = "" if job["repeat"] != job["repeat"] else f", repeat {int(job['repeat'])}"
        lines.append(f"{job['detector']}, {job['protocol']}{repeat}: {job['status']}. {job['message']}".strip())
    return (*lines, *_missing(data))


def _missing(data: ReportData) -> Iterator[str]:
    planned = _planned_repeats(data)
    if not planned:
        return
    for category in data.real_categories:
        where = f" ({category})" if category and len(data.real_categories) > 1 else ""
        for detector in data.detectors:
            done = data.per_repeat(category, detector, "three_way", "inference", "image", "auroc")
            if 0 < len(done) < planned:
                yield (f"{detector}{where}: only {len(done)} of {planned} repeats could be used; if they failed for a "
                       "reason that has to do with the images, the mean is biased.")  # fmt: skip


def _planned_repeats(data: ReportData) -> int:
    p = three_way_parameters(data)
    blocks = _whole(p.get("blocks")) if not p.get("conditional") else 1
    each = _whole(p.get("runs")) * _whole(p.get("folds")) if p.get("design") == "rotate" else _whole(p.get("repeats"))
    if each:
        return each * max(blocks, 1)
    return len(set(data.splits[data.splits["protocol"] == "three_way"]["repeat"].dropna()))


def three_way_parameters(data: ReportData) -> Mapping[str, object]:
    """Return what the configuration says of the three-way protocol; nothing if it does not."""
    protocols = data.parameters.get("protocols")
    for p in protocols if isinstance(protocols, Sequence) and not isinstance(protocols, str) else ():
        if isinstance(p, Mapping) and p.get("name") == "three_way":
            return p
    return {}


def _whole(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else 0


def _design(data: ReportData) -> Iterator[str]:
    p = three_way_parameters(data)
    if p.get("design") == "rotate":
        yield ("Runs of folds (rotate): a repeat is one fold and judges few defective objects; only the folds of a "
               "whole run judge all of them. Read single repeats with care.")  # fmt: skip
    if p.get("swap"):
        yield ("Both directions (swap): every repeat uses all defective objects, so that the spread over repeats does "
               "not see which objects were photographed. No corrected t-test applies; detectors are compared by the "
               "object bootstrap.")  # fmt: skip
    if p.get("conditional"):
        yield ("Conditional blocks: replicability is given the trained models; only the threshold and inference parts "
               "were drawn anew. What another training would change is not in it.")  # fmt: skip
    if data.comparisons["replicability"].notna().any():
        yield ("Replicability is low whenever a test sits near its critical value and high for a test that never "
               "rejects: read it beside the rejection rate.")  # fmt: skip


def _few_objects(data: ReportData) -> Iterator[str]:
    counts = judged_defective_objects(data)
    if counts and counts[0] < FEW_DEFECTIVE_OBJECTS:
        yield (f"Few defective objects: a repeat judged as few as {counts[0]}. One object more or less moves the "
               f"sensitivity by {1 / max(counts[0], 1):.2f}, and bootstrap intervals from so few are too narrow "
               "rather than too wide.")  # fmt: skip


def _few_repeats(data: ReportData) -> Iterator[str]:
    planned = _planned_repeats(data)
    if 0 < planned < FEW_REPEATS:
        yield f"Only {planned} repeats were planned; at least {FEW_REPEATS} to 10 are recommended."


def _inverted(data: ReportData) -> Iterator[str]:
    for category in data.real_categories:
        for detector in data.detectors:
            e = honest_figure(data, category, detector)
            if e is not None and e.high < 0.5:
                where = f" on {category}" if category else ""
                yield f"{detector}{where} scores nominal images above anomalous ones: its scores may be inverted."


def _presets(data: ReportData) -> Iterator[str]:
    listed = data.parameters.get("detectors")
    if not isinstance(listed, Sequence) or isinstance(listed, str):
        return
    reduced, untrained = [], []
    for d in listed:
        if not isinstance(d, Mapping):
            continue
        label = str(d.get("label") or d.get("name") or d.get("class_path") or d.get("scores"))
        args = d.get("init_args")
        if d.get("preset") in {"tiny", "small"}:
            reduced.append(f"{label} ({d['preset']})")
        if isinstance(args, Mapping) and args.get("weights") == "random":
            untrained.append(label)
    if reduced:
        yield (f"Reduced presets: {', '.join(reduced)}. They show how the harness works and are no measure of what "
               "these methods reach at their published size.")  # fmt: skip
    if untrained:
        yield f"Backbone with random weights, not trained on any image: {', '.join(untrained)}."


def _doubtful(data: ReportData) -> Iterator[str]:
    over = data.results[data.results["repeat"].isna() | data.results["protocol"].str.startswith("naive")]
    found: dict[tuple[str, str], tuple[list[str], list[str]]] = {}
    for _, r in over[over["status"].isin(["undefined", "degenerate"])].iterrows():
        rule = f" ({short_rule_name(r['threshold_rule'])})" if r["threshold_rule"] else ""
        category = f"{r['category']}, " if r["category"] not in {"", AVERAGE} else ""
        name = f"{category}{r['detector']}, {metric_name(r['metric'], r['level_of_analysis'])}{rule}"
        for reason in reasons(to_estimate(r)) or ("no reason stored",):
            alike = re.sub(r"\d[\d.]*", "0", reason)  # the same reason with other numbers is not listed again
            texts, names = found.setdefault((r["status"], alike), ([], []))
            texts.extend([] if reason in texts else [reason])
            names.extend([] if name in names else [name])
    words = {"undefined": "Undefined", "degenerate": "Exists, but is doubtful"}
    for (status, _), (texts, names) in found.items():
        reason = texts[0] if len(texts) == 1 else f"{texts[0]} (elsewhere with other numbers)"
        more = f" and {len(names) - 3} more figures" if len(names) > 3 else ""
        yield f"{words[status]}: {reason}. This concerns {'; '.join(names[:3])}{more}."


def _always(data: ReportData) -> Iterator[str]:
    protocols = set(data.results["protocol"])
    if "three_way" in protocols:
        yield ("The repeats share objects. Their spread shows how much a single split can mislead; it is not the "
               "uncertainty of the mean, which the interval gives.")  # fmt: skip
    if "naive" in protocols and "three_way" in protocols:
        yield ("Naive and honest trainings do not have the same training images: part of a difference can come from "
               "that and not from optimism.")  # fmt: skip
    yield ("No interval covers what the data do not contain: other cameras, other light, another supplier's parts, "
           "kinds of defects that nobody photographed, wrong labels.")  # fmt: skip
