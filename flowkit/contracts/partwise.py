"""Contracts of dask DataFrames: pandas schemas, validated partition by partition where the partitions are made.

A check that looks at more than one row could hold for each partition and not for the table, so it is refused before
anything runs. Nothing here imports Dask: the collection's own methods do all there is to do.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

_WHOLE_COLUMN = frozenset({"unique_values_eq"})


def find_whole_table_rules(schema: Any) -> tuple[str, ...]:
    """Return what a pandas schema asks of a table as a whole; empty where each row can be judged by itself."""
    index = getattr(schema, "index", None)
    levels = [] if index is None else list(getattr(index, "indexes", [index]))
    columns = [*schema.columns.items(), *(("the index", level) for level in levels)]
    found = [rule for name, column in columns for rule in _rules_of(column, f" of {name}")]
    if schema.unique:
        names = schema.unique if isinstance(schema.unique, list) else [schema.unique]
        found.append(f"unique rows by {', '.join(map(str, names))}")
    return (*found, *_rules_of(schema, " of the table", unique=False))


def _rules_of(part: Any, place: str, *, unique: bool = True) -> Iterator[str]:
    if unique and part.unique:
        yield f"unique values{place}"
    for check in part.checks:
        if not _is_row_by_row(check):
            yield f"check {check.name!r}{place}"
    if part.parsers:
        yield f"a parser{place}"


def _is_row_by_row(check: Any) -> bool:
    if check.groupby is not None or check.name in _WHOLE_COLUMN:
        return False
    return bool(check.element_wise or check.is_builtin_check(check._check_fn) or _is_dispatched(check))


def _is_dispatched(check: Any) -> bool:
    """Say whether a check is one of pandera's own, which hold row by row."""
    kind = type(check._check_fn)
    return kind.__module__.startswith("pandera.")
