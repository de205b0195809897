"""The report formats by name; listing them imports nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from reports.data import ReportData

REPORTS: dict[str, str] = {
    "figures": "reports.figures:write",
    "csv": "reports.csv:write",
    "markdown": "reports.markdown:write",
    "latex": "reports.latex:write",
    "html": "reports.html:write",
}
DESCRIPTIONS: dict[str, str] = {
    "figures": "every figure as PDF, PNG and CSV",
    "csv": "every table as CSV, full precision",
    "markdown": "every table as Markdown, with intervals",
    "latex": "every table as LaTeX (booktabs), with intervals",
    "html": "the whole report as one self-contained page",
}


def write_report(data: ReportData, out_dir: Path, formats: Sequence[str] = tuple(REPORTS),
                 extra: Mapping[str, str] | None = None) -> Path:  # fmt: skip
    """Write a report in several formats.

    Parameters
    ----------
    data
        What to show.
    out_dir
        Folder for ``index.html``, ``tables/`` and ``figures/``; made if it does not exist.
    formats
        Names of ``REPORTS``, of `extra`, or of an entry point of ``lab2factory.reports``.
    extra
        Further formats as ``"name": "module:function"``; a function takes the data and the folder.

    Returns
    -------
    Path
        ``index.html`` if that format was asked for, otherwise `out_dir`.

    Raises
    ------
    InputError
        A format is not known.
    """
    out_dir = Path(out_dir)
    writers = [_writer(name, {**REPORTS, **(extra or {})}) for name in dict.fromkeys(formats)]
    for write in writers:
        write(data, out_dir)
    return out_dir / "index.html" if "html" in formats else out_dir


def _writer(name: str, known: Mapping[str, str]) -> Callable[[ReportData, Path], object]:
    target = known.get(name)
    if target is None:
        points: dict[str, EntryPoint] = {p.name: p for p in entry_points(group="lab2factory.reports")}
        if name in points:
            loaded: Callable[[ReportData, Path], object] = points[name].load()
            return loaded
        from protocols.errors import InputError

        names = sorted({*known, *points})
        raise InputError("report format", name, f"one of {get_close_matches(name, names) or names}",
                         "See `lab2factory ls reports`.")  # fmt: skip
    module, function = target.split(":")
    writer: Callable[[ReportData, Path], object] = getattr(import_module(module), function)
    return writer
