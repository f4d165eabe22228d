"""The way from a step to each part of its code: which part was the first to refer to it."""

from __future__ import annotations

from flowkit.fingerprint.tokens import Entity, Tokens, Value


class Ways:
    """Notes, in the order of a walk, what each part refers to.

    Attributes:
        values: Every value that was met, with the part that refers to it.
    """

    def __init__(self) -> None:
        self.values: list[tuple[Value, str | None]] = []
        self._via: dict[Entity, str | None] = {}

    def of(self, entity: Entity) -> str | None:
        """Return the name of the part that first referred to an entity; None for the step's own function."""
        return self._via.get(entity)

    def add_root(self, tokens: Tokens) -> None:
        """Note what the root of a walk refers to: first the step's own function, then what its declaration does."""
        first = tokens[0] if tokens else None
        own = first.name if isinstance(first, Entity) else None
        if isinstance(first, Entity):
            self._via[first] = None
        for token in tokens:
            if isinstance(token, Value):
                # What the signature names is reached from the step: the declaration is no stage of its own.
                self.values.append((token, own))
                self.add(token.tokens, own)
            else:
                self.add([token], own)

    def add(self, tokens: Tokens, via: str | None, around: str | None = None) -> None:
        """Note of all that a part refers to, in values too, that it does so.

        Args:
            tokens: What the part consists of.
            via: Its name.
            around: The part that refers to it, where it is a value: a wrapper is called like what it stands around.
        """
        for token in tokens:
            if isinstance(token, Entity):
                self._via.setdefault(token, around if token.name == via else via)
            elif isinstance(token, Value):
                self.values.append((token, via))
                self.add(token.tokens, token.name, via)
