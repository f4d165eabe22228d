"""Names in texts that a library looks up in the caller's variables: `table.query("x > @LIMIT")`, `eval("x + LIMIT")`.

Only a text that stands in the call itself can be read. Of any other nothing can be said but that it may name every
global of its module.
"""

from __future__ import annotations

import dis
import re
from collections.abc import Sequence
from typing import NamedTuple

_DOTTED = r"[^\W\d]\w*(?:\.[^\W\d]\w*)*"
_ASKING = {
    # In a query a bare name is a column, in what pandas evaluates it may be a variable as well.
    "query": re.compile(rf"@\s*({_DOTTED})"),
    "eval": re.compile(rf"({_DOTTED})"),
}
_LOOKS_UP = frozenset({"LOAD_ATTR", "LOAD_METHOD"})
_CALLS = frozenset({"PRECALL", "CALL", "KW_NAMES", "CALL_KW"})
_FORMATS = frozenset({"FORMAT_VALUE", "FORMAT_SIMPLE", "FORMAT_WITH_SPEC", "CONVERT_VALUE"})
_MAKES_NAME = re.compile(r"@\s*\w*(?:\.\w*)*$")


class Spoken(NamedTuple):
    """What the texts in some code name.

    Attributes:
        names: Dotted names.
        anything: Whether a text could not be read.
    """

    names: frozenset[str]
    anything: bool


def spoken_names(listing: Sequence[dis.Instruction]) -> Spoken:
    """Return what the queries in a list of instructions name."""
    names: set[str] = set()
    anything = False
    for index, instruction in enumerate(listing):
        pattern = _ASKING.get(instruction.argval) if instruction.opname in _LOOKS_UP else None
        if pattern is None or _opname(listing, index + 1) in ("PRECALL", "CALL"):
            # A call without a text, as of a model's `eval()`.
            continue
        texts = _texts(listing, index + 1)
        if texts is None:
            anything = True
        else:
            names.update(found for text in texts for found in pattern.findall(text))
    return Spoken(frozenset(names), anything)


def _texts(listing: Sequence[dis.Instruction], place: int) -> list[str] | None:
    """Return the pieces of the text that is a call's first argument; None where it is not written there."""
    first = listing[place].argval if _opname(listing, place) == "LOAD_CONST" else None
    if isinstance(first, str) and _is_called(listing, place + 1):
        return [first]
    return _pieces(listing, place)


def _pieces(listing: Sequence[dis.Instruction], place: int) -> list[str] | None:
    """Return the constant pieces of an f-string that shows local variables only."""
    pieces: list[str] = []
    while _opname(listing, place) != "BUILD_STRING":
        name = _opname(listing, place)
        if name in _FORMATS and pieces and _MAKES_NAME.search(pieces[-1]):
            return None
        if name == "LOAD_CONST" and isinstance(listing[place].argval, str):
            pieces.append(listing[place].argval)
        elif name not in _FORMATS and not name.startswith("LOAD_FAST"):
            return None
        place += 1
    return pieces if _is_called(listing, place + 1) else None


def _is_called(listing: Sequence[dis.Instruction], place: int) -> bool:
    """Whether only constants follow until the call."""
    while _opname(listing, place) == "LOAD_CONST":
        place += 1
    return _opname(listing, place) in _CALLS


def _opname(listing: Sequence[dis.Instruction], place: int) -> str:
    return listing[place].opname if place < len(listing) else ""
