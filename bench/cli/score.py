"""``lab2factory score``: new images with a stored model."""

from __future__ import annotations

from pathlib import Path

import typer

from .run import emit


def score(
    model: Path = typer.Argument(
        ..., metavar="MODEL", help="A job folder (runs/NAME/jobs/KEY) or its model.safetensors."
    ),
    images: Path = typer.Argument(..., metavar="IMAGES", help="A folder, one image, or a manifest."),
    output: Path = typer.Option(Path("scores.csv"), "--output", help="The score file to write."),
    threshold_rule: str | None = typer.Option(
        None,
        metavar="R",
        help="Rule whose threshold decides, as in results.csv.  [default: the run's first]",
        show_default=False,
    ),
    maps: Path | None = typer.Option(
        None, metavar="DIR", help="Also write anomaly maps there, as PNG.", show_default=False
    ),
    device: str = typer.Option("cpu", help="cpu, cuda, cuda:1, ..."),
    plugin: list[Path] = typer.Option(
        [], help="A Python file with detectors to load; may be repeated. It is executed."
    ),
    json: bool = typer.Option(False, "--json", help="The result as one JSON document on standard output."),
) -> None:
    """Score new images with a stored model and write a score file.

    The run must have kept its models (store: {models: all}). The threshold is the one that the job's threshold
    partition gave.

    \b
    Example: lab2factory score runs/links/jobs/0123456789abcdef new-photos --output scores.csv
    """  # fmt: skip
    from bench.model_scoring import score_images

    document, text = score_images(
        model, images, output, rule=threshold_rule, maps=maps, device=device, plugins=tuple(plugin)
    )
    emit(document, text, json)
