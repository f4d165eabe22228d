"""Damage is noticed before anything is decoded, put away, said with its file, and healed by the next put."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec.structs import replace

from flowkit.codecs.base import Encoded
from flowkit.errors import LostArtifactError
from flowkit.records import Artifact, BlobFile, Stamp
from flowkit.store import LocalStore, Presence, StoreFolder
from flowkit.store.gc import find_leftovers
from flowkit.store.salvage import Source
from tests.store.processes import without_privileges
from tests.store.values import is_right, noise, plain, table, visible

LARGE = noise(1, 300_000)
SMALL = noise(2, 5_000)


def flip(path: Path, where: float) -> None:
    data = bytearray(path.read_bytes())
    data[int(where * (len(data) - 1))] ^= 0x10
    _overwrite(path, bytes(data))


def truncate(path: Path, where: float) -> None:
    path.chmod(0o600)
    os.truncate(path, int(where * (path.stat().st_size - 1)))


def zero(path: Path, where: float) -> None:
    _overwrite(path, bytes(path.stat().st_size))


def lengthen(path: Path, where: float) -> None:
    _overwrite(path, path.read_bytes() + b"\0")


def delete(path: Path, where: float) -> None:
    path.unlink()


def become_a_folder(path: Path, where: float) -> None:
    path.unlink()
    path.mkdir()


def become_a_link(path: Path, where: float) -> None:
    target = path.with_name("elsewhere")
    path.rename(target)
    path.symlink_to(target)


def become_a_pipe(path: Path, where: float) -> None:
    path.unlink()
    os.mkfifo(path)


DAMAGES: list[tuple[Callable[[Path, float], None], float]] = [
    (flip, 0.0),
    (flip, 0.02),
    (flip, 0.5),
    (flip, 0.98),
    (flip, 1.0),
    (truncate, 0.0),
    (truncate, 0.5),
    (truncate, 1.0),
    (zero, 0.0),
    (lengthen, 0.0),
    (delete, 0.0),
    (become_a_folder, 0.0),
    (become_a_link, 0.0),
    (become_a_pipe, 0.0),
]
KINDS = {
    "small plain": plain(SMALL),
    "large plain": plain(LARGE),
    "small table": table(SMALL),
    "large table": table(LARGE, SMALL),
    "manifest only": table(b"", header=SMALL),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("damage", "where"), DAMAGES, ids=lambda value: getattr(value, "__name__", str(value)))
@pytest.mark.parametrize("restored", [False, True], ids=["", "mtime restored"])
def test_damage_is_noticed_and_healed(
    folder: StoreFolder, kind: str, damage: Callable[[Path, float], None], where: float, restored: bool
) -> None:
    """Flip, cut, zero, delete: a look says so, no wrong byte is given, and putting the value again mends it."""
    encoded = KINDS[kind]
    artifact = LocalStore(folder).put(encoded)
    _damage(folder, artifact, damage, where, restored)

    assert LocalStore(folder).check(artifact) is not Presence.PRESENT
    with pytest.raises(LostArtifactError) as caught:
        is_right(LocalStore(folder), artifact, encoded)

    assert caught.value.digest == artifact.digest
    assert artifact.files[0].name in str(caught.value)
    assert len(list(folder.quarantine.iterdir())) == (0 if damage is delete else 1)
    assert LocalStore(folder).check(artifact) is Presence.LOST
    healed = LocalStore(folder).put(encoded)
    assert LocalStore(folder).check(healed) is Presence.PRESENT
    assert is_right(LocalStore(folder), healed, encoded)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("damage", "where"), DAMAGES, ids=lambda value: getattr(value, "__name__", str(value)))
def test_damage_is_noticed_by_who_wrote_it(
    folder: StoreFolder, kind: str, damage: Callable[[Path, float], None], where: float
) -> None:
    """The process that wrote a value, and knows it well, still looks before it reads, and verifies on request."""
    encoded = KINDS[kind]
    store = LocalStore(folder)
    artifact = store.put(encoded)
    _damage(folder, artifact, damage, where, restored=False)

    with pytest.raises(LostArtifactError):
        is_right(store, artifact, encoded)
    with pytest.raises(LostArtifactError):
        store.verify(artifact)
    assert is_right(store, store.put(encoded), encoded)


@pytest.mark.parametrize(("damage", "where"), DAMAGES, ids=lambda value: getattr(value, "__name__", str(value)))
def test_damage_of_a_file_that_others_refer_to_is_noticed(
    folder: StoreFolder, damage: Callable[[Path, float], None], where: float
) -> None:
    """A value that refers into a damaged file gives the right bytes or is lost, and both are healed by their puts."""
    store = LocalStore(folder)
    base, wider = table(LARGE, SMALL), table(LARGE, SMALL, b"new")
    first, second = store.put(base), store.put(wider)
    assert len(second.files) == 2
    _damage(folder, first, damage, where, restored=False)

    assert LocalStore(folder).check(second) is not Presence.PRESENT
    lost = _lost(folder, second, wider)
    assert lost is None or (lost.digest, first.files[0].name in str(lost)) == (second.digest, True)

    fresh = LocalStore(folder)
    healed = [(fresh.put(encoded), encoded) for encoded in (base, wider)]
    assert all(fresh.check(artifact) is Presence.PRESENT for artifact, _ in healed)
    assert all(is_right(LocalStore(folder), artifact, encoded) for artifact, encoded in healed)


def test_no_flipped_byte_of_a_container_gives_a_wrong_value(folder: StoreFolder) -> None:
    """Whichever byte of a container is flipped: what comes back is right, or the artifact is lost."""
    encoded = table(noise(1, 70), noise(2, 3), header=b"manifest")
    store = LocalStore(folder)
    artifact = store.put(encoded)
    path = folder.blob_path(artifact.files[0].name)
    data = path.read_bytes()
    noticed = 0
    for position in range(len(data)):
        path.unlink(missing_ok=True)
        path.write_bytes(data[:position] + bytes([data[position] ^ 0x40]) + data[position + 1 :])
        noticed += _lost(folder, artifact, encoded) is not None

    padding = -16 % 64 + -(64 + 70) % 64 + -(192 + 3) % 64
    assert noticed == len(data) - padding


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_that_was_copied_is_hashed_once_and_right(folder: StoreFolder, kind: str) -> None:
    """A restored backup has other stamps: the look says changed, the content is verified, fresh stamps are trusted."""
    encoded = KINDS[kind]
    artifact = LocalStore(folder).put(encoded)
    path = folder.blob_path(artifact.files[0].name)
    data = path.read_bytes()
    path.unlink()
    path.write_bytes(data)

    assert LocalStore(folder).check(artifact) is Presence.CHANGED
    assert is_right(LocalStore(folder), artifact, encoded)
    verified = LocalStore(folder).verify(artifact)
    assert verified.digest == artifact.digest
    assert verified != artifact
    assert LocalStore(folder).check(verified) is Presence.PRESENT


def test_verify_trusts_no_stamp(folder: StoreFolder) -> None:
    """Verification reads the bytes even where the record says that the file is unchanged."""
    encoded = plain(LARGE)
    artifact = LocalStore(folder).put(encoded)
    path = folder.blob_path(artifact.files[0].name)
    flip(path, 0.5)
    stamp = folder.stamp(artifact.files[0].name)
    assert stamp is not None
    believing = Artifact(artifact.digest, artifact.format, artifact.bytes, files=(_with(artifact, stamp),))
    assert LocalStore(folder).check(believing) is Presence.PRESENT

    with pytest.raises(LostArtifactError):
        LocalStore(folder).verify(believing)


@pytest.mark.parametrize("damage", [become_a_folder, become_a_link, become_a_pipe])
def test_what_stands_in_the_place_of_a_file_is_no_obstacle(
    folder: StoreFolder, damage: Callable[[Path, float], None]
) -> None:
    """A value that is put without being read first takes the place of whatever stands there, a folder too."""
    encoded = plain(SMALL)
    artifact = LocalStore(folder).put(encoded)
    damage(folder.blob_path(artifact.files[0].name), 0.0)

    healed = LocalStore(folder).put(encoded)

    assert is_right(LocalStore(folder), healed, encoded)


@pytest.mark.parametrize("kind", KINDS)
def test_an_unchanged_stamp_promises_a_hit_and_nothing_more(folder: StoreFolder, kind: str) -> None:
    """A disk that rots changes no stamp: a look believes it, for the price of a stat; who reads the bytes does not."""
    encoded = KINDS[kind]
    artifact = LocalStore(folder).put(encoded)
    flip(folder.blob_path(artifact.files[0].name), 0.5)
    stamp = folder.stamp(artifact.files[0].name)
    assert stamp is not None
    believing = replace(artifact, files=(_with(artifact, stamp),))

    assert LocalStore(folder).check(believing) is Presence.PRESENT
    with pytest.raises(LostArtifactError):
        is_right(LocalStore(folder), believing, encoded)


def test_a_damaged_record_is_noticed_at_a_look(folder: StoreFolder) -> None:
    """A small value lies in the database, where bytes rot too: its hash costs no more than a stat."""
    artifact = LocalStore(folder).put(plain(b"a small value"))
    damaged = replace(artifact, inline=b"a small ualue")

    assert LocalStore(folder).check(artifact) is Presence.PRESENT
    assert LocalStore(folder).check(damaged) is Presence.LOST


def test_the_damaged_file_is_kept(folder: StoreFolder) -> None:
    """Quarantine keeps the damaged bytes, and the error says where."""
    artifact = LocalStore(folder).put(plain(SMALL))
    path = folder.blob_path(artifact.files[0].name)
    flip(path, 0.5)
    damaged = path.read_bytes()

    with pytest.raises(LostArtifactError) as caught:
        LocalStore(folder).open(artifact)

    (kept,) = folder.quarantine.iterdir()
    assert kept.read_bytes() == damaged
    assert f"quarantine/{kept.name}" in str(caught.value)
    assert "run the pipeline again" in caught.value.hint


def test_damage_in_a_store_that_cannot_be_written_to_is_still_told(open_place: Path) -> None:
    """A reader without permission to write gets the same error, with the file left in place."""
    folder = StoreFolder.create_or_open(open_place / ".flowkit")
    artifact = LocalStore(folder).put(plain(SMALL))
    path = folder.blob_path(artifact.files[0].name)
    flip(path, 0.5)
    for place in (folder.path, folder.blobs, path.parent, folder.quarantine):
        place.chmod(0o555)
    path.chmod(0o444)

    with pytest.raises(LostArtifactError, match="left in place, it cannot be moved"):
        without_privileges(lambda: LocalStore(StoreFolder.open(folder.path)).open(artifact))
    assert path.exists()


@pytest.mark.parametrize("name", ["quarantine", "checkpoints", "bundles"])
def test_a_file_in_place_of_a_folder_is_no_obstacle(folder: StoreFolder, name: str) -> None:
    """Where the store's own folder cannot be made, nothing lies in it: values are kept, read, and lost by name."""
    place = folder.path / name
    if place.exists():
        place.rmdir()
    place.write_text("a person's")
    encoded = plain(SMALL)
    artifact = LocalStore(folder).put(encoded)
    flip(folder.blob_path(artifact.files[0].name), 0.5)

    with pytest.raises(LostArtifactError) as caught:
        LocalStore(folder).open(artifact)

    assert ("left in place" in str(caught.value)) == (name == "quarantine")
    assert LocalStore(folder).salvage(artifact, Source(folder)) is None
    healed = LocalStore(folder).put(encoded)
    assert is_right(LocalStore(folder), healed, encoded)
    leftovers = list(find_leftovers(folder, time.time() + 1e8, None, lambda key: False))
    assert len(leftovers) == (0 if name == "quarantine" else 1)
    assert folder.find_misplaced() == [place]
    assert place.read_text() == "a person's"


def _lost(folder: StoreFolder, artifact: Artifact, encoded: Encoded) -> LostArtifactError | None:
    """Read all of `artifact`: return the error it is lost with, or None where every byte is right."""
    try:
        assert is_right(LocalStore(folder), artifact, encoded)
    except LostArtifactError as error:
        return error
    return None


def _damage(
    folder: StoreFolder, artifact: Artifact, damage: Callable[[Path, float], None], where: float, restored: bool
) -> None:
    assert visible(folder)
    path = folder.blob_path(artifact.files[0].name)
    times = path.stat()
    damage(path, where)
    if restored and path.is_file():
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def _overwrite(path: Path, data: bytes) -> None:
    path.chmod(0o600)
    with path.open("r+b") as file:
        file.write(data)


def _with(artifact: Artifact, stamp: Stamp) -> BlobFile:
    return replace(artifact.files[0], stamp=stamp)
