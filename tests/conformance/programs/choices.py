"""Choices that a generated program is made of; hypothesis draws each, so a failing program shrinks."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any, TypeVar

from hypothesis import strategies as st

T = TypeVar("T")

# Making a strategy costs more than drawing from it.
_between = cache(st.integers)
_INTEGERS = st.integers(2, 9)
_PERCENT = st.integers(0, 99)
_FLOATS = (0.0, 0.5, 1.5, 2.25, -0.75, 3.0, 1e-3, 12.5)
_TEXTS = ("a", "b", "red", "x y", "", "Zoë", "tab\t", "q'", 'say "so"', "%d", "{}", "\\d+")


class Choices:
    """Draws what a program is made of.

    Args:
        draw: The drawing function of a composite strategy.
    """

    def __init__(self, draw: Any) -> None:
        self._draw = draw
        self._count = 0

    def pick(self, options: Sequence[T]) -> T:
        """Return one of some options; shrinks towards the first."""
        return options[self._draw(_between(0, len(options) - 1))]

    def count(self, low: int, high: int) -> int:
        """Return a number of things to make."""
        return int(self._draw(_between(low, high)))

    def chance(self, percent: int) -> bool:
        """Return whether something happens; shrinks towards not."""
        return bool(self._draw(_PERCENT) >= 100 - percent)

    def integer(self) -> int:
        """Return a small number above one."""
        return int(self._draw(_INTEGERS))

    def number(self) -> str:
        """Return the text of a number."""
        return str(self.integer()) if self.chance(60) else repr(self.pick(_FLOATS))

    def text(self) -> str:
        """Return the text of a string."""
        return repr(self.pick(_TEXTS))

    def shuffled(self, items: Sequence[T]) -> list[T]:
        """Return some items in another order."""
        return list(self._draw(st.permutations(list(items))))

    def name(self, stem: str) -> str:
        """Return a name that nothing else in the program has."""
        self._count += 1
        return f"{stem}_{self._count}"
