"""One look for all figures: colours that colour-blind people tell apart, and that print; markers differ as well."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from functools import cache
from typing import Any, cast

import matplotlib as mpl
import matplotlib.pyplot as plt
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.font_manager import FontProperties, findfont, get_font

# Okabe and Ito's palette (2008), as in seaborn's "colorblind": blue, orange, green, vermillion, purple, brown, ...
PALETTE: list[tuple[float, float, float]] = list(sns.color_palette("colorblind"))
HONEST = PALETTE[0]
NAIVE = PALETTE[1]
NOMINAL = PALETTE[0]
ANOMALOUS = PALETTE[3]
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
INK = "#222222"
FAINT = "#8a8a8a"
WIDTH = 4.6  # inches; a phone shows it at a third of a point below print size

RC: dict[str, Any] = {
    **sns.axes_style("ticks"),
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.titlesize": 9.5,
    "axes.labelsize": 9,
    "legend.fontsize": 8,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": FAINT,
    "axes.grid": True,
    "grid.color": "#e6e6e6",
    "grid.linewidth": 0.6,
    "axes.axisbelow": True,
    "legend.frameon": False,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "pdf.fonttype": 42,  # publishers refuse type 3
    "path.simplify": True,
    "text.parse_math": False,  # a label may contain a dollar sign
}


def style() -> AbstractContextManager[None]:
    """Return a context in which figures are drawn and saved."""
    context: AbstractContextManager[None] = mpl.rc_context(cast(Any, RC))
    return context


def axes_or_new(ax: Axes | None, width: float = WIDTH, height: float = 3.4) -> Axes:
    """Return `ax`, or the axes of a new figure."""
    if ax is not None:
        return ax
    _, made = plt.subplots(figsize=(width, height), layout="constrained")
    return made


@cache
def _has_glyph(character: str) -> bool:
    font = get_font(findfont(FontProperties(family=RC["font.family"])))
    return bool(font.get_char_index(ord(character)))


def shorten(text: str, length: int = 22) -> str:
    """Return text short enough for a tick label; characters that the font lacks become a question mark."""
    text = "".join(c if _has_glyph(c) else "?" for c in " ".join(text.split()))
    return text if len(text) <= length else text[: length - 1] + "…"


def spread(n: int, width: float) -> Sequence[float]:
    """Return n offsets in [-width, width], evenly spaced and in an order that scatters neighbours."""
    if n < 2:
        return [0.0] * n
    golden = 0.6180339887498949
    return [width * (2 * ((i * golden) % 1.0) - 1) for i in range(n)]
