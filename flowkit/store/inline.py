"""Small artifacts, whose payload is part of their record."""

from __future__ import annotations

from collections.abc import Sequence

from flowkit.codecs.base import Part, digest_payload
from flowkit.errors import LostArtifactError
from flowkit.records import Artifact, Digest


def is_whole(artifact: Artifact) -> bool:
    """Say whether the payload in an inline artifact's record is what its digest says."""
    return digest_payload(artifact.format, artifact.inline or b"") == artifact.digest


class InlineArtifact:
    """A small artifact whose payload is part of its record."""

    def __init__(self, artifact: Artifact) -> None:
        """Verify the payload.

        Raises:
            LostArtifactError: It does not match its digest.
        """
        if not is_whole(artifact):
            raise LostArtifactError.for_damage(
                artifact.digest, artifact.format, "", "the payload in its record does not match its digest"
            )
        self._artifact = artifact
        self._payload = memoryview(artifact.inline or b"")

    @property
    def artifact(self) -> Artifact:
        """The artifact's record."""
        return self._artifact

    @property
    def payload(self) -> memoryview:
        """The canonical payload, read-only."""
        return self._payload

    def prepare(self, digests: Sequence[Digest]) -> None:
        """Do nothing: there are no chunks."""

    def chunk(self, digest: Digest, *, writable: bool = False) -> memoryview:
        """Refuse: an inline artifact has no chunks.

        Raises:
            LostArtifactError: Always.
        """
        raise unnamed_chunk(self._artifact, digest)

    def join(self, parts: Sequence[Part]) -> memoryview | None:
        """Refuse: an inline artifact has no chunks.

        Raises:
            LostArtifactError: Always.
        """
        raise unnamed_chunk(self._artifact, parts[0].digest)


def unnamed_chunk(artifact: Artifact, digest: Digest) -> LostArtifactError:
    """Return the error for a chunk that an artifact does not name."""
    return LostArtifactError.for_damage(
        artifact.digest, artifact.format, "", f"it has no part with the digest {digest[:12]}"
    )
