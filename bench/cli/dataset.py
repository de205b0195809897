"""``lab2factory dataset``: what is there, the manifest, identical images, the synthetic set."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from . import settings
from .run import emit
from .synth import synth

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench.manifest import Manifest

app = typer.Typer(
    help="Look at data sets, write manifests, find identical images, render the synthetic set.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
app.command()(synth)

PATH = typer.Argument(..., metavar="PATH", help="A folder, or a manifest (.csv, .parquet).", show_default=False)
LAYOUT = typer.Option("auto", "--layout", metavar="L", help="A name of `lab2factory ls layouts`, or auto.")
CATEGORY = typer.Option([], "--category", metavar="C", help="Only this category; may be repeated.")
OBJECT_FROM = typer.Option(
    None, "--object-from", metavar="REGEX", show_default=False,
    help="Expression with a group `object` (and `view`) on the relative path; or generic, or glink.",
)  # fmt: skip
VIEWS = typer.Option(
    None, "--views-per-turn", metavar="N", min=1, show_default=False,
    help="Fill in angles: view x 360 / N, if the part turns uniformly.",
)  # fmt: skip
MAX_PIXELS = typer.Option(100_000_000, "--max-pixels", metavar="N", min=1, help="Refuse larger images.")
ROOT = typer.Option(
    None, "--root", metavar="DIR", show_default=False,
    help="For a manifest beside its images: the folder that its paths may not leave.",
)  # fmt: skip
OUT = typer.Argument(
    ..., metavar="OUT", help="A file .csv or .parquet, or a folder for manifest.csv.", show_default=False
)
OUTPUT = typer.Option(
    None, "--output", metavar="DIR", help="Write pairs.csv and duplicates.json there.", show_default=False
)
JSON = typer.Option(False, "--json", help="The result as one JSON document on standard output.")


@app.command()
def inspect(
    path: Path = PATH, layout: str = LAYOUT, category: list[str] = CATEGORY, object_from: str | None = OBJECT_FROM,
    views_per_turn: int | None = VIEWS, max_pixels: int = MAX_PIXELS, root: Path | None = ROOT,
    json: bool = JSON,
) -> None:  # fmt: skip
    """Say what a data set holds, what is missing or doubtful, and whether three_way can be run.

    \b
    Example: lab2factory dataset inspect data/links
             lab2factory dataset inspect data/links --object-from generic --json
    """
    from bench.inspect import inspect_dataset
    from bench.inspect_text import as_text

    manifest = _read(path, layout, category, object_from, views_per_turn, max_pixels, root)
    seen = inspect_dataset(manifest, _progress(json)).to_dict()
    emit(seen, "" if json else as_text(seen), json)


@app.command()
def convert(
    path: Path = PATH,
    out: Path = OUT,
    layout: str = LAYOUT, category: list[str] = CATEGORY, object_from: str | None = OBJECT_FROM,
    views_per_turn: int | None = VIEWS, max_pixels: int = MAX_PIXELS, root: Path | None = ROOT,
    json: bool = JSON,
) -> None:  # fmt: skip
    """Write the manifest of a data set, with paths relative to the manifest.

    \b
    Example: lab2factory dataset convert data/links data/links/manifest.csv
    """
    from bench.manifest import lies_beside, write_manifest

    manifest = _read(path, layout, category, object_from, views_per_turn, max_pixels, root)
    written = write_manifest(manifest, out)
    result = {"manifest": str(written), "layout": manifest.layout, "reason": manifest.reason, "n_images": len(manifest),
              "needs_root": str(manifest.root) if lies_beside(manifest, out) else None}  # fmt: skip
    emit(result, f"{written}: {len(manifest)} images (layout {manifest.layout}: {manifest.reason})", json)
    if result["needs_root"]:
        typer.echo(
            f"note: {written} does not lie above its images, so reading it needs --root {manifest.root}", err=True
        )


@app.command()
def duplicates(
    path: Path = PATH,
    output: Path | None = OUTPUT,
    layout: str = LAYOUT, category: list[str] = CATEGORY, object_from: str | None = OBJECT_FROM,
    max_pixels: int = MAX_PIXELS, root: Path | None = ROOT,
    json: bool = JSON,
) -> None:  # fmt: skip
    """Find images that are the same file or the same pixels; exit code 1 if a pair crosses train and test, or labels.

    \b
    Example: lab2factory dataset duplicates data/links --output duplicates
    """
    from bench.duplicates import as_text, find_duplicates, write_duplicates

    manifest = _read(path, layout, category, object_from, None, max_pixels, root)
    tell = _progress(json)
    found = find_duplicates(manifest, (lambda done, total: tell("comparing", done, total)) if tell else None)
    result = {"path": str(path), "layout": manifest.layout, **found.to_dict()}
    if output is not None:
        write_duplicates(found, result, output)
    written = "" if output is None else f"\nwritten to {output}"
    emit({**result, "pairs": found.pairs().to_dict("records")}, as_text(found) + written, json)
    if found.crossing():
        raise typer.Exit(1)


def _read(
    path: Path,
    layout: str,
    category: list[str],
    object_from: str | None,
    views: int | None,
    max_pixels: int,
    root: Path | None,
) -> Manifest:
    from bench.layouts import read_dataset

    return read_dataset(
        path, layout=layout, category=category or None, object_from=object_from, max_pixels=max_pixels,
        views_per_turn=views, root=root,
    )  # fmt: skip


def _progress(json: bool) -> Callable[[str, int, int], None] | None:
    """Return what says on standard error how far it is, at most ten lines a phase and only where that takes long."""
    if json or settings.current.quiet or settings.current.no_progress:
        return None

    def tell(phase: str, done: int, total: int) -> None:
        if total >= 1000 and done * 10 // total != (done - 1) * 10 // total:
            typer.echo(f"{phase}: {done} of {total}", err=True)

    return tell
