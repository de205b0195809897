"""Tables as LaTeX (booktabs), with intervals; bold is only what is distinguishable from all others."""

from __future__ import annotations

from pathlib import Path

from reports.data import ReportData
from reports.escape import latex
from reports.files import write_file
from reports.reasons import is_doubtful
from reports.rounding import show
from reports.table import Cell, Column, Table, Value, cell_text
from reports.tables import all_tables

ROWS_ON_A_PAGE = 40
_KINDS = {"text": "l", "long": "p{5cm}", "number": "r", "estimate": "r@{ }l"}


def table_latex(table: Table) -> str:
    r"""Return a table as LaTeX for ``\input``: needs ``booktabs``, ``graphicx``; above 40 rows ``longtable``."""
    columns = "".join(_KINDS[c.kind] for c in table.columns)
    header = " & ".join(_header(c) for c in table.columns) + r" \\"
    rows = [
        " & ".join(_cell(c, cell) for c, cell in zip(table.columns, row, strict=True)) + r" \\" for row in table.rows
    ]
    caption = rf"\caption{{{latex(table.title)}. {latex(table.caption)}}}"
    label = rf"\label{{tab:{table.name}}}"
    notes = [rf"\par {latex(note)}" for note in table.notes()]
    if len(rows) > ROWS_ON_A_PAGE:
        lines = [r"% needs \usepackage{booktabs,longtable}", r"\begingroup\small", rf"\begin{{longtable}}{{{columns}}}",
                 rf"{caption}{label}\\", r"\toprule", header, r"\midrule", r"\endhead", r"\bottomrule", r"\endfoot",
                 *rows, r"\end{longtable}", *notes, r"\endgroup"]  # fmt: skip
    else:
        lines = [r"% needs \usepackage{booktabs,graphicx}", r"\begin{table}[htbp]", r"\centering\small", caption, label,
                 r"\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%",
                 rf"\begin{{tabular}}{{{columns}}}", r"\toprule", header, r"\midrule", *rows, r"\bottomrule",
                 r"\end{tabular}}", *notes, r"\end{table}"]  # fmt: skip
    return "\n".join(lines) + "\n"


def _header(column: Column) -> str:
    title = latex(column.title)
    return rf"\multicolumn{{2}}{{l}}{{{title}}}" if column.kind == "estimate" else title


def _cell(column: Column, cell: Cell) -> str:
    if column.kind == "estimate":
        if not isinstance(cell, Value):
            return "&"
        shown = show(cell.estimate, sign=cell.sign)
        value, interval = (_maths(t) for t in (shown.value, shown.interval))
        interval += r"\textdagger{}" if is_doubtful(cell.estimate) else ""
        return rf"\textbf{{{value}}} & {interval}" if cell.best else f"{value} & {interval}"
    text = cell_text(cell)
    return latex(text) if not isinstance(cell, int | float) else _maths(text)


def _maths(number: str) -> str:
    # A bracket right after \\ would be read as its optional argument.
    plain = number.replace("-inf", r"$-\infty$").replace("inf", r"$\infty$")
    return plain.replace("-", "$-$").replace("$$-$", "$-").replace("[", "{[}").replace("]", "{]}")


def write(data: ReportData, out_dir: Path) -> list[Path]:
    """Write ``tables/<name>.tex``."""
    return [
        write_file(out_dir / "tables" / f"{name}.tex", table_latex(table)) for name, table in all_tables(data).items()
    ]
