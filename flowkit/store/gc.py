"""Unlinks what nothing names any more, and finds what is left behind. Whether it may go is decided by the caller.

A blob that is recorded is unlinked only under the database's write lock, after it was forgotten durably: see
`engine.collecting`.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Container, Iterable, Iterator
from contextlib import suppress
from enum import StrEnum
from pathlib import Path

from msgspec import Struct

from flowkit.errors import StoreError
from flowkit.records import Digest
from flowkit.store.checkpoints import remove_checkpoints
from flowkit.store.files import fsync_directory, remove
from flowkit.store.folder import StoreFolder, blob_in_quarantine, reporting
from flowkit.store.names import check_blob_name, check_digest, check_run_name

_DAY = 24 * 3600.0

LEFTOVER_AGE = _DAY
"""Seconds after which a file that is being written counts as left behind."""

KEPT_AGE = 30 * _DAY
"""Seconds for which damaged files, checkpoints that nobody asks for and code that was sent to step hosts are kept."""


class LeftoverKind(StrEnum):
    """What was left behind: content that nothing names, or a thing of one of the store's other folders."""

    BLOB = "blob"
    TEMPORARY = "temporary"
    QUARANTINE = "quarantine"
    CHECKPOINTS = "checkpoints"
    CODE = "code"
    LOGS = "logs"


class Leftover(Struct, frozen=True):
    """Something that nothing needs.

    Attributes:
        name: Below the folder of its kind: a blob's name, a cache key, a run's id, a file's name.
    """

    kind: LeftoverKind
    name: str
    bytes: int


def find_unnamed_blobs(folder: StoreFolder, named: Container[str], before: float) -> Iterator[Leftover]:
    """Yield the blobs that are not `named` and were put before a moment.

    Raises:
        StoreError: The folder cannot be looked into.
    """
    with reporting("look for what nothing names", folder.blobs):
        for shard in _scan(folder.blobs):
            for entry in _scan(Path(shard.path)) if shard.is_dir(follow_symlinks=False) else ():
                name = f"{shard.name}/{entry.name}"
                if name not in named and _is_blob_name(name):
                    status = _status(entry)
                    if status is not None and status.st_ctime < before:
                        yield Leftover(LeftoverKind.BLOB, name, status.st_size)


def find_leftovers(
    folder: StoreFolder,
    now: float,
    live_since: float | None,
    has_succeeded: Callable[[Digest], bool],
    needed: Container[str] = (),
) -> Iterator[Leftover]:
    """Yield what killed processes and nodes left behind that nobody asks for again.

    Args:
        folder: The store.
        now: Seconds since the epoch.
        live_since: When the oldest run began that goes on: what is younger may be its own.
        has_succeeded: Whether a result stands under a cache key.
        needed: Blobs that something recorded needs: what lies in quarantine of one that is gone stays.

    Raises:
        StoreError: A folder cannot be looked into.
    """
    oldest = min(now, live_since if live_since is not None else now)
    with reporting("look for leftovers", folder.path):
        for place, kind, age in (
            (folder.temporary, LeftoverKind.TEMPORARY, LEFTOVER_AGE),
            (folder.quarantine, LeftoverKind.QUARANTINE, KEPT_AGE),
            (folder.path / "bundles", LeftoverKind.CODE, KEPT_AGE),
        ):
            for entry in _scan(place):
                size, changed = _measure(Path(entry.path))
                if changed < oldest - age and not (
                    kind is LeftoverKind.QUARANTINE and _may_mend(folder, entry.name, needed)
                ):
                    yield Leftover(kind, entry.name, size)
        for entry in _scan(folder.checkpoints):
            if not _is_digest(entry.name):
                continue
            size, changed = _measure(Path(entry.path))
            # A forced run may go on under a key that has succeeded before.
            done = changed < oldest and has_succeeded(entry.name)
            if done or changed < oldest - KEPT_AGE:
                yield Leftover(LeftoverKind.CHECKPOINTS, entry.name, size)


def find_logs(folder: StoreFolder, runs: Iterable[str]) -> Iterator[Leftover]:
    """Yield the folders of these runs, those that are there.

    Raises:
        StoreError: A run's name is unsafe.
    """
    for run in runs:
        path = folder.runs / check_run_name(run)
        if path.is_dir():
            yield Leftover(LeftoverKind.LOGS, run, _measure(path)[0])


def unlink_blobs(folder: StoreFolder, names: Iterable[str], before: float | None = None) -> tuple[int, int]:
    """Unlink blobs, and return how many were there and their bytes.

    Args:
        folder: The store.
        names: The blobs; those that are gone already are passed over.
        before: Those put later than this moment stay; None for no such limit.

    Raises:
        StoreError: One cannot be unlinked.
    """
    count = size = 0
    for name in names:
        path = folder.blob_path(name)
        with reporting("remove a blob", path), suppress(FileNotFoundError):
            status = os.lstat(path)
            if before is None or status.st_ctime < before:
                remove(path)
                count, size = count + 1, size + status.st_size
    return count, size


def sync_removals(folder: StoreFolder) -> None:
    """Make it durable that blobs are gone, lest a power cut brings them back as garbage; also those of before.

    Raises:
        StoreError: A folder cannot be synced.
    """
    for shard in _scan(folder.blobs):
        if shard.is_dir(follow_symlinks=False):
            with reporting("remove a blob", Path(shard.path)):
                fsync_directory(Path(shard.path))


def remove_leftover(folder: StoreFolder, leftover: Leftover) -> None:
    """Remove something that was left behind, other than a blob.

    Raises:
        StoreError: It cannot be removed.
    """
    if leftover.kind is LeftoverKind.CHECKPOINTS:
        remove_checkpoints(folder, leftover.name)
        return
    places = {
        LeftoverKind.TEMPORARY: folder.temporary,
        LeftoverKind.QUARANTINE: folder.quarantine,
        LeftoverKind.CODE: folder.path / "bundles",
        LeftoverKind.LOGS: folder.runs,
    }
    path = places[leftover.kind] / leftover.name
    with reporting("remove what was left behind", path), suppress(FileNotFoundError):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            remove(path)


def is_put_since(folder: StoreFolder, name: str, moment: float) -> bool:
    """Return whether a blob is there and was put at a moment or later."""
    stamp = folder.stamp(name)
    return stamp is not None and stamp.ctime_ns >= moment * 1e9


def _scan(path: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(path) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except (FileNotFoundError, NotADirectoryError):  # nothing lies there
        return []


def _status(entry: os.DirEntry[str]) -> os.stat_result | None:
    try:
        return entry.stat(follow_symlinks=False) if entry.is_file(follow_symlinks=False) else None
    except FileNotFoundError:
        return None


def _measure(path: Path) -> tuple[int, float]:
    """Return the bytes of a file, or of all in a folder, and when anything of it last changed."""
    size, changed = 0, 0.0
    stack = [path]
    while stack:
        current = stack.pop()
        try:
            status = os.lstat(current)
        except FileNotFoundError:
            # Whoever removed it is at work there.
            return size, time.time()
        changed = max(changed, status.st_mtime, status.st_ctime)
        if current.is_dir() and not current.is_symlink():
            stack += [Path(entry.path) for entry in _scan(current)]
        else:
            size += status.st_size
    return size, changed


def _may_mend(folder: StoreFolder, quarantined: str, needed: Container[str]) -> bool:
    """Say whether a quarantined file is what is left of a blob that is needed: most of its parts are whole."""
    name = blob_in_quarantine(quarantined)
    return name is not None and name in needed and folder.stamp(name) is None


def _is_blob_name(name: str) -> bool:
    try:
        check_blob_name(name)
    except StoreError:
        return False
    return True


def _is_digest(name: str) -> bool:
    try:
        check_digest(name)
    except StoreError:
        return False
    return True
