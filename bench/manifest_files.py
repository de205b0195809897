"""Manifest files: written with paths relative to themselves, read back as they were."""

from __future__ import annotations

import io
import os
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import pandas as pd

from protocols.errors import InputError

from .csv_cells import escape_cell
from .image_files import MAX_PIXELS, printable
from .manifest_checks import COLUMNS, FILES

if TYPE_CHECKING:
    from .manifest import Manifest

_WRITTEN = ("sample_id", "image_path", "label_index", "split", "width", "height")


def read_manifest(path: Path, *, max_pixels: int = MAX_PIXELS) -> Manifest:
    """Read a manifest file (.csv, .parquet) and check it and every file it names."""
    from .layouts import read_dataset  # the layouts import Manifest

    return read_dataset(path, layout="csv", max_pixels=max_pixels)


def write_manifest(manifest: Manifest, out: Path) -> Path:
    """Write a manifest whose paths are relative to where it is written.

    Columns that are empty throughout are left out; reading gives them back. Cells that a spreadsheet would run as
    formulas are escaped in CSV, and unescaped by :func:`read_manifest`.

    Parameters
    ----------
    manifest
        What to write.
    out
        A file ``.csv`` or ``.parquet``, in the folder of the data or above it (a manifest cannot point out of its
        own folder); or an existing folder, which gets ``manifest.csv``.

    Returns
    -------
    Path
        The file written.

    Raises
    ------
    InputError
        `out` is of no known kind, lies beside the data (code ``PathOutsideRoot``), holds something else already
        (``FileExists``), or cannot be written (``NotWritable``).
    """
    out = out / "manifest.csv" if out.is_dir() else out
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


def _relocated(manifest: Manifest, out: Path) -> pd.DataFrame:
    """Return the rows to write, with paths relative to the folder of `out`."""
    here, there = os.path.realpath(out.parent), os.path.realpath(manifest.root)
    prefix = os.path.relpath(there, here)
    if prefix == os.pardir or prefix.startswith(os.pardir + os.sep):
        raise InputError(
            str(out),
            f"a folder that does not hold {printable(there)}",
            "a folder that holds the data",
            f"Write it to {printable(os.path.join(there, out.name))} or into a folder above.",
            "PathOutsideRoot",
        )
    table = manifest.frame.copy()
    for column in FILES:
        moved = [str(PurePosixPath(Path(prefix).as_posix()) / name) if name else "" for name in table[column]]
        table[column] = moved
    empty = [name for name in COLUMNS if name in table and name not in _WRITTEN and not _known(table[name]).any()]
    return table.drop(columns=empty)


def _known(values: pd.Series) -> pd.Series:
    """Whether each value says something (``mask_above`` 0 is what reading fills in)."""
    return values.notna() & (values != "") & (values != 0)


def _write_new(out: Path, content: bytes) -> None:
    """Write a file that must not be there yet, unless it is the same already."""
    try:
        if out.exists():
            if out.read_bytes() == content:
                return
            raise InputError(
                str(out),
                "a file that is there already",
                "a new file",
                "Remove it or name another: it may hold work of yours.",
                "FileExists",
            )
        out.parent.mkdir(parents=True, exist_ok=True)
        part = out.with_name(f".{out.name}.{os.getpid()}.part")
        part.write_bytes(content)
        part.replace(out)
    except OSError as error:
        raise InputError(
            str(out),
            error.strerror or str(error),
            "a place that can be written",
            "Choose another folder.",
            "NotWritable",
        ) from error
