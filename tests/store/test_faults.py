"""Every call that writes may fail or be the last one: nothing torn is ever visible, and the next put is whole."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from flowkit.codecs.base import Encoded
from flowkit.errors import StoreError
from flowkit.store import LocalStore, Presence, StoreFolder, files, packs
from flowkit.store.names import blob_name
from tests.store.faulty_system import FaultySystem, full_from, killed_at, once
from tests.store.values import assert_no_torn_blob, is_right, noise, plain, table, visible

FIRST = table(noise(1, 30_000), noise(2, 5_000))
WIDER = table(noise(1, 30_000), noise(2, 5_000), noise(3, 20_000))
PLAIN = plain(noise(4, 40_000))
PIECES = table((noise(5, 300), noise(6, 70_000)), noise(7, 3_000))
ALL = [FIRST, WIDER, PLAIN, PIECES]
PUT_ORDER = ["writev", "utime", "fsync", "chmod", "rename", "fsync"]


def put_all(folder: StoreFolder) -> None:
    store = LocalStore(folder)
    for encoded in ALL:
        store.put(encoded)


def count_points(folder: StoreFolder, monkeypatch: pytest.MonkeyPatch) -> int:
    """Return how many calls putting all values takes, and leave an empty store."""
    elsewhere = StoreFolder.create_or_open(folder.path.parent / "counted")
    system = FaultySystem()
    with monkeypatch.context() as patch:
        patch.setattr(files, "os", system)
        put_all(elsewhere)
    return len(system.calls)


def assert_healed(folder: StoreFolder) -> None:
    """All values can be put now and are right, also for a process that knows nothing of them."""
    store = LocalStore(StoreFolder.create_or_open(folder.path))
    artifacts = [(store.put(encoded), encoded) for encoded in ALL]
    fresh = LocalStore(StoreFolder.open(folder.path))
    assert all(fresh.check(artifact) is Presence.PRESENT for artifact, _ in artifacts)
    assert all(is_right(fresh, fresh.verify(artifact), encoded) for artifact, encoded in artifacts)
    assert len(visible(folder)) == len(ALL)
    assert list(folder.quarantine.iterdir()) == []


@pytest.mark.parametrize("encoded", [FIRST, PLAIN, PIECES], ids=["table", "plain", "pieces"])
def test_the_order_of_a_put(folder: StoreFolder, monkeypatch: pytest.MonkeyPatch, encoded: Encoded) -> None:
    """Write, fsync, chmod, rename, fsync of the folder: one fsync for the file, however many chunks it has."""
    (folder.blobs / encoded.digest[:2]).mkdir()
    system = FaultySystem()
    monkeypatch.setattr(files, "os", system)

    LocalStore(folder).put(encoded)

    assert system.calls == PUT_ORDER


def test_a_new_shards_name_is_durable_first(folder: StoreFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    """The folder that a blob lies in is itself synced into its parent before the blob is written."""
    system = FaultySystem()
    monkeypatch.setattr(files, "os", system)

    LocalStore(folder).put(PLAIN)

    assert system.calls == ["mkdir", "chmod", "fsync", "chmod", *PUT_ORDER]


def test_a_shard_whose_sync_failed_is_synced_by_whoever_comes_by(
    folder: StoreFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That it is there says nothing: its name is made durable before a blob in it counts, also by another process."""
    system = FaultySystem(once(2, errno.EIO))
    monkeypatch.setattr(files, "os", system)

    LocalStore(folder).put(PLAIN)

    assert system.calls == ["mkdir", "chmod", "fsync", "mkdir", "fsync", "chmod", *PUT_ORDER]
    assert (folder.blobs / PLAIN.digest[:2]).stat().st_mode & 0o7777 == 0o700


def test_a_blob_in_a_shard_that_may_vanish_is_not_taken_as_kept(
    folder: StoreFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a process that died left in a shard of its own counts once the shard's name is durable too."""
    LocalStore(folder).put(PLAIN)
    (folder.blobs / PLAIN.digest[:2]).chmod(files.UNSETTLED_FOLDER)
    system = FaultySystem()
    monkeypatch.setattr(files, "os", system)

    LocalStore(folder).put(PLAIN)

    assert system.calls == ["mkdir", "fsync", "chmod", "fsync"]


def test_a_new_stores_name_is_durable_before_it_counts_as_complete(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where that sync fails, the next start does it again, for there is no mark yet."""
    first, again = FaultySystem(), FaultySystem()
    monkeypatch.setattr(files, "os", first)
    first._fault = lambda index, name: once(index, errno.EIO)(index, name) if name == "fsync" else None
    with pytest.raises(StoreError, match="cannot be made"):
        StoreFolder.create_or_open(tmp_path / "store")
    monkeypatch.setattr(files, "os", again)

    StoreFolder.create_or_open(tmp_path / "store")

    assert again.calls.index("fsync") < again.calls.index("writev")


def test_one_io_error_anywhere_costs_nothing(folder: StoreFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whichever call fails once: the file is written anew, the put succeeds, and all is right."""
    points = count_points(folder, monkeypatch)
    for point in range(points):
        place = StoreFolder.create_or_open(folder.path.parent / f"eio-{point}")
        with monkeypatch.context() as patch:
            patch.setattr(files, "os", FaultySystem(once(point, errno.EIO)))
            put_all(place)
        assert assert_no_torn_blob(place, ALL) == len(ALL)
        assert list(place.temporary.iterdir()) == []
        assert_healed(place)


def test_a_file_whose_fsync_failed_is_never_synced_again(folder: StoreFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a failed fsync the file is discarded and written anew; what stands there is the second one."""
    (folder.blobs / PLAIN.digest[:2]).mkdir()
    system = FaultySystem(once(PUT_ORDER.index("fsync"), errno.EIO))
    monkeypatch.setattr(files, "os", system)

    LocalStore(folder).put(PLAIN)

    assert system.calls == ["writev", "utime", "fsync", "unlink", *PUT_ORDER]


def test_a_name_whose_fsync_failed_is_withdrawn(folder: StoreFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file whose name may not survive is taken away and put there anew, not believed because it is visible."""
    (folder.blobs / PLAIN.digest[:2]).mkdir()
    system = FaultySystem(once(len(PUT_ORDER) - 1, errno.EIO))
    monkeypatch.setattr(files, "os", system)

    LocalStore(folder).put(PLAIN)

    assert system.calls == [*PUT_ORDER, "unlink", *PUT_ORDER]


def test_a_file_replaced_right_after_its_rename_is_not_stamped(
    folder: StoreFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stamp is recorded only of the very file that was written, not of one that took its place meanwhile."""
    (folder.blobs / PLAIN.digest[:2]).mkdir()
    target = folder.blob_path(blob_name(PLAIN.digest, PLAIN.suffix))
    intruder = folder.temporary / "intruder"
    intruder.write_bytes(bytes(len(PLAIN.payload)))

    def fault(index: int, name: str) -> None:
        if index == len(PUT_ORDER) - 1:
            os.replace(intruder, target)

    monkeypatch.setattr(files, "os", FaultySystem(fault))
    artifact = LocalStore(folder).put(PLAIN)

    assert is_right(LocalStore(folder), artifact, PLAIN)
    assert LocalStore(folder).check(artifact) is Presence.PRESENT


@pytest.mark.parametrize("number", [errno.EIO, errno.EROFS, errno.EDQUOT], ids=errno.errorcode.get)
def test_a_disk_that_fails_for_good_is_told(folder: StoreFolder, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """A second failure gives the store's error with the path and exit code 4; nothing is visible."""

    def fault(index: int, name: str) -> None:
        if name == "fsync":
            raise OSError(number, os.strerror(number))

    monkeypatch.setattr(files, "os", FaultySystem(fault))

    with pytest.raises(StoreError, match="cannot keep a value") as caught:
        LocalStore(folder).put(PLAIN)

    assert caught.value.exit_code == 4
    assert str(folder.blobs) in str(caught.value)
    assert visible(folder) == []
    assert list(folder.temporary.iterdir()) == []


def test_a_full_disk_keeps_nothing_half(folder: StoreFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    """Full from any call on: the error says so, what is visible is whole, and with space again all is put."""
    points = count_points(folder, monkeypatch)
    for point in range(points):
        place = StoreFolder.create_or_open(folder.path.parent / f"full-{point}")
        with monkeypatch.context() as patch:
            patch.setattr(files, "os", FaultySystem(full_from(point)))
            with pytest.raises(StoreError, match="no space is left") as caught:
                put_all(place)
        assert caught.value.exit_code == 4
        assert_no_torn_blob(place, ALL)
        assert list(place.temporary.iterdir()) == []
        assert_healed(place)


@pytest.mark.parametrize("fault", [killed_at], ids=["torn write and kill"])
def test_a_process_that_dies_at_any_call_tears_nothing(
    folder: StoreFolder, monkeypatch: pytest.MonkeyPatch, fault: Callable[[int], Callable[[int, str], bool]]
) -> None:
    """Whichever call is the last one, a write torn: what is visible is whole, and the next process puts the rest."""
    points = count_points(folder, monkeypatch)
    for point in range(points):
        place = StoreFolder.create_or_open(folder.path.parent / f"killed-{point}")
        child = os.fork()
        if not child:
            try:
                files.os = FaultySystem(fault(point))
                put_all(place)
            finally:
                os._exit(1)
        _, status = os.waitpid(child, 0)
        assert os.waitstatus_to_exitcode(status) == 99
        assert_no_torn_blob(place, ALL)
        assert_healed(place)


def test_a_store_is_made_whole_after_any_fault(folder: StoreFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    """Making the folder may fail at any call: the error is the store's, and the next start completes it."""
    for point in range(40):
        path = folder.path.parent / f"made-{point}"
        system = FaultySystem(once(point, errno.EIO))
        with monkeypatch.context() as patch:
            patch.setattr(files, "os", system)
            told = _refusal(path)
        if told is None:
            assert len(system.calls) <= point
            break
        assert "cannot be made" in told
        assert_healed(StoreFolder.create_or_open(path))
        assert (path / ".gitignore").read_text() == "*\n"
    else:
        pytest.fail("the folder was never made without a fault")


def _refusal(path: Path) -> str | None:
    try:
        StoreFolder.create_or_open(path)
    except StoreError as error:
        return str(error)
    return None


def test_a_store_that_is_there_is_not_said_to_be_made(folder: StoreFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a file system that is read-only now the store is there; what cannot be done is to write to it."""
    shutil.rmtree(folder.temporary)
    with monkeypatch.context() as patch:
        patch.setattr(files, "os", FaultySystem(once(0, errno.EROFS)))
        told = _refusal(folder.path)
    assert told is not None
    assert "The store cannot be written to: its file system is read-only." in told


@pytest.mark.parametrize("fails", [1, 2])
def test_a_file_that_cannot_be_proven_is_written_anew(
    folder: StoreFolder, monkeypatch: pytest.MonkeyPatch, fails: int
) -> None:
    """Where the disk does not give back what it was given, all is written once more; after that it is an error."""
    tried: list[int] = []

    def read(descriptor: int, buffers: list[memoryview], offset: int) -> int:
        tried.append(offset)
        if len(tried) <= fails:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return os.preadv(descriptor, buffers, offset)

    system = type("System", (), {"preadv": staticmethod(read)})
    monkeypatch.setattr(packs, "os", system)
    store = LocalStore(folder)

    if fails == 1:
        assert is_right(LocalStore(folder), store.put(PIECES), PIECES)
    else:
        with pytest.raises(StoreError, match="keep a value"):
            store.put(PIECES)
        assert visible(folder) == []
    assert list(folder.temporary.iterdir()) == []
    assert len(tried) == 2
