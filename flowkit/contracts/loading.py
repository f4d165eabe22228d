"""Keeps pandera from importing dask.dataframe, which takes longer than all the rest of a small run.

Building a schema of a model, pandera asks `pandera.typing.dask` for dask's table classes, to recognise them in
annotations. Nobody can have annotated with them who has not imported that module, so until somebody uses it something
stands in for it that says that there are none.
"""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import Any

_PACKAGE = "pandera.typing"
_MODULE = "pandera.typing.dask"
_ANSWERS_KEPT = ("get_dataframe_types", "get_series_types", "get_index_types")


def spare_dask() -> None:
    """Let pandera build schemas without dask.dataframe, where pandera is there and has not imported it yet."""
    package = sys.modules.get(_PACKAGE)
    if package is None or _MODULE in sys.modules or "dask.dataframe" in sys.modules:
        return
    if not all(hasattr(getattr(package, name, None), "cache_clear") for name in _ANSWERS_KEPT):
        # Another version of pandera, which asks in a way that is not known here.
        return
    standing_in = _DaskTypes(_MODULE)
    standing_in.__spec__ = find_spec(_MODULE)
    standing_in.__file__ = standing_in.__spec__.origin if standing_in.__spec__ is not None else None
    sys.modules[_MODULE] = standing_in
    package.dask = standing_in  # type: ignore[attr-defined]


class _DaskTypes(ModuleType):
    """Stands for pandera's annotation classes of dask; becomes what it stands for with the first use."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(f"module {_MODULE!r} has no attribute {name!r}", name=name, obj=self)
        if name == "DASK_INSTALLED" and "dask.dataframe" not in sys.modules:
            return False
        return getattr(_load(self), name)


def _load(standing_in: ModuleType) -> ModuleType:
    if sys.modules.get(_MODULE) is standing_in:
        del sys.modules[_MODULE]
    module = import_module(_MODULE)
    package = sys.modules[_PACKAGE]
    for name in _ANSWERS_KEPT:
        # What it answered before is true no longer.
        getattr(package, name).cache_clear()
    return module
