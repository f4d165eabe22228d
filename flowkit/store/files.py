"""Every write, fsync, rename and unlink of the store, and the order they are done in.

A file becomes visible whole or not at all: temporary file in the same file system, write, fsync, close, chmod, rename,
fsync of the directory. Nothing is ever written in place. Functions here raise `OSError` as it comes; what it means for
a person is said by their callers.
"""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path

from flowkit.records import Stamp
from flowkit.store.libc import start_writing

Buffer = bytes | bytearray | memoryview

READ_ONLY = 0o400
PRIVATE_FILE = 0o600
PRIVATE_FOLDER = 0o700
UNSETTLED_FOLDER = PRIVATE_FOLDER | stat.S_ISVTX
"""The mode of a folder whose own name may not be durable yet. For a private folder the bit has no other meaning."""

_BATCH_BYTES = 8 << 20
_BATCH_BUFFERS = 512


Follow = Callable[[int], AbstractContextManager[Callable[[int], None]]]
"""Given a file's descriptor, what is around its writing: yields what is told how many bytes were written so far."""


def stamp_of(status: os.stat_result) -> Stamp:
    """Return the part of a `stat` by which an unchanged file is known."""
    return Stamp(status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)


def read_stamp(path: str | Path) -> Stamp | None:
    """Return the stamp of the regular file at `path`, None where there is none; a link is not followed."""
    try:
        status = os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    return stamp_of(status) if stat.S_ISREG(status.st_mode) else None


def write_file_durably(
    path: Path,
    parts: Iterable[Buffer],
    *,
    temporary_folder: Path,
    mode: int = READ_ONLY,
    replace: bool = True,
    follow: Follow | None = None,
) -> Stamp | None:
    """Write a whole file that survives a crash once this returns.

    Args:
        path: Where it is to stand; its folder exists.
        parts: Its bytes, in order; none of them may change while this runs, unless `follow` notices.
        temporary_folder: In the same file system as `path`.
        mode: Permission bits of the finished file.
        replace: Whether a file that stands there already is replaced.
        follow: Looks at what is written while the rest is; what it raises goes through, and the file is not there.

    Returns:
        The file's stamp. None where another file stands there: one that `replace` forbids to replace, or one by which
        another process has replaced this one meanwhile.

    Raises:
        OSError: A call failed; nothing stands at `path` that was not there before. After a failed fsync the same file
            is never synced again: the caller writes all of it anew or gives up.
    """
    temporary = temporary_folder / f"{os.getpid()}-{os.urandom(8).hex()}"
    try:
        written = _write_and_sync(temporary, parts, follow or _look_away)
        os.chmod(temporary, mode)
        if not replace and os.path.lexists(path):
            remove(temporary)
            return None
        os.rename(temporary, path)
    except BaseException:
        with suppress(OSError):
            os.unlink(temporary)
        raise
    _sync_name_or_withdraw(path, written)
    return _confirm(path, written)


def fsync_directory(path: Path) -> None:
    """Make the names in the folder `path` durable."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_folder(path: Path, mode: int = PRIVATE_FOLDER) -> bool:
    """Make the folder `path` for its owner alone, whatever the umask; say whether it was not there before."""
    try:
        os.mkdir(path, mode)
    except FileExistsError:
        if not path.is_dir():
            raise
        return False
    os.chmod(path, mode)
    return True


def make_folder_durably(path: Path) -> None:
    """Make the folder `path` and its name durable; whoever comes by does it where a process died in between."""
    try:
        mode = os.stat(path).st_mode
    except FileNotFoundError:
        mode = 0
    if stat.S_ISDIR(mode) and not mode & stat.S_ISVTX:
        return
    make_folder(path, UNSETTLED_FOLDER)
    fsync_directory(path.parent)
    os.chmod(path, PRIVATE_FOLDER)


def move(source: Path, target: Path) -> None:
    """Rename `source` to `target` and make both folders' names durable."""
    os.rename(source, target)
    fsync_directory(target.parent)
    fsync_directory(source.parent)


def remove(path: Path) -> None:
    """Unlink the file at `path`."""
    os.unlink(path)


def _write_and_sync(path: Path, parts: Iterable[Buffer], follow: Follow) -> Stamp:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, PRIVATE_FILE)
    try:
        with follow(descriptor) as take_note:
            _write_parts(descriptor, parts, take_note)
            # The kernel may give several writes one coarse time; this exact one is no other write's, so that a file
            # changed right after it was stamped still differs from its stamp.
            now = time.time_ns()
            os.utime(descriptor, ns=(now, now))
            os.fsync(descriptor)
        return stamp_of(os.fstat(descriptor))
    finally:
        os.close(descriptor)


def _write_parts(descriptor: int, parts: Iterable[Buffer], take_note: Callable[[int], None]) -> None:
    """Write all parts; the disk takes what was written while the rest is."""
    written = 0
    for batch in _batches(parts):
        size = sum(map(len, batch))
        _write_all(descriptor, batch)
        if size >= _BATCH_BYTES:
            start_writing(descriptor, written, size)
        written += size
        take_note(written)


@contextmanager
def _look_away(descriptor: int) -> Iterator[Callable[[int], None]]:
    yield lambda written: None


def _batches(parts: Iterable[Buffer]) -> Iterator[list[memoryview]]:
    batch: list[memoryview] = []
    size = 0
    for part in parts:
        view = memoryview(part)
        if view.nbytes == 0:
            continue
        batch.append(view.cast("B"))
        size += view.nbytes
        if size >= _BATCH_BYTES or len(batch) >= _BATCH_BUFFERS:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _write_all(descriptor: int, views: list[memoryview]) -> None:
    while views:
        count = os.writev(descriptor, views)
        while views and count >= len(views[0]):
            count -= len(views.pop(0))
        if views:
            views[0] = views[0][count:]


def _sync_name_or_withdraw(path: Path, written: Stamp) -> None:
    """Make the name of `path` durable; where that fails, take the file away rather than leave what may vanish."""
    try:
        fsync_directory(path.parent)
    except OSError:
        with suppress(OSError):
            if _confirm(path, written) is not None:
                os.unlink(path)
        raise


def _confirm(path: Path, written: Stamp) -> Stamp | None:
    """Return the stamp of `path` if it is the file just written; the rename has changed its ctime only."""
    stamp = read_stamp(path)
    if stamp is None or (stamp.size, stamp.mtime_ns, stamp.inode) != (written.size, written.mtime_ns, written.inode):
        return None
    return stamp
