"""``lab2factory weights``: which weights a detector would use, and whether they are there."""

from __future__ import annotations

import typer

from .run import emit

app = typer.Typer(help="Which weights a detector would use.", no_args_is_help=True, rich_markup_mode=None)

_DETECTORS = typer.Argument(None, metavar="[DETECTOR]...", help="Names; all without.", show_default=False)
_JSON = typer.Option(False, "--json", help="The result as one JSON document on standard output.")


@app.command("list")
def list_(detectors: list[str] | None = _DETECTORS, json: bool = _JSON) -> None:
    """List the weights of each detector and preset: where they are, their SHA-256; downloads nothing.

    \b
    Example: lab2factory weights list csflow
    """
    _show(detectors, check=False, as_json=json)


@app.command()
def check(detectors: list[str] | None = _DETECTORS, json: bool = _JSON) -> None:
    """Load all weights into their networks; exit code 1 if some are missing or damaged.

    \b
    Example: lab2factory weights check knn
    """
    if _show(detectors, check=True, as_json=json):
        raise typer.Exit(1)


def _show(detectors: list[str] | None, *, check: bool, as_json: bool) -> bool:
    """Print the list; return whether something is missing or damaged."""
    from detectors.weights import list_weights

    entries = list_weights(detectors or None, check=check)
    rows = [
        {
            "detector": e.detector, "preset": e.preset, "backbone": e.backbone, "weights": e.weights,
            "path": None if e.path is None else str(e.path), "sha256": e.sha256, "status": e.status,
            "message": e.message,
        }
        for e in entries
    ]  # fmt: skip
    lines = []
    for e in entries:
        where = str(e.path) if e.path is not None else e.message
        digest = f"  sha256 {e.sha256[:16]}" if e.sha256 else ""
        lines.append(f"{e.detector:<12}{e.preset:<8}{e.backbone:<32}{e.weights:<12}{e.status:<10}{digest}  {where}")
    emit({"weights": rows}, "\n".join(lines) or "none of these detectors uses weights trained elsewhere", as_json)
    return any(e.status in ("missing", "error") for e in entries)
