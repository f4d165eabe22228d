"""How the columns of a table's pieces are joined: by their chunks."""

from __future__ import annotations

from collections.abc import Callable

from flowkit.codecs.tables_arrow import Entry
from flowkit.errors import PartitionError

DATA = ("data", "codes", "elements")
PLAIN = ("numpy", "text", "objects", "masked", "string", "zoned", "period", "categorical")
"""Kinds of columns with one row of data a row, in one leaf; what else they hold is the same in every piece."""

Describe = Callable[[Entry], str]


def join_columns(before: Entry, after: Entry, describe: Describe) -> Entry:
    """Return the entry of a column whose rows of `after` follow those of `before`.

    Raises:
        PartitionError: The two are not alike, or of a kind that cannot be joined.
    """
    kind = before["as"]
    if kind == "interval":
        sides = {side: join_columns(before[side], after[side], describe) for side in ("left", "right")}
        return {**before, **sides}
    if kind == "arrow-dtype":
        return {**before, "data": _join_arrow(before, after, describe)}
    if kind not in PLAIN:
        raise PartitionError.for_column(_label(before), describe(before))
    if kind == "objects" and after["as"] == "objects":
        before = {**before, "types": sorted({*before["types"], *after["types"]})}
        after = {**after, "types": before["types"]}
    if _facts(before) != _facts(after):
        raise PartitionError.for_difference(f"what column {_label(before)} holds", describe(before), describe(after))
    return {**before, **{name: _joined(before[name], after[name]) for name in DATA if name in before}}


def _join_arrow(before: Entry, after: Entry, describe: Describe) -> Entry:
    first, second = before["data"], after["data"]
    if first["as"] != "arrow" or second["as"] != "arrow":
        raise PartitionError.for_column(_label(before), describe(before))
    return {**first, "data": _joined(first["data"], second["data"])}


def _joined(first: Entry, second: Entry) -> Entry:
    return {"chunks": [*first["chunks"], *second["chunks"]]}


def _facts(entry: Entry) -> Entry:
    return {name: value if name not in DATA else None for name, value in entry.items()}


def _label(entry: Entry) -> str:
    return repr(entry.get("label"))
