"""Runs and their jobs as rows: what ``ls runs`` and ``show`` print. Works on half-done and damaged runs too."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.job_folder import JobFolder
from bench.store import RunStore
from protocols.errors import InputError, StoreError

FACTS = ("status", "phase", "message", "fit_seconds", "score_seconds", "peak_memory_bytes", "weights_sha256")


def list_runs(folder: Path) -> list[dict[str, Any]]:
    """Return one row a run folder below `folder`, by name: name, path, state, when it started and ended."""
    rows = []
    for path in sorted(folder.iterdir()) if folder.is_dir() else []:
        if not (path / "config.yaml").is_file():
            continue
        store = RunStore(path)
        try:
            info = store.read_run_info()
            counts: dict[str, int] = {}
            for row in job_rows(path):
                counts[row["status"]] = counts.get(row["status"], 0) + 1
            state = ", ".join(f"{n} {status}" for status, n in sorted(counts.items())) or "no jobs"
        except StoreError as error:
            info, state = {}, f"damaged: {error.args[0]}"
        rows.append({"name": path.name, "path": str(path), "state": state,
                     "started": info.get("started"), "ended": info.get("ended")})  # fmt: skip
    return rows


def job_rows(run: Path) -> list[dict[str, Any]]:
    """Return one row for each cell of the plan (a job may serve several), or for each job if there is no plan.

    ``status`` is ``done``, ``failed``, ``running``, ``missing`` or ``damaged``.
    """
    store = RunStore(run)
    store.check()
    try:
        cells = [dict(cell) for cell in store.read_plan()["cells"]]
    except StoreError:
        cells = [{"key": folder.key} for folder in store.jobs()]
    return [{**_row(store.job(str(cell["key"])), store), **cell} for cell in cells]


def _row(folder: JobFolder, store: RunStore) -> dict[str, Any]:
    empty = {"category": "", "detector": "", "protocol": "", "repeat": None, "key": folder.key, **dict.fromkeys(FACTS)}
    try:
        record = folder.record()
    except StoreError as error:
        return {**empty, "status": "damaged", "message": str(error)}
    if record is None:
        running = (store.progress_dir / f"{folder.key}.json").exists() and _is_locked(store, folder.key)
        return {**empty, "status": "running" if running else "missing"}
    return {name: record.get(name, value) for name, value in empty.items()}


def _is_locked(store: RunStore, key: str) -> bool:
    """Return whether a runner is at this job; never makes a file."""
    if not (store.root / ".locks" / key).exists():
        return False
    try:
        with store.lock(key, wait=False) as held:
            return not held
    except StoreError:  # a run that may only be read
        return False


def job_table(rows: Sequence[dict[str, Any]]) -> str:
    """Return the jobs as text."""
    if not rows:
        return "no jobs yet"
    shown = [
        [
            str(r["key"]), " ".join(t for t in (r["category"], r["detector"]) if t), str(r["protocol"]),
            "" if r["repeat"] is None else str(r["repeat"]), str(r["status"]), _seconds(r["fit_seconds"]),
            _seconds(r["score_seconds"]), _size(r["peak_memory_bytes"]),
            " ".join(t for t in (r["phase"], r["message"]) if t).partition("\n")[0],
        ]
        for r in rows
    ]  # fmt: skip
    table = [["key", "detector", "protocol", "repeat", "status", "fit", "score", "memory", ""], *shown]
    widths = [max(len(line[i]) for line in table) for i in range(len(table[0]))]
    return "\n".join("  ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)).rstrip() for line in table)


def job_details(run: Path, key: str) -> dict[str, Any]:
    """Return the record of one job, with its log and error as text.

    Parameters
    ----------
    run
        The run folder.
    key
        The job's key, or as many of its first digits as tell it from the others.

    Raises
    ------
    InputError
        No job of the run begins so, or several do.
    """
    keys = list(dict.fromkeys(str(row["key"]) for row in job_rows(run)))
    found = [k for k in keys if k.startswith(key)]
    if len(found) != 1:
        which = f"{len(found)} jobs ({', '.join(found[:4])})" if found else "no job"
        raise InputError(
            f"{run}, key {key!r}", which, "the first digits of one job's key", f"See `lab2factory show {run}`."
        )
    store = RunStore(run)
    folder = store.job(found[0])
    record = folder.record()
    if record is None:
        return _row(folder, store)
    texts = {}
    for name, file in (("log", "log.txt"), ("error", "error.txt")):
        if file in record["files"]:
            texts[name] = (folder.path / file).read_text(encoding="utf-8", errors="replace")
    return {**record, "folder": str(folder.path), **texts}


def _seconds(value: float | None) -> str:
    return "" if value is None else f"{value:.1f} s"


def _size(value: float | None) -> str:
    return "" if value is None else f"{value / 2**20:.0f} MiB"
