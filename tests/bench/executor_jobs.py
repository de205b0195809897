"""Jobs for the tests of the executors: importable by worker processes."""

import os
import signal
import sys
import threading
import time
from dataclasses import dataclass

KEPT = []


@dataclass(frozen=True)
class ToyJob:
    key: str
    what: str = "ok"
    protocol: str = "naive"
    repeat: int = 0
    seed: int = 0


def work(job, device):
    if job.what == "raise":
        raise ValueError("the detector raised")
    if job.what == "exit":
        sys.exit(3)
    if job.what == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    if job.what == "hang":
        while True:
            time.sleep(0.05)
    if job.what == "unpicklable":
        return {"status": "done", "bad": threading.Lock()}
    if job.what == "grow":
        KEPT.append(bytearray(b"x") * 400_000_000)
        time.sleep(1.1)
    if job.what == "slow":
        time.sleep(1.0)
    return {
        "status": "done", "key": job.key, "device": device, "pid": os.getpid(),
        "threads": os.environ.get("OMP_NUM_THREADS"), "gpus": os.environ.get("CUDA_VISIBLE_DEVICES"),
    }  # fmt: skip
