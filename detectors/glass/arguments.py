"""Check the constructor's arguments, naming the one that is wrong."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from protocols.errors import InputError

from .perlin import check_size
from .pictures import RESIZE

CHOICES: Mapping[str, tuple[str, ...]] = {
    "resize": RESIZE,
    "distribution": ("manifold", "hypersphere", "judge"),
    "score": ("probability", "logit"),
}
AT_LEAST_1 = ("patch_size", "pre_dim", "target_dim", "dsc_hidden", "batch_size", "meta_epochs")
AT_LEAST_0 = ("pre_proj", "ascent_steps", "limit", "eval_epochs")
POSITIVE = ("lr", "manifold_radius")
NOT_NEGATIVE = ("noise_std", "step_length", "smoothing")
LEVELS = ("radius", "p")
SWITCHES = ("mining", "fg", "rand_aug")


def check_arguments(arguments: Mapping[str, Any]) -> None:
    """Raise at the first argument that cannot work.

    Raises
    ------
    InputError
        Names the argument as ``detector 'glass', init_args.NAME``.
    """

    def require(name: str, holds: bool, expected: str) -> None:
        if not holds:
            raise InputError(where(name), arguments[name], expected, "Correct the argument.")

    check_size(arguments["imagesize"], where("imagesize"))
    for name, allowed in CHOICES.items():
        require(name, arguments[name] in allowed, f"one of {list(allowed)}")
    for name in AT_LEAST_1:
        require(name, is_integer(arguments[name]) and arguments[name] >= 1, "a whole number of at least 1")
    for name in AT_LEAST_0:
        require(name, is_integer(arguments[name]) and arguments[name] >= 0, "a whole number of at least 0")
    for name in POSITIVE:
        require(name, is_number(arguments[name]) and arguments[name] > 0, "a number above 0")
    for name in NOT_NEGATIVE:
        require(name, is_number(arguments[name]) and arguments[name] >= 0, "a number of at least 0")
    for name in LEVELS:
        require(name, is_number(arguments[name]) and 0 <= arguments[name] <= 1, "a quantile level from 0 to 1")
    for name in SWITCHES:
        require(name, isinstance(arguments[name], bool), "true or false")
    require("patch_size", arguments["patch_size"] % 2 == 1, "an odd number")
    require("dsc_layers", is_integer(arguments["dsc_layers"]) and arguments["dsc_layers"] >= 2,
            "a whole number of at least 2")  # fmt: skip


def where(name: str) -> str:
    """Return how an error names an argument."""
    return f"detector 'glass', init_args.{name}"


def is_integer(value: object) -> bool:
    """Whether this is a whole number and not a bool."""
    return isinstance(value, int) and not isinstance(value, bool)


def is_number(value: object) -> bool:
    """Whether this is a finite number and not a bool."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < float("inf")
