"""Wires everything: data sets, jobs, run folders and the command line; and the same for Python users."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bench.config import Config
    from bench.run_folder import Run

__all__ = ["load", "run"]


def run(config: str | Path | Mapping[str, Any] | Config, *, output: str | Path | None = None, **options: Any) -> Run:
    """Run a configuration as ``lab2factory run`` does, and return the stored run.

    Parameters
    ----------
    config
        A file, the same as a mapping, or a configuration.
    output
        The run folder; by default ``runs/<name>``.
    **options
        Fields of :class:`bench.runner.RunOptions`: ``workers``, ``devices``, ``backend``, ...

    Raises
    ------
    Lab2FactoryError
        Wrong input. A job that fails does not raise: see ``Run.jobs``.
    """
    from bench.config import Config, config_from_dict, load_config
    from bench.config_detectors import check_detectors
    from bench.run_folder import Run
    from bench.runner import RunOptions, run_config

    base = Path()
    if isinstance(config, Config):
        loaded = config
    elif isinstance(config, Mapping):
        loaded = config_from_dict(config)
    else:
        loaded, base = load_config(config), Path(config).parent
    check_detectors(loaded, plugins=options.get("plugins", ()))
    folder = Path("runs") / loaded.name if output is None else Path(output)
    run_config(loaded, RunOptions(output=folder, **{"base": base, "quiet": True, "live": False, **options}))
    return Run.load(folder)


def load(path: str | Path) -> Run:
    """Return a stored run: ``.results``, ``.comparisons``, ``.scores(detector, repeat)``, ``.report(directory)``.

    Raises
    ------
    InputError
        There is no run.
    """
    from bench.run_folder import Run

    return Run.load(path)
