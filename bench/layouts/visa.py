"""VisA, raw: ``split_csv/1cls.csv`` with its paths, or ``<category>/Data/Images/{Normal,Anomaly}`` without a split."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pandas as pd

from bench.image_files import printable
from bench.manifest import Manifest
from protocols.errors import InputError

from .csv import read_table
from .tree import Walk, image_row, pair_masks, subfolders

SPLIT = Path("split_csv") / "1cls.csv"


def matches(root: Path) -> str | None:
    """Return why the folder is VisA, or None."""
    if (root / SPLIT).is_file():
        return f"there is {SPLIT.as_posix()}"
    names = _categories(root)
    if not names:
        return None
    return (
        "Data/Images/Normal" if names == [""] else f"{len(names)} folders with Data/Images/Normal: {', '.join(names)}"
    )


def read(root: Path) -> Manifest:
    """List the images; masks hold the number of the defect, so every value above 0 is defective."""
    walk = Walk(root)
    if (root / SPLIT).is_file():
        listed = read_table(root / SPLIT, root, "visa")
        # Pairs are given by the file; masks that no row names are left alone.
        listed = replace(listed, frame=listed.frame.assign(defect_type=""))
    else:
        listed = _read_folders(root, walk)
    kinds = _defect_types(root)
    fallback = ["anomaly" if label == 1 else "" for label in pd.to_numeric(listed.frame["label_index"])]
    types = [
        kinds.get(path, default) if default else ""
        for path, default in zip(listed.frame["image_path"], fallback, strict=True)
    ]
    return replace(
        listed,
        frame=listed.frame.assign(defect_type=types),
        notes=(*listed.notes, *walk.notes()),
        faults=(*listed.faults, *walk.faults),
    )


def _read_folders(root: Path, walk: Walk) -> Manifest:
    names = _categories(root)
    if not names:
        raise InputError(
            printable(root),
            subfolders(root)[:10],
            f"{SPLIT.as_posix()} or Data/Images/{{Normal,Anomaly}}",
            "Correct the path or the layout.",
            "LayoutMismatch",
        )
    rows: list[dict[str, str | float]] = []
    for name in names:
        base = f"{name}/Data" if name else "Data"
        for kind, label in (("Normal", 0), ("Anomaly", 1)):
            images = walk.images(f"{base}/Images/{kind}") if (root / base / "Images" / kind).is_dir() else []
            masks = walk.images(f"{base}/Masks/{kind}") if (root / base / "Masks" / kind).is_dir() else []
            pairs, faults = pair_masks(images, masks, ())
            walk.faults += faults
            rows += [image_row(image, label, "", mask_path=pairs.get(image, ""), category=name) for image in images]
    return Manifest(pd.DataFrame(rows), root, "visa", notes=("no split_csv/1cls.csv: no split is known",))


def _defect_types(root: Path) -> dict[str, str]:
    """Return the defect types that ``<category>/image_anno.csv`` names, by image; several are joined by ``+``."""
    types: dict[str, str] = {}
    for name in _categories(root):
        file = root / name / "image_anno.csv"
        if file.is_file():
            table = pd.read_csv(file, dtype=str, keep_default_na=False, encoding="utf-8-sig")
            if {"image", "label"} <= set(table.columns):
                labels = table["label"].str.split(",").map(lambda parts: "+".join(part.strip() for part in parts))
                # Paths in this file begin at the folder of all categories, which may be above the root.
                paths = table["image"] if name else table["image"].str.partition("/")[2]
                types.update(zip(paths, labels, strict=True))
    return types


def _categories(root: Path) -> list[str]:
    def is_category(path: Path) -> bool:
        return (path / "Data" / "Images" / "Normal").is_dir()

    return [""] if is_category(root) else [name for name in subfolders(root) if is_category(root / name)]
