"""Compare two contracts by what they say of columns, before any value exists."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Literal

from msgspec import Struct

from flowkit.contracts.contract import Contract

Problem = Literal["missing", "optional", "dtype", "nullable", "extra", "index"]


class Mismatch(Struct, frozen=True):
    """One thing that a consumer's contract needs of a column and the producer's does not give.

    Attributes:
        column: The column's name; `index` for the index of a table, `values` for a series.
        problem: `missing`; `optional`, where the producer may leave it out; `dtype`; `nullable`; `extra`, where the
            consumer is strict and does not know it; `index`.
        given: What the producer's contract says, empty where it says nothing.
        needed: What the consumer's says.
    """

    column: str
    problem: Problem
    given: str = ""
    needed: str = ""

    def __str__(self) -> str:
        if self.problem in {"dtype", "index"}:
            return f"{self.column} ({self.given}, needed {self.needed})"
        return self.column


def compare_contracts(produced: Contract, wanted: Contract) -> tuple[Mismatch, ...]:
    """Return everything that `wanted` needs and `produced` does not promise; empty where the edge fits.

    Columns are compared by name, dtype and nullability; checks are not (`needs_validation` is about those). Where
    either says no dtype, or the consumer coerces, the dtype is left to the value.
    """
    if produced == wanted or _is_same_schema(produced, wanted):
        return ()
    given, needed = produced.pandera_schema(), wanted.pandera_schema()
    # A pyarrow table may stand between schemas of two libraries, whose dtypes cannot be compared.
    any_dtype = produced.library != wanted.library
    if produced.is_series or wanted.is_series:
        both = produced.is_series and wanted.is_series
        return tuple(_compare_column("values", given, needed, any_dtype=any_dtype)) if both else ()
    any_dtype = any_dtype or bool(needed.coerce)
    return (*_compare_columns(given, needed, any_dtype), *_compare_indexes(given, needed, any_dtype))


def _is_same_schema(produced: Contract, wanted: Contract) -> bool:
    return produced.schema is wanted.schema and produced.library == wanted.library


def _compare_columns(given: Any, needed: Any, any_dtype: bool) -> Iterator[Mismatch]:
    for name, column in needed.columns.items():
        matches = _matching(name, column, given.columns)
        if not matches and _must_be_there(column, needed):
            yield Mismatch(str(name), "missing", needed=_dtype_text(column))
        for match_name, match in matches.items():
            if not match.required and _must_be_there(column, needed):
                yield Mismatch(str(match_name), "optional", needed=_dtype_text(column))
            yield from _compare_column(str(match_name), match, column, any_dtype=any_dtype)
    if needed.strict is True:
        yield from _surplus_columns(given, needed)


def _must_be_there(column: Any, schema: Any) -> bool:
    return bool(column.required) and not schema.add_missing_columns


def _matching(name: Any, column: Any, given: Mapping[Any, Any]) -> dict[Any, Any]:
    """Return the producer's columns that stand for a consumer's column, patterns on either side included."""
    if column.regex:
        return {other: found for other, found in given.items() if other == name or _matches(name, other)}
    if name in given:
        return {name: given[name]}
    patterns = [found for other, found in given.items() if found.regex and _matches(other, name)]
    return {name: patterns[0]} if patterns else {}


def _matches(pattern: Any, name: Any) -> bool:
    return isinstance(pattern, str) and isinstance(name, str) and re.match(pattern, name) is not None


def _surplus_columns(given: Any, needed: Any) -> Iterator[Mismatch]:
    for name, column in given.columns.items():
        known = any(name == other or (known.regex and _matches(other, name)) for other, known in needed.columns.items())
        if column.required and not column.regex and not known:
            yield Mismatch(str(name), "extra")


def _compare_column(name: str, given: Any, needed: Any, *, any_dtype: bool) -> Iterator[Mismatch]:
    if not (any_dtype or needed.coerce) and not _dtype_fits(given.dtype, needed.dtype):
        yield Mismatch(name, "dtype", str(given.dtype), str(needed.dtype))
    fills_nulls = getattr(needed, "default", None) is not None
    if given.nullable and not needed.nullable and not fills_nulls:
        yield Mismatch(name, "nullable", "nullable", "not null")


def _dtype_fits(given: Any, needed: Any) -> bool:
    if given is None or needed is None or given == needed:
        return True
    return bool(needed.check(given))


def _dtype_text(column: Any) -> str:
    return "" if column.dtype is None else str(column.dtype)


def _compare_indexes(given: Any, needed: Any, any_dtype: bool) -> Iterator[Mismatch]:
    wanted, found = getattr(needed, "index", None), getattr(given, "index", None)
    if wanted is None or found is None:
        return
    names, found_names = _index_names(wanted), _index_names(found)
    if len(names) != len(found_names) or any(
        name is not None and name != other for name, other in zip(names, found_names, strict=True)
    ):
        yield Mismatch("index", "index", _names_text(found_names), _names_text(names))
    elif len(names) == 1 and not hasattr(wanted, "indexes") and not hasattr(found, "indexes"):
        for mismatch in _compare_column("index", found, wanted, any_dtype=any_dtype):
            yield Mismatch("index", "index", mismatch.given, mismatch.needed)


def _index_names(index: Any) -> list[Any]:
    return [level.name for level in getattr(index, "indexes", [index])]


def _names_text(names: list[Any]) -> str:
    return ", ".join("unnamed" if name is None else str(name) for name in names)


def needs_validation(produced: Contract | None, wanted: Contract) -> bool:
    """Whether a value validated as `produced` must still be validated as `wanted` when it is handed over.

    It need not where both hold the same schema, or where `wanted` is a model that `produced` is derived from without
    overriding anything of it: then all that `wanted` coerces, parses and checks has been done.
    """
    if produced is None or (produced.optional and not wanted.optional):
        return True
    if _is_same_schema(produced, wanted):
        return False
    if not (produced.is_model and wanted.is_model and issubclass(produced.schema, wanted.schema)):
        return True
    if _overrides(produced.schema, wanted.schema) or wanted.misfit() is not None:
        return True
    schema = wanted.pandera_schema()
    # These are about all the columns there are, and the derived model may have added some.
    return bool(schema.strict) or bool(schema.ordered)


def _overrides(model: type, base: type) -> bool:
    """Whether a model defines anew anything that its base defines: a field, a check, or options in `Config`."""
    added = [kind for kind in model.__mro__ if not issubclass(base, kind)]
    own = {name for kind in base.__mro__ if not kind.__module__.startswith("pandera.") for name in _members(kind)}
    if any(name in own or (name == "validate") for kind in added for name in _members(kind)):
        return True
    return any(_options(kind) for kind in added)


def _members(kind: type) -> set[str]:
    named = {name for name in vars(kind) if not name.startswith("__") and name != "Config"}
    return named | set(vars(kind).get("__annotations__", ()))


def _options(kind: type) -> set[str]:
    """Return the options that a model sets in a `Config` of its own; pandera gives every model one with its name."""
    config = vars(kind).get("Config")
    if config is None:
        return set()
    return {name for name in vars(config) if not name.startswith("_") and name not in {"name", "title", "description"}}
