"""What a node's key is made of now, which a latest success is compared with."""

from __future__ import annotations

from msgspec import Struct

from flowkit.records import CodeFingerprint, EnvironmentFingerprint, KeyParts, ObservedInput


class Current(Struct, frozen=True):
    """What a node's key is made of now.

    Attributes:
        observed: What its latest success read undeclared, as that is now.
    """

    parts: KeyParts
    code: CodeFingerprint
    environment: EnvironmentFingerprint
    observed: tuple[ObservedInput, ...] = ()
