"""The store in a folder of this machine, or of a disk that all workers see."""

from __future__ import annotations

from msgspec.structs import replace

from flowkit.codecs.base import Encoded, Stored
from flowkit.records import Artifact, BlobFile
from flowkit.store.base import Presence
from flowkit.store.folder import StoreFolder
from flowkit.store.inline import InlineArtifact, is_whole
from flowkit.store.memory import KnownContent, RecentValues
from flowkit.store.reading import StoredArtifact, StoreState
from flowkit.store.salvage import Source, salvage_artifact
from flowkit.store.writing import NEVER, put_encoded, verify_artifact


class LocalStore:
    """A `Store` in a `.flowkit` folder.

    Args:
        folder: The folder; one opened for reading serves `open`, `check` and `verify`.
        memory_bytes: How many bytes of recent values this process keeps, so that a consumer in the same process need
            not touch the disk; 0 keeps none.
        in_place: Whether damaged files are left where they are, not moved to quarantine.
    """

    def __init__(self, folder: StoreFolder, memory_bytes: int = 0, *, in_place: bool = False) -> None:
        self.folder = folder
        recent = RecentValues(memory_bytes) if memory_bytes > 0 else None
        self._state = StoreState(folder, KnownContent(), recent, in_place)

    def put(self, encoded: Encoded) -> Artifact:
        """Keep `encoded` durably, unless it is there already, and return its record.

        A payload of at most `INLINE_LIMIT` bytes without chunks becomes part of the record. Anything else is one file,
        into which only the chunks go that no file known to this object holds.

        Raises:
            StoreError: It could not be kept; nothing of it is visible.
            UnstableFileError: A file it is read from changed meanwhile.
        """
        return put_encoded(self._state, encoded)

    def open(self, artifact: Artifact) -> Stored:
        """Open `artifact` for reading; its payload is verified now, each chunk at its first use.

        Raises:
            LostArtifactError: It is gone, or holds something else; a damaged file is in quarantine then.
            StoreError: A name in its record is unsafe, or a file cannot be opened.
        """
        if artifact.inline is not None:
            return InlineArtifact(artifact)
        return StoredArtifact(self._state, artifact)

    def check(self, artifact: Artifact) -> Presence:
        """Say by one `stat` a file whether `artifact` is there; a payload in the record itself is hashed.

        Raises:
            StoreError: A name in its record is unsafe, or the folder cannot be looked into.
        """
        if artifact.inline is not None:
            return Presence.PRESENT if is_whole(artifact) else Presence.LOST
        presence = Presence.PRESENT if artifact.files else Presence.LOST
        for file in artifact.files:
            stamp = self.folder.stamp(file.name)
            if stamp is None:
                return Presence.LOST
            if stamp != file.stamp:
                presence = Presence.CHANGED
        return presence

    def verify(self, artifact: Artifact) -> Artifact:
        """Hash all of `artifact`, whatever is known of it, and return its record with fresh stamps.

        References that had to be followed to another file are mended, which needs permission to write.

        Raises:
            LostArtifactError: It is gone, or holds something else; a damaged file is in quarantine then.
            StoreError: A name in its record is unsafe, or a file cannot be opened.
        """
        if artifact.inline is not None:
            return InlineArtifact(artifact).artifact
        return verify_artifact(self._state, artifact)

    def prove(self, artifact: Artifact) -> Artifact | None:
        """Hash all of `artifact` that this object has not hashed before, whatever its record says; write nothing.

        Returns:
            Its record with fresh stamps; None where a part of it lies elsewhere than its own file says, which `verify`
            mends.

        Raises:
            LostArtifactError: It is gone, or holds something else; a damaged file is in quarantine then.
            StoreError: A name in its record is unsafe, or a file cannot be opened.
        """
        if artifact.inline is not None:
            return InlineArtifact(artifact).artifact
        stored = StoredArtifact(self._state, _unproven(artifact))
        files = stored.locate_all()
        return None if stored.followed else replace(artifact, files=files)

    def find_rescued(self, artifact: Artifact) -> frozenset[str]:
        """Return the blobs that an artifact needs and of which it reads what lies in quarantine; `prove` gave None.

        Raises:
            LostArtifactError: It is gone, or holds something else; a damaged file is in quarantine then.
            StoreError: A name in its record is unsafe, or a file cannot be opened.
        """
        stored = StoredArtifact(self._state, _unproven(artifact))
        stored.locate_all()
        return frozenset(stored.rescued)

    def salvage(self, artifact: Artifact, source: Source) -> Artifact | None:
        """Write a lost artifact again from what still holds its content; None where that is not all of it.

        Raises:
            StoreError: It cannot be written.
        """
        return salvage_artifact(self._state, artifact, source)

    def trace(self, artifact: Artifact) -> tuple[BlobFile, ...] | None:
        """Hash an artifact as `prove` does, and return all files that were read on the way, with their stamps.

        Returns:
            The files that whoever reads it needs; None where a part was found only by what lies in quarantine.

        Raises:
            LostArtifactError: It is gone, or holds something else; a damaged file is in quarantine then.
            StoreError: A name in its record is unsafe, or a file cannot be opened.
        """
        if artifact.inline is not None:
            InlineArtifact(artifact)
            return ()
        stored = StoredArtifact(self._state, _unproven(artifact))
        files = stored.trace()
        return None if stored.rescued else files

    def holds(self, file: BlobFile) -> bool:
        """Say whether the blob `file` is there: what a commit asks of every file that it names."""
        return self.folder.holds(file)


def _unproven(artifact: Artifact) -> Artifact:
    return replace(artifact, files=tuple(BlobFile(file.name, NEVER) for file in artifact.files))
