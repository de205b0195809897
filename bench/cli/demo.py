"""``lab2factory demo``: the main job on the embedded data set, end to end."""

from __future__ import annotations

from pathlib import Path

import typer

from . import settings
from .run import emit

SEED = 11  # presets were informed by rendered sets of other seeds; this one was left alone


def demo(
    output: Path = typer.Option(Path("runs"), "--output", help="Folder for the run folders demo and demo-clean."),
    profile: str = typer.Option("demo", help="Size of the data set: tiny, demo or paper."),
    preset: str = typer.Option("tiny", help="Preset of the detectors."),
    repeats: int = typer.Option(5, min=1, help="Repeats of the three-way protocol."),
    workers: str = typer.Option("auto", help="Trainings at once: a number, or auto."),
    devices: str = typer.Option("auto", help="cpu, or cuda:0,cuda:1, or auto."),
    seed: int = typer.Option(SEED, min=0, help="Seed of the images, the splits and the trainings."),
    json: bool = typer.Option(False, "--json", help="The result as one JSON document on standard output."),
) -> None:
    """Show the number the field reports beside the number that holds, on rendered parts.

    Two data sets: one in which parts of the test set were photographed a second time for training, one without
    that leak. Three detectors, the naive and the three-way protocol; then one table, and a report for each.

    \b
    Example: lab2factory demo
    """
    from bench.demo import run_demo

    document, text, failed = run_demo(
        output, profile=profile, preset=preset, repeats=repeats, workers=workers, devices=devices, seed=seed,
        quiet=settings.current.quiet or json, verbose=settings.current.verbose, live=not settings.current.no_progress,
    )  # fmt: skip
    emit(document, text, json)
    if failed:
        raise typer.Exit(1)
