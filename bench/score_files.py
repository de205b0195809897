"""A score file that takes part in a run like a detector: fixed scores for the samples of the data set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bench.csv_cells import unescape_cell
from bench.labels import read_labels
from bench.parquet import read_parquet
from protocols.errors import InputError

ID_NAMES = ("sample_id", "image_id", "image_path", "filename", "file", "path", "id")
LABEL_NAMES = ("label", "y", "y_true", "target", "label_index", "anomaly", "is_anomaly")
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
    ids = table[id_column].astype(str).map(unescape_cell)
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


def check_scores_for(path: Path, labels: Mapping[str, int]) -> None:
    """Check that a score file has what a run needs, before anything is trained.

    Parameters
    ----------
    path
        The score file.
    labels
        The data set's label of every sample that is judged.

    Raises
    ------
    InputError
        As :func:`read_scores_for`; or a label in the file contradicts the data set's (code ``ContradictingLabels``).
    """
    read_scores_for(path, list(labels))
    table = _read(path)
    lower = {str(c).strip().lower(): c for c in table.columns}
    known = [name for name in LABEL_NAMES if name in lower]
    if not known:
        return  # the data set's labels count
    ids = table[_column(path, lower, ID_NAMES)].astype(str).map(unescape_cell)
    column = lower[known[0]]
    judged = ids.isin(set(labels)) & table[column].notna()
    stated = read_labels(table.loc[judged, column], f"{path}, column {column!r}")
    wrong = [(i, s) for i, s, label in zip(ids.index[judged], ids[judged], stated, strict=True) if label != labels[s]]
    if wrong:
        row, sample_id = wrong[0]
        raise InputError(
            f"{path}, row {row + 2}, column {column!r}",
            table[column][row],
            f"the label that {sample_id!r} has in the data set, {labels[sample_id]}",
            f"Correct the file or the data set ({len(wrong)} such rows).",
            "ContradictingLabels",
        )


def _read(path: Path) -> pd.DataFrame:
    try:
        if path.suffix.lower() == ".parquet":
            return read_parquet(path)
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
