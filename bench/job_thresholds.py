"""The thresholds that a stored job gave at image level, chosen again on its own threshold partition."""

from __future__ import annotations

from bench.run_folder import Run
from protocols.errors import UndefinedError
from protocols.intervals.protocol_bootstrap import threshold_of
from protocols.three_way import ThreeWay


def job_thresholds(run: Run, category: str, detector: str, repeat: int) -> dict[str, float]:
    """Return the threshold by rule; NaN where a rule gives none, nothing where the job or the protocol is not there.

    The result tables hold them too, but for ``swap``, where a value has two.
    """
    protocol = run.protocols.get("three_way")
    table = run.table(category, detector, "three_way", repeat) if isinstance(protocol, ThreeWay) else None
    if table is None or not isinstance(protocol, ThreeWay):
        return {}
    split = next(s for s in run.splits(category, "three_way") if s.repeat == repeat)
    try:
        judged = protocol.judged(split, table)
    except UndefinedError:
        return {}
    return {criterion.name: threshold_of(judged, criterion).value for criterion in protocol.criteria}
