"""Jobs that could not store themselves: their worker died, hung, or what it returned was lost."""

from __future__ import annotations

import traceback
from dataclasses import dataclass
from typing import Any, Protocol

from bench.provenance import software_versions
from bench.store import SCHEMA, RunStore


class JobLike(Protocol):
    """What must be known of a job to record its failure."""

    @property
    def key(self) -> str:
        """Sixteen hexadecimal digits."""
        ...


class TimeIsUp(BaseException):
    """Raised inside a job when its time is over; not an ``Exception``, so that no job swallows it by accident."""


def one_line(error: BaseException) -> str:
    """Return what an error says, with its type, on one line."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


@dataclass(frozen=True)
class Failure:
    """Why a job has no result.

    Parameters
    ----------
    phase
        ``worker`` (it died), ``timeout``, or ``job`` (it raised).
    message
        One line.
    traceback
        The traceback as text, or an explanation.
    """

    phase: str
    message: str
    traceback: str

    @classmethod
    def of(cls, error: BaseException) -> Failure:
        """Return the failure of a job that raised."""
        return cls("job", one_line(error), "".join(traceback.format_exception(error)))


def store_lost_job(store: RunStore, job: JobLike, failure: Failure) -> dict[str, Any]:
    """Record a job as failed and return the record; if another runner has done the job by now, return its record."""
    folder = store.job(job.key)
    with store.lock(job.key, wait=False) as held:
        record = folder.record()
        if record is not None and record["status"] == "done":
            return record
        spec = getattr(job, "spec", None)
        facts = {name: getattr(job, name, None) for name in ("protocol", "category", "repeat", "seed")}
        record = {
            "schema": SCHEMA, "key": job.key, "detector": getattr(spec, "label", ""), **facts, "status": "failed",
            "phase": failure.phase, "message": failure.message,
            "weights_sha256": getattr(spec, "weights_sha256", None), "versions": software_versions(),
            "fit_seconds": None, "score_seconds": None, "peak_memory_bytes": None,
        }  # fmt: skip
        if not held:  # another runner is at it: leave its files alone
            return {**record, "files": {}}
        return folder.finish(record, {"error.txt": failure.traceback.encode()})
