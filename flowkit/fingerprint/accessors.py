"""Project code in other people's tables of names: registered accessors and checks, patched methods."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

from flowkit.fingerprint.callables import is_project_code
from flowkit.fingerprint.tokens import Tokens, text
from flowkit.fingerprint.values import ValueEncoder

_TABLES = {
    "pandas": ("DataFrame", "Series", "Index"),
    "polars": ("DataFrame", "LazyFrame", "Series", "Expr"),
}


def accessor_tokens(encoder: ValueEncoder, names: frozenset[str]) -> Tokens:
    """Return the tokens of the project code that any of these attribute names means on a table."""
    found: Tokens = []
    for name in sorted(name for name in names if _registered(encoder, name)):
        for kind, value in _registered(encoder, name):
            found.append(text(b"n", f"{kind}.{name}"))
            found += encoder.guarded(f"accessor {kind}.{name}", value)
    return found


def _registered(encoder: ValueEncoder, name: str) -> list[tuple[str, Any]]:
    """Return the project's code of that name on the classes of tables, each with its table's name."""
    kept = encoder.accessors.get(name)
    if kept is None:
        found = ((kind, _behind(base.__dict__[name])) for kind, base in _bases() if name in base.__dict__)
        kept = encoder.accessors[name] = [each for each in found if is_project_code(encoder.context, each[1])]
    return kept


def check_tokens(encoder: ValueEncoder, words: frozenset[str]) -> Tokens:
    """Return the tokens of the checks registered with pandera that any of these words names."""
    checks = getattr(sys.modules.get("pandera.api.checks"), "Check", None)
    registered: dict[str, Any] = getattr(checks, "REGISTERED_CUSTOM_CHECKS", {})
    found: Tokens = []
    for name in sorted(words & registered.keys()) if registered else ():
        found += [text(b"n", f"check {name}"), *encoder.guarded(f"check {name!r}", registered[name])]
    return found


def _bases() -> Iterator[tuple[str, type]]:
    """Yield each class of tables by name, with the classes in which its attributes are looked up."""
    for library, names in _TABLES.items():
        module = sys.modules.get(library)
        for name in names:
            kind = getattr(module, name, None) if module is not None else None
            if isinstance(kind, type):
                for base in kind.__mro__[:-1]:
                    yield f"{library}.{name}", base


def _behind(value: Any) -> Any:
    """Return the class that a registered accessor's descriptor stands for."""
    state = getattr(value, "__dict__", None)
    if isinstance(value, type) or not isinstance(state, dict):
        return value
    for attribute in ("_accessor", "_ns"):
        if isinstance(state.get(attribute), type):
            return state[attribute]
    return value
