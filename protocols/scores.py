"""ScoreTable: a SampleTable with anomaly scores."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from .errors import InputError
from .samples import SampleTable, normalised_ids

LAST = -1


@dataclass(frozen=True)
class ScoreTable:
    """One anomaly score an image and checkpoint; higher means more anomalous.

    Columns: those of :class:`~protocols.samples.SampleTable`, then ``partition``, ``step`` (the checkpoint;
    -1 is the last) and ``score`` (finite float64). Sorted by step, then sample_id. Checked once, at the
    boundary; never changed afterwards.
    """

    frame: pd.DataFrame

    @classmethod
    def checked(cls, frame: pd.DataFrame, source: str = "scores") -> Self:
        """Check and normalise a frame.

        Parameters
        ----------
        frame
            Columns ``sample_id``, ``label``, ``score``; optional those of a SampleTable, ``partition``, ``step``.
        source
            Name of where it came from, for messages.

        Raises
        ------
        InputError
            As for SampleTable, per step; code ``NonFiniteScore`` when a score is NaN or infinite.
        """
        if "score" not in frame:
            raise InputError(source, list(frame.columns), "a column 'score'", "Add it, or map yours to it.")
        scores = pd.to_numeric(frame["score"], errors="coerce").to_numpy(np.float64)
        bad = ~np.isfinite(scores)
        if bad.any():
            ids = list(frame["sample_id"][bad].head(5)) if "sample_id" in frame else []
            raise InputError(f"{source}, row {int(np.argmax(bad)) + 1}", frame["score"].iloc[int(np.argmax(bad))],
                             "a finite score", f"Remove the row or score the image again ({int(bad.sum())} such rows: "
                             f"{', '.join(map(str, ids))}).", code="NonFiniteScore")  # fmt: skip
        steps = frame["step"].to_numpy(np.int64) if "step" in frame else np.full(len(frame), LAST)
        partitions = frame["partition"].to_numpy(object) if "partition" in frame else np.full(len(frame), "")
        parts = []
        for step in np.unique(steps):
            rows = steps == step
            samples = SampleTable.checked(frame.loc[rows], source).frame
            extra = pd.DataFrame({"sample_id": normalised_ids(frame["sample_id"][rows]), "partition": partitions[rows],
                                  "step": int(step), "score": scores[rows]})  # fmt: skip
            extra = extra.sort_values("sample_id", kind="stable", ignore_index=True)
            parts.append(pd.concat([samples, extra.drop(columns="sample_id")], axis=1))
        if not parts:
            raise InputError(source, "no rows", "at least one score", "Score some images first.")
        return cls(pd.concat(parts, ignore_index=True))

    def __len__(self) -> int:
        return len(self.frame)

    @property
    def steps(self) -> tuple[int, ...]:
        """Checkpoints in order; the last one (-1) comes last."""
        found = sorted(int(s) for s in self.frame["step"].unique())
        return tuple(s for s in found if s != LAST) + tuple(s for s in found if s == LAST)

    @property
    def labels(self) -> NDArray[np.int64]:
        """Labels, shape (n,)."""
        return self.frame["label"].to_numpy(np.int64)

    @property
    def scores(self) -> NDArray[np.float64]:
        """Scores, shape (n,)."""
        return self.frame["score"].to_numpy(np.float64)

    @property
    def objects(self) -> NDArray[np.object_]:
        """Object ids, shape (n,); empty strings where they are not known."""
        return self.frame["object_id"].to_numpy(object)

    @property
    def has_objects(self) -> bool:
        """Whether every image has an object id."""
        return bool((self.frame["object_id"] != "").all())

    def at(self, step: int = LAST) -> Self:
        """Return the scores of one checkpoint."""
        return type(self)(self.frame.loc[self.frame["step"] == step].reset_index(drop=True))

    def of(self, sample_ids: Collection[str]) -> Self:
        """Return the rows of these samples."""
        return type(self)(self.frame.loc[self.frame["sample_id"].isin(set(sample_ids))].reset_index(drop=True))
