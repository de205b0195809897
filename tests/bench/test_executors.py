import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bench.executors import run_jobs
from bench.executors.slots import Slot, device_names, plan_slots
from bench.store import RunStore
from protocols.errors import InputError, StoreError

HERE = Path(__file__).parent
BACKENDS = pytest.mark.parametrize("backend", ["inline", "processes"])


@pytest.fixture
def toys(monkeypatch):
    monkeypatch.syspath_prepend(str(HERE))  # workers inherit the path
    import executor_jobs

    return executor_jobs


@pytest.fixture
def do(toys, tmp_path):
    """Run jobs of these kinds; return the records by position, and the order in which they came."""

    def do(*kinds, backend="processes", workers=2, **options):
        jobs = [toys.ToyJob(f"{i:016x}", kind) for i, kind in enumerate(kinds)]
        records, order = {}, []

        def finished(job, record):
            records[int(job.key, 16)] = record
            order.append(int(job.key, 16))

        store = RunStore(tmp_path)
        run_jobs(
            jobs, toys.work, backend=backend, workers=workers, devices="cpu", store=store, on_done=finished, **options
        )
        assert sorted(records) == list(range(len(kinds)))
        return records, order, store

    return do


@BACKENDS
def test_every_job_is_done_once(do, backend):
    records, order, _ = do("ok", "ok", "ok", "ok", "ok", backend=backend)
    assert [records[i]["status"] for i in range(5)] == ["done"] * 5
    assert sorted(order) == list(range(5))


@BACKENDS
@pytest.mark.parametrize(
    ("kind", "phase", "words"),
    [
        ("raise", "job", "ValueError: the detector raised"),
        ("exit", "job", "SystemExit"),
        ("hang", "timeout", "not finished after 0.5 s"),
        ("die", "worker", "SIGKILL"),
    ],
)
def test_a_job_that_goes_wrong_is_a_failed_record_and_the_rest_goes_on(do, backend, kind, phase, words):
    if backend == "inline" and kind == "die":
        pytest.skip("a job that kills its process kills an inline run: it is killed as a whole")
    records, _, store = do("ok", kind, "ok", backend=backend, workers=1, timeout=0.5)
    assert [records[i]["status"] for i in range(3)] == ["done", "failed", "done"]
    assert records[1]["phase"] == phase
    assert words in records[1]["message"]
    folder = store.job(f"{1:016x}")
    assert folder.record() == records[1]
    assert (folder.path / "error.txt").read_text()


def test_the_death_of_one_worker_does_not_touch_the_job_of_another(do):
    records, _, _ = do("slow", "die", "ok", "ok")
    assert [records[i]["status"] for i in range(4)] == ["done", "failed", "done", "done"]


def test_a_result_that_cannot_be_sent_back_is_a_failed_record(do, toys, tmp_path, monkeypatch):
    records, _, _ = do("unpicklable", "ok", workers=1)
    assert records[0]["status"] == "failed"
    assert records[1]["status"] == "done"


def test_workers_have_one_thread_and_see_no_gpu_on_a_cpu(do):
    records, _, _ = do("ok", workers=1)
    assert (records[0]["device"], records[0]["threads"], records[0]["gpus"]) == ("cpu", "1", "")
    assert records[0]["pid"] != os.getpid()


def test_inline_jobs_have_one_thread_and_leave_the_environment_as_it_was(do):
    before = dict(os.environ)
    records, _, _ = do("ok", backend="inline")
    assert records[0]["threads"] == "1"
    assert records[0]["pid"] == os.getpid()
    assert dict(os.environ) == before


def test_a_worker_that_has_loaded_a_lot_is_kept(do):
    records, _, _ = do("grow", "ok", "ok", workers=1)
    assert len({records[i]["pid"] for i in range(3)}) == 1


def test_results_come_as_they_are_finished(do):
    _, order, _ = do("slow", "ok", "ok")
    assert order[-1] == 0


def test_a_disk_that_is_full_ends_the_run(toys, tmp_path, monkeypatch):
    import errno

    def full(handle):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StoreError, match="Free some space"):
        run_jobs([toys.ToyJob("0" * 16, "raise")], toys.work, backend="inline", devices="cpu", store=RunStore(tmp_path))


def test_no_jobs_need_no_worker_and_write_nothing(toys, tmp_path):
    done = []
    run_jobs([], toys.work, store=RunStore(tmp_path), on_done=lambda job, record: done.append(job))
    assert done == []
    assert list(tmp_path.iterdir()) == []


def test_a_failed_record_never_replaces_one_that_is_done(do, toys, tmp_path):
    folder = RunStore(tmp_path).job(f"{0:016x}")
    done = folder.finish({"schema": 1, "status": "done"}, {})
    records, _, _ = do("raise", backend="inline")
    assert records[0] == done


def test_an_unknown_backend_names_the_known_ones(toys, tmp_path):
    with pytest.raises(InputError, match="processes"):
        run_jobs([toys.ToyJob("0" * 16)], toys.work, backend="process", store=RunStore(tmp_path))


SCRIPT = """
import sys
sys.path.insert(0, {here!r})
from executor_jobs import ToyJob, work
from bench.executors import run_jobs
from bench.store import RunStore
from protocols.errors import Interrupted
if __name__ == "__main__":
    jobs = [ToyJob(f"{{i:016x}}", what) for i, what in enumerate(["ok", "hang", "hang"])]
    try:
        run_jobs(jobs, work, backend={backend!r}, workers=2, devices="cpu", store=RunStore({root!r}),
                 on_start=lambda key: print("start", key, flush=True),
                 on_done=lambda job, record: print("done", record["pid"], flush=True))
    except Interrupted:
        print("interrupted", flush=True)
        sys.exit(130)
"""


def start_hanging(tmp_path, backend):
    script = tmp_path / "script.py"
    script.write_text(SCRIPT.format(here=str(HERE), root=str(tmp_path / "run"), backend=backend))
    process = subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True, start_new_session=True,
                               cwd=HERE.parents[1], env={**os.environ, "PYTHONPATH": str(HERE.parents[1])})  # fmt: skip
    seen = [process.stdout.readline() for _ in range(3 if backend == "inline" else 4)]
    return process, seen


def members(session):
    """Return the processes of a session that still live."""
    listed = subprocess.run(
        ["ps", "-o", "pid=,stat=", "-s", str(session)], capture_output=True, text=True
    ).stdout.split("\n")
    return [line.split()[0] for line in listed if line.strip() and not line.split()[1].startswith("Z")]


def gone(session, seconds):
    end = time.monotonic() + seconds
    while members(session) and time.monotonic() < end:
        time.sleep(0.1)
    return members(session) == []


@BACKENDS
def test_ctrl_c_stops_everything_and_says_so(tmp_path, backend):
    process, seen = start_hanging(tmp_path, backend)
    assert any(line.startswith("done") for line in seen), seen
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: parent and workers get it
    out, _ = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "interrupted" in out
    assert gone(process.pid, 10)


def test_workers_do_not_outlive_a_killed_run(tmp_path):
    process, _ = start_hanging(tmp_path, "processes")
    process.kill()
    process.wait(30)
    process.stdout.close()
    assert gone(process.pid, 15)


@pytest.mark.parametrize(
    ("workers", "n_jobs", "expected"), [(1, 5, 1), ("3", 5, 3), (8, 2, 2), ("auto", 1, 1)], ids=str,
)  # fmt: skip
def test_there_are_as_many_slots_as_workers_but_not_more_than_jobs(workers, n_jobs, expected):
    assert plan_slots(workers, "cpu", n_jobs=n_jobs) == [Slot("cpu", 1)] * expected


@pytest.mark.parametrize("workers", [0, -1, "0", "two", "1.5"])
def test_an_impossible_number_of_workers_is_one_clear_error(workers):
    with pytest.raises(InputError, match="--workers"):
        plan_slots(workers, "cpu", n_jobs=1)


@pytest.mark.parametrize("text", ["gpu", "cuda:x", "", "cpu,cpu", "cpu,cuda:0", "cuda:99"])
def test_an_impossible_device_is_one_clear_error(text):
    with pytest.raises(InputError, match="--devices"):
        device_names(text)


def test_a_gpu_worker_sees_one_gpu_only(monkeypatch):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    slot = Slot("cuda:1", 4)
    assert slot.environment()["CUDA_VISIBLE_DEVICES"] == "1"
    assert slot.environment()["OMP_NUM_THREADS"] == "4"
    assert slot.device_inside == "cuda"
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "5,GPU-abc")
    assert slot.environment()["CUDA_VISIBLE_DEVICES"] == "GPU-abc"
