"""What steps see of stored tables, by digest."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flowkit import codecs
from flowkit.errors import LostArtifactError
from flowkit.records import Artifact, Digest
from flowkit.store.base import Store

if TYPE_CHECKING:
    from flowkit.contracts import ColumnSelection


class TableViews:
    """Digests of tables as filtering contracts show them, read from manifests; each is computed once.

    Attributes:
        unread: Digests of tables that were asked for and could not be read.
    """

    def __init__(self, store: Store) -> None:
        self.unread: set[Digest] = set()
        self._store = store
        self._known: dict[tuple[Digest, ColumnSelection], Digest | None] = {}

    def digest(self, artifact: Artifact, selection: ColumnSelection) -> Digest | None:
        """Return the digest of what `selection` keeps of a table; None where the whole table counts.

        The whole of one that is gone or damaged counts too: the node that needs it then finds it lost, and once it is
        made again it is asked for again.
        """
        if artifact.format != "table":
            return None
        place = (artifact.digest, selection)
        if place not in self._known:
            try:
                payload = self._store.open(artifact).payload
            except LostArtifactError:
                self.unread.add(artifact.digest)
                return None
            self._known[place] = codecs.digest_view(payload, selection)
            self.unread.discard(artifact.digest)
        return self._known[place]
