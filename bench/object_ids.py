"""Object ids from file names, for data sets whose names hold them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePosixPath

from protocols.errors import InputError

_KIND = r"(?:_(?P<kind>defect|mask|fg|blank))?"
# A version-4 UUID, a hyphen and the number of the view: the names of the G-link photographs.
GLINK = re.compile(
    r"^(?P<object>[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})-(?P<view>\d{1,6})" + _KIND + "$",
    re.IGNORECASE,
)
# Never chosen by `auto`: MVTec's `000.png` and MTD's `exp1_num_108719` would be grouped by guesses.
GENERIC = re.compile(r"^(?P<object>.+?)[-_](?:v|view)?(?P<view>\d{1,6})" + _KIND + "$", re.IGNORECASE)
SHORTCUTS = {"generic": GENERIC, "glink": GLINK}


@dataclass(frozen=True)
class ObjectName:
    """What a file name says: the object, and the view without leading zeros (empty: not named)."""

    object_id: str
    view: str


def parse(name: str, pattern: re.Pattern[str]) -> ObjectName | None:
    """Return what a pattern finds in a name, or None if it does not match.

    Examples
    --------
    >>> parse("link-0007-013", GENERIC)
    ObjectName(object_id='link-0007', view='13')
    """
    found = pattern.search(name)
    if found is None or not found.group("object"):
        return None
    view = found.group("view") or "" if "view" in pattern.groupindex else ""
    name = found.group("object")
    # UUIDs differ in case only by who wrote them.
    return ObjectName(name.lower() if pattern is GLINK else name, str(int(view)) if view.isdecimal() else view)


def objects_from(paths: Iterable[str], object_from: str) -> dict[str, ObjectName]:
    """Return object and view of every relative path.

    Parameters
    ----------
    paths
        Relative paths with ``/``.
    object_from
        A regular expression with a group ``object`` and perhaps ``view``, searched in the relative path; or
        ``generic`` or ``glink``, which are matched against the file's stem.

    Raises
    ------
    InputError
        The expression is wrong (code ``ObjectFromWrong``), or a path does not match (``ObjectFromNoMatch``).
    """
    pattern = SHORTCUTS.get(object_from) or compiled(object_from)
    names: dict[str, ObjectName] = {}
    unmatched: list[str] = []
    for path in paths:
        name = parse(PurePosixPath(path).stem if object_from in SHORTCUTS else path, pattern)
        if name is None:
            unmatched.append(path)
        else:
            names[path] = name
    if unmatched:
        raise InputError(
            f"object_from {object_from!r}",
            f"{len(unmatched)} paths without a match, the first: {unmatched[:5]}",
            "a match in every relative path",
            "Correct the expression, or give object ids in a manifest.",
            "ObjectFromNoMatch",
        )
    return names


def compiled(object_from: str) -> re.Pattern[str]:
    """Compile a user's expression and check that it names its groups."""
    try:
        pattern = re.compile(object_from)
    except re.error as error:
        raise InputError(
            "object_from", object_from, "a regular expression", f"It does not compile: {error}.", "ObjectFromWrong"
        ) from error
    if "object" not in pattern.groupindex:
        raise InputError(
            "object_from",
            object_from,
            f"a group (?P<object>…), or one of {sorted(SHORTCUTS)}",
            "Put the part of the path that names the object into such a group.",
            "ObjectFromWrong",
        )
    return pattern
