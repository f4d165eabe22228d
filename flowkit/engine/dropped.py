"""Tells of a lost artifact what makes it again, and that a collection dropped it where one did."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from flowkit.errors import LostArtifactError
from flowkit.lineage.dropped import find_dropped, find_maker, remake_command
from flowkit.lineage.reader import Reader


@contextmanager
def telling_dropped(reader: Reader) -> Iterator[None]:
    """Raise a loss in the block as what it is: a collection's doing, where it is that; with what makes it again.

    Raises:
        LostArtifactError: What the block raised, or that the artifact was dropped.
    """
    try:
        yield
    except LostArtifactError as error:
        dropped = find_dropped(reader, error.digest)
        if dropped is None:
            maker = find_maker(reader, error.digest)
            if maker is None:
                raise
            raise error.to_make_again(remake_command(*maker)) from None
        raise LostArtifactError.for_dropped(
            dropped.digest, dropped.on, dropped.run, dropped.node, dropped.command
        ) from None
