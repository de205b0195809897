"""Features of frozen networks, computed once an image and kept: keyed by what decides them, never by a name.

The key is the identity of the computation (backbone, weights' SHA-256, layers, sizes, ...) and the SHA-256 of the
image file, so that no change of size, weights or network can meet stale features, and every row can be traced to
its file. Any number of processes may use one folder at once.
"""

from __future__ import annotations

import hashlib
import io
import logging
import os
import struct
import tempfile
import zlib
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from protocols.errors import DetectorError

from .base import ImageSet

_log = logging.getLogger(__name__)
_TRAILER = struct.Struct("<4sI")  # after the array: a mark and the CRC-32 of all before it
_MARK = b"L2F1"
_MEMORY_BYTES = 256 * 2**20

Features = NDArray[np.float32]
Compute = Callable[[list[NDArray[np.uint8]]], Features]


class FeatureCache:
    """Features on disk, or in memory where there is no folder.

    Parameters
    ----------
    root
        Folder shared by all jobs; None: keep what fits into 256 MiB in memory.
    limit_bytes
        Bound of the folder (or of the memory); the features not used for longest go first. 0 keeps nothing.
    """

    def __init__(self, root: Path | None, limit_bytes: int = 20 * 10**9) -> None:
        self.root = None if root is None else Path(root)
        self.limit_bytes = limit_bytes
        self._writable = True
        self._memory: OrderedDict[tuple[str, str], Features] = OrderedDict()
        self._memory_used = 0

    def fetch(
        self,
        images: ImageSet,
        indices: Sequence[int] | None,
        identity: str,
        compute: Compute,
        batch_size: int,
        report: Callable[[int, int], None] | None = None,
    ) -> Features:
        """Return the features of images, computing those that are not there.

        Every call of `compute` gets exactly `batch_size` images (the last one is filled up with repetitions): an
        image's features then do not depend on which others were missing.

        Parameters
        ----------
        images
            The images.
        indices
            Which of them, in the order wanted; None: all.
        identity
            Everything that decides the features beside the image.
        compute
            Called with a list of RGB images, returns float32, shape (n, ...).
        batch_size
            Images a call.
        report
            Called with (done, total).

        Returns
        -------
        ndarray
            float32, shape (len(indices), ...), in the order of `indices`.
        """
        wanted = list(range(len(images)) if indices is None else indices)
        rows: dict[str, list[int]] = {}  # equal files are computed once
        for row, index in enumerate(wanted):
            rows.setdefault(images.digest(index), []).append(row)
        store = hashlib.sha256(identity.encode()).hexdigest()
        result: Features | None = None
        done, written = 0, False

        def take(digest: str, features: Features) -> None:
            nonlocal result, done
            if result is None:
                result = np.empty((len(wanted), *features.shape), dtype=np.float32)
            result[rows[digest]] = features
            done += len(rows[digest])
            if report is not None:
                report(done, len(wanted))

        # Several processes begin at different places and look again before they compute: they share the work.
        pending = deque(rows)
        if self.root is not None and pending:
            pending.rotate(-(os.getpid() * 7919 % len(pending)))
        batch: list[str] = []
        while pending or batch:
            while pending and len(batch) < batch_size:
                digest = pending.popleft()
                features = self._read(store, digest, None if result is None else result.shape[1:])
                if features is None:
                    batch.append(digest)
                else:
                    take(digest, features)
            if batch:
                pictures = [images[wanted[rows[digest][0]]] for digest in batch]
                filled = pictures + [pictures[-1]] * (batch_size - len(pictures))
                for digest, features in zip(batch, _checked(compute(filled), batch_size), strict=False):
                    self._write(store, digest, features)
                    take(digest, features)
                batch, written = [], True
        if written and self.root is not None:
            self._prune()
        return np.empty((0,), dtype=np.float32) if result is None else result

    def _path(self, store: str, digest: str) -> Path:
        assert self.root is not None
        return self.root / store / digest[:2] / f"{digest}.npy"

    def _read(self, store: str, digest: str, shape: tuple[int, ...] | None) -> Features | None:
        """Return stored features; None where there are none or the file is damaged."""
        if self.root is None:
            features = self._memory.get((store, digest))
            if features is not None:
                self._memory.move_to_end((store, digest))
            return features
        path = self._path(store, digest)
        try:
            content = path.read_bytes()
        except OSError:
            return None
        features = decode(content)
        if features is None or (shape is not None and features.shape != shape):
            _log.warning("%s is damaged; its features are computed again", path)
            return None
        try:
            os.utime(path)  # marks it as used for `_prune`
        except OSError:
            _log.debug("%s: cannot mark as used", path)
        return features

    def _write(self, store: str, digest: str, features: Features) -> None:
        """Keep features; a folder that cannot be written is reported once and left alone."""
        if self.root is None:
            self._remember((store, digest), features)
        elif self._writable:
            path = self._path(store, digest)
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                _write_atomically(path, encode(features))
            except OSError as error:
                self._writable = False
                _log.warning("feature cache %s cannot be written (%s); going on without it", self.root, error)

    def _remember(self, key: tuple[str, str], features: Features) -> None:
        limit = min(self.limit_bytes, _MEMORY_BYTES)
        if features.nbytes <= limit:
            self._memory[key] = features.copy()  # not a view that keeps its whole batch alive
            self._memory_used += features.nbytes
            while self._memory_used > limit:
                _, oldest = self._memory.popitem(last=False)
                self._memory_used -= oldest.nbytes

    def _prune(self) -> None:
        """Remove the files not used for longest until nine tenths of the limit are left."""
        assert self.root is not None
        files: list[tuple[float, int, Path]] = []
        for path in self.root.glob("*/??/*.npy"):
            try:
                status = path.stat()
            except OSError:
                continue  # another process removed it
            files.append((status.st_mtime, status.st_size, path))
        total = sum(size for _, size, _ in files)
        if total <= self.limit_bytes:
            return
        for _, size, path in sorted(files):
            path.unlink(missing_ok=True)
            total -= size
            if total <= 0.9 * self.limit_bytes:
                return


def encode(features: Features) -> bytes:
    """Return a ``.npy`` file's bytes with a checksum behind them, which NumPy ignores when it reads."""
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, np.ascontiguousarray(features), allow_pickle=False)
    content = buffer.getvalue()
    return content + _TRAILER.pack(_MARK, zlib.crc32(content))


def decode(content: bytes) -> Features | None:
    """Return the array of :func:`encode`, or None when the bytes are not what was written."""
    if len(content) <= _TRAILER.size:
        return None
    body, trailer = content[: -_TRAILER.size], content[-_TRAILER.size :]
    if _TRAILER.unpack(trailer) != (_MARK, zlib.crc32(body)):
        return None
    array = np.lib.format.read_array(io.BytesIO(body), allow_pickle=False)
    return array if array.dtype == np.float32 else None


def _checked(features: Features, n: int) -> Features:
    if features.dtype != np.float32 or len(features) != n:
        raise DetectorError(f"features have type {features.dtype} and {len(features)} rows, expected float32 and {n}")
    if not np.isfinite(features).all():
        raise DetectorError("features are not finite: the backbone's weights do not suit its input")
    return features


def _write_atomically(path: Path, content: bytes) -> None:
    """Write beside and rename: a reader sees the whole file or none."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=path.stem[:8], suffix=".part")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
