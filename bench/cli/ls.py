"""``lab2factory ls``: what can be named, one line each."""

from __future__ import annotations

from pathlib import Path

import typer

from .run import emit


def ls(
    kind: str = typer.Argument(
        ..., metavar="KIND", help="detectors, thresholds, protocols, layouts, metrics, reports, or runs."
    ),
    folder: Path = typer.Argument(Path("runs"), metavar="[DIR]", help="For runs: where they are.", show_default="runs"),
    plugin: list[Path] = typer.Option([], help="A Python file with detectors to list too. It is executed."),
    json: bool = typer.Option(False, "--json", help="The result as one JSON document on standard output."),
) -> None:
    """List names with one line each; imports no plug-in unless a file is named.

    \b
    Example: lab2factory ls detectors
             lab2factory ls runs
    """  # fmt: skip
    if kind == "runs":
        from bench.run_listing import list_runs

        rows = list_runs(folder)
        lines = [f"{r['name']:<24}  {r['state']:<34}  {r['started'] or 'never started'}" for r in rows]
        emit({"runs": rows}, "\n".join(lines) or f"no runs in {folder}", json)
        return
    from bench.plugins import detectors_in, listing, load_file

    names = listing(kind)
    if kind == "detectors":
        for path in plugin:
            names.update(detectors_in(load_file(path)))
    width = max(map(len, names), default=0)
    emit({kind: [{"name": n, "description": d} for n, d in names.items()]},
         "\n".join(f"{n:<{width}}  {d}".rstrip() for n, d in names.items()), json)  # fmt: skip
