"""What a step may change of the interpreter itself: its modules, their functions, what imports, how processes start."""

from __future__ import annotations

import builtins
import datetime
import faulthandler
import os
import random
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct

_PATCHED = (builtins, time, datetime, os, random)
"""Modules whose functions tests and tools replace, and code of steps with them."""

_METHODS = "multiprocessing.context"


class InterpreterState(Struct, frozen=True):
    """The interpreter as it is at one moment.

    Attributes:
        names: The names of all loaded modules, in the order of `modules`.
        spaces: What the modules hold that may be patched.
        method: How `multiprocessing` starts processes; None where nobody has said.
    """

    names: Sequence[str]
    modules: Sequence[Any]
    spaces: Sequence[Mapping[str, Any]]
    finders: Sequence[Any]
    hooks: Sequence[Any]
    digits: int
    method: Any

    @classmethod
    def read(cls) -> InterpreterState:
        """Return the state as it is now."""
        return cls(
            list(sys.modules),
            list(sys.modules.values()),
            [vars(module).copy() for module in _PATCHED],
            list(sys.meta_path),
            list(sys.path_hooks),
            sys.get_int_max_str_digits(),
            getattr(_methods(), "_actual_context", None),
        )

    @property
    def holds(self) -> bool:
        """Whether nothing was imported since, so that it may serve for the next step as well."""
        return len(sys.modules) == len(self.modules)

    def restore(self) -> bool:
        """Put back what has changed since, and say whether all is as it was, also for what was imported meanwhile."""
        imported = len(sys.modules) != len(self.modules)
        whole = self._restore_modules()
        for module, before in zip(_PATCHED, self.spaces, strict=True):
            if vars(module) != before:
                _restore_space(vars(module), before)
                # What was imported meanwhile may hold, or need, what is gone now.
                whole = whole and not imported
        _restore_list(sys.meta_path, self.finders, imported)
        _restore_list(sys.path_hooks, self.hooks, imported)
        if sys.get_int_max_str_digits() != self.digits:
            sys.set_int_max_str_digits(self.digits)
        methods = _methods()
        if methods is not None and methods._actual_context is not self.method:
            methods._actual_context = self.method
        return whole

    def _restore_modules(self) -> bool:
        if list(sys.modules.values())[: len(self.modules)] == self.modules:
            return True
        changed = {
            name: module
            for name, module in zip(self.names, self.modules, strict=True)
            if sys.modules.get(name) is not module
        }
        sys.modules.update(changed)
        return not changed


def disarm() -> None:
    """Cancel what would end this process, or print all its stacks, some time later."""
    faulthandler.cancel_dump_traceback_later()


def _restore_space(space: dict[str, Any], before: Mapping[str, Any]) -> None:
    for name in space.keys() - before.keys():
        del space[name]
    space.update(before)


def _restore_list(present: list[Any], before: Sequence[Any], imported: bool) -> None:
    """Put a list back; what is new there stays where modules were imported, which may need it."""
    if present != before:
        present[:] = [*before, *(one for one in present if imported and one not in before)]


def _methods() -> Any:
    return getattr(sys.modules.get(_METHODS), "_default_context", None)
