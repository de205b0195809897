"""Writing the files of a report: whole or not at all."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from protocols.errors import StoreError


def write_file(path: Path, content: str | bytes) -> Path:
    """Write a file under a temporary name in its folder, flush it, and rename it.

    Raises
    ------
    StoreError
        The folder cannot be written to.
    """
    raw = content.encode("utf-8") if isinstance(content, str) else content
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        try:
            with os.fdopen(handle, "wb") as stream:
                stream.write(raw)
                stream.flush()
                os.fsync(stream.fileno())
            umask = os.umask(0)
            os.umask(umask)
            Path(name).chmod(0o666 & ~umask)
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise StoreError(str(path), error.strerror or str(error), "a file that can be written",
                         "Choose another output folder, or make room.") from error  # fmt: skip
    return path
