"""Files that are either there and whole, or not there: temporary name, flush to disk, rename."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import secrets
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path

from protocols.errors import StoreError

_TEMPORARY = re.compile(r"\..+\.(?P<host>[^.]*)\.(?P<pid>\d+)\.[0-9a-f]{8}\.tmp")


def write_atomic(path: Path, content: bytes | Path, *, durable: bool = True) -> None:
    """Write a file under a temporary name in the same folder, flush it to disk, and rename it.

    Parameters
    ----------
    path
        The file; its folder is made if needed.
    content
        Its bytes, or a file to copy them from.
    durable
        False skips the flushes: for files that matter only while the program runs.

    Raises
    ------
    StoreError
        The disk is full, the folder is read-only, or anything else that keeps a file from being written.
    """
    with store_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.{_host()}.{os.getpid()}.{secrets.token_hex(4)}.tmp")
        try:
            with temporary.open("xb") as stream:
                if isinstance(content, Path):
                    with content.open("rb") as source:
                        shutil.copyfileobj(source, stream, 1 << 20)
                else:
                    stream.write(content)
                if durable:
                    stream.flush()
                    os.fsync(stream.fileno())
            os.replace(temporary, path)
        except BaseException:
            with contextlib.suppress(OSError):  # the first error is the one to tell
                temporary.unlink()
            raise
        if durable:
            sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Flush a folder's entries to disk, where the system can."""
    with contextlib.suppress(OSError):  # some network file systems and Windows cannot; the rename itself is done
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


@contextlib.contextmanager
def store_errors(path: Path) -> Iterator[None]:
    """Turn the system's errors at a path into ours, which say what to do."""
    try:
        yield
    except StoreError:
        raise
    except OSError as error:
        found = error.strerror or str(error)
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise StoreError(str(path), found, "free space on the disk", "Free some space and run the same command "
                             "again; what was finished is kept.", code="DiskFull") from error  # fmt: skip
        if error.errno in (errno.EROFS, errno.EACCES, errno.EPERM):
            raise StoreError(str(path), found, "a folder that can be written", "Correct its permissions, or choose "
                             "another one with --output.", code="NotWritable") from error  # fmt: skip
        raise StoreError(str(path), found, "a file that can be written", "Check the path and the disk.") from error


def is_temporary(path: Path) -> bool:
    """Return whether a file has one of our temporary names: it was never finished."""
    return _TEMPORARY.fullmatch(path.name) is not None


def remove_stale(folder: Path) -> int:
    """Remove the temporary files below `folder` whose writer on this machine is dead; return how many."""
    removed = 0
    for path in folder.rglob(".*.tmp"):
        match = _TEMPORARY.fullmatch(path.name)
        if match and match["host"] == _host() and not _alive(int(match["pid"])):
            with contextlib.suppress(OSError):  # another runner may be faster; a leftover harms nobody
                path.unlink()
                removed += 1
    return removed


def _host() -> str:
    return re.sub(r"[^A-Za-z0-9-]", "-", socket.gethostname())


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:  # alive, but not ours
        return True
    return True
