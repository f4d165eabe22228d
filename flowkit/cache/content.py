"""What differs in the data that a node takes: of tables the columns, of folders the files, of plain values where.

Tables are compared by their manifests and folders by their listings, so no data is read, and nothing heavy imported.
What cannot be told any more, because the earlier content is gone, is said to be gone.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import takewhile

from msgspec import Struct, field
from msgspec.structs import replace

from flowkit.cache.inner import Differences, differences_in_json
from flowkit.codecs.tables_manifest import (
    TableDifference,
    columns_by_name,
    compare_manifests,
    describe_dtype,
    load_manifest,
)
from flowkit.codecs.tables_views import view_table
from flowkit.codecs.trees import read_manifest
from flowkit.contracts import ColumnSelection
from flowkit.errors import CodecError, LostArtifactError
from flowkit.fingerprint.ownership import is_from_library
from flowkit.records import Artifact, Digest

MOST_TOLD = 20
"""How many of an argument's artifacts are described one by one."""

_LARGEST_VALUE = 1 << 20

Load = Callable[[Artifact], bytes]
"""Gives an artifact's payload.

Raises:
    LostArtifactError: It is gone or damaged.
"""

Count = Callable[[Artifact, Artifact, Sequence[str]], Mapping[str, int]]
"""Counts the values that differ in columns of two tables, where that can be told.

Raises:
    LostArtifactError: Data of a column is gone or damaged.
"""

Listing = Mapping[str, tuple[Digest, int]]
"""The files of a folder: relative name → (digest, bytes)."""

ListingOf = Callable[[Digest], Listing | None]
"""Gives the listing of a folder that came in, by its digest; None where it was not kept."""


class Retyped(Struct, frozen=True):
    """A column of both tables whose dtype changed."""

    name: str
    before: str
    after: str


class TableChange(Struct, frozen=True):
    """How a table changed.

    Attributes:
        rows: How many there were, and are.
        columns: Names of the columns that were added, removed and changed, and whether order or index differ.
        dtypes: Columns of both tables whose dtype changed.
        count: How many columns there are now.
        values: (column, how many of its values differ), where they were counted.
    """

    rows: tuple[int, int]
    columns: TableDifference
    dtypes: tuple[Retyped, ...]
    count: int
    values: tuple[tuple[str, int], ...] = ()


class FolderChange(Struct, frozen=True):
    """How a folder changed: the names of its files, and how many there were and are."""

    files: tuple[int, int]
    added: tuple[str, ...]
    removed: tuple[str, ...]
    changed: tuple[str, ...]


class ContentChange(Struct, frozen=True):
    """An artifact in the place of another; an absent side is None.

    Attributes:
        place: Which of the argument's artifacts it is, from 0.
        lost: Whether one side is gone from the store, so that no more is known of it than its size.
    """

    place: int
    before: Artifact | None
    after: Artifact | None
    table: TableChange | None = None
    folder: FolderChange | None = None
    value: Differences | None = None
    lost: bool = False


class DataChange(Struct, frozen=True):
    """How the artifacts of an argument differ.

    Attributes:
        artifacts: How many there were, and are.
        differing: How many places differ.
        contents: The first of those.
        names: Where no content differs, the project's code that it names.
    """

    artifacts: tuple[int, int]
    differing: int
    contents: tuple[ContentChange, ...]
    names: tuple[str, ...] = ()


class Contents(Struct, frozen=True):
    """Compares what artifacts hold, each pair once.

    Args:
        load: Gives payloads.
        listing: Gives the files of folders that came in.
        count: Counts values of columns that differ, which reads them; None where only manifests are to be read.
    """

    load: Load
    listing: ListingOf
    count: Count | None = None
    _known: dict[tuple[Digest, Digest, ColumnSelection | None], ContentChange] = field(default_factory=dict)

    def compare(
        self, before: Sequence[Artifact], after: Sequence[Artifact], selection: ColumnSelection | None = None
    ) -> DataChange:
        """Return how an argument's artifacts differ, place by place between what both begin and end with.

        Args:
            before: What they were.
            after: What they are.
            selection: The columns of tables that count; all where it is None.
        """
        pairs = list(_pair(before, after))
        told = tuple(
            replace(self._compare_pair(old, new, selection), place=place) for place, old, new in pairs[:MOST_TOLD]
        )
        names = dict.fromkeys(name for artifact in after for name in artifact.refers) if not pairs else {}
        own = tuple(name for name in names if not is_from_library(name.partition(":")[0]))
        return DataChange((len(before), len(after)), len(pairs), told, own)

    def _compare_pair(
        self, before: Artifact | None, after: Artifact | None, selection: ColumnSelection | None
    ) -> ContentChange:
        if before is None or after is None or before.format != after.format:
            return ContentChange(0, before, after)
        key = (before.digest, after.digest, selection)
        if key not in self._known:
            try:
                self._known[key] = ContentChange(0, before, after, *self._compare_content(before, after, selection))
            except LostArtifactError:
                # Swept or damaged: the digests still say that they differ.
                self._known[key] = ContentChange(0, before, after, lost=True)
        return self._known[key]

    def _compare_content(
        self, before: Artifact, after: Artifact, selection: ColumnSelection | None
    ) -> tuple[TableChange | None, FolderChange | None, Differences | None]:
        if before.format == "table":
            table = compare_stored_tables(self.load(before), self.load(after), selection)
            return self._count(table, before, after), None, None
        if before.format == "folder":
            return None, compare_listings(self.listing(before.digest), self.listing(after.digest)), None
        if before.format == "path":
            return None, compare_listings(*(_listing_of_path(self.load(side)) for side in (before, after))), None
        if before.format == "json" and max(before.bytes, after.bytes) <= _LARGEST_VALUE:
            return None, None, differences_in_json("", self.load(before), self.load(after))
        return None, None, None

    def _count(self, table: TableChange | None, before: Artifact, after: Artifact) -> TableChange | None:
        """Return how a table differs, with how many values of each column do where the rows may be the same ones."""
        if table is None or self.count is None or table.columns.index_changed:
            return table
        return replace(table, values=tuple(self.count(before, after, table.columns.changed).items()))


def _pair(
    before: Sequence[Artifact], after: Sequence[Artifact]
) -> Iterable[tuple[int, Artifact | None, Artifact | None]]:
    """Yield the places that differ, with what stands there; what both sides begin and end with is left out."""
    start = _count_equal(before, after)
    tail = _count_equal(before[start:][::-1], after[start:][::-1])
    left, right = before[start : len(before) - tail], after[start : len(after) - tail]
    for place in range(max(len(left), len(right))):
        was = left[place] if place < len(left) else None
        now = right[place] if place < len(right) else None
        if was is None or now is None or was.digest != now.digest:
            yield start + place, was, now


def _count_equal(before: Sequence[Artifact], after: Sequence[Artifact]) -> int:
    """Return how many artifacts both begin with."""
    pairs = zip(before, after, strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0].digest == pair[1].digest, pairs))


def compare_stored_tables(before: bytes, after: bytes, selection: ColumnSelection | None = None) -> TableChange | None:
    """Return how a table differs from another, by their manifests; None where another flowkit wrote one of them.

    Args:
        before: The manifest then.
        after: The manifest now.
        selection: The columns that count; all where it is None.
    """
    try:
        then, now = load_manifest(before), load_manifest(after)
    except CodecError:
        return None
    if selection is not None:
        then, now = view_table(then, selection), view_table(now, selection)
    columns = compare_manifests(then, now)
    old, new = columns_by_name(then), columns_by_name(now)
    dtypes = [(name, describe_dtype(old[name]), describe_dtype(new[name])) for name in columns.changed]
    retyped = tuple(Retyped(name, was, found) for name, was, found in dtypes if was != found)
    return TableChange((then["rows"], now["rows"]), columns, retyped, len(new))


def compare_listings(before: Listing | None, after: Listing | None) -> FolderChange | None:
    """Return which files of a folder differ; None where a listing was not kept."""
    if before is None or after is None:
        return None
    return FolderChange(
        (len(before), len(after)),
        tuple(name for name in after if name not in before),
        tuple(name for name in before if name not in after),
        tuple(name for name in after if name in before and before[name][0] != after[name][0]),
    )


def _listing_of_path(payload: bytes) -> Listing:
    """Return the files of a path that a step returned: its manifest names each with the digest of its content."""
    tree = read_manifest(json.loads(str(payload, "utf-8", "surrogatepass")))
    return {
        entry.name: (f"{entry.content} {entry.target} {entry.executable}", 0)
        for entry in tree.entries
        if entry.kind != "folder"
    }
