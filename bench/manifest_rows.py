"""What can be wrong with the rows of a manifest. Every function returns all it finds."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd

from protocols.errors import InputError

from .image_files import printable

TEXT = (
    "sample_id",
    "image_path",
    "split",
    "object_id",
    "view",
    "defect_type",
    "mask_path",
    "fg_mask_path",
    "category",
    "session",
    "camera",
    "sha256",
)
# The order in which columns are held and written; those of the user's own follow.
COLUMNS = (
    "sample_id",
    "image_path",
    "label_index",
    "split",
    "object_id",
    "view",
    "defect_type",
    "mask_path",
    "mask_above",
    "fg_mask_path",
    "category",
    "angle",
    "session",
    "camera",
    "sha256",
    "width",
    "height",
)
SPLITS = ("train", "test")
IDS = ("sample_id", "object_id")


def check_table(frame: pd.DataFrame, source: str) -> list[InputError]:
    """Check that there are rows and the columns that nothing can replace."""
    faults = [
        InputError(source, list(frame.columns), f"a column {column!r}", "Add the column.", "ColumnMissing")
        for column in ("image_path", "label_index")
        if column not in frame
    ]
    if frame.empty and not faults:
        faults.append(
            InputError(source, "no images", "at least one image", "Check the path and the layout.", "NoImages")
        )
    return faults


def filled(frame: pd.DataFrame, text: Sequence[str]) -> pd.DataFrame:
    """Return the rows with every column there: text is NFC-normalised, defaults stand for what was left out.

    Labels and numbers that cannot be read stay as they are, for :func:`check_rows` to name.
    """
    table = frame.reset_index(drop=True).copy()
    for column in text:
        values = table[column] if column in table else pd.Series("", index=table.index)
        table[column] = _text(values)
    for column in IDS:
        # The protocols order ids by their bytes; a picture's path stays as the file system has it.
        table[column] = table[column].map(_normalised)
    table["sample_id"] = table["sample_id"].where(table["sample_id"] != "", table["image_path"].map(_normalised))
    for column, default in (("mask_above", 0.0), ("angle", np.nan)):
        values = table[column] if column in table else pd.Series(default, index=table.index)
        table[column] = values.where(values.notna() & (values.astype(str) != ""), default)
    labels = pd.to_numeric(table["label_index"], errors="coerce")
    default_split = pd.Series(np.where(labels == 1, "test", "train"), index=table.index)
    table["split"] = table["split"].where(table["split"] != "", default_split)
    return table


def check_rows(table: pd.DataFrame, source: str, *, both_classes: bool) -> list[InputError]:
    """Check ids, labels, splits and numbers; turn labels and numbers into numbers where they are.

    Parameters
    ----------
    table
        As :func:`filled` returns it; its number columns are converted in place.
    source
        Where the rows came from.
    both_classes
        Whether each category must have nominal and anomalous images.
    """
    faults = [
        *_numbers(table, source),
        *_splits(table, source),
        *_empty_ids(table, source),
        *_duplicates(table, source),
    ]
    faults += _names(table, source)
    faults += _objects(table, source)
    if both_classes and table["label_index"].isin((0, 1)).all():
        faults += _classes(table, source)
    return faults


def _text(values: pd.Series) -> pd.Series:
    known = values.astype(object).where(values.notna(), "")
    # A whole number that a table with gaps holds as 7.0 is the id 7.
    return known.map(lambda value: str(int(value)) if isinstance(value, float) and value.is_integer() else str(value))


def _normalised(text: str) -> str:
    return unicodedata.normalize("NFC", text)


def _numbers(table: pd.DataFrame, source: str) -> Iterator[InputError]:
    label = "0 (nominal) or 1 (anomalous)"
    for column, expected, code in (
        ("label_index", label, "UnknownLabel"),
        ("mask_above", "a number from 0 to 255", "NotANumber"),
        ("angle", "a number", "NotANumber"),
    ):
        numbers = pd.to_numeric(table[column], errors="coerce").astype(np.float64)
        if column == "label_index":
            bad = ~numbers.isin((0.0, 1.0))
        elif column == "mask_above":
            bad = ~numbers.between(0, 255)
        else:
            bad = (numbers.isna() & table[column].notna()) | np.isinf(numbers)
        for row in table.index[bad]:
            value = table[column][row]
            yield InputError(
                f"{source}, {table['sample_id'][row]}, column {column!r}",
                value.item() if isinstance(value, np.generic) else value,
                expected,
                "Correct the value.",
                code,
            )
        if not bad.any():
            table[column] = numbers.astype(np.int64) if column == "label_index" else numbers


def _splits(table: pd.DataFrame, source: str) -> Iterator[InputError]:
    for row in table.index[~table["split"].isin(SPLITS)]:
        yield InputError(
            f"{source}, {table['sample_id'][row]}, column 'split'",
            table["split"][row],
            "train or test",
            "Correct the value, or leave it empty.",
            "UnknownSplit",
        )


def _empty_ids(table: pd.DataFrame, source: str) -> Iterator[InputError]:
    for column in IDS:
        blank = (table[column] != "") & (table[column].str.strip() == "")
        for row in table.index[blank]:
            yield InputError(
                f"{source}, row {row + 1}, column {column!r}",
                table[column][row],
                "an id",
                "An id must not be blank; leave the cell empty if the id is not known.",
                "EmptyId",
            )


def _duplicates(table: pd.DataFrame, source: str) -> Iterator[InputError]:
    for column, code in (("sample_id", "DuplicateSampleId"), ("image_path", "DuplicateImage")):
        repeated = table[(table[column] != "") & table[column].duplicated(keep=False)]
        for value, rows in repeated.groupby(column, sort=True):
            if code == "DuplicateImage" and rows["sample_id"].nunique() < len(rows):
                continue  # named already by the id
            conflict = rows["label_index"].astype(str).nunique() > 1
            yield InputError(
                f"{source}, {column} {value!r}",
                f"{len(rows)} rows" + (" with different labels" if conflict else ""),
                "one row an image",
                "Remove the others.",
                "LabelConflict" if conflict else code,
            )


def _names(table: pd.DataFrame, source: str) -> Iterator[InputError]:
    """Yield names that differ only in case: one of the files is lost on Windows and macOS."""
    paths = table["image_path"][table["image_path"] != ""].drop_duplicates()
    for _, group in paths.groupby(paths.str.casefold(), sort=True):
        if len(group) > 1:
            yield InputError(
                f"{source}, image_path",
                [printable(name) for name in sorted(group)],
                "names that differ in more than case",
                "Rename all but one.",
                "NamesDifferInCase",
            )


def _objects(table: pd.DataFrame, source: str) -> Iterator[InputError]:
    known = table[table["object_id"] != ""]
    for name, categories in known.groupby("object_id", sort=True)["category"]:
        if categories.nunique() > 1:
            yield InputError(
                f"{source}, object_id {name!r}",
                sorted(categories.unique()),
                "objects of one category only",
                "Make the id unique, for instance by putting the category before it.",
                "ObjectInSeveralCategories",
            )


def _classes(table: pd.DataFrame, source: str) -> Iterator[InputError]:
    for category, rows in table.groupby("category", sort=True):
        where = f"{source}, category {category!r}" if category else source
        for label, word in ((0, "nominal"), (1, "anomalous")):
            if not (rows["label_index"] == label).any():
                yield InputError(
                    where,
                    f"{len(rows)} images, none {word}",
                    f"at least one {word} image",
                    "Add such images, or check the layout (dataset inspect).",
                    "NoNominal" if label == 0 else "NoAnomalous",
                )
