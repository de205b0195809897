"""One finished training on disk: its files, and ``record.json`` last, which holds the SHA-256 of each."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.atomic import is_temporary, store_errors, sync_folder, write_atomic
from protocols.errors import StoreError

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

RECORD = "record.json"
REDO = "Move the job's folder away and run again: the job is then done anew, all others are kept."
REQUIRED = ("schema", "key", "status", "files")
SCHEMA = 1  # of record.json; a newer one is refused


class JobFolder:
    """The folder of one job; a job without ``record.json`` did not happen.

    Parameters
    ----------
    path
        ``<run>/jobs/<key>``; need not exist.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.key = path.name

    def __repr__(self) -> str:
        return f"JobFolder({str(self.path)!r})"

    def record(self) -> dict[str, Any] | None:
        """Return what ``record.json`` says; None if the job did not happen.

        Raises
        ------
        StoreError
            The record is damaged (code ``DamagedRecord``), a file that it lists is missing (``MissingFile``), or a
            newer version wrote it (``NewerSchema``).
        """
        path = self.path / RECORD
        try:
            with store_errors(path):
                content = path.read_bytes() if path.exists() else None
            if content is None:
                return None
            record = json.loads(content)
            if not isinstance(record, dict) or not all(k in record for k in REQUIRED) or record["key"] != self.key:
                raise ValueError("it is not the record of this job")
            names = [str(name) for name in dict(record["files"])]
        except (ValueError, TypeError) as error:
            raise StoreError(str(path), str(error), "an undamaged record", REDO, code="DamagedRecord") from error
        if not isinstance(record["schema"], int) or record["schema"] > SCHEMA:
            raise StoreError(str(path), f"schema {record['schema']}", f"schema {SCHEMA} or older",
                             "A newer version wrote this job: update lab2factory, or choose another folder.",
                             code="NewerSchema")  # fmt: skip
        for name in names:
            if not (self.path / name).is_file():
                where = str(self.path / name)
                raise StoreError(where, "no such file", "a file that record.json lists", REDO, code="MissingFile")
        return record

    def finish(self, record: Mapping[str, Any], files: Mapping[str, bytes | Path]) -> dict[str, Any]:
        """Store a job: first its files, ``record.json`` last.

        Parameters
        ----------
        record
            What is known of the job; ``key`` and ``files`` are filled in.
        files
            Content by name (``maps/a.png`` makes a folder), as bytes or as a file to copy. Files of an earlier
            attempt that are not among them are removed.

        Returns
        -------
        dict
            The record as stored.

        Raises
        ------
        StoreError
            A file cannot be written.
        """
        with store_errors(self.path):
            self.path.mkdir(parents=True, exist_ok=True)
            # An earlier attempt ceases to exist before its files change.
            (self.path / RECORD).unlink(missing_ok=True)
            sync_folder(self.path)
            for old in sorted(p for p in self.path.rglob("*") if p.is_file() and not is_temporary(p)):
                if old.relative_to(self.path).as_posix() not in files:
                    old.unlink()
        digests = {}
        for name, content in sorted(files.items()):
            if name == RECORD or Path(name).is_absolute() or ".." in Path(name).parts:
                raise ValueError(f"not a name for a file of a job: {name!r}")
            write_atomic(self.path / name, content)
            digests[name] = sha256_of(content)
        complete = {**record, "key": self.key, "files": digests}
        text = json.dumps(complete, indent=1, allow_nan=False, ensure_ascii=False) + "\n"
        write_atomic(self.path / RECORD, text.encode())
        return complete

    def damaged_files(self) -> list[str]:
        """Return the names of the files that are missing or differ from the record's SHA-256."""
        record = self.record() or {"files": {}}
        return [name for name, digest in record["files"].items() if sha256_of(self.path / name) != digest]

    def scores(self) -> pd.DataFrame:
        """Return ``scores.parquet``: sample_id, object_id, label, source, partition, step, score.

        Raises
        ------
        StoreError
            The job has no scores, or the file is not the one that was stored.
        """
        from bench.parquet import read_parquet

        content = self._content("scores.parquet")
        if content is None:
            where = str(self.path / "scores.parquet")
            raise StoreError(where, "no scores", "a job that was done", "Run the same configuration again.")
        return read_parquet(content)

    def arrays(self, name: str) -> dict[str, NDArray[Any]] | None:
        """Return the arrays of a file ``.npz``; None if the job has no such file.

        Raises
        ------
        StoreError
            The file is not the one that was stored.
        """
        import io

        import numpy as np

        content = self._content(name)
        if content is None:
            return None
        with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
            return dict(arrays)

    def _content(self, name: str) -> bytes | None:
        """Return the bytes of a file, checked against the record; None if the job has no such file."""
        expected = (self.record() or {"files": {}})["files"].get(name)
        if expected is None:
            return None
        path = self.path / name
        with store_errors(path):
            content = path.read_bytes()
        if sha256_of(content) != expected:
            found = "other bytes than record.json says"
            raise StoreError(str(path), found, "an undamaged file", REDO, code="DamagedFile")
        return content

    def set_aside(self) -> Path:
        """Rename a damaged folder to ``<key>.damaged-N``, so that the job can be redone and nothing is lost."""
        number = 1
        while (target := self.path.with_name(f"{self.key}.damaged-{number}")).exists():
            number += 1
        with store_errors(self.path):
            self.path.rename(target)
            sync_folder(target.parent)
        return target


def sha256_of(content: bytes | Path) -> str:
    """Return the SHA-256 of bytes or of a file."""
    if isinstance(content, bytes):
        return hashlib.sha256(content).hexdigest()
    with content.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
