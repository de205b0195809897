"""What a data set holds: counts, sizes, objects, masks, and whether the three-way protocol can be run on it."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from protocols.errors import InputError, Lab2FactoryError

from .doubts import doubts
from .duplicates import Duplicates, find_duplicates
from .faults import raise_faults
from .image_files import printable, read_grey, read_header, read_rgb

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .manifest import Manifest

# Squashing to a square stretches an image by height / width; more variation than this within a class is a warning.
STRETCH_LIMIT = 0.05


@dataclass(frozen=True)
class Inspection:
    """All that ``dataset inspect`` tells; :meth:`to_dict` is its ``--json``.

    Parameters
    ----------
    manifest
        The data set.
    pictures
        One row an image, as the manifest's, with ``mode``, ``format``, ``n_frames``, ``orientation``,
        ``mask_pixels`` (defective ones; -1 without mask) and ``mask_levels`` (grey values; 0 without mask).
    duplicates
        Identical images.
    protocol
        Whether the three-way protocol can be run, one entry a category.
    """

    manifest: Manifest
    pictures: pd.DataFrame
    duplicates: Duplicates
    protocol: tuple[dict[str, Any], ...]

    def counts(self) -> pd.DataFrame:
        """Return images, objects, views and masks by category, split, label and defect type."""
        table = self.pictures.assign(
            object_id=self.pictures["object_id"].replace("", None),
            view=self.pictures["view"].replace("", None),
            has_mask=self.pictures["mask_path"] != "",
            empty_mask=self.pictures["mask_pixels"] == 0,
            has_fg=self.pictures["fg_mask_path"] != "",
        )
        groups = table.groupby(["category", "split", "label_index", "defect_type"], sort=True)
        counted = groups.agg(
            n_images=("sample_id", "size"), n_objects=("object_id", "nunique"), n_views=("view", "nunique"),
            n_masks=("has_mask", "sum"), n_empty_masks=("empty_mask", "sum"), n_fg_masks=("has_fg", "sum"),
        )  # fmt: skip
        return counted.reset_index().rename(columns={"label_index": "label"})

    def stretch(self) -> pd.DataFrame:
        """Return how much squashing to a square stretches the images of each class: height / width."""
        factor = self.pictures["height"] / self.pictures["width"]
        groups = self.pictures.assign(stretch=factor).groupby(["category", "label_index"], sort=True)["stretch"]
        table = groups.agg(["min", "median", "max"]).reset_index().rename(columns={"label_index": "label"})
        table["variation"] = table["max"] / table["min"] - 1
        table["warn"] = table["variation"] > STRETCH_LIMIT
        return table

    def objects(self) -> dict[str, Any]:
        """Return what is known of objects: how many, their views, which are in train and test."""
        frame = self.manifest.frame
        known = frame[frame["object_id"] != ""]
        groups = known.groupby("object_id", sort=True)
        defective = groups["label_index"].max() == 1
        both = groups["split"].nunique() > 1
        ndo = known["object_id"].map(defective).astype(bool) & (known["label_index"] == 0)
        return {
            "n_objects": len(defective),
            "n_defective": int(defective.sum()),
            "n_good": int((~defective).sum()),
            "images_per_object": _range(groups.size()),
            "n_images_without_object": len(frame) - len(known),
            "n_nominal_images_of_defective_objects": int(ndo.sum()),
            "in_train_and_test": [str(name) for name in both.index[both]],
        }

    def masks(self) -> dict[str, Any]:
        """Return what is known of defect masks; areas as shares of the image, of anomalous images with a mask."""
        table = self.pictures
        shown = table[(table["label_index"] == 1) & (table["mask_pixels"] >= 0)]
        return {
            "n_masks": int((table["mask_path"] != "").sum()),
            "n_fg_masks": int((table["fg_mask_path"] != "").sum()),
            "n_empty_of_anomalous": int((shown["mask_pixels"] == 0).sum()),
            "mask_above": sorted(set(table.loc[table["mask_path"] != "", "mask_above"].tolist())),
            "area": _range(shown["mask_pixels"] / (shown["width"] * shown["height"])),
        }

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain values."""
        table = self.pictures
        sizes = table.groupby(["width", "height"]).size().sort_values(ascending=False, kind="stable")
        return {
            "path": printable(self.manifest.root),
            "layout": self.manifest.layout,
            "reason": self.manifest.reason,
            "notes": list(self.manifest.notes),
            "n_images": len(table),
            "n_nominal": int((table["label_index"] == 0).sum()),
            "n_anomalous": int((table["label_index"] == 1).sum()),
            "categories": [name for name in self.manifest.categories if name],
            "defect_types": sorted(set(table["defect_type"]) - {""}),
            "counts": self.counts().to_dict("records"),
            "objects": self.objects(),
            "masks": self.masks(),
            "sizes": {
                "width": _range(table["width"]),
                "height": _range(table["height"]),
                "n_distinct": len(sizes),
                "most_frequent": [
                    {"width": int(size[0]), "height": int(size[1]), "n_images": int(count)}
                    for size, count in zip(sizes.index[:3].tolist(), sizes.iloc[:3].tolist(), strict=True)
                ],
            },
            "modes": _tally(table["mode"]),
            "formats": _tally(table["format"]),
            "aspect": _range(table["width"] / table["height"]),
            "stretch": self.stretch().to_dict("records"),
            "duplicates": {
                "n_groups": len(self.duplicates.groups),
                "n_crossing": len(self.duplicates.crossing()),
                "pairs": self.duplicates.pairs().head(100).to_dict("records"),
            },
            "three_way": list(self.protocol),
            "doubts": doubts(self),
        }


def inspect_dataset(manifest: Manifest, on_progress: Callable[[str, int, int], None] | None = None) -> Inspection:
    """Decode every image and mask of a data set and count what there is.

    Parameters
    ----------
    manifest
        Checked.
    on_progress
        Called with what is done, the number done, and their total.

    Raises
    ------
    InputError
        A file is damaged; :class:`bench.faults.InputFaults` if several.
    """
    tell = on_progress or _silent
    pictures = _decoded(manifest, tell)
    found = find_duplicates(manifest, lambda done, total: tell("comparing", done, total))
    return Inspection(manifest, pictures, found, tuple(_three_way(manifest)))


def _decoded(manifest: Manifest, tell: Callable[[str, int, int], None]) -> pd.DataFrame:
    frame = manifest.frame
    columns = ["image_path", "mask_path", "fg_mask_path", "mask_above", "width", "height"]

    def look(row: tuple[Any, ...]) -> tuple[dict[str, Any], list[InputError]]:
        image, mask, foreground, above, width, height = row
        faults: list[InputError] = []
        header = read_header(manifest.root / image, printable(image), max_pixels=width * height)
        facts = {"mode": header.mode, "format": header.format, "n_frames": header.n_frames,
                 "orientation": header.orientation, "mask_pixels": -1, "mask_levels": 0}  # fmt: skip
        for name in (image, mask, foreground):
            if name == "":
                continue
            try:
                if name == image:
                    read_rgb(manifest.root / name, printable(name), (width, height))
                    continue
                grey = read_grey(manifest.root / name, printable(name), (width, height))
            except InputError as fault:
                faults.append(fault)
                continue
            if name == mask:
                facts["mask_pixels"] = int(np.count_nonzero(grey > above))
                facts["mask_levels"] = int(np.unique(grey).size)
        return facts, faults

    rows = list(frame.loc[:, columns].itertuples(index=False, name=None))
    facts: list[dict[str, Any]] = []
    faults: list[InputError] = []
    with ThreadPoolExecutor(os.cpu_count()) as pool:  # decoding leaves the interpreter's lock
        for found, wrong in pool.map(look, rows):
            facts.append(found)
            faults += wrong
            tell("decoding", len(facts), len(rows))
    raise_faults(faults)
    return pd.concat([frame, pd.DataFrame(facts, index=frame.index)], axis=1)


def _three_way(manifest: Manifest) -> Iterable[dict[str, Any]]:
    """Say for each category whether a split can be drawn: with the objects there are, and image by image."""
    for category in manifest.categories:
        part = manifest.of_category(category)
        with_objects = _one_split(part, "required") if part.has_objects else _refusal(_objects_wanted(part))
        by_image = _one_split(part, "image_is_object")
        yield {"category": category, "required": with_objects, "image_is_object": by_image}


def _one_split(part: Manifest, object_policy: str) -> dict[str, Any]:
    from protocols.splits import grouped_three_way

    try:
        split = grouped_three_way(part.samples(object_policy), object_policy=object_policy)[0]
    except Lab2FactoryError as error:
        return _refusal(error)
    sizes = {name: len(getattr(split, name)) for name in ("train", "threshold", "inference", "unused")}
    return {"possible": True, "n_images": sizes, "notes": list(split.notes), "message": "", "needed": ""}


def _objects_wanted(part: Manifest) -> Lab2FactoryError:
    try:
        part.samples("required")
    except InputError as error:
        return error
    raise AssertionError("only called where an object id is missing")


def _refusal(error: Lab2FactoryError) -> dict[str, Any]:
    located = len(error.args) >= 4
    needed = f"{error.args[2]}. {error.args[3]}" if located else "More data."
    return {"possible": False, "n_images": {}, "notes": [], "message": str(error), "needed": needed}


def _range(values: pd.Series) -> dict[str, float | None]:
    if values.empty:
        return {"min": None, "median": None, "max": None}
    return {"min": float(values.min()), "median": float(values.median()), "max": float(values.max())}


def _tally(values: pd.Series) -> dict[str, int]:
    return {str(name): int(count) for name, count in values.value_counts().sort_index().items()}


def _silent(phase: str, done: int, total: int) -> None:
    """Do not show progress."""
