"""Tables as Markdown, with intervals; bold is only what is distinguishable from all others."""

from __future__ import annotations

from pathlib import Path

from reports.data import ReportData
from reports.escape import guard_formula, markdown
from reports.files import write_file
from reports.table import Cell, Column, Table, Value, cell_text
from reports.tables import all_tables


def table_markdown(table: Table) -> str:
    """Return a table as Markdown: title, table, caption, reasons of undefined values."""
    lines = [f"### {markdown(table.title)}", ""]
    lines.append("| " + " | ".join(markdown(guard_formula(c.title)) for c in table.columns) + " |")
    lines.append("|" + "|".join(" ---: " if _right(c) else " --- " for c in table.columns) + "|")
    for row in table.rows:
        lines.append("| " + " | ".join(_cell(cell) for cell in row) + " |")
    lines += ["", markdown(table.caption), ""]
    lines += [f"- {markdown(note)}" for note in table.notes()]
    return "\n".join(lines).rstrip("\n") + "\n"


def _right(column: Column) -> bool:
    return column.kind in {"number", "estimate"}


def _cell(cell: Cell) -> str:
    if isinstance(cell, Value):
        text = cell_text(cell)  # our own brackets: nothing to escape
        return f"**{text}**" if cell.best else text
    text = cell_text(cell)
    return markdown(guard_formula(text) if isinstance(cell, str | tuple) else text)


def write(data: ReportData, out_dir: Path) -> list[Path]:
    """Write ``tables/<name>.md``."""
    return [
        write_file(out_dir / "tables" / f"{name}.md", table_markdown(table)) for name, table in all_tables(data).items()
    ]
