"""Environment variables, as the project's own code asks for them one by one."""

from __future__ import annotations

import os
from typing import Any

from flowkit.execution.observing.recorder import RECORDER
from flowkit.fingerprint.watched import note_watch

_Environment: Any = type(os.environ)


class _WatchedEnvironment(_Environment):  # type: ignore[misc]
    """`os.environ`, telling of each variable that is read or set by its name."""

    def __getitem__(self, name: Any) -> Any:
        _tell(name)
        return super().__getitem__(name)

    def __setitem__(self, name: Any, value: Any) -> None:
        if RECORDER.active:
            RECORDER.wrote_variable(os.fsdecode(name))
        super().__setitem__(name, value)

    def __delitem__(self, name: Any) -> None:
        if RECORDER.active:
            RECORDER.wrote_variable(os.fsdecode(name))
        super().__delitem__(name)


def install_variables() -> None:
    """Give the one object that stands for the environment another class: who holds it already is watched too."""
    note_watch(_WatchedEnvironment, _Environment)
    for name in ("__getitem__", "__setitem__", "__delitem__"):
        note_watch(getattr(_WatchedEnvironment, name), getattr(_Environment, name))
    for environment in (os.environ, os.environb):
        environment.__class__ = _WatchedEnvironment


def _tell(name: Any) -> None:
    if RECORDER.active and isinstance(name, (str, bytes)):
        RECORDER.read_variable(os.fsdecode(name))
