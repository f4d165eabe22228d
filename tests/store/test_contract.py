"""What every store does, whatever it keeps its content in: the suite runs over each implementation."""

from __future__ import annotations

import itertools
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from flowkit.codecs.base import Chunk, Encoded, digest_chunk, digest_payload
from flowkit.errors import LostArtifactError, StoreError, UnstableFileError
from flowkit.records import INLINE_LIMIT, Artifact
from flowkit.store import LocalStore, Presence, StoreFolder
from flowkit.store.packs import MAGIC
from tests.store.values import is_right, noise, plain, table, visible

VALUES = {
    "empty": plain(b""),
    "inline": plain(b"x" * INLINE_LIMIT),
    "just too large": plain(b"x" * (INLINE_LIMIT + 1)),
    "mapped": plain(noise(1, 300_000)),
    "looks like a container": plain(MAGIC + noise(2, 9_000)),
    "one column": table(noise(3, 10)),
    "empty column": table(b"", noise(4, 5)),
    "same column twice": table(noise(5, 400_000), noise(5, 400_000)),
    "many columns": table(*(noise(seed, seed * 7) for seed in range(1, 300))),
    "large manifest": table(noise(6, 10), header=noise(7, 10_000)),
    "mutable buffer": Encoded("bytes", digest_payload("bytes", b"y" * 9_000), bytearray(b"y" * 9_000), ".bytes"),
}


@pytest.mark.parametrize("name", VALUES)
@pytest.mark.parametrize("writable", [False, True])
def test_what_was_put_comes_back(store: LocalStore, name: str, writable: bool) -> None:
    """Payload and chunks come back as the same bytes, from the store that put them and from a fresh one."""
    encoded = VALUES[name]

    artifact = store.put(encoded)

    assert (artifact.digest, artifact.format, artifact.bytes) == (encoded.digest, encoded.format, encoded.bytes)
    assert is_right(store, artifact, encoded, writable=writable)
    assert is_right(LocalStore(StoreFolder.open(store.folder.path)), artifact, encoded, writable=writable)
    assert store.check(artifact) is Presence.PRESENT
    assert store.verify(artifact) == artifact


@given(payload=st.binary(max_size=6_000), chunks=st.lists(st.binary(max_size=300), max_size=8))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_payload_and_chunks_come_back(folder: StoreFolder, payload: bytes, chunks: list[bytes]) -> None:
    """No payload and no set of chunks is special, also where chunks repeat or lie in other files already."""
    encoded = table(*chunks, header=payload)
    encoded = replace(encoded, suffix=".any")
    store = LocalStore(folder)

    assert is_right(store, store.put(encoded), encoded)


def test_inline_values_leave_nothing_on_disk(store: LocalStore) -> None:
    """A payload up to the limit without chunks becomes part of the record; one byte more becomes a file."""
    small = store.put(plain(b"x" * INLINE_LIMIT))
    assert small.inline == b"x" * INLINE_LIMIT
    assert small.files == ()
    assert visible(store.folder) == []

    large = store.put(plain(b"x" * (INLINE_LIMIT + 1)))
    assert large.inline is None
    assert [file.name for file in large.files] == visible(store.folder)


def test_a_small_payload_with_chunks_is_a_file(store: LocalStore) -> None:
    """Chunks need a file, however small all of it is."""
    artifact = store.put(table(b"abc"))

    assert artifact.inline is None
    assert len(artifact.files) == 1


def test_read_only_views_cannot_be_written_to(store: LocalStore) -> None:
    """Nobody can change what others read: payload and plain chunks are read-only."""
    encoded = table(noise(1, 200_000), noise(2, 10))
    stored = store.open(store.put(encoded))

    assert stored.payload.readonly
    assert all(stored.chunk(chunk.digest).readonly for chunk in encoded.chunks)


def test_writable_views_are_private(store: LocalStore) -> None:
    """Writing to a chunk changes neither the file, nor a read-only view, nor another writable view of it."""
    encoded = table(noise(1, 200_000), noise(2, 10))
    artifact = store.put(encoded)
    stored = store.open(artifact)
    for chunk in encoded.chunks:
        plain_view = stored.chunk(chunk.digest)
        first, second = (stored.chunk(chunk.digest, writable=True) for _ in range(2))
        first[:3] = b"abc"
        second[:3] = b"xyz"

        assert bytes(plain_view) == chunk.content
        assert bytes(first[:3]) == b"abc"
        assert bytes(second[:3]) == b"xyz"
    assert store.check(artifact) is Presence.PRESENT
    assert is_right(LocalStore(store.folder), store.verify(artifact), encoded)


def test_views_outlive_what_they_came_from(store: LocalStore) -> None:
    """A view stays right after the opened artifact is gone and the file was unlinked."""
    encoded = table(noise(1, 300_000))
    artifact = store.put(encoded)
    stored = LocalStore(store.folder).open(artifact)
    views = [stored.chunk(encoded.chunks[0].digest), stored.chunk(encoded.chunks[0].digest, writable=True)]
    del stored
    store.folder.blob_path(artifact.files[0].name).unlink()

    assert all(bytes(view) == encoded.chunks[0].content for view in views)


def test_a_caller_that_changes_its_buffer_changes_no_value(store: LocalStore) -> None:
    """What was put stays as it was, also in memory, when the step writes on to the array that it returned."""
    content = bytearray(noise(1, 5_000))
    encoded = Encoded("table", digest_payload("table", b"m"), b"m", ".table", (_chunk(content),))
    artifact = store.put(encoded)
    before = bytes(content)
    content[:] = bytes(len(content))

    assert bytes(store.open(artifact).chunk(encoded.chunks[0].digest)) == before


def test_an_unknown_chunk_is_refused(store: LocalStore) -> None:
    """A digest that the artifact does not name is an error of the artifact, not a crash."""
    for encoded in (table(b"abc"), plain(b"x" * 9_000), plain(b"x")):
        stored = store.open(store.put(encoded))
        with pytest.raises(LostArtifactError, match="no part with the digest 000000000000"):
            stored.chunk("0" * 64)


def test_a_changed_inline_payload_is_noticed(store: LocalStore) -> None:
    """An inline payload is verified like a file's: the record may come from a damaged database."""
    artifact = replace(store.put(plain(b"hello")), inline=b"jello")

    with pytest.raises(LostArtifactError, match="does not match its digest"):
        store.open(artifact)
    with pytest.raises(LostArtifactError):
        store.verify(artifact)


def test_a_path_outside_the_store_is_not_held(store: LocalStore) -> None:
    """The record of an input file has neither payload nor files: the store says that it cannot give it."""
    artifact = Artifact("ab" * 32, "file", 10)

    assert store.check(artifact) is Presence.LOST
    with pytest.raises(LostArtifactError, match="no file of the store holds it"):
        store.open(artifact)


def test_a_record_that_names_another_artifacts_file_is_refused(store: LocalStore) -> None:
    """A file counts only for the digest that its name is made of."""
    first, second = store.put(plain(noise(1, 9_000))), store.put(plain(noise(2, 9_000)))

    with pytest.raises(LostArtifactError, match="a file of another artifact"):
        LocalStore(store.folder).open(replace(first, files=second.files))
    assert store.check(second) is Presence.PRESENT


def test_chunks_are_streamed_from_files(store: LocalStore, tmp_path: Path) -> None:
    """A chunk given as a path is read from that file, whatever its size, and is the same artifact as from memory."""
    contents = [b"", noise(1, 10), noise(2, 3_000_001)]
    paths = [tmp_path / f"{index}.bin" for index in range(len(contents))]
    for path, content in zip(paths, contents, strict=True):
        path.write_bytes(content)

    artifact = store.put(table(*paths))

    assert artifact.digest == table(*contents).digest
    assert is_right(LocalStore(store.folder), artifact, table(*contents))


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        (noise(9, 3_000_000), "its content changed"),
        (noise(1, 3_000_000)[:-1], "it had 3000000 bytes and has 2999999 now"),
        (noise(1, 3_000_000) + b"x", "it had 3000000 bytes and has 3000001 now"),
        (None, "No such file"),
    ],
)
def test_a_file_that_changed_meanwhile_is_refused(
    store: LocalStore, tmp_path: Path, changed: bytes | None, told: str
) -> None:
    """A file that is not what its digest says any more is an error of the step, and leaves nothing behind."""
    path = tmp_path / "model.bin"
    path.write_bytes(noise(1, 3_000_000))
    encoded = table(path)
    path.unlink()
    if changed is not None:
        path.write_bytes(changed)

    with pytest.raises(UnstableFileError, match=told) as caught:
        store.put(encoded)

    assert str(path) in str(caught.value)
    assert caught.value.exit_code == 1
    assert visible(store.folder) == []
    assert list(store.folder.temporary.iterdir()) == []


def test_a_chunk_of_a_wrong_size_is_a_programming_error(store: LocalStore) -> None:
    """A codec that miscounts is told so before anything becomes visible."""
    content = noise(1, 100)
    encoded = Encoded("t", digest_payload("t", b"m"), b"m", ".t", (Chunk(digest_chunk(content), 99, content),))

    with pytest.raises(ValueError, match="has 100 bytes where its codec says 99"):
        store.put(encoded)
    assert visible(store.folder) == []


@pytest.mark.parametrize("suffix", ["", "x", "/x", ".a/b", "..", ".a\n", ".ä", ".a.b.c.d", "." + "a" * 21])
@pytest.mark.parametrize("size", [1, 9_000])
def test_a_suffix_is_letters_and_digits_after_dots(store: LocalStore, suffix: str, size: int) -> None:
    """A registered codec's suffix cannot lead out of the folder, whatever the size of the value."""
    with pytest.raises(StoreError, match="suffix"):
        store.put(plain(b"x" * size, suffix=suffix))


def test_blobs_are_read_only_and_private(store: LocalStore) -> None:
    """A blob can be written to by nobody and read by its owner alone."""
    artifact = store.put(plain(noise(1, 9_000)))

    assert store.folder.blob_path(artifact.files[0].name).stat().st_mode & 0o777 == 0o400


def test_a_blob_is_named_by_its_digest_and_format(store: LocalStore) -> None:
    """The name below blobs/ is the digest, cut after two digits, and the codec's suffix."""
    artifact = store.put(plain(noise(1, 9_000), suffix=".npy"))

    assert artifact.files[0].name == f"{artifact.digest[:2]}/{artifact.digest[2:]}.npy"


def test_stamps_are_those_of_the_files(store: LocalStore) -> None:
    """What is recorded is what stat says from then on, so that equality is enough to trust a file unread."""
    shared = noise(1, 50_000)
    store.put(table(shared))
    artifact = store.put(table(shared, noise(2, 50_000)))

    assert len(artifact.files) == 2
    for file in artifact.files:
        status = os.stat(store.folder.blob_path(file.name))
        assert (status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino) == (
            file.stamp.size,
            file.stamp.mtime_ns,
            file.stamp.ctime_ns,
            file.stamp.inode,
        )


def test_files_written_in_one_tick_have_their_own_times(store: LocalStore) -> None:
    """Times are exact even where the kernel's clock is coarse, so a later write cannot have the same."""
    artifacts = [store.put(plain(noise(seed, 5_000))) for seed in range(30)]
    times = [artifact.files[0].stamp.mtime_ns for artifact in artifacts]

    assert all(earlier < later for earlier, later in itertools.pairwise(times))


def _chunk(content: bytearray) -> Chunk:
    return Chunk(digest_chunk(content), len(content), content)
