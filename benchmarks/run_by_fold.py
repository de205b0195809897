"""How often do tests on repeated cross-validation reject, and how replicable is that, against the published figures?

Fixed learners: 300 independent normal differences a data set, 10 runs of 10 folds, fold values the means of their
objects. Six experiments on each data set, fresh folds in each, give its replicability. The reference is a simulation of
400 data sets; beside each of its figures stands ours with the Monte Carlo error of the difference of the two. Rows of
the reference come from the same 400 data sets, so that their errors go the same way. Where a single run is used the
rejection rate is known exactly (noncentral t, binomial), and ours is held against that as well.
"""

import platform
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from protocols.comparisons.calibrated_df import fixed_learner_folds
from protocols.comparisons.ranks import signed_ranks
from protocols.comparisons.run_by_fold import scheme_sample, t_tests
from protocols.comparisons.signs import sign_counts

N, RUNS, FOLDS, EXPERIMENTS, ALPHA = 300, 10, 10, 6, 0.05
DELTAS = (0.0, 0.08, 0.16)
REFERENCE_DATASETS = 400
BLOCK = 200  # data sets at a time: 3.6 million shuffled values, 29 MB
Floats = NDArray[np.float64]
P = Callable[[Floats], Floats]


@dataclass(frozen=True)
class Row:
    """A scheme with a test, and its published rejection rate and replicability at each of DELTAS (None: no figure)."""

    name: str
    scheme: str
    p_values: P
    rejected: tuple[float, float, float]
    replicable: tuple[float | None, float | None, float | None]


def t(sample: Floats) -> Floats:
    return t_tests(sample, tolerance=TOLERANCE).p_value


def t_calibrated(sample: Floats) -> Floats:
    return t_tests(sample, df=10).p_value


def t_corrected(sample: Floats) -> Floats:
    return t_tests(sample, factor=1 / (RUNS * FOLDS) + 1 / (FOLDS - 1)).p_value


def sign(sample: Floats) -> Floats:
    return sign_counts(sample).p_value


def wilcoxon(sample: Floats) -> Floats:
    return signed_ranks(sample, tolerance=TOLERANCE).p_value


TOLERANCE = 1e-12  # values are of the order of 1
NONE = (None, None, None)
ROWS = (
    Row("kfold t", "kfold", t, (0.035, 0.270, 0.715), (0.959, 0.845, 0.804)),
    Row("kfold sign", "kfold", sign, (0.017, 0.136, 0.402), (0.971, 0.832, 0.651)),
    Row("kfold wilcoxon", "kfold", wilcoxon, (0.037, 0.257, 0.690), (0.952, 0.833, 0.785)),
    Row("use_all t, uncorrected", "use_all", t, (0.556, 0.858, 0.989), (0.968, 0.979, 0.999)),
    Row("use_all t, df=10 with sqrt(11)", "use_all", t_calibrated, (0.038, 0.305, 0.817), (0.992, 0.953, 0.958)),
    Row("use_all, 6.2 correction", "use_all", t_corrected, (0.036, 0.288, 0.798), (0.989, 0.952, 0.951)),
    Row("avg_folds t", "avg_folds", t, (1.0, 1.0, 1.0), NONE),
    Row("avg_folds sign", "avg_folds", sign, (1.0, 1.0, 1.0), NONE),
    Row("avg_folds wilcoxon", "avg_folds", wilcoxon, (1.0, 1.0, 1.0), NONE),
    Row("avg_runs t", "avg_runs", t, (0.507, 0.820, 0.984), (0.892, 0.934, 0.990)),
    Row("sorted_runs t", "sorted_runs", t, (0.034, 0.271, 0.784), (0.989, 0.947, 0.950)),
    Row("sorted_runs sign", "sorted_runs", sign, (0.003, 0.069, 0.331), (0.998, 0.950, 0.853)),
    Row("sorted_runs wilcoxon", "sorted_runs", wilcoxon, (0.028, 0.264, 0.765), (0.987, 0.941, 0.926)),
)


@dataclass(frozen=True)
class Found:
    """A rate over data sets: its mean and the standard deviation of one data set's."""

    value: float
    sd: float
    n_datasets: int

    @classmethod
    def of(cls, per_dataset: Floats) -> "Found":
        return cls(float(per_dataset.mean()), float(per_dataset.std(ddof=1)), len(per_dataset))

    def error_against(self, n_datasets: int) -> float:
        """Standard error of our value minus one from so many data sets, which is printed to three digits.

        Where no data set disagreed, as if one of each simulation had.
        """
        sd = max(self.sd, np.sqrt(1 / self.n_datasets))
        return float(np.hypot(sd * np.sqrt(1 / self.n_datasets + 1 / n_datasets), 0.0005))


def simulate(delta: float, n_datasets: int, seed: int) -> dict[str, tuple[Found, Found]]:
    """Return the rejection rate and the replicability of each row of ROWS.

    A constant sample that is not 0, where the t test has no p value, counts as a rejection, as in the reference.
    """
    rng = np.random.default_rng(seed)
    rejected: dict[str, list[NDArray[np.int64]]] = {row.name: [] for row in ROWS}
    for start in range(0, n_datasets, BLOCK):
        values = rng.normal(delta, 1, (min(BLOCK, n_datasets - start), 1, N))
        x = fixed_learner_folds(np.repeat(values, EXPERIMENTS, axis=1), RUNS, FOLDS, rng)
        samples = {scheme: scheme_sample(x, scheme) for scheme in {row.scheme for row in ROWS}}
        for row in ROWS:
            p = row.p_values(samples[row.scheme])  # (data sets, experiments)
            rejected[row.name].append((~(p >= ALPHA)).sum(axis=1))
    found = {}
    for name, counts in rejected.items():
        q = np.concatenate(counts).astype(float)
        pairs = q * (q - 1) + (EXPERIMENTS - q) * (EXPERIMENTS - q - 1)
        found[name] = Found.of(q / EXPERIMENTS), Found.of(pairs / (EXPERIMENTS * (EXPERIMENTS - 1)))
    return found


def deviations(delta: float, found: dict[str, tuple[Found, Found]]) -> list[tuple[str, str, float, Found, float]]:
    """Return row, quantity, published figure, ours, and their difference in standard errors."""
    place = DELTAS.index(delta)
    out = []
    for row in ROWS:
        for what, published, ours in zip(
            ("rejected", "replicable"), (row.rejected[place], row.replicable[place]), found[row.name], strict=True
        ):
            if published is not None:
                z = (ours.value - published) / ours.error_against(REFERENCE_DATASETS)
                out.append((row.name, what, published, ours, z))
    return out


def exact_rates(delta: float) -> dict[str, float]:
    """Return the true rejection rates of one run: its folds are independent normal values."""
    from scipy import stats

    mean = delta * np.sqrt(N / FOLDS)  # of a fold, in standard deviations of a fold
    critical, shift = stats.t.ppf(1 - ALPHA / 2, FOLDS - 1), mean * np.sqrt(FOLDS)
    by_t = stats.nct.sf(critical, FOLDS - 1, shift) + stats.nct.cdf(-critical, FOLDS - 1, shift)
    wins = np.arange(FOLDS + 1)
    rejects = sign(np.where(wins[:, None] > np.arange(FOLDS), 1.0, -1.0)) < ALPHA
    return {"kfold t": float(by_t), "kfold sign": float(stats.binom.pmf(wins, FOLDS, stats.norm.cdf(mean)) @ rejects)}


def show(n_datasets: int = 4000, seed: int = 20240601) -> None:
    print("How often do tests on repeated cross-validation reject, and how replicable is that?")
    print(f"{RUNS} runs of {FOLDS} folds, {N} objects, {n_datasets:,} data sets of {EXPERIMENTS} experiments")
    print(f"reference: {REFERENCE_DATASETS} data sets; Python {platform.python_version()}, numpy {np.__version__}")
    largest = 0.0
    for delta in DELTAS:
        started = time.process_time()
        found = simulate(delta, n_datasets, seed)
        print(f"\ndelta {delta:g} ({time.process_time() - started:.0f} s)")
        print(f"  {'':32}{'quantity':>11}{'reference':>11}{'ours':>8}{'+-':>8}{'z':>7}")
        for name, what, published, ours, z in deviations(delta, found):
            error = ours.error_against(REFERENCE_DATASETS)
            print(f"  {name:32}{what:>11}{published:11.3f}{ours.value:8.3f}{error:8.3f}{z:7.1f}")
            largest = max(largest, abs(z))
        for name, rate in exact_rates(delta).items():
            ours = found[name][0]
            error = ours.sd / np.sqrt(n_datasets)
            print(
                f"  {name:32}{'exactly':>11}{rate:11.3f}{ours.value:8.3f}{error:8.3f}{(ours.value - rate) / error:7.1f}"
            )
    print(f"\n+- is the standard error of the difference; the largest difference is {largest:.1f} of them")


if __name__ == "__main__":
    show()
