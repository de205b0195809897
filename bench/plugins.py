"""What can be named: detectors, threshold rules, protocols, layouts, metrics, reports. Listing imports no plug-in."""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import inspect
import sys
from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path
from types import ModuleType

from protocols.errors import InputError

PROTOCOLS: dict[str, str] = {
    "naive": "protocols.naive:Naive",
    "three_way": "protocols.three_way:ThreeWay",
}
PROTOCOL_LINES: dict[str, str] = {
    "naive": "the field's usual number: best checkpoint and best threshold chosen on the test set",
    "three_way": "repeated object-grouped splits; the threshold is set on one part and judged on another",
}
REPORT_LINES: dict[str, str] = {
    "html": "one page that needs no network: index.html",
    "csv": "every table as CSV",
    "markdown": "every table as Markdown",
    "latex": "every table as LaTeX (booktabs)",
    "figures": "every figure as PDF, PNG and CSV",
}
KINDS = ("detectors", "thresholds", "protocols", "layouts", "metrics", "reports")


def listing(kind: str) -> dict[str, str]:
    """Return the names of a kind with one line each; installed plug-ins come last and are not imported.

    Parameters
    ----------
    kind
        One of ``KINDS``.

    Raises
    ------
    InputError
        There is no such kind, or two packages offer the same name.
    """
    if kind == "detectors":
        from detectors.registry import BUILTIN, DESCRIPTIONS

        ours = {name: DESCRIPTIONS.get(name, "") for name in BUILTIN}
    elif kind == "thresholds":
        from protocols.thresholds import RULES

        ours = {name: _first_line(rule.function) + _takes(rule.required, rule.optional) for name, rule in RULES.items()}
    elif kind == "protocols":
        ours = PROTOCOL_LINES
    elif kind == "layouts":
        from bench.layouts import DESCRIPTIONS as LAYOUT_LINES

        ours = {"auto": "found out by looking; the answer says why", **LAYOUT_LINES}
    elif kind == "metrics":
        from protocols.metrics import METRICS

        ours = {name: metric.label for name, metric in METRICS.items()}
    elif kind == "reports":
        ours = REPORT_LINES
    else:
        raise InputError("ls", kind, f"one of {', '.join(KINDS)}, runs", nearest_hint(kind, (*KINDS, "runs")))
    return {**ours, **_entry_points(kind, ours)}


def _entry_points(kind: str, ours: Iterable[str]) -> dict[str, str]:
    """Return the plug-ins that other packages installed, by name."""
    from detectors.registry import known_plugins

    taken = set(ours)
    # Our own carry no target here: only the names of others are wanted.
    known = known_plugins(kind.removesuffix("s"), {})
    clash = sorted(taken & known.keys())
    if clash:
        point = known[clash[0]]
        raise InputError(f"{point.group} {point.name!r}", point.value, "a name that lab2factory does not have itself",
                         "Rename the plug-in.")  # fmt: skip
    return {name: f"plug-in {point.value}" for name, point in known.items()}


def _first_line(described: object) -> str:
    return (inspect.getdoc(described) or "").partition("\n")[0].rstrip(".")


def _takes(required: Iterable[str], optional: Iterable[str]) -> str:
    """Return the parameters as users read them: ``; needs missed, false_alarm; takes prevalence``."""
    needs, takes = ", ".join(required), ", ".join(optional)
    return (f"; needs {needs}" if needs else "") + (f"; takes {takes}" if takes else "")


def nearest(name: object, known: Iterable[str]) -> str | None:
    """Return the known name that a wrong one was probably meant to be."""
    close = get_close_matches(str(name).lower(), {k.lower(): k for k in known}, n=1)
    return next((k for k in known if k.lower() == close[0]), None) if close else None


def nearest_hint(name: object, known: Iterable[str]) -> str:
    """Return a sentence with the nearest known name, or with all of them."""
    names = tuple(known)
    close = nearest(name, names)
    return f"Did you mean {close!r}?" if close else f"Known: {', '.join(names)}."


def load_file(path: Path) -> ModuleType:
    """Run a Python file that the user named with ``--plugin`` and return it as a module.

    Its classes are then found as ``<stem>.<Class>``, also by class paths. A file is run once per process and
    content. This is code execution by the user's own wish; nothing else in this program does it.

    Raises
    ------
    InputError
        There is no such file, its name is that of another module, or running it raises.
    """
    where = f"--plugin {path}"
    path = Path(path).resolve()
    if path.suffix != ".py" or not path.is_file():
        raise InputError(where, path.name, "a Python file (.py)", "Correct the path.")
    if not path.stem.isidentifier():
        raise InputError(where, path.stem, "a file name that is a Python name", "Rename the file.")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    loaded = sys.modules.get(path.stem)
    if loaded is not None and getattr(loaded, "__plugin_sha256__", None) == digest:
        return loaded
    if loaded is not None and not hasattr(loaded, "__plugin_sha256__"):
        raise InputError(where, path.stem, "a name that no other module has", "Rename the file.")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None  # a .py file always has a loader
    module = importlib.util.module_from_spec(spec)
    module.__plugin_sha256__ = digest  # type: ignore[attr-defined]
    sys.modules[path.stem] = module
    try:
        with contextlib.redirect_stdout(sys.stderr):  # results only on standard output
            spec.loader.exec_module(module)
    except BaseException as error:
        sys.modules.pop(path.stem, None)
        if not isinstance(error, Exception):
            raise  # the user's interruption
        found = f"{type(error).__name__}: {error}"
        raise InputError(where + _line_in(error, path), found, "a file that runs", "Correct the plug-in.") from error
    return module


def _line_in(error: BaseException, path: Path) -> str:
    """Return ``, line N`` for the last line of `path` in the error's traceback."""
    if isinstance(error, SyntaxError):
        return f", line {error.lineno}"
    traceback, line = error.__traceback__, ""
    while traceback is not None:
        if traceback.tb_frame.f_code.co_filename == str(path):
            line = f", line {traceback.tb_lineno}"
        traceback = traceback.tb_next
    return line


def detectors_in(module: ModuleType) -> dict[str, str]:
    """Return the detectors that a plug-in file defines, as class paths with one line each."""
    return {
        f"{module.__name__}.{name}": _first_line(value)
        for name, value in vars(module).items()
        if inspect.isclass(value) and value.__module__ == module.__name__
        and callable(getattr(value, "fit", None)) and callable(getattr(value, "score", None))
    }  # fmt: skip
