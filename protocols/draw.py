"""Draw: permutations that come from SHA-256 of the ids, not from a library's shuffle.

The same ids give the same order in any version of any library, whatever the order of the rows.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Draw:
    """The deterministic permutations of one attempt at one repeat.

    ``key(role, id)`` is the SHA-256 of ``v1|seed|repeat|attempt|role|id`` in lowercase hex; ids are ordered by it.

    Examples
    --------
    >>> Draw(42, 0, 0).order(["o1", "o2", "o3", "o4", "o5", "o6"], "A")
    ['o6', 'o3', 'o4', 'o2', 'o1', 'o5']
    """

    seed: int
    repeat: int
    attempt: int = 0

    def key(self, role: str, name: str) -> str:
        """Return the key by which ``name`` is ordered."""
        return hashlib.sha256(f"v1|{self.seed}|{self.repeat}|{self.attempt}|{role}|{name}".encode()).hexdigest()

    def order(self, names: Iterable[str], role: str) -> list[str]:
        """Return the names in their drawn order."""
        return sorted(names, key=lambda name: (self.key(role, name), name))

    def coin(self, name: str) -> int:
        """Return 0 or 1: the last bit of the digest of role ``coin``."""
        return int(self.key("coin", name)[-1], 16) & 1
