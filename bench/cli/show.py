"""``lab2factory show``: the jobs of a run, or one of them."""

from __future__ import annotations

from pathlib import Path

import typer

from .run import emit


def show(
    run: Path = typer.Argument(..., metavar="RUN", help="A run folder."),
    key: str | None = typer.Argument(
        None, metavar="[KEY]", help="A job's key, or its first digits.", show_default=False
    ),
    json: bool = typer.Option(False, "--json", help="The result as one JSON document on standard output."),
) -> None:
    """Show all jobs of a run, or everything about one.

    \b
    Example: lab2factory show runs/demo
             lab2factory show runs/demo 3f2a
    """
    from bench.run_listing import job_details, job_rows, job_table

    if key is None:
        rows = job_rows(run)
        emit({"run": str(run), "jobs": rows}, job_table(rows), json)
        return
    details = job_details(run, key)
    emit(details, _text(details), json)


def _text(details: dict[str, object]) -> str:
    """Return everything about a job for a person: plain values first, then its files, its log, its error."""
    texts = {name: str(details[name]).rstrip() for name in ("log", "error") if details.get(name)}
    plain = {k: v for k, v in details.items() if k not in ("log", "error", "files", "versions", "identity")}
    width = max(map(len, plain))
    lines = [f"{k:<{width}}  {'-' if v is None or v == '' else v}" for k, v in plain.items()]
    for group in ("files", "versions"):
        entries = details.get(group)
        if isinstance(entries, dict) and entries:
            lines += ["", f"{group}:", *(f"  {k}  {v}" for k, v in entries.items())]
    for name, text in texts.items():
        lines += ["", f"{name}:", *(f"  {line}" for line in text.splitlines())]
    return "\n".join(lines)
