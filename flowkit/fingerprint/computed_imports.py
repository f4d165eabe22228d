"""What imports modules under names that are known only when the code runs: importers, and loaders of pickles."""

from __future__ import annotations

import builtins
import importlib
import importlib.machinery
import importlib.util
import sys
from collections.abc import Sequence
from itertools import pairwise
from types import FunctionType
from typing import Any

from flowkit.fingerprint.watched import behind_watch

_IMPORTERS: tuple[Any, ...] = (
    importlib.import_module,
    importlib.reload,
    importlib.__import__,
    builtins.__import__,
    importlib.util.find_spec,
    importlib.util.module_from_spec,
    importlib.util.spec_from_file_location,
    importlib.machinery.SourceFileLoader,
    importlib.machinery.SourcelessFileLoader,
)
_IMPORTING = frozenset({*(known.__name__ for known in _IMPORTERS), "run_module", "run_path", "resolve_name"})
_PICKLE = frozenset({"load", "loads", "_load", "_loads", "Unpickler", "_Unpickler"})
_YAML = frozenset({"unsafe_load", "unsafe_load_all", "full_load", "full_load_all", "Loader", "UnsafeLoader"})
_LOADERS = {
    **dict.fromkeys(("pickle", "_pickle", "cPickle", "cloudpickle", "dill", "joblib", "torch"), _PICKLE),
    "yaml": _YAML | {"FullLoader", "CLoader", "CFullLoader", "CUnsafeLoader"},
    "shelve": frozenset({"open", "Shelf", "BsdDbShelf", "DbfilenameShelf"}),
    "pandas": frozenset({"read_pickle"}),
    "pydoc": frozenset({"locate", "safeimport", "resolve"}),
    "runpy": frozenset({"run_module", "run_path"}),
    "pkgutil": frozenset({"resolve_name"}),
}
"""By module, what gives objects of classes and functions that the data names, or finds one by its name."""


def is_computed_import(value: Any) -> bool:
    """Whether a value imports, or gives, what is in a module under a name that is known only when the code runs."""
    value = behind_watch(value)
    if value is sys.modules or any(value is known for known in (*_IMPORTERS, *_unpicklers())):
        return True
    if not isinstance(value, (FunctionType, type)) or not isinstance(value.__module__, str):
        return False
    return _is_loader((*value.__module__.split("."), *value.__qualname__.split(".")))


def _unpicklers() -> tuple[Any, ...]:
    """Return what takes pickles apart; where no module has imported pickle there is nothing of it."""
    pickle = sys.modules.get("pickle")
    return (pickle.load, pickle.loads, pickle.Unpickler) if pickle is not None else ()


def is_computed_import_name(path: Sequence[str]) -> bool:
    """Whether a dotted name of somebody else's leads to what `is_computed_import` finds, under whatever module.

    Libraries hand these functions on, and a module that is not loaded cannot be asked.
    """
    if not _IMPORTING.isdisjoint(path) or any(pair == ("sys", "modules") for pair in pairwise(path)):
        return True
    return _is_loader(path)


def _is_loader(path: Sequence[str]) -> bool:
    return any(
        not names.isdisjoint(path[place + 1 :])
        for place, module in enumerate(path)
        if (names := _LOADERS.get(module)) is not None
    )
