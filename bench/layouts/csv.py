"""Manifests: ``.csv`` or ``.parquet``, also with the column names of anomalib, ADer and VisA."""

from __future__ import annotations

import csv
import warnings
from collections import Counter
from pathlib import Path

import pandas as pd

from bench.csv_cells import unescape_cell
from bench.image_files import printable, unreadable
from bench.labels import read_labels
from bench.manifest import Manifest
from bench.manifest_rows import COLUMNS
from bench.parquet import read_parquet
from protocols.errors import InputError

NAMES = ("manifest.csv", "manifest.parquet")
SUFFIXES = (".csv", ".tsv", ".parquet")
# Other names of our columns, each found without regard to case. anomalib: image_path, label, label_index, mask_path;
# ADer: img_path, mask_path, cls_name, specie_name, anomaly; VisA: object, split, label, image, mask.
ALIASES: dict[str, tuple[str, ...]] = {
    "sample_id": ("image_id", "id"),
    "image_path": ("img_path", "image", "path", "filename", "file", "filepath"),
    "label_index": ("label", "anomaly", "is_anomaly", "target", "y", "y_true"),
    "split": ("partition",),
    "object_id": ("object", "part_id", "part", "serial", "group"),
    "mask_path": ("mask", "mask_file"),
    "fg_mask_path": ("fg_mask", "foreground"),
    "category": ("cls_name", "class_name"),
    "defect_type": ("specie_name", "defect", "anomaly_type"),
}
VISA = frozenset({"object", "split", "label", "image", "mask"})


def matches(root: Path) -> str | None:
    """Return why: the path is a table, or a folder with a manifest; else None."""
    if root.is_file():
        return f"a file {root.suffix}" if root.suffix.lower() in SUFFIXES else None
    return next((f"the folder has {name}" for name in NAMES if (root / name).is_file()), None)


def read(root: Path) -> Manifest:
    """Read a manifest; paths in it are relative to the folder it lies in."""
    if root.is_dir():
        file = next((root / name for name in NAMES if (root / name).is_file()), None)
        if file is None:
            raise InputError(
                printable(root), "no manifest", f"one of {list(NAMES)}", "Name the file.", "LayoutMismatch"
            )
        return read_table(file, root, "csv")
    return read_table(root, root.parent, "csv")


def read_table(file: Path, root: Path, layout: str) -> Manifest:
    """Read a table and give its columns our names.

    Parameters
    ----------
    file
        ``.csv``, ``.tsv`` or ``.parquet``.
    root
        Folder that the paths in it are relative to.
    layout
        The name the manifest gets.

    Raises
    ------
    InputError
        The file cannot be read, a header is twice there, two columns stand for one, or a label is not known.
    """
    source = printable(file)
    if file.suffix.lower() not in SUFFIXES:
        raise InputError(source, file.suffix, f"a file that ends in one of {list(SUFFIXES)}", "Convert the file.")
    try:
        frame = read_parquet(file) if file.suffix.lower() == ".parquet" else _read_text(file, source)
    except OSError as error:
        if error.errno is not None:
            raise unreadable(error, source) from error
        raise _damaged(source, error) from error
    except (ValueError, csv.Error, pd.errors.ParserWarning) as error:  # pandas' and Arrow's own errors are ValueErrors
        if isinstance(error, InputError):
            raise
        raise _damaged(source, error) from error
    frame, notes = _renamed(frame, source)
    if "label_index" in frame and not frame.empty:
        frame["label_index"] = read_labels(frame["label_index"], f"{source}, column 'label_index'")
    if "split" in frame:
        frame["split"] = (
            frame["split"].astype(object).where(frame["split"].notna(), "").astype(str).str.strip().str.lower()
        )
    return Manifest(frame, root, layout, notes=notes)


def _read_text(file: Path, source: str) -> pd.DataFrame:
    with file.open(encoding="utf-8-sig", newline="") as stream:
        first = stream.readline()
        delimiter = "\t" if file.suffix.lower() == ".tsv" else max(",;\t", key=first.count)
        header = next(csv.reader([first], delimiter=delimiter), [])
    if not header:
        raise InputError(source, "an empty file", "a header and one row an image", "Write the manifest.", "FileEmpty")
    twice = [name for name, count in Counter(name.strip().lower() for name in header).items() if count > 1]
    if twice:
        raise InputError(source, twice, "each column name once", "Remove or rename the others.", "DuplicateHeader")
    with warnings.catch_warnings():
        # Rows with one cell more than the header would lose it with a warning.
        warnings.simplefilter("error", pd.errors.ParserWarning)
        frame = pd.read_csv(
            file, sep=delimiter, dtype=str, keep_default_na=False, encoding="utf-8-sig", index_col=False
        )
    frame.columns = pd.Index([unescape_cell(str(name)) for name in frame.columns])
    return frame.fillna("").map(unescape_cell)


def _renamed(frame: pd.DataFrame, source: str) -> tuple[pd.DataFrame, tuple[str, ...]]:
    lower = {str(name).strip().lower(): str(name) for name in frame.columns}
    aliases = dict(ALIASES)
    if set(lower) >= VISA:
        aliases["category"] += ("object",)
        aliases["object_id"] = tuple(name for name in aliases["object_id"] if name != "object")
    if "label_index" in lower and "label" in lower and "defect_type" not in lower:
        # anomalib: `label` is the name of the test folder, `label_index` the number.
        aliases["defect_type"] = ("label", *(name for name in aliases["defect_type"] if name not in lower))
        aliases["label_index"] = ()
    new: dict[str, str] = {}
    notes: list[str] = []
    for role, others in aliases.items():
        there = [name for name in others if name in lower]
        if role in lower:
            if there:
                notes.append(f"column {lower[role]!r} is used; {[lower[name] for name in there]} beside it is not")
        elif len(there) > 1:
            raise InputError(
                source,
                [lower[name] for name in there],
                f"one column for {role}",
                f"Rename the right one to {role}.",
                "AmbiguousColumn",
            )
        elif there:
            new[lower[there[0]]] = role
    own = {lower[name]: name for name in lower if name in COLUMNS}
    return frame.rename(columns={**own, **new}), tuple(notes)


def _damaged(source: str, error: Exception) -> InputError:
    return InputError(
        source,
        str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__,
        "a table that can be read (UTF-8 text, or Parquet)",
        "Write the file again.",
        "TableUnreadable",
    )
