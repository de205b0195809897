"""A score file that takes part in a run like a detector: fixed scores for the samples of the data set."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from protocols.errors import InputError

ID_NAMES = ("sample_id", "image_id", "image_path", "filename", "file", "path", "id")
SCORE_NAMES = ("score", "anomaly_score", "y_score", "pred_score", "prob", "probability")


def read_scores_for(path: Path, sample_ids: Sequence[str]) -> NDArray[np.float64]:
    """Return the scores of these samples from a ``.csv``, ``.tsv`` or ``.parquet`` file, shape (n,).

    Raises
    ------
    InputError
        The file has no id or score column, an id twice, a score that is no finite number, or lacks a sample.
    """
    table = _read(path)
    lower = {str(c).strip().lower(): c for c in table.columns}
    id_column, score_column = _column(path, lower, ID_NAMES), _column(path, lower, SCORE_NAMES)
    ids = table[id_column].astype(str)
    twice = ids[ids.duplicated()]
    if len(twice):
        raise InputError(f"{path}, row {int(twice.index[0]) + 2}", twice.iloc[0], "each sample once",
                         f"Remove the doubles ({len(twice)} rows).", "DuplicateSampleId")  # fmt: skip
    scores = pd.Series(pd.to_numeric(table[score_column], errors="coerce").to_numpy(np.float64), index=ids)
    bad = ~np.isfinite(scores.to_numpy())
    if bad.any():
        row = int(np.argmax(bad))
        raise InputError(
            f"{path}, row {row + 2}, column {score_column!r}",
            table[score_column].iloc[row],
            "a finite number",
            f"Correct the file ({int(bad.sum())} such rows).",
            "NonFiniteScore",
        )
    missing = [s for s in sample_ids if s not in scores.index]
    if missing:
        raise InputError(
            str(path),
            f"no score for {len(missing)} samples, the first {missing[0]!r}",
            "a score for every sample that is judged",
            "Score the missing images, or correct their ids.",
        )
    return scores.loc[list(sample_ids)].to_numpy(np.float64)


def _read(path: Path) -> pd.DataFrame:
    try:
        if path.suffix.lower() == ".parquet":
            return pd.read_parquet(path)
        return pd.read_csv(path, sep="\t" if path.suffix.lower() == ".tsv" else ",", encoding="utf-8-sig", dtype=str)
    except (OSError, ValueError) as error:  # ValueError: pandas' and pyarrow's parser errors
        raise InputError(str(path), str(error).splitlines()[0], "a score file (.csv, .tsv or .parquet)",
                         "Check the file.") from error  # fmt: skip


def _column(path: Path, lower: dict[str, str], names: Sequence[str]) -> str:
    found = [n for n in names if n in lower]
    if not found:
        raise InputError(str(path), list(lower.values()), f"a column {names[0]!r} (or one of {list(names[1:])})",
                         "Add or rename the column.")  # fmt: skip
    if found[0] != names[0] and len(found) > 1:
        raise InputError(str(path), found, f"one column for {names[0]!r}", "Rename the one that is meant.")
    return lower[found[0]]
