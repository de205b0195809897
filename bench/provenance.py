"""Where a number comes from: versions, platform, command, seeds, data."""

from __future__ import annotations

import os
import platform
import socket
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any

PACKAGES = (
    "numpy", "scipy", "pandas", "pyarrow", "scikit-learn", "statsmodels", "matplotlib", "seaborn", "joblib",
    "pydantic", "PyYAML", "Pillow", "torch", "torchvision", "timm", "safetensors",
)  # fmt: skip


@cache
def software_version() -> str:
    """Return the version of lab2factory."""
    return package_version("lab2factory") or "0 (not installed)"


@cache
def package_version(name: str) -> str | None:
    """Return the version of an installed package without importing it; None if it is not installed."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def software_versions() -> dict[str, str]:
    """Return the versions of Python, of lab2factory and of the packages that results rest on."""
    found = {name: package_version(name) for name in PACKAGES}
    installed = {name: text for name, text in found.items() if text is not None}
    return {"python": platform.python_version(), "lab2factory": software_version(), **installed}


def machine() -> dict[str, Any]:
    """Return what this machine is: system, processor, cores, memory."""
    return {
        "host": socket.gethostname(), "system": platform.platform(), "processor": processor(),
        "cores": usable_cores(), "memory_bytes": total_memory(),
    }  # fmt: skip


def run_info(
    *,
    command: Sequence[str],
    seed: int,
    data_fingerprint: str,
    devices: str,
    limit: int | None = None,
    notes: Sequence[str] = (),
) -> dict[str, Any]:
    """Return the content of ``run.json`` at the start of a run; the store adds the schema.

    Parameters
    ----------
    command
        The command line.
    seed
        The run's seed.
    data_fingerprint
        SHA-256 of the manifest's content.
    devices
        What trains, as asked for.
    limit
        ``--limit``, if it was given: all results are for trying out.
    notes
        What was noticed about the data.
    """
    return {
        "versions": software_versions(), "machine": machine(), "command": list(command), "seed": seed,
        "data_fingerprint": data_fingerprint, "devices": devices, "limited": limit is not None, "limit": limit,
        "notes": list(notes), "started": datetime.now(UTC).isoformat(timespec="seconds"), "ended": None,
    }  # fmt: skip


def usable_cores() -> int:
    """Return how many cores this process may use (affinity and container limits counted)."""
    import joblib

    return int(joblib.cpu_count())


def total_memory() -> int | None:
    """Return the bytes of memory that this process may use (container limits counted); None if unknown."""
    limits = [
        _read_integer(path) for path in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")
    ]
    try:
        limits.append(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    except (ValueError, OSError, AttributeError):  # not a Unix
        pass
    known = [limit for limit in limits if limit]
    return min(known) if known else None


def available_memory() -> int | None:
    """Return the bytes of memory that are free now; None if unknown."""
    free: list[int] = []
    try:
        with open("/proc/meminfo", encoding="ascii") as lines:
            free += [int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")]
    except OSError:  # not Linux
        pass
    limit, used = _read_integer("/sys/fs/cgroup/memory.max"), _read_integer("/sys/fs/cgroup/memory.current")
    if limit and used:
        free.append(max(0, limit - used))
    return min(free) if free else None


def processor() -> str:
    """Return the processor's name."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as lines:
            for line in lines:
                if line.startswith("model name"):
                    return line.partition(":")[2].strip()
    except OSError:  # not Linux
        pass
    return platform.processor() or platform.machine()


def _read_integer(path: str) -> int | None:
    """Return the number in a file; None if there is none (``max``, or no such file)."""
    try:
        with open(path, encoding="ascii") as stream:
            text = stream.read().strip()
    except OSError:
        return None
    return int(text) if text.isdigit() else None
