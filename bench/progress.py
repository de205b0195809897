"""What a run is doing, on standard error: a live view on a terminal, plain lines elsewhere."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from bench.store import RunStore

LOOK_SECONDS = 0.5  # between looks at what the jobs say
PLAIN_SECONDS = 10.0  # between two plain lines of one job, or of one step
VERBOSE_SECONDS = 1.0  # the same with --verbose


@dataclass
class _Running:
    """A job that has begun."""

    title: str
    since: float
    said: dict[str, Any] = field(default_factory=dict)
    last_line: float = 0.0


class Progress:
    """Says what is done, what each job does, and how much time is left; safe to call from several threads.

    Parameters
    ----------
    quiet
        Say nothing.
    verbose
        Plain lines every second instead of every ten.
    live
        A live view, if standard error is a terminal.
    console
        Where to write; standard error by default.
    """

    def __init__(
        self, *, quiet: bool = False, verbose: bool = False, live: bool = True, console: Console | None = None
    ) -> None:
        if console is None:
            from rich.console import Console as Terminal

            console = Terminal(stderr=True, highlight=False)
        self._console = console
        self._quiet = quiet
        self._live_wanted = live and console.is_terminal and not quiet
        self._every = VERBOSE_SECONDS if verbose else PLAIN_SECONDS
        self._lock = threading.RLock()
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None
        self._live: Any = None
        self._status = ""
        self._step: tuple[str, int, int] | None = None
        self._last_step_line = 0.0
        self._titles: dict[str, str] = {}
        self._running: dict[str, _Running] = {}
        self._seconds: dict[str, list[float]] = {}  # by kind of job
        self._n_skipped = self._n_done = self._n_failed = self._most_at_once = 0
        self._store: RunStore | None = None

    def __enter__(self) -> Self:
        if self._live_wanted:
            from rich.live import Live

            self._live = Live(console=self._console, refresh_per_second=4, transient=True, get_renderable=self._view)
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        if self._thread is not None:
            self._thread.join(timeout=5)
        if self._live is not None:
            self._live.stop()

    def status(self, text: str) -> None:
        """Say what the run as a whole does now."""
        with self._lock:
            self._status, self._step = text, None
        self._say(text)

    def warn(self, text: str) -> None:
        """Say something that must be seen, also when quiet."""
        self._console.print(f"warning: {text}", markup=False, soft_wrap=True)

    def step(self, what: str, done: int, total: int) -> None:
        """Say how far the run as a whole is with something."""
        with self._lock:
            began = self._step is None or self._step[0] != what
            self._step = (what, done, total)
            due = time.monotonic() - self._last_step_line >= self._every
            if began or due or done == total:
                self._last_step_line = time.monotonic()
                self._say(f"{what}: {done} of {total}")

    def start_jobs(self, jobs: Sequence[tuple[str, str]], *, skipped: int = 0, store: RunStore) -> None:
        """Begin the jobs.

        Parameters
        ----------
        jobs
            Key and title of each job to do, as in ``("0123456789abcdef", "knn three_way 3")``.
        skipped
            How many are done already.
        store
            Where the jobs say what they do, and where events are written.
        """
        with self._lock:
            self._titles, self._n_skipped, self._store, self._step = dict(jobs), skipped, store, None
            self._status = "training" if jobs else ""
        already = f", {skipped} done already" if skipped else ""
        self._say(f"{len(jobs)} jobs to do{already}")
        if jobs and self._thread is None and not self._quiet:
            self._thread = threading.Thread(target=self._watch, daemon=True)
            self._thread.start()

    def job_started(self, key: str) -> None:
        """Say that a job begins."""
        with self._lock:
            running = _Running(self._titles.get(key, key), time.monotonic(), last_line=time.monotonic())
            self._running[key] = running
            self._most_at_once = max(self._most_at_once, len(self._running))
        if self._store is not None:
            self._store.clear_progress(key)  # what an earlier attempt said before it was killed
        self._event({"event": "started", "key": key, "title": running.title})
        self._say(f"started {running.title}")

    def job_finished(self, key: str, record: Mapping[str, Any]) -> None:
        """Say that a job has ended; `record` is its record."""
        with self._lock:
            running = self._running.pop(key, None)
            title = running.title if running else self._titles.get(key, key)
            seconds = time.monotonic() - running.since if running else 0.0
            failed = record.get("status") == "failed"
            self._n_failed += failed
            self._n_done += not failed
            if running and not failed:
                self._seconds.setdefault(_kind(title), []).append(seconds)
            self._titles.pop(key, None)
            counts = f"{self._n_done + self._n_failed} of {self._n_done + self._n_failed + len(self._titles)}"
            left = self.seconds_left()
        if self._store is not None:
            self._store.clear_progress(key)
        about = {"key": key, "title": title, "seconds": round(seconds, 3), "message": record.get("message", "")}
        self._event({"event": "failed" if failed else "done", **about})
        more = f", about {duration(left)} left" if left else ""
        why = f" in phase {record.get('phase')}: {record.get('message')}" if failed else ""
        word = "FAILED" if failed else "done"
        self._say(f"{word} {title}{why} ({duration(seconds)}; {counts}{more})", always=failed)

    def seconds_left(self) -> float | None:
        """Return the time left, from measured jobs of the same kind, else of any kind; None before the first."""
        with self._lock:
            measured = [s for of_kind in self._seconds.values() for s in of_kind]
            if not measured or not self._titles:
                return None
            mean = sum(measured) / len(measured)
            work = 0.0
            for key, title in self._titles.items():
                of_kind = self._seconds.get(_kind(title))
                expected = sum(of_kind) / len(of_kind) if of_kind else mean
                running = self._running.get(key)
                work += max(0.0, expected - (time.monotonic() - running.since)) if running else expected
            return work / max(1, self._most_at_once)

    # -- watching ----------------------------------------------------------------------------------------------

    def _watch(self) -> None:
        while not self._stopped.wait(LOOK_SECONDS):
            self._look()

    def _look(self) -> None:
        """Read what the running jobs say; say it in plain lines now and then."""
        with self._lock:
            store, running = self._store, dict(self._running)
        if store is None:
            return
        for key, job in running.items():
            with contextlib.suppress(OSError, ValueError):  # it has said nothing yet
                job.said = json.loads((store.progress_dir / f"{key}.json").read_text(encoding="utf-8"))
            if time.monotonic() - job.last_line >= self._every:
                job.last_line = time.monotonic()
                self._say(f"{job.title}: {_doing(job.said)} ({duration(time.monotonic() - job.since)})")

    def _event(self, event: Mapping[str, Any]) -> None:
        if self._store is not None:
            self._store.append_event(event)

    def _say(self, text: str, *, always: bool = False) -> None:
        """Write a plain line, unless the live view shows it anyway."""
        if self._quiet or (self._live is not None and not always):
            return
        stamp = time.strftime("%H:%M:%S")
        self._console.print(f"{stamp} {text}", markup=False, soft_wrap=True)

    def _view(self) -> RenderableType:
        """Return the live view."""
        from rich.console import Group
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        with self._lock:
            finished = self._n_done + self._n_failed
            total = finished + len(self._titles)
            rows = Table.grid(padding=(0, 2))
            for job in self._running.values():
                done, n = int(job.said.get("done", 0)), int(job.said.get("total", 0))
                bar = ProgressBar(total=n, completed=done, width=20) if n else Text("")
                rows.add_row("  " + job.title, bar, _doing(job.said), duration(time.monotonic() - job.since))
            head = Text(self._status or "working")
            if self._step is not None and not self._running:
                head = Text(f"{self._step[0]}: {self._step[1]} of {self._step[2]}")
            elif total:
                left = self.seconds_left()
                parts = [f"{finished} of {total} jobs"]
                parts += [f"{self._n_skipped} done already"] if self._n_skipped else []
                parts += [f"{self._n_failed} failed"] if self._n_failed else []
                parts += [f"about {duration(left)} left"] if left else []
                head = Text(f"{self._status}: " + ", ".join(parts) if self._titles else self._status)
            return Group(head, rows)


def _kind(title: str) -> str:
    """Return what jobs of about equal cost share: the title without the number of the repeat."""
    return title.rpartition(" ")[0] or title


def _doing(said: Mapping[str, Any]) -> str:
    """Return what a job says it does: ``fit 12/40 loss=0.513``."""
    if not said:
        return "starting"
    count = f" {said.get('done', 0)}/{said['total']}" if said.get("total") else ""
    values = "".join(f" {name}={value:.4g}" for name, value in (said.get("values") or {}).items())
    return f"{said.get('phase', '')}{count}{values}"


def duration(seconds: float) -> str:
    """Return a duration for people.

    Examples
    --------
    >>> duration(0.234), duration(75), duration(7260)
    ('0.2 s', '1 min 15 s', '2 h 1 min')
    """
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"
