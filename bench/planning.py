"""From a configuration and a manifest to protocols, splits and jobs; nothing is trained here."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from bench.config import Config, NaiveConfig, ThreeWayConfig
from bench.detector_specs import DetectorSpec, detector_spec, fixed_scores_spec
from bench.jobs import Job, foreground_digest, job_key, samples_digest
from bench.manifest import Manifest
from bench.score_files import check_scores_for
from protocols.errors import InputError
from protocols.naive import Naive
from protocols.partition import Split
from protocols.samples import SampleTable
from protocols.three_way import ThreeWay

UNGROUPED = "three_way_ungrouped"


@dataclass(frozen=True)
class PlannedJob:
    """Which job serves which cell of the result tables."""

    category: str
    detector: str
    protocol: str
    repeat: int
    key: str


@dataclass(frozen=True)
class Plan:
    """All splits and jobs of a run.

    Parameters
    ----------
    protocols
        By name: ``naive``, ``three_way``, ``three_way_ungrouped``.
    samples
        By category.
    splits
        By (category, protocol).
    cells
        Which job serves which cell; several cells may share one.
    jobs
        By key, in the order to be done.
    """

    protocols: Mapping[str, Naive | ThreeWay]
    samples: Mapping[str, SampleTable]
    splits: Mapping[tuple[str, str], tuple[Split, ...]]
    cells: tuple[PlannedJob, ...]
    jobs: Mapping[str, Job]


def build_protocols(config: Config) -> dict[str, Naive | ThreeWay]:
    """Return the protocols that a configuration asks for, by name."""
    found: dict[str, Naive | ThreeWay] = {}
    evaluation, policy = config.evaluation, config.dataset.object_policy
    for entry in config.protocols:
        if isinstance(entry, NaiveConfig):
            found["naive"] = Naive(
                nominal_test_share=entry.nominal_test_share, level=evaluation.level,
                n_resamples=evaluation.intervals.n_resamples, object_score=evaluation.object_score,
                prevalence=evaluation.prevalence, object_policy=policy,
            )  # fmt: skip
        else:
            grouped = ThreeWay(
                thresholds=tuple((t.rule, dict(t.parameters)) for t in entry.thresholds),
                **_how_often(entry), swap=entry.swap, blocks=entry.blocks, conditional=entry.conditional,
                design=entry.design, nominal_ratio=entry.nominal_ratio, quota_unit=entry.quota_unit,
                merge_nominal_test=entry.merge_nominal_test, min_train_share=entry.min_train_share, ndo=entry.ndo,
                object_policy=policy, level=evaluation.level, n_resamples=evaluation.intervals.n_resamples,
                object_score=evaluation.object_score, prevalence=evaluation.prevalence,
            )  # fmt: skip
            found["three_way"] = grouped
            if entry.compare_ungrouped:
                found[UNGROUPED] = replace(
                    grouped, object_policy="image_is_object", name=UNGROUPED, blocks=1, conditional=False
                )
    return found


def _how_often(entry: ThreeWayConfig) -> dict[str, Any]:
    """Return repeats, or runs and folds: those that the design has."""
    given = {"repeats": entry.repeats, "runs": entry.runs, "folds": entry.folds}
    return {name: value for name, value in given.items() if value is not None}


def ungrouped_detectors(config: Config, labels: Sequence[str]) -> tuple[str, ...]:
    """Return the labels of the detectors that are also run on image-level splits.

    Raises
    ------
    InputError
        ``compare_ungrouped`` names a detector that there is not.
    """
    for entry in config.protocols:
        if isinstance(entry, ThreeWayConfig) and entry.compare_ungrouped:
            named = entry.compare_ungrouped
            if isinstance(named, bool):
                return tuple(labels)
            unknown = [name for name in named if name not in labels]
            if unknown:
                raise InputError("protocols, three_way.compare_ungrouped", unknown[0], f"one of {list(labels)}",
                                 "Name detectors by their labels.")  # fmt: skip
            return tuple(named)
    return ()


def detector_specs(config: Config, plugins: tuple[Path, ...] = ()) -> tuple[DetectorSpec, ...]:
    """Resolve all detectors of a configuration, in its order."""
    specs = []
    for entry in config.detectors:
        if entry.scores is not None:
            specs.append(fixed_scores_spec(entry.label, Path(entry.scores)))
        else:
            name = entry.name or entry.class_path
            assert name is not None
            specs.append(
                detector_spec(
                    label=entry.label, name=name, preset=entry.preset, init_args=entry.init_args, plugins=plugins
                )
            )
    return tuple(specs)


def draw_splits(
    config: Config, manifest: Manifest
) -> tuple[dict[str, Naive | ThreeWay], dict[str, SampleTable], dict[tuple[str, str], tuple[Split, ...]]]:
    """Return the protocols, the samples by category, and the splits by (category, protocol)."""
    protocols = build_protocols(config)
    samples = {c: manifest.of_category(c).samples(config.dataset.object_policy) for c in manifest.categories}
    splits = {
        (category, name): tuple(protocol.plan(table, config.seed))
        for category, table in samples.items()
        for name, protocol in protocols.items()
    }
    return protocols, samples, splits


def _check_fixed_scores(
    specs: Sequence[DetectorSpec],
    samples: Mapping[str, SampleTable],
    splits: Mapping[tuple[str, str], tuple[Split, ...]],
) -> None:
    """Refuse a score file that lacks a sample, or contradicts the data set, before anything is trained."""
    for spec in specs:
        if spec.scores is None:
            continue
        for category, table in samples.items():
            drawn = [s for (of, name), many in splits.items() if of == category and name != UNGROUPED for s in many]
            judged = {sample_id for split in drawn for sample_id in split.held_out(table)}
            rows = table.frame[table.frame["sample_id"].isin(judged)]
            check_scores_for(spec.scores, dict(zip(rows["sample_id"], rows["label"].astype(int), strict=True)))


def make_plan(
    config: Config,
    manifest: Manifest,
    specs: Sequence[DetectorSpec],
    *,
    run_dir: Path,
    cache: Path | None,
    cache_limit_bytes: int,
    on_hash: Callable[[int, int], None] = lambda done, total: None,
) -> Plan:
    """Return all splits and jobs of a run.

    Parameters
    ----------
    config, manifest, specs
        What is asked, on which images, with which detectors.
    run_dir, cache, cache_limit_bytes
        Where jobs write, and their feature cache.
    on_hash
        Called with (done, total) while image files are hashed.
    """
    protocols, samples, splits = draw_splits(config, manifest)
    ungrouped = ungrouped_detectors(config, [spec.label for spec in specs])
    cells: list[PlannedJob] = []
    jobs: dict[str, Job] = {}
    for done, ((category, protocol), drawn) in enumerate(splits.items()):
        part = manifest.of_category(category)
        table = samples[category]
        for split in drawn:
            held = samples_digest(part, table, split)
            foreground = foreground_digest(part, split) if any(s.uses_foreground for s in specs) else None
            for spec in specs:
                if protocol == UNGROUPED and spec.label not in ungrouped:
                    continue
                key = job_key(spec, split, category=category, seed=config.seed, samples=held, foreground=foreground)
                cells.append(PlannedJob(category, spec.label, protocol, split.repeat, key))
                if key not in jobs:
                    jobs[key] = Job(
                        key, run_dir, spec, category, protocol, split.repeat, part, table, split, config.seed, cache,
                        cache_limit_bytes, config.store.models == "all", config.store.maps,
                    )  # fmt: skip
        on_hash(done + 1, len(splits))
    _check_fixed_scores(specs, samples, splits)
    # Jobs of one detector together: their features are in the cache after the first.
    order = {spec.label: i for i, spec in enumerate(specs)}
    ordered = dict(sorted(jobs.items(), key=lambda item: (item[1].category, order[item[1].spec.label])))
    return Plan(protocols, samples, splits, tuple(cells), ordered)
