"""SampleTable: which images there are, of which object, with which label."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from typing import Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from .errors import InputError

REQUIRED = ("sample_id", "label")
OPTIONAL = ("object_id", "source", "defect_type", "view")
SOURCES = ("train", "test")


@dataclass(frozen=True)
class SampleTable:
    """One row an image, sorted by ``sample_id``; checked once, never changed afterwards.

    Columns: ``sample_id`` (unique), ``object_id`` (empty string: not known), ``label`` (0 nominal, 1 anomalous),
    ``source`` (``train`` or ``test``; by default ``test`` for anomalous images and ``train`` for the others),
    ``defect_type``, ``view`` (empty string: not known).
    """

    frame: pd.DataFrame

    @classmethod
    def checked(cls, frame: pd.DataFrame, source: str = "samples") -> Self:
        """Check and normalise a frame.

        Parameters
        ----------
        frame
            Columns ``sample_id`` and ``label``; optional ``object_id``, ``source``, ``defect_type``, ``view``.
        source
            Name of where it came from, for messages.

        Raises
        ------
        InputError
            A column is missing, an id is empty or twice there (code ``DuplicateSampleId``, or ``LabelConflict``
            when the labels differ too), a label is not 0 or 1, or a source is neither train nor test.
        """
        for column in REQUIRED:
            if column not in frame:
                raise InputError(source, list(frame.columns), f"a column {column!r}", "Add the column.")
        labels = checked_labels(frame["label"], source)
        table = pd.DataFrame({"sample_id": normalised_ids(frame["sample_id"]), "label": labels})
        empty = table["sample_id"] == ""
        if empty.any():
            raise InputError(f"{source}, row {int(np.argmax(empty)) + 1}", "", "a sample id", "Give each image an id.")
        _refuse_duplicates(table, source)
        for column in OPTIONAL:
            values = frame[column] if column in frame else pd.Series("", index=frame.index)
            table[column] = normalised_ids(values)
        default = np.where(labels == 1, "test", "train")
        table["source"] = np.where(table["source"] == "", default, table["source"])
        wrong = ~table["source"].isin(SOURCES)
        if wrong.any():
            row = int(np.argmax(wrong))
            raise InputError(f"{source}, {table['sample_id'][row]}", table["source"][row], "the source train or test",
                             "Correct the column 'source'.")  # fmt: skip
        table = table.sort_values("sample_id", kind="stable", ignore_index=True)
        return cls(table.loc[:, ["sample_id", "object_id", "label", "source", "defect_type", "view"]])

    def __len__(self) -> int:
        return len(self.frame)

    @property
    def has_objects(self) -> bool:
        """Whether every image has an object id."""
        return bool((self.frame["object_id"] != "").all())

    @property
    def labels(self) -> NDArray[np.int64]:
        """Labels, shape (n,)."""
        return self.frame["label"].to_numpy(np.int64)

    def with_images_as_objects(self) -> Self:
        """Return the table in which each image is its own object."""
        return type(self)(self.frame.assign(object_id=self.frame["sample_id"]))


def checked_labels(values: pd.Series, source: str) -> NDArray[np.int64]:
    """Return labels as int64; anything but 0, 1, False, True is an error."""
    numbers = pd.to_numeric(values, errors="coerce").to_numpy(np.float64)
    bad = ~np.isin(numbers, (0.0, 1.0))
    if bad.any():
        row = int(np.argmax(bad))
        raise InputError(f"{source}, row {row + 1}", values.iloc[row], "the label 0 (nominal) or 1 (anomalous)",
                         f"Map the labels to 0 and 1 ({int(bad.sum())} such rows).")  # fmt: skip
    return numbers.astype(np.int64)


def normalised_ids(values: pd.Series) -> pd.Series:
    """Return ids as NFC-normalised strings; missing values are the empty string."""
    text = values.astype(object).where(values.notna(), "").astype(str)
    return text.map(lambda t: unicodedata.normalize("NFC", t)).reset_index(drop=True)


def _refuse_duplicates(table: pd.DataFrame, source: str) -> None:
    twice = table["sample_id"].duplicated(keep=False)
    if not twice.any():
        return
    labels = table[twice].groupby("sample_id", sort=False)["label"].nunique()
    first, conflict = labels.idxmax(), bool(labels.max() > 1)  # a conflict is worse than a repetition
    n_ids = table.loc[twice, "sample_id"].nunique()
    raise InputError(
        f"{source}, sample_id {first!r}", f"{int((table['sample_id'] == first).sum())} rows",
        "one row an image" + (" (and the labels differ)" if conflict else ""),
        f"Remove the duplicates ({n_ids} such ids).", code="LabelConflict" if conflict else "DuplicateSampleId",
    )  # fmt: skip
