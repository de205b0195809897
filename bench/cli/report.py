"""``lab2factory report``: tables and figures again, from what is stored."""

from __future__ import annotations

from pathlib import Path

import typer

from .run import emit


def report(
    run: Path = typer.Argument(..., metavar="RUN", help="A run folder."),
    output: Path | None = typer.Option(
        None, "--output", help="Where to write.  [default: RUN/report]", show_default=False
    ),
    json: bool = typer.Option(False, "--json", help="The result as one JSON document on standard output."),
) -> None:
    """Evaluate what is stored again and write the report; trains nothing and needs no torch.

    \b
    Example: lab2factory report runs/demo
    """
    from bench.runner import evaluate_and_report

    outcome = evaluate_and_report(run, output)
    emit(outcome.as_dict(), outcome.text(), json)
    if outcome.failed:
        raise typer.Exit(1)
