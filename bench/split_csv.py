"""Splits as CSV files: the fingerprint in the first line, then one row an image."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

from bench.atomic import store_errors, write_atomic
from protocols.errors import InputError
from protocols.partition import Split
from protocols.samples import SampleTable

COLUMNS = ["sample_id", "object_id", "partition"]
_START = "# fingerprint: "


def split_csv(split: Split, samples: SampleTable) -> bytes:
    """Return a split as CSV; ids are written as they are, so that the fingerprint can be checked from the lines."""
    partition_of = split.partition_of()
    buffer = io.StringIO()
    buffer.write(f"{_START}{split.fingerprint}\n")
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(COLUMNS)
    frame = samples.frame
    for sample_id, object_id in zip(frame["sample_id"], frame["object_id"], strict=True):
        writer.writerow([sample_id, object_id, partition_of[sample_id]])
    return buffer.getvalue().encode()


def write_split_files(folder: Path, split: Split, samples: SampleTable) -> None:
    """Write ``<repeat>.csv``, and ``<repeat>.json`` with what that has no place for, if there is anything."""
    write_atomic(folder / f"{split.repeat}.csv", split_csv(split, samples))
    remarks = _remarks_json(split)
    if remarks is not None:
        write_atomic(folder / f"{split.repeat}.json", remarks)


def _remarks_json(split: Split) -> bytes | None:
    """Return status, notes, and run and fold where the split has them; None: all is well and plain."""
    said: dict[str, Any] = {"status": split.status, "notes": list(split.notes)}
    if split.run is not None:
        said |= {"run": split.run, "fold": split.fold}
    elif split.status == "ok" and not split.notes:
        return None
    return json.dumps(said, ensure_ascii=False).encode()


def read_split_file(path: Path) -> Split:
    """Return the split of a file ``<repeat>.csv``, with the remarks of ``<repeat>.json`` beside it if there is one.

    Raises
    ------
    InputError
        The file is missing or not a split, or the fingerprint is not that of its lines (code ``DamagedFile``).
    """
    where = str(path)
    if not path.is_file():
        raise InputError(where, "no such file", "a split", "Correct the path, or draw the splits again.")
    with store_errors(path):
        text = path.read_bytes().decode("utf-8", errors="replace")
    first, _, rest = text.partition("\n")
    rows = list(csv.reader(io.StringIO(rest, newline="")))
    if not first.startswith(_START) or not rows or rows[0] != COLUMNS or any(len(row) != len(COLUMNS) for row in rows):
        raise InputError(where, first[:60], f"a first line {_START!r} and the columns {', '.join(COLUMNS)}",
                         "Draw the splits again.", code="DamagedFile")  # fmt: skip
    if not path.stem.isdigit():
        raise InputError(where, path.stem, "the number of the repeat as the file's name", "Rename the file.")
    said = _remarks(path.with_suffix(".json"))
    try:
        split = Split.from_partitions(
            int(path.stem), {row[0]: row[2] for row in rows[1:]},
            status=said.get("status", "ok"), notes=tuple(said.get("notes", ())), run=said.get("run"),
            fold=said.get("fold"),
        )  # fmt: skip
    except InputError as error:
        _, found, expected, fix = error.args[:4]
        raise InputError(where, found, expected, fix, code="DamagedFile") from error
    stated = first.removeprefix(_START).strip()
    if split.fingerprint != stated:
        raise InputError(where, f"fingerprint {stated[:16]}...", f"that of the lines, {split.fingerprint[:16]}...",
                         "The file was changed or damaged: draw the splits again.", code="DamagedFile")  # fmt: skip
    return split


def _remarks(path: Path) -> dict[str, Any]:
    """Return what is said beside a split; nothing if the file is not there."""
    if not path.is_file():
        return {}
    with store_errors(path):
        content = path.read_bytes()
    try:
        said = dict(json.loads(content))
        place = {key: int(said[key]) for key in ("run", "fold") if key in said}
        return {"status": str(said["status"]), "notes": [str(note) for note in said["notes"]], **place}
    except (ValueError, TypeError, KeyError) as error:
        raise InputError(str(path), str(error), "the status and the notes of the split beside it",
                         "Draw the splits again.", code="DamagedFile") from error  # fmt: skip
