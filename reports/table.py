"""A table before it is written anywhere: cells hold numbers, the writers decide how they look."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from protocols.results import Estimate
from reports.reasons import DOUBTFUL, is_doubtful, merged, reasons
from reports.rounding import show, show_number


@dataclass(frozen=True)
class Value:
    """An estimate in a cell.

    Parameters
    ----------
    estimate
        The value with its interval.
    best
        Whether it is distinguishable from all others, and better: the only reason to print it bold.
    sign
        Whether it is a difference, to be written with a plus.
    """

    estimate: Estimate
    best: bool = False
    sign: bool = False


Cell = str | int | float | Value | tuple[str, ...] | None
"""Text, a count, a plain number, an estimate, several sentences, or nothing."""


@dataclass(frozen=True)
class Column:
    """One column.

    Parameters
    ----------
    name
        Header in files: no spaces.
    title
        Header for people.
    kind
        ``text``, ``long`` (several words, may wrap), ``number`` or ``estimate``.
    """

    name: str
    title: str
    kind: str = "text"


@dataclass(frozen=True)
class Table:
    """Rows under columns, with a caption that says how to read them.

    Parameters
    ----------
    name
        File name without suffix, and label in LaTeX.
    title, caption
        For people.
    columns, rows
        Every row has a cell for every column.
    """

    name: str
    title: str
    caption: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]

    def without_empty_columns(self) -> Table:
        """Return the table without the columns in which no row has anything."""
        keep = [i for i, _ in enumerate(self.columns) if any(not is_empty(row[i]) for row in self.rows)]
        return Table(self.name, self.title, self.caption, tuple(self.columns[i] for i in keep),
                     tuple(tuple(row[i] for i in keep) for row in self.rows))  # fmt: skip

    def notes(self) -> Iterator[str]:
        """Yield the reasons of undefined and doubtful estimates, each once."""
        found: dict[str, list[str]] = {"undefined": [], "degenerate": []}
        for row in self.rows:
            for cell in row:
                if isinstance(cell, Value):
                    found.get(cell.estimate.status, []).extend(reasons(cell.estimate))
        for status, head in (("undefined", "Undefined"), ("degenerate", f"{DOUBTFUL} Doubtful")):
            if found[status]:
                yield f"{head}: {'; '.join(merged(found[status]))}."


def is_empty(cell: Cell) -> bool:
    """Return whether a cell shows nothing."""
    return cell is None or (isinstance(cell, str | tuple) and not cell) or (isinstance(cell, float) and cell != cell)


def cell_text(cell: Cell) -> str:
    """Return a cell as plain text, rounded."""
    if cell is None:
        return ""
    if isinstance(cell, Value):
        mark = f" {DOUBTFUL}" if is_doubtful(cell.estimate) else ""
        return f"{show(cell.estimate, sign=cell.sign)}{mark}"
    if isinstance(cell, tuple):
        return "; ".join(cell)
    if isinstance(cell, float):
        return show_number(cell)
    return str(cell)


def value(estimate: Estimate | None, *, best: bool = False, sign: bool = False) -> Value | None:
    """Return a cell of an estimate, or an empty one."""
    return None if estimate is None else Value(estimate, best, sign)
