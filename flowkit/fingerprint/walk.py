"""The walk over all that a step's code reaches, breadth first, written out as a rooted graph.

Entities are numbered at first reference and contribute their bodies in that order, from a queue: the depth of what is
reached costs no recursion, and swapping two functions that are alike still changes the message.
"""

from __future__ import annotations

from collections import deque

from blake3 import blake3

from flowkit.fingerprint.callables import encode_reference, encode_wrapper
from flowkit.fingerprint.classes import class_body
from flowkit.fingerprint.context import Context
from flowkit.fingerprint.framing import count_bytes
from flowkit.fingerprint.functions import CodeDigests, function_body
from flowkit.fingerprint.modules import module_body, sources_body
from flowkit.fingerprint.objects import encode_array, encode_hint, encode_instance, encode_known_kind
from flowkit.fingerprint.tokens import Body, Entity, Tokens, Value, write_named, write_numbered
from flowkit.fingerprint.values import ValueEncoder
from flowkit.fingerprint.ways import Ways
from flowkit.records import CodePart, Digest

_DOMAIN = b"flowkit code 1\0"


class Walk:
    """One walk; `encoder` makes the tokens of its root.

    Args:
        context: Where the walk notes what it meets.
        digests: Digests of code objects that are already known.
    """

    def __init__(self, context: Context, digests: CodeDigests) -> None:
        self.encoder = ValueEncoder(
            context,
            references=(encode_reference,),
            structures=(encode_wrapper, encode_hint, encode_known_kind, encode_array, encode_instance),
        )
        self._digests = digests
        self._numbers: dict[Entity, int] = {}
        self._queue: deque[Entity] = deque()
        self._parts: dict[str, CodePart] = {}
        self._ways = Ways()

    def run(self, root: Tokens) -> tuple[Digest, tuple[CodePart, ...]]:
        """Return the digest over everything that is reached from `root`, and its parts in the order they were met."""
        hasher = blake3(_DOMAIN)
        write_numbered(root, hasher.update, self._number)
        self._ways.add_root(root)
        while self._queue:
            entity = self._queue.popleft()
            body = self._body(entity)
            hasher.update(b"|" + count_bytes(len(body.tokens)))
            write_numbered(body.tokens, hasher.update, self._number)
            self._ways.add(body.tokens, self._add_entity(entity, body))
        # After all entities, whose names come first where a value is called the same.
        for value, via in self._ways.values:
            self._add_value(value, via)
        return hasher.hexdigest(), tuple(self._parts.values())

    def _number(self, entity: Entity) -> int:
        if entity not in self._numbers:
            self._numbers[entity] = len(self._numbers)
            self._queue.append(entity)
        return self._numbers[entity]

    def _body(self, entity: Entity) -> Body:
        if entity.kind == "function":
            return function_body(self.encoder, self._digests, entity.value)
        if entity.kind == "class":
            return class_body(self.encoder, entity.value)
        if entity.kind == "module":
            return module_body(self.encoder, entity.value)
        return sources_body(self.encoder)

    def _add_entity(self, entity: Entity, body: Body) -> str:
        """Add an entity's part, and return the name that it got."""
        hasher = blake3()
        write_named(body.tokens, hasher.update)
        name, count = entity.name, 1
        while name in self._parts:
            # Lambdas and the functions that a factory makes share a qualified name.
            count += 1
            name = f"{entity.name}#{count}"
        self._parts[name] = CodePart(name, body.basis, hasher.hexdigest(), body.source, self._ways.of(entity))
        return name

    def _add_value(self, value: Value, via: str | None) -> None:
        if value.name not in self._parts:
            hasher = blake3()
            write_named(value.tokens, hasher.update)
            self._parts[value.name] = CodePart(value.name, "value", hasher.hexdigest(), value.shown, via)
