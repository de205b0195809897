"""What every row says that rests on few objects."""

from __future__ import annotations

ROUGH = 10  # objects of a class below which no interval here was found to keep its level closely


def rough_below(n_good: int | None = None, n_defective: int | None = None) -> tuple[str, ...]:
    """Return the warning of fewer than 10 objects in a class that is judged; None: that class is not.

    Examples
    --------
    >>> rough_below(400, 9)
    ('fewer than 10 objects (9 defective): the interval is rough',)
    >>> rough_below(400, 60), rough_below(n_defective=0)
    ((), ())
    """
    counts = {"defective": n_defective, "good": n_good}
    few = [f"{n} {name}" for name, n in counts.items() if n is not None and 0 < n < ROUGH]
    return (f"fewer than {ROUGH} objects ({', '.join(few)}): the interval is rough",) if few else ()
