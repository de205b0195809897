"""Data-set layouts: each file knows one way in which folders hold images, labels and masks."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast

from bench.faults import raise_faults
from bench.image_files import MAX_PIXELS, printable, unreadable
from detectors.registry import known_plugins, load_plugin
from protocols.errors import InputError

if TYPE_CHECKING:
    from bench.manifest import Manifest

# `auto` takes the first that matches: what is more special comes first.
LAYOUTS: dict[str, str] = {
    "synthetic": "bench.layouts.synthetic",
    "csv": "bench.layouts.csv",
    "mtd": "bench.layouts.mtd",
    "visa": "bench.layouts.visa",
    "btad": "bench.layouts.btad",
    "glink": "bench.layouts.glink",
    "mvtec": "bench.layouts.mvtec",
    "folders": "bench.layouts.folders",
}
DESCRIPTIONS: dict[str, str] = {
    "synthetic": "what `dataset synth` renders: a folder with synth.json",
    "csv": "a manifest, .csv or .parquet (also anomalib's, ADer's and VisA's column names), or a folder with one",
    "mtd": "magnetic tile defects, raw: MT_<type>/Imgs/exp<e>_num_<n>.jpg with the mask .png beside it",
    "visa": "VisA, raw: split_csv/1cls.csv, or <category>/Data/Images/{Normal,Anomaly}",
    "btad": "beanTech: <category>/{train/ok,test/ok,test/ko,ground_truth/ko}",
    "glink": "G-link: a tree as mvtec whose file names are <uuid>-<view>",
    "mvtec": "MVTec AD, MPDD and any tree train/good, test/<type>, ground_truth/<type>, also several categories",
    "folders": "a folder good/ and one folder a defect type",
}


class Layout(Protocol):
    """A module (or object) that reads one layout."""

    def matches(self, root: Path) -> str | None:
        """Return why this folder or file has the layout, or None if it has not."""
        ...

    def read(self, root: Path) -> Manifest:
        """List what is there, without opening an image: :meth:`Manifest.checked` does that."""
        ...


def detect(path: Path) -> tuple[str, str]:
    """Return the first layout that matches a folder or file, and why.

    Raises
    ------
    InputError
        None matches (code ``UnknownLayout``); the message says what each would need.
    """
    for name in known_plugins("layout", LAYOUTS):
        reason = _layout(name).matches(path)
        if reason is not None:
            return name, printable(reason)
    there = sorted(printable(name) for name in os.listdir(path))[:10] if path.is_dir() else path.name
    wanted = "; ".join(f"{name}: {text}" for name, text in DESCRIPTIONS.items())
    raise InputError(
        printable(path),
        there,
        f"one of the known layouts ({wanted})",
        "Arrange the files so, or write a manifest (columns image_path, label_index).",
        "UnknownLayout",
    )


def read_dataset(
    path: Path | str,
    *,
    layout: str = "auto",
    category: str | Sequence[str] | None = None,
    object_from: str | None = None,
    mask_above: float | None = None,
    max_pixels: int = MAX_PIXELS,
    views_per_turn: int | None = None,
    both_classes: bool = True,
    files: bool = True,
    root: Path | None = None,
) -> Manifest:
    """Read a data set and check every file of it.

    Parameters
    ----------
    path
        A folder, or a manifest.
    layout
        A name of :data:`LAYOUTS`, or ``auto``.
    category
        Read only this one, or these.
    object_from
        Regular expression with a group ``object`` (and perhaps ``view``) on the relative path, or ``generic`` or
        ``glink``; replaces the object ids there are.
    mask_above
        A pixel is defective where its mask is greater; replaces what the layout or manifest says.
    max_pixels
        Larger images are refused.
    views_per_turn
        Fill in ``angle`` = view x 360 / views_per_turn degrees where it is not known; only right if the part turns
        uniformly.
    both_classes
        Whether each category must have nominal and anomalous images.
    files
        Whether to look at the image files; without, only ids, labels and splits can be relied on (a manifest that
        was copied away from its images, as a run folder holds one).
    root
        Folder that no path and no link may leave, for manifests that lie beside their images; by default the folder
        of the data set or of the manifest.

    Returns
    -------
    Manifest
        Checked; ``reason`` says why this layout.

    Raises
    ------
    InputError
        What is wrong; :class:`bench.faults.InputFaults` if there are several faults.
    """
    from bench.manifest import Manifest

    path = Path(path)
    _refuse_nothing(path)
    if layout == "auto":
        layout, reason = detect(path)
    else:
        reason = "asked for"
        if known_plugins("layout", LAYOUTS).get(layout) is None:
            close = get_close_matches(layout, LAYOUTS) or sorted(LAYOUTS)
            raise InputError(
                "layout", layout, f"auto, or one of {close}", "See `lab2factory ls layouts`.", "UnknownLayout"
            )
    listed = _layout(layout).read(path)
    if root is not None:
        listed = _rooted(listed, root)
    if category is not None:
        listed = _of_categories(listed, [category] if isinstance(category, str) else list(category))
    if object_from is not None:
        listed = _with_objects(listed, object_from)
    if mask_above is not None:
        listed = replace(listed, frame=listed.frame.assign(mask_above=_checked_above(mask_above)))
    if views_per_turn is not None:
        listed = _with_angles(listed, views_per_turn)
    return Manifest.checked(
        listed.frame,
        listed.root,
        printable(path),
        layout=layout,
        reason=reason,
        notes=listed.notes,
        faults=listed.faults,
        max_pixels=max_pixels,
        both_classes=both_classes,
        files=files,
    )


def _layout(name: str) -> Layout:
    return cast("Layout", load_plugin("layout", name, LAYOUTS))


def _refuse_nothing(path: Path) -> None:
    where = printable(path)
    try:
        empty = path.is_dir() and not any(path.iterdir())
        exists = path.exists()
    except OSError as error:
        raise unreadable(error, where) from error
    if not exists:
        raise InputError(where, "nothing", "a folder with images, or a manifest", "Correct the path.", "FolderMissing")
    if empty:
        raise InputError(where, "an empty folder", "a folder with images", "Put the data set there.", "FolderEmpty")


def _rooted(listed: Manifest, root: Path) -> Manifest:
    """Make all paths relative to a folder that the user names; sample ids stay what they would be without."""
    from bench.manifest_paths import rebased

    if not root.is_dir():
        raise InputError(
            printable(root), "no folder", "a folder above all images", "Correct the root.", "FolderMissing"
        )
    frame = listed.frame
    if "image_path" in frame:
        ids = frame["sample_id"] if "sample_id" in frame else frame["image_path"]
        frame = frame.assign(sample_id=ids.where(ids.notna() & (ids.astype(str) != ""), frame["image_path"]))
    return replace(listed, frame=rebased(frame, listed.root, root), root=root)


def _of_categories(listed: Manifest, names: list[str]) -> Manifest:
    """Keep some categories; faults of the others are dropped with them."""
    there = sorted(set(listed.frame.get("category", [])) - {""})
    for name in names:
        if name not in there:
            close = get_close_matches(name, there) or there
            expected = f"one of {close}" if there else "none, as the data set is not divided into categories"
            raise InputError("category", name, expected, "Correct the name, or leave it out.", "UnknownCategory")
    dropped = tuple(f"{other}/" for other in there if other not in names)
    faults = tuple(fault for fault in listed.faults if not str(fault.args[0]).startswith(dropped))
    return replace(
        listed, frame=listed.frame[listed.frame["category"].isin(names)].reset_index(drop=True), faults=faults
    )


def _with_objects(listed: Manifest, object_from: str) -> Manifest:
    from bench.object_ids import objects_from

    if "image_path" not in listed.frame:
        return listed  # that is the fault to tell
    paths = listed.frame["image_path"].tolist()
    try:
        names = objects_from(paths, object_from)
    except InputError as fault:  # a file that has no place here may be why it does not match
        raise_faults([*listed.faults, fault])
        raise
    frame = listed.frame.assign(object_id=[names[path].object_id for path in paths])
    if any(name.view for name in names.values()):
        frame["view"] = [names[path].view for path in paths]
    return replace(listed, frame=frame, notes=(*listed.notes, f"object ids by object_from {object_from!r}"))


def _checked_above(mask_above: float) -> float:
    if not 0 <= mask_above <= 255:
        raise InputError("mask_above", mask_above, "a number from 0 to 255", "Correct the value.")
    return float(mask_above)


def _with_angles(listed: Manifest, views_per_turn: int) -> Manifest:
    import pandas as pd

    if views_per_turn < 1:
        raise InputError("views_per_turn", views_per_turn, "a number of views, at least 1", "Correct the value.")
    views = pd.to_numeric(listed.frame.get("view", pd.Series(float("nan"), index=listed.frame.index)), errors="coerce")
    turned = views % views_per_turn * 360 / views_per_turn
    known = pd.to_numeric(listed.frame["angle"], errors="coerce") if "angle" in listed.frame else turned
    note = f"angles from the number of the view, {views_per_turn} views a turn: right only if the part turns uniformly"
    return replace(listed, frame=listed.frame.assign(angle=known.fillna(turned)), notes=(*listed.notes, note))
