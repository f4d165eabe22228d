"""The I/O fault shim: stands in for `os` under the one module that writes, and fails or kills at a chosen call."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from typing import Any

WRITING_CALLS = ("writev", "fsync", "rename", "unlink", "chmod", "utime", "mkdir")


class FaultySystem:
    """Count the calls that change something, and let `fault(index, name)` happen before each; the rest is `os`'s own.

    A fault raises, ends the process, or returns True to have a write torn: half of it is done before the process ends.
    """

    def __init__(self, fault: Callable[[int, str], bool | None] = lambda index, name: None) -> None:
        self.calls: list[str] = []
        self.written = 0
        self._fault = fault

    def __getattr__(self, name: str) -> Any:
        original = getattr(os, name)
        if name not in WRITING_CALLS:
            return original

        def call(*arguments: Any, **options: Any) -> Any:
            self.calls.append(name)
            torn = self._fault(len(self.calls) - 1, name)
            if torn:
                if name == "writev":
                    descriptor, views = arguments
                    os.write(descriptor, views[0][: len(views[0]) // 2])
                os._exit(99)
            result = original(*arguments, **options)
            if name == "writev":
                self.written += result
            return result

        return call


def once(point: int, number: int) -> Callable[[int, str], None]:
    """Fail the call at `point` with the error `number`."""

    def fault(index: int, name: str) -> None:
        if index == point:
            raise OSError(number, os.strerror(number))

    return fault


def full_from(point: int) -> Callable[[int, str], None]:
    """Let the disk be full from the call at `point` on: what needs no space still works."""

    def fault(index: int, name: str) -> None:
        if index >= point and name not in ("unlink", "chmod", "utime"):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    return fault


def killed_at(point: int) -> Callable[[int, str], bool]:
    """End the process at `point`; a write is torn there."""
    return lambda index, name: index == point
