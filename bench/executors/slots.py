"""Places where jobs run: which device each has, and how many threads."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass

from bench.provenance import available_memory, usable_cores
from protocols.errors import InputError

BYTES_PER_WORKER = 1_500_000_000  # of memory, when the number of workers is automatic: a training with torch loaded
THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")


@dataclass(frozen=True)
class Slot:
    """One place where a job can run.

    Parameters
    ----------
    device
        ``cpu``, ``cuda:1``, ``mps``.
    threads
        Threads of the numerical libraries.
    """

    device: str
    threads: int

    @property
    def device_inside(self) -> str:
        """The device's name for a process that sees no other one."""
        return "cuda" if self.device.startswith("cuda") else self.device

    def environment(self) -> dict[str, str]:
        """Return the environment variables that a worker needs before it imports anything."""
        limits = dict.fromkeys(THREAD_VARIABLES, str(self.threads))
        if not self.device.startswith("cuda"):
            return {**limits, "CUDA_VISIBLE_DEVICES": ""} if self.device == "cpu" else limits
        index = int(self.device.partition(":")[2] or 0)
        visible = [name for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name]
        return {**limits, "CUDA_VISIBLE_DEVICES": visible[index] if index < len(visible) else str(index)}


def plan_slots(workers: str | int, devices: str, *, n_jobs: int) -> list[Slot]:
    """Return one slot a worker.

    On CPUs each worker has one thread: as many as there are cores work at once, and a result does not depend on how
    many, since sums over several threads round differently. With GPUs the cores are shared out.

    Parameters
    ----------
    workers
        How many, or ``auto``: one a core (or device), less where memory is short.
    devices
        ``cpu``, ``cuda:0,cuda:1``, ``mps``, or ``auto``: all GPUs that torch sees, else the CPU.
    n_jobs
        More workers than jobs are not made.
    """
    names = device_names(devices)
    on_cpu = names == ["cpu"]
    if isinstance(workers, str) and workers != "auto" and not re.fullmatch(r"[1-9]\d*", workers):
        raise InputError("--workers", workers, "a number of at least 1, or auto", "Correct the number.")
    if isinstance(workers, int) and workers < 1:
        raise InputError("--workers", workers, "a number of at least 1, or auto", "Correct the number.")
    if workers != "auto":
        count = int(workers)
    elif on_cpu:
        free = available_memory()
        count = min(usable_cores(), max(1, free // BYTES_PER_WORKER) if free else usable_cores())
    else:
        count = len(names)
    count = max(1, min(count, n_jobs))
    threads = 1 if on_cpu else max(1, usable_cores() // count)
    return [Slot(names[i % len(names)], threads) for i in range(count)]


def device_names(text: str) -> list[str]:
    """Return the devices that a user's text names.

    Raises
    ------
    InputError
        No such device, or torch does not see it.
    """
    if text == "auto":
        n = _cuda_devices()
        return [f"cuda:{i}" for i in range(n)] or ["cpu"]
    names = [name.strip() for name in text.split(",") if name.strip()]
    names = ["cuda:0" if name == "cuda" else name for name in names]
    for name in names:
        if not re.fullmatch(r"cpu|mps|cuda:\d+", name):
            raise InputError("--devices", name, "cpu, mps, cuda:0, cuda:0,cuda:1, or auto", "Correct the device.")
    if not names or ("cpu" in names and len(names) > 1) or len(set(names)) < len(names):
        raise InputError("--devices", text, "cpu alone, or distinct devices", "For several CPU workers use --workers.")
    if names == ["mps"] and not _has_mps():
        raise InputError("--devices", "mps", "a device that torch sees", "See `lab2factory doctor`.")
    if any(name.startswith("cuda") for name in names):
        n = _cuda_devices()
        for name in names:
            if name.startswith("cuda") and int(name[5:]) >= n:
                raise InputError("--devices", name, f"a device that torch sees ({n} GPUs)", "See `lab2factory doctor`.")
    return names


def _has_mps() -> bool:
    """Return whether torch sees Apple's GPU; false without torch."""
    try:
        import torch
    except ImportError:
        return False
    return bool(torch.backends.mps.is_available())


def _cuda_devices() -> int:
    """Return how many GPUs torch sees; 0 without torch."""
    try:
        import torch
    except ImportError:
        return 0
    return int(torch.cuda.device_count()) if torch.cuda.is_available() else 0
