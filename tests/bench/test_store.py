import errno
import json
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bench.atomic import is_temporary, remove_stale, write_atomic
from bench.config import config_from_dict
from bench.store import RunStore, csv_bytes, parquet_bytes
from protocols.errors import InputError, StoreError
from protocols.partition import Split
from protocols.samples import SampleTable

KEY = "0123456789abcdef"
CONFIG = config_from_dict({"dataset": {"path": "x"}, "detectors": [{"name": "knn"}]}).to_yaml()
OTHER = config_from_dict({"seed": 3, "dataset": {"path": "x"}, "detectors": [{"name": "knn"}]}).to_yaml()
SCORES = pd.DataFrame({"sample_id": ["a", "b"], "score": [0.1 + 0.2, 1e-300]})
RECORD = {"schema": 1, "status": "done"}


@pytest.fixture
def store(tmp_path):
    store = RunStore(tmp_path / "run")
    store.open(CONFIG)
    return store


@pytest.fixture
def no_space(monkeypatch):
    """Make every flush to disk fail as on a full disk."""

    def full(handle):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    return lambda: monkeypatch.setattr(os, "fsync", full)


def files_below(folder):
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


# -- a run folder ----------------------------------------------------------------------------------------------


def test_opening_twice_with_the_same_configuration_changes_nothing(store):
    before = (store.root / "config.yaml").stat().st_mtime_ns
    RunStore(store.root).open(CONFIG)
    assert (store.root / "config.yaml").stat().st_mtime_ns == before
    assert files_below(store.root) == ["config.yaml"]


def test_another_configuration_in_the_folder_is_refused_with_the_difference(store):
    with pytest.raises(StoreError, match=r"seed \(0 there, 3 here\).*--output") as caught:
        store.open(OTHER)
    assert caught.value.code == "OtherConfiguration"
    assert store.config_yaml() == CONFIG


def test_a_run_of_a_newer_schema_is_refused(store):
    store.write_run_info({})
    info = json.loads((store.root / "run.json").read_text())
    (store.root / "run.json").write_text(json.dumps({**info, "schema": 99}))
    for action in (lambda: store.open(CONFIG), store.check):
        with pytest.raises(StoreError, match=r"found 'schema 99', expected schema 1.*update lab2factory") as caught:
            action()
        assert caught.value.code == "NewerSchema"


@pytest.mark.parametrize("name", ["run.json", "plan.json"])
def test_a_damaged_document_names_itself(store, name):
    (store.root / name).write_text("{")
    with pytest.raises(StoreError, match=name):
        store.read_run_info() if name == "run.json" else store.read_plan()


def test_a_folder_with_other_things_in_it_is_refused_and_left_alone(tmp_path):
    (tmp_path / "thesis.txt").write_text("dear")
    with pytest.raises(StoreError, match=r"thesis\.txt"):
        RunStore(tmp_path).open(CONFIG)
    assert files_below(tmp_path) == ["thesis.txt"]


def test_a_file_in_the_place_of_the_folder_is_refused(tmp_path):
    (tmp_path / "run").write_text("")
    with pytest.raises(StoreError, match="found 'a file', expected a folder"):
        RunStore(tmp_path / "run").open(CONFIG)


def test_splits_made_before_the_run_are_accepted(tmp_path):
    (tmp_path / "run" / "splits").mkdir(parents=True)
    (tmp_path / "run" / "splits" / "a.csv").write_text("x")
    RunStore(tmp_path / "run").open(CONFIG)
    assert RunStore(tmp_path / "run").config_yaml() == CONFIG
    assert (tmp_path / "run" / "splits" / "a.csv").read_text() == "x"


def test_what_is_no_run_is_said(tmp_path):
    with pytest.raises(InputError, match=r"no config\.yaml"):
        RunStore(tmp_path).check()


@pytest.mark.parametrize("number", [errno.EROFS, errno.EACCES], ids=["read-only", "no permission"])
def test_a_folder_that_cannot_be_written_is_one_clear_error(tmp_path, monkeypatch, number):
    def refuse(*args, **kwargs):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(StoreError, match=r"a folder that can be written.*--output") as caught:
        RunStore(tmp_path / "run").open(CONFIG)
    assert caught.value.code == "NotWritable"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_real_read_only_folder_is_one_clear_error(tmp_path):
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(StoreError, match="a folder that can be written"):
            RunStore(tmp_path / "run").open(CONFIG)
    finally:
        tmp_path.chmod(0o700)


# -- whole files -----------------------------------------------------------------------------------------------


def test_a_full_disk_leaves_the_old_file_and_no_temporary_one(tmp_path, no_space):
    write_atomic(tmp_path / "a", b"old")
    no_space()
    with pytest.raises(StoreError, match=r"No space left.*Free some space") as caught:
        write_atomic(tmp_path / "a", b"new")
    assert caught.value.code == "DiskFull"
    assert files_below(tmp_path) == ["a"]
    assert (tmp_path / "a").read_bytes() == b"old"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_a_write_that_the_system_refuses_for_space_is_told_as_such(store):
    os.symlink("/dev/full", store.root / "events.jsonl")
    with pytest.raises(StoreError, match="free space on the disk"):
        store.append_event({"event": "x"})


def test_temporary_files_of_dead_processes_are_removed_and_others_kept(tmp_path):
    code = (
        "import os, pathlib, bench.atomic as a, sys\n"
        "os.replace = lambda *x: os.kill(os.getpid(), 9)\n"
        f"a.write_atomic(pathlib.Path({str(tmp_path)!r}) / 'a.txt', b'half')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[2])
    assert done.returncode == -signal.SIGKILL
    (stale,) = tmp_path.iterdir()
    assert is_temporary(stale)
    mine = tmp_path / stale.name.replace(stale.name.split(".")[-4], str(os.getpid()))
    mine.write_text("being written")
    (tmp_path / ".hidden.tmp").write_text("somebody else's")
    assert remove_stale(tmp_path) == 1
    assert files_below(tmp_path) == sorted([".hidden.tmp", mine.name])


# -- jobs ------------------------------------------------------------------------------------------------------


def test_a_job_without_a_record_did_not_happen(store):
    assert store.job(KEY).record() is None
    write_atomic(store.job(KEY).path / "scores.parquet", b"x")
    assert store.job(KEY).record() is None
    assert store.jobs() == []


def test_a_finished_job_has_the_hash_of_every_other_file(store, tmp_path):
    model = tmp_path / "model"
    model.write_bytes(b"weights")
    folder = store.job(KEY)
    record = folder.finish(
        RECORD, {"scores.parquet": parquet_bytes(SCORES), "maps/a.png": b"p", "model.safetensors": model}
    )
    assert folder.record() == record
    assert files_below(folder.path) == ["maps/a.png", "model.safetensors", "record.json", "scores.parquet"]
    hashed = {name: subprocess.run(["sha256sum", folder.path / name], capture_output=True, text=True).stdout.split()[0]
              for name in record["files"]}  # fmt: skip
    assert record["files"] == hashed
    assert folder.damaged_files() == []
    assert [job.key for job in store.jobs()] == [KEY]


def test_scores_come_back_to_the_last_bit(store):
    store.job(KEY).finish(RECORD, {"scores.parquet": parquet_bytes(SCORES)})
    scores = store.job(KEY).scores()
    assert scores["score"].to_numpy().tobytes() == SCORES["score"].to_numpy().tobytes()


def test_the_same_frame_gives_the_same_bytes():
    assert parquet_bytes(SCORES) == parquet_bytes(SCORES.copy())


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b'{"schema": 1}', b'{"schema":1,"key":"x","status":"done","files":{}}', b"\xff\xfe"],
    ids=["empty", "half", "list", "keys missing", "another job's", "binary"],
)  # fmt: skip
def test_a_damaged_record_is_one_clear_error_and_can_be_set_aside(store, content):
    folder = store.job(KEY)
    folder.finish(RECORD, {"scores.parquet": b"x"})
    (folder.path / "record.json").write_bytes(content)
    with pytest.raises(StoreError, match=rf"{KEY}/record\.json.*done anew") as caught:
        folder.record()
    assert caught.value.code == "DamagedRecord"
    aside = folder.set_aside()
    assert folder.record() is None
    assert files_below(aside) == ["record.json", "scores.parquet"]
    assert store.jobs() == []


def test_a_missing_file_of_a_job_is_one_clear_error(store):
    folder = store.job(KEY)
    folder.finish(RECORD, {"scores.parquet": b"x"})
    (folder.path / "scores.parquet").unlink()
    with pytest.raises(StoreError, match=r"scores\.parquet.*record\.json lists"):
        folder.record()


def test_scores_that_were_changed_are_refused(store):
    folder = store.job(KEY)
    folder.finish(RECORD, {"scores.parquet": parquet_bytes(SCORES)})
    (folder.path / "scores.parquet").write_bytes(parquet_bytes(SCORES.assign(score=1.0)))
    assert folder.damaged_files() == ["scores.parquet"]
    with pytest.raises(StoreError, match="other bytes than"):
        folder.scores()


def test_a_second_attempt_replaces_the_files_of_the_first(store):
    folder = store.job(KEY)
    folder.finish({**RECORD, "status": "failed"}, {"error.txt": b"why", "log.txt": b"1"})
    folder.finish(RECORD, {"log.txt": b"2"})
    assert files_below(folder.path) == ["log.txt", "record.json"]
    assert folder.record()["status"] == "done"


def test_a_full_disk_while_a_job_is_stored_leaves_it_undone_and_others_alone(store, no_space):
    other = store.job("f" * 16)
    other.finish(RECORD, {"scores.parquet": b"x"})
    no_space()
    with pytest.raises(StoreError, match="Free some space"):
        store.job(KEY).finish(RECORD, {"scores.parquet": b"x"})
    assert store.job(KEY).record() is None
    assert other.record()["status"] == "done"


@pytest.mark.parametrize("name", ["record.json", "../x", "/etc/x"])
def test_a_job_has_no_files_elsewhere(store, name):
    with pytest.raises(ValueError, match="not a name"):
        store.job(KEY).finish(RECORD, {name: b""})


# -- locks -----------------------------------------------------------------------------------------------------


def _hold(root, held, release):
    with RunStore(root).lock(KEY):
        held.set()
        release.wait(30)


def test_two_runners_do_not_hold_the_lock_of_one_job(store):
    context = multiprocessing.get_context("spawn")
    held, release = context.Event(), context.Event()
    other = context.Process(target=_hold, args=(store.root, held, release))
    other.start()
    try:
        assert held.wait(30)
        with store.lock(KEY, wait=False) as mine:
            assert not mine
        with store.lock("f" * 16, wait=False) as mine:
            assert mine
        release.set()
        with store.lock(KEY) as mine:  # waits for the other
            assert mine
    finally:
        release.set()
        other.join(30)


def test_a_killed_runner_leaves_no_lock(store):
    context = multiprocessing.get_context("spawn")
    held, release = context.Event(), context.Event()
    other = context.Process(target=_hold, args=(store.root, held, release))
    other.start()
    assert held.wait(30)
    other.kill()
    other.join(30)
    with store.lock(KEY, wait=False) as mine:
        assert mine


# -- events and progress ---------------------------------------------------------------------------------------


def test_events_of_many_writers_are_whole_lines(store):
    def write(n):
        for i in range(50):
            store.append_event({"event": "x", "writer": n, "i": i, "text": "y" * 200})

    threads = [threading.Thread(target=write, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    events = store.events()
    assert len(events) == 200
    assert {(e["writer"], e["i"]) for e in events} == {(n, i) for n in range(4) for i in range(50)}


def test_half_a_line_of_a_killed_writer_harms_no_other_line(store):
    store.append_event({"event": "a"})
    with (store.root / "events.jsonl").open("a") as stream:
        stream.write('{"event": "ha')
    store.append_event({"event": "b"})
    assert [e["event"] for e in store.events()] == ["a", "b"]


def test_progress_is_one_small_file_a_job(store):
    store.report_progress(KEY, phase="fit", done=1, total=3, loss=np.float32(0.5))
    store.report_progress(KEY, phase="fit", done=2, total=3)
    (path,) = store.progress_dir.iterdir()
    assert json.loads(path.read_text())["done"] == 2
    assert len(store.events()) == 1  # at most one every ten seconds
    store.clear_progress(KEY)
    store.clear_progress(KEY)
    assert list(store.progress_dir.iterdir()) == []


# -- splits and tables -----------------------------------------------------------------------------------------


@pytest.fixture
def samples():
    ids = ["a,b", "=c", "d\ne", 'f"', "g", "h"]
    return SampleTable.checked(
        pd.DataFrame({"sample_id": ids, "label": [0, 1, 0, 1, 0, 0], "object_id": list("uvwxyz")})
    )


@pytest.mark.parametrize(
    "split",
    [
        Split(0, ("a,b",), ("=c", "g"), ('f"', "h"), ("d\ne",)),
        Split(7, ("a,b",), ("=c", "g"), ('f"', "h"), ("d\ne",), status="approximate", notes=("hard", "to halve")),
        Split(0, ("a,b", "g"), (), (), ("d\ne",), test=("=c", 'f"', "h")),
    ],
    ids=["three way", "with notes", "naive"],
)
def test_a_split_comes_back_as_it_was(store, samples, split):
    store.write_split("three_way", split, samples)
    assert store.read_split("three_way", split.repeat) == split
    assert store.read_splits("three_way") == (split,)


def test_a_split_file_begins_with_its_fingerprint_and_has_three_columns(store, samples):
    split = Split(0, ("a,b",), ("=c", "g"), ('f"', "h"), ("d\ne",))
    store.write_split("three_way", split, samples)
    path = store.root / "splits" / "three_way" / "0.csv"
    assert path.read_text().splitlines()[0] == f"# fingerprint: {split.fingerprint}"
    frame = pd.read_csv(path, skiprows=1)
    assert list(frame.columns) == ["sample_id", "object_id", "partition"]
    assert dict(zip(frame["sample_id"], frame["partition"], strict=True)) == split.partition_of()


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda t: t.replace(",inference", ",unused", 1), "fingerprint"),
        (lambda t: t.partition("\n")[2], "a first line"),
        (lambda t: t.replace("partition", "part"), "the columns"),
        (lambda t: t.replace(",train", ",tain"), "tain"),
        (lambda t: "", "a first line"),
    ],
    ids=["moved image", "no fingerprint", "other header", "unknown partition", "empty"],
)
def test_a_changed_split_is_refused(store, samples, damage, words):
    store.write_split("three_way", Split(0, ("a,b",), ("=c", "g"), ('f"', "h"), ("d\ne",)), samples)
    path = store.root / "splits" / "three_way" / "0.csv"
    path.write_text(damage(path.read_text()))
    with pytest.raises(InputError, match=words):
        store.read_split("three_way", 0)


def test_results_are_stored_exactly_and_safely(store):
    frame = pd.DataFrame({
        "detector": ["=cmd|' /C calc'!A0", "-x", None], "repeat": pd.array([0, 1, None], "Int64"),
        "threshold": [np.inf, 0.1 + 0.2, np.nan], "value": [1 / 3, -1e-300, np.nan], "optimistic": [True, False, True],
    })  # fmt: skip
    store.write_results(frame)
    lines = (store.root / "results.csv").read_text().splitlines()
    assert lines == [
        "detector,repeat,threshold,value,optimistic",
        "'=cmd|' /C calc'!A0,0,inf,0.3333333333333333,true",
        "'-x,1,0.30000000000000004,-1e-300,false",
        ",,,,true",
    ]
    pd.testing.assert_frame_equal(store.read_results(), frame, check_dtype=False)


def test_comparisons_come_back(store):
    assert store.read_comparisons().empty
    frame = pd.DataFrame({"detector_a": ["=x", "b"], "difference": [0.1 + 0.2, np.nan], "n_tests": [1, 2]})
    store.write_comparisons(frame)
    pd.testing.assert_frame_equal(store.read_comparisons(), frame, check_dtype=False)


def test_csv_holds_no_index_and_ends_lines_alike():
    assert csv_bytes(pd.DataFrame({"a": [1]})) == b"a\n1\n"
