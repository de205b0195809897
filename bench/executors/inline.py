"""Jobs one after the other in this process: for debugging, and where processes are not wanted."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from types import FrameType
from typing import Any, TypeVar

from bench.executors.lost import Failure, JobLike, TimeIsUp
from bench.executors.slots import Slot
from protocols.errors import InputError

J = TypeVar("J", bound=JobLike)
R = TypeVar("R")


def run(
    jobs: Sequence[J],
    work: Callable[[J, str], R],
    slots: Sequence[Slot],
    *,
    timeout: float | None,
    on_start: Callable[[str], None],
) -> Generator[tuple[J, R | Failure], None, None]:
    """Yield each job with its result; a job that kills its process kills the run.

    The time limit is an alarm: it takes effect when the job is next in Python code.
    """
    slot = slots[0]
    with _environment(slot):
        for job in jobs:
            on_start(job.key)
            yield job, _one(work, job, slot.device, timeout)


def _one(work: Callable[[J, str], R], job: J, device: str, timeout: float | None) -> R | Failure:
    try:
        with _alarm(timeout):
            return work(job, device)
    except TimeIsUp:
        message = f"not finished after {timeout:g} s"
        return Failure("timeout", message, f"The job was stopped: {message} (--job-timeout).\n")
    except (Exception, SystemExit) as error:  # noqa: BLE001 - a job may raise anything; the rest goes on
        return Failure.of(error)


@contextlib.contextmanager
def _alarm(seconds: float | None) -> Iterator[None]:
    if seconds is None:
        yield
        return
    if not hasattr(signal, "setitimer") or threading.current_thread() is not threading.main_thread():
        raise InputError("--job-timeout", seconds, "the backend processes, for a time limit on this system",
                         "Add --backend processes.")  # fmt: skip

    def ring(number: int, frame: FrameType | None) -> None:
        raise TimeIsUp

    before: Any = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@contextlib.contextmanager
def _environment(slot: Slot) -> Iterator[None]:
    """Limit the threads of libraries, loaded or not; afterwards everything is as before."""
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    variables = {k: v for k, v in slot.environment().items() if k != "CUDA_VISIBLE_DEVICES"}
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    torch = sys.modules.get("torch")
    threads = torch.get_num_threads() if torch else None
    if torch:
        torch.set_num_threads(slot.threads)
    try:
        with threadpool_limits(slot.threads):
            yield
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})
        if torch and threads is not None:
            torch.set_num_threads(threads)
