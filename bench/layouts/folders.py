"""Plain folders: ``good/`` holds the nominal images, every other folder is a defect type."""

from __future__ import annotations

import os
from pathlib import Path

import pandas as pd

from bench.image_files import is_image_name, printable
from bench.manifest import Manifest
from protocols.errors import InputError

from .tree import Walk, image_row, pair_masks, subfolders

NOMINAL = ("good", "ok", "normal", "nominal")
MASKS = ("ground_truth", "masks", "mask")
FOREGROUNDS = ("fg_mask",)


def matches(root: Path) -> str | None:
    """Return why: one folder is called good (ok, normal, nominal) and another holds images; else None."""
    nominal, types = _classes(root)
    if nominal is None or not types:
        return None
    return f"a folder {nominal}/ and {len(types)} others with images: {', '.join(types[:20])}"


def read(root: Path) -> Manifest:
    """List the folders; masks lie in ``ground_truth/<type>`` or ``masks/<type>`` if at all. There is no split."""
    nominal, types = _classes(root)
    if nominal is None:
        raise InputError(
            printable(root),
            subfolders(root)[:10],
            f"a folder of nominal images ({', '.join(NOMINAL)})",
            "Rename the folder of nominal images.",
            "LayoutMismatch",
        )
    walk = Walk(root)
    rows: list[dict[str, str | float]] = []
    for kind in (nominal, *types):
        images = walk.images(kind)
        folder = next((f"{name}/{kind}" for name in MASKS if (root / name / kind).is_dir()), None)
        pairs, faults = pair_masks(images, walk.images(folder) if folder else (), ("_mask", "_defect"))
        walk.faults += faults
        label = int(kind != nominal)
        rows += [
            image_row(image, label, "", defect_type=kind if label else "", mask_path=pairs.get(image, ""))
            for image in images
        ]
    frame = pd.DataFrame(rows, columns=["image_path", "label_index", "split", "defect_type", "mask_path"])
    return Manifest(
        frame, root, "folders", notes=("plain folders: no split is known", *walk.notes()), faults=tuple(walk.faults)
    )


def _classes(root: Path) -> tuple[str | None, list[str]]:
    names = [name for name in subfolders(root) if name not in (*MASKS, *FOREGROUNDS)]
    nominal = next((name for wanted in NOMINAL for name in names if name.lower() == wanted), None)
    return nominal, [name for name in names if name != nominal and _has_images(root / name)]


def _has_images(path: Path) -> bool:
    """Whether there are images below; also where a folder may not be read, so that reading names the reason."""
    unread: list[OSError] = []
    return any(is_image_name(name) for *_, names in os.walk(path, onerror=unread.append) for name in names) or bool(
        unread
    )
