"""What is missing or doubtful in a data set: each with an id, how many images or objects, some of them, and why."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import pandas as pd

if TYPE_CHECKING:
    from .inspect import Inspection

EXAMPLES = 5
FEW_DEFECTIVE = 10  # below, sensitivity intervals are very wide (statistics section 2.7)


def doubts(seen: Inspection) -> list[dict[str, Any]]:
    """Return what a reader should look into before trusting a result.

    Returns
    -------
    list of dict
        ``id``, ``n``, ``examples``, ``message``.
    """
    return [
        *_labels(seen),
        *_masks(seen),
        *_objects(seen),
        *_duplicates(seen),
        *_traces(seen.pictures),
        *_pictures(seen),
    ]


def _doubt(name: str, items: Iterable[Any], message: str) -> dict[str, Any]:
    found = [str(item) for item in items]
    return {"id": name, "n": len(found), "examples": found[:EXAMPLES], "message": message}


def _labels(seen: Inspection) -> Iterator[dict[str, Any]]:
    table = seen.pictures
    wrong = table[(table["label_index"] == 1) & (table["split"] == "train")]
    if len(wrong):
        yield _doubt("anomalous_in_train", wrong["sample_id"], "anomalous images in the training split")
    for category, rows in table.groupby("category", sort=True):
        if not ((rows["label_index"] == 0) & (rows["split"] == "test")).any():
            yield _doubt(
                "no_nominal_test",
                [category] if category else [],
                "no nominal test images: nominal images for judging are drawn from the training images",
            )
    types = pd.Series(sorted(set(table["defect_type"]) - {""}), dtype=object)
    alike = types[types.str.casefold().duplicated(keep=False)]
    if len(alike):
        yield _doubt("defect_types_alike", alike, "defect types that differ only in case")
    odd = table[(table["label_index"] == 0) & (table["mask_pixels"] > 0)]
    if len(odd):
        yield _doubt("nominal_with_mask", odd["sample_id"], "nominal images whose mask marks a defect")


def _masks(seen: Inspection) -> Iterator[dict[str, Any]]:
    anomalous = seen.pictures[seen.pictures["label_index"] == 1]
    missing = anomalous[anomalous["mask_path"] == ""]
    if len(missing):
        some = f"{len(missing)} of {len(anomalous)} anomalous images have no mask: "
        yield _doubt("masks_missing", missing["sample_id"], some + "pixel metrics leave them out")
    empty = anomalous[anomalous["mask_pixels"] == 0]
    if len(empty):
        yield _doubt(
            "masks_empty",
            empty["sample_id"],
            "anomalous images with an empty mask: the image label is kept, pixel metrics leave them out",
        )
    grey = anomalous[anomalous["mask_levels"] > 2]
    if len(grey):
        above = ", ".join(f"{value:g}" for value in sorted(set(grey["mask_above"].tolist())))
        yield _doubt("masks_grey", grey["sample_id"], f"masks of more than two grey values: defective is above {above}")


def _objects(seen: Inspection) -> Iterator[dict[str, Any]]:
    known = seen.objects()
    if known["n_images_without_object"]:
        yield {
            "id": "no_object_ids",
            "n": known["n_images_without_object"],
            "examples": [],
            "message": "images without an object id: views of one part may be on both sides of a split, and intervals "
            "are too narrow",
        }
    if known["in_train_and_test"]:
        yield _doubt(
            "objects_in_train_and_test",
            known["in_train_and_test"],
            "objects with images in train and test: the naive figure leaks; three_way merges them",
        )
    if known["n_nominal_images_of_defective_objects"]:
        yield {
            "id": "nominal_images_of_defective_objects",
            "n": known["n_nominal_images_of_defective_objects"],
            "examples": [],
            "message": "nominal images of defective objects (the defect is out of sight): never used for training",
        }
    if 0 < known["n_defective"] < FEW_DEFECTIVE:
        yield {
            "id": "few_defective_objects",
            "n": known["n_defective"],
            "examples": [],
            "message": f"defective objects, fewer than {FEW_DEFECTIVE}: intervals of sensitivity will be very wide",
        }
    frame = seen.manifest.frame
    defective = frame[(frame["label_index"] == 1) & (frame["object_id"] != "") & (frame["defect_type"] != "")]
    per_type = defective.groupby("defect_type", sort=True)["object_id"].nunique()
    if (per_type == 1).any():
        yield _doubt(
            "types_with_one_object",
            per_type.index[per_type == 1],
            "defect types of one object: they appear on one side of a split only",
        )


def _duplicates(seen: Inspection) -> Iterator[dict[str, Any]]:
    for kind, message in (
        ("split", "identical images in train and test"),
        ("label", "identical images with different labels"),
    ):
        groups = [group for group in seen.duplicates.groups if kind in group.crosses]
        if groups:
            yield _doubt(
                f"identical_across_{kind}",
                [group.rows[0]["sample_id"] for group in groups],
                f"{message} (dataset duplicates lists them)",
            )
    harmless = [group for group in seen.duplicates.groups if not group.crosses]
    if harmless:
        yield _doubt(
            "identical_images",
            [group.rows[0]["sample_id"] for group in harmless],
            "pictures that are there more than once within one split and label",
        )


def _traces(table: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """Yield properties of the files that tell the classes apart: a detector may learn them instead of the defect."""
    sizes = table["width"].astype(str) + " x " + table["height"].astype(str)
    for name, values in (
        ("mode", table["mode"]),
        ("format", table["format"]),
        ("size", sizes),
        ("session", table["session"]),
        ("camera", table["camera"]),
    ):
        by_label = [set(values[table["label_index"] == label]) for label in (0, 1)]
        if not any(by_label) or by_label[0] & by_label[1] or by_label == [{""}, {""}]:
            continue
        if all(len(of_class) < len(table) / 4 for of_class in by_label):  # sizes that are all different say nothing
            yield _doubt(
                f"{name}_tells_the_class",
                sorted(by_label[0] | by_label[1]),
                f"nominal and anomalous images have no {name} in common: a detector can use that",
            )


def _pictures(seen: Inspection) -> Iterator[dict[str, Any]]:
    table = seen.pictures
    animated = table[table["n_frames"] > 1]
    if len(animated):
        yield _doubt("animated", animated["sample_id"], "animated images: only the first frame is used")
    turned = table[table["orientation"] != 1]
    if len(turned):
        yield _doubt("exif_orientation", turned["sample_id"], "images that EXIF says to turn: they are used as stored")
    stretch = seen.stretch()
    for row in stretch[stretch["warn"]].to_dict("records"):
        where = f"category {row['category']}, " if row["category"] else ""
        word = "anomalous" if row["label"] else "nominal"
        message = (
            f"{where}{word} images: squashing to a square stretches them by {row['min']:.2f} to {row['max']:.2f} "
            f"(height / width), a variation of {row['variation']:.0%}; more than 5 % distorts parts differently"
        )
        yield {"id": "stretch_varies", "n": 0, "examples": [], "message": message}
