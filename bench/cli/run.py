"""``lab2factory run``: plan, train, score, evaluate, report."""

from __future__ import annotations

from pathlib import Path

import typer

from . import settings


def run(
    config: Path | None = typer.Argument(
        None, metavar="CONFIG", help="The configuration (YAML or JSON).", show_default=False
    ),
    override: list[str] = typer.Option([], "-o", metavar="KEY=VALUE", help="Set a value by its path; may be repeated."),
    output: Path | None = typer.Option(
        None, "--output", help="Run folder.  [default: runs/<name of the config>]", show_default=False
    ),
    workers: str = typer.Option("auto", help="Trainings at once: a number, or auto."),
    devices: str = typer.Option("auto", help="cpu, or cuda:0,cuda:1, or auto."),
    backend: str = typer.Option("processes", help="inline or processes."),
    retry_failed: bool = typer.Option(False, "--retry-failed", help="Do failed jobs again."),
    dry_run: bool = typer.Option(
        False, "--dry-run", help="Print the jobs, what they will cost, and what is there already."
    ),
    limit: int | None = typer.Option(
        None,
        min=1,
        help="For trying out: at most about N images of each label and source; marks all results.",
        show_default=False,
    ),
    seed: int | None = typer.Option(None, min=0, help="Instead of the configuration's seed.", show_default=False),
    job_timeout: float | None = typer.Option(
        None, min=0.001, metavar="S", help="A job that takes longer counts as failed.", show_default=False
    ),
    plugin: list[Path] = typer.Option(
        [], help="A Python file with detectors to load; may be repeated. It is executed."
    ),
    cache: Path | None = typer.Option(
        None, envvar="LAB2FACTORY_CACHE", help="Feature cache.  [default: ~/.cache/lab2factory]", show_default=False
    ),
    cache_limit: str = typer.Option("20GB", help="Bound of the feature cache."),
    schema: bool = typer.Option(False, "--schema", help="Print the JSON schema of the configuration and stop."),
    json: bool = typer.Option(False, "--json", help="The result as one JSON document on standard output."),
) -> None:
    """Plan, train, score, evaluate, report; what is done already is skipped.

    \b
    Example: lab2factory run lab2factory.yaml --workers 2
             lab2factory run lab2factory.yaml -o detectors.0.preset=tiny --dry-run
    """  # fmt: skip
    from bench.config import config_of, json_schema, read_document
    from bench.config_detectors import check_detectors
    from bench.runner import RunOptions, dry_run_table, parse_size, run_config
    from protocols.errors import InputError

    if schema:
        import json as json_module

        typer.echo(json_module.dumps(json_schema(), indent=2))
        return
    if config is None:
        raise InputError("lab2factory run", "no CONFIG", "a configuration file", "Make one with `lab2factory init`.")
    overrides = [*override, *([f"seed={seed}"] if seed is not None else [])]
    document = read_document(config, overrides)
    loaded = config_of(document, config)
    check_detectors(loaded, plugins=plugin, document=document)
    options = RunOptions(
        output=output if output is not None else Path("runs") / loaded.name, workers=workers, devices=devices,
        backend=backend, retry_failed=retry_failed, limit=limit, job_timeout=job_timeout, plugins=tuple(plugin),
        cache=cache, cache_limit_bytes=parse_size(cache_limit), base=config.parent,
        quiet=settings.current.quiet or json, verbose=settings.current.verbose,
        live=not settings.current.no_progress,
    )  # fmt: skip
    if dry_run:
        rows, text = dry_run_table(loaded, options)
        emit(rows, text, json)
        return
    outcome = run_config(loaded, options)
    emit(outcome.as_dict(), outcome.text(), json)
    if outcome.failed:
        raise typer.Exit(1)


def emit(document: object, text: str, as_json: bool) -> None:
    """Print a result: one JSON document, or text."""
    if as_json:
        import json as json_module

        typer.echo(json_module.dumps(document, indent=2, default=str, allow_nan=False))
    else:
        typer.echo(text)
