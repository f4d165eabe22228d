"""What takes words and gives none back, and what libraries' objects keep for themselves: neither is data."""

from __future__ import annotations

import inspect
import io
import sys
from typing import Any

_STREAMS = frozenset({"<stdout>", "<stderr>"})
_CONSOLES = frozenset({("rich.console", "Console")})
_KEPT = {
    ("jinja2.environment", "Environment"): frozenset({"cache"}),
    ("sklearn.feature_extraction.text", "_VectorizerMixin"): frozenset({"_stop_words_id"}),
}
"""By class, the attributes that hold what was compiled already, or an identity by which something is known again."""
_MEMOIZERS = frozenset({"generic_fn_descriptor", "memoized_attribute"})
_DATA = frozenset({"primary_key", "foreign_keys"})


def is_logger(value: Any) -> bool:
    """Whether a value is a logger. Where no module has imported logging there is none."""
    logging = sys.modules.get("logging")
    return logging is not None and isinstance(value, logging.Logger)


def is_sink(value: Any) -> bool:
    """Whether a value is a handler of logging, or a console of a library."""
    kind, logging = type(value), sys.modules.get("logging")
    return (logging is not None and isinstance(value, logging.Handler)) or (
        kind.__module__,
        kind.__qualname__,
    ) in _CONSOLES


def is_stream(value: Any) -> bool:
    """Whether a value is, or was, the process's standard output or error: a step host has put others in their place."""
    if value is None:
        return False
    if any(value is stream for stream in (sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__)):
        return True
    return isinstance(value, io.TextIOWrapper) and getattr(value, "name", None) in _STREAMS


def without_caches(kind: type, state: Any) -> Any:
    """Return an object's state without what its library fills as the object is used, or makes anew in each process."""
    if type(state) is not dict:
        return state
    for base in kind.__mro__:
        kept = _KEPT.get((base.__module__, base.__qualname__))
        if kept is not None:
            return {name: item for name, item in state.items() if name not in kept}
    if any(str(base.__module__).startswith("sqlalchemy.") for base in kind.__mro__):
        memoized = {"_memoized_keys", *state.get("_memoized_keys", ())}
        return {name: item for name, item in state.items() if name not in memoized and not _is_memo(kind, name)}
    return state


def _is_memo(kind: type, name: object) -> bool:
    """Whether SQLAlchemy works an attribute out when it is first read; a few of that kind are set as data instead."""
    if not isinstance(name, str) or name in _DATA:
        return False
    descriptor = inspect.getattr_static(kind, name, None)
    return any(base.__name__ in _MEMOIZERS for base in type(descriptor).__mro__)
