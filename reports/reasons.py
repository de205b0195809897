"""Why an estimate is undefined or doubtful: its stored notes without the figures that only describe it."""

from __future__ import annotations

import re

from protocols.results import Estimate

# Notes that say how a value was made, or where its parts are; everything else may be a reason.
_DESCRIPTION = re.compile(
    r"per repeat: |SE_|S_J|plain bootstrap|bias of the bootstrap|naive [\d.]|ungrouped [\d.]|object score: |"
    r"one naive training|one repeat: |best of \d+ checkpoints|leaking: |"
    r"grouping=|\d+ nominal images of defective objects|design effect"
)
DOUBTFUL = "†"


def reasons(estimate: Estimate) -> tuple[str, ...]:
    """Return what is wrong with an estimate, as sentences without full stop; nothing where all is well."""
    if estimate.status not in {"undefined", "degenerate"}:
        return ()
    pieces = [p for note in estimate.notes for p in note.split("; ") if p and not _DESCRIPTION.match(p)]
    return tuple(dict.fromkeys(pieces))


def is_doubtful(estimate: Estimate) -> bool:
    """Return whether an estimate exists but is to be marked with a dagger."""
    return estimate.status == "degenerate"
