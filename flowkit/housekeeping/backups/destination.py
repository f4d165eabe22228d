"""Where a backup is written: beside its place under a name that nobody else's file has, and renamed once it is whole.

No file that was there before is opened, and none goes but what a killed backup to the same place left.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from flowkit.errors import BackupError, BackupUseError
from flowkit.store.files import PRIVATE_FILE, fsync_directory
from flowkit.store.folder import StoreFolder

_PARTIAL = ".part"
_RANDOM_BYTES = 8
_MARGIN = 1 << 20
_PLAIN_OPEN = os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK


def refuse_place(folder: StoreFolder, file: Path, *, force: bool) -> None:
    """Refuse a place where a backup would destroy something; by whatever name, link or mount it is called.

    Args:
        folder: The store that is backed up.
        file: An absolute path.
        force: Whether a file that is there may be replaced.

    Raises:
        BackupUseError: The file is there already, is no file, or is in the store.
        BackupError: The place cannot be looked at.
    """
    with reporting(file):
        os.stat(file.parent)  # told now, not when all is read
        above = Path(os.path.realpath(file.parent))
        named = {_identity(path) for path in (file, above, *above.parents) if path.exists()}
        if not named.isdisjoint(_identity(path) for path in _places_of(folder) if path.exists()):
            raise BackupUseError.for_place_in_store(file, folder.path)
        if not os.path.lexists(file):
            return
        if not stat.S_ISREG(os.lstat(file).st_mode):
            raise BackupUseError.for_not_a_file(file)
    if not force:
        raise BackupUseError.for_existing_file(file)


def require_space(file: Path, needed: int) -> None:
    """Refuse a backup that its disk has no room for.

    Raises:
        BackupError: It has not, or cannot be asked.
    """
    with reporting(file.parent):
        free = shutil.disk_usage(file.parent).free
    if free < needed + _MARGIN:
        raise BackupError.for_no_space(file, needed + _MARGIN, free)


@contextmanager
def writing(file: Path, *, force: bool) -> Iterator[IO[bytes]]:
    """Yield an empty file that gets its name, durably, where the block ends well; else nothing is left of it.

    Args:
        file: Where it is to stand.
        force: Whether what stands there by then is replaced.

    Raises:
        BackupUseError: Something stands there by then.
        BackupError: It cannot be written, or another process writes one to the same place.
    """
    with reporting(file), _partial(file) as (output, partial):
        yield output
        output.flush()
        os.fsync(output.fileno())
        if not force and os.path.lexists(file):
            raise BackupUseError.for_existing_file(file)
        os.rename(partial, file)
        fsync_directory(file.parent)


@contextmanager
def reporting(path: Path) -> Iterator[None]:
    """Turn an `OSError` into the `BackupError` that says that the backup cannot be written."""
    try:
        yield
    except OSError as error:
        raise BackupError.for_os_error("written", path, error) from error


def _places_of(folder: StoreFolder) -> Iterator[Path]:
    """Yield the store's folder and what is in it, two levels deep: what lies elsewhere and is linked to is its own too.

    Of the second level folders and links are enough: those lead elsewhere.
    """
    yield folder.path
    for path in folder.path.iterdir():
        yield path
        if path.is_dir():
            # What this user may not look into is no folder of the store.
            with suppress(PermissionError), os.scandir(path) as entries:
                yield from (Path(entry.path) for entry in entries if entry.is_symlink() or entry.is_dir())


def _identity(path: Path) -> tuple[int, int]:
    status = os.stat(path)
    return status.st_dev, status.st_ino


@contextmanager
def _partial(file: Path) -> Iterator[tuple[IO[bytes], Path]]:
    """Yield a new file beside `file`, with its path; it goes where the block fails.

    The lock says that somebody writes it. Of two that begin at once each may find the other, and both are refused.
    """
    partial = file.with_name(f"{file.name}.{os.urandom(_RANDOM_BYTES).hex()}{_PARTIAL}")
    descriptor = os.open(partial, _PLAIN_OPEN | os.O_CREAT | os.O_EXCL, PRIVATE_FILE)
    with os.fdopen(descriptor, "r+b") as output:
        try:
            os.fchmod(descriptor, PRIVATE_FILE)
            _lock(descriptor, file)
            _clear_beside(file, partial)
            if not partial.exists():  # it was taken for a leftover before it was locked
                raise BackupError.for_busy(file)
            yield output, partial
        except BaseException:
            partial.unlink(missing_ok=True)
            raise


def _clear_beside(file: Path, partial: Path) -> None:
    """Remove what killed backups to the same place left.

    Raises:
        BackupError: Another process writes one now.
    """
    ours = re.compile(rf"{re.escape(file.name)}\.[0-9a-f]{{{2 * _RANDOM_BYTES}}}{re.escape(_PARTIAL)}")
    for name in os.listdir(file.parent):
        if ours.fullmatch(name) and name != partial.name:
            _clear(file.with_name(name), file)


def _clear(left: Path, file: Path) -> None:
    try:
        descriptor = os.open(left, _PLAIN_OPEN)
    except OSError:  # a link, another user's, or gone by now: not ours to remove
        return
    try:
        if stat.S_ISREG(os.fstat(descriptor).st_mode):
            _lock(descriptor, file)
            left.unlink(missing_ok=True)
    finally:
        os.close(descriptor)


def _lock(descriptor: int, file: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise BackupError.for_busy(file) from None
