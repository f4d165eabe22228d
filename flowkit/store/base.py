"""What a store offers, wherever it keeps its content."""

from __future__ import annotations

from enum import StrEnum
from typing import Protocol

from flowkit.codecs.base import Encoded, Stored
from flowkit.records import Artifact


class Presence(StrEnum):
    """What a quick look says of a recorded artifact.

    `present`: every file is as it was when last verified. `changed`: the files are there and must be hashed before
    use. `lost`: a file is gone.
    """

    PRESENT = "present"
    CHANGED = "changed"
    LOST = "lost"


class Store(Protocol):
    """Immutable content by digest. Safe to use from several threads and processes at once."""

    def put(self, encoded: Encoded) -> Artifact:
        """Keep `encoded` durably, unless it is there already, and return its record.

        Raises:
            StoreError: It could not be kept; nothing of it is visible.
            UnstableFileError: A file it is read from changed meanwhile.
        """
        ...

    def open(self, artifact: Artifact) -> Stored:
        """Open `artifact` for reading; what is read from it is verified first.

        Raises:
            LostArtifactError: It is gone, or holds something else; a damaged file is in quarantine then.
        """
        ...

    def check(self, artifact: Artifact) -> Presence:
        """Say whether `artifact` is there, without reading it."""
        ...

    def verify(self, artifact: Artifact) -> Artifact:
        """Hash all of `artifact` and return its record with fresh stamps.

        References that had to be followed to another file are mended, which needs permission to write.

        Raises:
            LostArtifactError: It is gone, or holds something else; a damaged file is in quarantine then.
        """
        ...
