"""Files and folders by their content.

A file counts by its bytes. A folder counts by its sorted tree: relative name, kind, executable bit and digest of each
entry; a link by its target's text and by what it leads to. The base name of the path itself does not count here.
"""

from __future__ import annotations

import os
import stat as modes
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal, Protocol

from blake3 import blake3

from flowkit.errors import InputError
from flowkit.fingerprint.framing import frame_all, frame_text
from flowkit.records import Digest

PathKind = Literal["file", "folder"]
Update = Callable[[bytes], object]
Above = tuple[tuple[int, int], ...]
FileEntry = tuple[str, Digest, int]
"""Relative name, digest and bytes of a file in a folder."""

_BLOCK = 1 << 22
_SETTLED = 2_000_000_000
_FOLDER_DOMAIN = b"flowkit folder 1\0"


class FileDigests(Protocol):
    """Digests of files, kept by (device, inode, size, mtime_ns, ctime_ns) so that what did not change is not read."""

    def get(self, path: Path, stat: os.stat_result) -> Digest | None:
        """Return the digest kept for exactly this stat, None where there is none."""
        ...

    def put(self, path: Path, stat: os.stat_result, digest: Digest) -> None:
        """Keep a digest. Called only where a later write to the file is certain to change its stat."""
        ...

    def put_folder(self, digest: Digest, files: Sequence[tuple[str, Digest, int]], /) -> None:
        """Keep (relative name, digest, bytes) of the files of a folder, so that they can be named later."""
        ...


def input_name(path: Path) -> str:
    """Return the base name under which a path counts: that of the absolute path, so that `.` has one too."""
    return os.path.basename(os.path.abspath(path))


def digest_path(path: Path, known: FileDigests | None = None) -> tuple[PathKind, Digest, int]:
    """Return what a path is, the digest of its content, and its size in bytes (of all files for a folder).

    Args:
        path: A file or folder, or a link to one.
        known: Digests from earlier, if any are kept.

    Raises:
        InputError: Nothing is there, it cannot be read, or it is neither a file nor a folder.
    """
    try:
        status = os.stat(path)
        if modes.S_ISREG(status.st_mode):
            return "file", _digest_file(path, status, known), status.st_size
        if modes.S_ISDIR(status.st_mode):
            hasher = blake3(_FOLDER_DOMAIN)
            files: list[FileEntry] = []
            _add_folder(hasher.update, path, "", (), known, files)
            digest = hasher.hexdigest()
            if known is not None:
                known.put_folder(digest, files)
            return "folder", digest, sum(size for _, _, size in files)
    except FileNotFoundError as error:
        raise InputError.for_missing(path if error.filename is None else error.filename) from error
    except OSError as error:
        reason = error.strerror or str(error)
        raise InputError.for_unreadable(path if error.filename is None else error.filename, reason) from error
    raise InputError.for_unreadable(path, "it is neither a file nor a folder")


def _digest_file(path: str | os.PathLike[str], status: os.stat_result, known: FileDigests | None) -> Digest:
    place = Path(path)
    if known is not None and (kept := known.get(place, status)) is not None:
        return kept
    started = time.time_ns()
    hasher = blake3(max_threads=blake3.AUTO if status.st_size > _BLOCK else 1)
    with open(path, "rb", buffering=0) as file:
        before = os.fstat(file.fileno())
        buffer = bytearray(min(_BLOCK, before.st_size + 1))
        view = memoryview(buffer)
        while count := file.readinto(buffer):
            hasher.update(view[:count])
        after = os.fstat(file.fileno())
    digest = hasher.hexdigest()
    if known is not None and _is_settled(before, after, started):
        known.put(place, after, digest)
    return digest


def _is_settled(before: os.stat_result, after: os.stat_result, started: int) -> bool:
    """Whether the digest may be trusted for this stat from now on.

    A write within the clock's granularity of an earlier one can leave the stat as it was, so a file changed within the
    last two seconds is hashed again next time.
    """
    same = (before.st_size, before.st_mtime_ns, before.st_ctime_ns) == (
        after.st_size,
        after.st_mtime_ns,
        after.st_ctime_ns,
    )
    return same and started - after.st_ctime_ns > _SETTLED


def _add_folder(
    update: Update,
    folder: str | os.PathLike[str],
    prefix: str,
    above: Above,
    known: FileDigests | None,
    files: list[FileEntry],
) -> None:
    """Add the entries of a folder, depth first in order of their relative names; list its files in `files`."""
    status = os.stat(folder)
    identity = (status.st_dev, status.st_ino)
    if identity in above:
        raise InputError.for_unreadable(folder, "a link leads back to a folder above it")
    with os.scandir(folder) as entries:
        ordered = sorted(entries, key=lambda entry: os.fsencode(entry.name))
    for entry in ordered:
        name = f"{prefix}{entry.name}"
        if entry.is_symlink():
            update(frame_all(b"L", (frame_text(b"s", name), frame_text(b"s", os.readlink(entry.path)))))
        _add_entry(update, entry.path, name, (*above, identity), known, files)


def _add_entry(
    update: Update, path: str, name: str, above: Above, known: FileDigests | None, files: list[FileEntry]
) -> None:
    try:
        status = os.stat(path)
    except FileNotFoundError:
        if not os.path.islink(path):
            raise
        # A dangling link is content too: its target's text has been added, and there is nothing behind it.
        update(frame_text(b"0", name))
        return
    if modes.S_ISDIR(status.st_mode):
        update(frame_text(b"d", name))
        _add_folder(update, path, f"{name}/", above, known, files)
        return
    if not modes.S_ISREG(status.st_mode):
        raise InputError.for_unreadable(path, "it is neither a file nor a folder")
    executable = b"x" if status.st_mode & modes.S_IXUSR else b"f"
    digest = _digest_file(path, status, known)
    update(frame_all(executable, (frame_text(b"s", name), frame_text(b"s", digest))))
    files.append((name, digest, status.st_size))
