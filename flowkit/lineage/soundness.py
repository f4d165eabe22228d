"""What is wrong with the database itself, and what hangs on an artifact that is lost."""

# ruff: noqa: S608  (queries are put together from the constants of this module only)

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing

from msgspec import Struct

from flowkit.lineage.hindrances import Row, Select, find_hindrances
from flowkit.lineage.reader import Reader
from flowkit.lineage.schema import create_anew
from flowkit.lineage.texts import to_prefix
from flowkit.records import Digest

_MOST_FAULTS = 20

_OF_INDEX = re.compile(
    r"(?:row \d+ missing from|wrong # of entries in|row \d+ values differ from) index ([A-Za-z_0-9]+)", re.ASCII
)
_UNIQUE = re.compile(r"CREATE UNIQUE INDEX \S+ ON (\S+) ?\((.+?)\)(?: WHERE (.+))?", re.ASCII)
_IN_LIBRARY = "_sqlite_migrations"

_MAKERS = """
    SELECT w.text, p.name, r.run
    FROM artifact AS a
    JOIN output AS o ON o.artifact = a.id
    JOIN execution AS x ON x.id = o.execution
    JOIN entry AS e ON e.execution = x.id
    JOIN pipeline_node AS p ON p.id = x.pipeline_node
    JOIN word AS w ON w.id = p.pipeline
    JOIN run AS r ON r.id = x.run
    WHERE substr(a.digest, 1, 12) = ?
    ORDER BY w.text, p.name, x.id"""

_LOOSE_ENTRIES = """
    FROM entry AS e LEFT JOIN execution AS x ON x.id = e.execution AND x.entry = e.id AND x.succeeded
    WHERE e.execution IS NOT NULL AND x.id IS NULL"""

_VERSIONS = """
    SELECT m.name, v.version, group_concat(l.name, ', ')
    FROM artifact AS a
    JOIN model_version AS v ON v.artifact = a.id
    JOIN model AS m ON m.id = v.model
    LEFT JOIN model_alias AS l ON l.version = v.id
    WHERE substr(a.digest, 1, 12) = ? AND v.state IN ('registered', 'rolled_back')
    GROUP BY v.id
    ORDER BY m.name, v.version"""


class DatabaseFault(Struct, frozen=True):
    """Something wrong with the database.

    Attributes:
        text: What it is.
        subject: The index, view or trigger that it is about; empty where it is about more.
        mended_by: Statements that make it right and lose nothing; none where nothing does.
        blinds: Whether nothing else can be found out.
        writable: Whether the rest may be repaired although this cannot be: no page of the file is damaged.
        way_out: What a person can do about it; empty where nothing loses nothing.
    """

    text: str
    subject: str = ""
    mended_by: tuple[str, ...] = ()
    blinds: bool = False
    writable: bool = False
    way_out: str = ""


class Dependants(Struct, frozen=True):
    """What hangs on an artifact.

    Attributes:
        nodes: (pipeline, node) of what would be reused with it.
        versions: Model versions that it is, such as `taxi:7 (champion)`.
        made_by: (run, node) of the latest result that it is and that stands; None where there is none.
    """

    nodes: tuple[tuple[str, str], ...]
    versions: tuple[str, ...]
    made_by: tuple[str, str] | None


def damage_of(reader: Reader) -> tuple[DatabaseFault, ...]:
    """Return what is wrong with the file, and with its tables, indexes, views and triggers as such."""
    return (*_damage_of_file(reader), *_differences_of_schema(reader))


def _damage_of_file(reader: Reader) -> tuple[DatabaseFault, ...]:
    """Return what SQLite finds wrong with the file; an index that is wrong can be made again from its table."""
    said = [text for (text,) in reader.select(f"PRAGMA integrity_check({_MOST_FAULTS})") if text != "ok"]
    indexes = [_OF_INDEX.fullmatch(text) for text in said]
    others = [DatabaseFault(text) for text, match in zip(said, indexes, strict=True) if match is None]
    wrong = dict.fromkeys(match[1] for match in indexes if match is not None)
    return (
        *others,
        *(DatabaseFault("it does not agree with its table", name, (f'REINDEX "{name}"',)) for name in wrong),
    )


def _differences_of_schema(reader: Reader) -> tuple[DatabaseFault, ...]:
    """Return what of tables, indexes, views and triggers is missing or changed; a person's own are left alone."""
    rows = reader.select("SELECT name, sql FROM sqlite_master WHERE sql NOT NULL")
    present = {name: _plain(sql) for name, sql in rows}
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as fresh:
        create_anew(fresh)
        made = fresh.execute("SELECT type, name, sql FROM sqlite_master WHERE sql NOT NULL").fetchall()
        made = [row for row in made if _IN_LIBRARY not in row[1]]
        tables = [(name, sql) for kind, name, sql in made if kind == "table"]
        blinding = tuple(_compare_tables(present, tables, reader.select, _selecting(fresh)))
    # What else a missing table has taken along says nothing new.
    return blinding or (
        *_compare_others(present, [row for row in made if row[0] != "table"], reader.select),
        *_look_at_added(reader.select, [name for name, _ in tables], [name for kind, name, _ in made]),
    )


def _look_at_added(select: Select, tables: Iterable[str], made: Iterable[str]) -> Iterator[DatabaseFault]:
    for hindrance in find_hindrances(select, frozenset(tables), frozenset(made)):
        yield DatabaseFault(hindrance.text, hindrance.name, writable=not hindrance.mends, way_out=hindrance.way_out)


def _selecting(connection: sqlite3.Connection) -> Select:
    return lambda query, values: connection.execute(query, values).fetchall()


def _compare_tables(
    present: Mapping[str, str], made: Iterable[tuple[str, str]], here: Select, fresh: Select
) -> Iterator[DatabaseFault]:
    for name, sql in made:
        if name not in present:
            yield DatabaseFault("the table is missing", name, blinds=True)
        elif present[name] != _plain(sql):
            problem = _difference_of(_parts_of(name, here), _parts_of(name, fresh))
            if problem:
                yield DatabaseFault(f"the table is not as flowkit made it: {problem}", name, blinds=True)


def _compare_others(
    present: Mapping[str, str], made: Iterable[tuple[str, str, str]], here: Select
) -> Iterator[DatabaseFault]:
    for kind, name, sql in made:
        if present.get(name) == _plain(sql):
            continue
        problem = "is not as flowkit made it" if name in present else "is missing"
        twice = kind == "index" and _holds_twice(sql, here)
        if twice:
            yield DatabaseFault(f"the {kind} {problem}, and cannot be made: {twice}", name, writable=True)
        else:
            yield DatabaseFault(f"the {kind} {problem}", name, (f'DROP {kind.upper()} IF EXISTS "{name}"', sql))


def _parts_of(table: str, select: Select) -> dict[str, Row]:
    """Return what counts of a table: its columns, and what makes rows unique, by how each is called."""
    columns = select('SELECT name, upper(type), "notnull", dflt_value, pk FROM pragma_table_info(?)', (table,))
    parts: dict[str, Row] = {f"column {name}": tuple(rest) for name, *rest in columns}
    for (index,) in select("SELECT name FROM pragma_index_list(?) WHERE origin IN ('u', 'pk')", (table,)):
        names = select("SELECT name FROM pragma_index_info(?) ORDER BY seqno", (index,))
        parts["unique " + ", ".join(str(name) for (name,) in names)] = ()
    return parts


def _difference_of(found: Mapping[str, Row], wanted: Mapping[str, Row]) -> str:
    """Return in words how a table differs from the one that is wanted; empty where it will do as well."""
    wrong = [f"it lacks {part}" for part in wanted if part not in found]
    wrong += [f"{part} is another" for part in wanted if part in found and found[part] != wanted[part]]
    wrong += [f"{part} is not its own" for part in found if part not in wanted and _hinders(found[part])]
    return ", ".join(wrong)


def _hinders(part: Row) -> bool:
    """Say whether a person's own column must have a value, or this keeps rows unique: flowkit's own rows would fail."""
    if not part:
        return True
    _, not_null, default, _ = part
    return bool(not_null) and default is None


def _holds_twice(sql: str, select: Select) -> str:
    """Return in words what keeps a unique index from being made; empty where nothing does."""
    match = _UNIQUE.fullmatch(_plain(sql))
    if match is None:
        return ""
    table, columns, condition = match.groups()
    # Rows with a NULL among these are never equal, to themselves neither.
    where = f"({columns}) = ({columns})" + (f" AND ({condition})" if condition else "")
    twice = f"SELECT 1 FROM {table} WHERE {where} GROUP BY {columns} HAVING count(*) > 1"
    ((count,),) = select(f"SELECT count(*) FROM ({twice})", ())
    if not count:
        return ""
    return (
        f"{count:,} " + ("row of {0} is" if count == 1 else "rows of {0} are").format(table) + " there more than once"
    )


def dangling_rows(reader: Reader) -> tuple[DatabaseFault, ...]:
    """Return rows that point to rows that are not there, and lists of names that are none; no row is ever removed."""
    found = [*_loose_entries(reader), *_unreadable_names(reader)]
    dangling = {(table, parent) for table, _, parent, _ in reader.select("PRAGMA foreign_key_check")}
    dangling.discard(("entry", "execution"))  # told above
    found += [
        DatabaseFault(f"rows of {table} point to rows of {parent} that are not there")
        for table, parent in sorted(dangling)
    ]
    return tuple(found)


def _loose_entries(reader: Reader) -> Iterator[DatabaseFault]:
    ((count,),) = reader.select(f"SELECT count(*) {_LOOSE_ENTRIES}")
    if count:
        free = f"UPDATE entry SET execution = NULL WHERE id IN (SELECT e.id {_LOOSE_ENTRIES})"
        yield DatabaseFault(f"{count:,} results to be reused have no execution that succeeded", "entry", (free,))


def _unreadable_names(reader: Reader) -> Iterator[DatabaseFault]:
    rows = reader.select(
        "SELECT lower(hex(a.digest)), w.text FROM artifact AS a JOIN word AS w ON w.id = a.refers GROUP BY a.refers"
    )
    for digest, text in rows:
        try:
            names = json.loads(text)
        except ValueError:
            names = None
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            yield DatabaseFault(f"the code that artifact {digest[:12]} names is recorded as what is no list of names")


def _plain(sql: str) -> str:
    return " ".join(sql.split())


def dependants_of(reader: Reader, digest: Digest) -> Dependants:
    """Return what would be reused with an artifact, and the model versions that it is."""
    makers = reader.select(_MAKERS, (to_prefix(digest),))
    versions = reader.select(_VERSIONS, (to_prefix(digest),))
    return Dependants(
        tuple(dict.fromkeys((pipeline, node) for pipeline, node, _ in makers)),
        tuple(f"{model}:{version}" + (f" ({aliases})" if aliases else "") for model, version, aliases in versions),
        (makers[-1][2], makers[-1][1]) if makers else None,
    )


def recorded_files(reader: Reader) -> frozenset[str]:
    """Return the names of all blobs that rows name, as far as they are names."""
    rows = reader.select("SELECT lower(hex(b.digest)), w.text FROM blob_file AS b JOIN word AS w ON w.id = b.suffix")
    return frozenset(f"{digest[:2]}/{digest[2:]}{suffix}" for digest, suffix in rows)


def formats_by_suffix(reader: Reader) -> dict[str, frozenset[str]]:
    """Return the formats of the artifacts whose own files have a suffix."""
    rows = reader.select(
        "SELECT DISTINCT w.text, f.text FROM artifact_file AS l JOIN artifact AS a ON a.id = l.artifact"
        " JOIN word AS f ON f.id = a.format JOIN blob_file AS b ON b.id = l.file JOIN word AS w ON w.id = b.suffix"
        " WHERE l.position = 0"
    )
    found: dict[str, set[str]] = {}
    for suffix, format_name in rows:
        found.setdefault(suffix, set()).add(format_name)
    return {suffix: frozenset(names) for suffix, names in found.items()}
