"""Words for labels: what the field's files write instead of 0 and 1."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from protocols.errors import InputError

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

# (nominal, anomalous); a column must use one pair throughout, in any case.
PAIRS = (
    ("0", "1"),
    ("0.0", "1.0"),
    ("false", "true"),
    ("nominal", "anomalous"),
    ("normal", "anomaly"),
    ("normal", "abnormal"),
    ("normal", "anomalous"),
    ("good", "bad"),
    ("good", "defect"),
    ("good", "anomaly"),
    ("ok", "nok"),
    ("ok", "ng"),
    ("ok", "ko"),
    ("pass", "fail"),
)


def read_labels(values: pd.Series, where: str) -> NDArray[np.int64]:
    """Return labels as 0 (nominal) and 1 (anomalous).

    Parameters
    ----------
    values
        One label an image: numbers, truth values or words of one of the pairs.
    where
        The file and column, for messages.

    Returns
    -------
    array of int64, shape (n,)

    Raises
    ------
    InputError
        A value is empty or of no pair (code ``UnknownLabel``); the first such row is named.
    """
    words = values.astype(str).str.strip().str.lower().to_numpy()
    present = set(words)
    for nominal, anomalous in PAIRS:
        if present <= {nominal, anomalous}:
            return np.asarray(words == anomalous, np.int64)
    # 0 and 0.0 beside each other are numbers all the same.
    if present <= {"0", "1", "0.0", "1.0"}:
        return np.isin(words, ("1", "1.0")).astype(np.int64)
    known = {word for pair in PAIRS for word in pair}
    odd = np.array([word not in known for word in words])
    row = int(np.argmax(odd)) if odd.any() else 0
    found = values.iloc[row] if odd.any() else sorted(present)
    raise InputError(
        f"{where}, row {row + 1}" if odd.any() else where,
        found,
        "0 and 1, or one of the pairs " + ", ".join("/".join(pair) for pair in PAIRS[2:]),
        "Write 0 for nominal and 1 for anomalous.",
        "UnknownLabel",
    )
