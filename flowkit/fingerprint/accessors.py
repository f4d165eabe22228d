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
    registered = _registered(encoder)
    for name in sorted(names & registered.keys()) if registered else ():
        for kind, value in registered[name]:
            found.append(text(b"n", f"{kind}.{name}"))
            found += encoder.guarded(f"accessor {kind}.{name}", value)
    return found


def _registered(encoder: ValueEncoder) -> dict[str, list[tuple[str, Any]]]:
    """Return the project's code on the classes of tables, by attribute name."""
    if encoder.accessors is None:
        encoder.accessors = {}
        # Tables of one library have most of their bases in common.
        known: dict[type, list[tuple[str, Any]]] = {}
        for kind, base in _bases():
            if base not in known:
                members = [(name, _behind(member)) for name, member in list(base.__dict__.items())]
                known[base] = [member for member in members if is_project_code(encoder.context, member[1])]
            for name, value in known[base]:
                encoder.accessors.setdefault(name, []).append((kind, value))
    return encoder.accessors


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
