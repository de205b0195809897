"""Evaluate a stored run: protocols, differences and comparisons, and write the result tables."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import numpy as np

import bench
import protocols
from bench.evaluation import Tagged, category_means, comparisons_frame, results_frame
from bench.planning import UNGROUPED
from bench.provenance import software_versions
from bench.run_folder import Run
from protocols.comparisons.detectors import compare_detectors
from protocols.differences import naive_minus_three_way, ungrouped_minus_grouped
from protocols.estimates import noted
from protocols.naive import Naive
from protocols.partition import Split
from protocols.pixel_estimates import pixel_estimates
from protocols.pixel_histogram import PixelHistogram
from protocols.pooling import pooling_note, pooling_test
from protocols.results import ResultRow
from protocols.scores import ScoreTable
from protocols.three_way import ThreeWay

Repeats = tuple[tuple[Split, ...], tuple[ScoreTable | None, ...]]


PIXEL_RESAMPLES_PER_REPEAT = 500  # each repeat's interval is a description; the naive one has the full number


def evaluate_run(run: Run, *, only_if_changed: bool = False) -> bool:
    """Compute ``results`` and ``comparisons`` from what is stored, and write them.

    Parameters
    ----------
    run
        The run.
    only_if_changed
        Keep the tables that are there if the same jobs, configuration and code made them.

    Returns
    -------
    bool
        Whether anything was computed.
    """
    basis = evaluation_basis(run)
    if only_if_changed and run.store.evaluation_basis() == basis:
        return False
    config = run.config
    rows: list[Tagged] = []
    comparisons: list[dict[str, object]] = []
    for category in run.categories:
        for detector in run.labels:
            rows += [
                Tagged(row, category, detector, _job_key(run, category, detector, row))
                for row in _rows(run, category, detector)
            ]
        comparisons += _comparisons(run, category)
    if len(run.categories) > 1:
        rows += category_means(rows, config.evaluation.level)
    remarks = ("limited",) if run.info.get("limit") else ()
    run.store.write_results(results_frame(rows, config.seed, remarks))
    run.store.write_comparisons(comparisons_frame(comparisons))
    run.store.write_evaluation_basis(basis)
    return True


def evaluation_basis(run: Run) -> str:
    """Return a SHA-256 over all that decides the result tables: jobs, configuration, and the code that judges."""
    digest = hashlib.sha256(run.config.to_yaml().encode())
    versions = {k: v for k, v in software_versions().items() if k in ("lab2factory", "numpy", "scipy", "pandas")}
    cells = [[c.category, c.detector, c.protocol, c.repeat, c.key] for c in run.cells]
    digest.update(json.dumps([versions, run.info.get("limit"), cells], sort_keys=True).encode())
    for key in sorted({cell.key for cell in run.cells}):
        record = run.record(key) or {}
        digest.update(json.dumps([key, record.get("status"), record.get("files")], sort_keys=True).encode())
    for package in (protocols, bench):
        for path in sorted(Path(str(package.__file__)).parent.rglob("*.py")):
            digest.update(path.read_bytes())
    return digest.hexdigest()


def _job_key(run: Run, category: str, detector: str, row: ResultRow) -> str:
    if row.repeat is None or row.protocol not in run.protocols:
        return ""
    return run.key(category, detector, row.protocol, row.repeat) or ""


def repeats_of(run: Run, category: str, detector: str, protocol: str) -> Repeats:
    """Return the splits and score tables of a detector under a protocol; None where a job is not done."""
    splits = run.splits(category, protocol)
    return splits, tuple(run.table(category, detector, protocol, split.repeat) for split in splits)


def _rows(run: Run, category: str, detector: str) -> list[ResultRow]:
    seed, rows = run.config.seed, []
    done: dict[str, Repeats] = {
        name: repeats_of(run, category, detector, name)
        for name in run.protocols
        if run.key(category, detector, name, 0) is not None
    }
    for name, protocol in run.protocols.items():
        if name not in done:
            continue
        splits, tables = done[name]
        if isinstance(protocol, Naive):
            if tables[0] is not None:
                rows += protocol.evaluate(splits[0], tables[0], seed)
        else:
            for split, table in zip(splits, tables, strict=True):
                rows += protocol.evaluate(split, table, seed) if table is not None else []
            rows += protocol.summarise(splits, tables, seed)
            if protocol.merge_nominal_test and protocol.name == "three_way":
                rows = _with_pooling(rows, protocol, splits, tables, run)
        rows += _pixels(run, category, detector, name, splits)
    return rows + _differences(run, category, done)


def _with_pooling(
    rows: list[ResultRow],
    protocol: ThreeWay,
    splits: tuple[Split, ...],
    tables: tuple[ScoreTable | None, ...],
    run: Run,
) -> list[ResultRow]:
    """Note whether nominal test images score like nominal training images, where both are judged.

    In every row if they do not; else in the AUROC over the repeats.
    """
    sources = {source for table in tables if table for source in table.frame["source"][table.frame["label"] == 0]}
    if sources != {"train", "test"}:
        return rows
    found = pooling_test(splits, tables, object_policy=protocol.object_policy, seed=run.config.seed)
    note, refuted = pooling_note(found)
    return [
        replace(row, estimate=noted(row.estimate, (note,)))
        if row.protocol == protocol.name and (refuted or (row.repeat is None and row.metric == "auroc"))
        else row
        for row in rows
    ]


def _differences(run: Run, category: str, done: dict[str, Repeats]) -> list[ResultRow]:
    naive, three_way = run.protocols.get("naive"), run.protocols.get("three_way")
    rows: list[ResultRow] = []
    if not isinstance(three_way, ThreeWay) or "three_way" not in done:
        return rows
    splits, tables = done["three_way"]
    if isinstance(naive, Naive) and "naive" in done:
        naive_splits, naive_tables = done["naive"]
        if naive_tables[0] is not None:
            rows += naive_minus_three_way(
                naive, three_way, naive_splits[0], naive_tables[0], splits, tables, run.config.seed
            )
    if UNGROUPED in done and run.samples[category].has_objects:
        rows += ungrouped_minus_grouped(
            three_way, *done[UNGROUPED], splits, tables, run.samples[category], run.config.seed
        )
    return rows


def _pixels(run: Run, category: str, detector: str, protocol: str, splits: tuple[Split, ...]) -> list[ResultRow]:
    """Return the pixel rows of each repeat, for the partition that is judged."""
    rows: list[ResultRow] = []
    frame = run.samples[category].frame.set_index("sample_id")
    partition = "test" if protocol == "naive" else "inference"
    evaluation = run.config.evaluation
    n_resamples = evaluation.intervals.n_resamples
    if protocol != "naive":
        n_resamples = min(n_resamples, PIXEL_RESAMPLES_PER_REPEAT)
    for split in splits:
        arrays = run.pixels(category, detector, protocol, split.repeat)
        if arrays is None:
            continue
        judged = set(split.partitions()[partition])
        keep = np.array([s in judged for s in arrays["sample_id"]])
        histogram = PixelHistogram.from_arrays(arrays).select(keep)
        samples = frame.loc[arrays["sample_id"][keep]]
        estimates = pixel_estimates(
            histogram, samples["object_id"].to_numpy(), samples["label"].to_numpy(), level=evaluation.level,
            n_resamples=n_resamples, seed=run.config.seed,
        )  # fmt: skip
        swapped = ("of one direction only: the inference partition",) if _swaps(run, protocol) else ()
        rows += [
            ResultRow(protocol, split.repeat, partition, "pixel", metric, noted(estimate, swapped),
                      optimistic=metric == "f1_max")
            for metric, estimate in estimates.items()
        ]  # fmt: skip
    return rows


def _swaps(run: Run, protocol: str) -> bool:
    found = run.protocols[protocol]
    return isinstance(found, ThreeWay) and found.swap


def _comparisons(run: Run, category: str) -> list[dict[str, object]]:
    protocol = run.protocols.get("three_way")
    if not isinstance(protocol, ThreeWay) or len(run.labels) < 2:
        return []
    compare = run.config.evaluation.compare
    tables = {d: repeats_of(run, category, d, "three_way")[1] for d in run.labels}
    splits, samples = run.splits(category, "three_way"), run.samples[category]
    return compare_detectors(
        tables, splits, samples, thresholds=protocol.thresholds,
        prevalence=protocol.prevalence, level=protocol.level, rope=compare.rope, margin=compare.margin,
        adjust=compare.adjust, baseline=compare.baseline, object_score=protocol.object_score,
        object_policy=protocol.object_policy, n_resamples=protocol.n_resamples, seed=run.config.seed, category=category,
        swap=protocol.swap, blocks=1 if protocol.conditional else protocol.blocks,
        resplits=protocol.rehalved(splits, samples, run.config.seed),
    )  # fmt: skip
