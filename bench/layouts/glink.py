"""G-link: a tree as MVTec's whose file names are ``<uuid>-<view>``; the UUID is the part (strictly: one scan of it).

Reconstructed from two file names and path handling of the paper's replication package, as the photographs were not at
hand: what does not match is an error, not a guess.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

from bench.image_files import printable
from bench.manifest import Manifest
from bench.object_ids import GLINK, ObjectName, parse
from protocols.errors import InputError

from .mvtec import categories, read_tree
from .tree import Walk, stem

SHARE = 0.99  # of the stems


def matches(root: Path) -> str | None:
    """Return why: at least 99 % of the stems are ``<uuid>-<view>`` and two objects have two views; else None."""
    names = [name for name in _images(root)]
    found = [parse(stem(name), GLINK) for name in names]
    named = [name for name in found if name is not None]
    if not names or len(named) < SHARE * len(names) or len(_with_views(named)) < 2:
        return None
    return (
        f"{len(named)} of {len(names)} file names are <uuid>-<view>, {len({name.object_id for name in named})} objects"
    )


def read(root: Path) -> Manifest:
    """List the tree, with object and view from the file names. Masks are ``<stem>_defect`` or ``<stem>_mask``."""
    tree = read_tree(root, "glink", "good")
    names = {path: parse(stem(path), GLINK) for path in tree.frame["image_path"]}
    faults = [
        InputError(
            printable(path),
            stem(path),
            "a name <uuid>-<view>",
            "Rename or remove the file, or use the layout mvtec with object_from.",
            "ObjectFromNoMatch",
        )
        for path, name in names.items()
        if name is None
    ]
    known = {path: name or ObjectName("", "") for path, name in names.items()}
    frame = tree.frame.assign(
        object_id=[known[path].object_id for path in tree.frame["image_path"]],
        view=[known[path].view for path in tree.frame["image_path"]],
    )
    without = int(((frame["label_index"] == 1) & (frame["mask_path"] == "")).sum())
    objects = {name.object_id for name in known.values()} - {""}
    told = (
        f"{len(objects)} objects by their UUID; a part that was scanned twice would count as two",
        *([f"{without} defective images have no mask"] if without else []),
    )
    return replace(tree, frame=frame, notes=(*told, *tree.notes), faults=(*tree.faults, *faults))


def _images(root: Path) -> list[str]:
    walk = Walk(root)
    bases = [f"{name}/" if name else "" for name in categories(root, "good")]
    return [name for base in bases for split in ("train", "test") for name in walk.images(f"{base}{split}")]


def _with_views(names: list[ObjectName]) -> list[str]:
    views = Counter(name.object_id for name in set(names))
    return [name for name, count in views.items() if count >= 2]
