"""Makes a backup: a copy of the database, every file that the copy names, and the logs of its runs, in one archive.

The archive is written beside its place, made durable and then renamed: what has a backup's name is whole. While it is
made no stored file is removed; runs go on.
"""

from __future__ import annotations

import datetime as dt
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from msgspec import Struct

from flowkit.engine.report import JSON_FORMAT
from flowkit.errors import BackupError, StoreError
from flowkit.housekeeping.backups.archive import PIECE, ArchiveWriter, may_be_listed, pieces_of
from flowkit.housekeeping.backups.contents import (
    CONTENTS,
    DATABASE,
    DIGESTS,
    Contents,
    Member,
    digests_size,
    is_log_name,
    write_digests,
)
from flowkit.housekeeping.backups.destination import refuse_place, require_space, writing
from flowkit.housekeeping.backups.inventory import Inventory, take_inventory
from flowkit.lineage.lost_database import refuse_lost_database
from flowkit.lineage.snapshot import copy_database, schema_version
from flowkit.store.collection import keeping
from flowkit.store.files import make_folder, read_stamp, stamp_of
from flowkit.store.folder import StoreFolder, reporting
from flowkit.store.names import check_run_name

Progress = Callable[[int, int], None]
"""Told how many bytes of how many are copied."""

COMPRESSED = ".gz"


class BackupReport(Struct, frozen=True):
    """What a backup holds, and where it is.

    Attributes:
        bytes: The size of its file.
        runs: How many runs its database has.
        missing: Artifacts that were gone or damaged, each with what is wrong.
    """

    file: Path
    contents: Contents
    bytes: int
    runs: int
    missing: tuple[tuple[str, str], ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the object that `backup --json` prints."""
        return {
            "format": JSON_FORMAT,
            "file": str(self.file),
            "store": self.contents.store,
            "bytes": self.bytes,
            "schema": self.contents.schema,
            "runs": self.runs,
            "blobs": self.contents.count("blobs"),
            "logs": self.contents.count("runs"),
            "missing": [{"artifact": digest, "problem": problem} for digest, problem in self.missing],
        }


def make_backup(
    folder: StoreFolder, file: Path, version: str, progress: Progress, *, force: bool = False, partly: bool = False
) -> BackupReport:
    """Write a backup of a store to `file`; every stored value is hashed on the way.

    Args:
        folder: The store.
        file: Compressed with gzip where its name ends in `.gz`.
        version: This flowkit's version.
        progress: Told how far it is.
        force: Whether a file that is there is replaced.
        partly: Whether artifacts that are gone or damaged are left out; else they forbid the backup.

    Raises:
        BackupUseError: The file is there already, is no file, or is in the store.
        BackupError: Content is missing, or the file cannot be written.
        StoreError: The store cannot be read, or its garbage is being collected.
    """
    file = Path(os.path.abspath(file))
    refuse_place(folder, file, force=force)
    refuse_lost_database(folder)
    schema_version(folder.database)  # refused before the store's lock is taken: that makes a file
    with keeping(folder), _place_for_copy(folder) as copy:
        schema = copy_database(folder.database, copy)
        found = take_inventory(folder, copy)
        if found.missing and not partly:
            raise BackupError.for_missing_content(tuple(found.missing))
        contents = _list_contents(folder, copy, schema, version, found)
        _refuse_long_lists(file, contents)
        compressed = file.suffix == COMPRESSED
        if not compressed:
            require_space(file, contents.size)
        with writing(file, force=force) as output:
            archive = ArchiveWriter(output, compressed=compressed, at=time.time())
            _write(archive, folder, copy, contents, found, progress)
            size = output.tell()
    return BackupReport(file, contents, size, len(found.runs), tuple(found.missing))


@contextmanager
def _place_for_copy(folder: StoreFolder) -> Iterator[Path]:
    """Yield where the database is copied to: in a folder, which only `gc` removes, and that not while this goes on."""
    place = folder.temporary / f"backup-{os.getpid()}-{os.urandom(4).hex()}"
    with reporting("be written to", place):
        make_folder(place)
    try:
        yield place / "copy.db"
    finally:
        # What cannot go now is of no use to anyone: gc removes it once it is old.
        shutil.rmtree(place, ignore_errors=True)


def _list_contents(folder: StoreFolder, copy: Path, schema: int, version: str, found: Inventory) -> Contents:
    members = [
        Member(DATABASE, copy.stat().st_size),
        *(Member(f"blobs/{name}", stamp.size) for name, stamp in sorted(found.stamps.items())),
        *(log for run in found.runs for log in _logs_of(folder, run)),
    ]
    return Contents(
        version,
        schema,
        dt.datetime.now(dt.UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        os.uname().nodename,
        str(folder.path),
        tuple(digest for digest, _ in found.missing),
        tuple(members),
    )


def _refuse_long_lists(file: Path, contents: Contents) -> None:
    """Refuse, before anything is written, what could not be restored."""
    if not may_be_listed(max(len(contents.to_bytes()), digests_size(contents.members))):
        raise BackupError.for_too_many_files(file, len(contents.members))


def _logs_of(folder: StoreFolder, run: str) -> Iterator[Member]:
    """Yield the finished logs of a run; those that are still written to are left out."""
    try:
        names = sorted(os.listdir(folder.runs / check_run_name(run)))
    except (StoreError, FileNotFoundError, NotADirectoryError):  # a run's name that is no folder's, or no folder
        return
    for name in names:
        stamp = read_stamp(folder.runs / run / name) if is_log_name(name) else None
        if stamp is not None:
            yield Member(f"runs/{run}/{name}", stamp.size)


def _write(
    archive: ArchiveWriter, folder: StoreFolder, copy: Path, contents: Contents, found: Inventory, progress: Progress
) -> None:
    listed = contents.to_bytes()
    listed_as = archive.add(CONTENTS, len(listed), iter((listed,)))
    digests: dict[str, str] = {}
    done = 0
    for member in contents.members:
        pieces = pieces_of(copy) if member.name == DATABASE else _stored_pieces(folder, member, found)
        digests[member.name] = archive.add(member.name, member.bytes, pieces)
        done += member.bytes
        progress(done, contents.size)
    closing = write_digests(listed_as, digests)
    archive.add(DIGESTS, len(closing), iter((closing,)))
    archive.finish()


def _stored_pieces(folder: StoreFolder, member: Member, found: Inventory) -> Iterator[bytes]:
    """Yield a stored file, which must be the one that was hashed, or as much of a log as was listed."""
    path = folder.path / member.name
    left = member.bytes
    try:
        with path.open("rb", buffering=0) as source:
            proven = found.stamps.get(member.name.removeprefix("blobs/"))
            if proven is not None and stamp_of(os.fstat(source.fileno())) != proven:
                raise BackupError.for_changed_file(member.name)
            while left > 0 and (piece := source.read(min(left, PIECE))):
                left -= len(piece)
                yield piece
    except FileNotFoundError:  # another process found it damaged
        raise BackupError.for_changed_file(member.name) from None
    except OSError as error:
        raise StoreError.for_os_error("be read", path, error) from error
    if left:
        raise BackupError.for_changed_file(member.name)
