"""What a process remembers is bounded, right, and spares the disk."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowkit.records import Stamp
from flowkit.store import LocalStore, Presence, StoreFolder
from flowkit.store.memory import LARGEST, KnownContent, RecentValues
from flowkit.store.packs import Location
from tests.store.values import is_right, noise, plain, table

STAMP = Stamp(1, 2, 3, 4)


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 60)), max_size=60), st.integers(1, 100))
def test_memory_never_exceeds_its_limit(adds: list[tuple[int, int]], limit: int) -> None:
    """The bytes held stay within the limit, and what is held is what was added first under its digest."""
    recent = RecentValues(limit)
    for key, size in adds:
        recent.add(f"{key}-{size}", bytes([key]) * size)

        assert recent.size <= limit
        held = recent.get(f"{key}-{size}")
        assert held == (bytes([key]) * size if size <= limit else None)
    assert recent.size == sum(len(recent.get(f"{key}-{size}") or b"") for key, size in set(adds))


def test_what_was_used_longest_ago_goes_first() -> None:
    """Reading counts as use."""
    recent = RecentValues(30)
    for name in "abc":
        recent.add(name, name.encode() * 10)
    recent.get("a")
    recent.add("d", b"d" * 10)

    assert [name for name in "abcd" if recent.get(name) is not None] == ["a", "c", "d"]


@pytest.mark.parametrize("kind", [bytes, bytearray, lambda content: memoryview(bytearray(content))])
def test_large_values_are_not_kept(kind: type) -> None:
    """Up to a limit a value is kept; beyond, its file is mapped, which takes no longer and no memory of the process."""
    recent = RecentValues(10 * LARGEST)
    recent.add("small", kind(bytes(LARGEST)))
    recent.add("large", kind(bytes(LARGEST + 1)))

    assert recent.get("small") == bytes(LARGEST)
    assert recent.get("large") is None
    assert recent.size == LARGEST


@pytest.mark.parametrize("encoded", [plain(noise(1, 9_000)), table(noise(2, 300_000), noise(3, 10))])
@pytest.mark.parametrize("writable", [False, True])
def test_a_consumer_in_the_same_process_needs_no_disk(folder: StoreFolder, encoded: object, writable: bool) -> None:
    """What was just put is read from memory, even where its file is gone meanwhile; a look still says so."""
    store = LocalStore(folder, memory_bytes=1 << 20)
    artifact = store.put(encoded)
    for file in artifact.files:
        folder.blob_path(file.name).unlink()

    assert is_right(store, artifact, encoded, writable=writable)
    assert store.check(artifact) is Presence.LOST


def test_what_was_read_from_a_small_file_is_remembered(folder: StoreFolder) -> None:
    """Two consumers of one small value in a process read its file once."""
    encoded = table(noise(1, 5_000))
    artifact = LocalStore(folder).put(encoded)
    store = LocalStore(folder, memory_bytes=1 << 20)
    assert is_right(store, artifact, encoded)
    folder.blob_path(artifact.files[0].name).unlink()

    assert is_right(store, artifact, encoded)


def test_a_writable_view_leaves_memory_as_it_is(folder: StoreFolder) -> None:
    """A step that changes its input in place changes it for itself alone, also where it came from memory."""
    store = LocalStore(folder, memory_bytes=1 << 20)
    encoded = table(noise(1, 5_000))
    artifact = store.put(encoded)
    store.open(artifact).chunk(encoded.chunks[0].digest, writable=True)[:10] = b"0123456789"

    assert is_right(store, artifact, encoded)


def test_a_value_beyond_the_memory_is_read_from_its_file(folder: StoreFolder) -> None:
    """A memory too small for a value changes nothing but where it is read from."""
    store = LocalStore(folder, memory_bytes=100)
    encoded = table(noise(1, 5_000), noise(2, 50))

    assert is_right(store, store.put(encoded), encoded)


def test_known_places_are_bounded() -> None:
    """The oldest places are forgotten: the cost is a hash or a column written again."""
    known = KnownContent(limit=10)
    known.add((f"{index}", Location("x", index, 1), STAMP) for index in range(100))

    assert len(known) == 10
    assert known.find("0") is None
    assert known.find("99") == (Location("x", 99, 1), STAMP, True)


def test_a_place_is_known_under_one_stamp_only() -> None:
    """What was right under one stamp is not trusted under another, nor at another offset."""
    known = KnownContent()
    known.add([("d", Location("x", 64, 5), STAMP)])

    assert known.confirms("d", Location("x", 64, 5), STAMP)
    assert not known.confirms("d", Location("x", 0, 5), STAMP)
    assert not known.confirms("d", Location("x", 64, 5), Stamp(1, 2, 3, 5))
    assert not known.confirms("e", Location("x", 64, 5), STAMP)
