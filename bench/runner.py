"""Run a configuration: plan, train what is not done yet, evaluate, report."""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.config import Config
from bench.dataset import default_cache, limited, open_dataset, resolve_path
from bench.executors import EXECUTORS, run_jobs
from bench.executors.slots import device_names
from bench.jobs import Job, run_job
from bench.manifest import Manifest
from bench.planning import Plan, detector_specs, make_plan
from bench.plugins import nearest_hint
from bench.progress import Progress
from bench.provenance import run_info
from bench.run_folder import DONE, FAILED, MISSING, Run, split_folder
from bench.store import RunStore
from detectors.registry import known_plugins
from protocols.errors import InputError, StoreError

FAILURE = ("detector", "protocol", "repeat", "key", "phase", "message")
UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}


@dataclass(frozen=True)
class RunOptions:
    """What the command line says beside the configuration; none of it changes a result but `limit`.

    Parameters
    ----------
    output
        The run folder.
    workers
        Number of trainings at once, or ``auto``.
    devices
        ``cpu``, ``cuda:0,cuda:1`` or ``auto``.
    backend
        ``inline`` or ``processes``.
    retry_failed
        Whether failed jobs are done again.
    limit
        About so many images of each label and source, for trying out.
    job_timeout
        Seconds after which a job counts as failed.
    plugins
        Python files to load.
    cache, cache_limit_bytes
        The feature cache; None: ``LAB2FACTORY_CACHE`` or the user's cache folder.
    base
        Folder of the configuration file.
    quiet, verbose, live
        How much is said, and whether a terminal gets a live view.
    """

    output: Path
    workers: str = "auto"
    devices: str = "auto"
    backend: str = "processes"
    retry_failed: bool = False
    limit: int | None = None
    job_timeout: float | None = None
    plugins: tuple[Path, ...] = ()
    cache: Path | None = None
    cache_limit_bytes: int = 20 * 10**9
    base: Path = Path()
    quiet: bool = False
    verbose: bool = False
    live: bool = True


@dataclass(frozen=True)
class Outcome:
    """What a run did, and where its report is."""

    path: Path
    report: Path
    done: int
    skipped: int
    failed: int
    seconds: float
    failures: tuple[Mapping[str, Any], ...] = ()
    summary: Mapping[str, Any] = field(default_factory=dict)
    table: str = field(default="", repr=False)
    missing: int = 0

    def as_dict(self) -> dict[str, object]:
        """Return the outcome as a JSON document."""
        return {
            "run": str(self.path),
            "report": str(self.report),
            "jobs": {"done": self.done, "skipped": self.skipped, "failed": self.failed},
            **({"not_done_yet": self.missing} if self.missing else {}),
            "seconds": round(self.seconds, 3),
            "failures": list(self.failures),
            "results": dict(self.summary),
        }

    def text(self) -> str:
        """Return the outcome for a person."""
        lines = [self.table, "", f"jobs: {self.done} done, {self.skipped} skipped, {self.failed} failed"]
        if self.missing:
            lines[-1] += f", {self.missing} not done yet: run the configuration again to finish them"
        lines += [
            f"  failed: {f['detector']} {f['protocol']} {f['repeat']} in phase {f['phase']}: "
            f"{' '.join(str(f['message']).split())}"
            for f in self.failures
        ]
        if self.failures:
            lines.append(f"  why: lab2factory show {self.path} KEY; once mended: lab2factory run ... --retry-failed")
        return "\n".join([*lines, f"report: {self.report}"])


def parse_size(text: str) -> int:
    """Return a size such as ``20GB`` or ``500 MB`` in bytes."""
    match = re.fullmatch(r"\s*([0-9.]+)\s*([kmgt]?)i?b?\s*", text.lower())
    if not match:
        raise InputError("--cache-limit", text, "a size such as 20GB or 500MB", "Correct the size.")
    return int(float(match[1]) * UNITS[match[2]])


def prepare(config: Config, options: RunOptions, progress: Progress) -> tuple[Config, Manifest, Plan]:
    """Open the data set, resolve the detectors, draw the splits and list the jobs.

    Nothing is written but synthetic images; returns the configuration with its data set's absolute path.
    """
    _check_places(options)
    cache = options.cache if options.cache is not None else default_cache()
    specs = detector_specs(config, options.plugins)
    if config.dataset.path is not None:
        found = resolve_path(config.dataset.path, options.base)
        config = config.model_copy(update={"dataset": config.dataset.model_copy(update={"path": str(found)})})
    progress.status("reading the data set")
    manifest = open_dataset(
        config.dataset, options.base, cache=cache, workers=_count(options.workers), report=progress.step
    )
    if options.limit is not None:
        manifest = limited(manifest, options.limit, config.seed)
    progress.status("drawing splits")
    plan = make_plan(
        config, manifest, specs, run_dir=options.output.absolute(), cache=cache / "features",
        cache_limit_bytes=options.cache_limit_bytes,
        on_hash=lambda done, total: progress.step("hashing images", done, total),
    )  # fmt: skip
    return config, manifest, plan


def run_config(config: Config, options: RunOptions) -> Outcome:
    """Run a configuration; what is done already is skipped.

    Raises
    ------
    Lab2FactoryError
        Wrong input, found before anything is trained.
    Interrupted
        The user stopped it; what was finished is kept.
    """
    started = time.monotonic()
    with Progress(quiet=options.quiet, verbose=options.verbose, live=options.live) as progress:
        config, manifest, plan = prepare(config, options, progress)
        store = RunStore(options.output)
        _refuse_limit_over_whole_run(store, options.limit)
        store.open(config.to_yaml())
        info = run_info(command=list(sys.argv), seed=config.seed, data_fingerprint=manifest.fingerprint(),
                        devices=options.devices, limit=options.limit, notes=list(manifest.notes))  # fmt: skip
        store.write_run_info(info)
        _write_plan(store, manifest, plan)
        todo, skipped = _select(store, plan, options.retry_failed, progress.warn)
        counts = {DONE: 0, FAILED: 0}

        def finished(job: Job, record: Mapping[str, Any]) -> None:
            counts[record["status"]] += 1
            progress.job_finished(job.key, record)

        progress.start_jobs([(job.key, job.title) for job in todo], skipped=len(skipped), store=store)
        run_jobs(todo, run_job, backend=options.backend, workers=options.workers, devices=options.devices,
                 timeout=options.job_timeout, store=store, on_start=progress.job_started, on_done=finished)  # fmt: skip
        progress.status("evaluating")
        outcome = evaluate_and_report(options.output, progress=progress, only_if_changed=not todo)
        store.write_run_info({**info, "ended": datetime.now(UTC).isoformat(timespec="seconds")})
    return Outcome(
        outcome.path, outcome.report, counts[DONE], len(skipped), outcome.failed, time.monotonic() - started,
        outcome.failures, outcome.summary, outcome.table,
    )  # fmt: skip


def _refuse_limit_over_whole_run(store: RunStore, limit: int | None) -> None:
    """Refuse to replace the plan and the results of a whole run by those of a trial."""
    stored = store.run_info() or {}
    if limit is not None and stored and stored.get("limit") is None:
        raise StoreError(str(store.root), f"a whole run, and --limit {limit}", "a folder of its own for a trial",
                         "Choose another folder with --output.", code="OtherConfiguration")  # fmt: skip


def evaluate_and_report(
    path: Path, report_dir: Path | None = None, *, progress: Progress | None = None, only_if_changed: bool = False
) -> Outcome:
    """Evaluate what is stored, write the result tables and the report.

    With `only_if_changed`, tables and report that were made from the same jobs, configuration and code stay.
    """
    from bench.evaluate_run import evaluate_run
    from bench.report_data import report_data
    from reports import write_report
    from reports.console import summary, summary_text

    started = time.monotonic()
    run = Run.load(path)
    changed = evaluate_run(run, only_if_changed=only_if_changed)
    data = report_data(run)
    out = path / "report" if report_dir is None else report_dir
    index = out / "index.html"
    if changed or not index.is_file():
        if progress is not None:
            progress.status("writing the report")
        index = write_report(data, out, run.config.report.formats)
    jobs = run.jobs.drop_duplicates("key")
    failures = jobs[jobs["status"] == FAILED]
    return Outcome(
        path, index, 0, int((jobs["status"] == DONE).sum()), len(failures), time.monotonic() - started,
        tuple({str(k): v for k, v in row.items()} for row in failures[list(FAILURE)].to_dict("records")),
        summary(data), summary_text(data), int((jobs["status"] == MISSING).sum()),
    )  # fmt: skip


def dry_run_table(config: Config, options: RunOptions) -> tuple[dict[str, object], str]:
    """Return what a run would do: its jobs, which are there, and the time that is left from measured jobs."""
    with Progress(quiet=True, verbose=False, live=False) as progress:
        config, _, plan = prepare(config, options, progress)
    store = RunStore(options.output)
    store.check_fits(config.to_yaml())
    rows: list[dict[str, object]] = []
    seconds: dict[str, list[float]] = {}
    for key, job in plan.jobs.items():
        try:
            record = store.job(key).record()
        except StoreError as error:
            if error.code == "NewerSchema":
                raise
            record = None  # it is damaged: the run will set it aside
        status = "to do" if record is None else str(record["status"])
        if record is not None and record.get("fit_seconds") is not None:
            seconds.setdefault(job.spec.label, []).append(record["fit_seconds"] + record["score_seconds"])
        rows.append({"key": key, "detector": job.spec.label, "category": job.category, "protocol": job.protocol,
                     "repeat": job.repeat, "status": status})  # fmt: skip
    left = 0.0
    unknown = 0
    for row in rows:
        if row["status"] == "to do":
            measured = seconds.get(str(row["detector"]))
            unknown += measured is None
            left += sum(measured) / len(measured) if measured else 0.0
    lines = [f"{'key':<18}{'detector':<16}{'protocol':<22}{'repeat':>6}  status"]
    lines += [
        f"{r['key']!s:<18}{r['detector']!s:<16}{r['protocol']!s:<22}{r['repeat']:>6}  {r['status']}" for r in rows
    ]
    n = sum(r["status"] == "to do" for r in rows)
    if n == 0:
        cost = "nothing is left to do"
    elif n == unknown:
        cost = "the cost is known after the first job"
    else:
        cost = f"about {left:.0f} s of work by the jobs measured so far"
        cost += f", without {unknown} jobs of detectors not measured yet" if unknown else ""
    lines.append(f"{len(rows)} jobs, {n} to do; {cost}")
    return {"jobs": rows, "to_do": n, "estimated_seconds": left if n > unknown else None}, "\n".join(lines)


def _write_plan(store: RunStore, manifest: Manifest, plan: Plan) -> None:
    store.write_manifest(manifest.frame)
    for (category, protocol), splits in plan.splits.items():
        for split in splits:
            store.write_split(split_folder(protocol, category, manifest.categories), split, plan.samples[category])
    cells = [{"category": c.category, "detector": c.detector, "protocol": c.protocol, "repeat": c.repeat, "key": c.key}
             for c in plan.cells]  # fmt: skip
    store.write_plan(
        {"cells": cells, "root": str(manifest.root), "notes": list(manifest.notes), "layout": manifest.layout}
    )


def _select(
    store: RunStore, plan: Plan, retry_failed: bool, warn: Callable[[str], None]
) -> tuple[list[Job], list[Job]]:
    """Return the jobs to do and those to skip; a damaged job is set aside, never deleted, and done again."""
    todo: list[Job] = []
    skipped: list[Job] = []
    for key, job in plan.jobs.items():
        try:
            record = store.job(key).record()
        except StoreError as error:
            if error.code == "NewerSchema":
                raise
            warn(f"{error} Set aside as {store.job(key).set_aside().name}.")
            record = None
        again = record is None or (record["status"] == FAILED and retry_failed)
        (todo if again else skipped).append(job)
    return todo, skipped


def _check_places(options: RunOptions) -> None:
    """Refuse a backend, workers or devices that there are not, before anything is read or written."""
    known = known_plugins("executor", EXECUTORS)
    if options.backend not in known:
        hint = nearest_hint(options.backend, known)
        raise InputError("--backend", options.backend, f"one of {', '.join(known)}", hint)
    _count(options.workers)
    if options.devices != "auto":
        device_names(options.devices)


def _count(workers: str) -> int:
    if workers == "auto":
        return os.cpu_count() or 1
    if not workers.isdigit() or int(workers) < 1:
        raise InputError("--workers", workers, "a number of at least 1, or auto", "Correct the number.")
    return int(workers)
