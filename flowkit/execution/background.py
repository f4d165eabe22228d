"""One piece of work in a thread of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable

from flowkit.errors import FlowkitError, WorkerError


class Background:
    """One piece of work in a thread of its own, whose error is raised where its end is waited for."""

    def __init__(self, work: Callable[[], None]) -> None:
        self._error: BaseException | None = None
        self._work = work
        self._thread = threading.Thread(target=self._run, name="flowkit-connect", daemon=True)
        self._thread.start()

    def wait(self, seconds: float | None = None) -> bool:
        """Wait for the end, at most `seconds`, and say whether it has come.

        Raises:
            WorkerError: The work failed.
        """
        self._thread.join(seconds)
        if isinstance(self._error, FlowkitError):
            raise self._error
        if self._error is not None:
            text = f"{type(self._error).__name__}: {self._error}"
            raise WorkerError.for_failed_start(text) from self._error
        return not self._thread.is_alive()

    def finish(self, seconds: float) -> bool:
        """Wait for the end, whatever it is, at most `seconds`, and say whether it has come."""
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def _run(self) -> None:
        try:
            self._work()
        except BaseException as error:  # noqa: BLE001  (raised again by `wait`)
            self._error = error
