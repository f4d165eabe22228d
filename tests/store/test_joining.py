"""Tables of many chunks: not copied when they are put, nor when they are read, and never other than was hashed."""

from __future__ import annotations

import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from msgspec.structs import replace

from flowkit.codecs.base import Encoded, Part, digest_chunk
from flowkit.codecs.registry import CodecRegistry
from flowkit.codecs.tables_canonical import CHUNK_ROWS
from flowkit.codecs.tables_chunks import TableWriter
from flowkit.errors import CodecError, LostArtifactError
from flowkit.records import Artifact
from flowkit.store import LocalStore, StoreFolder, joining
from flowkit.store.packs import PAGES
from tests.store.values import NEVER, visible

CODECS = CodecRegistry()
ROWS = {"the last chunk short": 2 * CHUNK_ROWS + 1000, "whole chunks": 2 * CHUNK_ROWS}
LINUX = sys.platform == "linux"


def table_of(rows: int, seed: int = 0) -> pd.DataFrame:
    numbers = np.random.default_rng(seed)
    return pd.DataFrame({"a": numbers.integers(0, 100, rows, np.int8), "b": numbers.integers(0, 9, rows, np.int16)})


def put(store: LocalStore, table: pd.DataFrame) -> Artifact:
    return store.put(CODECS.encode(table, pd.DataFrame))


def read(folder: StoreFolder, artifact: Artifact) -> pd.DataFrame:
    """Read as a process that has never seen it."""
    frame = CODECS.decode(LocalStore(StoreFolder.open(folder.path)).open(artifact), pd.DataFrame, Path())
    assert isinstance(frame, pd.DataFrame)
    return frame


def damage(path: Path, table: pd.DataFrame, number: int) -> None:
    """Change bytes of a chunk of column `a` in its file."""
    content = bytearray(path.read_bytes())
    place = content.index(bytes(table["a"].to_numpy()[number * CHUNK_ROWS :][:1000]))
    content[place : place + 500] = bytes(byte ^ 1 for byte in content[place : place + 500])
    path.chmod(0o600)
    path.write_bytes(content)


def is_mapped(values: np.ndarray, folder: StoreFolder) -> bool:
    """Whether the middle of an array lies in a map of a blob."""
    address = values.ctypes.data + values.nbytes // 2
    for line in Path("/proc/self/maps").read_text().splitlines():
        start, end = (int(number, 16) for number in line.split()[0].split("-"))
        if start <= address < end:
            return str(folder.blobs) in line
    return False


@pytest.mark.parametrize(
    "rows",
    [
        pytest.param(ROWS["the last chunk short"], id="the last chunk short"),
        pytest.param(ROWS["whole chunks"], id="whole chunks", marks=pytest.mark.slow),
    ],
)
def test_a_column_of_many_chunks_is_mapped(folder: StoreFolder, rows: int) -> None:
    """It is the array that was put, and lies in the files themselves."""
    table = table_of(rows)

    frame = read(folder, put(LocalStore(folder), table))

    pd.testing.assert_frame_equal(frame, table)
    assert not LINUX or all(is_mapped(frame[name].to_numpy(), folder) for name in frame)


@pytest.mark.slow
def test_a_column_may_lie_in_several_files(folder: StoreFolder) -> None:
    """A table that grew refers to its first chunks; they are mapped from where they lie."""
    store, table = LocalStore(folder), table_of(3 * CHUNK_ROWS)
    put(store, table.iloc[: 2 * CHUNK_ROWS])
    artifact = put(store, table)

    frame = read(folder, artifact)

    assert len(artifact.files) == 2
    pd.testing.assert_frame_equal(frame, table)
    assert not LINUX or is_mapped(frame["a"].to_numpy(), folder)


def test_what_is_written_there_reaches_nobody(folder: StoreFolder) -> None:
    """A frame over mapped chunks is its consumer's own: not the store's, and not another consumer's."""
    table = table_of(ROWS["whole chunks"])
    artifact = put(LocalStore(folder), table)
    first, second = read(folder, artifact), read(folder, artifact)

    first.iloc[:, 0] = np.int8(-1)
    first.iloc[CHUNK_ROWS:, 1] = np.int16(-1)

    pd.testing.assert_frame_equal(second, table)
    pd.testing.assert_frame_equal(read(folder, artifact), table)
    assert LocalStore(folder).verify(artifact).digest == artifact.digest


@pytest.mark.slow
def test_a_frame_stays_when_its_file_goes(folder: StoreFolder) -> None:
    """What was mapped does not depend on the file's name, nor on the objects that gave it."""
    table = table_of(ROWS["the last chunk short"])
    artifact = put(LocalStore(folder), table)
    frame = read(folder, artifact)

    folder.blob_path(artifact.files[0].name).unlink()

    pd.testing.assert_frame_equal(frame, table)


@pytest.mark.slow
def test_chunks_that_cannot_be_mapped_side_by_side_are_copied(
    folder: StoreFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files of before, whose values begin at no page, and a process with too many maps: the same frame."""
    table = table_of(ROWS["the last chunk short"])
    encoded = CODECS.encode(table, pd.DataFrame)
    before = replace(encoded, chunks=tuple(replace(chunk, lead=0) for chunk in encoded.chunks))
    older = StoreFolder.create_or_open(folder.path.parent / "older")
    artifact = LocalStore(older).put(before)

    pd.testing.assert_frame_equal(read(older, artifact), table)
    artifact = put(LocalStore(folder), table)
    monkeypatch.setattr(joining, "MOST_MAPS", 0)
    frame = read(folder, artifact)
    pd.testing.assert_frame_equal(frame, table)
    assert not LINUX or not is_mapped(frame["a"].to_numpy(), folder)


@pytest.mark.slow
def test_a_file_that_took_the_place_of_the_verified_one_is_not_mapped(folder: StoreFolder) -> None:
    """Only the very file that was hashed is mapped; where its name leads elsewhere by now, its bytes are copied."""
    table = table_of(ROWS["whole chunks"])
    encoded = CODECS.encode(table, pd.DataFrame)
    artifact = LocalStore(folder).put(encoded)
    stored = LocalStore(folder).open(artifact)
    column = [chunk for chunk in encoded.chunks if chunk.size < 2 * CHUNK_ROWS]
    parts = [Part(chunk.digest, chunk.lead, CHUNK_ROWS) for chunk in column]
    stored.prepare([chunk.digest for chunk in column])
    path = folder.blob_path(artifact.files[0].name)
    other = path.with_name("other")
    other.write_bytes(bytes(path.stat().st_size))
    os.rename(other, path)

    joined = stored.join(parts)

    assert joined is None
    assert digest_chunk(stored.chunk(column[0].digest)) == column[0].digest


@pytest.mark.parametrize("number", [*(pytest.param(n, marks=pytest.mark.slow) for n in (0, 2)), 1])
def test_a_damaged_chunk_is_noticed_before_it_is_given(folder: StoreFolder, number: int) -> None:
    """Also one among many that are verified side by side: the file goes to quarantine, and nothing is handed out."""
    table = table_of(ROWS["the last chunk short"])[["a"]]
    encoded = CODECS.encode(table, pd.DataFrame)
    artifact = LocalStore(folder).put(encoded)
    damage(folder.blob_path(artifact.files[0].name), table, number)

    with pytest.raises(LostArtifactError):
        read(folder, artifact)
    assert visible(folder) == []
    assert len(list(folder.quarantine.iterdir())) == 1


@pytest.mark.parametrize("order", [(0, 2), pytest.param((2, 0), marks=pytest.mark.slow)])
def test_a_file_and_the_one_that_was_put_aside_under_its_name_are_not_taken_for_each_other(
    folder: StoreFolder, order: tuple[int, int]
) -> None:
    """A column is rescued chunk by chunk from both, each damaged elsewhere: every chunk from where it is whole."""
    first = table_of(3 * CHUNK_ROWS)[["a"]]
    both = first.assign(b=np.arange(len(first)).astype(np.int8))
    store = LocalStore(folder)
    lone, grown = put(store, first), put(store, both)
    path = folder.blob_path(lone.files[0].name)
    damage(path, first, order[0])
    with pytest.raises(LostArtifactError):
        read(folder, lone)
    put(LocalStore(folder), first)
    damage(path, first, order[1])

    frame = read(folder, grown)

    pd.testing.assert_frame_equal(frame, both)
    assert list(folder.quarantine.iterdir())


@pytest.mark.slow
def test_threads_get_tables_side_by_side(folder: StoreFolder) -> None:
    """Each is given its own, and the count of what is mapped is kept by all of them."""
    table = pd.DataFrame({f"c{number}": np.arange(CHUNK_ROWS + 5).astype(np.int8) for number in range(40)})
    artifact = put(LocalStore(folder), table)
    kept = [read(folder, artifact) for _ in range(50)]
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-4)
    try:
        with ThreadPoolExecutor(4) as pool:
            found = list(pool.map(lambda _: read(folder, artifact)["c39"].iloc[-1], range(60)))
    finally:
        sys.setswitchinterval(interval)

    assert found == [kept[0]["c39"].iloc[-1]] * 60


def test_large_columns_are_not_copied_to_be_put() -> None:
    """What is hashed and written is the frame's own memory, and the values of a large chunk begin at a page."""
    table = table_of(CHUNK_ROWS)[["a"]]

    (chunk,) = CODECS.encode(table, pd.DataFrame).chunks

    assert isinstance(chunk.content, tuple)
    assert any(np.shares_memory(np.frombuffer(piece, np.uint8), table["a"].to_numpy()) for piece in chunk.content)
    assert b"".join(chunk.content)[chunk.lead :][:CHUNK_ROWS] == table["a"].to_numpy().tobytes()


@pytest.mark.slow
def test_values_begin_at_pages(folder: StoreFolder) -> None:
    """In the file the values of large chunks begin at a multiple of 64 KB, whatever stands before them."""
    table = table_of(ROWS["the last chunk short"])
    encoded = CODECS.encode(table, pd.DataFrame)
    artifact = LocalStore(folder).put(encoded)
    content = folder.blob_path(artifact.files[0].name).read_bytes()

    large = [chunk for chunk in encoded.chunks if chunk.size >= CHUNK_ROWS]

    assert len(large) == 4
    for chunk in large:
        assert isinstance(chunk.content, tuple)
        assert content.index(bytes(chunk.content[1][:1000])) % PAGES == 0


def test_a_small_value_that_changes_while_it_is_encoded_is_refused() -> None:
    """Its columns are hashed where they lie and copied together later: what is copied must be what was hashed."""
    values = np.arange(60_000)
    writer = TableWriter()
    for column in (values, values + 1):
        writer.write(pa.array(column))
    values[100] += 1

    with pytest.raises(CodecError, match="changed while it was stored"):
        writer.finish()


@pytest.mark.parametrize("changed", [pytest.param("first", marks=pytest.mark.slow), "last"])
def test_a_value_that_changes_while_it_is_stored_is_refused(folder: StoreFolder, changed: str) -> None:
    """A thread that a step left behind writes on: what lies in the file is not what was hashed, and does not count."""
    values = np.repeat(np.array([1, 2], np.int8), CHUNK_ROWS)
    table = pd.DataFrame({"a": values}, copy=False)
    encoded: Encoded = CODECS.encode(table, pd.DataFrame)
    values[0 if changed == "first" else -1] += 1

    with pytest.raises(CodecError, match="changed while it was stored"):
        LocalStore(folder).put(encoded)
    assert visible(folder) == []
    assert list(folder.temporary.iterdir()) == []
    assert NEVER not in [file.stamp for file in put(LocalStore(folder), table).files]
