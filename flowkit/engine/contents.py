"""What differs in the inputs of a node: finds what it took then, and compares that with what it takes now."""

from __future__ import annotations

from collections.abc import Sequence

from flowkit.cache.arguments import selection_in
from flowkit.cache.content import Contents, DataChange, ListingOf
from flowkit.cache.reason import Change, DataOf
from flowkit.codecs.tables_compare import count_differing
from flowkit.records import Artifact
from flowkit.store.base import Store

Inputs = Sequence[tuple[str, Artifact]]
"""(parameter, artifact) of what a node takes, in order."""


def open_contents(store: Store, listing: ListingOf, *, counting: bool = False) -> Contents:
    """Return what compares artifacts of a store.

    Args:
        store: Gives the content.
        listing: Gives the files of folders that came in.
        counting: Whether values of columns that differ are counted, for which they are read.
    """

    def count(before: Artifact, after: Artifact, names: Sequence[str]) -> dict[str, int]:
        return count_differing(store.open(before), store.open(after), names)

    load = store.open
    return Contents(lambda artifact: bytes(load(artifact).payload), listing, count if counting else None)


def compare_inputs(contents: Contents, before: Inputs, after: Inputs) -> DataOf:
    """Return what tells of a changed input how its artifacts differ; None where there are none on a side."""

    def data_of(change: Change) -> DataChange | None:
        old, new = ([artifact for name, artifact in side if name == change.name] for side in (before, after))
        # Other columns do not count only where they counted neither then nor now.
        then, now = selection_in(change.before or ""), selection_in(change.after or "")
        return contents.compare(old, new, now if then == now else None) if old and new else None

    return data_of
