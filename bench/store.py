"""The run folder: the only code that knows its paths. Every file appears whole or not at all."""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.atomic import remove_stale, store_errors, write_atomic
from bench.config import same_configuration
from bench.job_folder import JobFolder
from protocols.errors import InputError, StoreError

if TYPE_CHECKING:
    import pandas as pd

    from protocols.partition import Split
    from protocols.samples import SampleTable

SCHEMA = 1
OURS = {"config.yaml", "run.json", "plan.json", "manifest.parquet", "splits", "jobs", "report", "events.jsonl"}
PLANNED = ("category", "detector", "protocol", "repeat", "key")  # of each cell in plan.json
SECONDS_BETWEEN_EVENTS = 10.0  # of progress in events.jsonl, per job


class RunStore:
    """A run folder.

    Parameters
    ----------
    root
        The folder; made by :meth:`open`.
    """

    def __init__(self, root: str | os.PathLike[str]) -> None:
        self.root = Path(root)
        self._last_event: dict[str, float] = {}

    # -- opening -----------------------------------------------------------------------------------------------

    def open(self, config_yaml: str) -> None:
        """Make the folder, or check that it belongs to the same configuration, and that it can be written.

        Parameters
        ----------
        config_yaml
            The resolved configuration. The section ``report`` may differ from the stored one and replaces it.

        Raises
        ------
        StoreError
            Another configuration is in the folder (code ``OtherConfiguration``), a newer version wrote it
            (``NewerSchema``), it is no run folder (``NotARun``), or it cannot be written.
        """
        stored = self.check_fits(config_yaml)
        if stored != config_yaml:
            write_atomic(self.root / "config.yaml", config_yaml.encode())
        else:
            self._try_writing()
        remove_stale(self.root)

    def check_fits(self, config_yaml: str) -> str | None:
        """Refuse a folder that a run of this configuration cannot use, as :meth:`open` does; nothing is written.

        Returns
        -------
        str or None
            The configuration that is stored there.
        """
        self._refuse_foreign_folder()
        self.check_schema()
        stored = self.config_yaml()
        if stored is not None and (differences := self._differences(stored, config_yaml)):
            more = f" and {len(differences) - 3} more" if len(differences) > 3 else ""
            raise StoreError(str(self.root), f"another configuration: {', '.join(differences[:3])}{more}",
                             "the configuration of this run", "Choose another folder with --output, or another name.",
                             code="OtherConfiguration")  # fmt: skip
        return stored

    def _differences(self, stored: str, config_yaml: str) -> list[str]:
        """Return where the stored configuration differs; refuse one that is damaged."""
        try:
            return same_configuration(stored, config_yaml)
        except (InputError, TypeError) as error:
            raise StoreError(str(self.root / "config.yaml"), "no configuration", "the resolved one of this run",
                             "Restore the file, or choose another folder with --output.",
                             code="DamagedRecord") from error  # fmt: skip

    def check(self) -> None:
        """Check that the folder is a run that this version can read.

        Raises
        ------
        InputError
            There is no run.
        StoreError
            A newer version wrote it.
        """
        if self.config_yaml() is None:
            raise InputError(
                str(self.root), "no config.yaml", "a run folder", "See `lab2factory ls runs`.", code="NotARun"
            )
        self.check_schema()

    def check_schema(self) -> None:
        """Refuse a folder that a newer version wrote."""
        schema = (self.run_info() or {}).get("schema", SCHEMA)
        if not isinstance(schema, int) or schema > SCHEMA:
            raise StoreError(str(self.root / "run.json"), f"schema {schema}", f"schema {SCHEMA} or older",
                             "A newer version wrote this run: update lab2factory, or choose another folder.",
                             code="NewerSchema")  # fmt: skip

    def _refuse_foreign_folder(self) -> None:
        if self.root.exists() and not self.root.is_dir():
            raise StoreError(str(self.root), "a file", "a folder", "Choose another --output.", code="NotARun")
        with store_errors(self.root):
            there = [p.name for p in self.root.iterdir() if not p.name.startswith(".")] if self.root.exists() else []
        foreign = sorted(set(there) - OURS)
        if foreign and not {"config.yaml", "run.json"} & set(there):
            raise StoreError(str(self.root), f"other files, such as {foreign[0]!r}", "an empty folder or a run",
                             "Choose another --output.", code="NotARun")  # fmt: skip

    def _try_writing(self) -> None:
        probe = self.root / ".writable"
        write_atomic(probe, b"", durable=False)
        with contextlib.suppress(OSError):  # another runner may have removed it
            probe.unlink()

    # -- the run as a whole ------------------------------------------------------------------------------------

    def config_yaml(self) -> str | None:
        """Return the stored resolved configuration; None if there is none."""
        path = self.root / "config.yaml"
        with store_errors(path):
            return path.read_text(encoding="utf-8") if path.exists() else None

    def write_run_info(self, info: Mapping[str, Any]) -> None:
        """Write ``run.json``; the schema is added."""
        text = json.dumps({"schema": SCHEMA, **info}, indent=1, allow_nan=False, ensure_ascii=False) + "\n"
        write_atomic(self.root / "run.json", text.encode())

    def run_info(self) -> dict[str, Any] | None:
        """Return ``run.json``; None if there is none.

        Raises
        ------
        StoreError
            It is damaged.
        """
        return self._read_json("run.json")

    def read_run_info(self) -> dict[str, Any]:
        """Return ``run.json``; an empty dict if there is none."""
        return self.run_info() or {}

    def _read_json(self, name: str) -> dict[str, Any] | None:
        path = self.root / name
        with store_errors(path):
            content = path.read_bytes() if path.exists() else None
        if content is None:
            return None
        try:
            return dict(json.loads(content))
        except (ValueError, TypeError) as error:
            fix = "Move the file away; the next run writes it again."
            raise StoreError(str(path), str(error), f"an undamaged {name}", fix, code="DamagedRecord") from error

    def write_manifest(self, frame: pd.DataFrame) -> None:
        """Write ``manifest.parquet``."""
        write_atomic(self.root / "manifest.parquet", parquet_bytes(frame))

    def read_manifest(self) -> pd.DataFrame:
        """Return ``manifest.parquet``."""
        return self._read_parquet("manifest.parquet")

    def write_results(self, frame: pd.DataFrame) -> None:
        """Write ``results.parquet`` and ``results.csv``."""
        write_atomic(self.root / "results.parquet", parquet_bytes(frame))
        write_atomic(self.root / "results.csv", csv_bytes(frame))

    def read_results(self) -> pd.DataFrame:
        """Return the results, with their types."""
        return self._read_parquet("results.parquet")

    def write_comparisons(self, frame: pd.DataFrame) -> None:
        """Write ``comparisons.csv``."""
        write_atomic(self.root / "comparisons.csv", csv_bytes(frame))

    def read_comparisons(self) -> pd.DataFrame:
        """Return the comparisons; without rows if there are none."""
        import pandas as pd

        from bench.csv_cells import unescape_cell
        from protocols.results import COMPARISON_COLUMNS

        path = self.root / "comparisons.csv"
        if not path.exists():
            return pd.DataFrame(columns=list(COMPARISON_COLUMNS))
        with store_errors(path):
            # Exact by default from pandas 3 on, where asking for it is deprecated.
            exact = {} if int(pd.__version__.partition(".")[0]) >= 3 else {"float_precision": "round_trip"}
            frame: pd.DataFrame = pd.read_csv(path, **exact)  # type: ignore[call-overload]
        for column in frame.columns:
            frame[column] = frame[column].map(lambda v: unescape_cell(v) if isinstance(v, str) else v)
        return frame

    def write_evaluation_basis(self, basis: str) -> None:
        """Write what the result tables were computed from."""
        write_atomic(self.root / ".evaluated", basis.encode())

    def evaluation_basis(self) -> str | None:
        """Return what the result tables were computed from; None if they are not there."""
        path = self.root / ".evaluated"
        if not path.is_file() or not all((self.root / n).is_file() for n in ("results.parquet", "comparisons.csv")):
            return None
        return path.read_text(encoding="utf-8")

    @property
    def report_dir(self) -> Path:
        """The folder of the report."""
        return self.root / "report"

    def _read_parquet(self, name: str) -> pd.DataFrame:
        from bench.parquet import read_parquet

        path = self.root / name
        if not path.exists():
            raise StoreError(str(path), "no such file", f"a run that has {name}", "Run the configuration again.")
        with store_errors(path):
            content = path.read_bytes()
        try:
            return read_parquet(content)
        except (ValueError, OSError) as error:
            raise StoreError(str(path), str(error), "an undamaged file", "Run the configuration again.",
                             code="DamagedFile") from error  # fmt: skip

    # -- splits ------------------------------------------------------------------------------------------------

    def write_split(self, protocol: str, split: Split, samples: SampleTable) -> None:
        """Write ``splits/<protocol>/<repeat>.csv``, first line ``# fingerprint: ...``.

        A status other than ``ok``, notes, run and fold go into ``<repeat>.json`` beside it.
        """
        from bench.split_csv import write_split_files

        write_split_files(self.root / "splits" / protocol, split, samples)

    def read_split(self, protocol: str, repeat: int) -> Split:
        """Return a stored split.

        Raises
        ------
        InputError
            The file is missing or damaged, or its fingerprint is not that of its lines.
        """
        from bench.split_csv import read_split_file

        return read_split_file(self.root / "splits" / protocol / f"{repeat}.csv")

    def read_splits(self, protocol: str) -> tuple[Split, ...]:
        """Return all stored splits of a protocol, by repeat."""
        folder = self.root / "splits" / protocol
        repeats = sorted(int(p.stem) for p in folder.glob("*.csv") if p.stem.isdigit())
        return tuple(self.read_split(protocol, repeat) for repeat in repeats)

    # -- which job serves what ---------------------------------------------------------------------------------

    def write_plan(self, plan: Mapping[str, Any]) -> None:
        """Write ``plan.json``: which job serves which category, detector, protocol and repeat."""
        write_atomic(self.root / "plan.json", (json.dumps(plan, indent=1, ensure_ascii=False) + "\n").encode())

    def read_plan(self) -> dict[str, Any]:
        """Return ``plan.json``.

        Raises
        ------
        StoreError
            It is missing or damaged.
        """
        plan = self._read_json("plan.json")
        if plan is None:
            fix = "Run the configuration again; finished jobs are kept."
            raise StoreError(str(self.root / "plan.json"), "no such file", "a run that was planned", fix)
        cells = plan.get("cells")
        if not isinstance(cells, list) or not all(isinstance(c, dict) and set(c) == set(PLANNED) for c in cells):
            fix = "Move the file away and run the configuration again; finished jobs are kept."
            raise StoreError(str(self.root / "plan.json"), "no list of planned jobs",
                             f"cells with {', '.join(PLANNED)}", fix, code="DamagedRecord")  # fmt: skip
        return plan

    # -- jobs --------------------------------------------------------------------------------------------------

    def job(self, key: str) -> JobFolder:
        """Return the folder of a job, whether or not it exists."""
        return JobFolder(self.root / "jobs" / key)

    def jobs(self) -> list[JobFolder]:
        """Return the jobs that have a record, by key."""
        folder = self.root / "jobs"
        there = sorted(folder.iterdir()) if folder.is_dir() else []
        return [JobFolder(p) for p in there if re.fullmatch(r"[0-9a-f]{16}", p.name) and (p / "record.json").exists()]

    @contextlib.contextmanager
    def lock(self, key: str, *, wait: bool = True) -> Iterator[bool]:
        """Hold the advisory lock of a job, so that two runners never do it at the same time.

        Parameters
        ----------
        key
            The job's.
        wait
            Wait while another runner holds the lock.

        Yields
        ------
        bool
            Whether the lock is held; always with `wait`. True also where the file system has no locks.
        """
        path = self.root / ".locks" / key
        with store_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            yield _flock(handle, wait)
        finally:
            os.close(handle)  # and with it the lock

    # -- what happened -----------------------------------------------------------------------------------------

    def append_event(self, event: Mapping[str, Any]) -> None:
        """Add a line to ``events.jsonl``; the time is added."""
        time_now = datetime.now(UTC).isoformat(timespec="milliseconds")
        line = json.dumps({"time": time_now, **event}, ensure_ascii=False, default=str) + "\n"
        path = self.root / "events.jsonl"
        with store_errors(path):
            handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o666)
            try:
                size = os.fstat(handle).st_size
                if size and os.pread(handle, 1, size - 1) != b"\n":
                    line = "\n" + line  # a killed writer left half a line
                os.write(handle, line.encode())
            finally:
                os.close(handle)

    def events(self) -> list[dict[str, Any]]:
        """Return all whole lines of ``events.jsonl``; what a killed writer left of a line is skipped."""
        path = self.root / "events.jsonl"
        found = []
        with store_errors(path):
            lines = path.read_text(encoding="utf-8", errors="replace").splitlines() if path.exists() else []
        for line in lines:
            with contextlib.suppress(ValueError):  # half a line
                found.append(json.loads(line))
        return [event for event in found if isinstance(event, dict)]

    @property
    def progress_dir(self) -> Path:
        """Where running jobs say what they do: one small file each, gone when they end."""
        return self.root / ".progress"

    def report_progress(self, key: str, *, phase: str, done: int = 0, total: int = 0, **values: float) -> None:
        """Say what a running job does, for whoever watches; now and then also in ``events.jsonl``."""
        now = time.time()
        said = {"key": key, "phase": phase, "done": done, "total": total, "values": values, "time": now}
        write_atomic(self.progress_dir / f"{key}.json", json.dumps(said, default=float).encode(), durable=False)
        if now - self._last_event.get(key, 0.0) >= SECONDS_BETWEEN_EVENTS:
            self._last_event[key] = now
            self.append_event({"event": "progress", **{k: v for k, v in said.items() if k != "time"}})

    def clear_progress(self, key: str) -> None:
        """Forget what a job did: it has ended."""
        with contextlib.suppress(OSError):
            (self.progress_dir / f"{key}.json").unlink()


def _flock(handle: int, wait: bool) -> bool:
    try:
        import fcntl
    except ImportError:  # not a Unix: no advisory locks, every runner goes on
        return True
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    except OSError:  # a file system without locks
        return True
    return True


def parquet_bytes(frame: pd.DataFrame) -> bytes:
    """Return a frame as Parquet; the same frame gives the same bytes."""
    buffer = io.BytesIO()
    frame.to_parquet(buffer, index=False)
    return buffer.getvalue()


def csv_bytes(frame: pd.DataFrame) -> bytes:
    """Return a frame as CSV: full precision, empty cells for what is not there, true and false in lower case.

    Text that a spreadsheet would run as a formula gets a quote in front.
    """
    from bench.csv_cells import escape_cell

    def cell(value: object) -> object:
        if isinstance(value, str):
            return escape_cell(value)
        return value if not isinstance(value, bool) else str(value).lower()

    shown = frame.copy()
    for column in shown.columns:
        if shown[column].dtype == bool or not str(shown[column].dtype).lower().startswith(("int", "float")):
            shown[column] = shown[column].astype(object).map(cell)
    return shown.to_csv(index=False, lineterminator="\n").encode()
