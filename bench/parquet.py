"""Read a Parquet file on the calling thread."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

__all__ = ["read_parquet"]


def read_parquet(source: Path | bytes) -> pd.DataFrame:
    """Return the table in a Parquet file, with the index that pandas stored.

    ``pandas.read_parquet`` hands Arrow's threads a Python file object; a process that ends soon afterwards is now and
    then aborted in their tear-down (Apache Arrow issues 34314 and 50482). Our tables are small: one thread reads them.

    Parameters
    ----------
    source
        The file, or its content.

    Returns
    -------
    pandas.DataFrame
        One row a record.

    Raises
    ------
    OSError
        The file cannot be read.
    ValueError
        The content is not Parquet, or is damaged.

    Examples
    --------
    >>> import io
    >>> buffer = io.BytesIO()
    >>> pd.DataFrame({"score": [0.5, 2.0]}).to_parquet(buffer)
    >>> read_parquet(buffer.getvalue())
       score
    0    0.5
    1    2.0
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    content = source if isinstance(source, bytes) else source.read_bytes()
    table = pq.read_table(pa.BufferReader(content), use_threads=False, pre_buffer=False)
    frame: pd.DataFrame = table.to_pandas(use_threads=False)
    return frame
