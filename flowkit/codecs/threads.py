"""Work on the pieces of one value in several threads: hashing, copying and encoding of large pieces let others run."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")

_MOST = 4


def usable_threads() -> int:
    """Return how many threads may work on one value, at least one."""
    affinity = getattr(os, "sched_getaffinity", None)
    return min(_MOST, len(affinity(0)) if affinity is not None else os.cpu_count() or 1)


def in_threads(work: Callable[[T], R], pieces: Sequence[T], threads: int) -> Iterator[R]:
    """Yield what `work` gives for each piece, in order; while one is used the next ones are worked on.

    Args:
        work: Called with each piece, in any thread.
        pieces: What is worked on.
        threads: How many work; with one, `work` is never called twice at a time, but in another thread than this.
    """
    if len(pieces) < 2 or usable_threads() < 2:
        yield from map(work, pieces)
        return
    from concurrent.futures import ThreadPoolExecutor

    executor = ThreadPoolExecutor(threads, thread_name_prefix="flowkit-codec")
    try:
        yield from executor.map(work, pieces)
    finally:
        executor.shutdown(cancel_futures=True)
