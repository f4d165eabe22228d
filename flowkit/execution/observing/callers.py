"""Who reads: a person's own code, a library that it called, an import, or flowkit itself."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Collection, Iterator
from enum import Enum, auto
from pathlib import Path
from types import CodeType, FrameType

from msgspec import Struct, field
from msgspec.structs import replace

from flowkit.execution.observing.keepers import Keeping, Passed, find_keeping, stack_of
from flowkit.garbage import all_objects
from flowkit.source_imports import stdlib_folders

_FLOWKIT = str(Path(__file__).parents[2]) + os.sep
_OBSERVING = str(Path(__file__).parent) + os.sep
_IMPORT = ("<frozen importlib", "<frozen zipimport")
_INSTALLED = ("site-packages", "dist-packages")
_MACHINERY = frozenset(
    {
        *("encodings", "linecache", "locale", "mimetypes", "site", "ssl", "sysconfig", "zipimport", "zoneinfo"),
        *("importlib_metadata", "pip", "pkg_resources", "setuptools"),
    }
)
"""Modules that look through the installation for their own sake, as an import does."""
_RESOURCES = ("importlib.resources", "importlib_resources", "pkgutil")
"""Modules that give a package's files: what they open is an input, what else they look at is not."""


class Owner(Enum):
    """Whose code a file holds."""

    PROJECT = auto()
    STDLIB = auto()
    LIBRARY = auto()
    FLOWKIT = auto()
    IMPORT = auto()
    WATCH = auto()


class Caller(Struct, frozen=True):
    """Who read something.

    Attributes:
        own: Whether the project's own code is on the way at all; it is not in threads that a library has for itself.
        direct: Whether the project's own code did, at most through the standard library.
        finding: Whether a module of the standard library, looking for a package's files, did.
        through: Names of the standard library's functions in between, innermost first.
        cached: `module:qualified name` of the project's functions on the way that keep their results by `lru_cache`,
            and of the innermost module that was being imported, whose body keeps what it reads in the module.
        keeping: Who else on the way may keep what is read.
        lines: Whether `linecache` reads it, and so keeps it.
    """

    own: bool
    direct: bool
    finding: bool
    through: tuple[str, ...]
    cached: tuple[str, ...]
    keeping: Keeping | None = None
    lines: bool = False


class _Way(Struct):
    """What is met on the way out from an event."""

    direct: bool | None = None
    own: bool = False
    finding: bool = False
    lines: bool = False
    through: list[str] = field(default_factory=list)
    cached: list[str] = field(default_factory=list)
    passed: list[Passed] = field(default_factory=list)
    body: str | None = None
    between: FrameType | None = None

    def pass_project(self, frame: FrameType) -> None:
        self.direct, self.own = True if self.direct is None else self.direct, True
        self.cached += _cached_names(frame)
        if self.body is None and frame.f_code.co_name == _BODY:
            self.body = body_name(_module_of(frame))
        if self.body is None:
            # What a module keeps goes by the name of its body, and who imports it keeps nothing.
            self._call_last_by_between()
            self.passed.append(Passed(frame))

    def pass_stdlib(self, frame: FrameType) -> None:
        if self.direct is None:
            self.through.append(frame.f_code.co_name)
            self.finding = self.finding or _module_of(frame).startswith(_RESOURCES)
            self.lines = self.lines or _module_of(frame) == "linecache"
        elif self.passed and frame.f_code.co_name == "__get__" and _module_of(frame) == "functools":
            instance = frame.f_locals.get("instance")
            self.passed[-1] = replace(self.passed[-1], for_instance=instance)

    def pass_library(self, frame: FrameType) -> None:
        self.direct = False if self.direct is None else self.direct
        self.between = frame if self.passed else None

    def pass_waiting(self, frame: FrameType | None) -> None:
        """Go the way of the step's own thread, which waits for the one that reads."""
        while frame is not None:
            owner = _owner_of(frame)
            if owner is Owner.FLOWKIT and frame.f_code.co_name in (CALLING, AT_BORDER):
                self.end_at_step(frame)
                return
            if owner is Owner.PROJECT:
                self._call_last_by_between()
                self.passed.append(Passed(frame))
            frame = frame.f_back

    def end_at_step(self, frame: FrameType) -> None:
        if frame.f_code.co_name == CALLING and self.passed and self.body is None:
            self.passed[-1] = replace(self.passed[-1], is_step=True)

    def _call_last_by_between(self) -> None:
        if self.between is not None and self.passed:
            self.passed[-1] = replace(self.passed[-1], by_library=True)
        self.between = None


def find_caller(frame: FrameType | None, thread: int | None = None) -> Caller | None:
    """Return who caused an event, from the frame it happened in outwards; None where it is not to be counted.

    That is what an import reads, and what flowkit itself does.

    Args:
        frame: Where it happened.
        thread: The number of the thread that the step was called in.
    """
    way = _Way()
    outermost: FrameType | None = None
    while frame is not None:
        outermost = frame
        owner = _owner_of(frame)
        if owner is Owner.FLOWKIT:
            if way.direct is None:
                return None
            if frame.f_code.co_name in (CALLING, AT_BORDER):
                # At the border, a library that flowkit itself uses, unless a contract or a codec of the project's does.
                if frame.f_code.co_name == AT_BORDER and not way.own:
                    return None
                break
        elif owner is Owner.IMPORT and not way.own and not _gives_data(frame):
            return None
        elif owner is Owner.STDLIB or (owner is Owner.IMPORT and not way.own):
            way.pass_stdlib(frame)
        elif owner is Owner.PROJECT:
            way.pass_project(frame)
        elif owner is Owner.LIBRARY:
            way.pass_library(frame)
        frame = frame.f_back
    if way.direct is None and outermost is not None:
        way.direct = _is_pool_thread(outermost, way.through)
    if frame is not None:
        way.end_at_step(frame)
    elif thread is not None and way.body is None:
        way.pass_waiting(stack_of(thread))
    if way.body is not None:
        way.cached.append(way.body)
    keeping = find_keeping(way.passed)
    return Caller(way.own, bool(way.direct), way.finding, tuple(way.through), tuple(way.cached), keeping, way.lines)


def _gives_data(frame: FrameType) -> bool:
    """Whether a module of the import's machinery gives data on somebody else's behalf."""
    if _module_of(frame) == "linecache":
        outer: FrameType | None = frame
        while outer is not None and _module_of(outer) == "linecache":
            outer = outer.f_back
        # The traceback's and the debugger's reading of sources counts for nothing.
        return outer is not None and _owner_of(outer) is Owner.PROJECT
    back = frame.f_back
    return frame.f_code.co_name == "get_data" and back is not None and _owner_of(back) is not Owner.IMPORT


_BODY = "<module>"
"""The name of the code of a module's body."""


def body_name(module: str) -> str:
    """Return the name under which it is kept what a module reads while it is imported."""
    return f"{module}:{_BODY}"


def names_body(name: str) -> bool:
    """Whether a name is that of a module's body."""
    return name.endswith(f":{_BODY}")


CALLING = "_call_in_one_process"
"""The function of flowkit that calls a step: what lies further out is not the step's."""
AT_BORDER = "_at_border"
"""The function of flowkit below which it loads what a step is called with, and stores what it returned."""


def _owner_of(frame: FrameType) -> Owner:
    module = _module_of(frame)
    if module == "__main__":
        return Owner.PROJECT
    if module.partition(".")[0] in _MACHINERY or module.startswith("importlib.metadata"):
        return Owner.IMPORT
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
    return tuple(folder + os.sep for folder in stdlib_folders())


def _module_of(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__"))


def _is_pool_thread(outermost: FrameType, through: Collection[str]) -> bool:
    """Whether the standard library alone runs in a thread: then a pool runs a function that it was handed as it is.

    The threads by which pools of processes manage themselves hand nothing over.
    """
    if _module_of(outermost) != "threading":
        return False
    return "_worker" in through or "worker" in through or _TARGET.issuperset(list(through)[-2:])


_TARGET = frozenset({"_bootstrap", "_bootstrap_inner"})


def is_projects(function: object) -> bool:
    """Whether a function is the project's own."""
    code = getattr(function, "__code__", None)
    if code is None:
        return False
    return getattr(function, "__module__", None) == "__main__" or _owner_of_file(code.co_filename) is Owner.PROJECT


def _cached_names(frame: FrameType) -> Iterator[str]:
    """Yield the names, of the function of `frame` and of caches of `functools` around it, if there are any.

    Its own name may stand for the cache, as below a decorator; or its module, or that of its caller, holds the cache
    under another one, as `rates = functools.cache(_rates)` does. Fingerprints name either.
    """
    code, module = frame.f_code, _module_of(frame)
    found: object = sys.modules.get(module)
    for name in code.co_qualname.split("."):
        found = getattr(found, name, None)
    aliases = [
        f"{_module_of(outer)}:{name}"
        for outer in (frame, frame.f_back)
        if outer is not None
        for name, value in list(outer.f_globals.items())
        if _is_cache_around(value, code)
    ]
    if aliases or _is_cache_around(found, code) or _has_hidden_cache(frame):
        yield f"{module}:{code.co_qualname}"
        yield from aliases


_HIDDEN: dict[CodeType, bool] = {}
"""Whether a cache is around a function to which no name of a module leads, once that was looked for."""


def _has_hidden_cache(frame: FrameType) -> bool:
    """Whether an attribute or a container holds a cache around a function, as `self.load = cache(self._load)` makes.

    It is looked for once, when the function first reads: that takes milliseconds, and such a cache is there by then.
    """
    code = frame.f_code
    if code not in _HIDDEN:
        if not any(_uses_caches(outer) for outer in (frame, frame.f_back) if outer is not None):
            return False
        _HIDDEN[code] = any(_is_cache_around(found, code) for found in all_objects())
    return _HIDDEN[code]


def _uses_caches(frame: FrameType) -> bool:
    return any(
        value is functools or value is functools.lru_cache or value is functools.cache
        for value in list(frame.f_globals.values())
    )


def _is_cache_around(value: object, code: CodeType) -> bool:
    return type(value) is functools._lru_cache_wrapper and getattr(value.__wrapped__, "__code__", None) is code
