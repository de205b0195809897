"""Identical images: the same file, or the same pixels in another file, and whether they cross split or label."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .atomic import write_atomic
from .csv_cells import escape_cell
from .image_files import file_sha256, pixel_sha256, printable, read_rgb

if TYPE_CHECKING:
    import pandas as pd

    from .manifest import Manifest

PAIR_COLUMNS = ("sample_id_a", "sample_id_b", "confidence", "evidence", "decision", "split_a", "split_b", "label_a",
                "label_b", "object_id_a", "object_id_b", "crosses")  # fmt: skip
SHOWN = 50  # pairs in a terminal
FIELDS = {"split": "split", "label": "label_index"}


@dataclass(frozen=True)
class Group:
    """Images that are the same picture.

    Parameters
    ----------
    evidence
        ``file``: all are the same file, byte for byte; ``pixels``: they decode to the same pixels.
    sha256
        Of the file, or of the decoded pixels.
    rows
        Of the manifest, at least two: sample id, split, label and object of each.
    """

    evidence: str
    sha256: str
    rows: tuple[dict[str, Any], ...]

    @property
    def crosses(self) -> tuple[str, ...]:
        """What differs inside the group: ``split``, ``label``, both or nothing."""
        return _crosses(self.rows)

    def pairs(self) -> Iterator[dict[str, Any]]:
        """Yield the first image with each other one.

        Two of a group that differ in split or label cannot both agree with the first, so no crossing is lost, and a
        picture that is there a thousand times makes 999 rows instead of half a million.
        """
        first, *others = self.rows
        for other in others:
            evidence = "file" if first["file"] == other["file"] else "pixels"
            yield {
                "sample_id_a": first["sample_id"], "sample_id_b": other["sample_id"], "confidence": 1.0,
                "evidence": f"identical {evidence}", "decision": "", "split_a": first["split"],
                "split_b": other["split"], "label_a": first["label_index"], "label_b": other["label_index"],
                "object_id_a": first["object_id"], "object_id_b": other["object_id"],
                "crosses": "+".join(_crosses((first, other))),
            }  # fmt: skip


@dataclass(frozen=True)
class Duplicates:
    """All groups of identical images, sorted by their first sample id."""

    n_images: int
    groups: tuple[Group, ...]

    def crossing(self) -> tuple[Group, ...]:
        """Return the groups that cross train and test, or labels."""
        return tuple(group for group in self.groups if group.crosses)

    def pairs(self) -> pd.DataFrame:
        """Return the pairs, columns :data:`PAIR_COLUMNS`."""
        import pandas as pd

        return pd.DataFrame([pair for group in self.groups for pair in group.pairs()], columns=list(PAIR_COLUMNS))

    def to_dict(self) -> dict[str, Any]:
        """Return what ``duplicates.json`` holds."""
        return {
            "n_images": self.n_images,
            "n_groups": len(self.groups),
            "n_crossing": len(self.crossing()),
            "groups": [
                {
                    "evidence": group.evidence,
                    "sha256": group.sha256,
                    "sample_ids": [row["sample_id"] for row in group.rows],
                    "splits": [row["split"] for row in group.rows],
                    "labels": [row["label_index"] for row in group.rows],
                    "object_ids": [row["object_id"] for row in group.rows],
                    "crosses": list(group.crosses),
                }
                for group in self.groups
            ],
        }


def find_duplicates(manifest: Manifest, on_progress: Callable[[int, int], None] | None = None) -> Duplicates:
    """Find images that are the same file or decode to the same pixels.

    Only images whose size another file has too are decoded.

    Parameters
    ----------
    manifest
        Checked.
    on_progress
        Called with the number of images done and their total.

    Raises
    ------
    InputError
        A file cannot be decoded.
    """
    frame = manifest.frame
    columns = ["sample_id", "image_path", "split", "label_index", "object_id", "width", "height"]
    rows = [dict(zip(columns, row, strict=True)) for row in frame.loc[:, columns].itertuples(index=False)]
    for row in rows:
        row["file"] = file_sha256(manifest.root / row["image_path"], printable(row["image_path"]))
    of_size: dict[tuple[int, int], dict[str, dict[str, Any]]] = {}
    for row in rows:
        of_size.setdefault((row["width"], row["height"]), {}).setdefault(row["file"], row)
    doubtful = [row for files in of_size.values() if len(files) > 1 for row in files.values()]
    pixels = _pixel_hashes(manifest.root, doubtful, on_progress or _silent)
    groups: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        groups.setdefault(pixels.get(row["file"], row["file"]), []).append(row)
    found = [_group(key, members) for key, members in groups.items() if len(members) > 1]
    return Duplicates(len(rows), tuple(sorted(found, key=lambda group: str(group.rows[0]["sample_id"]))))


def _pixel_hashes(root: Path, rows: list[dict[str, Any]], on_progress: Callable[[int, int], None]) -> dict[str, str]:
    """Return the hash of the pixels of each file, by the hash of the file."""

    def hashed(row: dict[str, Any]) -> str:
        name = row["image_path"]
        return pixel_sha256(read_rgb(root / name, printable(name), (row["width"], row["height"])))

    hashes: dict[str, str] = {}
    with ThreadPoolExecutor(os.cpu_count()) as pool:  # decoding and hashing leave the interpreter's lock
        for done, (row, pixels) in enumerate(zip(rows, pool.map(hashed, rows), strict=True), start=1):
            hashes[row["file"]] = pixels
            on_progress(done, len(rows))
    return hashes


def _group(key: str, members: list[dict[str, Any]]) -> Group:
    same_file = len({row["file"] for row in members}) == 1
    rows = tuple(sorted(members, key=lambda row: str(row["sample_id"])))
    return Group("file" if same_file else "pixels", rows[0]["file"] if same_file else key, rows)


def _crosses(rows: tuple[dict[str, Any], ...]) -> tuple[str, ...]:
    return tuple(name for name, column in FIELDS.items() if len({row[column] for row in rows}) > 1)


def _silent(done: int, total: int) -> None:
    """Do not show progress."""


def as_text(found: Duplicates) -> str:
    """Return what ``dataset duplicates`` prints: those that cross a border first, at most 50 pairs."""
    from .inspect_text import table

    pairs = found.pairs()
    if pairs.empty:
        return f"no identical images among {found.n_images}"
    pairs = pairs.sort_values("crosses", key=lambda column: column == "", kind="stable")
    header = ["a", "b", "evidence", "split", "label", "crosses"]
    rows = [
        [row.sample_id_a, row.sample_id_b, row.evidence, f"{row.split_a}/{row.split_b}", f"{row.label_a}/{row.label_b}",
         row.crosses or "-"]
        for row in pairs.head(SHOWN).itertuples(index=False)
    ]  # fmt: skip
    crossing = found.crossing()
    lines = [f"{len(found.groups)} pictures are there more than once among {found.n_images} images; "
             f"{len(crossing)} of them cross train and test, or labels", *table(header, rows)]  # fmt: skip
    if len(pairs) > SHOWN:
        lines.append(f"  and {len(pairs) - SHOWN} more pairs (--output DIR writes all)")
    return "\n".join(lines)


def write_duplicates(found: Duplicates, document: dict[str, Any], folder: Path) -> None:
    """Write ``pairs.csv`` and ``duplicates.json`` into a folder.

    Raises
    ------
    StoreError
        The folder cannot be written.
    """
    escaped = found.pairs().map(lambda cell: escape_cell(cell) if isinstance(cell, str) else cell)
    write_atomic(folder / "pairs.csv", escaped.to_csv(index=False, lineterminator="\n").encode())
    write_atomic(folder / "duplicates.json", (json.dumps(document, indent=2) + "\n").encode())
