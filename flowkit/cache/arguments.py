"""Each argument's share of a cache key, computed alike by the driver and by step hosts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flowkit.fingerprint.encode import digest_value, encode_artifact, encode_path, encode_value
from flowkit.graph.arguments import LEAVES, FileInput, Gather, Ref, StoredConstant, leaves_of
from flowkit.records import ArgumentKind, ArgumentPart, Artifact, Digest

LONGEST_SHOWN = 200

Resolve = Callable[[Ref], Artifact | None]
"""Gives the artifact behind a reference, or None where its producer was skipped."""


def describe_argument(
    parameter: str, value: Any, resolve: Resolve, code: Callable[[object], Digest] | None = None
) -> ArgumentPart:
    """Return the argument's share of the key.

    Args:
        parameter: The parameter's name.
        value: The argument tree.
        resolve: Gives the artifacts that its references stand for.
        code: Gives the fingerprint of a function or class that is passed as a value.

    Raises:
        EncodingError: Something in the value has no canonical encoding; the message names the parameter and the place.
    """

    def leaf(item: object) -> bytes | None:
        return _encode_leaf(item, resolve) if isinstance(item, LEAVES) else None

    digest = digest_value(parameter, value, leaf, code)
    kind = ArgumentKind.INPUT if any(True for _ in leaves_of(value)) else ArgumentKind.PARAMETER
    return ArgumentPart(parameter, digest, kind, show_argument(value))


def _encode_leaf(item: Any, resolve: Resolve) -> bytes:
    if isinstance(item, FileInput):
        return encode_path(item.path.name, item.artifact.digest)
    if isinstance(item, StoredConstant):
        return encode_artifact(item.artifact.digest)
    if isinstance(item, Gather):
        kept = [artifact for artifact in map(resolve, item.refs) if artifact is not None]
        return encode_value(kept, _encode_artifact)
    artifact = resolve(item)
    return encode_value(None) if artifact is None else encode_artifact(artifact.digest)


def _encode_artifact(child: object) -> bytes | None:
    return encode_artifact(child.digest) if isinstance(child, Artifact) else None


def artifacts_in(value: Any, resolve: Resolve) -> list[Artifact]:
    """Return every artifact that an argument names, files included, in order."""
    found: list[Artifact | None] = []
    for leaf in leaves_of(value):
        if isinstance(leaf, (FileInput, StoredConstant)):
            found.append(leaf.artifact)
        elif isinstance(leaf, Gather):
            found.extend(resolve(ref) for ref in leaf.refs)
        else:
            found.append(resolve(leaf))
    return [artifact for artifact in found if artifact is not None]


def show_argument(value: Any) -> str:
    """Return a short text of an argument for people; it never counts in a key."""
    if isinstance(value, Ref):
        return value.node if value.output == "return" else f"{value.node}.{value.output}"
    if isinstance(value, Gather):
        return f"collect of {len(value.refs)}"
    if isinstance(value, FileInput):
        return str(value.path)
    if isinstance(value, StoredConstant):
        return f"{value.artifact.format} {value.artifact.digest[:12]}"
    text = repr(value)
    return text if len(text) <= LONGEST_SHOWN else text[: LONGEST_SHOWN - 1] + "…"
