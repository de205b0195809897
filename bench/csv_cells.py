"""Text cells of CSV files that a spreadsheet would take for formulas."""

from __future__ import annotations

import re

# A spreadsheet runs what begins with one of these; a leading quote makes it text again.
FORMULA = re.compile(r"'*[=+\-@\t\r]")
QUOTED_FORMULA = re.compile(r"'+[=+\-@\t\r]")
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")


def escape_cell(text: str) -> str:
    """Return text that no spreadsheet runs; :func:`unescape_cell` gives back the original, whatever it was.

    Examples
    --------
    >>> escape_cell("=1+1"), escape_cell("-5"), escape_cell("-5 mm")
    ("'=1+1", '-5', "'-5 mm")
    """
    if FORMULA.match(text) and not NUMBER.fullmatch(text):
        return "'" + text
    return text


def unescape_cell(text: str) -> str:
    """Undo :func:`escape_cell`.

    Examples
    --------
    >>> unescape_cell("'=1+1"), unescape_cell("it's")
    ('=1+1', "it's")
    """
    return text[1:] if QUOTED_FORMULA.match(text) else text
