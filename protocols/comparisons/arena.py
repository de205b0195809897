"""All detectors judged on the same repeats and the same draws of objects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from protocols.directions import judge_repeats
from protocols.errors import UndefinedError
from protocols.intervals.protocol_bootstrap import KEY, Judged, Key, Replicates, judged
from protocols.intervals.resampling import Resampling, Seed, resample_objects
from protocols.judging import Criterion
from protocols.partition import Split
from protocols.samples import SampleTable
from protocols.scores import ScoreTable

from .class_resolved import SMOOTH, Overlap, auroc_weight, overlap, rho_of, smooth_weight

Tables = Sequence[ScoreTable | None]
Positions = tuple[int, ...]


@dataclass(frozen=True)
class Arena:
    """Every detector on every repeat that it has scores of.

    Parameters
    ----------
    splits, samples
        The repeats, and the images with their objects.
    swap
        Whether values are means of both directions.
    repeats
        Label to position of the repeat to its partitions.
    found
        Label to every metric, in the order of the label's positions.
    resampling
        The draws behind the replicates; None: there are none.
    """

    splits: Sequence[Split]
    samples: SampleTable
    swap: bool
    repeats: Mapping[str, Mapping[int, Judged]]
    found: Mapping[str, Mapping[Key, Replicates]]
    resampling: Resampling | None
    _overlaps: dict[Positions, Overlap] = field(default_factory=dict)

    def values(self, label: str, key: Key, positions: Positions) -> Replicates:
        """Return a metric of a detector on these repeats, which it must have."""
        of_position = {j: i for i, j in enumerate(sorted(self.repeats[label]))}
        rows = [of_position[j] for j in positions]
        found = self.found[label][key]
        return Replicates(found.values[rows], found.replicates[rows])

    def common(self, a: str, b: str) -> tuple[Positions, tuple[str, ...]]:
        """Return the repeats that both have; under ``rotate`` those of whole runs, with a note on the others."""
        both = self.repeats[a].keys() & self.repeats[b].keys()
        lacking = {split.run for j, split in enumerate(self.splits) if j not in both} - {None}
        kept = tuple(j for j in sorted(both) if self.splits[j].run not in lacking)
        runs = ", ".join(str(run) for run in sorted(run for run in lacking if run is not None))
        return kept, (f"runs left out because a fold lacks scores: {runs}",) if lacking else ()

    def rho(self, a: str, b: str, key: Key, positions: Positions, correction: str) -> tuple[float | None, str]:
        """Return the correlation of the repeats and how to say it; None where the correction is refused, and why."""
        metric, weight = key[1], None
        found = self._overlap(positions)
        if found.anomalous < 1 and metric == "auroc":
            units_a, units_b = ([self.repeats[label][j].inference for j in positions] for label in (a, b))
            weight = auroc_weight(units_a, units_b)
        elif found.anomalous < 1 and metric in SMOOTH:
            rates = [
                self.values(label, (key[0], rate, key[2]), positions).values
                for label in (a, b)
                for rate in ("sensitivity", "overkill")
            ]
            weight = smooth_weight(metric, found, *rates)
        try:
            rho = rho_of(found, metric, weight, correction)
        except UndefinedError as error:
            return None, str(error).rstrip(".")
        return rho, f"rho {rho:.4g}"

    def _overlap(self, positions: Positions) -> Overlap:
        if positions not in self._overlaps:
            splits = [self.splits[j] for j in positions]
            ways = [way for s in splits for way in ((s, s.mirrored()) if self.swap else (s,))]
            self._overlaps[positions] = overlap(ways, self.samples)
        return self._overlaps[positions]


def make_arena(
    tables: Mapping[str, Tables],
    splits: Sequence[Split],
    samples: SampleTable,
    rules: Sequence[Criterion],
    *,
    level_of_analysis: str,
    object_score: str,
    object_policy: str,
    swap: bool,
    n_resamples: int,
    seed: Seed,
) -> Arena:
    """Judge every detector on all its repeats, and on the same draws of objects.

    Parameters
    ----------
    n_resamples
        0: no draws, values only.

    Raises
    ------
    UndefinedError
        An object has too few views for this object score.
    """
    options = {"level_of_analysis": level_of_analysis, "object_score": object_score, "object_policy": object_policy}
    repeats = {
        label: {
            j: judged(split, table, **options)
            for j, (split, table) in enumerate(zip(splits, each, strict=True))
            if table is not None
        }
        for label, each in tables.items()
    }
    parts = {j: r for of_label in repeats.values() for j, r in of_label.items()}
    units = [u for j in sorted(parts) for u in (parts[j].threshold, parts[j].inference)]
    resampling = resample_objects(units, n_resamples=n_resamples, seed=seed, key=KEY) if n_resamples else None
    found = {
        label: judge_repeats([each[j] for j in sorted(each)], resampling, rules, swap=swap)
        for label, each in repeats.items()
        if each
    }
    return Arena(splits, samples, swap, repeats, found, resampling)
