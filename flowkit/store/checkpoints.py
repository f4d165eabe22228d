"""The folders in which nodes keep their progress until they succeed: one for each cache key, held by one attempt.

A lock file stands beside each folder. The system drops the lock with its holder's life, so a killed attempt leaves its
folder to the next one. A folder is removed under that lock.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from flowkit.records import Digest
from flowkit.store.files import PRIVATE_FILE, make_folder
from flowkit.store.folder import StoreFolder, reporting
from flowkit.store.names import check_digest


class Checkpoints:
    """The checkpoints of one attempt of a node.

    Args:
        folder: The store.
        key: The node's cache key.
        fallback: Gives the folder to use where another attempt of the same node holds the real one.
        kept: Whether there is a real one; else the fallback serves, and what is there already is not seen.

    Attributes:
        used: Whether the step has asked for them.
        refused: Whether another attempt held them.
    """

    def __init__(self, folder: StoreFolder, key: Digest, fallback: Callable[[], Path], *, kept: bool = True) -> None:
        self.used = False
        self.refused = False
        self._store = folder
        self._key = key
        self._fallback = fallback
        self._kept = kept
        self._lock: int | None = None

    def open(self) -> Path:
        """Return the folder, taken for this attempt when it is first asked for.

        Raises:
            StoreError: It cannot be made.
        """
        self.used = True
        root = self._store.checkpoints
        if self._kept and self._lock is None and not self.refused:
            with reporting("keep checkpoints", root):
                self._lock = _take(root, check_digest(self._key))
            self.refused = self._lock is None
        path = root / self._key if self._lock is not None else self._fallback()
        with reporting("keep checkpoints", path):
            make_folder(path)
        return path

    def release(self) -> None:
        """Let go of the folder; it stays."""
        if self._lock is not None:
            # A step may have closed descriptors that are not its own, and the lock with them.
            with suppress(OSError):
                os.close(self._lock)
            self._lock = None


def remove_checkpoints(folder: StoreFolder, key: Digest) -> None:
    """Remove what a node kept, now that it has succeeded; what another attempt holds is left to that.

    Raises:
        StoreError: It cannot be removed.
    """
    import shutil

    root = folder.checkpoints
    with reporting("remove checkpoints", root):
        lock = _take(root, check_digest(key))
        if lock is None:
            return
        try:
            shutil.rmtree(root / key, ignore_errors=True)
            with suppress(FileNotFoundError):
                os.unlink(_lock_path(root, key))
        finally:
            os.close(lock)


def _take(root: Path, key: Digest) -> int | None:
    """Return the descriptor that holds the lock of `key`, None where another process holds it."""
    make_folder(root)
    path = _lock_path(root, key)
    while True:
        descriptor = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW, PRIVATE_FILE)
        try:
            # Not `flock`: a process that the step forks would inherit that and hold it beyond the step's death.
            fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError):
            os.close(descriptor)
            return None
        if _is_at(descriptor, path):
            return descriptor
        os.close(descriptor)


def _is_at(descriptor: int, path: Path) -> bool:
    """Return whether the file that was locked is still the one at `path`: it goes with the folder."""
    with suppress(FileNotFoundError):
        return os.path.samestat(os.fstat(descriptor), os.stat(path))
    return False


def _lock_path(root: Path, key: Digest) -> Path:
    return root / f"{key}.lock"
