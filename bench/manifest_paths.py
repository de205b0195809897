"""What can be wrong with the files that a manifest names: paths, links, headers, sizes, hashes."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath

import numpy as np
import pandas as pd

from protocols.errors import InputError

from .image_files import Header, file_sha256, printable, read_header

FILES = ("image_path", "mask_path", "fg_mask_path")


def check_files(
    table: pd.DataFrame, root: Path, max_pixels: int
) -> tuple[pd.DataFrame, list[InputError], tuple[str, ...]]:
    """Check every path and, by header, every file.

    Returns
    -------
    table
        With ``width`` and ``height`` of the files.
    faults
        All that was found.
    notes
        What a reader should know, such as animated images.
    """
    faults: list[InputError] = []
    animated: list[str] = []
    sizes = np.zeros((len(table), 2), np.int64)
    real_root = os.path.realpath(root)
    columns = [table[column].tolist() for column in FILES]
    for row, names in enumerate(zip(*columns, strict=True)):
        headers: list[Header | None] = []
        for column, name in zip(FILES, names, strict=True):
            header = None
            if name != "":
                try:
                    header = _header(root, real_root, name, column, max_pixels)
                except InputError as fault:
                    faults.append(fault)
            elif column == "image_path":
                faults.append(
                    InputError(f"row {row + 1}, image_path", "", "a relative path", "Name the image.", "EmptyId")
                )
            headers.append(header)
        image = headers[0]
        if image is None:
            continue
        sizes[row] = image.size
        if image.n_frames > 1:
            animated.append(names[0])
        for name, header in zip(names[1:], headers[1:], strict=True):
            if header is not None and header.size != image.size:
                faults.append(
                    InputError(
                        name,
                        f"{header.width} x {header.height} pixels",
                        f"{image.width} x {image.height}, the size of {names[0]}",
                        "A mask must have the size of its image.",
                        "MaskSize",
                    )
                )
    faults += _hashes(table, root, faults)
    table = table.assign(width=sizes[:, 0], height=sizes[:, 1])
    notes = (f"{len(animated)} animated images: the first frame is used ({animated[0]})",) if animated else ()
    return table, faults, notes


def rebased(table: pd.DataFrame, folder: Path, root: Path) -> pd.DataFrame:
    """Return the table with paths relative to another folder; absolute paths stay, to be refused."""
    here, there = os.path.realpath(folder), os.path.realpath(root)
    moved = table.copy()
    for column in FILES:
        if column in table:
            moved[column] = [_rebased(str(name), here, there) for name in table[column].fillna("")]
    return moved


def _rebased(name: str, here: str, there: str) -> str:
    if name == "" or os.path.isabs(name):
        return name
    return Path(os.path.relpath(os.path.normpath(os.path.join(here, name)), there)).as_posix()


def without_files(table: pd.DataFrame) -> pd.DataFrame:
    """Return the table as :func:`check_files` would, with the sizes that it holds itself, or 0."""
    for column in ("width", "height"):
        values = table[column] if column in table else pd.Series(0, index=table.index)
        table[column] = pd.to_numeric(values, errors="coerce").fillna(0).astype(np.int64)
    return table


def outside(name: str) -> InputError | None:
    """Return the fault of a path that is absolute or leaves the folder by itself, else None."""
    path = PurePosixPath(name)
    if path.is_absolute() or "\\" in name or re.match("[A-Za-z]:/", name):
        return InputError(
            name,
            "an absolute path" if "\\" not in name else "a path with backslashes",
            "a path relative to the manifest, with /",
            "Write the path relative to the manifest.",
            "AbsolutePath",
        )
    if ".." in path.parts:
        return InputError(
            name,
            "a path with ..",
            "a path below the manifest's folder",
            "Put the manifest into a folder above all files, or name such a folder (--root).",
            "PathOutsideRoot",
        )
    return None


def leaves_root(path: Path | str, real_root: str) -> bool:
    """Whether a path leads out of the folder once its links are followed."""
    real = os.path.realpath(path)
    return real != real_root and not real.startswith(real_root.rstrip(os.sep) + os.sep)


def not_utf8(name: str) -> InputError | None:
    """Return the fault of a name whose bytes are not UTF-8, else None."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return InputError(
            printable(name), "a name that is not UTF-8", "a name in UTF-8", "Rename the file.", "NameNotUtf8"
        )
    return None


def _header(root: Path, real_root: str, name: str, column: str, max_pixels: int) -> Header:
    fault = not_utf8(name) or outside(name)
    if fault is not None:
        raise fault
    path = root / name
    if leaves_root(path, real_root):
        raise InputError(
            name,
            "a link out of the data set's folder",
            f"a file below {printable(root)}",
            "Copy the file into the folder.",
            "LinkOutsideRoot",
        )
    try:
        return read_header(path, name, max_pixels)
    except InputError as error:
        if error.code == "ImageMissing" and column != "image_path":
            raise InputError(
                name, "no such file", "a mask", "Correct the path or leave it empty.", "MaskMissing"
            ) from error
        raise


def _hashes(table: pd.DataFrame, root: Path, faults: Iterable[InputError]) -> Iterator[InputError]:
    """Yield images that are not those whose SHA-256 the manifest holds."""
    broken = Counter(fault.args[0] for fault in faults)
    for name, expected in table.loc[table["sha256"] != "", ["image_path", "sha256"]].itertuples(index=False):
        if name != "" and name not in broken:
            found = file_sha256(root / name, name)
            if found != expected.lower():
                yield InputError(
                    name,
                    f"SHA-256 {found}",
                    f"{expected}, as the manifest has it",
                    "Restore the file, or remove the column sha256.",
                    "HashDiffers",
                )
