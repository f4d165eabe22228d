"""Goes through a store: whether all that its database names is there and right; repairs what can be without a loss.

What is repaired is made again from what is still there: an index from its table, a file from another copy of its
content. History is never removed, and a database whose pages are damaged is not written to at all.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from msgspec import Struct, field

from flowkit.errors import LostArtifactError, RemoteError, StoreError
from flowkit.housekeeping.verifying.findings import (
    BY_VERIFY,
    RESTORE,
    Finding,
    FindingKind,
    Remedy,
    SoundnessReport,
    describe_audit,
    describe_loss,
    describe_mended,
    describe_rescued,
)
from flowkit.lineage.artifacts import count_stored, stored_artifacts
from flowkit.lineage.connection import LOCK_TIMEOUT, connect_for_reading, reporting, waiting
from flowkit.lineage.history import list_audit
from flowkit.lineage.reader import Reader
from flowkit.lineage.schema import SCHEMA_VERSION
from flowkit.lineage.snapshot import schema_version
from flowkit.lineage.soundness import (
    DatabaseFault,
    dangling_rows,
    dependants_of,
    formats_by_suffix,
    recorded_files,
)
from flowkit.lineage.writer import LineageWriter
from flowkit.records import Artifact, Digest
from flowkit.registry.audit import verify_chain
from flowkit.registry.soundness import registry_faults
from flowkit.store.census import Census, Permission, count_unnamed, wrong_permissions
from flowkit.store.folder import StoreFolder
from flowkit.store.local import LocalStore
from flowkit.store.remote import Remote
from flowkit.store.salvage import Source

Progress = Callable[[int, int, int], None]
"""Told how many artifacts of how many are done, and their bytes."""

_BY_RECOVERY = f"keep the file as it is, and {RESTORE}, or recover what can be read with sqlite3's .recover."


class Mender(Struct):
    """Repairs one store; no other process removes its files meanwhile.

    Attributes:
        warn: Told of a sentence about a remote that could not be asked.
    """

    writer: LineageWriter
    store: LocalStore
    remote: Remote | None
    warn: Callable[[str], None]
    _source: Source | None = field(default=None)

    def execute(self, statements: Iterable[str]) -> None:
        """Execute statements in one transaction.

        Raises:
            LineageError: They could not be.
        """

        def change(connection: sqlite3.Connection) -> None:
            for statement in statements:
                connection.execute(statement)

        self.writer.write(change)

    def mend(self, artifact: Artifact) -> Artifact | None:
        """Write a lost artifact again, wherever its content is found; None where it is not.

        Raises:
            StoreError: It cannot be written.
        """
        if self._source is None:
            self._source = Source(self.store.folder, self._fetch)
        found = self.store.salvage(artifact, self._source)
        if found is None:
            return None
        self.writer.restamp(found)
        return found

    def _fetch(self, name: str) -> bool:
        if self.remote is None:
            return False
        try:
            return self.remote.fetch_blob(self.store.folder, name)
        except RemoteError as error:
            self.remote = None
            self.warn(f"{error.message} What it may hold is not looked for.")
            return False


@contextlib.contextmanager
def mending(folder: StoreFolder, remote: str | None, warn: Callable[[str], None]) -> Iterator[Mender]:
    """Open a store to be repaired; `keeping` must hold, so that no other process removes its files meanwhile.

    Raises:
        StoreError: It cannot be written.
    """
    store = LocalStore(folder)
    with LineageWriter(folder.database, present=store.holds) as writer:
        yield Mender(writer, store, Remote(remote) if remote else None, warn)


def may_be_written(folder: StoreFolder) -> bool:
    """Say whether this user may write the store and its schema is today's; any other is checked and left as it is."""
    if schema_version(folder.database) != SCHEMA_VERSION:
        return False
    written = (folder.path, folder.blobs, folder.database)
    return all(os.access(path, os.W_OK) for path in written if path.exists())


def may_be_repaired(damage: Iterable[DatabaseFault]) -> bool:
    """Say whether a database with this damage may be written to: not where its own pages are damaged."""
    return all(fault.mended_by or fault.writable for fault in damage)


def check_store(
    reader: Reader,
    store: LocalStore,
    progress: Progress,
    mender: Mender | None,
    damage: Sequence[DatabaseFault],
    options: str = "",
) -> SoundnessReport:
    """Check the database, the registry, the audit log and every file, and hash every artifact.

    Args:
        reader: The database.
        store: The files; damaged ones go to quarantine unless it leaves them in place.
        progress: Told how far it is.
        mender: Repairs what can be repaired; None where nothing is to be changed.
        damage: What `damage_of` found: going through all pages twice would take long.
        options: Those without which a command that repairs something would look into another store.

    Raises:
        LineageError: The database cannot be read at all.
        StoreError: A file cannot be opened.
    """
    findings = list(_check_database(reader, damage, mender))
    if any(fault.blinds for fault in damage):
        return SoundnessReport(0, 0, 0, 0, Census(), tuple(findings))
    findings += [*_check_database(reader, dangling_rows(reader), mender), *_check_registry(reader, options)]
    findings += [*_check_folders(store.folder), *_check_permissions(store.folder, mender)]
    pass_ = _Pass(reader, store, mender, progress, count_stored(reader), options)
    findings += pass_.check_all()
    unnamed = count_unnamed(store.folder, recorded_files(reader), formats_by_suffix(reader), pass_.add_bytes)
    if mender is not None:
        mender.writer.flush()
    audit_rows = len(list_audit(reader))
    return SoundnessReport(pass_.done, pass_.size, audit_rows, pass_.restamped, unnamed, tuple(findings))


def _check_database(reader: Reader, faults: Iterable[DatabaseFault], mender: Mender | None) -> Iterator[Finding]:
    for fault in faults:
        subject = fault.subject or str(reader.path)
        if fault.way_out:
            yield Finding(FindingKind.DATABASE, subject, fault.text, Remedy.POSSIBLE, fault.way_out)
        elif not fault.mended_by:
            yield Finding(FindingKind.DATABASE, subject, fault.text, Remedy.NONE, _BY_RECOVERY)
        elif mender is None:
            yield Finding(FindingKind.DATABASE, subject, fault.text, Remedy.POSSIBLE, f"{BY_VERIFY}.")
        else:
            yield _mend_database(mender, fault, subject)


def _mend_database(mender: Mender, fault: DatabaseFault, subject: str) -> Finding:
    try:
        mender.execute(fault.mended_by)
    except StoreError as error:
        # One repair that fails keeps none of the others from being tried, nor anything from being looked at.
        reason = dict(error.facts).get("reason", error.message)
        problem = f"{fault.text}, and could not be repaired: {reason}"
        return Finding(FindingKind.DATABASE, subject, problem, Remedy.NONE, _BY_RECOVERY)
    return Finding(FindingKind.DATABASE, subject, fault.text, Remedy.REPAIRED, _done(fault))


def _done(fault: DatabaseFault) -> str:
    if fault.subject == "entry":
        return "they stand no longer, so the next run that needs them makes them again; no record of a run is gone."
    return "made again."


def _check_registry(reader: Reader, options: str) -> Iterator[Finding]:
    for fault in registry_faults(reader.select):
        by = f"`{fault.command}{options}`, if the audit log says so too (flowkit audit list); else {RESTORE}."
        none = f"compare it with the audit log (flowkit audit list) and with a backup, or {RESTORE}."
        remedy, meaning = (Remedy.POSSIBLE, by) if fault.command else (Remedy.NONE, none)
        yield Finding(FindingKind.REGISTRY, fault.subject, fault.problem, remedy, meaning)
    with contextlib.closing(connect_for_reading(reader.path)) as connection, reporting(reader.path):
        broken = waiting(lambda: verify_chain(connection), reader.path, LOCK_TIMEOUT)
    if broken is not None:
        yield describe_audit(broken)


def _check_folders(folder: StoreFolder) -> Iterator[Finding]:
    for place in folder.find_misplaced():
        problem = "it is no folder, so that nothing can be kept there"
        by = f"`mv {shlex.quote(str(place))} {shlex.quote(f'{place}.away')}`: what needs the folder makes it."
        yield Finding(FindingKind.FILE, str(place), problem, Remedy.POSSIBLE, by)


def _check_permissions(folder: StoreFolder, mender: Mender | None) -> Iterator[Finding]:
    wrong: dict[Path, list[Permission]] = {}
    for permission in wrong_permissions(folder):
        blob = folder.blobs in permission.path.parents
        wrong.setdefault(folder.blobs if blob else permission.path, []).append(permission)
        if mender is not None:
            permission.mend()
    for path, some in wrong.items():
        problem = f"its mode is {some[0].found:04o}, not {some[0].wanted:04o}"
        problem = f"{len(some):,} of its files may be written, or not be read" if path == folder.blobs else problem
        remedy = (Remedy.POSSIBLE, f"{BY_VERIFY}.") if mender is None else (Remedy.REPAIRED, "permissions set.")
        yield Finding(FindingKind.FILE, str(path), problem, *remedy)


class _Pass(Struct):
    """Hashes every artifact once; what is lost then is put together from all that was found whole."""

    reader: Reader
    store: LocalStore
    mender: Mender | None
    progress: Progress
    total: int
    options: str
    done: int = 0
    size: int = 0
    restamped: int = 0

    def check_all(self) -> list[Finding]:
        findings: list[Finding] = []
        lost: list[tuple[Artifact, StoreError]] = []
        for artifact in stored_artifacts(self.reader):
            try:
                proven = self._prove(artifact)
            except StoreError as error:
                lost.append((artifact, error))
                continue
            if proven != artifact:
                findings += self._bring_up_to_date(artifact, proven)
        findings += [self._settle(artifact, error) for artifact, error in lost]
        return [*findings, *self._check_what_lost_a_file({artifact.digest for artifact, _ in lost})]

    def _check_what_lost_a_file(self, lost: set[Digest]) -> Iterator[Finding]:
        """Look again at what was whole before a file of it was found damaged for another artifact, and moved away."""
        for artifact in stored_artifacts(self.reader) if lost and self.mender is not None else ():
            if artifact.digest in lost or all(self.store.holds(file) for file in artifact.files):
                continue
            try:
                proven = self.store.prove(artifact)
            except StoreError as error:
                yield self._settle(artifact, error)
                continue
            yield from self._bring_up_to_date(artifact, proven)

    def add_bytes(self, count: int) -> None:
        self.size += count
        self.progress(self.done, self.total, self.size)

    def _prove(self, artifact: Artifact) -> Artifact | None:
        try:
            return self.store.prove(artifact)
        finally:
            self.done += 1
            self.add_bytes(artifact.bytes)

    def _bring_up_to_date(self, artifact: Artifact, proven: Artifact | None) -> Iterator[Finding]:
        """Record an artifact as it was proven; its own file is written again first where its parts lie elsewhere."""
        rescued = self.store.find_rescued(artifact) if proven is None else frozenset()
        if self.mender is not None:
            self.mender.writer.restamp(proven if proven is not None else self.store.verify(artifact))
        if not rescued:
            self.restamped += 1
            return
        hanging = dependants_of(self.reader, artifact.digest)
        yield describe_rescued(artifact, rescued, hanging, mended=self.mender is not None)

    def _settle(self, artifact: Artifact, error: StoreError) -> Finding:
        """Mend a lost artifact where that can be done, and say what came of it."""
        lost = isinstance(error, LostArtifactError)
        if lost and self.mender is not None and self.mender.mend(artifact) is not None:
            return describe_mended(artifact, error)
        return describe_loss(artifact, error, dependants_of(self.reader, artifact.digest), self.options)
