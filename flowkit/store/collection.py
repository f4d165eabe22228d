"""Who may remove stored files: one collector at a time, and none while somebody relies on all of them staying.

The locks are the kernel's and go with the process that holds them, however that ends.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager

from flowkit.errors import StoreError
from flowkit.store.files import PRIVATE_FILE
from flowkit.store.folder import StoreFolder, reporting

_LOCK = "collection.lock"


@contextmanager
def collecting(folder: StoreFolder) -> Iterator[None]:
    """Be the only one who removes files of a store for as long as the block runs.

    Raises:
        StoreError: Another process collects, or relies on all files staying, such as a backup.
    """
    with _held(folder, fcntl.LOCK_EX):
        yield


@contextmanager
def keeping(folder: StoreFolder) -> Iterator[None]:
    """Let no file of a store be removed while the block runs; several processes can ask for that.

    Raises:
        StoreError: Another process collects.
    """
    with _held(folder, fcntl.LOCK_SH):
        yield


@contextmanager
def _held(folder: StoreFolder, mode: int) -> Iterator[None]:
    path = folder.path / _LOCK
    with reporting("be locked", path):
        descriptor = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW, PRIVATE_FILE)
    try:
        try:
            fcntl.flock(descriptor, mode | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StoreError.for_collection(path) from None
        yield
    finally:
        os.close(descriptor)
