"""A lost artifact is put together again from whatever still holds its content, and from nothing else."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from msgspec.structs import replace

from flowkit.codecs.base import Encoded
from flowkit.errors import LostArtifactError
from flowkit.records import Artifact
from flowkit.store import LocalStore, Presence, StoreFolder
from flowkit.store.packs import read_layout
from flowkit.store.remote import Remote
from flowkit.store.salvage import Source
from tests.store.values import is_right, noise, plain, table

BASE = table(noise(1, 300_000), noise(2, 5_000))
WIDER = table(noise(1, 300_000), noise(2, 5_000), noise(3, 9_000))
PLAIN = plain(noise(4, 40_000))


def lose(folder: StoreFolder, artifact: Artifact) -> None:
    """Let the store find out that an artifact is lost, as verify does, and move what is damaged to quarantine."""
    with pytest.raises(LostArtifactError):
        LocalStore(folder).verify(artifact)


def flip_chunk(folder: StoreFolder, artifact: Artifact, number: int) -> None:
    name = artifact.files[0].name
    path = folder.blob_path(name)
    content = bytearray(path.read_bytes())
    chunks = list(read_layout(name, memoryview(bytes(content))).chunks.values())
    content[chunks[number].offset] ^= 1
    path.chmod(0o600)
    path.write_bytes(content)


def mend(folder: StoreFolder, artifact: Artifact, source: Source | None = None) -> Artifact | None:
    mended = LocalStore(folder).salvage(artifact, source or Source(folder))
    if mended is not None:
        assert LocalStore(folder).check(mended) is Presence.PRESENT
        assert LocalStore(folder).verify(mended).digest == artifact.digest
    return mended


def test_a_whole_copy_in_quarantine_is_put_back(folder: StoreFolder) -> None:
    """What was moved away by mistake, or mended by hand there, is as good as before."""
    artifact = LocalStore(folder).put(PLAIN)
    name = artifact.files[0].name
    shutil.move(folder.blob_path(name), folder.quarantine / f"{name.replace('/', '')}.17")

    mended = mend(folder, artifact)

    assert mended is not None
    assert is_right(LocalStore(folder), mended, PLAIN)


def test_the_whole_parts_of_a_damaged_file_serve_who_refers_to_them(folder: StoreFolder) -> None:
    """One chunk of a pack is damaged: a table that refers to another chunk of it is put together from what is left."""
    store = LocalStore(folder)
    base = store.put(BASE)
    second = table(noise(2, 5_000), noise(3, 9_000))
    other = store.put(second)
    assert len(other.files) == 2
    flip_chunk(folder, base, 0)
    lose(folder, base)

    mended = mend(folder, other)

    assert mended is not None
    assert is_right(LocalStore(folder), mended, second)
    assert mend(folder, base) is None


def test_a_chunk_that_another_file_has_too_is_taken_from_there(folder: StoreFolder) -> None:
    """Two processes that did not know of each other wrote the same column: one file mends the other."""
    base = LocalStore(folder).put(BASE)
    wider = LocalStore(folder).put(WIDER)
    assert (len(base.files), len(wider.files)) == (1, 1)
    flip_chunk(folder, base, 0)
    lose(folder, base)

    mended = mend(folder, base)

    assert mended is not None
    assert is_right(LocalStore(folder), mended, BASE)


def test_what_a_remote_has_is_brought_here(folder: StoreFolder, tmp_path: Path) -> None:
    """A file that is gone here is fetched, with the files that it refers to; a damaged one there is not taken."""
    remote = Remote(f"file://{tmp_path / 'remote'}")
    store = LocalStore(folder)
    artifacts = [store.put(BASE), store.put(WIDER), store.put(PLAIN)]
    assert len(artifacts[1].files) == 2
    names = {file.name for artifact in artifacts for file in artifact.files}
    for name in names:
        remote.send_blob(folder, name)
        folder.blob_path(name).unlink()
    damaged = tmp_path / "remote/blobs" / artifacts[2].files[0].name
    damaged.chmod(0o600)
    damaged.write_bytes(bytes(damaged.stat().st_size))
    source = Source(folder, lambda name: remote.fetch_blob(folder, name))

    mended = [mend(folder, artifact, source) for artifact in artifacts]

    assert mended[0] is not None
    assert mended[1] is not None
    assert is_right(LocalStore(folder), mended[1], WIDER)
    assert mended[2] is None


@pytest.mark.parametrize("encoded", [BASE, PLAIN], ids=["table", "plain"])
def test_nothing_is_made_of_what_is_damaged(folder: StoreFolder, encoded: Encoded) -> None:
    """Where no whole copy of a part is left, nothing is written, and what there was stays in quarantine."""
    artifact = LocalStore(folder).put(encoded)
    path = folder.blob_path(artifact.files[0].name)
    content = path.read_bytes()
    path.chmod(0o600)
    path.write_bytes(content[:40] + bytes(100) + content[140:])
    lose(folder, artifact)

    assert mend(folder, artifact) is None
    assert not path.exists()
    assert len(list(folder.quarantine.iterdir())) == 1


def test_a_record_without_files_finds_them_again(folder: StoreFolder) -> None:
    """The rows that say where an artifact lies are gone: its name among the blobs is its digest."""
    artifact = LocalStore(folder).put(PLAIN)

    mended = mend(folder, replace(artifact, files=()))

    assert mended is not None
    assert mended.files[0].name == artifact.files[0].name


def test_what_is_damaged_can_be_left_in_place(folder: StoreFolder) -> None:
    """A look that changes nothing: damage is told, and no file is moved."""
    artifact = LocalStore(folder).put(PLAIN)
    path = folder.blob_path(artifact.files[0].name)
    path.chmod(0o600)
    path.write_bytes(bytes(10))

    with pytest.raises(LostArtifactError):
        LocalStore(folder, in_place=True).prove(artifact)

    assert path.exists()
    assert list(folder.quarantine.iterdir()) == []
