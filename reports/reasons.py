"""Why an estimate is undefined or doubtful: its stored notes without the figures that only describe it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from protocols.results import Estimate

# Notes that say how a value was made, or where its parts are; everything else may be a reason.
_DESCRIPTION = re.compile(
    r"per repeat: |SE_|S_J|plain bootstrap|bias of the bootstrap|naive [\d.]|ungrouped [\d.]|object score: |"
    r"one naive training|threshold chosen on |one repeat: |best of \d+ checkpoints|leaking: |"
    r"grouping=|\d+ nominal images of defective objects|design effect|"
    r"swap: |thresholds of both directions: |of one direction only|nominal test d|pooling not supported|"
    r"pooling of nominal |chance level |the bound is that of perfect agreement"
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


_NUMBER = re.compile(r"\d+(?:\.\d+)?")


def merged(sentences: Iterable[str]) -> tuple[str, ...]:
    """Return sentences that differ in their figures only as one, with the range of each figure.

    Examples
    --------
    >>> merged(["5.3% of the replicates", "65.8% of the replicates", "undefined in 1 of 5 repeats"])
    ('5.3 to 65.8% of the replicates', 'undefined in 1 of 5 repeats')
    """
    alike: dict[tuple[str, ...], list[list[str]]] = {}
    for sentence in dict.fromkeys(sentences):
        alike.setdefault(tuple(_NUMBER.split(sentence)), []).append(_NUMBER.findall(sentence))
    found = []
    for words, figures in alike.items():
        ranges = [*(_range(column) for column in zip(*figures, strict=True)), ""]
        found.append("".join(word + figure for word, figure in zip(words, ranges, strict=True)))
    return tuple(found)


def _range(figures: Sequence[str]) -> str:
    low, high = min(figures, key=float), max(figures, key=float)
    return low if float(low) == float(high) else f"{low} to {high}"
