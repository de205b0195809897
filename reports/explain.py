"""How the figures were computed, in plain language, from the resolved configuration."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from reports.data import ReportData
from reports.names import TESTS, rule_name
from reports.rounding import show_number, show_width
from reports.tables.honest import judged_defective_objects, ungrouped


def first_line(data: ReportData) -> str:
    """Return the sentence that opens the report: how wide the intervals are, and on how many objects they rest."""
    level = data.levels[0]
    auroc = _widths(data, level, "auroc", "")
    sensitivity = _widths(data, level, "sensitivity", data.rules[0]) if data.rules else []
    if not auroc and not sensitivity:
        return "No honest figure with an interval is stored in this run."
    percent = show_number(100 * data.level)
    parts = []
    if auroc:
        parts.append(f"the intervals of the {level} AUROC are {_span(auroc)} wide")
    if sensitivity:
        parts.append(
            f"those of the {level} sensitivity at the {rule_name(data.rules[0])} threshold {_span(sensitivity)}"
        )
    text = f"Look at the intervals first: at {percent} % confidence, {', '.join(parts)}"
    objects = judged_defective_objects(data)
    if objects:
        few, many = objects[0], objects[-1]
        text += f"; each repeat judged {few if few == many else f'{few} to {many}'} defective objects"
    return text + "."


def _widths(data: ReportData, level: str, metric: str, rule: str) -> list[float]:
    found = [data.estimate(c, d, "three_way", "inference", level, metric, rule)
             for c in data.real_categories for d in data.detectors]  # fmt: skip
    return [e.high - e.low for e in found if e is not None and not math.isnan(e.high - e.low)]


def _span(widths: Sequence[float]) -> str:
    low, high = show_width(min(widths)), show_width(max(widths))
    return low if low == high else f"{low} to {high}"


def how_computed(data: ReportData) -> tuple[tuple[str, str], ...]:
    """Return (heading, paragraph) pairs; a step whose parameters are unknown is described without them."""
    protocols = {str(p.get("name")): p for p in _maps(data.parameters.get("protocols"))}
    stored = set(data.results["protocol"])
    evaluation = _map(data.parameters.get("evaluation"))
    steps: list[tuple[str, str]] = []
    if "naive" in protocols or "naive" in stored:
        steps.append(("Naive figure", _naive(protocols.get("naive", {}))))
    if "three_way" in protocols or "three_way" in stored:
        steps.append(("Honest figure", _three_way(protocols.get("three_way", {}), data)))
        steps.append(("Thresholds", _thresholds(data)))
    steps.append(("Intervals", _intervals(data, evaluation)))
    steps.append(("Objects", _objects(data, evaluation)))
    if "naive-three_way" in stored:
        steps.append(("Naive minus honest", _differences(stored)))
    if len(data.comparisons):
        steps.append(("Comparisons", _comparisons(data, evaluation)))
    if evaluation.get("prevalence") is not None:
        prevalence = show_number(float(str(evaluation["prevalence"])))
        steps.append(("Factory prevalence", (
            f"Figures per 1,000 or per million parts and costs assume that a share of {prevalence} of the parts is "
            "defective. AUROC, sensitivity and specificity do not depend on it; precision does.")))  # fmt: skip
    if len(data.real_categories) > 1:
        steps.append(("Categories", "Every category was evaluated apart. The mean over categories is unweighted."))
    if "seed" in data.parameters:
        steps.append(("Chance", (
            f"Every random choice follows from the seed {data.parameters['seed']}: the same configuration on the same "
            "images gives the same splits and the same figures.")))  # fmt: skip
    return tuple(steps)


def _naive(p: Mapping[str, object]) -> str:
    text = ("What papers do: one training on all nominal training images; of a detector that passes checkpoints, the "
            "one with the best AUROC on the test images is reported, on those same images. The last one stands beside "
            "it.")  # fmt: skip
    if p.get("nominal_test_share") is not None:
        text += (f" Where the data have no nominal test images, a random share of {p['nominal_test_share']} of the "
                 "nominal images is held out, object or not.")  # fmt: skip
    return text


def _three_way(p: Mapping[str, object], data: ReportData) -> str:
    text = (
        "Objects, never single images, are dealt into three parts: nominal objects for training; "
        f"{_evaluation_parts(p)} All images of an object stay in one part. The last checkpoint is used, never the best."
        f"{_how_often(p)} The figure is the mean over the repeats."
    )
    if p.get("swap"):
        text += (" Each training was judged in both directions, threshold and inference part exchanged; the value of a "
                 "repeat is the mean of the two.")  # fmt: skip
    ratio = p.get("nominal_ratio")
    if isinstance(ratio, int | float) and ratio != 1:
        text += (
            f" Departing from the paper, each judged part has {ratio} times as many nominal images as anomalous ones."
        )
    if p.get("merge_nominal_test") is not None:
        text += (" Nominal test objects were pooled with the nominal training objects before splitting."
                 if p["merge_nominal_test"] else
                 " Nominal objects of the judged parts come from the test images of the data set, as far as it has "
                 "any.")  # fmt: skip
    policies = {
        "exclude": "are not used at image level, only as views of their object",
        "evaluate": "are also used as nominal images",
    }
    if p.get("ndo") in policies:
        text += f" Nominal-looking images of a defective object {policies[str(p['ndo'])]}; they never train."
    if any(pr == "three_way_ungrouped" for pr in data.results["protocol"]):
        text += (" The same was done once more with splits that ignore objects, to measure how much is gained when "
                 "images of one object are on both sides.")  # fmt: skip
    return text


def _evaluation_parts(p: Mapping[str, object]) -> str:
    if p.get("design") == "rotate":
        return (f"the defective objects, with matching nominal ones, into {p.get('folds', 'several')} folds, of which "
                "one judges, the next chooses its threshold, and the others are unused.")  # fmt: skip
    return (
        "half of the defective objects with as many nominal ones for choosing the threshold; the other half, with as "
        "many nominal ones, for judging."
    )


def _how_often(p: Mapping[str, object]) -> str:
    blocks, conditional = p.get("blocks", 1), p.get("conditional")
    times = ""
    if p.get("design") == "rotate" and p.get("runs") is not None:
        times = f" In each of {p['runs']} runs every fold judges once, so that each defective object is judged once."
    elif p.get("repeats") is not None:
        times = f" This was repeated {p['repeats']} times with new random splits."
    if isinstance(blocks, int) and blocks > 1:
        times += (f" For replicability it was then halved anew {blocks - 1} times without training." if conditional
                  else f" All of this was done {blocks} times, as {blocks} whole experiments.")  # fmt: skip
    return times + (f" Design: {p['design']}." if p.get("design") is not None else "")


def _thresholds(data: ReportData) -> str:
    rules = ", ".join(rule_name(r) for r in data.rules) or "none"
    return (f"An image is called anomalous if its score is at least the threshold. Rules: {rules}. Each rule looks at "
            "the threshold part only, separately in every repeat and separately for images and for objects; the "
            "threshold is then applied unchanged to the inference part.")  # fmt: skip


def _intervals(data: ReportData, evaluation: Mapping[str, object]) -> str:
    settings = _map(evaluation.get("intervals"))
    n = settings.get("n_resamples")
    methods = sorted({m for m in data.results["method"] if m})
    text = (
        f"All intervals have a confidence level of {show_number(100 * data.level)} %. Objects, not images, are "
        f"resampled{f' {n} times' if n else ''}, defective and good ones apart. One draw of objects serves all "
        "repeats; thresholds are chosen again for each draw. The spread between repeats, which contains the randomness "
        "of training, is added."
    )
    return text + (f" Methods found in the stored results: {'; '.join(methods)}." if methods else "")


def _objects(data: ReportData, evaluation: Mapping[str, object]) -> str:
    score = evaluation.get("object_score", "max")
    names = {"max": "the highest score among its images", "mean": "the mean score of its images",
             "median": "the median score of its images"}  # fmt: skip
    text = f"An object's score is {names.get(str(score), f'made from those of its images by {score}')}."
    if ungrouped(data):
        text += " The data do not say which images show the same object: every image was taken as an object of its own."
    return text


def _differences(stored: set[str]) -> str:
    text = ("The difference is computed within every draw of objects, on both protocols at once, so that its interval "
            "allows for the images they share.")  # fmt: skip
    if "three_way_ungrouped-three_way" in stored:
        text += " The same holds for image-level splits minus object-level splits."
    return text


def _comparisons(data: ReportData, evaluation: Mapping[str, object]) -> str:
    compare = _map(evaluation.get("compare"))
    tests = ", ".join(sorted({TESTS.get(t, t) for t in data.comparisons["test"] if t})) or "not stated"
    corrections = ", ".join(sorted({c.replace("_", "-") for c in data.comparisons["correction"] if c}))
    text = f"Detectors are compared on identical splits. Test: {tests}"
    text += f", correction for shared objects: {corrections}." if corrections else "."
    if compare.get("adjust"):
        text += f" P values of the pairs of a metric are adjusted together ({compare['adjust']})."
    if compare.get("margin") is not None:
        text += f" Two detectors count as equivalent within {compare['margin']}."
    if compare.get("baseline"):
        text += f" Baseline: {compare['baseline']}."
    return text


def _map(value: object) -> Mapping[str, object]:
    return value if isinstance(value, Mapping) else {}


def _maps(value: object) -> list[Mapping[str, object]]:
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [v for v in value if isinstance(v, Mapping)]
    return []
