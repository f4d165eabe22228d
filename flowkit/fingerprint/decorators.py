"""Which decorators are flowkit's own, by what their names mean in a module now."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from types import ModuleType
from typing import Any


class DecoratorJudge:
    """Judges whether a decorator's expression is one of flowkit's, and remembers what its judgement rests on.

    Args:
        namespace: The globals of the module that the decorator stands in.

    Attributes:
        verdicts: What was judged, by the dotted name: with other verdicts the same text means something else.
    """

    def __init__(self, namespace: Mapping[str, Any]) -> None:
        self._namespace = namespace
        self.verdicts: dict[str, bool] = {}

    def __call__(self, expression: ast.expr) -> bool:
        """Return whether it is flowkit's."""
        name = _dotted_name(expression)
        if name is None:
            return False
        if name not in self.verdicts:
            self.verdicts[name] = is_own_decorator(name, self._namespace)
        return self.verdicts[name]


def is_own_decorator(name: str, namespace: Mapping[str, Any]) -> bool:
    """Whether a dotted name, called or not, means something of flowkit's in a module."""
    first, *rest = name.split(".")
    found = namespace.get(first)
    for attribute in rest:
        found = getattr(found, attribute, None) if _is_flowkit(found) else None
    module = getattr(found, "__module__", None)
    return isinstance(module, str) and module.partition(".")[0] == "flowkit"


def _dotted_name(expression: ast.expr) -> str | None:
    """Return the name that an expression starts from, through calls; None where it starts from something else."""
    parts: list[str] = []
    while not isinstance(expression, ast.Name):
        if isinstance(expression, ast.Call):
            expression = expression.func
        elif isinstance(expression, ast.Attribute):
            parts.append(expression.attr)
            expression = expression.value
        else:
            return None
    return ".".join([expression.id, *reversed(parts)])


def _is_flowkit(value: object) -> bool:
    return isinstance(value, ModuleType) and value.__name__.partition(".")[0] == "flowkit"
