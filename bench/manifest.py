"""Manifest: which images there are, where their files lie, and what is known of each."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from protocols.errors import InputError
from protocols.samples import SampleTable

from .faults import raise_faults
from .image_files import MAX_PIXELS, file_sha256, printable, read_mask, read_rgb
from .manifest_files import lies_beside, read_manifest, write_manifest
from .manifest_paths import check_files, without_files
from .manifest_rows import COLUMNS, TEXT, check_rows, check_table, filled

__all__ = ["COLUMNS", "Manifest", "lies_beside", "read_manifest", "write_manifest"]

OBJECT_POLICIES = ("required", "image_is_object")
# Foreground masks are 0/255 files whose rim may be grey: the middle decides.
FOREGROUND_ABOVE = 127.0
# Nothing else can be looked at while these stand.
_FATAL = ("ColumnMissing", "NoImages")


@dataclass(frozen=True, eq=False)
class Manifest:
    """One row an image, sorted by ``sample_id``, with the folder that the paths are relative to.

    A layout's ``read`` returns one that only lists what the folder holds; :meth:`checked` looks at every file.

    Columns of ``frame``, all present once checked: ``sample_id`` (unique), ``image_path`` (relative to ``root``, with
    ``/``), ``label_index`` (int64), ``split`` (``train`` or ``test``), ``object_id``, ``view``, ``defect_type``,
    ``mask_path``, ``fg_mask_path``, ``category``, ``session``, ``camera``, ``sha256`` (text; empty: not known or none),
    ``mask_above`` (float64; a pixel is defective where its value is greater), ``angle`` (float64; NaN: not known),
    ``width``, ``height`` (int64, of the file); then the user's own columns.

    Attributes
    ----------
    frame : DataFrame
        The rows.
    root : Path
        The folder that all paths are relative to.
    layout : str
        Name of the layout it was read with.
    reason : str
        Why this layout.
    notes : tuple of str
        What a reader should know.
    faults : tuple of InputError
        What the layout found wrong while listing; raised by :meth:`checked` together with everything else.
    """

    frame: pd.DataFrame
    root: Path
    layout: str
    reason: str = ""
    notes: tuple[str, ...] = ()
    faults: tuple[InputError, ...] = ()

    @classmethod
    def checked(
        cls,
        frame: pd.DataFrame,
        root: Path,
        source: str,
        *,
        layout: str = "csv",
        reason: str = "",
        notes: Iterable[str] = (),
        faults: Iterable[InputError] = (),
        max_pixels: int = MAX_PIXELS,
        both_classes: bool = True,
        files: bool = True,
    ) -> Self:
        """Fill in what may be left out, look at every file, and raise all faults at once.

        Files are checked by their headers and ends, not decoded: 4,000 images take a few seconds.

        Parameters
        ----------
        frame
            At least ``image_path`` and ``label_index``.
        root
            Folder that the paths are relative to; no path and no link may leave it.
        source
            Where the rows came from, for messages.
        layout, reason, notes
            Kept.
        faults
            Found already; raised with the others.
        max_pixels
            Larger images are refused.
        both_classes
            Whether each category must have nominal and anomalous images.
        files
            Whether to look at the files; without, only ids, labels and splits can be relied on.

        Raises
        ------
        InputError
            One fault.
        InputFaults
            Several: the first five of each kind, then a count.
        """
        found = [*faults, *check_table(frame, source)]
        raise_faults(found if any(fault.code in _FATAL for fault in found) else ())
        table = filled(frame, TEXT)
        found += check_rows(table, source, both_classes=both_classes)
        table, more, seen = check_files(table, root, max_pixels) if files else (without_files(table), [], ())
        raise_faults([*found, *more])
        table = table.sort_values("sample_id", kind="stable", ignore_index=True)
        own = [column for column in table.columns if column not in COLUMNS]
        return cls(table.loc[:, [*COLUMNS, *own]], root, layout, reason, tuple(dict.fromkeys([*notes, *seen])))

    def __len__(self) -> int:
        return len(self.frame)

    @property
    def categories(self) -> tuple[str, ...]:
        """Names of the categories, sorted; one empty name if there are none."""
        return tuple(sorted(self.frame["category"].unique()))

    @property
    def has_objects(self) -> bool:
        """Whether every image has an object id."""
        return bool((self.frame["object_id"] != "").all())

    def samples(self, object_policy: str = "required") -> SampleTable:
        """Return the rows as the protocols want them.

        Parameters
        ----------
        object_policy
            ``required``: every image needs an object id. ``image_is_object``: each image counts as an object of its
            own, whatever ids there are.

        Raises
        ------
        InputError
            An id is missing under ``required`` (code ``MissingObjectId``), or the policy is unknown.
        """
        if object_policy not in OBJECT_POLICIES:
            raise InputError("object_policy", object_policy, f"one of {list(OBJECT_POLICIES)}", "Correct the policy.")
        frame = self.frame.rename(columns={"label_index": "label", "split": "source"})
        if object_policy == "image_is_object":
            return SampleTable.checked(frame, str(self.root)).with_images_as_objects()
        missing = frame.index[frame["object_id"] == ""]
        if len(missing):
            raise InputError(
                f"{printable(self.root)}, column 'object_id'",
                f"{len(missing)} of {len(frame)} images without one, the first {frame['sample_id'][missing[0]]!r}",
                "the object (the part photographed) of every image",
                "Give a column object_id or --object-from REGEX; or state object_policy: image_is_object, and read the "
                "results as if views of one part were different parts.",
                code="MissingObjectId",
            )
        return SampleTable.checked(frame, str(self.root))

    def select(self, sample_ids: Iterable[str]) -> Self:
        """Return the manifest of these samples only.

        Raises
        ------
        InputError
            An id is not there (code ``UnknownSampleId``).
        """
        wanted = set(sample_ids)
        unknown = sorted(wanted - set(self.frame["sample_id"]))
        if unknown:
            raise InputError(
                f"{printable(self.root)}, sample ids",
                unknown[:5],
                "ids of the manifest",
                f"{len(unknown)} ids are not there.",
                "UnknownSampleId",
            )
        return replace(self, frame=self.frame[self.frame["sample_id"].isin(wanted)].reset_index(drop=True))

    def of_category(self, category: str) -> Self:
        """Return the manifest of one category only."""
        return replace(self, frame=self.frame[self.frame["category"] == category].reset_index(drop=True))

    def rows(self, sample_ids: Sequence[str]) -> NDArray[np.intp]:
        """Return the positions of these samples in ``frame``, in the order given, shape (n,)."""
        positions = pd.Index(self.frame["sample_id"]).get_indexer(list(sample_ids))
        if (positions < 0).any():
            first = sample_ids[int(np.argmax(positions < 0))]
            raise InputError(
                f"{printable(self.root)}, sample ids",
                first,
                "an id of the manifest",
                f"{int((positions < 0).sum())} ids are not there.",
                "UnknownSampleId",
            )
        return np.asarray(positions, np.intp)

    def image_path(self, sample_id: str) -> Path:
        """Return where the image of a sample lies."""
        return self.root / str(self.frame["image_path"].iloc[self._row(sample_id)])

    def image(self, sample_id: str) -> NDArray[np.uint8]:
        """Return the image of a sample, RGB, shape (height, width, 3)."""
        row = self._row(sample_id)
        name = self.frame["image_path"].iloc[row]
        return read_rgb(self.root / name, name, self._size(row))

    def mask(self, sample_id: str) -> NDArray[np.bool_] | None:
        """Return where the defect is, shape (height, width); None without a mask file.

        The mask of an anomalous image may be empty all the same (four of MTD are): such an image says nothing about
        places, and pixel metrics leave it out.
        """
        return self._mask(self._row(sample_id), "mask_path")

    def foreground(self, sample_id: str) -> NDArray[np.bool_] | None:
        """Return where the part is, shape (height, width); None without a foreground mask."""
        return self._mask(self._row(sample_id), "fg_mask_path")

    def fingerprint(self) -> str:
        """Return the SHA-256 of all that decides results: ids, labels, splits, objects, categories and files.

        It does not depend on where the data lie, on the order of the rows, or on paths.
        """
        digest = hashlib.sha256()
        fields = ("sample_id", "label_index", "split", "object_id", "view", "defect_type", "category", "mask_above")
        paths = ("image_path", "mask_path", "fg_mask_path")
        for row in self.frame.loc[:, [*fields, *paths]].sort_values("sample_id").itertuples(index=False):
            values = list(row)
            files = [file_sha256(self.root / name, name) if name else "" for name in values[len(fields) :]]
            plain = [value.item() if isinstance(value, np.generic) else value for value in values[: len(fields)]]
            digest.update(json.dumps([*plain, *files], ensure_ascii=True).encode() + b"\n")
        return digest.hexdigest()

    def _row(self, sample_id: str) -> int:
        return int(self.rows([sample_id])[0])

    def _size(self, row: int) -> tuple[int, int]:
        return int(self.frame["width"].iloc[row]), int(self.frame["height"].iloc[row])

    def _mask(self, row: int, column: str) -> NDArray[np.bool_] | None:
        name = self.frame[column].iloc[row]
        if name == "":
            return None
        above = float(self.frame["mask_above"].iloc[row]) if column == "mask_path" else FOREGROUND_ABOVE
        return read_mask(self.root / name, name, above, self._size(row))
