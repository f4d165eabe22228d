"""Bytes that the disk does not give: a named damage like any other, never the end of the process."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from flowkit.errors import LostArtifactError
from flowkit.records import Artifact
from flowkit.store import LocalStore, Presence, StoreFolder, blobs
from flowkit.store.references import References
from flowkit.store.salvage import Source
from tests.store.processes import in_child
from tests.store.values import is_right, noise, table

LARGE, SECOND = noise(1, 400_000), noise(2, 300_000)
BASE = table(LARGE, SECOND, header=noise(3, 200_000))
WIDER = table(LARGE, noise(4, 200_000))
SMALL = table(noise(5, 5_000))


class BadDisk:
    """Stands in for `os` where files are read: whatever touches the byte at `sector` of a file fails.

    Args:
        path: The file.
        sector: Where in it.
        sends: Whether the system can send from a file to a device.
        number: The error.
    """

    def __init__(self, path: Path, sector: int, *, sends: bool = True, number: int = errno.EIO) -> None:
        self._inode = path.stat().st_ino
        self._sector = sector
        self._sends = sends
        self._number = number

    def __getattr__(self, name: str) -> Any:
        return getattr(os, name)

    def sendfile(self, target: int, source: int, start: int, count: int) -> int:
        if not self._sends:
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        return os.sendfile(target, source, start, self._given(source, start, count))

    def preadv(self, source: int, buffers: list[memoryview], start: int) -> int:
        return os.preadv(source, [buffers[0][: self._given(source, start, len(buffers[0]))]], start)

    def read(self, source: int, count: int) -> bytes:
        return os.read(source, self._given(source, os.lseek(source, 0, os.SEEK_CUR), count))

    def _given(self, source: int, start: int, count: int) -> int:
        """Return how much of what is asked for comes before the sector."""
        if os.fstat(source).st_ino != self._inode or not start <= self._sector < start + count:
            return count
        if start < self._sector:
            return self._sector - start
        raise OSError(self._number, os.strerror(self._number))


Trial = Callable[[LocalStore, Artifact], object]
TRIALS: dict[str, Trial] = {
    "read": lambda store, artifact: is_right(store, artifact, BASE),
    "verify": lambda store, artifact: store.verify(artifact),
    "prove": lambda store, artifact: store.prove(artifact),
}
SECTORS = {"first": 0, "chunk": 100_000, "second chunk": 500_000, "payload": 800_000, "end": -1}
CASES = [
    *(("read", sector, True) for sector in SECTORS),
    *((trial, sector, True) for trial in ("verify", "prove") for sector in ("second chunk", "payload")),
    ("read", "second chunk", False),
    ("read", "end", False),
]


@pytest.mark.parametrize(("trial", "sector", "sends"), CASES)
def test_a_sector_that_the_disk_does_not_give_is_damage(
    folder: StoreFolder, monkeypatch: pytest.MonkeyPatch, trial: str, sector: str, sends: bool
) -> None:
    """Wherever it lies and whoever reads it: the artifact is lost by name, its file goes, and a put makes it anew."""
    artifact = LocalStore(folder).put(BASE)
    name = artifact.files[0].name
    path = folder.blob_path(name)
    monkeypatch.setattr(blobs, "os", BadDisk(path, SECTORS[sector] % path.stat().st_size, sends=sends))

    with pytest.raises(LostArtifactError, match=r"its file cannot be read \(Input/output error\)") as caught:
        TRIALS[trial](LocalStore(folder), artifact)

    assert dict(caught.value.facts)["file"] == f"blobs/{name}"
    assert not path.exists()
    assert References(folder).needed_for(name) == {name}
    assert LocalStore(folder).salvage(artifact, Source(folder)) is None
    healed = LocalStore(folder).put(BASE)
    assert LocalStore(folder).check(healed) is Presence.PRESENT
    assert is_right(LocalStore(folder), healed, BASE)


@pytest.mark.parametrize("number", [errno.EBADMSG, errno.ESTALE])
def test_other_words_for_the_same_are_damage(folder: StoreFolder, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """A file system that checks sums, or one on another machine, says it in its own words; small files too."""
    for encoded in (BASE, SMALL):
        artifact = LocalStore(folder).put(encoded)
        monkeypatch.setattr(blobs, "os", BadDisk(folder.blob_path(artifact.files[0].name), 1_000, number=number))

        with pytest.raises(LostArtifactError, match="its file cannot be read"):
            LocalStore(folder).verify(artifact)


def test_what_else_keeps_a_file_from_being_read_is_no_damage(
    folder: StoreFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that refuses the user for now takes nothing away: the file stays, and is right the next time."""
    artifact = LocalStore(folder).put(BASE)
    with monkeypatch.context() as patched:
        patched.setattr(blobs, "os", BadDisk(folder.blob_path(artifact.files[0].name), 100_000, number=errno.EACCES))

        with pytest.raises(Exception, match="The store cannot read a blob: permission denied") as caught:
            is_right(LocalStore(folder), artifact, BASE)

    assert not isinstance(caught.value, LostArtifactError)
    assert is_right(LocalStore(folder), artifact, BASE)


def test_whole_parts_of_an_unreadable_file_serve_who_refers_to_them(
    folder: StoreFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One sector is gone: a table that refers to another part of that file still has it, from quarantine."""
    store = LocalStore(folder)
    base = store.put(BASE)
    wider = store.put(WIDER)
    assert wider.files[1:] == base.files
    monkeypatch.setattr(blobs, "os", BadDisk(folder.blob_path(base.files[0].name), 500_000))
    with pytest.raises(LostArtifactError):
        LocalStore(folder).verify(base)

    assert is_right(LocalStore(folder), wider, WIDER)
    mended = LocalStore(folder).verify(wider)
    assert mended.files == LocalStore(folder).verify(mended).files
    assert len(mended.files) == 1


@pytest.mark.parametrize("sends", [True, False], ids=["", "copied"])
def test_a_file_that_is_cut_while_it_is_open_is_damage(folder: StoreFolder, sends: bool) -> None:
    """The system kills who touches what a map has no longer: it is noticed before."""
    artifact = LocalStore(folder).put(BASE)
    path = folder.blob_path(artifact.files[0].name)

    def cut_and_read() -> str:
        blobs.os = BadDisk(path, -1, sends=sends)  # type: ignore[assignment]  # in this child only
        stored = LocalStore(folder).open(artifact)
        path.chmod(0o600)
        os.truncate(path, 4_096)
        with pytest.raises(LostArtifactError) as caught:
            stored.chunk(BASE.chunks[1].digest)
        return str(caught.value)

    assert "its file was cut short while it was read" in in_child(cut_and_read)
