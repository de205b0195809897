"""Clocks, fresh processes, and lines that name both sides of a ratio."""

import multiprocessing
import os
import platform
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from importlib.metadata import version
from typing import Any

MIB = 2**20


def headline(question: str, sizes: str) -> None:
    """Print the question, the sizes and what else decides the figures; from here on torch computes on one thread."""
    import torch

    torch.set_num_threads(1)
    libraries = ", ".join(f"{name} {version(name)}" for name in ("torch", "timm", "numpy"))
    load = f", load average {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    print(question)
    print(f"sizes: {sizes}")
    print(f"Python {platform.python_version()}, {libraries}")
    cores = f"{os.cpu_count()} CPU cores ({platform.machine()})"
    print(f"{cores}, {torch.get_num_threads()} thread, times are processor time{load}", flush=True)


def best_seconds(functions: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Call every function once a round, in turn, and return the shortest processor time of each.

    Processor time on one thread is the time an idle machine would take; other load disturbs it least. Taking turns
    spreads what disturbance is left evenly.
    """
    best = dict.fromkeys(functions, float("inf"))
    for _ in range(rounds):
        for name, function in functions.items():
            started = time.process_time()
            function()
            best[name] = min(best[name], time.process_time() - started)
    return best


def in_fresh_process(function: Callable[..., Any], *arguments: object) -> Any:
    """Call a function of a module in a new Python process, on one thread: memory of nothing else counts."""
    os.environ["OMP_NUM_THREADS"] = "1"
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        return pool.submit(function, *arguments).result()


def memory_growth(function: Callable[[], object]) -> tuple[int, int]:
    """Call a function; return the resident memory before and the peak during the call, in bytes."""
    from bench.memory import peak_bytes, reset_peak

    reset_peak()
    before = peak_bytes()
    function()
    return before, peak_bytes()


def section(title: str) -> None:
    """Begin a part of the output."""
    print(f"\n{title}")


def compare(unit: str, ours: tuple[str, float], peer: tuple[str, float], *, more_is_better: bool = False) -> None:
    """Print two figures and how many times better ours is."""
    for name, value in (peer, ours):
        print(f"  {value:12,.2f} {unit}  {name}")
    ratio = ours[1] / peer[1] if more_is_better else peer[1] / ours[1]
    what = "ours over the peer's" if more_is_better else "the peer's over ours"
    print(f"  ratio {digits(ratio)} ({what})", flush=True)


def digits(ratio: float) -> str:
    """Write a ratio with three digits."""
    return f"{ratio:,.0f}" if ratio >= 100 else f"{ratio:#.3g}"


def check_equal(what: str, difference: float, tolerance: float) -> None:
    """Say that both sides compute the same; stop if they do not, for then the ratio means nothing."""
    print(f"  same result: {what} differ by {difference:.1e} (allowed {tolerance:.0e})", flush=True)
    if not difference <= tolerance:
        raise SystemExit(f"error: {what} differ by {difference}, more than {tolerance}: the peer does something else")
