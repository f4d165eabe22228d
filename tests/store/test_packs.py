"""The container's layout: what is planned is what is read back, and nothing else passes for a container."""

from __future__ import annotations

import pytest
from blake3 import blake3
from hypothesis import given
from hypothesis import strategies as st

from flowkit.codecs.base import digest_chunk
from flowkit.store.names import blob_name
from flowkit.store.packs import ALIGNMENT, DamagedFileError, Location, is_container, plan_file, read_layout
from tests.store.values import plain, table

NAME = blob_name("ab" * 32, ".table")
OTHER = blob_name("cd" * 32, ".table")


@given(
    payload=st.binary(max_size=200), chunks=st.lists(st.binary(max_size=200), min_size=1, max_size=10), split=st.data()
)
def test_a_planned_layout_is_read_back(payload: bytes, chunks: list[bytes], split: st.DataObject) -> None:
    """Every chunk is found where the plan put it, aligned, its bytes in this file or referred to in another."""
    encoded = table(*chunks, header=payload)
    elsewhere = {
        chunk.digest: Location(OTHER, 64 * index, chunk.size)
        for index, chunk in enumerate(encoded.chunks)
        if split.draw(st.booleans())
    }

    plan = plan_file(NAME, encoded, elsewhere)
    content = memoryview(b"".join(plan.parts()))
    layout = read_layout(NAME, content)

    assert layout == plan.layout
    assert _bytes(content, layout.payload) == encoded.payload
    for chunk in encoded.chunks:
        location = layout.chunks[chunk.digest]
        if chunk.digest in elsewhere:
            assert location == elsewhere[chunk.digest]
        else:
            assert location.name == NAME
            assert location.offset % ALIGNMENT == 0
            assert _bytes(content, location) == chunk.content


def test_equal_values_give_equal_files() -> None:
    """With the same chunks known elsewhere the file's bytes are the same: nothing of time or host is in them."""
    encoded = table(b"one", b"two")

    assert b"".join(plan_file(NAME, encoded, {}).parts()) == b"".join(plan_file(NAME, encoded, {}).parts())


def test_a_reference_of_another_length_is_not_taken() -> None:
    """Digest and size must both fit, or the chunk is written."""
    encoded = table(b"one")
    known = {encoded.chunks[0].digest: Location(OTHER, 64, 4)}

    assert plan_file(NAME, encoded, known).own == encoded.chunks


def test_a_simple_payload_is_the_file_itself() -> None:
    """A format without chunks can be read with any tool: the file is the payload."""
    encoded = plain(b"x" * 5_000)

    plan = plan_file(NAME, encoded, {})

    assert b"".join(plan.parts()) == encoded.payload
    assert not is_container(memoryview(b"".join(plan.parts())))


@pytest.mark.parametrize("cut", range(16, 400, 7))
def test_a_container_that_was_cut_is_told(cut: int) -> None:
    """A container that ends early is damaged, wherever it was cut."""
    content = b"".join(plan_file(NAME, table(b"x" * 100, b"y" * 100), {}).parts())
    assert len(content) > 400

    with pytest.raises(DamagedFileError):
        read_layout(NAME, memoryview(content[:cut]))


@given(st.binary(max_size=300))
def test_no_garbage_passes_for_a_container(garbage: bytes) -> None:
    """Whatever follows the magic, it is a damaged container, never a crash."""
    content = b"".join(plan_file(NAME, table(b"x"), {}).parts())

    with pytest.raises(DamagedFileError):
        read_layout(NAME, memoryview(content[:16] + garbage))


def test_a_table_that_names_a_path_is_refused() -> None:
    """A forged table with a good hash still cannot name a file outside the store."""
    encoded = table(b"x" * 10)
    forged = {encoded.chunks[0].digest: Location("../../etc/passwd", 0, 10)}
    content = b"".join(plan_file(NAME, encoded, forged).parts())

    with pytest.raises(DamagedFileError, match="table in its file cannot be read"):
        read_layout(NAME, memoryview(content))


@pytest.mark.parametrize("keep", [0, 3, 5, 40])
def test_a_forged_short_table_is_refused(keep: int) -> None:
    """A table that ends early under a good hash is damaged, not an index out of range."""
    content = b"".join(plan_file(NAME, table(b"x" * 10), {}).parts())
    layout = read_layout(NAME, memoryview(content))
    start = layout.payload.offset + layout.payload.length
    numbers = (layout.payload.offset, layout.payload.length, start, keep, start + keep + 88)
    packed = b"".join(number.to_bytes(8, "little") for number in numbers)
    short = content[start : start + keep]
    forged = content[:start] + short + packed + blake3(short + packed).digest() + content[-16:]

    with pytest.raises(DamagedFileError, match="table in its file cannot be read"):
        read_layout(NAME, memoryview(forged))


def test_chunks_are_known_by_plain_digests() -> None:
    """What the table names is the digest of the bytes that lie there."""
    content = memoryview(b"".join(plan_file(NAME, table(b"abc", b"def"), {}).parts()))

    for digest, location in read_layout(NAME, content).chunks.items():
        assert digest_chunk(_bytes(content, location)) == digest


def _bytes(content: memoryview, location: Location) -> bytes:
    return bytes(content[location.offset : location.offset + location.length])
