"""Who may remove stored files: one collector at a time, and none while somebody relies on all of them staying.

The locks are the kernel's and go with the process that holds them, however that ends.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from flowkit.errors import StoreError
from flowkit.store.files import PRIVATE_FILE
from flowkit.store.folder import StoreFolder, reporting

_LOCK = "collection.lock"
_PAUSE = 0.1


@contextmanager
def collecting(folder: StoreFolder) -> Iterator[None]:
    """Be the only one who removes files of a store for as long as the block runs.

    Raises:
        StoreError: Another process collects, or relies on all files staying: makes a backup, or verifies.
    """
    with _held(folder, fcntl.LOCK_EX):
        yield


@contextmanager
def keeping(folder: StoreFolder, *, wait: float = 0.0, reading: bool = False) -> Iterator[None]:
    """Let no file of a store be removed while the block runs; several processes can ask for that.

    Args:
        folder: The store.
        wait: Seconds to wait for the end of a collection that goes on.
        reading: Change nothing: where no collector has made the lock's file yet, or this user may not open it, none is
            waited for or kept out.

    Raises:
        StoreError: Another process collects.
    """
    with _held(folder, fcntl.LOCK_SH, wait, optional=reading):
        yield


@contextmanager
def _held(folder: StoreFolder, mode: int, wait: float = 0.0, *, optional: bool = False) -> Iterator[None]:
    path = folder.path / _LOCK
    descriptor = _open_to_read(path) if optional else _open_or_make(path)
    if descriptor is None:
        yield
        return
    try:
        _lock(descriptor, mode, path, wait)
        yield
    finally:
        os.close(descriptor)


def _open_or_make(path: Path) -> int:
    with reporting("be locked", path):
        return os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW, PRIVATE_FILE)


def _open_to_read(path: Path) -> int | None:
    try:
        return os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return None


def _lock(descriptor: int, mode: int, path: Path, wait: float) -> None:
    end = time.monotonic() + wait
    while True:
        try:
            return fcntl.flock(descriptor, mode | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= end:
                raise StoreError.for_collection(path) from None
        time.sleep(_PAUSE)
