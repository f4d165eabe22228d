"""What a driver says of a step's code and environment, so that a step host can tell whether it has the same."""

from __future__ import annotations

import zlib
from collections.abc import Mapping

from blake3 import blake3
from msgspec import Struct

from flowkit.records import CodeFingerprint, CodePart, Digest

_SHORT = 16


class StepProof(Struct, frozen=True):
    """A step's code fingerprint without its texts, small enough to go to every host.

    Attributes:
        code: The whole code fingerprint's digest.
        rest: A digest over all of its parts but globals that count by their value.
        values: Those globals, by name.
        modules: A short digest over the other parts of each module, by its name.
        marks: Short marks of these parts and of their texts: enough to tell in a message which of them differ.
    """

    code: Digest
    rest: Digest
    values: tuple[tuple[str, Digest], ...]
    modules: tuple[tuple[str, str], ...]
    marks: frozenset[int]


def summarise_code(code: CodeFingerprint) -> StepProof:
    """Return a fingerprint's summary."""
    modules: dict[str, blake3] = {}
    hasher = blake3()
    marks: set[int] = set()
    for part in sorted((part for part in code.parts if not is_global(part)), key=lambda part: part.name):
        module = modules.setdefault(part.name.partition(":")[0], blake3())
        for text in (part.name, part.basis, part.digest):
            framed = len(text.encode()).to_bytes(8, "little") + text.encode()
            hasher.update(framed)
            module.update(framed)
        marks |= {_mark(part), _mark_text(part)}
    values = tuple(sorted((part.name, part.digest) for part in code.parts if is_global(part)))
    by_module = tuple(sorted((name, found.hexdigest()[:_SHORT]) for name, found in modules.items()))
    return StepProof(code.digest, hasher.hexdigest(), values, by_module, frozenset(marks))


def _mark(part: CodePart) -> int:
    return zlib.crc32(f"{part.name} {part.basis} {part.digest}".encode())


def _mark_text(part: CodePart) -> int:
    return zlib.crc32(f"{part.name}\n{part.source}".encode("utf-8", "surrogatepass"))


def differing_globals(wanted: StepProof, found: StepProof) -> tuple[str, ...]:
    """Return the globals by whose values alone two fingerprints differ; none where other code differs too."""
    if wanted.rest != found.rest:
        return ()
    return tuple(sorted({name for name, _ in {*wanted.values} ^ {*found.values}}))


def differing_modules(wanted: StepProof, found: StepProof) -> tuple[str, ...]:
    """Return the modules whose code differs between two fingerprints, or is reached in one of them only."""
    return tuple(sorted({name for name, _ in {*wanted.modules} ^ {*found.modules}}))


def differing_parts(wanted: StepProof, found: CodeFingerprint) -> tuple[str, ...]:
    """Return the functions and classes of a fingerprint that another one does not have.

    What has the same text and merely reaches them differs too; it is named only where nothing else is.
    """
    parts = [part for part in found.parts if not is_global(part)]
    others = [part.name for part in parts if _mark_text(part) not in wanted.marks]
    return tuple(others or [part.name for part in parts if _mark(part) not in wanted.marks])


def differing_environment(
    wanted: Mapping[str, str], found: Mapping[str, str]
) -> tuple[tuple[str, str | None, str | None], ...]:
    """Return (name, the driver's, this process's) for everything in which two environments differ."""
    return tuple(
        (name, wanted.get(name), found.get(name))
        for name in sorted({*wanted, *found})
        if wanted.get(name) != found.get(name)
    )


def is_global(part: CodePart) -> bool:
    """Whether a part is a global that counts by its value, and not what the step itself declares."""
    return part.basis == "value" and ":" in part.name
