"""Jobs in worker processes (joblib's loky): one process a slot, so that a death concerns one job only.

A pool of several loky workers breaks as a whole when one of them dies: all jobs in hand are lost, and it is not known
which job was to blame. Here every slot has a pool of its own with one worker, driven by a thread. The worker's
environment (visible GPU, thread limits) is set before its Python starts.
"""

from __future__ import annotations

import os
import queue
import re
import signal
import sys
import threading
import time
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import TimeoutError as WaitedTooLong
from concurrent.futures.process import BrokenProcessPool
from typing import Any, TypeVar

from bench.executors.lost import Failure, JobLike
from bench.executors.slots import Slot

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
    """Yield each job with its result, in the order in which they finish; closing the generator kills the workers."""
    waiting: queue.SimpleQueue[J] = queue.SimpleQueue()
    for job in jobs:
        waiting.put(job)
    finished: queue.SimpleQueue[tuple[J, R | Failure] | BaseException] = queue.SimpleQueue()
    stopping = threading.Event()
    workers = [_Worker(slot) for slot in slots]

    def serve(worker: _Worker) -> None:
        try:
            while not stopping.is_set():
                try:
                    job = waiting.get_nowait()
                except queue.Empty:
                    return
                finished.put((job, worker.do(work, job, timeout, on_start)))
        except BaseException as error:  # noqa: BLE001 - a thread has nobody above it; the main thread raises it
            finished.put(error)
        finally:
            worker.stop()

    threads = [threading.Thread(target=serve, args=(worker,), daemon=True) for worker in workers]
    for thread in threads:
        thread.start()
    try:
        for _ in jobs:
            outcome = finished.get()
            if isinstance(outcome, BaseException):
                raise outcome
            yield outcome
    finally:
        stopping.set()
        for worker in workers:
            worker.stop()
        for thread in threads:
            thread.join(timeout=10)


class _Worker:
    """One worker process, started when needed and again after it died."""

    def __init__(self, slot: Slot) -> None:
        self._slot = slot
        self._pool: Any = None
        self._lock = threading.Lock()
        self._stopped = False

    def do(
        self, work: Callable[[J, str], R], job: J, timeout: float | None, on_start: Callable[[str], None]
    ) -> R | Failure:
        """Do one job; whatever happens to it or to the process is a :class:`Failure`."""
        try:
            pool = self._running()
            pool.submit(os.getpid).result()  # the start of the process does not count as the job's time
            on_start(job.key)
            return pool.submit(_guarded, work, job, self._slot.device_inside).result(timeout)  # type: ignore[no-any-return]
        except WaitedTooLong:
            self.kill()
            message = f"not finished after {timeout:g} s"
            return Failure("timeout", message, f"The worker was stopped: {message} (--job-timeout).\n")
        except BrokenProcessPool as error:
            self.kill()
            codes = re.search(r"exit codes? of the workers? (?:is|are) \{(.*?)\}", str(error))
            how = f" ({codes[1]})" if codes else ""
            message = f"the worker process died{how}: it was killed, ran out of memory, or crashed"
            return Failure("worker", message, f"{message}\n\n{error}\n")
        except Exception as error:  # noqa: BLE001 - for instance a result that cannot be sent back
            self.kill()
            return Failure.of(error)

    def _running(self) -> Any:
        from joblib.externals.loky import ProcessPoolExecutor

        with self._lock:
            if self._stopped:
                raise RuntimeError("the run was stopped")
            if self._pool is None:
                self._pool = ProcessPoolExecutor(
                    1, timeout=None, initializer=_begin, initargs=(os.getpid(),), env=self._slot.environment()
                )
            return self._pool

    def kill(self) -> None:
        """Kill the process; the next job gets a new one."""
        with self._lock:
            pool, self._pool = self._pool, None
        if pool is not None:
            pool.shutdown(wait=True, kill_workers=True)

    def stop(self) -> None:
        """Kill the process for good."""
        self._stopped = True
        self.kill()


def _begin(parent: int) -> None:
    """Prepare a worker: Ctrl-C is the parent's business, and nobody outlives the parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # What a job prints must not get between the results on the parent's standard output.
    os.dup2(2, 1)
    from joblib.externals.loky import process_executor

    # loky replaces a worker that has grown by 300 MB since its first task: torch alone does that, once.
    process_executor._MAX_MEMORY_LEAK_SIZE = sys.maxsize

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)  # the parent was killed: the job in hand is lost, and its lock is free

    threading.Thread(target=watch, daemon=True).start()


def _guarded(work: Callable[[J, str], R], job: J, device: str) -> R | Failure:
    """Do a job inside the worker; what it raises comes back as text."""
    try:
        return work(job, device)
    except BaseException as error:  # noqa: BLE001 - a job may raise anything, SystemExit too; the worker goes on
        return Failure.of(error)
