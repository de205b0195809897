"""Find plug-ins by name: built-in tables first, then entry points; listing imports nothing."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from difflib import get_close_matches
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from protocols.errors import InputError, MissingExtraError

BUILTIN: dict[str, str] = {
    "csflow": "detectors.csflow:CSFlow",
    "glass": "detectors.glass:GLASS",
    "knn": "detectors.knn:KNN",
    "pixel_stats": "detectors.pixel_stats:PixelStats",
}
DESCRIPTIONS: dict[str, str] = {
    "csflow": "normalising flow over frozen features at three image scales (Rudolph et al. 2022)",
    "glass": "patch discriminator with synthesised anomalies (Chen et al. 2024)",
    "knn": "distance to the nearest nominal patch features, with an optional coreset",
    "pixel_stats": "distance in simple pixel statistics; no training, no torch: shows when a task is trivial",
}
EXTRA_OF = {"torch": "train", "torchvision": "train", "timm": "train", "safetensors": "train"}


def known_plugins(kind: str, builtin: Mapping[str, str]) -> dict[str, EntryPoint]:
    """Return all plug-ins of a kind by name, without importing any.

    Parameters
    ----------
    kind
        Singular: ``detector``, ``threshold``, ``layout``, ``protocol``, ``report``, ``executor``.
    builtin
        Our own, as ``"name": "module:object"``.

    Raises
    ------
    InputError
        Two packages offer the same name.
    """
    group = f"lab2factory.{kind}s"
    known = {name: EntryPoint(name, target, group) for name, target in builtin.items()}
    for point in entry_points(group=group):
        if known.setdefault(point.name, point) != point:
            raise InputError(f"{kind} {point.name!r}", point.value,
                             f"a name other than that of {known[point.name].value}", "Rename the plug-in.")  # fmt: skip
    return known


def load_plugin(kind: str, name: str, builtin: Mapping[str, str]) -> Any:
    """Import the plug-in called `name`; nothing else is imported.

    Raises
    ------
    InputError
        No plug-in has this name; the nearest names are shown.
    MissingExtraError
        It needs a package of an extra that is not installed.
    """
    known = known_plugins(kind, builtin)
    if name not in known:
        close = get_close_matches(name, known) or sorted(known)
        see = "`lab2factory run --help`" if kind == "executor" else f"`lab2factory ls {kind}s`"
        raise InputError(kind, name, f"one of {close}", f"See {see}.")
    try:
        return known[name].load()
    except ModuleNotFoundError as error:
        extra = EXTRA_OF.get((error.name or "").split(".")[0])
        if extra is None:
            raise
        raise MissingExtraError(f"The {kind} {name!r}", extra) from error


def create(name: str, *, preset: str | None = None, **init_args: object) -> Any:
    """Make a detector by name.

    Parameters
    ----------
    name
        A name of ``lab2factory ls detectors``.
    preset
        ``paper``, ``small`` or ``tiny``: a set of constructor arguments.
    **init_args
        Constructor arguments; they win over the preset.

    Raises
    ------
    InputError
        Unknown name, preset or argument.
    """
    return build(load_plugin("detector", name, BUILTIN), name, preset, init_args)


def build(cls: Any, name: str, preset: str | None, init_args: Mapping[str, object]) -> Any:
    """Make a detector of a class, from a preset and arguments that win over it."""
    return cls(**resolve_arguments(cls, name, preset, init_args))


def resolve_arguments(cls: Any, name: str, preset: str | None, init_args: Mapping[str, object]) -> dict[str, object]:
    """Return the full constructor arguments: defaults, then the preset, then `init_args`.

    Raises
    ------
    InputError
        The class has no such preset, or does not take an argument.
    """
    presets: Mapping[str, Mapping[str, object]] = getattr(cls, "presets", {})
    if preset is not None and preset not in presets:
        raise InputError(f"detector {name!r}, preset", preset, f"one of {sorted(presets)}", "Correct the preset.")
    parameters = {
        p.name: p.default
        for p in inspect.signature(cls).parameters.values()
        if p.kind in (p.KEYWORD_ONLY, p.POSITIONAL_OR_KEYWORD)
    }
    for argument in init_args:
        if argument not in parameters:
            close = get_close_matches(argument, parameters) or sorted(parameters)
            raise InputError(f"detector {name!r}, init_args.{argument}", argument, f"one of {close}",
                             "Correct the name of the argument.")  # fmt: skip
    given = {**(presets[preset] if preset is not None else {}), **init_args}
    return {k: given.get(k, v) for k, v in parameters.items() if k in given or v is not inspect.Parameter.empty}
