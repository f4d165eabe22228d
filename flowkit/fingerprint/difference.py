"""What tells two fingerprints of one step apart: told to people where a step host finds another one than the driver."""

from __future__ import annotations

from flowkit.records import CodeFingerprint


def differing_parts(one: CodeFingerprint, other: CodeFingerprint) -> tuple[tuple[str, str], ...]:
    """Return (name, basis) of each part that differs or that only one of them has, in the order they were met.

    The basis of a global's value is `value`. Where nothing else differs the texts are alike, and the global has another
    value in each process.
    """
    first, second = ({part.name: part for part in fingerprint.parts} for fingerprint in (one, other))
    found = []
    for name in {**first, **second}:
        left, right = first.get(name), second.get(name)
        if left is None or right is None or (left.basis, left.digest) != (right.basis, right.digest):
            found.append((name, (first.get(name) or second[name]).basis))
    return tuple(found)
