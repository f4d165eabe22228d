"""What a person has added to the database that may keep flowkit from writing; anything else of theirs is left alone."""

# ruff: noqa: S608  (queries are put together from names that the database itself gives, quoted)

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

from msgspec import Struct

from flowkit.errors import LineageError

Row = tuple[object, ...]
Select = Callable[[str, Sequence[object]], Sequence[Row]]
"""Executes a query with its parameters and returns its rows."""

CHANGED: Mapping[str, frozenset[str]] = {
    "UPDATE": frozenset({"artifact", "blob_file", "entry", "model_alias", "model_version", "run"}),
    "DELETE": frozenset({"artifact_file", "blob_file", "dropped", "pin", "word"}),
}
"""The tables whose rows are changed or removed; into all of them rows are inserted."""

_MENDED = frozenset({"artifact", "artifact_file", "blob_file", "dropped", "entry", "word"})
"""The tables that repairs write to."""

_QUOTED = re.compile(
    r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|`(?:[^`]|``)*`|\[[^\]]*\]|--[^\n]*|/\*.*?(?:\*/|\Z)", re.DOTALL
)
_EVENT = re.compile(r"\b(INSERT|UPDATE|DELETE)\b", re.IGNORECASE)
_RAISES = re.compile(r"\bRAISE\s*\(", re.IGNORECASE)

_OWN = """
    SELECT type, name, tbl_name, sql FROM sqlite_master
    WHERE type IN ('trigger', 'index') AND sql NOT NULL ORDER BY name"""


class Hindrance(Struct, frozen=True):
    """A trigger or an index that is not flowkit's.

    Attributes:
        kind: `trigger` or `index`.
        text: What it does.
        mends: Whether repairs may fail by it.
    """

    kind: str
    name: str
    text: str
    mends: bool

    @property
    def way_out(self) -> str:
        """What a person does about it."""
        quoted = self.name.replace('"', '""')
        return f'you: execute DROP {self.kind.upper()} "{quoted}" on lineage.db with sqlite3.'


def find_hindrances(select: Select, tables: Collection[str], own: Collection[str]) -> Iterator[Hindrance]:
    """Yield what of a person's own may have a row refused that flowkit writes.

    Args:
        select: Asks the database.
        tables: Those that flowkit made.
        own: The triggers and indexes that flowkit made.
    """
    for kind, name, table, sql in select(_OWN, ()):
        if name in own or table not in tables:
            continue
        if kind == "trigger":
            text = _refusal_of_trigger(select, str(table), str(sql))
        else:
            text = _refusal_of_index(select, str(name), str(table), own)
        if text:
            yield Hindrance(str(kind), str(name), text, table in _MENDED)


def _refusal_of_trigger(select: Select, table: str, sql: str) -> str:
    plain = _QUOTED.sub(" x ", sql)
    found = _EVENT.search(plain)
    event = found[1].upper() if found is not None else "INSERT"
    if table not in CHANGED.get(event, (table,)):
        return ""
    if _RAISES.search(plain):
        return f"a trigger that flowkit did not make may refuse what is written to {table}"
    try:
        select(f"EXPLAIN {_statement(select, event, table)}", ())
    except LineageError as error:
        reason = dict(error.facts).get("reason", error.message)
        return f"a trigger that flowkit did not make keeps it from writing to {table}: {reason}"
    return ""


def _statement(select: Select, event: str, table: str) -> str:
    """Return a statement for which all triggers of an event are compiled; it is never executed."""
    if event == "INSERT":
        return f'INSERT INTO "{table}" DEFAULT VALUES'
    if event == "DELETE":
        return f'DELETE FROM "{table}"'
    columns = [f'"{column}" = "{column}"' for (column,) in select("SELECT name FROM pragma_table_info(?)", (table,))]
    return f'UPDATE "{table}" SET {", ".join(columns)}'


def _refusal_of_index(select: Select, name: str, table: str, own: Collection[str]) -> str:
    indexes = select('SELECT name, "unique", origin, partial FROM pragma_index_list(?)', (table,))
    if not any(found == name and unique for found, unique, _, _ in indexes):
        return ""
    kept_unique = [
        _columns(select, str(found))
        for found, unique, origin, partial in indexes
        if unique and not partial and (origin != "c" or found in own)
    ]
    kept_unique.append({key for (key,) in select("SELECT name FROM pragma_table_info(?) WHERE pk > 0", (table,))})
    if any(columns and columns <= _columns(select, name) for columns in kept_unique):
        return ""
    return f"a unique index that flowkit did not make may refuse what is written to {table}"


def _columns(select: Select, index: str) -> set[object]:
    return {column for (column,) in select("SELECT name FROM pragma_index_info(?)", (index,))}
