"""What is there already is not written again, and may lie in another file than before."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from flowkit.codecs.base import Encoded
from flowkit.errors import LostArtifactError
from flowkit.records import Artifact
from flowkit.store import LocalStore, Presence, StoreFolder, files
from flowkit.store.packs import plan_file, read_layout
from flowkit.store.salvage import Source
from tests.store.faulty_system import FaultySystem
from tests.store.values import is_right, noise, plain, table, visible

MEGABYTE = 1 << 20
COLUMNS = [noise(seed, MEGABYTE // 4) for seed in range(8)]


@pytest.fixture
def system(monkeypatch: pytest.MonkeyPatch) -> FaultySystem:
    """Counts the bytes written to files of the store."""
    counting = FaultySystem()
    monkeypatch.setattr(files, "os", counting)
    return counting


@pytest.mark.parametrize(
    "encoded", [plain(noise(1, 200_000)), table(*COLUMNS), table(b"")], ids=["plain", "table", "0"]
)
@pytest.mark.parametrize("fresh", [False, True], ids=["same process", "fresh process"])
def test_a_repeated_put_writes_nothing(
    folder: StoreFolder, system: FaultySystem, encoded: Encoded, fresh: bool
) -> None:
    """The same value put again gives the same record and writes 0 bytes, also where nothing is known of it yet."""
    store = LocalStore(folder)
    first = store.put(encoded)
    system.written, system.calls = 0, []

    again = (LocalStore(folder) if fresh else store).put(encoded)

    assert again == first
    assert system.written == 0
    assert set(system.calls) == {"fsync"}  # of the folder: its writer may have died before the name was durable


def test_a_column_more_writes_one_column(folder: StoreFolder, system: FaultySystem) -> None:
    """A table with a column added refers to the columns that are there and writes the new one."""
    store = LocalStore(folder)
    store.put(table(*COLUMNS))
    system.written = 0

    wider = table(*COLUMNS, noise(99, MEGABYTE // 4))
    artifact = store.put(wider)

    assert system.written < MEGABYTE // 4 + 4_096
    assert len(artifact.files) == 2
    assert is_right(LocalStore(folder), artifact, wider)


def test_a_chain_of_steps_writes_every_column_once(folder: StoreFolder, system: FaultySystem) -> None:
    """Ten steps that add a column each write ten columns in all, and each value names every file that it needs."""
    store = LocalStore(folder)
    artifacts = []
    columns: list[bytes] = []
    for seed in range(10):
        columns.append(noise(seed, 100_000))
        artifacts.append((store.put(table(*columns)), table(*columns)))

    assert system.written < 10 * 100_000 * 1.1
    assert [len(artifact.files) for artifact, _ in artifacts] == list(range(1, 11))
    assert all(artifact.files[0].name.startswith(artifact.digest[:2]) for artifact, _ in artifacts)
    assert all(is_right(LocalStore(folder), artifact, encoded) for artifact, encoded in artifacts)


def test_what_was_opened_is_referred_to(folder: StoreFolder, system: FaultySystem) -> None:
    """A consumer in another process that adds a column to its input writes one column too."""
    artifact = LocalStore(folder).put(table(*COLUMNS))
    consumer = LocalStore(folder)
    consumer.open(artifact)
    system.written = 0

    consumer.put(table(*COLUMNS, b"new"))

    assert system.written < 4_096


def test_the_same_column_twice_is_written_once(folder: StoreFolder, system: FaultySystem) -> None:
    """Equal columns of one table are one segment."""
    LocalStore(folder).put(table(COLUMNS[0], COLUMNS[0], COLUMNS[0]))

    assert system.written < MEGABYTE // 4 + 4_096


def test_a_file_that_changed_is_not_referred_to(folder: StoreFolder) -> None:
    """A put never relies on a file that is not as it was when last known to be right: it writes the column again."""
    store = LocalStore(folder)
    first = store.put(table(*COLUMNS))
    path = folder.blob_path(first.files[0].name)
    path.chmod(0o600)
    path.write_bytes(bytes(path.stat().st_size))

    wider = table(*COLUMNS, b"new")
    artifact = store.put(wider)

    assert len(artifact.files) == 1
    assert is_right(LocalStore(folder), artifact, wider)


@pytest.mark.parametrize("encoded", [plain(noise(1, 200_000)), table(*COLUMNS)], ids=["plain", "table"])
@pytest.mark.parametrize("fresh", [False, True], ids=["same process", "fresh process"])
def test_a_damaged_file_never_counts_as_there(folder: StoreFolder, encoded: Encoded, fresh: bool) -> None:
    """A put does not vouch for a damaged file with a good footer: it is quarantined and written anew."""
    store = LocalStore(folder)
    path = folder.blob_path(store.put(encoded).files[0].name)
    path.chmod(0o600)
    with path.open("r+b") as file:
        file.seek(1_000)
        file.write(b"damage")

    healed = (LocalStore(folder) if fresh else store).put(encoded)

    assert is_right(LocalStore(folder), healed, encoded)
    assert LocalStore(folder).check(healed) is Presence.PRESENT
    assert len(list(folder.quarantine.iterdir())) == 1


def test_a_put_heals_a_value_whose_other_file_is_gone(folder: StoreFolder) -> None:
    """A value's own file is not enough: where a file that it refers to is gone, it is written again whole."""
    store = LocalStore(folder)
    first = store.put(table(*COLUMNS))
    wider = table(*COLUMNS, b"new")
    second = store.put(wider)
    folder.blob_path(first.files[0].name).unlink()
    assert store.check(second) is Presence.LOST
    with pytest.raises(LostArtifactError, match="is gone"):
        is_right(store, second, wider)

    healed = store.put(wider)

    assert len(healed.files) == 1
    assert store.check(healed) is Presence.PRESENT
    assert is_right(LocalStore(folder), healed, wider)
    assert list(folder.quarantine.iterdir()) == []


def _moved_apart(folder: StoreFolder) -> tuple[Artifact, Encoded]:
    """A value that refers to a file which was written anew meanwhile: of its two columns there one lies as before, the
    other one in a third file, and other bytes stand where it was.
    """
    base = table(COLUMNS[0], COLUMNS[1], header=noise(50, MEGABYTE))
    wider = table(COLUMNS[0], COLUMNS[1], COLUMNS[2])
    store = LocalStore(folder)
    first = store.put(base)
    artifact = store.put(wider)
    assert artifact.files[1:] == first.files
    folder.blob_path(first.files[0].name).unlink()
    other = LocalStore(folder)
    other.put(table(COLUMNS[1], COLUMNS[3]))
    assert len(other.put(base).files) == 2
    return artifact, wider


def test_a_reference_is_followed_to_where_the_column_lies_now(folder: StoreFolder) -> None:
    """A file written anew with another layout loses nobody's columns: its own table says where they are."""
    artifact, wider = _moved_apart(folder)

    assert LocalStore(folder).check(artifact) is Presence.CHANGED
    assert is_right(LocalStore(folder), artifact, wider)
    assert list(folder.quarantine.iterdir()) == []


@pytest.mark.parametrize("again", ["verify", "put"])
def test_a_record_never_vouches_for_a_reference_that_had_to_be_followed(folder: StoreFolder, again: str) -> None:
    """The value's own file is written with the right references before its stamps count as verified."""
    artifact, wider = _moved_apart(folder)
    store = LocalStore(folder)

    fresh = store.verify(artifact) if again == "verify" else store.put(wider)

    assert LocalStore(folder).check(fresh) is Presence.PRESENT
    assert is_right(LocalStore(folder), fresh, wider)
    assert is_right(store, fresh, wider)
    assert os.path.getsize(folder.blob_path(fresh.files[0].name)) < MEGABYTE
    assert LocalStore(folder).verify(fresh) == fresh


def test_a_reference_that_leads_nowhere_moves_no_file_away(folder: StoreFolder) -> None:
    """Where the other file is one of several parts and has not got this one, neither is known to be damaged: the value
    that refers to it is lost, and a put makes it anew; what stands under a wrong name is found by its own readers.
    """
    store = LocalStore(folder)
    base = store.put(table(COLUMNS[0], COLUMNS[1]))
    wider = table(COLUMNS[0], COLUMNS[2])
    artifact = store.put(wider)
    other = LocalStore(folder).put(table(COLUMNS[3], COLUMNS[4]))
    base_path, other_path, path = (folder.blob_path(item.files[0].name) for item in (base, other, artifact))
    base_path.unlink()
    base_path.write_bytes(other_path.read_bytes())

    with pytest.raises(LostArtifactError, match="a part of it is no longer in") as caught:
        is_right(LocalStore(folder), artifact, wider)

    assert caught.value.digest == artifact.digest
    assert base.files[0].name in str(caught.value)
    assert base_path.exists()
    assert path.exists()
    healed = LocalStore(folder).put(table(COLUMNS[0], COLUMNS[1]))
    assert len(list(folder.quarantine.iterdir())) == 1
    assert is_right(LocalStore(folder), healed, table(COLUMNS[0], COLUMNS[1]))
    assert is_right(LocalStore(folder), artifact, wider)


def test_a_value_that_leads_nowhere_is_written_anew(folder: StoreFolder) -> None:
    """A put of the value itself heals it too, although its own file is whole and in its place."""
    store = LocalStore(folder)
    base = store.put(table(COLUMNS[0], COLUMNS[1]))
    wider = table(COLUMNS[0], COLUMNS[2])
    store.put(wider)
    other = LocalStore(folder).put(table(COLUMNS[3], COLUMNS[4]))
    base_path, other_path = (folder.blob_path(item.files[0].name) for item in (base, other))
    base_path.unlink()
    base_path.write_bytes(other_path.read_bytes())

    healed = store.put(wider)

    assert len(healed.files) == 1
    assert LocalStore(folder).check(healed) is Presence.PRESENT
    assert is_right(LocalStore(folder), healed, wider)


def test_a_file_that_lost_its_first_page_is_to_blame_itself(folder: StoreFolder) -> None:
    """It no longer looks like a file of several parts. Whoever looks for one of them moves it away, not the whole file
    that refers to it; what is whole of it serves others from quarantine, and once it is made again all are whole.
    """
    store = LocalStore(folder)
    base = table(COLUMNS[0], COLUMNS[1])
    first, of_first, of_second = base, table(COLUMNS[0], COLUMNS[2]), table(COLUMNS[1], COLUMNS[2])
    made, artifact, other = (store.put(value) for value in (first, of_first, of_second))
    path = folder.blob_path(made.files[0].name)
    path.chmod(0o600)
    with path.open("r+b") as file:
        file.write(bytes(4_096))

    with pytest.raises(LostArtifactError, match="begin") as caught:
        is_right(LocalStore(folder), artifact, of_first)

    assert dict(caught.value.facts)["file"] == f"blobs/{made.files[0].name}"
    assert [kept.name.partition(".")[0] for kept in folder.quarantine.iterdir()] == [made.digest]
    assert folder.blob_path(artifact.files[0].name).exists()
    assert is_right(LocalStore(folder), other, of_second)
    mended = LocalStore(folder).salvage(other, Source(folder))
    assert mended is not None
    assert is_right(LocalStore(folder), mended, of_second)
    LocalStore(folder).put(base)
    assert is_right(LocalStore(folder), artifact, of_first)


def test_a_record_vouches_for_no_table_but_its_own(folder: StoreFolder) -> None:
    """Where the value's own file is another one than recorded, what its table says of other files is hashed too."""
    store = LocalStore(folder)
    first = store.put(table(COLUMNS[0], COLUMNS[1]))
    wider = table(COLUMNS[0], COLUMNS[2])
    artifact = store.put(wider)
    base, own = first.files[0].name, artifact.files[0].name
    there = read_layout(base, memoryview(folder.blob_path(base).read_bytes())).chunks
    astray = {wider.chunks[0].digest: there[table(COLUMNS[1]).chunks[0].digest]}
    folder.blob_path(own).unlink()
    folder.blob_path(own).write_bytes(b"".join(plan_file(own, wider, astray).parts()))

    assert LocalStore(folder).check(artifact) is Presence.CHANGED
    assert is_right(LocalStore(folder), artifact, wider)


def test_a_large_payload_is_found_whatever_made_it(folder: StoreFolder, tmp_path: Path) -> None:
    """A column streamed from a file is referred to by a table that has it in memory, and the other way round."""
    store = LocalStore(folder)
    path = tmp_path / "column.bin"
    path.write_bytes(COLUMNS[0])
    store.put(table(path))

    artifact = store.put(table(COLUMNS[0], b"more"))

    assert len(artifact.files) == 2
    assert os.path.getsize(folder.blob_path(artifact.files[0].name)) < 4_096
    assert len(visible(folder)) == 2
