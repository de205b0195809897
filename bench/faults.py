"""Many faults at once: the first of each kind, then a count, so that one run shows all there is to mend."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from protocols.errors import InputError

SHOWN = 5  # of each kind


class InputFaults(InputError):
    """All that is wrong with an input.

    Parameters
    ----------
    faults
        Every fault, in the order found; those beyond the first five of a kind are counted.

    Attributes
    ----------
    faults : tuple of InputError
        What to show, one line each.
    n_faults : int
        How many there are in all.
    """

    def __init__(self, faults: Iterable[InputError]) -> None:
        found = tuple(faults)
        where, seen, expected, fix = found[0].args[:4]
        super().__init__(where, seen, expected, fix, found[0].code)
        self._all = found
        self.faults = shown(found)
        self.n_faults = len(found)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self._all,)

    def __str__(self) -> str:
        return "\n".join(str(fault) for fault in self.faults)


def shown(faults: tuple[InputError, ...]) -> tuple[InputError, ...]:
    """Return the first five faults of each kind (by ``code``), each kind followed by the count of the rest."""
    kinds: dict[str, list[InputError]] = {}
    for fault in faults:
        kinds.setdefault(fault.code, []).append(fault)
    lines: list[InputError] = []
    for code, of_kind in kinds.items():
        lines += of_kind[:SHOWN]
        rest = len(of_kind) - SHOWN
        if rest > 0:
            where, _, expected, fix = of_kind[0].args[:4]
            lines.append(InputError("and so on", f"{rest} more of this kind ({code})", expected, fix, code))
    return tuple(lines)


def raise_faults(faults: Iterable[InputError]) -> None:
    """Raise what was found: nothing, the one fault, or all of them together.

    Raises
    ------
    InputError
        The fault, if there is one; :class:`InputFaults`, if there are more.
    """
    found = tuple(faults)
    if len(found) == 1:
        raise found[0]
    if found:
        raise InputFaults(found)
