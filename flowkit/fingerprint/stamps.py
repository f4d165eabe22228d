"""What `stat` says of an input, to be compared later: of a file as it is, of a folder over its whole tree."""

from __future__ import annotations

import os
import stat as modes
from collections.abc import Iterator
from pathlib import Path

from blake3 import blake3

from flowkit.fingerprint.framing import frame_text
from flowkit.records import Digest, Stamp

PathStamp = Stamp | Digest
"""A file's stamp, or a digest over the relative names and stamps in a folder."""

Above = tuple[tuple[int, int], ...]


def stamp_path(path: Path) -> PathStamp | None:
    """Return the stamp of a file or folder, None where it cannot be read.

    Taken before the content is hashed, it betrays whatever is changed from then on.
    """
    try:
        status = os.stat(path)
        if not modes.S_ISDIR(status.st_mode):
            return _stamp(status)
        hasher = blake3()
        for line in _stamp_tree(os.fspath(path), "", ((status.st_dev, status.st_ino),)):
            hasher.update(frame_text(b"s", line))
        return hasher.hexdigest()
    except OSError:
        return None


def _stamp_tree(folder: str, prefix: str, above: Above) -> Iterator[str]:
    """Yield a line for every entry below a folder, links with what they lead to, in order of the names."""
    with os.scandir(folder) as entries:
        ordered = sorted(entries, key=lambda entry: os.fsencode(entry.name))
    for entry in ordered:
        name = f"{prefix}{entry.name}"
        if entry.is_symlink():
            yield f"{name} {_stamp(os.lstat(entry.path))}"
            if not os.path.exists(entry.path):
                continue
        status = os.stat(entry.path)
        identity = (status.st_dev, status.st_ino)
        if not modes.S_ISDIR(status.st_mode):
            yield f"{name} {status.st_mode} {_stamp(status)}"
        elif identity not in above:
            # A folder's own times change with what comes and goes in it, which its entries tell.
            yield f"{name}/"
            yield from _stamp_tree(entry.path, f"{name}/", (*above, identity))


def _stamp(status: os.stat_result) -> Stamp:
    return Stamp(status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)
