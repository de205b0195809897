"""The global options, wherever on the command line they stand."""

from __future__ import annotations

from dataclasses import dataclass

FLAGS = {
    "-q": "quiet", "--quiet": "quiet", "-v": "verbose", "--verbose": "verbose",
    "--no-progress": "no_progress", "--traceback": "traceback", "--json": "json",
}  # fmt: skip


@dataclass
class Settings:
    """What the global options said.

    Parameters
    ----------
    quiet
        Only results and errors.
    verbose
        Every log line.
    no_progress
        No live view; plain lines.
    traceback
        Show the traceback of an error.
    json
        The result as one JSON document on standard output.
    """

    quiet: bool = False
    verbose: bool = False
    no_progress: bool = False
    traceback: bool = False
    json: bool = False


current = Settings()


def take(arguments: list[str]) -> tuple[Settings, list[str]]:
    """Split a command line into the global options and the rest.

    ``--json`` stays in the rest, behind the command, because each command that reports something declares it.
    Nothing behind ``--`` is touched.
    """
    settings, rest = Settings(), []
    for position, argument in enumerate(arguments):
        if argument == "--":
            rest += arguments[position:]
            break
        if argument in FLAGS:
            setattr(settings, FLAGS[argument], True)
        else:
            rest.append(argument)
    if settings.json:
        end = rest.index("--") if "--" in rest else len(rest)
        rest.insert(end, "--json")
    return settings, rest
