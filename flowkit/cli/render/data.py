"""A change of data in lines for people: of tables the columns, of folders the files, of values where they differ."""

from __future__ import annotations

from collections.abc import Iterator

from flowkit.cache.content import ContentChange, FolderChange, TableChange
from flowkit.cache.reason import Change
from flowkit.cache.wording import count_pair, describe_content, describe_difference, list_names
from flowkit.cli.render.formats import short

_MOST_NAMES = 10


def describe_data_lines(change: Change) -> Iterator[str]:
    """Yield what differs in the artifacts of an input; nothing where nothing is known of them."""
    data = change.data
    if data is None:
        return
    before, after = data.artifacts
    if (before, after) == (1, 1):
        for content in data.contents:
            yield from _describe_content(content)
        return
    yield f"{count_pair(before, after, 'element')}, {data.differing:,} of which differ"
    for content in data.contents:
        first, *others = list(_describe_content(content)) or [""]
        yield f"[{content.place}]  {first}"
        yield from (f"     {line}" for line in others)
    if data.differing > len(data.contents):
        yield f"and {data.differing - len(data.contents):,} more"


def _describe_content(content: ContentChange) -> Iterator[str]:
    before, after = content.before, content.after
    if before is None or after is None:
        side = after or before
        if side is not None:
            verb = "added" if before is None else "removed"
            yield f"{verb}: {side.format} {short(side.digest)}, {side.bytes:,} bytes"
    elif content.table is not None:
        yield from describe_table_lines(content.table)
    elif content.folder is not None:
        yield from _describe_folder(content.folder)
    elif content.value is not None and content.value.first:
        yield from (describe_difference(found) for found in content.value.first)
        if content.value.count > len(content.value.first):
            yield f"and {content.value.count - len(content.value.first):,} more"
    else:
        yield f"{after.format}: {describe_content(content)}"


def describe_table_lines(table: TableChange) -> Iterator[str]:
    """Yield how a table differs from the one before it."""
    before, after = table.rows
    yield count_pair(before, after, "row") if before == after else f"{before:,} → {after:,} rows"
    for verb, names in (
        ("added", table.columns.added),
        ("removed", table.columns.removed),
        ("changed", table.columns.changed),
    ):
        if names:
            yield f"{'column' if len(names) == 1 else 'columns'} {verb}: {', '.join(names)}"
    for name, count in table.values:
        yield f"{name}: {count:,} of {count_pair(after, after, 'value')}"
    for pair in table.dtypes:
        yield f"dtype of {pair.name}: {pair.before} → {pair.after}"
    if table.columns.reordered:
        yield "columns in another order"
    if table.columns.index_changed:
        yield "another index"


def _describe_folder(folder: FolderChange) -> Iterator[str]:
    yield count_pair(*folder.files, "file")
    for verb, names in (("added", folder.added), ("removed", folder.removed), ("changed", folder.changed)):
        if names:
            yield f"{len(names):,} {verb}: {list_names(names, _MOST_NAMES)}"


def describe_inside(change: Change) -> Iterator[str]:
    """Yield what differs inside a parameter's value, where that is a container."""
    inside = change.within
    if inside is None:
        return
    yield from (describe_difference(found) for found in inside.first)
    if inside.count > len(inside.first):
        yield f"and {inside.count - len(inside.first):,} more"
