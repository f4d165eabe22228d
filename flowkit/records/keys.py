"""What goes into a cache key, kept apart so that a miss can be explained by the part that changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum

from msgspec import Struct, field

from flowkit.records.artifacts import Digest


class ArgumentKind(StrEnum):
    """Where an argument's content comes from: the call itself, or a file or another node."""

    PARAMETER = "parameter"
    INPUT = "input"


class ArgumentPart(Struct, frozen=True):
    """One argument's share of a key; `shown` is a short text for people and never counts."""

    parameter: str
    digest: Digest
    kind: ArgumentKind
    shown: str = ""


class KeyParts(Struct, frozen=True):
    """Everything a cache key is made of."""

    step: str
    code: Digest
    environment: Digest
    arguments: tuple[ArgumentPart, ...]


class CodePart(Struct, frozen=True):
    """One function, class, global or module that a step reaches.

    Attributes:
        name: `module:qualified name`.
        basis: How it was read: `ast`, `bytecode`, `value`, `module`.
        source: Its text as it stands in the file, or a short rendering of a value: for diffs, not for the key.
        via: Name of the part that first refers to it, so that the way back leads to the step; None for the step's own
            function, and where it is not known.
    """

    name: str
    basis: str
    digest: Digest
    source: str
    via: str | None = None


class CodeFingerprint(Struct, frozen=True):
    """A step's code with all the project code that it reaches.

    Attributes:
        parts: By name, the step's own function first; what `why` compares.
        modules: Names of the project modules that it reaches.
        distributions: Names of the installed distributions that it reaches (their versions count in the environment).
        uncacheable: Why no key can be made, naming the global; None where one can.
    """

    digest: Digest
    parts: Sequence[CodePart]
    modules: frozenset[str] = frozenset()
    distributions: frozenset[str] = frozenset()
    uncacheable: str | None = None


class EnvironmentFingerprint(Struct, frozen=True):
    """Interpreter, packages and declared variables that count in a key.

    Attributes:
        values: Readable by name, such as `python` → `3.11`, `package:pandas` → `3.1.1`, `variable:TZ` → keyed digest.
    """

    digest: Digest
    values: Mapping[str, str] = field(default_factory=dict)
