"""The one writer of the lineage database: the life of runs, the records of their nodes, the registry's transactions."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from msgspec.structs import replace

from flowkit.lineage.connection import LOCK_TIMEOUT
from flowkit.lineage.content import Gone, Present, find_gone
from flowkit.lineage.liveness import DriverLock, is_driven
from flowkit.lineage.recording import Recorder
from flowkit.lineage.runs import end_crashed_runs, end_run, insert_run, is_running
from flowkit.lineage.tables import CHAMPION, WORDS
from flowkit.lineage.thread import WriterThread
from flowkit.records import Artifact, BlobFile, Failure, FailureKind, NodeRecord, Outcome, RunRecord, RunStatus

T = TypeVar("T")

MOST_GATHERED = 256
"""How many records are written together at most: a batch looks at the time in between."""

CHAMPION_STEP = WORDS[CHAMPION - 1]

Refused = Callable[[NodeRecord], None]
Disagreed = Callable[[NodeRecord, tuple[str, ...]], None]


class LineageWriter:
    """Writes one lineage database. Safe to use from several threads; use it as a context, or close it.

    Args:
        path: The database; its folder must exist.
        present: Whether a blob file is there. Asked of every file that an execution's outputs name, in the transaction
            that records it; so no row can name a blob that a collector removed in between.
        refused: Told, in the writer's thread, of a node whose execution named a missing blob, or that reused what was
            dropped meanwhile: its record as it was written, a failure.
        disagreed: Told, in the writer's thread, of an execution whose outputs differ from those that stood under the
            same entry key, with the names of those outputs.
        timeout: Seconds to wait for other processes' locks.
        durable: Whether records are to survive a power cut; otherwise a killed process may damage the file.

    Raises:
        LineageError: The database cannot be opened for writing.
    """

    def __init__(
        self,
        path: Path,
        *,
        present: Present,
        refused: Refused = lambda record: None,
        disagreed: Disagreed = lambda record, outputs: None,
        timeout: float = LOCK_TIMEOUT,
        durable: bool = True,
    ) -> None:
        self.path = path
        self._present = present
        self._refused = refused
        self._disagreed = disagreed
        self._locks: dict[str, DriverLock] = {}
        self._drivers: dict[str, str] = {}
        self._gathered: list[NodeRecord] = []
        self._thread = WriterThread(path, timeout, durable, settle=self._settle, forget=self._forget)
        self._recorder = Recorder(self._thread.connection)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._close()
        if error is None:
            self._thread.raise_untold()

    def close(self) -> None:
        """Write what is queued, and close the database. Locks of unfinished runs are let go.

        Raises:
            LineageError: Something could not be written, and no caller has learnt of it yet.
        """
        self._close()
        self._thread.raise_untold()

    def give_up(self) -> None:
        """Wait for nothing any more: what is not written by now, as another process holds the database, may not be."""
        self._thread.give_up()

    def begin_run(self, record: RunRecord) -> None:
        """Record that a run begins, and hold its driver's lock until it is finished or this process ends.

        Raises:
            LineageError: Another process drives it, or an earlier record could not be written.
        """
        self._locks[record.run] = DriverLock.acquire(self._runs, record.run)
        self._drivers[record.run] = record.driver
        self._put(lambda: insert_run(self._recorder.connection, self._recorder.identities, record))

    def finish_run(self, run: str, status: RunStatus, exit_code: int | None, ended: float) -> bool:
        """Record how a run ended, wait until that is durable, and let its driver's lock go.

        Returns:
            Whether it was recorded so; False where the run was taken for crashed meanwhile, and stays that.

        Raises:
            LineageError: It, or an earlier record, could not be written; the lock is let go all the same.
        """
        recorder = self._recorder
        open_until_now: list[bool] = []
        try:
            self._put(
                lambda: open_until_now.append(
                    end_run(recorder.connection, recorder.identities, run, status, exit_code, ended)
                )
            )
            self.flush()
        except BaseException:
            self._abandon(run)
            raise
        finally:
            lock = self._locks.pop(run, None)
            if lock is not None:
                lock.release()
        return all(open_until_now)

    def drives(self, connection: sqlite3.Connection, run: str) -> bool:
        """Return whether a run is this writer's and goes on by the record; asked in the transaction that relies on it.

        A driver that stood still may have been taken for dead meanwhile.
        """
        return run in self._drivers and is_running(connection, run, self._drivers[run])

    def find_gone(self, connection: sqlite3.Connection, artifact: int) -> Gone | None:
        """Return what of an artifact is gone, None where it is all there; asked in the transaction that relies on it.

        Nothing is hashed: it may be damaged all the same.
        """
        return find_gone(connection, artifact, self._present)

    def mark_crashed_runs(self) -> tuple[str, ...]:
        """Mark runs whose driver died as crashed, and return their ids.

        Raises:
            LineageError: That could not be written.
        """
        return self.write(
            lambda connection: end_crashed_runs(
                connection, self._recorder.identities, lambda run, driver: is_driven(self._runs, run, driver)
            )
        )

    def record(self, record: NodeRecord, durable: Callable[[], None] | None = None) -> None:
        """Queue a node's record and return at once.

        Args:
            record: How the node ended.
            durable: Called, in the writer's thread, once that is durable.

        Raises:
            LineageError: An earlier record could not be written.
        """
        self._thread.put(lambda: self._record(record, durable))

    @property
    def backlog(self) -> int:
        """How many records and changes wait to be written."""
        return self._thread.backlog

    def restamp(self, artifact: Artifact) -> None:
        """Queue the files and stamps with which an artifact was verified again.

        Raises:
            LineageError: An earlier record could not be written.
        """
        self._put(lambda: self._restamp(artifact))

    def enqueue(self, change: Callable[[sqlite3.Connection], None]) -> None:
        """Queue a small change that nobody waits for; it is committed with the records around it.

        It may be made before those of them that were queued earlier, so it must have nothing to do with nodes.

        Raises:
            LineageError: An earlier record could not be written.
        """
        self._thread.put(lambda: change(self._recorder.connection))

    def write(self, change: Callable[[sqlite3.Connection], T]) -> T:
        """Run `change` in a transaction of its own that holds the write lock from its start; return what it returns.

        What was queued before is committed before. An error that `change` raises rolls it back and is raised here;
        it must neither end the transaction nor call this writer.

        Raises:
            LineageError: The transaction, or an earlier record, could not be written.
        """
        return self._thread.transact(lambda: change(self._recorder.connection))

    def flush(self) -> None:
        """Wait until everything queued is durable.

        Raises:
            LineageError: Something could not be written; nothing after it was.
        """
        self._thread.flush()

    @property
    def _runs(self) -> Path:
        return self.path.parent / "runs"

    def _close(self) -> None:
        self._thread.close()
        for run in list(self._locks):
            self._abandon(run)

    def _abandon(self, run: str) -> None:
        """Let the lock of a run go whose end is not recorded."""
        lock = self._locks.pop(run, None)
        if lock is not None:
            lock.abandon()

    def _restamp(self, artifact: Artifact) -> None:
        """Record stamps unless a collector has removed the files since they were looked at."""
        if all(self._present(file) for file in artifact.files):
            self._recorder.restamp(artifact)

    def _put(self, change: Callable[[], None]) -> None:
        """Queue a change that is made after the records before it are written."""

        def make() -> None:
            self._settle()
            change()

        self._thread.put(make)

    def _record(self, record: NodeRecord, durable: Callable[[], None] | None) -> None:
        """Gather a record, to be written with others of its batch; what is gone from the store is found out now."""
        if durable is not None:
            self._thread.notify(durable)
        missing = self._find_missing(record)
        if missing is not None:
            self._gathered.append(self._refuse(record, missing))
        else:
            self._gathered.append(self._without_missing_inputs(record))
        if len(self._gathered) >= MOST_GATHERED:
            self._settle()

    def _settle(self) -> None:
        """Write what is gathered.

        One by one where something reused was dropped: a record in between may restore it.
        """
        records, self._gathered = self._gathered, []
        if not records:
            return
        if not self._recorder.dropped_among([entry for record in records if (entry := _reused(record)) is not None]):
            self._write_nodes(records)
            return
        for record in records:
            entry = _reused(record)
            dropped = entry is not None and self._recorder.dropped_among([entry])
            self._write_nodes([self._refuse(record, None) if dropped else record])

    def _write_nodes(self, records: Sequence[NodeRecord]) -> None:
        for record, differing in zip(records, self._recorder.record_nodes(records), strict=True):
            if differing:
                self._thread.notify(partial(self._disagreed, record, differing))

    def _forget(self) -> None:
        self._gathered.clear()
        self._recorder.identities.forget()

    def _refuse(self, record: NodeRecord, missing: BlobFile | None) -> NodeRecord:
        """Return what is recorded instead, and have it told."""
        refused = _as_lost(record, missing)
        self._thread.notify(lambda: self._refused(refused))
        return refused

    def _find_missing(self, record: NodeRecord) -> BlobFile | None:
        if record.execution is None:
            return None
        files = (file for output in record.execution.outputs for file in output.artifact.files)
        return next((file for file in files if not self._present(file)), None)

    def _without_missing_inputs(self, record: NodeRecord) -> NodeRecord:
        """Return a record in which no constant names a file that a collector removed since it was put."""
        execution = record.execution
        if execution is None:
            return record
        inputs = tuple((name, self._as_it_is(artifact)) for name, artifact in execution.inputs)
        return record if inputs == execution.inputs else replace(record, execution=replace(execution, inputs=inputs))

    def _as_it_is(self, artifact: Artifact) -> Artifact:
        return artifact if all(self._present(file) for file in artifact.files) else replace(artifact, files=())


def _reused(record: NodeRecord) -> int | None:
    """Return what a node reused that a collector may have dropped since its lookup. A model's content is never."""
    return record.entry if record.outcome is Outcome.REUSED and record.step != CHAMPION_STEP else None


def _as_lost(record: NodeRecord, missing: BlobFile | None) -> NodeRecord:
    """Return the failure that stands for a success whose blob is gone, or for a reuse of what is."""
    execution = replace(record.execution, outputs=(), cached=False) if record.execution is not None else None
    failure = Failure(
        FailureKind.LOST,
        f"What {record.node!r} made was gone from the store before it could be recorded.",
        (("blob", missing.name),) if missing is not None else (("node", record.node),),
        "run it again; if it happens again, find out what deletes files in the store.",
    )
    return replace(record, outcome=Outcome.FAILED, failure=failure, execution=execution, entry=None)
