"""Text that came from somebody's files, made harmless for each format."""

from __future__ import annotations

import re

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n")
_LATEX = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "|": r"\textbar{}", '"': r"\textquotedbl{}", "'": r"\textquotesingle{}", "`": r"\textasciigrave{}",
    "−": "$-$", "≤": r"$\leq$", "≥": r"$\geq$", "×": r"$\times$", "±": r"$\pm$", "–": r"\textendash{}",
    "∞": r"$\infty$", "†": r"\textdagger{}", "[": "{[}", "]": "{]}",
}  # fmt: skip


def guard_formula(text: str) -> str:
    """Return text that no spreadsheet takes for a formula: an apostrophe is put before ``= + - @``.

    Examples
    --------
    >>> guard_formula("=cmd|' /C calc'!A0"), guard_formula("CS-Flow")
    ("'=cmd|' /C calc'!A0", 'CS-Flow')
    """
    return f"'{text}" if text.lstrip(" ").startswith(FORMULA_STARTS) or text.startswith(FORMULA_STARTS) else text


def markdown(text: str) -> str:
    r"""Return text that Markdown shows as it is, within one table cell.

    Examples
    --------
    >>> markdown("a|b <script> *c*")
    'a\\|b &lt;script&gt; \\*c\\*'
    """
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    text = re.sub(r"([\\`*_{}\[\]|~#!])", r"\\\1", text)
    return " ".join(text.split())


def latex(text: str) -> str:
    r"""Return text that LaTeX sets as it is.

    Characters beyond Latin are set by engines that know Unicode; pdfLaTeX shows their code point.

    Examples
    --------
    >>> latex("50 % of a_b"), latex("ü≤")
    ('50 \\% of a\\_b', 'ü$\\leq$')
    """
    plain = "".join(_latex_character(c) for c in " ".join(text.split()))
    return plain.replace("--", "-{}-")  # not a dash


def _latex_character(c: str) -> str:
    if c in _LATEX:
        return _LATEX[c]
    if " " <= c <= "~" or "\u00c0" <= c <= "\u017e":
        return c
    if not c.isprintable():
        return f"[U+{ord(c):04X}]"
    return rf"\ifdefined\Umathchar {c}\else [U+{ord(c):04X}]\fi{{}}"
