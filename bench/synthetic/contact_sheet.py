"""A picture of a rendered data set, for a look: is it what it should be."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

COLUMNS = 8
TILE_WIDTH = 256  # small images are enlarged to about that
CAPTION = 18  # pixels
RED = (230, 30, 30)

Row = Mapping[str, str]


def write_contact_sheet(root: Path, path: Path) -> Path:
    """Write a sheet with one part all round, many parts from one side, and each kind of defect with its outline.

    Parameters
    ----------
    root
        Folder of a rendered data set.
    path
        The picture to write, ``.png``.

    Returns
    -------
    Path
        `path`.
    """
    from PIL import Image

    with (root / "manifest.csv").open(encoding="utf-8", newline="") as file:
        rows: list[Row] = list(csv.DictReader(file))
    lines = [(title, chosen) for title, chosen in _lines(rows) if chosen]
    strips = [_strip(root, title, chosen) for title, chosen in lines]
    width = max(s.shape[1] for s in strips)
    padded = [np.pad(s, ((0, 4), (0, width - s.shape[1]), (0, 0)), constant_values=255) for s in strips]
    Image.fromarray(np.concatenate(padded)).save(path, "PNG")
    return path


def _lines(rows: list[Row]) -> list[tuple[str, list[Row]]]:
    train = [r for r in rows if r["split"] == "train"]
    first = [r for r in train if r["object_id"] == train[0]["object_id"]]
    lines = [("one training part, all round", _spread(sorted(first, key=_angle)))]
    defective = {r["object_id"] for r in rows if r["label_index"] == "1"}
    good = [r for r in rows if r["split"] == "test" and r["object_id"] not in defective]
    for title, chosen in (("training parts", train), ("good test parts", good)):
        by_part = {p: [r for r in chosen if r["object_id"] == p] for p in sorted({r["object_id"] for r in chosen})}
        # A wide view of each: the bow to the left or, for lack of it, whatever is nearest.
        widest = [min(views, key=lambda r: min(_angle(r), 360 - _angle(r))) for views in by_part.values()]
        lines.append((f"{title}, from one side", widest[:COLUMNS]))
    anomalous = [r for r in rows if r["label_index"] == "1" and r["mask_path"]]
    for kind in sorted({r["defect_type"] for r in anomalous}):
        of_kind = sorted((r for r in anomalous if r["defect_type"] == kind), key=lambda r: -int(r["defect_area"]))
        lines.append((f"{kind}: plain and outlined", [r for r in _one_a_part(of_kind) for _ in (0, 1)][:COLUMNS]))
        lines.append((f"{kind}, the least visible", of_kind[::-1][:COLUMNS]))
    return lines


def _angle(row: Row) -> float:
    return float(row["angle"]) % 360


def _spread(rows: list[Row]) -> list[Row]:
    places = np.linspace(0, len(rows), min(COLUMNS, len(rows)), endpoint=False).astype(int)
    return [rows[k] for k in places]


def _one_a_part(rows: list[Row]) -> list[Row]:
    return list({r["object_id"]: r for r in reversed(rows)}.values())[::-1]


def _strip(root: Path, title: str, rows: list[Row]) -> NDArray[np.uint8]:
    """Return one line of pictures under a caption, shape (height, width, 3)."""
    from PIL import Image, ImageDraw

    tiles = []
    for k, row in enumerate(rows):
        image = np.asarray(Image.open(root / row["image_path"]).convert("RGB"))
        scale = max(1, round(TILE_WIDTH / image.shape[1]))
        image = np.kron(image, np.ones((scale, scale, 1), np.uint8))
        if row["mask_path"] and (k % 2 == 1 or "least" in title):
            mask = np.asarray(Image.open(root / row["mask_path"])) > 0
            image = _outlined(image, np.kron(mask, np.ones((scale, scale), np.bool_)))
        caption = Image.new("RGB", (image.shape[1], CAPTION), "white")
        text = f"{row['sample_id']}  {float(row['angle']):.0f} deg" + (
            f"  {row['defect_area']} px" * bool(row["mask_path"])
        )
        ImageDraw.Draw(caption).text((3, 3), text, fill="black")
        tiles.append(
            np.pad(np.concatenate([np.asarray(caption), image]), ((0, 0), (0, 4), (0, 0)), constant_values=255)
        )
    strip = np.concatenate(tiles, axis=1)
    head = Image.new("RGB", (strip.shape[1], CAPTION), "white")
    ImageDraw.Draw(head).text((3, 3), title.upper(), fill="black")
    return np.concatenate([np.asarray(head), strip])


def _outlined(image: NDArray[np.uint8], mask: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Return the image with a red line round the mask."""
    wide = np.pad(mask, 2)
    near = np.zeros_like(mask)
    for down in range(5):
        for right in range(5):
            near |= wide[down : down + mask.shape[0], right : right + mask.shape[1]]
    outlined = image.copy()
    outlined[near & ~mask] = RED
    return outlined
