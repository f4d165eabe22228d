"""Real child processes for tests: forked, so that they start at once, and never returning into pytest."""

from __future__ import annotations

import os
import pickle
import sys
import traceback
from collections.abc import Callable
from typing import Any

NOBODY = 65534


def start(function: Callable[[], Any]) -> tuple[int, int]:
    """Run `function` in a child; return its process id and the pipe that its pickled result comes from."""
    reading, writing = os.pipe()
    child = os.fork()
    if child:
        os.close(writing)
        return child, reading
    status = 1
    try:
        os.close(reading)
        try:
            result = (True, function())
        except Exception as error:  # noqa: BLE001 - handed to the parent
            result = (False, error)
        with os.fdopen(writing, "wb") as pipe:
            pickle.dump(result, pipe)
        status = 0
    except BaseException:  # noqa: BLE001 - shown; the child must not return into pytest
        traceback.print_exc()
        sys.stderr.flush()
    finally:
        os._exit(status)


def finish(child: int, reading: int) -> Any:
    """Return the child's result, or raise what it raised."""
    with os.fdopen(reading, "rb") as pipe:
        data = pipe.read()
    os.waitpid(child, 0)
    succeeded, result = pickle.loads(data)
    if not succeeded:
        raise result
    return result


def in_child(function: Callable[[], Any]) -> Any:
    return finish(*start(function))


def without_privileges(function: Callable[[], Any]) -> Any:
    """Run `function` as a user whom permission bits bind, also where the tests run as root."""

    def run() -> Any:
        if os.geteuid() == 0:
            os.setgroups([])
            os.setgid(NOBODY)
            os.setuid(NOBODY)
        return function()

    return in_child(run)
