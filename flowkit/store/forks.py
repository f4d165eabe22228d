"""Descriptors that are one process's alone: a process that it forks closes its copies at once.

A lock of the kernel's that belongs to an open file would else outlive its holder, in whatever a step forked.
"""

from __future__ import annotations

import os
import threading

_OWN: set[int] = set()
_lock = threading.RLock()
"""Held during a fork as well: between noting a descriptor and closing it none may come."""


def keep_from_forks(descriptor: int) -> int:
    """Let no forked process keep a descriptor, and return it; `close_own` closes it here."""
    with _lock:
        _OWN.add(descriptor)
    return descriptor


def close_own(descriptor: int) -> None:
    """Close a descriptor that was kept from forks."""
    with _lock:
        _OWN.discard(descriptor)
        os.close(descriptor)


def _close_in_child() -> None:
    global _lock
    _lock = threading.RLock()
    for descriptor in _OWN:
        try:
            os.close(descriptor)
        except OSError:
            # Closed by a step, which is none of the child's business.
            continue
    _OWN.clear()


os.register_at_fork(
    before=lambda: _lock.acquire(), after_in_parent=lambda: _lock.release(), after_in_child=_close_in_child
)
