"""Who reads: a person's own code, a library that it called, an import, or flowkit itself."""

from __future__ import annotations

import functools
import os
import sys
import sysconfig
from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path
from types import FrameType

_FLOWKIT = str(Path(__file__).parents[2]) + os.sep
_OBSERVING = str(Path(__file__).parent) + os.sep
_IMPORT = ("<frozen importlib", "<frozen zipimport")
_INSTALLED = ("site-packages", "dist-packages")


class Owner(Enum):
    """Whose code a file holds."""

    PROJECT = auto()
    STDLIB = auto()
    LIBRARY = auto()
    FLOWKIT = auto()
    IMPORT = auto()
    WATCH = auto()


@dataclass(frozen=True, slots=True)
class Caller:
    """Who read something.

    Attributes:
        own: Whether the project's own code is on the way at all; it is not in threads that a library has for itself.
        direct: Whether the project's own code did, at most through the standard library.
        through: Names of the standard library's functions in between, innermost first.
        cached: `module:qualified name` of the project's functions on the way that keep their results by `lru_cache`.
    """

    own: bool
    direct: bool
    through: tuple[str, ...]
    cached: tuple[str, ...]


def find_caller(frame: FrameType | None) -> Caller | None:
    """Return who caused an event, from the frame it happened in outwards; None where it is not to be counted.

    That is what an import reads, and what flowkit itself does.
    """
    direct: bool | None = None
    own = False
    through: list[str] = []
    cached: list[str] = []
    while frame is not None:
        owner = _owner_of(frame)
        if owner is Owner.FLOWKIT:
            if direct is None:
                return None
            if frame.f_code.co_name == CALLING:
                break
        elif owner is Owner.IMPORT and not own:
            return None
        elif owner is Owner.STDLIB:
            if direct is None:
                through.append(frame.f_code.co_name)
        elif owner is Owner.PROJECT:
            direct, own = True if direct is None else direct, True
            name = _cached_name(frame)
            if name is not None:
                cached.append(name)
        elif owner is Owner.LIBRARY:
            direct = False if direct is None else direct
        frame = frame.f_back
    return Caller(own, bool(direct), tuple(through), tuple(cached))


CALLING = "_call_in_one_process"
"""The function of flowkit that calls a step: what lies further out is not the step's."""


def _owner_of(frame: FrameType) -> Owner:
    if frame.f_globals.get("__name__") == "__main__":
        return Owner.PROJECT
    return _owner_of_file(frame.f_code.co_filename)


@functools.cache
def _owner_of_file(file: str) -> Owner:
    if file.startswith(_OBSERVING):
        return Owner.WATCH
    if file.startswith(_FLOWKIT):
        return Owner.FLOWKIT
    if file.startswith(_IMPORT):
        return Owner.IMPORT
    if any(part in file for part in _INSTALLED):
        return Owner.LIBRARY
    if file.startswith((*_stdlib_folders(), "<frozen ")):
        return Owner.STDLIB
    return Owner.PROJECT


@functools.cache
def _stdlib_folders() -> tuple[str, ...]:
    paths = {sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib"), os.path.dirname(os.__file__)}
    return tuple(path + os.sep for path in paths if path)


def _cached_name(frame: FrameType) -> str | None:
    """Return the name of the function of `frame` where its module holds it behind a cache of `functools`."""
    code = frame.f_code
    found: object = sys.modules.get(str(frame.f_globals.get("__name__")))
    for name in code.co_qualname.split("."):
        found = getattr(found, name, None)
    wrapped = getattr(found, "__wrapped__", None)
    if isinstance(found, functools._lru_cache_wrapper) and getattr(wrapped, "__code__", None) is code:
        return f"{frame.f_globals.get('__name__')}:{code.co_qualname}"
    return None
