"""The index of a table that comes in pieces."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flowkit.codecs.tables_arrow import Entry
from flowkit.codecs.tables_canonical import CHUNK_ROWS
from flowkit.codecs.tables_chunks import TableWriter
from flowkit.codecs.tables_manifest import describe_dtype
from flowkit.codecs.tables_pandas import encode_index
from flowkit.codecs.tables_pieces import join_columns
from flowkit.errors import PartitionError

if TYPE_CHECKING:
    import pandas as pd


class RowLabels:
    """Takes the indexes of the pieces, one after another, and gives the entry of the whole.

    Pieces that only count their own rows from 0 are counted on through the table: nothing but where the pieces end
    tells such labels apart. Ranges that follow one another are one range. All else is kept as it is; labels are held
    until there are `CHUNK_ROWS` of them. Pieces without rows have no labels, and do not count.
    """

    def __init__(self, writer: TableWriter) -> None:
        self._writer = writer
        self._empty: pd.Index[Any] | None = None
        self._ranges: list[pd.RangeIndex] | None = []
        self._waiting: list[pd.Index[Any]] = []
        self._held = 0
        self._entry: Entry | None = None
        self._last: Any = None

    def add(self, index: pd.Index[Any]) -> None:
        """Take the labels of the next piece.

        Raises:
            PartitionError: They are of another kind than those before, or of one that cannot be joined.
        """
        import pandas as pd

        if isinstance(index, pd.MultiIndex):
            raise PartitionError.for_index("a MultiIndex")
        if len(index) == 0:
            self._empty = self._empty if self._empty is not None else index
        elif self._ranges is not None and type(index) is pd.RangeIndex:
            self._ranges.append(index)
        else:
            self._write_ranges()
            self._hold(index)

    def finish(self) -> Entry:
        """Return the entry of the index of all rows.

        Raises:
            PartitionError: The labels do not make one index.
        """
        if self._ranges:
            joined = _join_ranges(self._ranges)
            if joined is not None:
                return encode_index(joined, self._writer)
            self._write_ranges()
        if self._waiting:
            self._write()
        if self._entry is None:
            assert self._empty is not None, "add() comes first"
            return encode_index(self._empty, self._writer)
        return self._entry

    def _write_ranges(self) -> None:
        ranges, self._ranges = self._ranges or [], None
        for labels in ranges:
            self._hold(labels)

    def _hold(self, index: pd.Index[Any]) -> None:
        start = 0
        while self._held + len(index) - start >= CHUNK_ROWS:
            end = start + CHUNK_ROWS - self._held
            self._waiting.append(index[start:end])
            self._write()
            start = end
        if start < len(index):
            self._waiting.append(index[start:])
            self._held += len(index) - start

    def _write(self) -> None:
        import pandas as pd

        first, *others = self._waiting
        labels = first.append(others) if others else first
        self._waiting, self._held = [], 0
        if type(labels) is pd.RangeIndex:
            # A part of labels that are no range as a whole.
            labels = pd.Index(labels.to_numpy(), name=labels.name)
        self._writer.column = "of the index"
        entry = encode_index(labels, self._writer)
        self._entry = entry if self._entry is None else self._joined(self._entry, entry, labels)
        self._last = labels[-1]

    def _joined(self, before: Entry, after: Entry, labels: pd.Index[Any]) -> Entry:
        for fact in ("class", "name"):
            if before.get(fact) != after.get(fact):
                was, now = (str(entry.get(fact)) for entry in (before, after))
                raise PartitionError.for_difference(f"the {fact} of their index", was, now)
        if "values" not in before:
            raise PartitionError.for_index(before["class"])
        freq: Any = getattr(labels, "freq", None)
        goes_on = before["freq"] == after["freq"] and freq is not None and self._last + freq == labels[0]
        values = join_columns(before["values"], after["values"], describe_dtype)
        return {**before, "values": values, "freq": before["freq"] if goes_on else None}


def _join_ranges(ranges: list[pd.RangeIndex]) -> pd.RangeIndex | None:
    """Return the one range that several are, None where they are none."""
    import pandas as pd

    first, *others = ranges
    if any(labels.name != first.name for labels in others):
        return None
    if all(labels.start == 0 and labels.step == 1 for labels in ranges):
        return pd.RangeIndex(sum(map(len, ranges)), name=first.name)
    joined = first.append(others) if others else first
    return joined if type(joined) is pd.RangeIndex else None
