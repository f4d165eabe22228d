"""Makes a store of a backup: unpacked, checked whole, and only then put in its place.

Nothing in the archive decides where anything is written: names are those of a store's own files, and each member must
be the one that the list of contents announces next. The database is opened only once all digests are right.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from blake3 import blake3
from msgspec import Struct

from flowkit.engine.report import JSON_FORMAT
from flowkit.errors import BackupError
from flowkit.housekeeping.backups.archive import ArchiveReader, DamagedArchiveError
from flowkit.housekeeping.backups.contents import (
    BACKUP_FORMAT,
    CONTENTS,
    DATABASE,
    DIGESTS,
    BadContentsError,
    Contents,
    Member,
    read_contents,
    read_digests,
    read_format,
)
from flowkit.housekeeping.backups.placing import give_name, refuse_used, reporting, unpacking
from flowkit.lineage.artifacts import stored_artifacts
from flowkit.lineage.reader import Reader
from flowkit.lineage.schema import SCHEMA_VERSION
from flowkit.lineage.snapshot import end_open_runs, schema_version
from flowkit.store.files import PRIVATE_FILE, READ_ONLY, make_folder

Progress = Callable[[int, int], None]
"""Told how many bytes of how many are unpacked."""


class RestoreReport(Struct, frozen=True):
    """What was restored.

    Attributes:
        file: The backup.
        store: The new store.
        runs: How many runs it knows.
        crashed: Runs that went on when the backup was made; here they are crashed.
    """

    file: Path
    store: Path
    contents: Contents
    runs: int
    crashed: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the object that `backup --restore --json` prints."""
        return {
            "format": JSON_FORMAT,
            "file": str(self.file),
            "store": str(self.store),
            "bytes": self.contents.size,
            "schema": self.contents.schema,
            "made": {
                "at": self.contents.created,
                "host": self.contents.host,
                "store": self.contents.store,
                "flowkit": self.contents.flowkit,
            },
            "runs": self.runs,
            "blobs": self.contents.count("blobs"),
            "logs": self.contents.count("runs"),
            "missing": list(self.contents.missing),
            "crashed": list(self.crashed),
        }


def restore_backup(file: Path, target: Path, progress: Progress) -> RestoreReport:
    """Make a store at `target` of the backup in `file`.

    Args:
        file: The backup.
        target: A folder that is not there, or is empty.
        progress: Told how far it is.

    Raises:
        BackupUseError: Something is in the folder.
        BackupError: The file is no backup, is damaged or newer, or there is no place for what it holds.
    """
    target = Path(os.path.abspath(target))
    refuse_used(target)
    with reporting("read", file), _judging(file), _opened(file) as source:
        archive = ArchiveReader(source)
        contents, listed_as = _read_contents(archive, file)
        with unpacking(target, contents.size) as folder:
            _unpack(archive, contents, listed_as, folder, progress)
            runs, crashed = _settle(folder, contents, file)
            with reporting("restored", target):
                _sync_database(folder)
                give_name(folder, target)
    return RestoreReport(file, target, contents, runs, crashed)


def _opened(file: Path) -> IO[bytes]:
    """Open a plain file; a pipe would be waited for."""
    if not stat.S_ISREG(os.stat(file).st_mode):
        raise DamagedArchiveError("it is not a plain file")
    return file.open("rb")


def _read_contents(archive: ArchiveReader, file: Path) -> tuple[Contents, str]:
    raw = archive.read_list(CONTENTS)
    number, version, said = read_format(raw)
    if number != BACKUP_FORMAT:
        raise BackupError.for_newer(file, "format", number, BACKUP_FORMAT, version)
    contents = read_contents(said)
    if contents.schema > SCHEMA_VERSION:
        raise BackupError.for_newer(file, "schema", contents.schema, SCHEMA_VERSION, version)
    return contents, blake3(raw).hexdigest()


def _unpack(archive: ArchiveReader, contents: Contents, listed_as: str, folder: Path, progress: Progress) -> None:
    """Write every member, and compare the digests once all are there."""
    found = {CONTENTS: listed_as}
    done = 0
    for name in ("blobs", "quarantine", "runs", "tmp"):
        make_folder(folder / name)
    for member in contents.members:
        with reporting("restored", folder / member.name):
            found[member.name] = _write(folder, member, archive.read_member(member))
        done += member.bytes
        progress(done, contents.size)
    digests = read_digests(archive.read_list(DIGESTS), contents.members)
    archive.expect_end()
    for name, digest in digests.items():
        if found[name] != digest:
            raise DamagedArchiveError(f"{name!r} in it is damaged")


def _write(folder: Path, member: Member, pieces: Iterator[bytes]) -> str:
    path = folder / member.name
    if path.parent != folder:
        make_folder(path.parent)
    hasher = blake3()
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, PRIVATE_FILE)
    with os.fdopen(descriptor, "wb", buffering=0) as output:
        for piece in pieces:
            hasher.update(piece)
            _write_all(descriptor, piece)
        os.fchmod(descriptor, READ_ONLY if member.name.startswith("blobs/") else PRIVATE_FILE)
        os.fsync(output.fileno())
    return hasher.hexdigest()


def _write_all(descriptor: int, piece: bytes) -> None:
    view = memoryview(piece)
    while view:
        view = view[os.write(descriptor, view) :]


def _settle(folder: Path, contents: Contents, file: Path) -> tuple[int, tuple[str, ...]]:
    """Open the database, now that it is what was backed up, and end the runs that have no driver here.

    Returns:
        How many runs there are, and which of them were not at their end.
    """
    database = folder / DATABASE
    found = schema_version(database)
    if found != contents.schema:
        raise BackupError.for_not_a_backup(file, f"its database has schema {found}, not {contents.schema} as it says")
    crashed = end_open_runs(database)
    held = {member.name for member in contents.members}
    missing, known = set(contents.missing), set()
    with Reader(database) as reader:
        (runs,) = reader.select("SELECT count(*) FROM run")[0]
        for artifact in stored_artifacts(reader):
            known.add(artifact.digest)
            absent = [blob.name for blob in artifact.files if f"blobs/{blob.name}" not in held]
            if absent and artifact.digest not in missing:
                raise BackupError.for_not_a_backup(file, f"its database names {absent[0]!r}, which is not in it")
    if not missing <= known:
        raise BackupError.for_not_a_backup(file, "it says that artifacts are missing which its database does not name")
    return runs, crashed


def _sync_database(folder: Path) -> None:
    descriptor = os.open(folder / DATABASE, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _judging(file: Path) -> Iterator[None]:
    try:
        yield
    except (DamagedArchiveError, BadContentsError) as error:
        raise BackupError.for_not_a_backup(file, str(error)) from error
