"""dask DataFrames as inputs and outputs of steps: stored partition by partition, read chunk by chunk.

The stored form is that of a pandas table. Neither way is the whole table in one process's memory, and how a collection
was partitioned leaves no trace. Dask is never imported here: where no module has, there is nothing of it.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from flowkit.codecs.base import Chunk, Encoded, digest_payload
from flowkit.codecs.tables_chunks import PicklePolicy
from flowkit.codecs.tables_manifest import load_manifest
from flowkit.codecs.tables_partitions import divisions_of, partition_count, read_partition
from flowkit.codecs.tables_stream import Keep, TableStream
from flowkit.records import Artifact
from flowkit.store.base import Store
from flowkit.store.folder import StoreFolder
from flowkit.store.local import LocalStore

_PART = "table-part"


def encode_dask_frame(frame: Any, store: Store, policy: PicklePolicy) -> Encoded:
    """Compute a dask DataFrame and store its chunks; return the table, ready to be put as a whole.

    All partitions are computed at once, on the cluster; here is one of them at a time, and at most a chunk's rows.

    Raises:
        PartitionError: The partitions do not make one table.
        CodecError: A column cannot be stored.
        StoreError: The store cannot keep a chunk.
    """
    stream = TableStream(_keep_in(store), policy)
    for partition in _partitions(frame):
        stream.add(partition)
    return stream.finish()


def open_dask_frame(artifact: Artifact, store: Store, folder: Path, policy: PicklePolicy) -> Any:
    """Return a stored table as a dask DataFrame, of which nothing but the description is read.

    Args:
        artifact: The table.
        store: Where it is.
        folder: The store's folder, where the workers that read partitions find it.
        policy: Whether pickled values may be loaded.

    Raises:
        LostArtifactError: The artifact is gone or damaged.
        CodecError: It is a series, or holds pickle where that is denied.
    """
    import dask.dataframe

    stored = store.open(artifact)
    manifest = load_manifest(stored.payload)
    from_map: Any = dask.dataframe.from_map
    return from_map(
        StoredTable(str(folder), artifact, policy),
        range(partition_count(manifest)),
        meta=read_partition(stored, manifest, 0, None, policy).iloc[:0],
        divisions=divisions_of(manifest),
        label="stored-table",
    )


class StoredTable:
    """Reads partitions of a stored table in whatever process Dask calls it; equal for equal tables.

    Args:
        folder: The store's folder, which every worker sees.
        artifact: The table.
        policy: Whether pickled values may be loaded.
    """

    def __init__(self, folder: str, artifact: Artifact, policy: PicklePolicy) -> None:
        self._folder = folder
        self._artifact = artifact
        self._policy = policy

    def __call__(self, number: int, columns: list[Any] | None = None) -> Any:
        """Return a partition, or some columns of it, as a pandas frame."""
        stored = LocalStore(StoreFolder.open(Path(self._folder))).open(self._artifact)
        return read_partition(stored, load_manifest(stored.payload), number, columns, self._policy)

    def __dask_tokenize__(self) -> tuple[str, ...]:
        return ("flowkit", self._folder, self._artifact.digest, self._policy)


def _keep_in(store: Store) -> Keep:
    def keep(chunks: tuple[Chunk, ...]) -> tuple[Chunk, ...]:
        # A file of their own, which the table refers to: the table's own file then only holds what is new in it.
        payload = json.dumps([chunk.digest for chunk in chunks]).encode()
        part = Encoded(_PART, digest_payload(_PART, payload), payload, ".part", chunks)
        kept = store.open(store.put(part))
        return tuple(Chunk(chunk.digest, chunk.size, kept.chunk(chunk.digest)) for chunk in chunks)

    return keep


def _partitions(frame: Any) -> Iterator[Any]:
    """Yield the partitions of a collection as pandas frames, in order, each forgotten once it was given."""
    import dask.base

    persist: Any = dask.base.persist
    waiting = list(reversed(persist(*frame.to_delayed())))
    while waiting:
        yield _value_of(waiting.pop())


def _value_of(computed: Any) -> Any:
    distributed = sys.modules.get("distributed")
    futures = [] if distributed is None else distributed.futures_of(computed)
    return futures[0].result() if futures else computed.compute()
