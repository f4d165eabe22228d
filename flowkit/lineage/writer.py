"""The one writer of the lineage database: a thread with the only writing connection.

Records are queued and committed in batches. A batch ends when the queue is empty, or 50 ms after it began, so that a
lone record is durable at once and a flood shares its fsyncs. What is queued is written in order; after a failure
nothing more is, so that the database always holds a prefix of what was recorded.
"""

from __future__ import annotations

import queue
import sqlite3
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

from flowkit.errors import LineageError
from flowkit.lineage.connection import LOCK_TIMEOUT, begin, commit, connect_for_writing, reporting, rolling_back
from flowkit.lineage.liveness import DriverLock, is_driven
from flowkit.lineage.recording import Recorder
from flowkit.lineage.runs import end_crashed_runs, end_run, insert_run
from flowkit.records import Artifact, BlobFile, Failure, FailureKind, NodeRecord, Outcome, RunRecord, RunStatus

T = TypeVar("T")

BATCH_SECONDS = 0.05

Present = Callable[[BlobFile], bool]
Refused = Callable[[NodeRecord], None]
Disagreed = Callable[[NodeRecord, tuple[str, ...]], None]
Change = Callable[[], None]


class _Request(Generic[T]):
    """Something to be done between batches, whose caller waits for the answer."""

    def __init__(self, action: Callable[[], T]) -> None:
        self._action = action
        self._done = threading.Event()
        self._answer: T
        self._error: BaseException | None = None

    def serve(self) -> None:
        try:
            self._answer = self._action()
        except BaseException as error:  # noqa: BLE001  (raised again in the caller's thread)
            self._error = error
        self._done.set()

    def refuse(self, error: BaseException) -> None:
        self._error = error
        self._done.set()

    def wait(self) -> T:
        self._done.wait()
        if self._error is not None:
            raise self._error
        return self._answer


class LineageWriter:
    """Writes one lineage database. Safe to use from several threads; use it as a context, or close it.

    Args:
        path: The database; its folder must exist.
        present: Whether a blob file is there. Asked of every file that an execution names, in the transaction that
            records it; so no row can name a blob that a collector removed in between.
        refused: Told, in the writer's thread, of a node whose execution named a missing blob: its record as it was
            written, a failure.
        disagreed: Told, in the writer's thread, of an execution whose outputs differ from those that stand under the
            same entry key, with the names of those outputs.
        timeout: Seconds to wait for other processes' locks.

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
    ) -> None:
        self.path = path
        self._present = present
        self._refused = refused
        self._disagreed = disagreed
        self._timeout = timeout
        self._locks: dict[str, DriverLock] = {}
        self._queue: queue.SimpleQueue[Change | _Request[Any] | None] = queue.SimpleQueue()
        self._failure: BaseException | None = None
        self._raised = False
        self._closed = False
        self._door = threading.Lock()
        self._notices: list[Change] = []
        self._data_version: int | None = None
        self._connection: sqlite3.Connection = connect_for_writing(path, timeout)
        self._recorder = Recorder(self._connection)
        self._thread = threading.Thread(target=self._serve, name="flowkit-lineage", daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._raised = self._raised or error is not None
        self.close()

    def begin_run(self, record: RunRecord) -> None:
        """Record that a run begins, and hold its driver's lock until it is finished or this process ends.

        Raises:
            LineageError: Another process drives it, or an earlier record could not be written.
        """
        lock = DriverLock.acquire(self._runs, record.run)
        self._locks[record.run] = lock
        self._put(lambda: insert_run(self._connection, self._recorder.identities, record))

    def finish_run(self, run: str, status: RunStatus, exit_code: int | None, ended: float) -> None:
        """Record how a run ended, wait until that is durable, and let its driver's lock go.

        Raises:
            LineageError: It, or an earlier record, could not be written; the lock is let go all the same.
        """
        try:
            self._put(lambda: end_run(self._connection, self._recorder.identities, run, status, exit_code, ended))
            self.flush()
        finally:
            lock = self._locks.pop(run, None)
            if lock is not None:
                lock.release()

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

    def record(self, record: NodeRecord) -> None:
        """Queue a node's record and return at once.

        Raises:
            LineageError: An earlier record could not be written.
        """
        self._put(lambda: self._record(record))

    def restamp(self, artifact: Artifact) -> None:
        """Queue the stamps with which an artifact was verified again."""
        self._put(lambda: self._recorder.restamp(artifact))

    def enqueue(self, change: Callable[[sqlite3.Connection], None]) -> None:
        """Queue a small change that nobody waits for; it is committed with the records around it."""
        self._put(lambda: change(self._connection))

    def write(self, change: Callable[[sqlite3.Connection], T]) -> T:
        """Run `change` in a transaction of its own that holds the write lock from its start; return what it returns.

        What was queued before is committed before. An error that `change` raises rolls it back and is raised here;
        it must neither end the transaction nor call this writer.

        Raises:
            LineageError: The transaction, or an earlier record, could not be written.
        """
        return self._ask(lambda: self._transact(lambda: change(self._connection)))

    def flush(self) -> None:
        """Wait until everything queued is durable.

        Raises:
            LineageError: Something could not be written; nothing after it was.
        """
        self._ask(lambda: None)

    def close(self) -> None:
        """Write what is queued, end the thread and close the connection. Locks of unfinished runs are let go.

        Raises:
            LineageError: Something could not be written, and nobody was told yet.
        """
        with self._door:
            first, self._closed = not self._closed, True
            if first:
                self._queue.put(None)
        if first:
            self._thread.join()
            self._connection.close()
            for lock in self._locks.values():
                lock.release()
        if self._failure is not None and not self._raised:
            self._raise(self._failure)

    @property
    def _runs(self) -> Path:
        return self.path.parent / "runs"

    def _put(self, change: Change) -> None:
        self._enter(change)

    def _ask(self, action: Callable[[], T]) -> T:
        request = _Request(action)
        self._enter(request)
        try:
            return request.wait()
        finally:
            if self._failure is not None:
                self._raised = True

    def _enter(self, item: Change | _Request[Any]) -> None:
        if self._failure is not None:
            self._raise(self._failure)
        with self._door:
            if self._closed:
                raise LineageError.for_closed(self.path)
            self._queue.put(item)

    def _raise(self, failure: BaseException) -> None:
        self._raised = True
        raise failure

    def _serve(self) -> None:
        """Serve the queue, in the writer's thread."""
        while True:
            item = self._queue.get()
            if item is not None and not isinstance(item, _Request):
                item = self._serve_batch(item)
            if isinstance(item, _Request):
                self._serve_request(item)
            elif item is None:
                return

    def _serve_request(self, request: _Request[Any]) -> None:
        if self._failure is not None:
            request.refuse(self._failure)
        else:
            request.serve()

    def _serve_batch(self, first: Change) -> Change | _Request[Any] | None:
        """Commit changes from the queue as one batch; return the first item that is not one of them.

        A batch that ends for want of time or of items returns a request that does nothing.
        """
        rest: list[Change | _Request[Any] | None] = []
        try:
            if self._failure is None:
                self._transact(lambda: rest.append(self._apply(first)))
                self._give_notice()
        except BaseException as error:  # noqa: BLE001  (kept, and raised in every later caller's thread)
            self._failure = error
        return rest[0] if rest else _Request(lambda: None)

    def _apply(self, first: Change) -> Change | _Request[Any] | None:
        deadline = time.monotonic() + BATCH_SECONDS
        first()
        while time.monotonic() < deadline:
            try:
                item = self._queue.get_nowait()
            except queue.Empty:
                break
            if item is None or isinstance(item, _Request):
                return item
            item()
        return _Request(lambda: None)

    def _transact(self, change: Callable[[], T]) -> T:
        self._notices.clear()
        with reporting(self.path, self._timeout):
            begin(self._connection, self.path, self._timeout)
            try:
                with rolling_back(self._connection):
                    self._forget_where_others_wrote()
                    answer = change()
                    commit(self._connection, self.path, self._timeout)
            except BaseException:
                self._recorder.identities.forget()
                raise
        return answer

    def _forget_where_others_wrote(self) -> None:
        version = self._connection.execute("PRAGMA data_version").fetchone()[0]
        if version != self._data_version:
            self._recorder.identities.forget()
            self._data_version = version

    def _record(self, record: NodeRecord) -> None:
        missing = self._find_missing(record)
        if missing is not None:
            refused = _as_lost(record, missing)
            self._recorder.record_node(refused)
            self._notices.append(lambda: self._refused(refused))
            return
        differing = self._recorder.record_node(record)
        if differing:
            self._notices.append(lambda: self._disagreed(record, differing))

    def _find_missing(self, record: NodeRecord) -> BlobFile | None:
        if record.execution is None:
            return None
        files = (file for output in record.execution.outputs for file in output.artifact.files)
        return next((file for file in files if not self._present(file)), None)

    def _give_notice(self) -> None:
        notices, self._notices = self._notices, []
        for notice in notices:
            notice()


def _as_lost(record: NodeRecord, missing: BlobFile) -> NodeRecord:
    """Return the failure that stands for a success whose blob is gone."""
    execution = replace(record.execution, outputs=(), cached=False) if record.execution is not None else None
    failure = Failure(
        FailureKind.LOST,
        f"What {record.node!r} made was gone from the store before it could be recorded.",
        (("blob", missing.name),),
        "run it again; if it happens again, find out what deletes files in the store.",
    )
    return replace(record, outcome=Outcome.FAILED, failure=failure, execution=execution)
