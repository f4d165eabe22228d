"""Values that code reaches, as tokens: by content, never by identity.

Functions, classes and modules of the project become entities, other people's become names. What is left is taken apart
by handlers until only plain data remains. What no handler can take apart is refused, never guessed at.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import PurePath
from types import MappingProxyType
from typing import Any

from flowkit.fingerprint.context import Context, Note
from flowkit.fingerprint.framing import count_bytes
from flowkit.fingerprint.shown import show_value
from flowkit.fingerprint.syntax import constant_bytes
from flowkit.fingerprint.tokens import Token, Tokens, Value, digest_named, mark, text

Read = tuple[Any, Tokens, tuple[Note, ...]]
"""A value, which is kept so that its identity stays its own, its tokens, and what was noted on the way to them."""
PLAIN = frozenset({type(None), bool, int, float, complex, bytes, type(Ellipsis)})
"""Types whose values are one token each; of texts those that are paths in the project count otherwise."""


class UnencodableError(Exception):
    """A value that nothing here can take apart; caught where the name that leads to it is known."""


class ValueEncoder:
    """Turns values into tokens, each once: what it says holds for the moment at which it was made.

    Args:
        context: Where entities and distributions are noted.
        references: Handlers of what counts by reference or by name: functions, classes, modules.
        structures: Handlers of what is taken apart, asked in turn.

    Attributes:
        closures: Ids of the functions of libraries that are being taken apart.
        accessors: What of the project's stands on the classes of tables, by each name that was asked for.
    """

    def __init__(self, context: Context, references: Sequence[Handler], structures: Sequence[Handler]) -> None:
        self.context = context
        self._references = references
        self._structures = structures
        self.closures: set[int] = set()
        self.accessors: dict[str, list[tuple[str, Any]]] = {}
        self._resolved: dict[int, dict[Any, Read]] = {}
        self._open: dict[int, int] = {}
        self._finished: dict[int, Read] = {}
        self._inside: dict[int, Read] = {}
        self._referred: dict[int, Read] = {}
        self._named: dict[tuple[str, int], tuple[Any, Value, tuple[Note, ...]]] = {}
        self._shallowest = 0

    def tokens(self, value: Any) -> Tokens:
        """Return the tokens of a value.

        Raises:
            UnencodableError: It, or something in it, cannot be taken apart.
        """
        kind = type(value)
        if kind is str:
            return [self.text(value)]
        if kind in PLAIN:
            return [constant_bytes(value)]
        if (found := self.reference(value)) is not None:
            return found
        return self._structure(value)

    def met(self, value: Any) -> Tokens | None:
        """Return the tokens of code that was met before; None for all else."""
        kept = self._referred.get(id(value))
        if kept is None:
            return None
        self.context.repeat(kept[2])
        return kept[1]

    def reference(self, value: Any) -> Tokens | None:
        """Return the tokens of what counts by reference or by name; None for data."""
        if (met := self.met(value)) is not None:
            return met
        mark = self.context.mark()
        for handle in self._references:
            found = handle(self, value)
            if found is not None:
                if self._is_apart:
                    self._referred[id(value)] = (value, found, self.context.since(mark))
                return found
        return None

    def resolved_in(self, namespace: dict[str, Any]) -> dict[Any, Read]:
        """Return what references of code mean in these globals, as far as they were met; the values are the globals."""
        return self._resolved.setdefault(id(namespace), {})

    def named(self, name: str, value: Any) -> Token:
        """Return a global as one token with a part of its own; what cannot be encoded makes the step uncacheable."""
        kept = self._named.get((name, id(value)))
        if kept is not None:
            self.context.repeat(kept[2])
            return kept[1]
        mark = self.context.mark()
        found = Value(name, self.guarded(name, value), show_value(value, name))
        if self._is_apart:
            self._named[name, id(value)] = (value, found, self.context.since(mark))
        return found

    @property
    def _is_apart(self) -> bool:
        """Whether nothing is being taken apart, so that what is met means the same wherever it is met again."""
        return not self._open and not self.closures

    def guarded(self, name: str, value: Any) -> Tokens:
        """Return a value's tokens; what cannot be encoded makes the step uncacheable under the given name."""
        depth = len(self._open)
        try:
            return self.tokens(value)
        except UnencodableError as error:
            self.context.mark_uncacheable(f"{name} cannot be fingerprinted: {error}")
        except RecursionError:
            self.context.mark_uncacheable(f"{name} cannot be fingerprinted: it is nested too deeply")
        while len(self._open) > depth:
            self._open.popitem()
        return [mark(b"?")]

    def attempt(self, value: Any) -> Tokens | None:
        """Return a value's tokens; None where it, or something in it, cannot be taken apart."""
        depth, shallowest = len(self._open), self._shallowest
        try:
            return self.tokens(value)
        except (UnencodableError, RecursionError):
            # Whoever asks goes on without it.
            while len(self._open) > depth:
                self._open.popitem()
            self._shallowest = shallowest
            return None

    def text(self, value: str) -> bytes:
        """Return a string's token; a path below the project's root counts relative to it."""
        root = str(self.context.project.root)
        if value == root or value.startswith(root + os.sep):
            return text(b"w", value[len(root) :])
        return constant_bytes(value)

    def sequence(self, tag: bytes, items: Iterable[Any]) -> Tokens:
        """Return tokens of items in order."""
        parts = [self.tokens(item) for item in items]
        return join(tag, parts)

    def unordered(self, tag: bytes, items: Iterable[Any]) -> Tokens:
        """Return tokens of items in the order of their digests."""
        return join(tag, sorted((self.tokens(item) for item in items), key=digest_named))

    def pairs(self, tag: bytes, items: Iterable[tuple[Any, Any]], in_order: bool = True) -> Tokens:
        """Return tokens of keys and values, in order or in that of the keys' digests."""
        parts = [(self.tokens(key), self.tokens(value)) for key, value in items]
        if not in_order:
            parts.sort(key=lambda part: digest_named(part[0]))
        return join(tag, [side for part in parts for side in part])

    def _structure(self, value: Any) -> Tokens:
        # What stands inside a library's closure may lead back to that: it is forgotten with the closure.
        finished = self._inside if self.closures else self._finished
        if not self.closures:
            self._inside.clear()
        kept = self._finished.get(id(value)) or finished.get(id(value))
        if kept is not None:
            self.context.repeat(kept[2])
            return kept[1]
        mark = self.context.mark()
        depth = len(self._open)
        place = self._open.get(id(value))
        if place is not None:
            # A cycle: say how far up it leads, which does not depend on identities.
            self._shallowest = min(self._shallowest, place)
            return [text(b"^", str(depth - place))]
        self._open[id(value)] = depth
        outer, self._shallowest = self._shallowest, depth
        found = self._take_apart(value)
        self._open.popitem()
        if self._shallowest == depth:
            # Nothing in it leads to what is above it, so it means the same wherever it is met again.
            finished[id(value)] = (value, found, self.context.since(mark))
        self._shallowest = min(outer, self._shallowest)
        return found

    def _take_apart(self, value: Any) -> Tokens:
        kind = type(value)
        if kind in (list, tuple):
            return self.sequence(b"l" if kind is list else b"t", value)
        if kind in (dict, MappingProxyType):
            return self.pairs(b"d", value.items())
        if kind in (set, frozenset):
            return self.unordered(b"S" if kind is set else b"F", value)
        if kind is bytearray:
            return [mark(b"Y"), constant_bytes(bytes(value))]
        if isinstance(value, PurePath) and kind.__module__.partition(".")[0] == "pathlib":
            return [text(b"P", kind.__name__), self.text(str(value))]
        for handle in self._structures:
            found = handle(self, value)
            if found is not None:
                return found
        raise UnencodableError(f"it is a {kind.__module__}.{kind.__qualname__}")


Handler = Callable[[ValueEncoder, Any], Tokens | None]
"""Returns the tokens of a value, or None where the value is not of its kind."""


def join(tag: bytes, parts: Sequence[Tokens]) -> Tokens:
    """Return one list of tokens that begins with how many parts follow."""
    found: Tokens = [tag + count_bytes(len(parts))]
    for part in parts:
        found.append(b"," + count_bytes(len(part)))
        found.extend(part)
    return found
