"""The rows of the table of `statistics.py`: each with its sizes, its peer and its target."""

import os
import platform
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from protocols import (
    SampleTable,
    ScoreTable,
    aupro,
    aupro_streamed,
    auroc,
    bootstrap_interval,
    delong_test,
    grouped_three_way,
    protocol_bootstrap,
)
from protocols.intervals.draws import draw_objects, generator, ordered_objects
from protocols.intervals.object_auroc import ObjectAuroc
from support.measure import MIB, digits, in_fresh_process, memory_growth
from support.statistics_peers import (
    auroc_by_ranks,
    bare_clustered_auroc,
    bare_clustered_bootstrap,
    bare_paired_delong,
    loop_over_sklearn,
    scipy_bootstrap,
)

GIB = 2**30
LOOPED = 200  # replicates of the loop; it is linear in their number


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    question: str
    sizes: str
    ours: str
    peer: str
    ratio: str
    target: str
    met: bool

    def __str__(self) -> str:
        cells = (self.question, self.sizes, self.ours, self.peer, self.ratio, self.target, "yes" if self.met else "NO")
        return "| " + " | ".join(cells) + " |"


def best(functions: list[Callable[[], object]], rounds: int) -> list[float]:
    """Return the shortest processor time of each function, taking turns; the first call of each does not count."""
    seconds = [np.inf] * len(functions)
    for k in range(rounds + 1):
        for i, function in enumerate(functions):
            started = time.process_time()
            function()
            if k:
                seconds[i] = min(seconds[i], time.process_time() - started)
    return [float(s) for s in seconds]


def must_agree(what: str, difference: float, tolerance: float) -> None:
    """Stop where both sides do not compute the same: a ratio would mean nothing."""
    if not abs(difference) <= tolerance:
        raise SystemExit(f"error: {what} differ by {difference:.3g}, more than {tolerance:.0e}")


def shown(seconds: float) -> str:
    """Write a time."""
    return f"{1000 * seconds:,.1f} ms" if seconds < 1 else f"{seconds:,.2f} s"


def at_least(question: str, sizes: str, ours: float, peer: tuple[str, float], target: float) -> Row:
    """Return the row of a peer that takes at least so many times as long."""
    ratio = peer[1] / ours
    return Row(
        question, sizes, shown(ours), f"{peer[0]}: {shown(peer[1])}", digits(ratio), f">= {target:g}", ratio >= target
    )


def at_most(question: str, sizes: str, ours: float, peer: tuple[str, float], target: float) -> Row:
    """Return the row of a formulation that we take at most so many times as long as."""
    ratio = ours / peer[1]
    what = f"ours / peer {digits(ratio)}"
    return Row(question, sizes, shown(ours), f"{peer[0]}: {shown(peer[1])}", what, f"<= {target:g}", ratio <= target)


def clustered(n_resamples: int = 10_000) -> Iterator[Row]:
    """Compare the bootstrap of 500 + 2,000 images in 50 objects with a loop and with bare NumPy."""
    rng = np.random.default_rng(0)
    objects = np.repeat(np.arange(50), 50)
    labels = (objects < 10).astype(np.int64)
    scores = rng.normal(size=50)[objects] + rng.normal(size=2500) + 1.5 * labels
    question, sizes = (
        "object-clustered bootstrap of AUROC",
        f"B = {n_resamples:,}, 500 + 2,000 images, 50 views an object",
    )

    # The resamples that the interval is made of, for the peers to judge.
    defective, index = ordered_objects(labels, scores, objects)
    weights = draw_objects(defective, n_resamples, generator(0, "auroc"))
    ours = ObjectAuroc(labels, scores, index, len(defective)).values(weights)
    loop = loop_over_sklearn(labels, scores, weights[:LOOPED, index])
    must_agree(
        "AUROCs of ours and of scikit-learn on the same resamples", float(np.abs(ours[:LOOPED] - loop).max()), 1e-12
    )
    bare = bare_clustered_auroc(labels, scores, index, weights)
    must_agree("AUROCs of ours and of bare NumPy on the same resamples", float(np.abs(ours - bare).max()), 1e-12)
    estimate = bootstrap_interval(labels, scores, objects=objects, method="percentile", n_resamples=n_resamples)
    must_agree("lower limits", estimate.low - float(np.quantile(bare, 0.025)), 1e-12)

    def interval() -> None:
        bootstrap_interval(labels, scores, objects=objects, method="percentile", n_resamples=n_resamples)

    seconds = best([interval, lambda: bare_clustered_bootstrap(labels, scores, index, n_resamples, rng)], 5)
    looped = best([lambda: loop_over_sklearn(labels, scores, weights[:LOOPED, index])], 1)[0] * n_resamples / LOOPED
    name = f"scikit-learn {version('scikit-learn')}, loop over `roc_auc_score` ({LOOPED} replicates, scaled)"
    yield at_least(question, sizes, seconds[0], (name, looped), 100)
    yield at_most("the same", sizes, seconds[0], ("bare NumPy, draws and weights times pairs", seconds[1]), 3)


def unclustered(n_resamples: int = 2000) -> Iterator[Row]:
    """Compare the bootstrap of single images with SciPy's, vectorised, in batches that stay in memory."""
    for n_anomalous, n_nominal, batch, rounds, methods in (
        (100, 100, None, 40, ("percentile", "bca")),
        (500, 2000, 500, 3, ("percentile", "bca")),
        (5000, 20_000, 50, 1, ("percentile",)),
    ):
        rng = np.random.default_rng(1)
        x, y = rng.normal(size=n_anomalous) + 1, rng.normal(size=n_nominal)
        labels, scores = np.repeat([1, 0], [n_anomalous, n_nominal]), np.concatenate([x, y])
        must_agree("AUROCs", float(auroc_by_ranks(x, y)) - auroc(labels, scores), 1e-12)
        for method in methods:

            def ours(labels: Any = labels, scores: Any = scores, method: str = method) -> Any:
                return bootstrap_interval(labels, scores, method=method, n_resamples=n_resamples)

            def peer(x: Any = x, y: Any = y, method: str = method, batch: int | None = batch) -> Any:
                return scipy_bootstrap(x, y, method, n_resamples, batch)

            e, (low, high) = ours(), peer()
            # Different draws: each end is a quantile of 2,000 replicates, known to about 0.06 standard errors.
            must_agree("lower limits, in standard errors", (e.low - low) / e.se, 0.35)
            must_agree("upper limits, in standard errors", (e.high - high) / e.se, 0.35)
            seconds = best([ours, peer], rounds) if rounds > 1 else [best([ours], 2)[0], best([peer], 1)[0]]
            yield at_least(
                f"bootstrap of AUROC, {'BCa' if method == 'bca' else method}",
                f"B = {n_resamples:,}, {n_anomalous:,} + {n_nominal:,} images", seconds[0],
                (f"`scipy.stats.bootstrap` {version('scipy')}, vectorised", seconds[1]), 10,
            )  # fmt: skip


def delong(n: int = 1_000_000) -> Iterator[Row]:
    """Compare the paired DeLong test with bare NumPy, look-ups in the order given and in rising order."""
    rng = np.random.default_rng(2)
    labels = (rng.random(n) < 0.2).astype(np.int64)
    a = rng.normal(size=n) + labels
    b = 0.7 * a + 0.7 * rng.normal(size=n) + 0.3 * labels
    for rising in (False, True):
        must_agree("z", delong_test(labels, a, b).statistic - bare_paired_delong(labels, a, b, rising), 1e-9)
    ours, given, rising_ = best([
        lambda: delong_test(labels, a, b), lambda: bare_paired_delong(labels, a, b, False),
        lambda: bare_paired_delong(labels, a, b, True),
    ], 3)  # fmt: skip
    yield at_most("paired DeLong", f"n = {n:,}", ours, ("bare NumPy, look-ups in sorted arrays", given), 1.5)
    yield at_most("the same", f"n = {n:,}", ours, ("bare NumPy, the scores looked up sorted too", rising_), 1.5)


def protocol(n: int = 568, n_anomalous: int = 165, n_resamples: int = 2000) -> Iterator[Row]:
    """Time the bootstrap of the repeated protocol with thresholds chosen again in each replicate."""
    rng = np.random.default_rng(3)
    labels = (np.arange(n) < n_anomalous).astype(np.int64)
    names = [f"image{i:04}" for i in range(n)]
    frame = pd.DataFrame(
        {"sample_id": names, "object_id": names, "label": labels, "score": rng.normal(size=n) + 1.5 * labels}
    )
    splits = grouped_three_way(SampleTable.checked(frame), repeats=10)
    table = ScoreTable.checked(frame)
    seconds = best([lambda: protocol_bootstrap(splits, table, metric="sensitivity", n_resamples=n_resamples)], 2)[0]
    sizes = f"J = 10, B = {n_resamples:,}, {n} images, Youden"
    yield Row("protocol bootstrap, thresholds re-selected", sizes, shown(seconds), "", "", "< 5 s", seconds < 5)


def million_rows(views: int, n_resamples: int) -> tuple[int, float]:
    """Return the peak memory and the time of an interval from a million rows; call it in a fresh process."""
    rng = np.random.default_rng(4)
    objects = np.arange(1_000_000) // views
    labels = (objects < 200_000 // views).astype(np.int64)
    scores = rng.normal(size=objects[-1] + 1)[objects] + rng.normal(size=len(objects)) + labels
    started = time.process_time()
    grouping = None if views == 1 else objects
    peak = memory_growth(
        lambda: bootstrap_interval(labels, scores, objects=grouping, method="percentile", n_resamples=n_resamples)
    )[1]
    return peak, time.process_time() - started


def pictures(n_images: int = 160, size: int = 250) -> Iterator[tuple[NDArray[np.bool_], NDArray[np.float32]]]:
    """Yield 10,000,000 pixels in single precision; every other image has a defect."""
    rng = np.random.default_rng(5)
    for i in range(n_images):
        mask = np.zeros((size, size), bool)
        mask[100:150, 100:140] = i % 2
        yield mask, rng.random((size, size), np.float32) + np.float32(0.3) * mask


def many_pixels(streamed: bool) -> tuple[int, float, float, float]:
    """Return the peak memory, the time, the AUPRO and its error; call it in a fresh process."""
    found = [0.0, 0.0]

    def measured() -> None:
        found[:] = aupro_streamed(pictures()) if streamed else (aupro(pictures()), 0.0)

    started = time.process_time()
    peak = memory_growth(measured)[1]
    return peak, time.process_time() - started, found[0], found[1]


def memory() -> Iterator[Row]:
    """Measure peaks of whole processes."""

    def row(question: str, sizes: str, peak: int, seconds: float) -> Row:
        return Row(question, sizes, f"{peak / MIB:,.0f} MiB ({shown(seconds)})", "", "", "< 2 GiB", peak < 2 * GIB)

    for views, n_resamples, what in ((50, 10_000, "50 views an object"), (1, 500, "each its own object")):
        sizes = f"B = {n_resamples:,}, 1,000,000 rows, {what}"
        yield row("peak memory of the bootstrap of AUROC", sizes, *in_fresh_process(million_rows, views, n_resamples))
    exact, stream = in_fresh_process(many_pixels, False), in_fresh_process(many_pixels, True)
    must_agree("exact and streamed AUPRO", exact[2] - stream[2], stream[3] + 1e-12)
    yield row("peak memory of exact AUPRO", "10,000,000 pixels, float32", *exact[:2])
    yield row(f"the same, streamed: off by at most {stream[3]:.1e}", "10,000,000 pixels, float32", *stream[:2])


def main() -> None:
    """Print the table, and how many targets were missed: on a busy machine, one close to its target may be."""
    load = f", load average {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    libraries = ", ".join(f"{name} {version(name)}" for name in ("numpy", "scipy", "scikit-learn"))
    print(f"Python {platform.python_version()}, {libraries}; {os.cpu_count()} CPU cores ({platform.machine()}){load}")
    print("One thread, processor time, drawing included; intervals are percentile intervals unless named.\n")
    print("| question | sizes | ours | peer | ratio | target | met |\n|---|---|---|---|---|---|---|", flush=True)
    missed = 0
    for rows in (clustered, unclustered, delong, protocol, memory):
        for row in rows():
            print(row, flush=True)
            missed += not row.met
    print(f"\n{missed} targets missed")
