"""The pieces that a fingerprint's message is made of, and the two ways in which they are written out.

The digest that counts numbers what is reached at first reference, so that names of modules do not count. The map for
people names it instead, so that a change in one helper changes that helper's part and no other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Literal, Union

from blake3 import blake3
from msgspec import Struct, field

from flowkit.fingerprint.framing import frame, frame_text

EntityKind = Literal["function", "class", "module", "sources"]


class Entity(Struct, eq=False):
    """A function, class or module that is followed: it has a number in the message and a part of its own.

    Attributes:
        name: `module:qualified name`.
        value: The live object; kept, so that its identity stays its own.
    """

    kind: EntityKind
    name: str
    value: Any


class Value(Struct, eq=False):
    """A global that counts by its value, wherever it is read.

    Attributes:
        shown: A short text for people.
    """

    name: str
    tokens: list[Token]
    shown: str = ""
    _digest: str = ""
    _in_full: list[bytes | Entity] = field(default_factory=list)

    @property
    def digest(self) -> str:
        """The digest of the value with what it refers to by name."""
        if not self._digest:
            self._digest = _digest_of(self.tokens)
        return self._digest

    @property
    def in_full(self) -> list[bytes | Entity]:
        """Its tokens, with those of values in it."""
        if not self._in_full:
            self._in_full = _in_full(self.tokens)
        return self._in_full


Token = Union[bytes, Entity, Value]  # noqa: UP007  (a class that is defined above refers to it by name)
Tokens = list[Token]
text = frame_text
"""Returns a token of text."""


class Body(Struct):
    """What an entity contributes: how it was read, its tokens, and its text for people.

    Attributes:
        written: The text, or what gives it: hardly any is ever asked for.
    """

    basis: str
    tokens: Tokens
    written: str | Callable[[], str]
    _digest: str = ""

    @property
    def source(self) -> str:
        """The text for people."""
        if not isinstance(self.written, str):
            self.written = self.written()
        return self.written

    @property
    def digest(self) -> str:
        """The digest of the entity itself: what it refers to, values too, counts by name."""
        if not self._digest:
            self._digest = _digest_of(self.tokens)
        return self._digest


def _digest_of(tokens: Tokens) -> str:
    hasher = blake3()
    write_named(tokens, hasher.update)
    return hasher.hexdigest()


def digest_named(tokens: Tokens) -> bytes:
    """Return the digest of tokens with entities by name, and values in full."""
    hasher = blake3()
    write_named(tokens, hasher.update, in_full=True)
    return hasher.digest()


def write_named(tokens: Tokens, write: Callable[[bytes], object], in_full: bool = False) -> None:
    """Write tokens out with entities, and values unless `in_full`, by name."""
    for token in _in_full(tokens) if in_full else tokens:
        if isinstance(token, bytes):
            write(token)
        else:
            write(frame_text(b"@", token.name))


def flatten(tokens: Tokens) -> tuple[bytes, list[tuple[Entity, bytes]]]:
    """Return tokens with values in full: the bytes before the first entity, and each entity with those behind it."""
    plain: list[Any] = _in_full(tokens)
    places = [place for place, token in enumerate(plain) if token.__class__ is Entity]
    if not places:
        return b"".join(plain), []
    ends = [*places[1:], len(plain)]
    tails = [b"".join(plain[place + 1 : end]) for place, end in zip(places, ends, strict=True)]
    return b"".join(plain[: places[0]]), list(zip([plain[place] for place in places], tails, strict=True))


def values_in(tokens: Tokens) -> Iterator[Value]:
    """Yield the values among tokens, those inside other values too."""
    for token in tokens:
        if isinstance(token, Value):
            yield token
            yield from values_in(token.tokens)


def _in_full(tokens: Tokens) -> list[bytes | Entity]:
    if Value not in map(type, tokens):
        return tokens  # type: ignore[return-value]
    found: list[bytes | Entity] = []
    for token in tokens:
        if isinstance(token, Value):
            found += token.in_full
        else:
            found.append(token)
    return found


def mark(tag: bytes) -> bytes:
    """Return a token without content."""
    return frame(tag, b"")
