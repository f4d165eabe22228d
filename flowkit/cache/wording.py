"""A change of data in words: a phrase for the reason of a run, lines for an explanation."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence

from flowkit.cache.content import ContentChange, DataChange, FolderChange, TableChange
from flowkit.cache.inner import Difference, Differences

_MOST_NAMES = 3
_ALL_COLUMNS = 4
"""From how many columns on `all 7 columns` says more than their names."""

_PATH = re.compile(r"(.+) \([0-9a-f]{12}\)", re.DOTALL)
"""How a file that came in is shown: its path, and its digest's beginning."""


def describe_data(change: DataChange, before: str, after: str) -> str:
    """Return a phrase that says how an argument's artifacts differ.

    Args:
        change: How they differ.
        before: The argument as it was shown then.
        after: The argument as it is shown now.
    """
    if not change.contents:
        return _describe_names(before, after, change.names)
    first = change.contents[0]
    was, now = change.artifacts
    if was != now:
        return f"{count_pair(was, now, 'element')}"
    phrase = describe_content(first, _base_name(after))
    if now == 1:
        return phrase
    return f"{change.differing:,} of {now:,} elements, [{first.place}] with {phrase}" if phrase else ""


def _describe_names(before: str, after: str, code: Sequence[str]) -> str:
    """Return a phrase for equal artifacts in another argument: a file's name, or what the artifacts stand in."""
    old, new = _base_name(before), _base_name(after)
    if old and new and old != new:
        return f"its name, {old} → {new}"
    if before != after:
        return "the same content in another structure"
    return f"the same content, with other code behind {list_names(code) or 'what it names'}"


def _base_name(shown: str) -> str:
    found = _PATH.fullmatch(shown)
    return os.path.basename(found[1]) if found and os.sep in found[1] else ""


def describe_content(change: ContentChange, name: str = "") -> str:
    """Return a phrase that says how an artifact differs from the one before it.

    Args:
        change: How it differs.
        name: The base name of a file that came in.
    """
    before, after = change.before, change.after
    if before is None or after is None:
        return "something that was not there" if before is None else "something that is no longer there"
    if before.format != after.format:
        return f"{before.format} → {after.format}"
    if change.table is not None:
        return describe_table_change(change.table)
    if change.folder is not None:
        return describe_folder_change(change.folder)
    if change.value is not None and change.value.first:
        return "; ".join(list_differences(change.value, 1))
    gone = ", and the content is gone" if change.lost else ""
    same = "other content of " if before.bytes == after.bytes else ""
    return f"{name + ', ' if name else ''}{same}{count_pair(before.bytes, after.bytes, 'byte')}{gone}"


def describe_table_change(table: TableChange) -> str:
    """Return a phrase on a table: `column fare differs (table of 1,000 rows)`, `1,000 rows → 1,020`."""
    found, rows = table.columns, count_pair(*table.rows, "row")
    same_rows = table.rows[0] == table.rows[1]
    parts = list(_changed_columns(table, same_rows=same_rows))
    parts += [f"{_columns(found.added)} added"] if found.added else []
    parts += [f"{_columns(found.removed)} removed"] if found.removed else []
    parts += ["columns in another order"] if found.reordered else []
    parts += ["another index"] if found.index_changed and same_rows else []
    if parts == [counted := _counted_column(table)]:
        return counted
    if not parts and not same_rows:
        return rows
    return f"{'; '.join(parts) or 'what it is besides its columns'} ({'table of ' if same_rows else ''}{rows})"


def _changed_columns(table: TableChange, *, same_rows: bool) -> Iterator[str]:
    """Yield a phrase on the columns whose content differs, if there are any to name."""
    if counted := _counted_column(table):
        yield counted
        return
    retyped = {pair.name: f"{pair.name} ({pair.before} → {pair.after})" for pair in table.dtypes}
    # With other rows every column is another one: only another dtype says something of it.
    names = [retyped.get(name, name) for name in table.columns.changed if same_rows or name in retyped]
    if len(names) >= max(_ALL_COLUMNS, table.count):
        yield f"all {table.count:,} columns differ"
    elif names:
        yield f"{_columns(names)} {'differs' if len(names) == 1 else 'differ'}"


def _counted_column(table: TableChange) -> str:
    """Return how many values differ of the only column that does; nothing where that is not known."""
    counted = dict(table.values)
    if len(table.columns.changed) != 1 or table.columns.changed[0] not in counted:
        return ""
    (name,) = table.columns.changed
    return f"{counted[name]:,} of {count_pair(table.rows[1], table.rows[1], 'value')} of column {name}"


def _columns(names: Sequence[str]) -> str:
    return f"{'column' if len(names) == 1 else 'columns'} {list_names(names)}"


def describe_folder_change(folder: FolderChange) -> str:
    """Return a phrase on a folder: `b.csv changed; c.csv added (2 files → 3)`."""
    verbs = (("changed", folder.changed), ("added", folder.added), ("removed", folder.removed))
    parts = [f"{list_names(names)} {verb}" for verb, names in verbs if names]
    return f"{'; '.join(parts) or 'its folders, links or permissions'} ({count_pair(*folder.files, 'file')})"


def list_differences(inside: Differences, most: int) -> Iterator[str]:
    """Yield what differs inside a value, a phrase each, and how many more there are."""
    for difference in inside.first[:most]:
        yield describe_difference(difference)
    if inside.count > most:
        yield f"{inside.count - most:,} more"


def describe_difference(difference: Difference) -> str:
    """Return both sides of something inside a value, with where it stands."""
    name = f"{difference.name}: " if difference.name else ""
    return f"{name}{difference.before or 'absent'} → {difference.after or 'absent'}"


def list_names(names: Sequence[str], most: int = _MOST_NAMES) -> str:
    """Return the first names, and how many more there are."""
    more = f" and {len(names) - most:,} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def count_pair(before: int, after: int, noun: str) -> str:
    """Return `1 row → 2`, or `1,000 rows` where both are the same."""
    counted = f"{before:,} {noun if before == 1 else noun + 's'}"
    return counted if before == after else f"{counted} → {after:,}"
