"""Tables as CSV: full precision, fractions, an estimate as three columns and its status."""

from __future__ import annotations

import csv
import io
import math
from pathlib import Path

from reports.data import ReportData
from reports.escape import guard_formula
from reports.files import write_file
from reports.table import Cell, Table, Value
from reports.tables import all_tables


def table_csv(table: Table) -> str:
    """Return a table as CSV text; texts that a spreadsheet would run as a formula are escaped."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    header: list[str] = []
    for column in table.columns:
        names = [column.name]
        if column.kind == "estimate":
            names += [f"{column.name}_low", f"{column.name}_high", f"{column.name}_status"]
        header += [guard_formula(n) for n in names]
    writer.writerow(header)
    for row in table.rows:
        cells: list[str] = []
        for column, cell in zip(table.columns, row, strict=True):
            cells += _estimate_cells(cell) if column.kind == "estimate" else [_plain(cell)]
        writer.writerow(cells)
    return stream.getvalue()


def _estimate_cells(cell: Cell) -> list[str]:
    if not isinstance(cell, Value):
        return ["", "", "", ""]
    e = cell.estimate
    return [_number(e.value), _number(e.low), _number(e.high), e.status]


def _plain(cell: Cell) -> str:
    if cell is None:
        return ""
    if isinstance(cell, Value):
        return _number(cell.estimate.value)
    if isinstance(cell, float):
        return _number(cell)
    if isinstance(cell, int):
        return str(cell)
    return guard_formula("; ".join(cell) if isinstance(cell, tuple) else cell)


def _number(x: float) -> str:
    return "" if math.isnan(x) else repr(float(x))


def write(data: ReportData, out_dir: Path) -> list[Path]:
    """Write ``tables/<name>.csv``."""
    return [
        write_file(out_dir / "tables" / f"{name}.csv", table_csv(table)) for name, table in all_tables(data).items()
    ]
