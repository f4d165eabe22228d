"""The functions of a work, each made into what a framework calls a step."""

import importlib
import inspect
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

MODULES = {"chain": "numbers_work", "fan": "numbers_work", "table": "table_work", "breast-cancer": "cancer_work"}
STRENGTHS = (0.01, 0.1, 1.0, 10.0)
ADDED = 5


def steps_of(work: str, wrap: Callable[[Any], Any]) -> SimpleNamespace:
    """Return the functions of a work by name, wrapped; the other works' modules and libraries are not imported."""
    module = importlib.import_module(MODULES[work])
    functions = inspect.getmembers(module, inspect.isfunction)
    return SimpleNamespace(**{name: wrap(one) for name, one in functions if one.__module__ == module.__name__})
