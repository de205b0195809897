"""Whether the detectors of a configuration exist and take their arguments: the check that imports classes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from bench.config import Config, DetectorConfig
from bench.config_faults import raise_all
from bench.yaml_lines import Document
from bench.yaml_lines import Path as KeyPath
from protocols.errors import InputError, Lab2FactoryError


def check_detectors(config: Config, *, plugins: Sequence[Path] = (), document: Document | None = None) -> None:
    """Import every detector's class and make it once, without weights being looked for.

    Parameters
    ----------
    config
        The configuration.
    plugins
        Python files that the user named; they are executed first.
    document
        Where the configuration was read, so that faults name file and line.

    Raises
    ------
    InputError
        A class path does not import or is not a detector, a preset or an argument is unknown, or the class refuses a
        value; all faults together if there are several.
    """
    places = document or Document(None, "configuration", {})
    faults = []
    for index, entry in enumerate(config.detectors):
        if entry.scores is None:
            try:
                _make(entry, tuple(plugins))
            except InputError as error:
                where, found, expected, fix, code = error.args
                if where.startswith("--plugin"):
                    raise
                path = _path(where, index, entry)
                faults.append(InputError(places.where(path), found, expected, fix, code))
    if faults:
        raise_all(faults)


def _make(entry: DetectorConfig, plugins: tuple[Path, ...]) -> None:
    from bench.detector_specs import find_class
    from detectors.registry import resolve_arguments

    name = entry.name or entry.class_path or ""
    try:
        cls = find_class(name, plugins)
    except Lab2FactoryError:
        raise
    except Exception as error:  # whatever the user's module does while it is imported
        raise InputError("class_path", name, f"a module that imports ({type(error).__name__}: {error})",
                         "Correct the module.") from error  # fmt: skip
    arguments = resolve_arguments(cls, name, entry.preset, entry.init_args)
    try:
        cls(**arguments)
    except Lab2FactoryError:
        raise
    except Exception as error:  # whatever the class says about its arguments
        raise InputError("init_args", str(error), f"arguments that {name} takes", "Correct init_args.") from error


def _path(where: str, index: int, entry: DetectorConfig) -> KeyPath:
    """Return the key that a fault is about, from the words of whoever found it."""
    if "init_args" in where:
        argument = where.partition("init_args.")[2]
        return ("detectors", index, "init_args", *([argument] if argument else []))
    if where.endswith(", preset"):
        return ("detectors", index, "preset")
    return ("detectors", index, "class_path" if entry.class_path else "name")
