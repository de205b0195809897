"""``lab2factory doctor``: whether this machine is ready, and what to do about each problem."""

from __future__ import annotations

from pathlib import Path

import typer

from .run import emit


def doctor(
    cache: Path | None = typer.Option(
        None,
        envvar="LAB2FACTORY_CACHE",
        help="Cache folder to check.  [default: ~/.cache/lab2factory]",
        show_default=False,
    ),
    json: bool = typer.Option(False, "--json", help="The result as one JSON document on standard output."),
) -> None:
    """Check versions, devices, cores, memory, extras, write access and clock; exit code 1 if something must be mended.

    \b
    Example: lab2factory doctor
    """  # fmt: skip
    from bench.doctor import examine

    findings = examine(cache)
    lines = []
    for finding in findings:
        lines.append(f"{finding.status:<5}{finding.check:<14}{finding.found}")
        if finding.fix:
            lines.append(f"{'':<5}{'':<14}-> {finding.fix}")
    failed = [finding for finding in findings if finding.status == "fail"]
    lines.append(f"{len(failed)} problems" if failed else "ready")
    emit({"ready": not failed, "checks": [vars(finding) for finding in findings]}, "\n".join(lines), json)
    if failed:
        raise typer.Exit(1)
