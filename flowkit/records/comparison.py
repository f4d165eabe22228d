"""Records some fields of which make no difference."""

from __future__ import annotations

from operator import attrgetter
from typing import Any, ClassVar

from msgspec import Struct


class ComparedInPart(Struct, frozen=True, eq=False):
    """A record that equals another one whatever the fields in `uncompared` are."""

    uncompared: ClassVar[frozenset[str]] = frozenset()

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and _compared(self) == _compared(other)

    def __ne__(self, other: object) -> bool:
        # A struct's own would compare all of it.
        return not self == other

    def __hash__(self) -> int:
        return hash(_compared(self))


_COUNTED: dict[type, attrgetter[Any]] = {}
"""Gives what counts of a record, by its class."""


def _compared(record: Any) -> Any:
    kind = type(record)
    counted = _COUNTED.get(kind)
    if counted is None:
        names = (name for name in kind.__struct_fields__ if name not in kind.uncompared)
        counted = _COUNTED[kind] = attrgetter(*names)
    return counted(record)
