"""Everything a report shows, gathered from a stored run; reports themselves compute nothing."""

from __future__ import annotations

import math
import re
from collections.abc import Hashable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bench.evaluation import requirement_verdicts
from bench.image_files import read_mask, read_rgb
from bench.job_maps import MAPS_FILE
from bench.job_thresholds import job_thresholds
from bench.run_folder import FAILED, MISSING, Run
from protocols.aggregate import aggregate_by_object
from protocols.errors import InputError, UndefinedError
from protocols.intervals.roc_band import roc_band
from protocols.partition import EVALUATION
from protocols.scores import LAST, ScoreTable
from protocols.three_way import ThreeWay
from protocols.thresholds import rule_name
from reports.data import (
    JOB_COLUMNS,
    REQUIREMENT_COLUMNS,
    ROC_COLUMNS,
    SCORE_COLUMNS,
    SPLIT_COLUMNS,
    ReportData,
    WorstImage,
)

N_BAND = 400  # replicates of a pointwise band that is looked at, not tested with


def report_data(run: Run) -> ReportData:
    """Return all that the report of a run shows."""
    results, config = run.results, run.config
    rules = [
        rule_name(t.rule, dict(t.parameters)) for p in config.protocols if p.name == "three_way" for t in p.thresholds
    ]
    requirements = dict(config.evaluation.requirements)
    banner, warnings = sentences(run, results)
    tables = dict(_tables(run))
    info = dict(run.info)
    return ReportData(
        title=config.name,
        results=results,
        comparisons=run.comparisons,
        scores=_scores(tables),
        roc=_rocs(run, tables),
        requirements=requirement_verdicts(results, requirements, rules[0] if rules else "")
        if requirements else pd.DataFrame(columns=list(REQUIREMENT_COLUMNS)),
        worst=tuple(_worst(run, results, rules[0] if rules else "")),
        splits=_split_sizes(run),
        jobs=run.jobs.loc[:, list(JOB_COLUMNS)],
        parameters=config.model_dump(mode="json"),
        environment=info,
        dataset=_counts(run),
        banner=banner,
        warnings=warnings,
        detectors=run.labels,
    )  # fmt: skip


def sentences(run: Run, results: pd.DataFrame) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return what must stand on top of the report, and what else to distrust."""
    banner, warnings = [], []
    config = run.config
    if config.dataset.object_policy == "image_is_object":
        banner.append(
            "Grouping is missing: each image counts as an object of its own (object_policy: image_is_object). If one "
            "part is in several images, photographs of it lie on both sides of the splits, and every figure below is "
            "too good and every interval too narrow."
        )
    if run.info.get("limit"):
        banner.append(
            f"Limited: about {run.info['limit']} images of each label and source were used, for trying out only."
        )
    jobs = run.jobs.drop_duplicates("key")
    for status, word in ((FAILED, "failed"), (MISSING, "is not done")):
        n = int((jobs["status"] == status).sum())
        if n:
            banner.append(f"{n} of {len(jobs)} trainings {word}: the figures of their detectors rest on fewer repeats.")
    for sentence in run.store.read_plan().get("notes", []):
        warnings.append(str(sentence))
    notes = results["notes"].fillna("").str.split("; ").explode()
    leaking = sorted(set(notes[notes.str.startswith("leaking:")]))
    warnings += _not_pooled(results)
    warnings += [f"The naive figure is {note}: it partly measures memory of the same parts." for note in leaking]
    return tuple(banner), tuple(dict.fromkeys(warnings))


def _not_pooled(results: pd.DataFrame) -> list[str]:
    """Return where the check of the pooled nominal images failed, one sentence a detector and category."""
    found: dict[str, None] = {}
    for _, row in results.drop_duplicates(["category", "detector", "protocol"]).iterrows():
        said = re.search(r"nominal test differs from nominal train; pooling not supported \(.*?\)", str(row["notes"]))
        if said:
            where = f"{row['detector']}, {row['category']}" if row["category"] else str(row["detector"])
            found[f"{where}: {said[0]}. Set merge_nominal_test to false."] = None
    return list(found)


Cell = tuple[str, str, str, int]  # category, detector, protocol, repeat


def _tables(run: Run) -> Iterator[tuple[Cell, ScoreTable]]:
    for cell in run.cells:
        table = run.table(cell.category, cell.detector, cell.protocol, cell.repeat)
        if table is not None:
            yield (cell.category, cell.detector, cell.protocol, cell.repeat), table.at(LAST)


def _scores(tables: dict[Cell, ScoreTable]) -> pd.DataFrame:
    parts = []
    for (category, detector, protocol, repeat), table in tables.items():
        frame = table.frame[table.frame["partition"].isin(EVALUATION)]
        parts.append(frame.assign(category=category, detector=detector, protocol=protocol, repeat=repeat))
    if not parts:
        return pd.DataFrame(columns=list(SCORE_COLUMNS))
    return pd.concat(parts, ignore_index=True).loc[:, list(SCORE_COLUMNS)]


def _judged(table: ScoreTable, level: str, method: str) -> tuple[Any, Any, list[str]]:
    """Return labels, scores and objects of the judged partition at a level."""
    partition = "inference" if (table.frame["partition"] == "inference").any() else "test"
    frame = table.frame[table.frame["partition"] == partition]
    if level == "image":
        return frame["label"].to_numpy(), frame["score"].to_numpy(), list(frame["object_id"])
    objects = set(frame["object_id"])
    hidden = table.frame[(table.frame["partition"] == "unused") & table.frame["object_id"].isin(objects)]
    frame = pd.concat([frame, hidden])
    labels, scores, names = aggregate_by_object(frame["label"], frame["score"], frame["object_id"], method=method)
    return labels, scores, list(names)


def _mirrored(table: ScoreTable) -> ScoreTable:
    """Return the scores with threshold and inference partition exchanged."""
    other = {"threshold": "inference", "inference": "threshold"}
    return ScoreTable(table.frame.assign(partition=table.frame["partition"].replace(other)))


def _rocs(run: Run, tables: dict[Cell, ScoreTable]) -> pd.DataFrame:
    grouped: dict[tuple[str, str, str], list[ScoreTable]] = {}
    for (category, detector, protocol, _), table in tables.items():
        if protocol in ("naive", "three_way"):
            grouped.setdefault((category, detector, protocol), []).append(table)
    evaluation = run.config.evaluation
    levels = ("image",) if run.config.dataset.object_policy == "image_is_object" else ("image", "object")
    parts = []
    swapped = {name for name, protocol in run.protocols.items() if isinstance(protocol, ThreeWay) and protocol.swap}
    for (category, detector, protocol), members in grouped.items():
        for level in levels:
            try:
                ways = [way for t in members for way in ((t, _mirrored(t)) if protocol in swapped else (t,))]
                data = [_judged(t, level, evaluation.object_score) for t in ways]
                band = roc_band(data, level=evaluation.level, n_resamples=N_BAND, seed=run.config.seed)
            except UndefinedError:
                continue  # a class is missing: the result tables say so
            parts.append(pd.DataFrame({
                "category": category, "detector": detector, "protocol": protocol, "level_of_analysis": level,
                "fpr": band.fpr, "tpr": band.tpr, "low": band.low, "high": band.high,
            }))  # fmt: skip
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=list(ROC_COLUMNS))


def _split_sizes(run: Run) -> pd.DataFrame:
    rows = []
    for category in run.categories:
        frame = run.samples[category].frame.set_index("sample_id")
        for protocol in run.protocols:
            for split in run.splits(category, protocol):
                for partition, ids in split.partitions().items():
                    part = frame.loc[list(ids)]
                    rows.append({
                        "protocol": protocol if len(run.categories) == 1 else f"{protocol} ({category})",
                        "repeat": split.repeat, "partition": partition, "n_images": len(part),
                        "n_nominal": int((part["label"] == 0).sum()), "n_anomalous": int((part["label"] == 1).sum()),
                        "n_objects": int(part["object_id"].nunique()),
                    })  # fmt: skip
    return pd.DataFrame(rows, columns=list(SPLIT_COLUMNS))


def _counts(run: Run) -> dict[str, object]:
    frame = run.manifest
    plan = run.store.read_plan()
    known = run.config.dataset.object_policy == "required"
    counts: dict[str, object] = {
        "layout": plan.get("layout", ""),
        "root": plan.get("root", ""),
        "images": len(frame),
        "nominal images": int((frame["label_index"] == 0).sum()),
        "anomalous images": int((frame["label_index"] == 1).sum()),
        "objects": int(frame["object_id"].nunique()) if known else "not known",
        "defective objects": int(frame.loc[frame["label_index"] == 1, "object_id"].nunique()) if known else "not known",
        "masks": int((frame["mask_path"] != "").sum()),
    }
    if len(run.categories) > 1:
        counts["categories"] = len(run.categories)
    return counts


def _worst(run: Run, results: pd.DataFrame, rule: str) -> Iterator[WorstImage]:
    """Yield the images whose maps the jobs kept: judged wrongly first."""
    root = Path(str(run.store.read_plan().get("root", "")))
    protocol = "three_way" if "three_way" in run.protocols else "naive"
    files = {str(r["sample_id"]): r for r in run.manifest.to_dict("records")}
    for cell in run.cells:
        if cell.protocol != protocol or cell.repeat != 0:
            continue
        table = run.table(cell.category, cell.detector, protocol, 0)
        if table is None:
            continue
        threshold = _threshold(results, cell.category, cell.detector, protocol, rule)
        if math.isnan(threshold):  # with swap a value has two
            threshold = job_thresholds(run, cell.category, cell.detector, 0).get(rule, math.nan)
        rows = table.at(LAST).frame
        rows = rows[rows["partition"].isin(("inference", "test"))]
        judged = {str(r["sample_id"]): r for r in rows.to_dict("records")}
        for sample_id, heat in _kept_maps(run, cell.key):
            row = judged.get(sample_id)
            if row is None:
                continue
            pictures = _pictures(root, files[sample_id])
            if pictures is None:
                continue
            kind = _kind(int(row["label"]), bool(row["score"] >= threshold))
            yield WorstImage(
                cell.category,
                cell.detector,
                sample_id,
                str(row["object_id"]),
                int(row["label"]),
                str(row["defect_type"]),
                float(row["score"]),
                threshold,
                kind,
                pictures[0],
                heat,
                pictures[1],
            )


def _kind(label: int, called: bool) -> str:
    if label:
        return "caught" if called else "escape"
    return "false alarm" if called else "passed"


def _threshold(results: pd.DataFrame, category: str, detector: str, protocol: str, rule: str) -> float:
    of = results[
        (results["category"] == category)
        & (results["detector"] == detector)
        & (results["protocol"] == protocol)
        & (results["repeat"] == 0)
        & (results["level_of_analysis"] == "image")
        & results["threshold"].notna()
    ]
    chosen = of[of["threshold_rule"] == rule] if rule and (of["threshold_rule"] == rule).any() else of
    return float(chosen["threshold"].iloc[0]) if len(chosen) else float("nan")


def _kept_maps(run: Run, key: str) -> Iterator[tuple[str, NDArray[np.float64]]]:
    arrays = run.store.job(key).arrays(MAPS_FILE) or {"sample_id": np.array([])}
    for i, sample_id in enumerate(arrays["sample_id"]):
        yield str(sample_id), arrays[f"map_{i}"].astype(np.float64)


def _pictures(root: Path, row: Mapping[Hashable, Any]) -> tuple[NDArray[np.uint8], NDArray[np.bool_] | None] | None:
    """Return image and mask; None if the data are no longer where they were."""
    size = (int(row["width"]), int(row["height"]))
    try:
        image = read_rgb(root / row["image_path"], row["image_path"], size)
        mask = (
            read_mask(root / row["mask_path"], row["mask_path"], float(row["mask_above"]), size)
            if row["mask_path"]
            else None
        )
    except (InputError, OSError):
        return None
    return image, mask
