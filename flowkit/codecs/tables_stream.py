"""A pandas table that comes in pieces, stored as the whole would be: manifest, chunks and digest are the same.

Pieces are cut anew every `CHUNK_ROWS` rows, so where one ended does not count. At most that many rows are held, and
chunks are handed on as they become complete.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from flowkit.codecs.base import Chunk, Encoded, digest_payload
from flowkit.codecs.tables_arrow import Entry
from flowkit.codecs.tables_canonical import CHUNK_ROWS
from flowkit.codecs.tables_chunks import PicklePolicy, TableWriter
from flowkit.codecs.tables_labels import RowLabels
from flowkit.codecs.tables_manifest import describe_dtype, dump_manifest
from flowkit.codecs.tables_pandas import encode_frame
from flowkit.codecs.tables_pieces import join_columns
from flowkit.errors import PartitionError

if TYPE_CHECKING:
    import pandas as pd

FLUSH_BYTES = 32 << 20
_MOST_HELD = 8 << 20
"""Bytes of earlier rows that may wait: a narrow table would have a file for each group of rows otherwise."""

Keep = Callable[[tuple[Chunk, ...]], tuple[Chunk, ...]]
"""Stores chunks durably and returns them as they lie there, so that their bytes need not stay in memory."""


class TableStream:
    """Takes a table piece by piece.

    Args:
        keep: Stores complete chunks.
        policy: Whether columns of Python objects may be pickled.
    """

    def __init__(self, keep: Keep, policy: PicklePolicy = "allow") -> None:
        self._writer = _StreamWriter(keep, policy)
        self._labels = RowLabels(self._writer)
        self._pieces: list[pd.DataFrame] = []
        self._held = 0
        self._entry: Entry | None = None
        self._template: pd.DataFrame | None = None
        self._rows = 0
        self._count = 0

    def add(self, piece: pd.DataFrame) -> None:
        """Take the next rows.

        Raises:
            PartitionError: Its columns or dtypes differ from those before.
            CodecError: A column cannot be stored.
        """
        if self._template is None:
            self._template = piece.iloc[:0]
        piece = _like(self._template, piece, self._count)
        self._labels.add(piece.index)
        self._count += 1
        start = 0
        while self._held + len(piece) - start >= CHUNK_ROWS:
            end = start + CHUNK_ROWS - self._held
            self._take(piece.iloc[start:end])
            self._flush()
            start = end
        if start < len(piece):
            self._take(piece.iloc[start:])

    def finish(self) -> Encoded:
        """Return the whole table; one piece at least must have been added, if without rows.

        Raises:
            PartitionError: The pieces do not make one table.
            CodecError: A column cannot be stored.
        """
        assert self._template is not None, "add() comes first"
        if self._pieces or self._entry is None:
            self._flush()
        assert self._entry is not None
        manifest = {**self._entry, "rows": self._rows, "index": self._labels.finish()}
        segment, chunks = self._writer.finish()
        if segment is not None:
            manifest["segment"] = segment
        if self._writer.pickled:
            manifest["pickled"] = sorted(self._writer.pickled)
        payload = dump_manifest(manifest)
        digest = digest_payload("table", payload)
        return Encoded("table", digest, payload, ".table", chunks, tuple(sorted(self._writer.refers)))

    def _take(self, piece: pd.DataFrame) -> None:
        self._pieces.append(piece)
        self._held += len(piece)

    def _flush(self) -> None:
        """Encode the rows that are held: a full chunk, or the last one."""
        import pandas as pd

        assert self._template is not None
        self._writer.let_go()
        pieces, self._pieces, self._held = self._pieces or [self._template], [], 0
        group = pd.concat(pieces, ignore_index=True) if len(pieces) > 1 else pieces[0].reset_index(drop=True)
        del pieces
        entry = encode_frame(group, self._writer)
        self._rows += len(group)
        if self._entry is None:
            self._entry = entry
            return
        columns = [
            join_columns(before, after, describe_dtype)
            for before, after in zip(self._entry["columns"], entry["columns"], strict=True)
        ]
        attrs = entry["attrs"] if entry["attrs"] == self._entry["attrs"] else None
        self._entry = {**self._entry, "columns": columns, "attrs": attrs}


class _StreamWriter(TableWriter):
    """Hands chunks on once they come to more than `FLUSH_BYTES`; a small table stays together, as its segment."""

    def __init__(self, keep: Keep, policy: PicklePolicy) -> None:
        super().__init__(policy)
        self._keep_chunks = keep
        self._fresh: list[Chunk] = []
        self._fresh_bytes = 0

    def _keep(self, chunk: Chunk) -> tuple[str, int]:
        if chunk.digest not in self._chunks:
            self._fresh.append(chunk)
            self._fresh_bytes += chunk.size
        kept = super()._keep(chunk)
        if self._fresh_bytes >= FLUSH_BYTES:
            self._hand_on()
        return kept

    def let_go(self) -> None:
        """Hand on what is left of earlier rows: a chunk keeps all columns alive that lie in memory beside its own."""
        if self._fresh_bytes >= _MOST_HELD:
            self._hand_on()

    def _hand_on(self) -> None:
        chunks, self._fresh, self._fresh_bytes = tuple(self._fresh), [], 0
        self._chunks.update((chunk.digest, chunk) for chunk in self._keep_chunks(chunks))


def _like(template: pd.DataFrame, piece: pd.DataFrame, number: int) -> pd.DataFrame:
    """Return a piece that has the columns and dtypes of the first, its categories in the same order.

    Raises:
        PartitionError: It has others.
    """
    if list(template.columns) != list(piece.columns) or template.columns.dtype != piece.columns.dtype:
        before, now = (", ".join(map(str, frame.columns)) for frame in (template, piece))
        raise PartitionError.for_difference("their columns", before, now, number)
    reordered = {}
    for place, (before, now) in enumerate(zip(template.dtypes, piece.dtypes, strict=True)):
        if before != now:
            what = f"the dtype of column {template.columns[place]!r}"
            raise PartitionError.for_difference(what, str(before), str(now), number)
        if hasattr(before, "categories") and not before.categories.equals(now.categories):
            reordered[template.columns[place]] = before
    return piece.astype(reordered) if reordered else piece
