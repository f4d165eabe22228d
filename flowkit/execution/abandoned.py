"""Ends packets in a Dask worker for which nobody waits any more, because their driver was killed or lost."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from msgspec import Struct

_LOOK_SECONDS = 1.0


class _Followed(Struct, eq=False):
    is_wanted: Callable[[], bool]
    abandon: Callable[[], None]


class AbandonWatch:
    """Looks every second whether the packets that run are still wanted. Thread-safe; one thread for all of them."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._followed: set[_Followed] = set()
        self._thread: threading.Thread | None = None

    @contextmanager
    def following(self, is_wanted: Callable[[], bool], abandon: Callable[[], None]) -> Iterator[None]:
        """Call `abandon` once, from another thread, should `is_wanted` say no before the block ends."""
        followed = _Followed(is_wanted, abandon)
        with self._changed:
            self._followed.add(followed)
            self._changed.notify()
            if self._thread is None:
                self._thread = threading.Thread(target=self._look, name="flowkit-abandoned", daemon=True)
                self._thread.start()
        try:
            yield
        finally:
            with self._changed:
                self._followed.discard(followed)

    def _look(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._followed)
            time.sleep(_LOOK_SECONDS)
            with self._changed:
                # Under the lock, so that nothing is abandoned that has ended.
                for followed in [followed for followed in self._followed if not followed.is_wanted()]:
                    self._followed.discard(followed)
                    followed.abandon()
