"""Collections over files that refer to each other, were written again in another layout, or lie on a full disk."""

from __future__ import annotations

import os
import sqlite3
import time
from pathlib import Path

import pytest

from flowkit.housekeeping.collecting.collect import Collection, collect, foresee
from flowkit.housekeeping.collecting.decision import Retention
from flowkit.lineage.artifacts import find_artifact
from flowkit.lineage.reader import Reader
from flowkit.lineage.writer import LineageWriter
from flowkit.records import Artifact, RunStatus
from flowkit.registry.pins import pin
from flowkit.store import LocalStore, StoreFolder
from flowkit.store.gc import KEPT_AGE
from tests.faults.mounts import mount_small_disk
from tests.lineage.samples import make_execution, make_node, make_run, open_writer
from tests.store.test_references import led_on, put_away
from tests.store.test_salvage import flip_chunk, lose, mend
from tests.store.values import is_right, noise, table

A, B, C = noise(1, 300_000), noise(2, 5_000), noise(3, 9_000)
AT = time.time()


def record(writer: LineageWriter, *artifacts: Artifact) -> None:
    """Record one ended run for each artifact, that made it."""
    for number, artifact in enumerate(artifacts):
        run = f"run-{number}"
        writer.begin_run(make_run(run))
        writer.record(make_node(make_execution(C=number, outputs=[artifact]), run=run))
        writer.finish_run(run, RunStatus.SUCCEEDED, 0, AT)


def drop_all(folder: StoreFolder, writer: LineageWriter, *, later: float = 0.0) -> Collection:
    return collect(folder, writer, Retention(age=0.0), who="test", grace=0.0, now=time.time() + 10 + later)


@pytest.fixture
def folder(tmp_path: Path) -> StoreFolder:
    return StoreFolder.create_or_open(tmp_path / ".flowkit")


def test_a_file_stays_that_what_is_kept_leads_on_to(folder: StoreFolder) -> None:
    """A pinned table refers to a file that refers on to a third one: of the three none goes before the table does."""
    base, load, features, wider = led_on(folder)
    with open_writer(folder.database) as writer:
        record(writer, base, load, features)
        pin(writer, features, who="ann")

        planned = foresee(folder, Retention(age=0.0), grace=0.0, now=time.time() + 10)
        done = drop_all(folder, writer)
        drop_all(folder, writer)

        assert {fate.holding.digest for fate in done.plan.dropped} == {base.digest, load.digest}
        assert (planned.freed, done.freed) == (0, 0)
        assert is_right(LocalStore(folder), features, wider)
        writer.write(lambda connection: connection.execute("DELETE FROM pin"))
        last = drop_all(folder, writer)
    assert last.freed > len(A)
    assert [path for path in folder.blobs.rglob("*") if path.is_file()] == []


def test_a_quarantined_file_stays_while_something_recorded_needs_it(folder: StoreFolder) -> None:
    """What is left of a damaged file serves who refers to its whole parts, for as long as nothing else does."""
    store = LocalStore(folder)
    load, features = store.put(table(A, B)), store.put(table(A, C))
    flip_chunk(folder, load, 1)
    lose(folder, load)
    with open_writer(folder.database) as writer:
        record(writer, features)
        pin(writer, features, who="ann")
        drop_all(folder, writer, later=2 * KEPT_AGE)
        assert is_right(LocalStore(folder), features, table(A, C))

        mended = LocalStore(folder).verify(features)
        writer.restamp(mended)
        drop_all(folder, writer, later=2 * KEPT_AGE)
    assert list(folder.quarantine.iterdir()) == []
    with Reader(folder.database) as reader:
        found = find_artifact(reader, features.digest)
    assert found is not None
    assert is_right(LocalStore(folder), found, table(A, C))


def test_a_file_stays_that_one_in_quarantine_leads_on_to(folder: StoreFolder) -> None:
    """The file between a pinned table and a third one is damaged elsewhere: the third one stays with its content."""
    base, load, features, wider = led_on(folder)
    flip_chunk(folder, load, 1)
    lose(folder, load)
    with open_writer(folder.database) as writer:
        record(writer, base, features)
        pin(writer, features, who="ann")

        planned = foresee(folder, Retention(age=0.0), grace=0.0, now=time.time() + 10)
        done = drop_all(folder, writer)

        assert ([fate.holding.digest for fate in done.plan.dropped], done.freed) == ([base.digest], 0)
        assert planned.freed == 0
        assert is_right(LocalStore(folder), features, wider)
        put_away(folder, features)
        drop_all(folder, writer, later=2 * KEPT_AGE)
        assert mend(folder, features) is not None


def test_a_copy_stays_of_what_only_a_quarantined_file_holds(folder: StoreFolder) -> None:
    """A damaged part of a pinned table lies in another file too: that file stays until the table is mended."""
    base, copy = (LocalStore(folder).put(table(A, more)) for more in (B, C))
    flip_chunk(folder, base, 0)
    with open_writer(folder.database) as writer:
        record(writer, base, copy)
        pin(writer, base, who="ann")
        lose(folder, base)

        drop_all(folder, writer)

        mended = mend(folder, base)
        assert mended is not None
        writer.restamp(mended)
        assert drop_all(folder, writer).freed > len(A)
    assert is_right(LocalStore(folder), mended, table(A, B))


def test_on_a_full_disk_what_needs_no_record_goes_first(tmp_path: Path) -> None:
    """With a crashed run that cannot be marked, and no byte left, a collection still frees what nothing names."""
    mounted = tmp_path / "disk"
    mounted.mkdir()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            code = 0 if _frees_on_full_disk(mounted) else 2
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def _frees_on_full_disk(mounted: Path) -> bool:
    mount_small_disk(mounted, 4 << 20)
    folder = StoreFolder.create_or_open(mounted / ".flowkit")
    orphan = LocalStore(folder).put(table(noise(9, 500_000)))
    with open_writer(folder.database) as writer:
        record(writer, LocalStore(folder).put(table(C)))
    with sqlite3.connect(folder.database) as connection:
        connection.execute("UPDATE run SET ended = NULL, status = (SELECT id FROM word WHERE text = 'running')")
    connection.close()
    with LineageWriter(folder.database, present=folder.holds) as writer:
        with (mounted / "filler").open("wb", buffering=0) as filler:
            block = bytes(4096)
            try:
                while filler.write(block):
                    pass
            except OSError:
                pass
        collect(folder, writer, Retention(), who="test", now=time.time() + 2 * 86_400)
    return not folder.holds(orphan.files[0])
