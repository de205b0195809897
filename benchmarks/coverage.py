"""Do 95 % intervals hold the truth 95 times in 100, and do tests at 5 % reject 5 times in 100 where nothing differs?

Simulated factories with known truth. Each finished setting is a line of the output file; a setting that is there is
skipped, so that the script can be stopped and started again. `--quick` runs a few settings with fewer factories.
"""

import argparse
import json
import os
import time
import zlib
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any

from support.coverage_tables import describe, report

RUNS = {"auroc": 2000, "rate": 2000, "bootstrap": 2000, "tests": 2000, "corrected": 3000, "protocol": 500}
QUICK_RUNS = {"auroc": 600, "rate": 600, "bootstrap": 100, "tests": 300, "corrected": 300, "protocol": 60}
SEED = 20261124

UNEQUAL = "1-60"
CLUSTERINGS = ((1, 0.0), (5, 0.0), (5, 0.3), (5, 0.8), (20, 0.3), (20, 0.8), (60, 0.0), (60, 0.3), (60, 0.8),
               (UNEQUAL, 0.0), (UNEQUAL, 0.3), (UNEQUAL, 0.8))  # fmt: skip
FEW_CLUSTERINGS = ((1, 0.0), (5, 0.3), (20, 0.8), (UNEQUAL, 0.8))
SIZES = ((8, 20), (8, 100), (12, 60), (20, 20), (20, 100), (40, 40), (80, 80))  # defective, good parts

Setting = dict[str, Any]
Record = dict[str, Any]


def settings(quick: bool = False) -> Iterator[Setting]:
    """Yield every setting: a group, what the factory is like and how many of them."""
    runs = QUICK_RUNS if quick else RUNS
    for group, each in (("auroc", _auroc), ("rate", _rate), ("bootstrap", _bootstrap), ("tests", _tests),
                        ("corrected", _corrected), ("protocol", _protocol)):  # fmt: skip
        for setting in each(quick):
            yield {"group": group, "runs": runs[group], **setting}


def _auroc(quick: bool) -> Iterator[Setting]:
    clusterings = ((1, 0.0), (5, 0.8), (UNEQUAL, 0.8)) if quick else CLUSTERINGS
    for auroc in (0.9, 0.97) if quick else (0.7, 0.9, 0.97):
        for n_defective, n_good in ((8, 20), (20, 20), (20, 100)) if quick else SIZES:
            for views, icc in clusterings:
                yield _factory(n_defective, n_good, views, icc, auroc)


def _rate(quick: bool) -> Iterator[Setting]:
    # 200 good parts only where specificity is near 1: more is known about good parts than about defective ones.
    numbers = {0.8: (8, 12, 20, 40, 80), 0.9: (8, 12, 20, 40, 80), 0.95: (8, 12, 20, 40, 80), 0.98: (20, 60, 200)}
    if quick:
        numbers = {0.9: (8, 20, 40), 0.95: (20, 40)}
    for rate, sizes in numbers.items():
        for n_objects in sizes:
            for views, icc in ((5, 0.0), (60, 0.8), (UNEQUAL, 0.8)) if quick else CLUSTERINGS:
                yield {"rate": rate, "n_objects": n_objects, "views": views, "icc": icc}
    # Independent images: the coverage of any interval jumps from one rate to the next, so also its mean over rates.
    for rates in ([0.75, 0.85], [0.85, 0.95], [0.92, 0.98]):
        for n_objects in (20,) if quick else (8, 12, 20, 40, 80):
            yield {"rate": rates, "n_objects": n_objects, "views": 1, "icc": 0.0}


def _bootstrap(quick: bool) -> Iterator[Setting]:
    for auroc in (0.9,) if quick else (0.9, 0.97):
        for n_defective, n_good in ((20, 60),) if quick else ((8, 20), (20, 60), (40, 40)):
            for views, icc in ((5, 0.3),) if quick else FEW_CLUSTERINGS:
                yield _factory(n_defective, n_good, views, icc, auroc)


def _tests(quick: bool) -> Iterator[Setting]:
    for n_defective, n_good in ((20, 60),) if quick else ((8, 20), (12, 60), (20, 60), (40, 40), (60, 100)):
        for auroc in (0.9,) if quick else (0.8, 0.95):
            for views, icc in ((5, 0.3),) if quick else FEW_CLUSTERINGS:
                yield _factory(n_defective, n_good, views, icc, auroc)


def _corrected(quick: bool) -> Iterator[Setting]:
    for rule in (None,) if quick else (None, "youden"):
        for views, icc in ((1, 0.0),) if quick else ((1, 0.0), (5, 0.3)):
            # The factory for which the specification prints rejection rates: independent images, a fixed threshold.
            yield {**_factory(60, 400, views, icc, 0.95), "specificity": 0.92, "rule": rule}


def _protocol(quick: bool) -> Iterator[Setting]:
    for n_defective, n_good, views, icc in ((40, 80, 1, 0.0),) if quick else (
        (40, 80, 1, 0.0), (20, 60, 5, 0.3), (20, 60, UNEQUAL, 0.8)
    ):  # fmt: skip
        for metric in ("sensitivity",) if quick else ("auroc", "sensitivity"):
            yield {**_factory(n_defective, n_good, views, icc, 0.8556), "metric": metric}


def _factory(n_defective: int, n_good: int, views: int | str, icc: float, auroc: float) -> Setting:
    return {"n_defective": n_defective, "n_good": n_good, "views": views, "icc": icc, "auroc": auroc}


def key_of(setting: Setting) -> str:
    """Return what names a setting in the output file."""
    return json.dumps(setting, sort_keys=True)


def judge(setting: Setting) -> Record:
    """Run one setting."""
    import numpy as np
    from support import judged, three_way_design

    judges = {"auroc": judged.auroc_intervals, "rate": judged.rates, "bootstrap": judged.auroc_bootstraps,
              "tests": judged.paired_tests, "corrected": three_way_design.corrected_tests,
              "protocol": three_way_design.bootstrapped_protocol}  # fmt: skip
    started = time.perf_counter()
    rng = np.random.default_rng([SEED, zlib.crc32(key_of(setting).encode())])
    rows = judges[setting["group"]](setting, setting["runs"], rng)
    return {"setting": setting, "rows": rows, "seconds": round(time.perf_counter() - started, 2)}


def finished(output: Path) -> dict[str, Record]:
    """Return the settings in the output file; a line cut off by a kill is left out."""
    found = {}
    for line in output.read_text().splitlines() if output.exists() else ():
        try:
            record = json.loads(line)
        except json.JSONDecodeError:
            continue
        found[key_of(record["setting"])] = record
    return found


def run(todo: list[Setting], output: Path, processes: int) -> None:
    """Run settings in processes of one thread each and append their records as they finish."""
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[name] = "1"  # before NumPy is imported, here and in the processes
    started = time.monotonic()
    with ProcessPoolExecutor(processes) as pool, output.open("a") as file:
        if output.stat().st_size and not output.read_text().endswith("\n"):
            file.write("\n")
        waiting = {pool.submit(judge, setting): setting for setting in todo}
        for count, future in enumerate(as_completed(waiting), 1):
            record = future.result()
            file.write(json.dumps(record) + "\n")
            file.flush()
            minutes = (time.monotonic() - started) / 60
            print(f"{count}/{len(todo)}, {minutes:.1f} min: {describe(record['setting'])} ({record['seconds']} s)",
                  flush=True)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=Path("runs/coverage.jsonl"), help="file of finished settings")
    parser.add_argument("--processes", type=int, default=2, help="processes of one thread each")
    parser.add_argument("--groups", nargs="*", default=sorted(RUNS), help="only these groups")
    parser.add_argument("--quick", action="store_true", help="a few settings, fewer factories: minutes")
    parser.add_argument("--runs", type=int, help="factories a setting, instead of those of the group")
    parser.add_argument("--full", action="store_true", help="print everything that was counted, too")
    parser.add_argument("--table", action="store_true", help="run nothing: print the tables of what is finished")
    options = parser.parse_args()
    options.output.parent.mkdir(parents=True, exist_ok=True)
    wanted = [s for s in settings(options.quick) if s["group"] in options.groups]
    if options.runs:
        wanted = [{**s, "runs": options.runs} for s in wanted]
    done = finished(options.output)
    todo = [s for s in wanted if key_of(s) not in done]
    print(f"{len(wanted)} settings, {len(wanted) - len(todo)} finished", flush=True)
    if todo and not options.table:
        run(todo, options.output, options.processes)
        done = finished(options.output)
    for part in report([done[key_of(s)] for s in wanted if key_of(s) in done], full=options.full):
        print(f"\n{part}")


if __name__ == "__main__":
    main()
