"""What a driver says of a step's code, so that a step host can tell whether it has the same and what differs."""

from __future__ import annotations

from dataclasses import dataclass

from blake3 import blake3

from flowkit.records import CodeFingerprint, CodePart, Digest


@dataclass(frozen=True, slots=True)
class StepProof:
    """A step's code fingerprint without its texts, small enough to go with every packet.

    Attributes:
        code: The whole fingerprint's digest.
        rest: A digest over all of its parts but globals that count by their value.
        values: Those globals, by name.
    """

    code: Digest
    rest: Digest
    values: tuple[tuple[str, Digest], ...]


def summarise_code(code: CodeFingerprint) -> StepProof:
    """Return a fingerprint's summary."""
    hasher = blake3()
    for part in sorted((part for part in code.parts if not is_global(part)), key=lambda part: part.name):
        for text in (part.name, part.basis, part.digest):
            hasher.update(len(text.encode()).to_bytes(8, "little") + text.encode())
    values = tuple(sorted((part.name, part.digest) for part in code.parts if is_global(part)))
    return StepProof(code.digest, hasher.hexdigest(), values)


def differing_globals(wanted: StepProof, found: StepProof) -> tuple[str, ...]:
    """Return the globals by whose values alone two fingerprints differ; none where other code differs too."""
    if wanted.rest != found.rest:
        return ()
    return tuple(sorted({name for name, _ in {*wanted.values} ^ {*found.values}}))


def is_global(part: CodePart) -> bool:
    """Whether a part is a global that counts by its value, and not what the step itself declares."""
    return part.basis == "value" and ":" in part.name
