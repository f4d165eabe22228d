"""Where a restored store is unpacked and how it gets its name: at once, as a whole, whatever happens on the way.

A folder that is not there yet is unpacked beside its place and renamed. One that is there, which must be empty, may be
a mount point: nothing can be renamed to that, and what lies beside it is on another disk. It is unpacked within, in a
folder of its own, and `blobs` is renamed last: without that no command takes it for a store, nor, while that folder is
there, makes one of it. What the file system keeps in its root does not count.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from flowkit.errors import BackupError, BackupUseError
from flowkit.housekeeping.backups.contents import DATABASE
from flowkit.store.files import PRIVATE_FOLDER, fsync_directory, make_folder
from flowkit.store.folder import MARK, RESTORING, StoreFolder

UNPACKED = RESTORING
"""What the folder that a restore unpacks into is called, or ends in."""

_BEFORE_BLOBS = ("quarantine", "runs", "tmp", DATABASE, MARK)
_OF_THE_DISK = "lost+found"
"""A folder in the root of some file systems; it stays as it is."""

_MARGIN = 1 << 20
_MOST_SHOWN = 5


def refuse_used(target: Path) -> None:
    """Refuse a place that holds something else than what a killed restore left.

    Raises:
        BackupUseError: It does.
        BackupError: It cannot be looked at.
    """
    with reporting("restored", target):
        if target.is_dir() and not target.is_symlink():
            names = _names_in(target)
            found = sorted(names.difference(_leftovers(names)))
            if found:
                raise BackupUseError.for_used_folder(target, ", ".join(found[:_MOST_SHOWN]))
        elif os.path.lexists(target):
            raise BackupUseError.for_used_folder(target, "it is not a folder")


@contextmanager
def unpacking(target: Path, size: int) -> Iterator[Path]:
    """Yield an empty folder for what becomes the store at `target`; it goes where the block fails, or by `give_name`.

    What a killed process left is removed first; the lock is the kernel's and goes with its holder.

    Args:
        target: A place that `refuse_used` let pass.
        size: How much will be put there.

    Raises:
        BackupError: There is no room, or another process restores to the same place.
    """
    folder = target / UNPACKED if target.is_dir() else target.with_name(f".{target.name}{UNPACKED}")
    with reporting("restored", folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        if folder.parent == target:
            os.chmod(target, PRIVATE_FOLDER)
    lock, held = -1, False
    try:
        with reporting("restored", folder):
            make_folder(folder)
            lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC | os.O_NOFOLLOW)
            _hold(lock, folder)
            held = True
            _clear(folder, target)
            free = shutil.disk_usage(folder).free
        if free < size + _MARGIN:
            raise BackupError.for_no_space(target, size + _MARGIN, free)
        yield folder
    except BaseException:
        if held:
            shutil.rmtree(folder, ignore_errors=True)
        else:
            # Interrupted before it was ours, or another's: what is empty is of no use to anybody.
            with suppress(OSError):
                os.rmdir(folder)
        raise
    finally:
        if lock >= 0:
            os.close(lock)


def give_name(folder: Path, target: Path) -> None:
    """Make a store that is unpacked durable, mark it as complete, and put it in its place.

    Raises:
        BackupUseError: Somebody has put something there meanwhile.
        OSError: That cannot be done; nothing is in its place.
    """
    StoreFolder.create_or_open(folder)
    for path, _, _ in os.walk(folder):
        fsync_directory(Path(path))
    if folder.parent == target:
        _move_within(folder, target)
        return
    os.rename(folder, target)
    try:
        fsync_directory(target.parent)
    except OSError:
        # Withdrawn rather than left under a name that may vanish: it can be restored again.
        os.rename(target, folder)
        raise


@contextmanager
def reporting(action: str, path: Path) -> Iterator[None]:
    """Turn an `OSError` into the `BackupError` that says what cannot be done."""
    try:
        yield
    except OSError as error:
        raise BackupError.for_os_error(action, path, error) from error


def _move_within(folder: Path, target: Path) -> None:
    found = _names_in(target) - {UNPACKED}
    if found:
        raise BackupUseError.for_used_folder(target, ", ".join(sorted(found)[:_MOST_SHOWN]))
    moved: list[str] = []
    try:
        for name in (*_BEFORE_BLOBS, "blobs"):
            if name == "blobs":
                fsync_directory(target)
            os.rename(folder / name, target / name)
            moved.append(name)
        fsync_directory(target)
    except BaseException:
        # The last one first, so that it is a store no more from the first step on.
        for name in reversed(moved):
            os.rename(target / name, folder / name)
        raise
    with suppress(OSError):  # an empty folder is all that is left of it
        os.rmdir(folder)


def _names_in(target: Path) -> set[str]:
    """Return what somebody, or a restore, has put into a folder that may be the root of a disk."""
    names = set(os.listdir(target))
    kept = target / _OF_THE_DISK
    return names - {_OF_THE_DISK} if kept.is_dir() and not kept.is_symlink() else names


def _leftovers(names: set[str]) -> set[str]:
    """Return which of the names in a folder are those of a restore that was killed before it was a store."""
    return {UNPACKED, *_BEFORE_BLOBS} & names if UNPACKED in names and "blobs" not in names else set()


def _clear(folder: Path, target: Path) -> None:
    """Remove what a killed restore left; the lock is held, so look again who came first."""
    if folder.parent == target:
        refuse_used(target)
        for name in _leftovers(_names_in(target)) - {UNPACKED}:
            _remove(target / name)
    for name in os.listdir(folder):
        _remove(folder / name)


def _hold(lock: int, folder: Path) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise BackupError.for_busy(folder) from None
    if not folder.exists() or not os.path.samestat(os.fstat(lock), folder.stat()):
        raise BackupError.for_busy(folder)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()
