"""Who does the jobs: this process, or worker processes; one file each, chosen by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from bench.executors.lost import Failure, JobLike, store_lost_job
from bench.executors.slots import Slot, plan_slots
from bench.store import RunStore
from protocols.errors import Interrupted

EXECUTORS: dict[str, str] = {
    "inline": "bench.executors.inline:run",
    "processes": "bench.executors.processes:run",
}

J = TypeVar("J", bound=JobLike)

__all__ = ["EXECUTORS", "Failure", "Slot", "plan_slots", "run_jobs"]


def run_jobs(
    jobs: Sequence[J],
    work: Callable[[J, str], Mapping[str, Any]],
    *,
    backend: str = "processes",
    workers: str | int = "auto",
    devices: str = "auto",
    timeout: float | None = None,
    store: RunStore,
    on_start: Callable[[str], None] = lambda key: None,
    on_done: Callable[[J, Mapping[str, Any]], None] = lambda job, record: None,
) -> None:
    """Do all jobs; results come as they are finished.

    What a job raises, the death of its worker, and the time limit make a failed record; the other jobs go on.

    Parameters
    ----------
    jobs
        Picklable, with a ``key`` each.
    work
        A function of a module: does one job on a device, stores it, and returns its record.
    backend
        ``inline`` or ``processes``, or the name of a plug-in.
    workers
        How many jobs at once, or ``auto``.
    devices
        ``cpu``, ``cuda:0,cuda:1``, or ``auto``. One worker a device at a time where there are as many.
    timeout
        Seconds that a job may take; None: any time.
    store
        Where jobs that could not store themselves are recorded as failed.
    on_start
        Called with the key when a job begins, possibly in another thread.
    on_done
        Called with the job and its record, in this thread.

    Raises
    ------
    Interrupted
        Ctrl-C: the workers are stopped, what was finished is kept.
    StoreError
        A record cannot be written: the disk is full, for instance.
    InputError
        No such backend or device.
    """
    from detectors.registry import load_plugin

    run = load_plugin("executor", backend, EXECUTORS)
    if not jobs:
        return
    slots = plan_slots(workers, devices, n_jobs=len(jobs))
    outcomes = run(jobs, work, slots, timeout=timeout, on_start=on_start)
    try:
        for job, outcome in outcomes:
            record = store_lost_job(store, job, outcome) if isinstance(outcome, Failure) else outcome
            on_done(job, record)
    except KeyboardInterrupt as error:
        raise Interrupted("stopped by the user; what was finished is kept") from error
    finally:
        outcomes.close()
