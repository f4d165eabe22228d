from __future__ import annotations

import time
from pathlib import Path

from flowkit.lineage.entries import Entries
from flowkit.lineage.reader import Reader
from flowkit.records import NodeRecord, Outcome
from tests.lineage.samples import STARTED, make_code, make_execution, make_inline, make_node, make_run, open_writer

NODES = 10_000


def test_ten_thousand_nodes_are_small(database: Path) -> None:
    """An executed node takes at most 480 bytes of the database, tables, indexes and all, and a reused one 60."""
    value, code, records = make_inline("start"), make_code(), []
    for index in range(NODES):
        made = make_inline(str(index * 7919))
        producers = (f"square#{index - 1}" if index else None,)
        execution = make_execution("square", 0.5, [("x", value)], [made], code, producers=producers)
        records.append(make_node(execution, node=f"square#{index}", started=STARTED + index / 100))
        value = made
    keys = [record.execution.cache_key for record in records if record.execution is not None]
    with open_writer(database) as writer, Reader(database) as reader:
        writer.begin_run(make_run())
        writer.flush()
        empty = database.stat().st_size
        started = time.perf_counter()
        for record in records:
            writer.record(record)
        writer.flush()
        recording = time.perf_counter() - started
        size = database.stat().st_size
        started = time.perf_counter()
        found = Entries(reader).find_entries(keys)
        lookup = time.perf_counter() - started
        writer.begin_run(make_run("run-2"))
        for record, key in zip(records, keys, strict=True):
            writer.record(NodeRecord("run-2", record.node, "square", None, Outcome.REUSED, entry=found[key].id))
        writer.flush()
    growth = database.stat().st_size - size

    print(f"{size / 1e6:.2f} MB; {growth / NODES:.0f} bytes a reused node")
    print(f"recorded in {recording / NODES * 1e6:.0f} µs a node, found in {lookup / NODES * 1e6:.1f} µs a key")
    assert len(found) == NODES
    assert size - empty <= 480 * NODES
    assert growth <= 60 * NODES
