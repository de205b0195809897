"""One job = one training on one split: its key, and doing it."""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
import sys
import tempfile
import time
import traceback
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from bench.detector_specs import DetectorSpec
from bench.executors.lost import TimeIsUp, one_line
from bench.images import ManifestImages
from bench.job_maps import MapFiles, keep_maps
from bench.manifest import Manifest
from bench.provenance import software_versions
from bench.store import RunStore, parquet_bytes
from bench.training import score_frame, train_and_score
from detectors.base import FitContext, SupportsSaving
from protocols.errors import DetectorError, Lab2FactoryError
from protocols.partition import Split
from protocols.samples import SampleTable
from protocols.scores import LAST

SCHEMA = 1
NUMERICS = {"dtype": "float32", "deterministic": True}


@dataclass(frozen=True)
class Job:
    """Everything a worker needs to do one training; picklable.

    Parameters
    ----------
    key
        First 16 hex digits of the SHA-256 of all that decides the scores.
    run_dir
        The run folder.
    spec
        Which detector.
    category, protocol, repeat
        Whose first use it is; a job may serve several.
    manifest, samples, split
        The images of this category, their labels and objects, who trains and who is scored.
    seed
        The run's seed.
    cache, cache_limit_bytes
        The feature cache.
    store_models
        Whether the fitted model is kept.
    store_maps
        ``none``, ``worst`` or ``all``.
    """

    key: str
    run_dir: Path
    spec: DetectorSpec
    category: str
    protocol: str
    repeat: int
    manifest: Manifest
    samples: SampleTable
    split: Split
    seed: int
    cache: Path | None
    cache_limit_bytes: int
    store_models: bool
    store_maps: str

    @property
    def title(self) -> str:
        """What a person calls it."""
        category = f"{self.category} " if self.category else ""
        return f"{self.spec.label} {category}{self.protocol} {self.repeat}"


def samples_digest(manifest: Manifest, samples: SampleTable, split: Split) -> str:
    """Return one SHA-256 over the lines ``role TAB image-sha256`` in order of role and sample id."""
    digest = hashlib.sha256()
    roles = {"train": split.train, "held_out": split.held_out(samples)}
    for role, sample_ids in roles.items():
        images = ManifestImages(manifest, sample_ids)
        for index in range(len(sample_ids)):
            digest.update(f"{role}\t{images.digest(index)}\n".encode())
    return digest.hexdigest()


def foreground_digest(manifest: Manifest, split: Split) -> str | None:
    """Return one SHA-256 over the foreground masks of the training images; None if there are none."""
    rows = manifest.frame.iloc[manifest.rows(split.train)]
    paths = [p for p in rows["fg_mask_path"] if p]
    if not paths:
        return None
    digest = hashlib.sha256()
    for path in paths:
        digest.update(hashlib.sha256((manifest.root / path).read_bytes()).digest())
    return digest.hexdigest()


def job_key(spec: DetectorSpec, split: Split, *, category: str, seed: int, samples: str, foreground: str | None) -> str:
    """Return the key: first 16 hex digits of the SHA-256 of the canonical JSON of all that decides the scores."""
    content = {
        "schema": SCHEMA,
        **spec.identity(),
        "samples": samples,
        "foreground": foreground if spec.uses_foreground else None,
        "split": split.fingerprint,
        "repeat": split.repeat,
        "category": category,
        "seed": seed,
        "numerics": NUMERICS,
    }
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True, default=_plain)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _plain(value: object) -> object:
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, (tuple, set, frozenset)):
        return list(value)
    return str(value)


def job_seed(seed: int, spec: DetectorSpec, category: str, repeat: int) -> np.random.SeedSequence:
    """Return the seed of one training: of (run seed, repeat, detector, category), not of who runs it or when.

    The protocol does not enter: the grouped and the ungrouped training of one repeat start alike.
    """
    return np.random.SeedSequence([seed, repeat, zlib.crc32(spec.class_path.encode()), zlib.crc32(category.encode())])


def run_job(job: Job, device: str = "cpu") -> dict[str, Any]:
    """Do one job unless it is done already, store it, and return its record.

    Whatever the detector does wrong becomes a record with status ``failed``: phase, message, and the traceback in
    ``error.txt``. Only an interruption goes through.
    """
    store = RunStore(job.run_dir)
    with store.lock(job.key):
        folder = store.job(job.key)
        record = folder.record()
        if record is not None and record["status"] == "done":
            return record
        log = JobLog(store, job)
        try:
            # What a detector prints must not get between the results on standard output.
            with contextlib.redirect_stdout(sys.stderr):
                files, facts = _do(job, device, log)
            status, message = "done", ""
        except (KeyboardInterrupt, SystemExit, TimeIsUp):
            raise
        except BaseException as error:  # noqa: BLE001 - a detector may raise anything; it becomes a failed record
            files, facts, status = {"error.txt": traceback.format_exc().encode()}, {}, "failed"
            message = " ".join(str(error).split()) if isinstance(error, Lab2FactoryError) else one_line(error)
            log.line(f"failed in phase {log.phase}: {message}")
        record = {
            "schema": SCHEMA,
            "key": job.key,
            "detector": job.spec.label,
            "protocol": job.protocol,
            "category": job.category,
            "repeat": job.repeat,
            "seed": job.seed,
            "status": status,
            "phase": log.phase if status == "failed" else "",
            "message": message,
            "weights_sha256": job.spec.weights_sha256,
            "identity": json.loads(json.dumps(job.spec.identity(), default=_plain)),
            "versions": software_versions(),
            "device": device,
            "fit_seconds": None,
            "score_seconds": None,
            "peak_memory_bytes": None,
            **facts,
        }
        return folder.finish(record, {**files, "log.txt": log.text().encode()})


class JobLog:
    """What a job says of itself: lines for log.txt, and progress for whoever watches the run."""

    def __init__(self, store: RunStore, job: Job) -> None:
        self.phase = "load"
        self._store, self._job = store, job
        self._started = time.monotonic()
        self._lines: list[str] = []
        self._last_event = 0.0

    def enter(self, phase: str) -> None:
        """Begin a phase: load, fit, score, maps or store."""
        self.phase = phase
        self.line(phase)
        self.progress(phase, 0, 0, {})

    def line(self, text: str) -> None:
        """Add a line."""
        self._lines.append(f"{time.monotonic() - self._started:9.2f} s  {text}")

    def progress(self, phase: str, done: int, total: int, values: Mapping[str, float]) -> None:
        """Take a report of the detector's."""
        if values:
            numbers = " ".join(f"{k}={v:.6g}" for k, v in values.items())
            self.line(f"{phase} {done}/{total} {numbers}")
        now = time.monotonic()
        if now - self._last_event > 1.0:
            self._last_event = now
            self._store.report_progress(self._job.key, phase=phase, done=done, total=total, **values)

    def text(self) -> str:
        """Return all lines."""
        return "\n".join(self._lines) + "\n"


def _do(job: Job, device: str, log: JobLog) -> tuple[dict[str, bytes | Path], dict[str, object]]:
    """Train and score; return the job's files and facts for its record."""
    if job.spec.is_fixed:
        log.enter("score")
        return {"scores.parquet": parquet_bytes(_fixed_scores(job))}, {}
    log.enter("load")
    detector = job.spec.create()
    workdir = Path(tempfile.mkdtemp(prefix=f"lab2factory-{job.key}-"))
    try:

        def context(on_checkpoint: Any) -> FitContext:
            return FitContext(
                device=device, seed=job_seed(job.seed, job.spec, job.category, job.repeat), workdir=workdir,
                on_checkpoint=on_checkpoint, cache=job.cache, cache_limit_bytes=job.cache_limit_bytes,
                on_progress=log.progress,
            )  # fmt: skip

        trained = train_and_score(detector, job.manifest, job.samples, job.split, context=context, on_phase=log.enter)
        files: dict[str, bytes | Path] = {"scores.parquet": parquet_bytes(trained.scores)}
        log.enter("maps")
        last = trained.scores[trained.scores["step"] == LAST]
        kept: MapFiles = keep_maps(detector, job.manifest, last, job.store_maps)
        files.update(kept.files)
        log.enter("store")
        if job.store_models:
            if not isinstance(detector, SupportsSaving):
                raise DetectorError(f"{job.spec.label} cannot be saved, but store.models is 'all'")
            path = workdir / "model.safetensors"
            detector.save(path)
            files["model.safetensors"] = path.read_bytes()
    finally:
        shutil.rmtree(workdir, ignore_errors=True)
    facts: dict[str, object] = {"fit_seconds": trained.fit_seconds, "score_seconds": trained.score_seconds,
             "peak_memory_bytes": trained.peak_memory_bytes}  # fmt: skip
    return files, facts


def _fixed_scores(job: Job) -> pd.DataFrame:
    from bench.score_files import read_scores_for

    assert job.spec.scores is not None
    held_out = job.split.held_out(job.samples)
    scores = read_scores_for(job.spec.scores, held_out)
    return score_frame(job.samples, job.split, held_out, {LAST: scores})
