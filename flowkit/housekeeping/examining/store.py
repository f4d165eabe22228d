"""How a store and its place stand: disk, permissions, database, locks, and runs whose drivers are gone."""

from __future__ import annotations

import os
import shlex
import shutil
import sqlite3
import stat
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from flowkit.errors import LineageError
from flowkit.housekeeping.backups.placing import UNPACKED
from flowkit.housekeeping.examining.checks import Check, Named, ok, problem, warning
from flowkit.lineage.connection import connect_as_it_is, opening
from flowkit.lineage.holders import find_lock_holders
from flowkit.lineage.journal import choose_journal_mode, find_file_system
from flowkit.lineage.liveness import is_driven
from flowkit.lineage.lost_database import refuse_lost_database
from flowkit.lineage.reader import Reader
from flowkit.lineage.schema import SCHEMA_VERSION
from flowkit.store.folder import StoreFolder

NETWORK = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ceph", "glusterfs", "lustre", "gpfs", "beegfs", "virtiofs"}
)
LEAST_SPACE = 100 * 1000 * 1000
LITTLE_SPACE = 1000 * 1000 * 1000
_OTHERS = 0o077
_DAY = 24 * 3600.0
_MOST_LOOKED_AT = 20_000
_MOST_NAMED = 5
_SLACK = 60.0
_CLOCKS_APART = 2.0


_UNREAD_RUNS = warning("runs", "not checked: the database cannot be read", "mend the database first.")


class _Database:
    """The check of a database, which tells the later ones whether there is one to be read."""

    def __init__(self, folder: StoreFolder) -> None:
        self._folder = folder
        self.sound = False

    def check(self) -> Check:
        found = check_database(self._folder)
        self.sound = True
        return found


def store_checks(path: Path) -> Iterator[Named]:
    """Yield what is to be looked at of the store at `path`, whether it is there or not."""
    yield "store", lambda: check_place(path)
    yield "file system", lambda: check_file_system(path)
    yield "space", lambda: check_space(path)
    # Not by `Path`, which raises where this user may not even look: that is what `check_place` tells.
    if not os.path.isdir(path / "blobs"):
        return
    folder = StoreFolder(path)
    yield "permissions", lambda: check_permissions(folder)
    yield "leftovers", lambda: check_leftovers(folder, time.time())
    database = _Database(folder)
    yield "database", database.check
    if os.path.isfile(folder.database) and os.path.getsize(folder.database):
        yield "locks", lambda: check_locks(folder)
        yield "runs", lambda: check_runs(folder) if database.sound else _UNREAD_RUNS
    if os.access(folder.temporary, os.W_OK):
        yield "clock", lambda: check_clock(folder, time.time(), recorded=database.sound)


def check_place(path: Path) -> Check:
    """Return whether there is a store, and whether it can be written to."""
    if not path.exists():
        parent = existing_parent(path)
        if not os.access(parent, os.W_OK | os.X_OK):
            return problem(
                "store",
                f"none yet, and {path} cannot be made",
                f"chmod u+wx {parent}, or choose another --store.",
            )
        refusal = _refusal_of_folders(parent)
        if refusal:
            return problem("store", f"none yet, and {path} cannot be made: {refusal}", "choose another --store.")
        return ok("store", f"none yet: the first run makes {path}")
    folder = StoreFolder.open(path)
    places = (folder.path, folder.blobs, folder.temporary, folder.runs, folder.database)
    closed = [place for place in places if place.exists() and not os.access(place, os.W_OK)]
    if closed:
        return problem("store", f"{closed[0]} cannot be written", f"chmod -R u+rwX {folder.path}, as its owner.")
    misplaced = folder.find_misplaced()
    if misplaced:
        return problem(
            "store",
            f"{', '.join(place.name for place in misplaced)}: no folder, so that nothing can be kept there",
            f"{_moving_away(misplaced)}.",
        )
    owner = folder.path.stat().st_uid
    if owner != os.geteuid():
        return warning(
            "store", f"{path} belongs to uid {owner}, not to uid {os.geteuid()}", f"chown -R {os.geteuid()} {path}."
        )
    return ok("store", str(path))


def check_file_system(path: Path, kind: str | None = None) -> Check:
    """Return on which kind of file system a store lies, and which journal its database has for that.

    Args:
        path: The store.
        kind: The kind of file system; looked up where it is None.
    """
    kind = kind or find_file_system(existing_parent(path))
    mode = choose_journal_mode(sqlite3.sqlite_version_info, kind)
    found = f"{kind or 'unknown'}; SQLite {sqlite3.sqlite_version}, journal mode {mode}"
    if kind in NETWORK or (kind or "").startswith("fuse."):
        return warning(
            "file system",
            f"{found}; over a network, file locks and flushes hold only as far as its server keeps them",
            "set store = to a local disk, and share results with remote =.",
        )
    return ok("file system", found + (": its write-ahead log is not safe in this version" if mode != "wal" else ""))


def check_space(path: Path, free: int | None = None) -> Check:
    """Return whether there is room for what runs will store.

    Args:
        path: The store.
        free: Free bytes; looked up where it is None.
    """
    place = existing_parent(path)
    free = shutil.disk_usage(place).free if free is None else free
    left = os.statvfs(place)
    found = f"{free / 1e9:,.1f} GB free"
    if not left.f_blocks:
        return ok("space", "not known: this file system tells no size")
    if left.f_files and not left.f_favail:
        return problem("space", "no file can be made: the file system has no inodes left", "remove small files there.")
    if free < LEAST_SPACE:
        return problem("space", f"{free / 1e6:,.0f} MB free", "free some space, or move the store to a larger disk.")
    if free < LITTLE_SPACE:
        return warning("space", f"{free / 1e6:,.0f} MB free", "free some space, or move the store to a larger disk.")
    return ok("space", found)


def check_permissions(folder: StoreFolder) -> Check:
    """Return whether anybody but the owner may read or change what is stored."""
    wide: list[str] = []
    looked = 0
    for path in (folder.path, *_entries(folder.path)):
        looked += 1
        mode = path.lstat().st_mode
        if not stat.S_ISLNK(mode) and mode & _OTHERS:
            wide.append(f"{path.relative_to(folder.path.parent)} {stat.S_IMODE(mode):04o}")
        if looked >= _MOST_LOOKED_AT:
            break
    if wide:
        more = f" and {len(wide) - _MOST_NAMED:,} more" if len(wide) > _MOST_NAMED else ""
        return warning(
            "permissions",
            f"others may use {', '.join(wide[:_MOST_NAMED])}{more}",
            f"chmod -R go-rwx {folder.path}.",
        )
    return ok("permissions", f"{looked:,} files and folders, all for their owner only")


def check_leftovers(folder: StoreFolder, now: float) -> Check:
    """Return what killed processes left behind, and damaged files that wait for a person."""
    old = [path.name for path in _old_entries(folder.temporary, now)]
    damaged = len(os.listdir(folder.quarantine)) if folder.quarantine.is_dir() else 0
    places = (folder.path.with_name(f".{folder.path.name}{UNPACKED}"), folder.path / UNPACKED)
    found = []
    remedies = []
    if damaged:
        found.append(f"{damaged:,} damaged {'file' if damaged == 1 else 'files'} in quarantine")
        remedies.append(
            f"flowkit verify repairs from them what it can; once it has no more to repair, rm -r {folder.quarantine}/*"
        )
    if old:
        found.append(f"{len(old):,} entries in tmp older than a day, such as {old[0]}")
        remedies.append(f"the next run removes files there; rm -r {folder.temporary}/* while nothing runs")
    for partial in (path for path in places if path.exists()):
        found.append(f"a restore that did not end, {partial}")
        remedies.append(f"rm -r {partial}")
    if found:
        return warning("leftovers", "; ".join(found), "; ".join(remedies) + ".")
    return ok("leftovers", "none")


def check_database(folder: StoreFolder) -> Check:
    """Return whether SQLite finds the database sound, and whether its schema is today's."""
    refuse_lost_database(folder)
    database = folder.database
    if not database.exists() or (database.is_file() and database.stat().st_size == 0):
        return ok("database", "none yet")
    with opening(database):
        connection, version = connect_as_it_is(database)
        with closing(connection):
            faults = [text for (text,) in connection.execute("PRAGMA quick_check(3)") if text != "ok"]
    if faults:
        raise LineageError.for_malformed(database, "; ".join(faults))
    size = f"{database.stat().st_size / 1e6:,.1f} MB"
    if version != SCHEMA_VERSION:
        return ok("database", f"sound, {size}; schema {version}, which the next run upgrades to {SCHEMA_VERSION}")
    return ok("database", f"sound, {size}; schema {version}")


def check_locks(folder: StoreFolder) -> Check:
    """Return who holds a lock on the database just now; that is no fault."""
    holders = find_lock_holders(folder.database)
    return ok("locks", f"the database is in use by {'; '.join(holders)}" if holders else "nobody holds the database")


def check_runs(folder: StoreFolder) -> Check:
    """Return which runs are under way, and whether there are some whose driver died."""
    with Reader(folder.database) as reader:
        rows = reader.select(
            "SELECT r.run, r.driver FROM run AS r JOIN word AS w ON w.id = r.status"
            " WHERE w.text = 'running' AND r.ended IS NULL ORDER BY r.id"
        )
    dead = [run for run, driver in rows if not is_driven(folder.runs, run, driver)]
    if dead:
        return warning(
            "runs",
            f"the driver of {_listed(dead)} died, and nothing has run since",
            "run the pipeline again: what was done is reused, and the run is recorded as crashed.",
        )
    living = [run for run, _ in rows]
    return ok("runs", f"under way: {_listed(living)}" if living else "none under way")


def check_clock(folder: StoreFolder, now: float, *, recorded: bool = True) -> Check:
    """Return whether this machine's clock agrees with the store's disk and with what is recorded.

    Args:
        folder: The store.
        now: This machine's time.
        recorded: Whether what is recorded can be read.
    """
    probe = folder.temporary / f"clock-{os.getpid()}-{os.urandom(4).hex()}"
    try:
        os.close(os.open(probe, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600))
        apart = probe.stat().st_mtime - time.time()
    finally:
        probe.unlink(missing_ok=True)
    latest = None
    if recorded and folder.database.exists() and folder.database.stat().st_size:
        with Reader(folder.database) as reader:
            ((latest,),) = reader.select("SELECT max(started) FROM run")
    if latest is not None and latest > now + _SLACK:
        when = time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime(latest))
        return warning(
            "clock",
            f"a run is recorded as of {when}, which is still to come",
            "set this machine's clock (timedatectl): max_age and schedules go by it.",
        )
    if abs(apart) > _CLOCKS_APART:
        return warning(
            "clock",
            f"the disk's clock is {apart:+.1f} s from this machine's",
            "set both clocks by NTP: max_age and schedules go by them.",
        )
    if not recorded:
        return ok("clock", "agrees with the disk; what is recorded is not checked: the database cannot be read")
    return ok("clock", "agrees with the disk and with what is recorded")


def existing_parent(path: Path) -> Path:
    """Return `path`, or the nearest folder above it that is there."""
    return next(place for place in (path, *path.parents) if place.exists())


def _moving_away(places: list[Path]) -> str:
    return " && ".join(f"mv {shlex.quote(str(place))} {shlex.quote(f'{place}.away')}" for place in places)


def _refusal_of_folders(parent: Path) -> str:
    """Say why no folder can be made here, which permissions do not tell everywhere; empty where one can."""
    probe = parent / f".flowkit-doctor-{os.getpid()}-{os.urandom(4).hex()}"
    try:
        probe.mkdir(mode=0o700)
    except OSError as error:
        return error.strerror or str(error)
    probe.rmdir()
    return ""


def _entries(folder: Path) -> Iterator[Path]:
    for parent, folders, files in os.walk(folder):
        for name in (*folders, *files):
            yield Path(parent, name)


def _old_entries(folder: Path, now: float) -> Iterator[Path]:
    for path in folder.iterdir() if folder.is_dir() else ():
        if path.lstat().st_mtime < now - _DAY:
            yield path


def _listed(runs: list[str]) -> str:
    more = f" and {len(runs) - _MOST_NAMED:,} more" if len(runs) > _MOST_NAMED else ""
    return ", ".join(runs[:_MOST_NAMED]) + more
