"""The thread that owns the only writing connection: changes go in by a queue and are committed in batches.

A batch begins 10 ms after its first change, or as soon as somebody waits, and ends when the queue is empty, or 50 ms
after it began: so a lone change is durable soon, and what comes one by one shares a commit. Changes are written in
order; after a failure nothing more is, so that the database always holds a prefix of what was queued.
"""

from __future__ import annotations

import queue
import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Generic, TypeVar

from flowkit.errors import LineageError
from flowkit.lineage.connection import begin, commit, connect_for_writing, reporting, rolling_back

T = TypeVar("T")

GATHER_SECONDS = 0.01
"""For how long a change that nobody waits for waits for others, before the database is locked and synced for it."""

BATCH_SECONDS = 0.05
"""After how long a batch is committed though there is more."""

Change = Callable[[], None]


class _Request(Generic[T]):
    """Something to be done between batches, whose caller waits for the answer."""

    def __init__(self, action: Callable[[], T]) -> None:
        self._action = action
        # Not an event, whose locks an interrupted waiter may leave held.
        self._done: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._answer: T
        self._error: BaseException | None = None

    def serve(self) -> None:
        try:
            self._answer = self._action()
        except BaseException as error:  # noqa: BLE001  (raised again in the caller's thread)
            self._error = error
        self._done.put(None)

    def refuse(self, error: BaseException) -> None:
        self._error = error
        self._done.put(None)

    def wait(self) -> T:
        self._done.get()
        if self._error is not None:
            raise self._error
        return self._answer


_Item = Change | _Request[Any] | None


class WriterThread:
    """Serves changes and requests, one after another, until it is closed.

    Args:
        path: The database.
        timeout: Seconds to wait for other processes' locks.
        durable: Whether a commit waits until the disk has it.
        settle: Called at the end of a batch, before it is committed: writes what its changes have only gathered.
        forget: Called when ids that were looked up may no longer hold: after a rollback, which takes back what was
            gathered too, or another process's commit.

    Raises:
        LineageError: The database cannot be opened for writing.
    """

    def __init__(
        self,
        path: Path,
        timeout: float,
        durable: bool,
        *,
        settle: Callable[[], None] = lambda: None,
        forget: Callable[[], None],
    ) -> None:
        self._path = path
        self._timeout = timeout
        self._settle = settle
        self._forget = forget
        self._queue: queue.SimpleQueue[_Item] = queue.SimpleQueue()
        self._door = threading.Lock()
        self._bell: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._closed = False
        self._failure: BaseException | None = None
        self._told = False
        self._notices: list[Change] = []
        self._data_version: int | None = None
        self.connection: sqlite3.Connection = connect_for_writing(path, timeout, durable=durable)
        self._thread = threading.Thread(target=self._serve, name="flowkit-lineage", daemon=True)
        self._thread.start()

    def put(self, change: Change) -> None:
        """Queue a change and return at once.

        Raises:
            LineageError: An earlier change could not be written.
        """
        self._enter(change)

    @property
    def backlog(self) -> int:
        """How many changes wait."""
        return self._queue.qsize()

    def transact(self, change: Callable[[], T]) -> T:
        """Run a change in a transaction of its own, after all that was queued before, and return what it returns.

        Raises:
            LineageError: It, or an earlier change, could not be written; or what `change` raised.
        """
        return self._ask(lambda: self._commit(change))

    def flush(self) -> None:
        """Wait until all that was queued is durable.

        Raises:
            LineageError: Something could not be written.
        """
        self._ask(lambda: None)

    def notify(self, notice: Change) -> None:
        """Have something called once the batch that is being written is durable. For changes, in this thread."""
        self._notices.append(notice)

    def close(self) -> None:
        """Write what is queued, end the thread and close the connection."""
        with self._door:
            first, self._closed = not self._closed, True
            if first:
                self._queue.put(None)
                self._bell.put(None)
        if first:
            self._thread.join()
            self.connection.close()

    def give_up(self) -> None:
        """Take no more, and let nobody wait: the thread ends with its process, its transaction undone or whole."""
        with self._door:
            self._closed = True

    def raise_untold(self) -> None:
        """Raise the failure of which no caller has learnt yet, if there is one."""
        if self._failure is not None and not self._told:
            self._tell(self._failure)

    def _enter(self, item: _Item) -> None:
        if self._failure is not None:
            self._tell(self._failure)
        with self._door:
            if self._closed:
                raise LineageError.for_closed(self._path)
            if isinstance(item, _Request):
                self._bell.put(None)
            self._queue.put(item)

    def _ask(self, action: Callable[[], T]) -> T:
        request = _Request(action)
        self._enter(request)
        try:
            return request.wait()
        finally:
            self._told = self._told or self._failure is not None

    def _tell(self, failure: BaseException) -> None:
        self._told = True
        raise failure

    def _serve(self) -> None:
        while True:
            item = self._taken(self._queue.get())
            if item is not None and not isinstance(item, _Request):
                if self._failure is None:
                    self._gather()
                item = self._serve_batch(item)
            if item is None:
                return
            if self._failure is not None:
                item.refuse(self._failure)
            else:
                item.serve()

    def _gather(self) -> None:
        """Let changes wait for others, until somebody waits for an answer."""
        with suppress(queue.Empty):
            self._bell.get(timeout=GATHER_SECONDS)
            self._bell.put(None)

    def _taken(self, item: _Item) -> _Item:
        """Note that an item has left the queue: who has got an answer makes nobody hurry any more."""
        if isinstance(item, _Request):
            with self._door, suppress(queue.Empty):
                self._bell.get_nowait()
                while self._queue.empty() and not self._closed:
                    # Of somebody who was interrupted before the question was in the queue.
                    self._bell.get_nowait()
        return item

    def _serve_batch(self, first: Change) -> _Request[Any] | None:
        """Commit a batch, and return what ended it: the next request, the end, or a request that does nothing."""
        ends: list[_Request[Any] | None] = []
        try:
            if self._failure is None:
                self._commit(lambda: self._apply(first, ends))
                self._give_notices()
        except BaseException as error:  # noqa: BLE001  (kept, and raised in the thread of every later caller)
            self._failure = error
        return ends[0] if ends else _Request(lambda: None)

    def _apply(self, first: Change, ends: list[_Request[Any] | None]) -> None:
        """Make changes until something else is met, which goes to `ends`, or the batch has gone on for long enough."""
        deadline = time.monotonic() + BATCH_SECONDS
        first()
        while time.monotonic() < deadline:
            try:
                item = self._taken(self._queue.get_nowait())
            except queue.Empty:
                break
            if item is None or isinstance(item, _Request):
                ends.append(item)
                break
            item()
        self._settle()

    def _commit(self, change: Callable[[], T]) -> T:
        self._notices.clear()
        with reporting(self._path, self._timeout):
            begin(self.connection, self._path, self._timeout)
            try:
                with rolling_back(self.connection):
                    self._forget_where_others_wrote()
                    answer = change()
                    commit(self.connection, self._path, self._timeout)
            except BaseException:
                self._forget()
                raise
        return answer

    def _forget_where_others_wrote(self) -> None:
        version = self.connection.execute("PRAGMA data_version").fetchone()[0]
        if version != self._data_version:
            self._forget()
            self._data_version = version

    def _give_notices(self) -> None:
        notices, self._notices = self._notices, []
        for notice in notices:
            notice()
