"""``lab2factory splits``: splits as files, without training."""

from __future__ import annotations

from pathlib import Path

import typer

from .run import emit

app = typer.Typer(help="Splits as files, without training.", no_args_is_help=True, rich_markup_mode=None)


@app.command()
def make(
    config: Path = typer.Argument(..., metavar="CONFIG", help="The configuration."),
    override: list[str] = typer.Option([], "-o", metavar="KEY=VALUE", help="Set a value by its path; may be repeated."),
    output: Path | None = typer.Option(
        None, "--output", help="Folder to write.  [default: runs/<name>/splits]", show_default=False
    ),
    json: bool = typer.Option(False, "--json", help="The result as one JSON document on standard output."),
) -> None:
    """Draw the splits of a configuration and write them.

    \b
    Example: lab2factory splits make lab2factory.yaml --output splits
    """
    from bench.config import load_config
    from bench.split_commands import make_splits

    loaded = load_config(config, override)
    out = output if output is not None else Path("runs") / loaded.name / "splits"
    rows, text = make_splits(loaded, config.parent, out)
    emit({"splits": rows, "output": str(out)}, f"{text}\nwritten to {out}", json)


@app.command()
def show(
    folder: Path = typer.Argument(..., metavar="DIR", help="A folder of splits."),
    json: bool = typer.Option(False, "--json", help="The result as one JSON document on standard output."),
) -> None:
    """Count images and objects in every partition of stored splits.

    \b
    Example: lab2factory splits show runs/demo/splits
    """
    from bench.split_commands import show_splits

    rows, text = show_splits(folder)
    emit({"splits": rows}, text, json)


@app.command()
def check(
    folder: Path = typer.Argument(..., metavar="DIR", help="A folder of splits."),
    manifest: Path = typer.Argument(..., metavar="MANIFEST", help="A manifest, or a data set folder."),
    object_policy: str = typer.Option("required", help="required or image_is_object."),
    json: bool = typer.Option(False, "--json", help="The result as one JSON document on standard output."),
) -> None:
    """Check stored splits against a manifest: every image once, no object on two sides; exit code 1 on a leak.

    \b
    Example: lab2factory splits check runs/demo/splits runs/demo/manifest.parquet
    """
    from bench.split_commands import check_splits

    findings, text = check_splits(folder, manifest, object_policy)
    emit({"findings": findings}, text, json)
    if findings:
        raise typer.Exit(1)
