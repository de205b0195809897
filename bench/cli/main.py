"""The command ``lab2factory``: registers the commands, and turns errors into exit codes; nothing else does."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence

import typer

from . import settings
from .dataset import app as dataset
from .demo import demo
from .doctor import doctor
from .init import init
from .ls import ls
from .report import report
from .run import emit, run
from .score import score
from .show import show
from .splits import app as splits
from .weights import app as weights

DONE, FINDING, WRONG_INPUT, INTERRUPTED = 0, 1, 2, 130

app = typer.Typer(
    name="lab2factory", add_completion=False, no_args_is_help=True, rich_markup_mode=None,
    pretty_exceptions_enable=False, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    epilog="Options for every command: -q/--quiet, -v/--verbose, --no-progress, --traceback, "
    "--json (where a command reports something). Exit codes: 0 done, 1 done with a finding, "
    "2 wrong usage or input, 130 interrupted.",
)  # fmt: skip
COMMANDS: dict[str, Callable[..., None]] = {
    "demo": demo, "init": init, "run": run, "report": report, "score": score, "ls": ls, "show": show, "doctor": doctor,
}  # fmt: skip
GROUPS = {"dataset": dataset, "splits": splits, "weights": weights}


def _version(wanted: bool) -> None:
    if wanted:
        from bench.provenance import software_version

        version = software_version()
        emit({"lab2factory": version}, f"lab2factory {version}", settings.current.json)
        raise typer.Exit()


@app.callback()
def root(
    version: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="Print the version."),
) -> None:
    """Say how well a visual anomaly detector will really do on the factory floor.

    \b
    Start with:   lab2factory demo
    Your images:  lab2factory dataset inspect PATH
                  lab2factory init
                  lab2factory run lab2factory.yaml
    """


for _name, _command in COMMANDS.items():
    app.command(_name, short_help=(_command.__doc__ or "").splitlines()[0])(_command)
for _name, _group in GROUPS.items():
    app.add_typer(_group, name=_name)


def _fail(message: str) -> None:
    typer.echo(f"error: {message}", err=True)


def execute(arguments: Sequence[str]) -> int:
    """Run one command line and return its exit code; errors go to standard error, one line each."""
    from protocols.errors import Interrupted, Lab2FactoryError

    chosen, rest = settings.take(list(arguments))
    settings.current = chosen
    if chosen.json and "--version" in rest[:1]:
        rest.remove("--json")  # the one result that no command reports
    # Typer carries click under changing names; this is the class behind all of its usage errors.
    usage: type[Exception] = next(c for c in typer.BadParameter.__mro__ if c.__name__ == "ClickException")
    try:
        code = typer.main.get_command(app).main(rest, prog_name="lab2factory", standalone_mode=False)
        if code == INTERRUPTED:  # typer has turned the interruption into this code, without a word
            raise Interrupted
        return code if isinstance(code, int) else DONE
    except usage as error:
        if type(error).__name__ == "NoArgsIsHelpError":
            error.show()  # type: ignore[attr-defined]
            return WRONG_INPUT
        context = getattr(error, "ctx", None)
        command = context.command_path if context is not None else "lab2factory"
        _fail(f"{command}: {error.format_message().rstrip('.')}. See `{command} --help`.")  # type: ignore[attr-defined]
        return WRONG_INPUT
    except (Interrupted, KeyboardInterrupt, typer.Abort):
        typer.echo("interrupted: what was finished is kept; the same command goes on from there", err=True)
        return INTERRUPTED
    except Lab2FactoryError as error:
        if chosen.traceback:
            raise
        for fault in getattr(error, "faults", None) or [error]:
            _fail(str(fault))
        return WRONG_INPUT
    except BrokenPipeError:
        sys.stderr.close()
        return DONE
    except MemoryError:
        if chosen.traceback:
            raise
        _fail("memory: found none left, expected enough for this command. Use fewer --workers or smaller images.")
        return WRONG_INPUT
    except OSError as error:
        if chosen.traceback:
            raise
        _fail(f"{error.filename or 'system'}: found {error.strerror or error}, expected a file that can be read "
              "or written. Check the path, its permissions and the free space.")  # fmt: skip
        return WRONG_INPUT


def main() -> None:
    """Run the command line of this process."""
    sys.exit(execute(sys.argv[1:]))
