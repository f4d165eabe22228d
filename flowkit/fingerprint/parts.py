"""The parts of a fingerprint, by name: for explanations, put together when somebody first asks for one.

A run that reuses everything asks for none, and a large project's steps reach tens of thousands between them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import overload

from flowkit.fingerprint.survey import Share
from flowkit.fingerprint.ways import Ways
from flowkit.records import CodePart


class Parts(Sequence[CodePart]):
    """Entities in the order in which they were met, then values. Equal to the tuple of the same parts, and pickled so.

    Args:
        shares: What was reached, the root first. They were read already: nothing is looked at again.
    """

    def __init__(self, shares: Sequence[Share]) -> None:
        self._shares = shares

    @cached_property
    def _items(self) -> tuple[CodePart, ...]:
        parts: dict[str, CodePart] = {}
        ways = Ways()
        for share in self._shares:
            body, entity = share.body, share.entity
            if entity is None:
                ways.add_root(body.tokens)
                continue
            name = _free_name(entity.name, parts)
            parts[name] = CodePart(name, body.basis, body.digest, body.source, ways.of(entity))
            ways.add(body.tokens, name)
        # After all entities, whose names come first where a value is called the same.
        for value, via in ways.values:
            if value.name not in parts:
                parts[value.name] = CodePart(value.name, "value", value.digest, value.shown, via)
        return tuple(parts.values())

    @overload
    def __getitem__(self, index: int) -> CodePart: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[CodePart]: ...

    def __getitem__(self, index: int | slice) -> CodePart | Sequence[CodePart]:
        return self._items[index]

    def __len__(self) -> int:
        return len(self._items)

    def __iter__(self) -> Iterator[CodePart]:
        return iter(self._items)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Parts):
            return self._items == other._items
        return self._items == other

    def __hash__(self) -> int:
        return hash(self._items)

    def __repr__(self) -> str:
        return repr(self._items)

    def __reduce__(self) -> tuple[type[tuple[CodePart, ...]], tuple[tuple[CodePart, ...]]]:
        return tuple, (self._items,)


def _free_name(name: str, taken: dict[str, CodePart]) -> str:
    """Return the name of a part: lambdas and the functions that a factory makes share a qualified name."""
    free, count = name, 1
    while free in taken:
        count += 1
        free = f"{name}#{count}"
    return free
