"""The walk over all that a step's code reaches, breadth first, written out as a rooted graph.

Entities are numbered at first reference and contribute their bodies in that order, from a queue: the depth of what is
reached costs no recursion, and swapping two functions that are alike still changes the message.
"""

from __future__ import annotations

from functools import cache

from blake3 import blake3
from msgspec import Struct

from flowkit.fingerprint.framing import frame_text
from flowkit.fingerprint.parts import Parts
from flowkit.fingerprint.references import Reading
from flowkit.fingerprint.survey import Share, Survey
from flowkit.fingerprint.tokens import Entity
from flowkit.records import Digest

_NOTHING = Reading(0)
_DOMAIN = b"flowkit code 1\0"


class Reached(Struct, frozen=True):
    """All that is reached from a root.

    Attributes:
        digest: Over the whole graph.
        parts: What `why` compares.
        reads: What of other code the code in it may read.
    """

    digest: Digest
    parts: Parts
    modules: frozenset[str]
    distributions: frozenset[str]
    uncacheable: str | None
    reads: Reading


def walk(survey: Survey, root: Share) -> Reached:
    """Return what is reached from a root."""
    numbers: dict[Entity, bytes] = {}
    shares = [root]
    message = [_DOMAIN]
    # Where a step has untracked parameters its own share is another one, which only the survey tells.
    known = survey.shares if not survey.context.untracked else {}
    for share in shares:
        message.append(share.head)
        for entity, tail in share.references:
            if entity not in numbers:
                numbers[entity] = _number(len(numbers))
                shares.append(known.get(entity) or survey.of(entity))
            message += (numbers[entity], tail)
    # Shares with the same notes have one object of them.
    notes = list(dict.fromkeys([share.noted for share in shares]))
    reads = _NOTHING
    for noted in notes:
        if noted.reads is not _NOTHING:
            reads |= noted.reads
    return Reached(
        blake3(b"".join(message)).hexdigest(),
        Parts(shares),
        frozenset().union(*[noted.modules for noted in notes]),
        frozenset().union(*[noted.distributions for noted in notes if noted.distributions]),
        next((noted.uncacheable for noted in notes if noted.uncacheable is not None), None),
        reads,
    )


@cache
def _number(number: int) -> bytes:
    return frame_text(b"#", str(number))
