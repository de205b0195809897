"""Manifest files: written with paths relative to themselves, read back as they were."""

from __future__ import annotations

import io
import os
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import pandas as pd

from protocols.errors import InputError

from .atomic import store_errors, write_atomic
from .csv_cells import escape_cell
from .image_files import MAX_PIXELS
from .manifest_paths import FILES
from .manifest_rows import COLUMNS

if TYPE_CHECKING:
    from .manifest import Manifest

_WRITTEN = ("sample_id", "image_path", "label_index", "split", "width", "height")


def read_manifest(path: Path, *, root: Path | None = None, max_pixels: int = MAX_PIXELS) -> Manifest:
    """Read a manifest file (.csv, .parquet) and check it and every file it names.

    Parameters
    ----------
    path
        The file.
    root
        Folder that the paths may not leave; by default the manifest's own.
    max_pixels
        Larger images are refused.
    """
    from .layouts import read_dataset  # the layouts import Manifest

    return read_dataset(path, layout="csv", root=root, max_pixels=max_pixels)


def write_manifest(manifest: Manifest, out: Path) -> Path:
    """Write a manifest whose paths are relative to where it is written.

    Columns that are empty throughout are left out; reading gives them back. Cells that a spreadsheet would run as
    formulas are escaped in CSV, and unescaped by :func:`read_manifest`.

    Parameters
    ----------
    manifest
        What to write.
    out
        A file ``.csv`` or ``.parquet``, or a folder, which gets ``manifest.csv``. If it does not lie in the folder
        of the data or above it, its paths begin with ``..``, and reading it back needs ``root`` (see
        :func:`lies_beside`): a manifest must not point out of its own folder unless the user says where to.

    Returns
    -------
    Path
        The file written.

    Raises
    ------
    InputError
        `out` is of no known kind, or holds something else already (code ``FileExists``).
    StoreError
        It cannot be written.
    """
    out = out / "manifest.csv" if out.is_dir() or not out.suffix else out
    if out.suffix not in (".csv", ".parquet"):
        raise InputError(str(out), out.suffix, "a file name that ends in .csv or .parquet", "Name such a file.")
    table = _relocated(manifest, out)
    buffer = io.BytesIO()
    if out.suffix == ".csv":
        escaped = table.map(lambda cell: escape_cell(cell) if isinstance(cell, str) else cell)
        escaped.columns = pd.Index([escape_cell(str(name)) for name in table.columns])
        escaped.to_csv(buffer, index=False, lineterminator="\n", encoding="utf-8")
    else:
        table.to_parquet(buffer, index=False)
    _write_new(out, buffer.getvalue())
    return out


def lies_beside(manifest: Manifest, out: Path) -> bool:
    """Whether a manifest written there has to point out of its own folder to reach the images."""
    return _prefix(manifest, out).parts[:1] == (os.pardir,)


def _prefix(manifest: Manifest, out: Path) -> PurePosixPath:
    here = os.path.realpath(out if out.is_dir() or not out.suffix else out.parent)
    return PurePosixPath(Path(os.path.relpath(os.path.realpath(manifest.root), here)).as_posix())


def _relocated(manifest: Manifest, out: Path) -> pd.DataFrame:
    """Return the rows to write, with paths relative to the folder of `out`."""
    prefix = _prefix(manifest, out)
    table = manifest.frame.copy()
    for column in FILES:
        table[column] = [str(prefix / name) if name else "" for name in table[column]]
    empty = [name for name in COLUMNS if name not in _WRITTEN and not _known(table[name]).any()]
    return table.drop(columns=empty)


def _known(values: pd.Series) -> pd.Series:
    """Whether each value says more than what reading fills in."""
    default = 0 if values.name == "mask_above" else ""
    return values.notna() & (values != default)


def _write_new(out: Path, content: bytes) -> None:
    """Write a file that must not be there yet, unless it is the same already."""
    with store_errors(out):
        if not out.exists():
            write_atomic(out, content)
        elif out.read_bytes() != content:
            raise InputError(
                str(out),
                "a file that is there already",
                "a new file",
                "Remove it or name another: it may hold work of yours.",
                "FileExists",
            )
