"""MVTec AD, MPDD, every tree ``train/good``, ``test/<type>``, ``ground_truth/<type>``; also several below a root."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from bench.image_files import printable
from bench.manifest import Manifest
from protocols.errors import InputError

from .tree import Walk, foregrounds, image_row, pair_masks, stem, subfolders

SUFFIXES = ("_mask", "_defect")


def matches(root: Path) -> str | None:
    """Return why the folder is such a tree, or None."""
    return tree_reason(root, "good")


def read(root: Path) -> Manifest:
    """List the tree; masks are ``<stem>_mask``, ``<stem>_defect`` or ``<stem>`` in the folder of the same type."""
    return read_tree(root, "mvtec", "good")


def tree_reason(root: Path, nominal: str) -> str | None:
    """Return why the folder is a tree whose nominal folders have this name, or None."""
    names = categories(root, nominal)
    if not names:
        return None
    tree = f"train/{nominal} and test/<type>"
    return f"the folder has {tree}" if names == [""] else f"{len(names)} folders have {tree}: {', '.join(names[:20])}"


def categories(root: Path, nominal: str) -> list[str]:
    """Return the categories below a root; one empty name if the root is a category itself."""

    def is_category(path: Path) -> bool:
        return nominal in subfolders(path / "train") and bool(subfolders(path / "test"))

    if is_category(root):
        return [""]
    return [name for name in subfolders(root) if is_category(root / name)]


def read_tree(root: Path, layout: str, nominal: str) -> Manifest:
    """List a tree of one or several categories.

    Parameters
    ----------
    root
        A category, or the folder of several.
    layout
        The name the manifest gets.
    nominal
        Name of the folders of nominal images; every other one is a defect type.
    """
    names = categories(root, nominal)
    if not names:
        raise InputError(
            printable(root),
            subfolders(root)[:10],
            f"folders train/{nominal} and test/<type>",
            "Correct the path or the layout.",
            "LayoutMismatch",
        )
    walk = Walk(root)
    rows: list[dict[str, str | float]] = []
    notes: list[str] = []
    for name in names:
        more, told = _category(walk, name, nominal)
        rows += more
        notes += told
    other = [name for name in walk.folders() if names != [""] and name not in names and name != "fg_mask"]
    for name in other:
        # A category is not passed over because it may not be read.
        for folder in (name, f"{name}/train", f"{name}/test"):
            if (root / folder).is_dir():
                walk.folders(folder)
    if other:
        first = printable(", ".join(other[:5]))
        notes.append(f"folders without train/{nominal} and test/<type> were passed over: {first}")
    frame = pd.DataFrame(
        rows, columns=["image_path", "label_index", "split", "defect_type", "mask_path", "fg_mask_path", "category"]
    )
    return Manifest(frame, root, layout, notes=(*notes, *walk.notes()), faults=tuple(walk.faults))


def _category(walk: Walk, category: str, nominal: str) -> tuple[list[dict[str, str | float]], tuple[str, ...]]:
    base = f"{category}/" if category else ""
    rows: list[dict[str, str | float]] = []
    places: dict[str, str] = {}
    mask_folders = set(walk.folders(f"{base}ground_truth")) if (walk.root / f"{base}ground_truth").is_dir() else set()
    masks = {kind: walk.images(f"{base}ground_truth/{kind}") for kind in sorted(mask_folders)}
    kinds = {split: walk.folders(f"{base}{split}") for split in ("train", "test")}
    for split, kind in [(part, name) for part in kinds for name in kinds[part]]:
        images = walk.images(f"{base}{split}/{kind}")
        # Masks belong to test images; a tree whose training folder has the type too would pair them twice.
        own = masks.get(kind, []) if split == "test" or kind not in kinds["test"] else []
        pairs, faults = pair_masks(images, own, SUFFIXES)
        walk.faults += faults
        for image in images:
            label = int(kind != nominal)
            rows.append(
                image_row(
                    image,
                    label,
                    split,
                    defect_type=kind if label else "",
                    mask_path=pairs.get(image, ""),
                    category=category,
                )
            )
            places[image] = f"{split}/{kind}/{stem(image)}"
    for kind in sorted(mask_folders - {name for names in kinds.values() for name in names}):
        walk.faults += pair_masks([], masks[kind], SUFFIXES)[1]
    fg, notes = foregrounds(walk, (f"{base}fg_mask", f"fg_mask/{category}") if category else ("fg_mask",), places)
    for row in rows:
        row["fg_mask_path"] = fg.get(str(row["image_path"]), "")
    return rows, notes
