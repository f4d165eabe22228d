"""The project's functions on Dask workers that import another code, or none: they travel whole, as this run has them.

Long-lived workers keep what they once imported. So on a cluster that flowkit did not start, what a step hands to Dask
is pickled with every function and class of the project by value. Modules that such a function names are rebuilt there
from their content; an import *inside* of a function is not, and needs the module on the workers.
"""

from __future__ import annotations

import io
import sys
import types
from collections.abc import Callable, Collection, Mapping
from functools import cache
from typing import Any

ListModules = Callable[[], Collection[str]]
"""Gives the names of the project's modules that are loaded now."""


def send_code_by_value(list_modules: ListModules) -> None:
    """Let every graph that this process sends carry the project's code."""
    from distributed.protocol.serialize import families, register_serialization_family

    register: Any = register_serialization_family
    register("pickle", _dumps(list_modules), families["pickle"][1])


def _dumps(list_modules: ListModules) -> Callable[..., tuple[dict[str, Any], list[Any]]]:
    def dumps(value: Any, context: Mapping[str, Any] | None = None) -> tuple[dict[str, Any], list[Any]]:
        frames: list[Any] = [None]
        writable: list[bool] = []

        def keep(buffer: Any) -> None:
            frames.append(memoryview(buffer))
            writable.append(not frames[-1].readonly)

        stream = io.BytesIO()
        modules = list_modules()
        _register(modules)
        _pickler_class()(stream, keep, modules).dump(value)
        frames[0] = stream.getvalue()
        return {"serializer": "pickle", "writeable": tuple(writable)}, frames

    return dumps


def _register(modules: Collection[str]) -> None:
    import cloudpickle

    for name in set(modules).difference(cloudpickle.list_registry_pickle_by_value()):
        if name in sys.modules and name != "__main__":
            cloudpickle.register_pickle_by_value(sys.modules[name])


@cache
def _pickler_class() -> Any:
    import cloudpickle

    class ProjectPickler(cloudpickle.Pickler):  # type: ignore[misc]
        """Pickles modules of the project by their content; functions and classes of theirs go by value anyway."""

        def __init__(self, stream: io.BytesIO, keep: Callable[[Any], None], modules: Collection[str]) -> None:
            super().__init__(stream, protocol=5, buffer_callback=keep)
            self._modules = {
                ".".join(name.split(".")[:count]) for name in modules for count in range(1, name.count(".") + 2)
            }

        def reducer_override(self, item: Any) -> Any:
            """Return how to rebuild an item; `NotImplemented` leaves it to pickle."""
            if isinstance(item, types.ModuleType) and item.__name__ in self._modules:
                content = {name: value for name, value in vars(item).items() if not name.startswith("__")}
                # Filled after it is made, as modules name one another.
                return types.ModuleType, (item.__name__,), content
            return super().reducer_override(item)

    return ProjectPickler
