"""The inspection of a data set as lines for a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

WORDS = {0: "nominal", 1: "anomalous"}


def as_text(seen: dict[str, Any]) -> str:
    """Return what ``dataset inspect`` prints.

    Parameters
    ----------
    seen
        As :meth:`bench.inspect.Inspection.to_dict` returns it.
    """
    return "\n".join([*_head(seen), "", *_counts(seen), "", *_pictures(seen), "", *_protocol(seen), "", *_doubts(seen)])


def table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> Iterator[str]:
    """Yield the lines of a plain table; columns whose cells are all numbers are right-aligned."""
    cells = [[str(cell) for cell in row] for row in rows]
    widths = [max(len(line[i]) for line in [list(header), *cells]) for i in range(len(header))]
    right = [bool(cells) and all(row[i].isdecimal() for row in cells) for i in range(len(header))]
    for line in [list(header), *cells]:
        aligned = (c.rjust(w) if r else c.ljust(w) for c, w, r in zip(line, widths, right, strict=True))
        yield ("  " + "  ".join(aligned)).rstrip()


def _head(seen: dict[str, Any]) -> Iterator[str]:
    yield f"{seen['path']}: layout {seen['layout']} ({seen['reason']})"
    objects = seen["objects"]
    known = f"{objects['n_objects']} objects" if objects["n_objects"] else "objects not known"
    yield f"  {seen['n_images']} images: {seen['n_nominal']} nominal, {seen['n_anomalous']} anomalous; {known}"
    if objects["n_objects"]:
        views = objects["images_per_object"]
        yield (
            f"  {objects['n_good']} good and {objects['n_defective']} defective objects, "
            f"{views['min']:.0f} to {views['max']:.0f} images each (median {views['median']:g})"
        )
    for note in seen["notes"]:
        yield f"  note: {note}"


def _counts(seen: dict[str, Any]) -> Iterator[str]:
    header = ["split", "label", "defect type", "images", "objects", "views", "masks", "empty masks", "fg masks"]
    keys = ["n_images", "n_objects", "n_views", "n_masks", "n_empty_masks", "n_fg_masks"]
    several = bool(seen["categories"])
    rows = [
        [*([row["category"]] if several else []), row["split"], WORDS[row["label"]], row["defect_type"] or "-"]
        + [row[key] for key in keys]
        for row in seen["counts"]
    ]
    yield from table([*(["category"] if several else []), *header], rows)


def _pictures(seen: dict[str, Any]) -> Iterator[str]:
    sizes, masks = seen["sizes"], seen["masks"]
    width, height = sizes["width"], sizes["height"]
    yield (
        f"sizes: width {width['min']:.0f} to {width['max']:.0f}, height {height['min']:.0f} to {height['max']:.0f}, "
        f"{sizes['n_distinct']} different"
    )
    yield f"modes: {_tally(seen['modes'])}; formats: {_tally(seen['formats'])}"
    yield (
        f"aspect (width / height): {seen['aspect']['min']:.2f} to {seen['aspect']['max']:.2f}, "
        f"median {seen['aspect']['median']:.2f}"
    )
    for row in seen["stretch"]:
        where = f"{row['category']}, " if row["category"] else ""
        yield (
            f"  squashed to a square, {where}{WORDS[row['label']]} images are stretched by {row['min']:.2f} to "
            f"{row['max']:.2f}" + (" (warning: varies by more than 5 %)" if row["warn"] else "")
        )
    if masks["n_masks"]:
        area = masks["area"]
        shown = f", {area['min']:.2%} to {area['max']:.2%} of the image" if area["median"] is not None else ""
        above = ", ".join(f"{value:g}" for value in masks["mask_above"])
        yield f"masks: {masks['n_masks']}, defective above {above}{shown}"


def _protocol(seen: dict[str, Any]) -> Iterator[str]:
    for entry in seen["three_way"]:
        where = f" ({entry['category']})" if entry["category"] else ""
        with_objects, by_image = entry["required"], entry["image_is_object"]
        if with_objects["possible"]:
            yield f"three_way{where}: possible; {_sizes(with_objects)}"
            for note in with_objects["notes"]:
                yield f"  note: {note}"
            continue
        if by_image["possible"]:
            yield f"three_way{where}: only with object_policy: image_is_object; {_sizes(by_image)}"
        else:
            yield f"three_way{where}: not possible"
            yield f"  image by image: {by_image['message']}"
        yield f"  needed: {with_objects['needed']}"


def _doubts(seen: dict[str, Any]) -> Iterator[str]:
    if not seen["doubts"]:
        yield "nothing missing or doubtful"
        return
    yield "missing or doubtful:"
    for doubt in seen["doubts"]:
        count = f"{doubt['n']} " if doubt["n"] and not doubt["message"][0].isdigit() else ""
        yield f"  - {count}{doubt['message']}"
        if doubt["examples"]:
            more = f" and {doubt['n'] - len(doubt['examples'])} more" if doubt["n"] > len(doubt["examples"]) else ""
            yield f"      {', '.join(doubt['examples'])}{more}"


def _sizes(entry: dict[str, Any]) -> str:
    return "a first split has " + ", ".join(f"{count} {name}" for name, count in entry["n_images"].items()) + " images"


def _tally(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.items())
