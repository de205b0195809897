"""The table that the report opens with: what the field reports, what holds, the difference, and why."""

from __future__ import annotations

import re
from collections.abc import Mapping

from protocols.results import Estimate
from reports.data import AVERAGE, ReportData
from reports.distinguished import best_detector
from reports.names import metric_name, rule_name
from reports.rounding import show, show_number
from reports.table import Column, Table, value

NAIVE_METRICS = ("auroc_best_checkpoint", "auroc")


def category_column(data: ReportData) -> tuple[Column, ...]:
    """Return a column for the category, or none where there is only one."""
    return (Column("category", "Category"),) if len(data.categories) > 1 else ()


def category_cell(data: ReportData, category: str) -> tuple[str, ...]:
    """Return the cell under :func:`category_column`."""
    if len(data.categories) < 2:
        return ()
    return ("mean over categories" if category == AVERAGE else category,)


def naive_figure(data: ReportData, category: str, detector: str) -> Estimate | None:
    """Return what the field would report: image AUROC, at the best checkpoint on the test images if there are any."""
    return _first(data, category, detector, "naive", "test")


def gap(data: ReportData, category: str, detector: str) -> Estimate | None:
    """Return naive minus honest image AUROC, as stored."""
    for partition in ("test-inference", "inference", ""):
        found = _first(data, category, detector, "naive-three_way", partition)
        if found is not None:
            return found
    rows = data.results[(data.results["category"] == category) & (data.results["detector"] == detector)
                        & (data.results["protocol"] == "naive-three_way")]  # fmt: skip
    partitions = sorted(set(rows["partition"]))
    return _first(data, category, detector, "naive-three_way", partitions[0]) if partitions else None


def _first(data: ReportData, category: str, detector: str, protocol: str, partition: str) -> Estimate | None:
    for metric in NAIVE_METRICS:
        found = data.estimate(category, detector, protocol, partition, "image", metric)
        if found is not None:
            return found
    return None


def honest_figure(data: ReportData, category: str, detector: str, level: str = "image") -> Estimate | None:
    """Return the AUROC that holds on parts never seen, over all repeats."""
    return data.estimate(category, detector, "three_way", "inference", level, "auroc")


def judged_defective_objects(data: ReportData) -> list[int]:
    """Return how many defective objects the single repeats judged, over all detectors and categories."""
    of = data.results[(data.results["protocol"] == "three_way") & (data.results["partition"] == "inference")
                      & (data.results["metric"] == "auroc") & (data.results["level_of_analysis"] != "pixel")
                      & data.results["repeat"].notna()]  # fmt: skip
    return sorted({int(n) for n in of["n_objects_anomalous"].dropna()})


def leakage(data: ReportData, category: str, detector: str) -> Estimate | None:
    """Return what image-level splits add to the AUROC (``compare_ungrouped``), if that was asked for."""
    rows = data.results[(data.results["category"] == category) & (data.results["detector"] == detector)
                        & (data.results["protocol"] == "three_way_ungrouped-three_way")
                        & (data.results["metric"].isin(["auroc", "optimism_auroc"]))
                        & (data.results["level_of_analysis"] == "image")]  # fmt: skip
    if not len(rows):
        return None
    first = rows.iloc[0]
    return data.estimate(category, detector, "three_way_ungrouped-three_way", first["partition"], "image",
                         first["metric"])  # fmt: skip


def checkpoint_optimism(data: ReportData, category: str, detector: str) -> Estimate | None:
    """Return best checkpoint minus last one on the test images."""
    return data.estimate(category, detector, "naive", "test", "image", "optimism")


def threshold_optimism(data: ReportData, category: str, detector: str) -> tuple[str, Estimate] | None:
    """Return how much better the first rule looks where it was chosen: the metric's name and the difference."""
    for rule in data.rules:
        for metric in ("balanced_accuracy", "youden_j"):
            found = data.estimate(category, detector, "three_way", "threshold-inference", "image",
                                  f"optimism_{metric}", rule)  # fmt: skip
            if found is not None:
                return f"{metric_name(metric)}, {rule_name(rule)}", found
    return None


def why(data: ReportData, category: str, detector: str) -> tuple[str, ...]:
    """Return, in words, where the difference comes from: the measured causes, each with its interval."""
    difference = gap(data, category, detector)
    checkpoint = checkpoint_optimism(data, category, detector)
    leak = leakage(data, category, detector)
    threshold = threshold_optimism(data, category, detector)
    lines = [*verdict(difference)]
    if checkpoint is not None:
        lines.append(f"best checkpoint picked on the test images: {show(checkpoint, sign=True)}")
    if leak is not None:
        lines.append(f"same objects on both sides (image-level splits): {show(leak, sign=True)}")
    else:
        lines.extend(_leak_note(data, category, detector))
    if difference is not None and difference.low > 0:
        causes = [c for c in (checkpoint, leak) if c is not None and c.low > 0]
        if not causes and (checkpoint is not None or leak is not None):
            lines.append("none of the causes measured here explains it")
    if threshold is not None:
        name, optimism = threshold
        lines.append(f"threshold judged on the data it was chosen on ({name}): {show(optimism, sign=True)}")
    return tuple(lines)


def verdict(difference: Estimate | None) -> tuple[str, ...]:
    """Return in words what the interval of naive minus honest says; nothing if there is none."""
    if difference is None or difference.status == "undefined" or difference.low != difference.low:
        return ()
    if difference.low > 0:
        return ("naive is too high",)
    if difference.high < 0:
        return ("naive is lower",)
    return ("no difference shown",)


def _leak_note(data: ReportData, category: str, detector: str) -> tuple[str, ...]:
    naive = naive_figure(data, category, detector)
    for note in naive.notes if naive is not None else ():
        found = re.search(r"leaking: (\d+) objects?", note)
        if found:
            return (f"{found[1]} objects are in training and in the test set; how much that adds was not measured "
                    "for this detector",)  # fmt: skip
    return ()


def honest(data: ReportData) -> Table:
    """Return, per detector: the naive figure, the honest one, the difference with its interval, and why."""
    columns = (
        *category_column(data), Column("detector", "Detector"),
        Column("naive_image_auroc", "Naive", "estimate"),
        Column("honest_image_auroc", "Honest", "estimate"),
        Column("naive_minus_honest", "Naive − honest", "estimate"),
        Column("honest_object_auroc", "Honest, per object", "estimate"),
        Column("why", "Why", "long"),
    )  # fmt: skip
    rows = []
    for category in data.categories:
        best = {lv: best_detector(data, category, "auroc", lv) for lv in ("image", "object")}
        for detector in data.detectors:
            naive, image = naive_figure(data, category, detector), honest_figure(data, category, detector)
            by_object = honest_figure(data, category, detector, "object") if "object" in data.levels else None
            if naive is None and image is None and by_object is None:
                continue
            rows.append((
                *category_cell(data, category), detector, value(naive), value(image, best=best["image"] == detector),
                value(gap(data, category, detector), sign=True),
                value(by_object, best=best["object"] == detector), why(data, category, detector),
            ))  # fmt: skip
    percent = show_number(100 * data.level)
    apart = "images (objects unknown)" if ungrouped(data) else "objects"
    caption = (
        "AUROC of images. Naive: trained on all nominal training images, best checkpoint and result on the same test "
        f"images. Honest: training, choice of threshold and judgement on different {apart}, last checkpoint, mean over "
        f"repeats. In brackets: {percent} % intervals. Per object: all images of an object count as one. Bold: "
        "distinguishable from every other detector."
    )
    return Table("honest", "Naive and honest figures", caption, columns, tuple(rows)).without_empty_columns()


def ungrouped(data: ReportData) -> bool:
    """Return whether every image was taken as an object of its own."""
    dataset = data.parameters.get("dataset")
    return isinstance(dataset, Mapping) and dataset.get("object_policy") == "image_is_object"


def requirements(data: ReportData) -> Table:
    """Return the stated requirements with their verdicts."""
    columns = (*category_column(data), Column("detector", "Detector"), Column("requirement", "Requirement"),
               Column("required", "Required", "number"), Column("value", "Estimate", "estimate"),
               Column("verdict", "Verdict"))  # fmt: skip
    rows = []
    for _, r in data.requirements.iterrows():
        estimate = Estimate(r["value"], r["low"], r["high"], data.level)
        rows.append((*category_cell(data, r["category"]), r["detector"], requirement_name(r["requirement"]),
                     float(r["required"]), value(estimate), r["verdict"]))  # fmt: skip
    caption = ("Met: the whole interval is on the right side. Not met: the whole interval is on the wrong side. "
               "Not shown: the interval crosses the limit; more objects are needed to tell.")  # fmt: skip
    return Table("requirements", "Requirements", caption, columns, tuple(rows))


def requirement_name(requirement: str) -> str:
    """Return ``object_sensitivity`` as ``object sensitivity``; anything after the metric is kept."""
    level, _, metric = requirement.partition("_")
    return metric_name(metric, level) if level in {"image", "object", "pixel"} and metric else requirement


def ranking(data: ReportData) -> Table:
    """Return the figures that need no threshold, of both protocols, at every level."""
    columns = (*category_column(data), Column("detector", "Detector"), Column("protocol", "Protocol"),
               Column("level_of_analysis", "Level"), Column("auroc", "AUROC", "estimate"),
               Column("auroc_best_checkpoint", "AUROC, best checkpoint", "estimate"),
               Column("average_precision", "Average precision", "estimate"),
               Column("n_anomalous", "Anomalous", "number"), Column("n_nominal", "Nominal", "number"),
               Column("n_objects_anomalous", "Defective objects", "number"),
               Column("n_objects_nominal", "Good objects", "number"))  # fmt: skip
    rows = []
    for category in data.categories:
        for detector in data.detectors:
            for protocol, partition in (("naive", "test"), ("three_way", "inference"),
                                        ("three_way_ungrouped", "inference")):  # fmt: skip
                for level in reversed(data.levels):
                    found = [data.estimate(category, detector, protocol, partition, level, m)
                             for m in ("auroc", "auroc_best_checkpoint", "average_precision")]  # fmt: skip
                    first = next((e for e in found if e is not None), None)
                    if first is None:
                        continue
                    rows.append((*category_cell(data, category), detector, PROTOCOLS[protocol], level,
                                 *(value(e) for e in found), first.n_anomalous, first.n_nominal,
                                 first.n_objects_anomalous, first.n_objects_nominal))  # fmt: skip
    caption = ("Average precision depends on the share of anomalous images; at random it equals that share. Counts: "
               "different images and objects, over all repeats.")  # fmt: skip
    return Table("ranking", "Figures without a threshold", caption, columns, tuple(rows)).without_empty_columns()


PROTOCOLS = {"naive": "naive", "three_way": "three-way", "three_way_ungrouped": "three-way, objects ignored"}


def localisation(data: ReportData) -> Table:
    """Return the pixel figures, where the data have masks and the detector has maps."""
    metrics = ("auroc", "average_precision", "aupro", "aupimo", "f1_max")
    columns = (*category_column(data), Column("detector", "Detector"), Column("protocol", "Protocol"),
               *(Column(m, metric_name(m, "pixel"), "estimate") for m in metrics))  # fmt: skip
    rows = []
    for category in data.categories:
        for detector in data.detectors:
            for protocol, partition in (("naive", "test"), ("three_way", "inference")):
                found = [data.estimate(category, detector, protocol, partition, "pixel", m) for m in metrics]
                if any(e is not None for e in found):
                    rows.append((*category_cell(data, category), detector, PROTOCOLS[protocol],
                                 *(value(e) for e in found)))  # fmt: skip
    caption = "How well the maps mark the defects. Intervals resample objects; pixels are never units."
    return Table("localisation", "Where the defect is", caption, columns, tuple(rows)).without_empty_columns()
