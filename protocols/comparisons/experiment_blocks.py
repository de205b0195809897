"""Replicability of a comparison: the primary test on each block of repeats alone."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from protocols.errors import InputError

from .arena import Arena, Positions
from .primary_test import Primary
from .replication import CAVEAT, CONDITIONAL, p_value_replicability, replicability


@dataclass(frozen=True)
class Block:
    """One whole experiment: repeats of an arena."""

    arena: Arena
    positions: Positions


@dataclass(frozen=True)
class Replication:
    """The three numbers of ``comparisons.csv``, and what to say of them."""

    value: float = math.nan
    low: float = math.nan
    high: float = math.nan
    notes: tuple[str, ...] = ()


def fresh_blocks(arena: Arena, blocks: int) -> list[Block]:
    """Return the blocks of trained repeats: equal shares of the splits, in their order.

    Raises
    ------
    InputError
        The splits cannot be shared out.
    """
    n = len(arena.splits)
    if blocks < 1 or n % blocks:
        raise InputError("blocks", blocks, f"a divisor of the number of splits, {n}", "Give the blocks planned.")
    each = n // blocks
    return [Block(arena, tuple(range(b * each, (b + 1) * each))) for b in range(blocks)]


def replication(
    blocks: Sequence[Block],
    a: str,
    b: str,
    test: Callable[[Arena, Positions], Primary | None],
    *,
    level: float,
    conditional: bool,
) -> Replication:
    """Return how often two blocks come to the same outcome: a better, nothing shown, or b better.

    Parameters
    ----------
    blocks
        The experiments; one lacking a repeat of either detector is left out.
    a, b
        Labels.
    test
        The primary test on some repeats; None: it cannot be done.
    level
        Each block rejects at 1 - level, without adjustment.
    conditional
        Whether the blocks share their trainings.
    """
    outcomes, p_values, incomplete, untested = [], [], 0, 0
    for block in blocks:
        if block.arena.common(a, b)[0] and set(block.positions) <= set(block.arena.common(a, b)[0]):
            found = test(block.arena, block.positions)
            outcome = None if found is None else found.outcome(level)
            if found is None or outcome is None:
                untested += 1
            else:
                outcomes.append(outcome)
                p_values.append(found.result.p_value)
        else:
            incomplete += 1
    left_out = []
    if incomplete:
        left_out.append(f"{incomplete} blocks lack a repeat and are left out")
    if untested:
        left_out.append(f"{untested} blocks have no p value and are left out")
    if len(outcomes) < 2:
        return Replication(notes=(f"replicability needs two whole experiments; got {len(outcomes)}", *left_out))
    r = replicability(outcomes, level=level, directions=True)  # b could be found better even where it never was
    size = len(blocks[0].positions)
    notes = (
        f"replicability of {r.n} experiments of {size} repeats each: rejection rate {r.rejection_rate:.4g}, p-value "
        f"version {p_value_replicability(p_values):.4g}",
        *((CONDITIONAL,) if conditional else ()),
        *left_out,
        *r.notes,
        CAVEAT.rstrip("."),
    )
    return Replication(r.value, r.low, r.high, notes)
