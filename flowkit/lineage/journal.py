"""Which journal mode the database may use.

Write-ahead logging is faster, and a reader never blocks a commit. But SQLite up to 3.51.2 can corrupt a database whose
log two connections write or checkpoint at once, and the log's shared memory does not work across machines. So it is
used only where the linked SQLite is mended and the file system is known to be local; elsewhere the rollback journal
is, truncated (and synced) at each commit.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Literal

JournalMode = Literal["wal", "truncate"]

_MENDED = (3, 51, 3)
_BACKPORTED = {(3, 50): 7, (3, 44): 6}
_LOCAL = frozenset(
    {"apfs", "bcachefs", "btrfs", "ext2", "ext3", "ext4", "f2fs", "hfs", "jfs", "overlay", "tmpfs", "ufs", "xfs", "zfs"}
)
_ESCAPE = re.compile(r"\\([0-7]{3})")


def choose_journal_mode(sqlite_version: tuple[int, ...], file_system: str | None) -> JournalMode:
    """Return the journal mode for a SQLite of this version on this kind of file system (None where it is unknown)."""
    major, minor, patch = (*sqlite_version, 0, 0, 0)[:3]
    backported = _BACKPORTED.get((major, minor))
    mended = (major, minor, patch) >= _MENDED or (backported is not None and patch >= backported)
    return "wal" if mended and file_system in _LOCAL else "truncate"


def find_file_system(path: Path) -> str | None:
    """Return the kind of file system that holds `path`, such as `ext4` or `nfs4`; None where it cannot be told."""
    if not sys.platform.startswith("linux"):
        return None
    try:
        mounts = Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return None
    return find_in_mounts(mounts, path.resolve())


def find_in_mounts(mounts: str, path: Path) -> str | None:
    """Return the kind of the innermost mount at or above `path`, by the text of Linux's `mountinfo`."""
    best: tuple[int, str] | None = None
    for line in mounts.splitlines():
        before, separator, after = line.partition(" - ")
        fields = before.split(" ")
        if not separator or len(fields) < 5:
            continue
        point = Path(_ESCAPE.sub(lambda match: chr(int(match[1], 8)), fields[4]))
        depth = len(point.parts)
        # The last of several mounts on one point hides the others.
        if (point == path or point in path.parents) and (best is None or depth >= best[0]):
            best = (depth, after.split(" ")[0])
    return best[1] if best is not None else None
