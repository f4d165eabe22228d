"""What code and globals are at one moment: every entity read once, however many steps reach it.

Running code may change globals, so a survey must not outlive the moment: see `CodeFingerprinter.at_one_moment`.
"""

from __future__ import annotations

from msgspec import Struct

from flowkit.fingerprint.callables import encode_reference, encode_wrapper
from flowkit.fingerprint.classes import class_body
from flowkit.fingerprint.context import Context, Noted
from flowkit.fingerprint.framing import count_bytes
from flowkit.fingerprint.functions import function_body
from flowkit.fingerprint.modules import module_body, sources_body
from flowkit.fingerprint.objects import encode_array, encode_hint, encode_instance, encode_known_kind
from flowkit.fingerprint.tokens import Body, Entity, Tokens, flatten
from flowkit.fingerprint.values import ValueEncoder


class Share(Struct, eq=False):
    """What an entity contributes, ready to be written into the message of any step that reaches it.

    Attributes:
        entity: None for the root of a walk.
        head: The bytes before the first entity that it refers to.
        references: Every entity that it refers to, in order, with the bytes behind that.
        noted: What was met while it was read.
    """

    entity: Entity | None
    body: Body
    head: bytes
    references: list[tuple[Entity, bytes]]
    noted: Noted


class Survey:
    """Reads entities, each once.

    Attributes:
        shares: Of the entities that were read, but for those of steps with untracked parameters.

    Args:
        context: Where is noted what is met.
    """

    def __init__(self, context: Context) -> None:
        self.context = context
        self.encoder = ValueEncoder(
            context,
            references=(encode_reference,),
            structures=(encode_wrapper, encode_hint, encode_known_kind, encode_array, encode_instance),
        )
        self.shares: dict[Entity, Share] = {}
        self._tracked: dict[tuple[Entity, frozenset[str]], Share] = {}

    def root(self, tokens: Tokens) -> Share:
        """Return the share of a walk's root, with all that was noted since the last share was made."""
        return self._share(None, Body("", tokens, ""), b"")

    def of(self, entity: Entity) -> Share:
        """Return an entity's share."""
        # A step's own defaults do not count where its parameters are untracked; where another step calls it they do.
        untracked = self.context.untracked.get(id(entity.value))
        if untracked:
            kept = self._tracked.get((entity, untracked))
            if kept is None:
                kept = self._tracked[entity, untracked] = self._read(entity)
            return kept
        kept = self.shares.get(entity)
        if kept is None:
            kept = self.shares[entity] = self._read(entity)
        return kept

    def _read(self, entity: Entity) -> Share:
        body = self._body(entity)
        return self._share(entity, body, b"|" + count_bytes(len(body.tokens)))

    def _share(self, entity: Entity | None, body: Body, before: bytes) -> Share:
        head, references = flatten(body.tokens)
        return Share(entity, body, before + head, references, self.context.take_notes())

    def _body(self, entity: Entity) -> Body:
        if entity.kind == "function":
            return function_body(self.encoder, entity.value)
        if entity.kind == "class":
            return class_body(self.encoder, entity.value)
        if entity.kind == "module":
            return module_body(self.encoder, entity.value)
        return sources_body(self.encoder)
