"""What a step may change of the interpreter itself: its modules, their functions, what imports, how processes start."""

from __future__ import annotations

import builtins
import ctypes
import datetime
import faulthandler
import os
import random
import sys
import threading
import time
from collections.abc import Sequence
from typing import Any

from msgspec import Struct

from flowkit.execution.library_state import imported_since

_PATCHED = (builtins, time, datetime, os, os.path, random)
"""Modules whose functions tests and tools replace, and code of steps with them."""

_ZONE = frozenset({"tzname", "timezone", "altzone", "daylight"})
"""What `time.tzset` writes: put back by that alone, or the zone that C has would be another one."""

_ADDRESS = ctypes.sizeof(ctypes.c_void_p)
_METHODS = "multiprocessing.context"


class _Space(Struct):
    """What a module holds.

    Attributes:
        held: The module's own.
        before: The same as it is to be.
        apart: The names that are put back elsewhere, unless they are gone.
    """

    held: dict[str, Any]
    before: dict[str, Any]
    apart: frozenset[str] = frozenset()

    @classmethod
    def of(cls, module: Any) -> _Space:
        held = vars(module)
        return cls(held, held.copy(), _ZONE if module is time else frozenset())

    def restore(self) -> bool:
        """Put it back, and say whether all was as it was."""
        added = self.held.keys() - self.before.keys()
        for name in added:
            del self.held[name]
        changed = {name: one for name, one in self.before.items() if self.held.get(name, _GONE) is not one}
        for name in changed.keys() & self.apart & self.held.keys():
            del changed[name]
        self.held.update(changed)
        # As it is now, in this order: else every further step would be taken for one that changed something.
        self.before = self.held.copy()
        return not (added or changed)


class _Spaces:
    """What the modules hold that may be patched.

    Compared by identity throughout: a step may leave what equals everything, or fails where it is compared.
    """

    def __init__(self) -> None:
        self._spaces = [_Space.of(module) for module in _PATCHED]
        self._addresses = self._present()

    @property
    def hold(self) -> bool:
        """Whether they are as they were."""
        return self._present() == self._addresses

    def restore(self) -> bool:
        """Put them back, and say whether all was as it was."""
        if self._present() == self._addresses:
            return True
        same = [space.restore() for space in self._spaces]
        self._addresses = self._present()
        return all(same)

    def _present(self) -> bytes:
        present: list[Any] = []
        for space in self._spaces:
            present += space.held.values()
        return _addresses(tuple(present))


_GONE = object()


class InterpreterState(Struct, frozen=True):
    """The interpreter as it is at one moment.

    Attributes:
        names: The names of all loaded modules, in the order of `modules`.
        method: How `multiprocessing` starts processes; None where nobody has said.
        stack: How large the stacks of new threads are; 0 for the system's own size.
    """

    names: Sequence[str]
    modules: Sequence[Any]
    addresses: bytes
    spaces: _Spaces
    finders: Sequence[Any]
    hooks: Sequence[Any]
    digits: int
    method: Any
    stack: int

    @classmethod
    def read(cls, known: InterpreterState | None = None) -> InterpreterState:
        """Return the state as it is now; what is as in one that is known is not copied again."""
        modules = tuple(sys.modules.values())
        addresses = _addresses(modules)
        return cls(
            known.names if known is not None and known.addresses == addresses else list(sys.modules),
            modules,
            addresses,
            known.spaces if known is not None and known.spaces.hold else _Spaces(),
            list(sys.meta_path),
            list(sys.path_hooks),
            sys.get_int_max_str_digits(),
            getattr(_methods(), "_actual_context", None),
            _stack_size(),
        )

    @property
    def holds(self) -> bool:
        """Whether nothing was imported since, so that it may serve for the next step as well."""
        return len(sys.modules) == len(self.modules)

    def restore(self) -> bool:
        """Put back what has changed since, and say whether all is as it was, also for what was imported meanwhile."""
        imported = not self.holds and imported_since(len(self.modules))
        whole = self._restore_modules()
        if not self.spaces.restore():
            # What was imported meanwhile may hold, or need, what is gone now.
            whole = whole and not imported
        _restore_list(sys.meta_path, self.finders, imported)
        _restore_list(sys.path_hooks, self.hooks, imported)
        if sys.get_int_max_str_digits() != self.digits:
            sys.set_int_max_str_digits(self.digits)
        methods = _methods()
        if methods is not None and methods._actual_context is not self.method:
            methods._actual_context = self.method
        # To be asked, it has to be set.
        threading.stack_size(self.stack)
        return whole

    def _restore_modules(self) -> bool:
        if _addresses(tuple(sys.modules.values())).startswith(self.addresses):
            return True
        changed = {
            name: module
            for name, module in zip(self.names, self.modules, strict=True)
            if sys.modules.get(name) is not module
        }
        sys.modules.update(changed)
        return not changed


def _addresses(objects: tuple[Any, ...]) -> bytes:
    """Return where objects lie, which is what they are: several times as quick as to compare them one by one."""
    return ctypes.string_at(id(objects) + tuple.__basicsize__, len(objects) * _ADDRESS)


def disarm() -> None:
    """Cancel what would end this process, or print all its stacks, some time later."""
    faulthandler.cancel_dump_traceback_later()


def _restore_list(present: list[Any], before: Sequence[Any], imported: bool) -> None:
    """Put a list back; what is new there stays where modules were imported, which may need it."""
    if present != before:
        present[:] = [*before, *(one for one in present if imported and one not in before)]


def _methods() -> Any:
    return getattr(sys.modules.get(_METHODS), "_default_context", None)


def _stack_size() -> int:
    size = threading.stack_size()
    if size:
        threading.stack_size(size)
    return size
