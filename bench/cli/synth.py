"""``lab2factory dataset synth``: render the synthetic data set."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import typer


def synth(
    out: Path = typer.Argument(..., metavar="OUT", help="Folder to write: new, empty, or this very data set."),
    profile: str = typer.Option("demo", "--profile", help="tiny, demo or paper: sizes of images and data set."),
    assignments: list[str] = typer.Option(
        [], "--set", metavar="KEY=VALUE", help="A switch of the factory, as leak=rerecorded; may be repeated."
    ),
    seed: int = typer.Option(0, "--seed", help="At least 0; the same seed gives the same files."),
    workers: str = typer.Option("1", "--workers", help="Processes, or auto."),
    contact_sheet: bool = typer.Option(False, "--contact-sheet", help="Also write OUT/contact_sheet.png, for a look."),
    as_json: bool = typer.Option(False, "--json", help="Print the result as JSON."),
) -> None:
    """Render blasted metal coupling links with defects, true masks and traps.

    \b
    Example:
        lab2factory dataset synth data/links --profile tiny --contact-sheet
        lab2factory dataset synth data/leaky --set leak=rerecorded --set object_sd=3.5
    """
    import json

    from bench.synthetic import render_dataset
    from bench.synthetic.parameters import parse_assignments

    from . import settings

    manifest = render_dataset(
        out, profile=profile, seed=seed, parameters=parse_assignments(assignments), workers=_n_workers(workers),
        report=None if settings.current.quiet else _progress(),
    )  # fmt: skip
    sheet = None
    if contact_sheet:
        from bench.synthetic.contact_sheet import write_contact_sheet

        sheet = write_contact_sheet(out, out / "contact_sheet.png")
    about = json.loads((out / "synth.json").read_text(encoding="utf-8"))
    if as_json or settings.current.json:
        typer.echo(json.dumps({"manifest": str(manifest), "contact_sheet": sheet and str(sheet), **about}))
        return
    counts = about["counts"]
    typer.echo(
        f"{manifest}: {counts['train']} training images; test: {counts['test_nominal']} of good parts, "
        f"{counts['test_anomalous']} with a visible defect, {counts['test_ndo']} other views of defective parts; "
        f"{counts['objects']} parts, {counts['objects_in_train_and_test']} of them in training and test"
    )
    if sheet is not None:
        typer.echo(f"look at {sheet}")


def _n_workers(text: str) -> int:
    import os

    from protocols.errors import InputError

    if text == "auto":
        return os.cpu_count() or 1
    if not text.isdigit() or int(text) < 1:
        raise InputError("--workers", text, "auto or a whole number of at least 1", "Correct the option.")
    return int(text)


def _progress() -> Callable[[str, int, int], None]:
    """Return a function that says on standard error how far it is, at most every tenth of a phase."""
    said: dict[str, int] = {}

    def report(phase: str, done: int, total: int) -> None:
        tenth = done * 10 // total
        if tenth > said.get(phase, 0):
            said[phase] = tenth
            typer.echo(f"{phase}: {done} of {total}", err=True)

    return report
