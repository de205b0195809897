"""Whether this machine is ready for a run; every finding says what to do."""

from __future__ import annotations

import os
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path

from bench.atomic import write_atomic
from bench.provenance import available_memory, package_version, processor, software_version, total_memory, usable_cores
from protocols.errors import StoreError

GIB = 2**30
LEAST_MEMORY = 2 * GIB  # one worker with torch, and room for the images
LEAST_DISK = 2 * GIB
LARGEST_SKEW_SECONDS = 60.0
OLDEST_PLAUSIBLE_TIME = 1_735_689_600.0  # 2025-01-01: this program did not exist before


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Parameters
    ----------
    check
        What was looked at.
    status
        ``ok``, ``info``, ``warn`` or ``fail``.
    found
        What is there.
    fix
        What to do; empty if nothing.
    """

    check: str
    status: str
    found: str
    fix: str = ""


def examine(cache: Path | None = None, folder: Path = Path()) -> list[Finding]:
    """Return all findings about this machine.

    Parameters
    ----------
    cache
        The cache folder; None: the default one.
    folder
        Where runs will be written: the current folder.
    """
    from bench.dataset import default_cache

    cache = default_cache() if cache is None else cache
    return [
        *_versions(), *_extras(), *_devices(), _cores(), _memory(),
        _writable("run folder", folder.absolute()), _writable("cache", cache.absolute()),
        _writable("temporary", Path(tempfile.gettempdir())),
        _locks(folder.absolute()), _clock(folder.absolute()),
    ]  # fmt: skip


def _versions() -> Iterator[Finding]:
    yield Finding("lab2factory", "ok", f"{software_version()}, Python {sys.version.split()[0]} at {sys.executable}")
    try:
        needed = requires("lab2factory") or []
    except PackageNotFoundError:
        yield Finding("packages", "warn", "lab2factory is run without being installed",
                      "Install it: pip install -e . in its folder.")  # fmt: skip
        return
    found, missing, old = [], [], []
    for requirement in (text for text in needed if "extra ==" not in text):
        name, least = _requirement(requirement)
        version = package_version(name)
        if version is None:
            missing.append(name)
        elif _numbers(version) < _numbers(least):
            old.append(f"{name} {version} (at least {least})")
        else:
            found.append(f"{name} {version}")
    yield Finding("packages", "ok", ", ".join(found))
    if missing:
        yield Finding("packages", "fail", f"missing: {', '.join(missing)}", f"pip install {' '.join(missing)}")
    if old:
        yield Finding("packages", "fail", f"too old: {', '.join(old)}", "pip install --upgrade lab2factory")


def _extras() -> Iterator[Finding]:
    for extra, names, needed_for in (
        ("train", ("torch", "torchvision", "timm", "safetensors"), "csflow, glass and knn"),
    ):
        versions = {name: package_version(name) for name in names}
        missing = [name for name, version in versions.items() if version is None]
        if missing:
            yield Finding(f"extra {extra}", "warn", f"missing: {', '.join(missing)}; needed for {needed_for}",
                          f'pip install "lab2factory[{extra}]"')  # fmt: skip
        else:
            yield Finding(f"extra {extra}", "ok", ", ".join(f"{name} {version}" for name, version in versions.items()))


def _devices() -> Iterator[Finding]:
    if package_version("torch") is None:
        yield Finding("devices", "info", "cpu (no torch)")
        return
    try:
        import torch
    except (ImportError, OSError) as error:
        yield Finding("devices", "fail", f"torch is installed but does not load: {error}", "Install torch again.")
        return
    if torch.cuda.is_available():
        for index in range(torch.cuda.device_count()):
            about = torch.cuda.get_device_properties(index)
            yield Finding("devices", "ok", f"cuda:{index} {about.name}, {about.total_memory / GIB:.0f} GiB")
        return
    driver = Path("/proc/driver/nvidia/version").exists() or shutil.which("nvidia-smi") is not None
    if driver and torch.version.cuda is None:
        yield Finding("devices", "warn", "an NVIDIA driver, but torch is built for the CPU",
                      "Install a CUDA build of torch: https://pytorch.org/get-started/locally/")  # fmt: skip
    elif driver:
        yield Finding("devices", "warn", "an NVIDIA driver, but torch sees no GPU",
                      "Check `nvidia-smi`, CUDA_VISIBLE_DEVICES, and that driver and CUDA version fit.")  # fmt: skip
    elif torch.backends.mps.is_available():
        yield Finding("devices", "ok", "mps")
    else:
        yield Finding("devices", "info", "cpu: the presets tiny and small take minutes, paper takes hours")


def _cores() -> Finding:
    cores = usable_cores()
    note = "" if cores > 1 else "Trainings run one after the other; more cores run more at once."
    return Finding("cores", "ok" if cores > 1 else "warn", f"{cores}, {processor()}", note)


def _memory() -> Finding:
    total, free = total_memory(), available_memory()
    if total is None or free is None:
        return Finding("memory", "info", "unknown on this system")
    found = f"{total / GIB:.1f} GiB, {free / GIB:.1f} GiB free"
    if free < LEAST_MEMORY:
        return Finding("memory", "warn", found, "Close other programs, or use --workers 1 and the preset tiny.")
    return Finding("memory", "ok", found)


def _writable(check: str, folder: Path) -> Finding:
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    probe = existing / f".lab2factory-doctor-{os.getpid()}"
    try:
        write_atomic(probe, b"x")
        probe.unlink()
    except (StoreError, OSError) as error:
        found = error.args[1] if isinstance(error, StoreError) else error.strerror
        fix = "Choose another folder (--output, --cache, TMPDIR), or correct its permissions."
        return Finding(check, "fail", f"{folder}: {found}", fix)
    free = shutil.disk_usage(existing).free
    found = f"{folder} can be written, {free / GIB:.1f} GiB free"
    if free < LEAST_DISK:
        return Finding(check, "warn", found, "Free some space; the feature cache alone may take 20 GB (--cache-limit).")
    return Finding(check, "ok", found)


def _locks(folder: Path) -> Finding:
    try:
        import fcntl

        with tempfile.TemporaryFile(dir=folder) as stream:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (ImportError, OSError) as error:
        return Finding("locks", "warn", f"none here ({error})", "Do not start two runs on one folder at once.")
    return Finding("locks", "ok", "two runs may share a folder")


def _clock(folder: Path) -> Finding:
    now = time.time()
    try:
        with tempfile.NamedTemporaryFile(dir=folder) as stream:
            stream.write(b"x")
            stream.flush()
            skew = os.stat(stream.name).st_mtime - now
    except OSError:  # reported as not writable
        skew = 0.0
    shown = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(now))
    if now < OLDEST_PLAUSIBLE_TIME:
        return Finding("clock", "warn", shown, "Set the clock: run.json and events.jsonl record the time.")
    if abs(skew) > LARGEST_SKEW_SECONDS:
        return Finding("clock", "warn", f"{shown}, the file system is {skew:+.0f} s off",
                       "Synchronise the clocks of this machine and the file server.")  # fmt: skip
    return Finding("clock", "ok", shown)


def _requirement(text: str) -> tuple[str, str]:
    """Return the name and the least version of a requirement such as ``numpy>=1.26``."""
    match = re.match(r"([A-Za-z0-9._-]+)[^;]*?(?:>=\s*([0-9.]+))?\s*(?:,|;|$)", text)
    return (match[1], match[2] or "0") if match else (text, "0")


def _numbers(version: str) -> tuple[int, ...]:
    """Return the leading numbers of a version: ``2.13.0+cpu`` is (2, 13, 0)."""
    return tuple(int(part) for part in re.match(r"[0-9.]*", version)[0].strip(".").split(".") if part)  # type: ignore[index]
