"""Names of a package that are imported when they are first used, so that what a command does not need costs nothing."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

from flowkit.garbage import importing


def lazy_names(package: str, modules: Mapping[str, str]) -> Callable[[str], Any]:
    """Return a module-level `__getattr__` for a package.

    Args:
        package: Its name.
        modules: The module of each name, relative to the package.
    """

    def __getattr__(name: str) -> Any:  # noqa: N807  (what the package is to call it)
        module = modules.get(name)
        if module is None:
            # Both are given, as Python then suggests the nearest name.
            text = f"module {package!r} has no attribute {name!r}"
            raise AttributeError(text, name=name, obj=sys.modules[package])
        with importing():
            value = getattr(import_module(f"{package}.{module}"), name)
        setattr(sys.modules[package], name, value)
        return value

    return __getattr__
