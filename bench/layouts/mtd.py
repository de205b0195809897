"""MTD, magnetic tile defects, raw: ``MT_<type>/Imgs/exp<e>_num_<n>.jpg`` with the mask ``.png`` beside it."""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath

import pandas as pd

from bench.image_files import printable
from bench.manifest import Manifest
from protocols.errors import InputError

from .tree import Walk, image_row, pair_masks, stem, subfolders

# The masks are grey at the rim of the defect; the set's own counts take what is above 127.
MASK_ABOVE = 127.0
NOMINAL = "Free"
_NAME = re.compile(r"(exp\d+)_num_\d+")


def matches(root: Path) -> str | None:
    """Return why the folder is MTD, or None."""
    names = _classes(root)
    return f"folders MT_<type>/Imgs: {', '.join(names)}" if names else None


def read(root: Path) -> Manifest:
    """List the folders. The number in a file name is not an object id; ``exp<e>`` is the session; there is no split."""
    walk = Walk(root)
    rows: list[dict[str, str | float]] = []
    odd: list[str] = []
    names = _classes(root)
    if not names:
        raise InputError(
            printable(root),
            subfolders(root)[:10],
            "folders MT_<type>/Imgs",
            "Correct the path or the layout.",
            "LayoutMismatch",
        )
    for name in names:
        kind = name.removeprefix("MT_")
        label = int(kind != NOMINAL)
        files = walk.images(f"{name}/Imgs")
        images = [file for file in files if PurePosixPath(file).suffix.lower() != ".png"]
        pairs, faults = pair_masks(images, [file for file in files if file not in set(images)], ())
        walk.faults += faults
        for image in images:
            found = _NAME.fullmatch(stem(image))
            if found is None:
                odd.append(image)
            rows.append(
                image_row(
                    image,
                    label,
                    "",
                    defect_type=kind if label else "",
                    mask_path=pairs.get(image, ""),
                    mask_above=MASK_ABOVE,
                    session=found.group(1) if found else "",
                )
            )
    notes = ["no split and no object ids upstream; the same tile may be in more than one image"]
    if odd:
        notes.append(f"{len(odd)} names are not exp<e>_num_<n> and have no session ({printable(odd[0])})")
    return Manifest(pd.DataFrame(rows), root, "mtd", notes=(*notes, *walk.notes()), faults=tuple(walk.faults))


def _classes(root: Path) -> list[str]:
    return [name for name in subfolders(root) if name.startswith("MT_") and (root / name / "Imgs").is_dir()]
