"""Whether an artifact is there and right, as far as its record is believed."""

from __future__ import annotations

import os
from pathlib import Path

from msgspec.structs import replace

from flowkit.engine.presence import verify_presence
from flowkit.errors import LostArtifactError
from flowkit.records import BlobFile, Stamp
from flowkit.store import LocalStore, Presence, StoreFolder
from tests.store.values import noise, table


def test_what_was_found_damaged_once_is_hashed_whatever_its_record_says(tmp_path: Path) -> None:
    """A disk that rots leaves size and times as they were: the record is believed until a part is known to be bad."""
    folder = StoreFolder.create_or_open(tmp_path / "store")
    artifact = LocalStore(folder).put(table(noise(1, 300_000)))
    (file,) = artifact.files
    path = folder.blobs / file.name
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0x10
    path.chmod(0o600)
    path.write_bytes(content)
    status = os.stat(path)
    stamp = Stamp(status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)
    believed = replace(artifact, files=(BlobFile(file.name, stamp),))
    told: list[LostArtifactError] = []

    assert verify_presence(LocalStore(folder), believed, told.append) is believed
    assert verify_presence(LocalStore(folder), believed, told.append, doubted=True) is None

    assert len(told) == 1
    assert len(list(folder.quarantine.iterdir())) == 1
    assert LocalStore(folder).check(believed) is Presence.LOST
