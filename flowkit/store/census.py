"""Goes through the files of a store: permissions, and what lies among the blobs that no record names."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from msgspec import Struct

from flowkit.errors import StoreError
from flowkit.store.files import PRIVATE_FILE, PRIVATE_FOLDER, READ_ONLY
from flowkit.store.folder import StoreFolder, reporting
from flowkit.store.names import check_blob_name, suffix_in
from flowkit.store.salvage import is_whole_orphan


class Permission(Struct, frozen=True):
    """A file or folder that others may read or write, or a blob that may be written, or not be read."""

    path: Path
    found: int
    wanted: int

    def mend(self) -> None:
        """Set the permissions.

        Raises:
            StoreError: This user may not.
        """
        with reporting("set permissions", self.path):
            os.chmod(self.path, self.wanted)


class Census(Struct, frozen=True):
    """What lies among the blobs and is named by no record: no fault, as a run that was cut off leaves such.

    Attributes:
        files: How many blobs.
        bytes: Their size.
        damaged: How many of them do not hold what their name says; nothing reads them unverified.
        strangers: How many names that flowkit gives to no blob.
    """

    files: int = 0
    bytes: int = 0
    damaged: int = 0
    strangers: int = 0


def wrong_permissions(folder: StoreFolder) -> Iterator[Permission]:
    """Yield the store's folder and database where others may use them, blobs that may be written or not be read."""
    private = ((folder.path, PRIVATE_FOLDER, 0o077), (folder.database, PRIVATE_FILE, 0o177))
    for path, wanted, forbidden in private:
        found = stat.S_IMODE(os.stat(path).st_mode)
        if found & forbidden:
            yield Permission(path, found, wanted)
    for entry, _ in _entries(folder):
        if entry.is_file(follow_symlinks=False):
            found = stat.S_IMODE(entry.stat(follow_symlinks=False).st_mode)
            if found & 0o222 or not found & 0o400:
                yield Permission(Path(entry.path), found, READ_ONLY)


def count_unnamed(
    folder: StoreFolder, recorded: frozenset[str], formats: Mapping[str, frozenset[str]], told: Callable[[int], None]
) -> Census:
    """Count what lies among the blobs and is not `recorded`.

    Args:
        folder: The store.
        recorded: The names of all blobs that rows name.
        formats: The formats that each suffix stands for here.
        told: Told of the bytes of each file that was hashed.
    """
    files = size = damaged = strangers = 0
    for entry, name in _entries(folder):
        if name in recorded:
            continue
        try:
            suffix = suffix_in(check_blob_name(name))
        except StoreError:
            strangers += 1
            continue
        if not entry.is_file(follow_symlinks=False):
            strangers += 1
            continue
        bytes_here = entry.stat(follow_symlinks=False).st_size
        whole = is_whole_orphan((Path(entry.path), name), formats.get(suffix, frozenset()))
        files, size, damaged = files + 1, size + bytes_here, damaged + (whole is False)
        told(bytes_here)
    return Census(files, size, damaged, strangers)


def _entries(folder: StoreFolder) -> Iterator[tuple[os.DirEntry[str], str]]:
    """Yield everything below `blobs/`, two levels deep, with its name there."""
    if not folder.blobs.is_dir():
        return
    with os.scandir(folder.blobs) as shards:
        for shard in sorted(shards, key=lambda entry: entry.name):
            if not shard.is_dir(follow_symlinks=False):
                yield shard, shard.name
                continue
            with os.scandir(shard.path) as files:
                for entry in sorted(files, key=lambda entry: entry.name):
                    yield entry, f"{shard.name}/{entry.name}"
