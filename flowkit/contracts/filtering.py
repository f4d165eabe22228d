"""Which columns a filtering contract keeps: what its step is given of a table, and what of that counts in a key.

pandera's `strict = "filter"` takes all other columns away before it sets defaults, coerces and checks, so a step behind
such a contract can tell nothing of them. Only what runs before that, a parser of the whole frame or a `validate` of
one's own, sees them: there the whole table counts. Where it cannot be told for certain which columns stay, nothing is
selected. pandera is not imported to find out; a model's schema is built only where its `Config` asks for the filter.
"""

from __future__ import annotations

import collections.abc
import re
from collections.abc import Sequence
from typing import Any, Union

from msgspec import Struct

from flowkit.contracts.contract import Contract
from flowkit.contracts.hints import contract_of, parts_of
from flowkit.contracts.schemas import table_library

_LIBRARIES = ("pandas", "polars", "pyarrow")
_LISTS = (list, collections.abc.Sequence, collections.abc.Iterable, collections.abc.Collection)

_PLAIN_PATTERN = re.compile(r"(?:[\w ^$.|*+?(){},-]|\[\^?[A-Za-z0-9_-]+\]|\\[dw.])*", re.ASCII)
_DOUBTFUL = re.compile(r"\(\?|[*+?}][*+]")


class ColumnSelection(Struct, frozen=True):
    """The columns that a filtering contract may keep.

    Attributes:
        names: Columns by name, whether or not a table has them.
        patterns: Regular expressions of further names, of the kind that all table libraries understand alike.
    """

    names: frozenset[str]
    patterns: tuple[str, ...] = ()

    def choose(self, labels: Sequence[object]) -> tuple[int, ...] | None:
        """Return the places of the columns to keep, in the table's order; None where the whole table must count.

        That is where labels are not text, where no column or two of one name would be kept, and, with patterns, where
        letters are no ASCII, as libraries do not agree on what a letter is.

        Args:
            labels: Of all columns of a table.
        """
        texts = [label for label in labels if type(label) is str]
        if len(texts) < len(labels) or (self.patterns and not all(map(_is_plain_text, texts))):
            return None
        places = tuple(place for place, label in enumerate(texts) if self._keeps(label))
        return places if places and len({texts[place] for place in places}) == len(places) else None

    def _keeps(self, label: str) -> bool:
        return label in self.names or any(re.match(pattern, label) for pattern in self.patterns)

    def __str__(self) -> str:
        return ", ".join((*sorted(self.names), *self.patterns))


class Selections(Struct, frozen=True):
    """What the contracts in a parameter's annotation keep.

    Attributes:
        table: Of the table that it takes; None where all of it is given.
        items: Of each table in the list that it takes.
    """

    table: ColumnSelection | None = None
    items: ColumnSelection | None = None


def selections_in(hint: Any) -> Selections:
    """Return what the contracts of a table, or of the tables in a list, keep; what lies deeper is given whole."""
    return Selections(_selection_of(hint), _selection_of_items(hint))


def _selection_of(hint: Any) -> ColumnSelection | None:
    contract = contract_of(hint)
    return None if contract is None else _selection_by(contract)


def _selection_of_items(hint: Any) -> ColumnSelection | None:
    origin, arguments = parts_of(hint)
    if origin is Union:
        others = [member for member in arguments if member is not type(None)]
        return _selection_of_items(others[0]) if len(others) == 1 else None
    if origin is tuple and len(arguments) == 2 and arguments[1] is Ellipsis:
        return _selection_of(arguments[0])
    return _selection_of(arguments[0]) if origin in _LISTS and len(arguments) == 1 else None


def _selection_by(contract: Contract) -> ColumnSelection | None:
    if contract.is_series or contract.overrides_validate or table_library(contract.table) not in _LIBRARIES:
        return None
    if contract.is_model and not _may_filter(contract.schema):
        return None
    # One that can never be met is told to the person where the edge or the table is checked.
    return _read_schema(contract.pandera_schema()) if contract.misfit() is None else None


def _may_filter(model: type) -> bool:
    """Whether any `Config` of a model asks for it: for most models there is no need to build the schema."""
    return any(getattr(vars(kind).get("Config"), "strict", None) == "filter" for kind in model.__mro__)


def _read_schema(schema: Any) -> ColumnSelection | None:
    if schema.strict != "filter" or not type(schema).__module__.startswith("pandera."):
        return None
    # With drop_invalid_rows a failure before the filter, such as of the order, can be passed over with all columns.
    if getattr(schema, "parsers", None) or getattr(schema, "drop_invalid_rows", False):
        return None
    names = {name for name, column in schema.columns.items() if not column.regex}
    patterns = tuple(name for name, column in schema.columns.items() if column.regex)
    if not schema.columns or not all(type(name) is str for name in (*names, *patterns)):
        return None
    return ColumnSelection(frozenset(names), patterns) if all(map(_is_plain_pattern, patterns)) else None


def _is_plain_pattern(pattern: str) -> bool:
    """Whether Python, which pandas, polars and Arrow may not ask, finds all that their own engines find."""
    if not _PLAIN_PATTERN.fullmatch(pattern) or _DOUBTFUL.search(pattern):
        return False
    try:
        re.compile(pattern)
    except re.error:
        return False
    return True


def _is_plain_text(label: str) -> bool:
    return label.isascii() and label.isprintable()
