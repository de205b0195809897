"""A made-up but consistent run: simulated scores, and figures computed from them by other code than ours."""

import dataclasses
import itertools
import math

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score, roc_curve

from protocols.results import COMPARISON_COLUMNS, RESULT_COLUMNS
from reports.data import AVERAGE, ReportData, WorstImage

RULES = ("youden", "cost(false_alarm=2,missed=100,prevalence=0.01)", "max_fpr(value=0.05)")
DEFECTS = ("dent", "scratch", "deformation")
PARAMETERS = {
    "name": "links", "seed": 0,
    "dataset": {"path": "data/links", "layout": "glink", "category": None, "object_policy": "required"},
    "detectors": [
        {"name": "csflow", "label": "CS-Flow", "preset": "tiny", "init_args": {"weights": "random"}},
        {"name": "glass", "label": "GLASS", "preset": "tiny", "init_args": {"weights": "random"}},
        {"name": "knn", "label": "k-NN", "preset": None, "init_args": {}},
    ],
    "protocols": [
        {"name": "naive", "nominal_test_share": 0.2},
        {"name": "three_way", "repeats": 5, "design": "resample", "merge_nominal_test": False, "nominal_ratio": 1,
         "thresholds": list(RULES), "ndo": "exclude", "compare_ungrouped": ["k-NN"]},
    ],
    "evaluation": {
        "level": 0.95, "intervals": {"method": "auto", "n_resamples": 2000}, "object_score": "max", "prevalence": 0.01,
        "compare": {"baseline": None, "margin": None, "rope": 0.01, "adjust": "holm"},
        "requirements": {"object_sensitivity": 0.95, "object_overkill": 0.1},
    },
    "store": {"models": "none", "maps": "worst"},
    "report": {"formats": ["html", "csv", "markdown", "latex", "figures"]},
}  # fmt: skip


def result(category, detector, protocol, repeat, partition, level, metric, value, half, *, rule="", threshold=None,
           optimistic=False, n=(60, 60, 12, 12), n_repeats=1, status="ok", notes=""):  # fmt: skip
    bounded = not (metric.startswith("optimism") or "-" in protocol or metric in {"rejects_per_thousand", "cost"})
    low, high = value - half, value + half
    if bounded:
        low, high = max(low, 0.0), min(high, 1.0)
    row = dict.fromkeys(RESULT_COLUMNS)
    row.update(category=category, detector=detector, protocol=protocol, repeat=repeat, partition=partition,
               level_of_analysis=level, metric=metric, threshold_rule=rule, threshold=threshold, value=value, low=low,
               high=high, level=0.95, method="object bootstrap", status=status, n_nominal=n[0], n_anomalous=n[1],
               n_objects_nominal=n[2], n_objects_anomalous=n[3], n_repeats=n_repeats, optimistic=optimistic, seed=0,
               job_key="0123456789abcdef", notes=notes)  # fmt: skip
    return row


def rates(labels, scores, threshold):
    called = scores >= threshold
    sens, spec = called[labels == 1].mean(), 1 - called[labels == 0].mean()
    return {"sensitivity": sens, "specificity": spec, "overkill": 1 - spec, "escape": 1 - sens,
            "balanced_accuracy": (sens + spec) / 2, "youden_j": sens + spec - 1,
            "precision": called[labels == 1].sum() / max(called.sum(), 1),
            "rejects_per_thousand": 1000 * (0.01 * sens + 0.99 * (1 - spec)),
            "cost": 100 * 0.01 * (1 - sens) + 2 * 0.99 * (1 - spec)}  # fmt: skip


def choose(labels, scores, rule):
    fpr, tpr, cuts = roc_curve(labels, scores)
    if rule.startswith("cost"):
        utility = -(0.01 * 100 * (1 - tpr) + 0.99 * 2 * fpr)
    elif rule.startswith("max_fpr"):
        utility = np.where(fpr <= 0.05, tpr, -1)
    else:
        utility = tpr - fpr
    return float(cuts[np.argmax(utility)])


def simulate(rng, n_objects, views, separation, object_sd):
    labels, objects, scores, types = [], [], [], []
    for i in range(2 * n_objects):
        label = int(i >= n_objects)
        effect = rng.normal(0, object_sd)
        shown = rng.normal(separation * label + effect, 1.0, views)
        labels += [label] * views
        objects += [f"part{i:03d}"] * views
        scores += list(1 / (1 + np.exp(-(shown - 1) / 1.5)))
        types += [DEFECTS[i % 3] if label else ""] * views
    return np.array(labels), np.array(objects), np.array(scores), np.array(types)


def per_object(labels, objects, scores):
    frame = pd.DataFrame({"o": objects, "y": labels, "s": scores}).groupby("o", sort=True).max()
    return frame["y"].to_numpy(), frame["s"].to_numpy()


def picture(rng, defect):
    y, x = np.mgrid[0:96, 0:128]
    part = ((x - 64) / 44) ** 2 + ((y - 48) / 34) ** 2 < 1
    hole = ((x - 64) / 24) ** 2 + ((y - 48) / 17) ** 2 < 1
    grey = 60 + 90 * (part & ~hole) + 12 * np.sin(x / 3) * ~part + rng.normal(0, 8, x.shape)
    cx, cy = rng.integers(25, 40), rng.integers(35, 60)
    mask = ((x - cx) ** 2 + ((y - cy) * 1.4) ** 2) < 70 if defect else np.zeros(x.shape, bool)
    grey = grey - 45 * mask
    heat = np.exp(-((x - cx - 4) ** 2 + (y - cy) ** 2) / 180) + 0.15 * rng.random(x.shape)
    image = np.clip(np.stack([grey * 1.02, grey, grey * 0.97], axis=-1), 0, 255).astype(np.uint8)
    return image, heat.astype(np.float32), mask


def build(seed=0, *, detectors=(("CS-Flow", 1.8), ("GLASS", 2.4), ("k-NN", 2.1)), categories=("",), repeats=5,
          n_objects=12, views=5, failed=True, memorises=("k-NN",)):  # fmt: skip
    rng = np.random.default_rng(seed)
    rows, scores_frames, roc, worst, jobs, comparisons, requirements = [], [], [], [], [], [], []
    for category in categories:
        values = {}
        for name, separation in detectors:
            leak = 0.09 if name in memorises else 0.005
            here = (category, name)
            per = {}
            done = [r for r in range(repeats) if not (failed and name == detectors[0][0] and r == repeats - 1)]
            for repeat in done:
                th = simulate(rng, n_objects // 2, views, separation, 0.8)
                te = simulate(rng, n_objects // 2, views, separation, 0.8)
                scores_frames += [pd.DataFrame({
                    "category": category, "detector": name, "protocol": "three_way", "repeat": repeat,
                    "partition": part, "sample_id": [f"{part}/{o}/{i % views:02d}.png" for i, o in enumerate(s[1])],
                    "object_id": s[1], "label": s[0], "defect_type": s[3], "score": s[2],
                }) for part, s in (("threshold", th), ("inference", te))]  # fmt: skip
                for level in ("image", "object"):
                    a = (th[0], th[2]) if level == "image" else per_object(*th[:3])
                    b = (te[0], te[2]) if level == "image" else per_object(*te[:3])
                    half = 0.09 if level == "image" else 0.16
                    for metric, call in (("auroc", roc_auc_score), ("average_precision", average_precision_score)):
                        per.setdefault(("inference", level, metric, ""), []).append((repeat, call(*b), None, half))
                    for rule in RULES:
                        cut = choose(*a, rule)
                        on_a, on_b = rates(*a, cut), rates(*b, cut)
                        for m in on_a:
                            h = {"rejects_per_thousand": 90, "cost": 0.2}.get(m, 1.2 * half)
                            per.setdefault(("threshold", level, m, rule), []).append((repeat, on_a[m], cut, h))
                            per.setdefault(("inference", level, m, rule), []).append((repeat, on_b[m], cut, h))
                            per.setdefault(("threshold-inference", level, f"optimism_{m}", rule), []).append(
                                (repeat, on_a[m] - on_b[m], cut, h))  # fmt: skip
            for (part, level, metric, rule), found in per.items():
                units = n_objects // 2 * (views if level == "image" else 1)
                count = (units, units, n_objects // 2, n_objects // 2)
                for repeat, value, cut, half in found:
                    rows.append(result(*here, "three_way", repeat, part, level, metric, value, half, rule=rule,
                                       threshold=cut, optimistic=part == "threshold", n=count))  # fmt: skip
                mean = float(np.mean([f[1] for f in found]))
                rows.append(result(*here, "three_way", None, part, level, metric, mean, found[0][3] * 0.8, rule=rule,
                                   optimistic=part == "threshold", n=count, n_repeats=len(found)))  # fmt: skip
                values[(name, level, metric, rule, part)] = (mean, dict((f[0], f[1]) for f in found))
            honest = values[(name, "image", "auroc", "", "inference")][0]
            last = min(honest + leak, 0.99)
            note = "leaking: 6 objects in train and test"
            rows.append(
                result(*here, "naive", 0, "test", "image", "auroc", last, 0.045, n=(120, 60, 24, 12), notes=note)
            )
            if name != "k-NN":
                rows += [
                    result(*here, "naive", 0, "test", "image", "auroc_best_checkpoint", last + 0.012, 0.04,
                           optimistic=True, n=(120, 60, 24, 12), notes=note),
                    result(*here, "naive", 0, "test", "image", "optimism", 0.012, 0.0095, n=(120, 60, 24, 12)),
                ]  # fmt: skip
            gap = last + (0.012 if name != "k-NN" else 0) - honest
            rows.append(result(*here, "naive-three_way", None, "test-inference", "image",
                               "auroc" if name == "k-NN" else "auroc_best_checkpoint", gap, 0.06))  # fmt: skip
            rows += [result(*here, "naive", 0, "test", "pixel", m, v, h, n=(120, 60, 24, 12))
                     for m, v, h in (("auroc", 0.93, 0.021), ("aupro", 0.71, 0.08))]  # fmt: skip
            rows.append(result(*here, "naive", 0, "test", "pixel", "f1_max", math.nan, math.nan, status="undefined",
                               notes="no mask marks a defect"))  # fmt: skip
            if name in memorises:
                rows.append(
                    result(*here, "three_way_ungrouped", None, "inference", "image", "auroc", honest + 0.08, 0.05)
                )
                rows.append(
                    result(*here, "three_way_ungrouped-three_way", None, "inference", "image", "auroc", 0.081, 0.035)
                )
            grid = np.linspace(0, 1, 41)
            for protocol, shift in (("naive", leak), ("three_way", 0.0)):
                for level in ("image", "object") if protocol == "three_way" else ("image",):
                    power = (1 - honest - shift) / max(honest + shift, 0.5)
                    tpr = grid ** max(power, 0.02)
                    width = 0.12 if level == "object" else 0.07
                    roc.append(pd.DataFrame({
                        "category": category, "detector": name, "protocol": protocol, "level_of_analysis": level,
                        "fpr": grid, "tpr": tpr, "low": np.clip(tpr - width * (1 - grid), 0, 1),
                        "high": np.clip(tpr + width * (1 - grid), 0, 1)}))  # fmt: skip
            sens = values[(name, "object", "sensitivity", "youden", "inference")][0]
            over = values[(name, "object", "overkill", "youden", "inference")][0]
            requirements += [
                (category, name, "object_sensitivity", 0.95, sens, max(sens - 0.15, 0), min(sens + 0.1, 1),
                 "not shown"),
                (category, name, "object_overkill", 0.1, over, max(over - 0.1, 0), over + 0.15,
                 "not met" if over - 0.1 > 0.1 else "not shown"),
            ]  # fmt: skip
            for kind, defect, score in (("escape", True, 0.21), ("escape", True, 0.28), ("false alarm", False, 0.83),
                                        ("caught", True, 0.96)):  # fmt: skip
                image, heat, mask = picture(rng, defect)
                worst.append(WorstImage(
                    category, name, f"test/{'scratch' if defect else 'good'}/part{len(worst):03d}_{len(worst):02d}.png",
                    f"part{len(worst):03d}", int(defect), "scratch" if defect else "", score, 0.55, kind, image,
                    heat if kind == "escape" else heat * 0.9, mask if defect else None))  # fmt: skip
            for repeat in range(repeats):
                ok = repeat in done
                jobs.append((name, "three_way", repeat, f"{len(jobs):016x}", "done" if ok else "failed",
                             "" if ok else "fit: killed (out of memory?)", 12.3 + repeat, 1.2, 6.1e8,
                             "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"))  # fmt: skip
            jobs.append((name, "naive", 0, f"{len(jobs):016x}", "done", "", 15.0, 1.5, 6.4e8,
                         "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"))  # fmt: skip
        for metric, rule in (("auroc", ""), ("balanced_accuracy", "youden")):
            for level in ("image", "object"):
                for a, b in itertools.combinations([d for d, _ in detectors], 2):
                    va, vb = (values[(d, level, metric, rule, "inference")][0] for d in (a, b))
                    p = min(abs(vb - va) and 0.002 / abs(vb - va), 1.0)
                    row = dict.fromkeys(COMPARISON_COLUMNS)
                    row.update(category=category, metric=metric, detector_a=a, detector_b=b, value_a=va, value_b=vb,
                               difference=va - vb, low=va - vb - 0.06, high=va - vb + 0.06, level=0.95,
                               test="corrected resampled t", statistic=1.0, df=4, p_value=p, p_adjusted=min(3 * p, 1),
                               adjust="holm", n_tests=3, decision="no difference shown" if 3 * p > 0.05 else
                               f"{a if va > vb else b} better", n_repeats=repeats, correction="class_resolved",
                               protocol="three_way", level_of_analysis=level, threshold_rule=rule)  # fmt: skip
                    comparisons.append(row)
    results = pd.DataFrame(rows, columns=list(RESULT_COLUMNS))
    if len(categories) > 1:
        over = results[results["repeat"].isna() & results["protocol"].isin(["three_way"])]
        mean = over.groupby(["detector", "protocol", "partition", "level_of_analysis", "metric", "threshold_rule"],
                            sort=False)[["value", "low", "high"]].mean().reset_index()  # fmt: skip
        mean["category"], mean["level"], mean["status"] = AVERAGE, 0.95, "ok"
        results = pd.concat([results, mean.reindex(columns=list(RESULT_COLUMNS))], ignore_index=True).astype(object)
    splits = pd.DataFrame(
        [("three_way", r, p, n, n - d, d, n // views) for r in range(repeats)
         for p, n, d in (("train", 300, 0), ("threshold", 60, 30), ("inference", 60, 30), ("unused", 14, 0))],
        columns=["protocol", "repeat", "partition", "n_images", "n_nominal", "n_anomalous", "n_objects"])  # fmt: skip
    return ReportData(
        title="links",
        results=results,
        comparisons=pd.DataFrame(comparisons, columns=list(COMPARISON_COLUMNS)),
        scores=pd.concat(scores_frames, ignore_index=True),
        roc=pd.concat(roc, ignore_index=True),
        requirements=pd.DataFrame(requirements, columns=["category", "detector", "requirement", "required", "value",
                                                         "low", "high", "verdict"]),
        worst=tuple(worst),
        splits=splits,
        jobs=pd.DataFrame(jobs, columns=["detector", "protocol", "repeat", "key", "status", "message", "fit_seconds",
                                         "score_seconds", "peak_memory_bytes", "weights_sha256"]),
        parameters=PARAMETERS,
        environment={"lab2factory": "0.1.0", "python": "3.11.7", "numpy": "2.1.0", "devices": ["cpu"],
                     "started": "2025-01-01T00:00:00Z", "command": "lab2factory run links.yaml"},
        dataset={"path": "data/links", "layout": "glink", "images": 434, "nominal images": 374,
                 "anomalous images": 60, "objects": 48, "defective objects": 12},
        banner=("Results are limited: only a part of the jobs was run.",),
    )  # fmt: skip


@pytest.fixture(scope="session")
def data():
    return build()


@pytest.fixture(scope="session")
def make():
    return build


@pytest.fixture(scope="session")
def changed():
    return dataclasses.replace
