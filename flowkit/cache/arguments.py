"""Each argument's share of a cache key, computed alike by the driver and by step hosts."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from itertools import islice
from typing import Any, Protocol

from msgspec import Struct

from flowkit.codecs.hints import class_name, is_named_class
from flowkit.contracts import ColumnSelection, Selections
from flowkit.fingerprint.encode import (
    digest_leaf,
    digest_value,
    encode_artifact,
    encode_path,
    encode_value,
    encode_view,
)
from flowkit.graph.arguments import LEAVES, FileInput, Gather, Ref, StoredConstant, leaves_of, replace_leaves
from flowkit.records import RETURN, ArgumentKind, ArgumentPart, Artifact, Digest

LONGEST_SHOWN = 2_000
"""How much of an argument is kept as text: enough to name the key inside a dict that differs."""

SHORT_DIGEST = 12
"""How much of a digest stands in a text for people: what commands take for the artifact."""

_MOST_DIGESTS = 8
_TEXTS = frozenset({str, bytes})
_PLAIN = frozenset({type(None), bool, int, str, bytes})
"""Of these, equal values of one type have equal encodings; `0.0` and `-0.0` have not."""

_SELECTED = re.compile(r".*[)\]]: (.+)", re.DOTALL)
"""How an argument is shown of which only some columns counted."""

NOTHING_SELECTED = Selections()

Resolve = Callable[[Ref], Artifact | None]
"""Gives the artifact behind a reference, or None where its producer was skipped."""


class ArgumentCode(Protocol):
    """Gives fingerprints of the code that arguments bring along."""

    def of_value(self, value: object, /) -> Digest:
        """Return the fingerprint of a function or class that is passed as a value."""
        ...

    def of_name(self, name: str, /) -> Digest | None:
        """Return the fingerprint of project code that a stored value names; None where it is not the project's."""
        ...


class ColumnViews(Protocol):
    """Gives digests of what steps see of tables."""

    def digest(self, artifact: Artifact, selection: ColumnSelection, /) -> Digest | None:
        """Return the digest of some columns of a table; None where the whole of it counts."""
        ...


def describe_argument(
    parameter: str,
    value: Any,
    resolve: Resolve,
    code: ArgumentCode | None = None,
    selections: Selections = NOTHING_SELECTED,
    views: ColumnViews | None = None,
) -> ArgumentPart:
    """Return the argument's share of the key.

    Args:
        parameter: The parameter's name.
        value: The argument tree.
        resolve: Gives the artifacts that its references stand for.
        code: Gives the fingerprints of functions and classes that are passed as values, and of those that stored
            values name.
        selections: What the parameter's contract keeps of tables: other columns do not count.
        views: Gives the digests of the columns that do.

    Raises:
        EncodingError: Something in the value has no canonical encoding; the message names the parameter and the place.
    """
    kind: Any = type(value)
    if kind in _PLAIN and (kind not in _TEXTS or len(value) <= LONGEST_SHOWN):
        return _describe_plain(parameter, kind, value)
    content = _Content(code, selection_for(value, selections) if views is not None else None, views)
    if isinstance(value, LEAVES):
        digest, kind = digest_leaf(_encode_leaf(value, resolve, content)), ArgumentKind.INPUT
    else:
        digest, kind = _describe_tree(parameter, value, resolve, content)
    shown = show_argument(value, resolve, content.selection if content.viewed else None)
    return ArgumentPart(parameter, digest, kind, shown)


@lru_cache(maxsize=1024)
def _describe_plain(parameter: str, kind: Any, value: Any) -> ArgumentPart:
    """Return the share of plain data, which nodes have in common; the type tells `1` and `True` apart."""
    digest = digest_value(parameter, value)
    return ArgumentPart(parameter, digest, ArgumentKind.PARAMETER, show_argument(value, _no_artifact))


def _no_artifact(_: Ref) -> None:
    return None


def _describe_tree(parameter: str, value: Any, resolve: Resolve, content: _Content) -> tuple[Digest, ArgumentKind]:
    classes: set[type] = set()
    code = content.code

    def leaf(item: object) -> bytes | None:
        if isinstance(item, LEAVES):
            return _encode_leaf(item, resolve, content)
        if type(item).__module__ != "builtins":
            classes.add(type(item))
        return None

    digest = digest_value(parameter, value, leaf, code.of_value if code is not None else None)
    if code is not None and classes:
        digest = _add_classes(digest, classes, code)
    return digest, ArgumentKind.INPUT if leaves_of(value) else ArgumentKind.PARAMETER


def selection_for(tree: Any, selections: Selections) -> ColumnSelection | None:
    """Return the columns that a step is given of each table in an argument; None where it is given all.

    This decides for the key and for the value alike.
    """
    if isinstance(tree, (Ref, StoredConstant)):
        return selections.table
    return selections.items if isinstance(tree, (Gather, list, tuple)) else None


def _add_classes(digest: Digest, classes: set[type], code: ArgumentCode) -> Digest:
    """Return the digest of a value with the code of the project's classes in it, which the step may not name."""
    named = sorted(((class_name(cls), cls) for cls in classes if is_named_class(cls)), key=lambda pair: pair[0])
    digests = [(name, code.of_value(cls) if "<" in name else code.of_name(name)) for name, cls in named]
    found = [(name, found) for name, found in digests if found is not None]
    return digest_value("", [digest, *found]) if found else digest


class _Content(Struct):
    """Encodes references to stored content.

    Attributes:
        viewed: Whether only some columns of a table were what counted.
    """

    code: ArgumentCode | None
    selection: ColumnSelection | None
    views: ColumnViews | None
    viewed: bool = False

    def encode(self, artifact: Artifact) -> bytes:
        """Return an artifact's encoding, with the project's code that it names, for that decides what it does."""
        named = [(name, self.code.of_name(name)) for name in artifact.refers] if self.code is not None else []
        code = [(name, digest) for name, digest in named if digest is not None]
        view = self.views.digest(artifact, self.selection) if self.views and self.selection else None
        if view is None:
            return encode_artifact(artifact.digest, code)
        self.viewed = True
        return encode_view(view, code)


def _encode_leaf(item: Any, resolve: Resolve, content: _Content) -> bytes:
    if isinstance(item, FileInput):
        return encode_path(item.path.name, item.artifact.digest)
    if isinstance(item, StoredConstant):
        return content.encode(item.artifact)
    if isinstance(item, Gather):
        kept = [artifact for artifact in map(resolve, item.refs) if artifact is not None]
        return encode_value(kept, lambda child: content.encode(child) if isinstance(child, Artifact) else None)
    artifact = resolve(item)
    return encode_value(None) if artifact is None else content.encode(artifact)


def artifacts_in(value: Any, resolve: Resolve) -> list[tuple[Artifact, str | None]]:
    """Return every artifact that an argument names, in order, and the node that gave it; files come from none."""
    kind: Any = type(value)
    if kind is Ref:
        artifact = resolve(value)
        return [(artifact, value.node)] if artifact is not None else []
    if kind in _PLAIN:
        return []
    found: list[tuple[Artifact | None, str | None]] = []
    for leaf in leaves_of(value):
        if isinstance(leaf, (FileInput, StoredConstant)):
            found.append((leaf.artifact, None))
        else:
            refs = leaf.refs if isinstance(leaf, Gather) else (leaf,)
            found.extend((resolve(ref), ref.node) for ref in refs)
    return [(artifact, producer) for artifact, producer in found if artifact is not None]


def show_argument(value: Any, resolve: Resolve, selection: ColumnSelection | None = None) -> str:
    """Return a short text of an argument for people, with the digests of its artifacts; it never counts in a key.

    Args:
        value: The argument tree.
        resolve: Gives the artifacts that its references stand for.
        selection: The columns that alone counted.
    """
    text = repr(_shorten(value, resolve))
    text = text if selection is None else f"{text}: {selection}"
    return text if len(text) <= LONGEST_SHOWN else text[: LONGEST_SHOWN - 1] + "…"


def _shorten(value: Any, resolve: Resolve) -> Any:
    """Return what is shown of a value: as much of long data as can be seen, and its leaves as texts."""
    if isinstance(value, LEAVES):
        return _Shown(value, resolve)
    kind = type(value)
    if kind in (list, tuple):
        return kind(_shorten(item, resolve) for item in value[:LONGEST_SHOWN])
    if kind is dict:
        items = islice(value.items(), LONGEST_SHOWN)
        return {_shorten(key, resolve): _shorten(item, resolve) for key, item in items}
    if kind in _TEXTS:
        return value[: 2 * LONGEST_SHOWN]
    if kind in (int, float, bool, type(None)):
        return value
    return replace_leaves(value, lambda item, _: _Shown(item, resolve) if isinstance(item, LEAVES) else item)


def selection_in(shown: str) -> ColumnSelection | None:
    """Return the columns that alone counted, from the text of a recorded argument; None where all did.

    A name that is a pattern too counts as both: it is told of a column too many rather than of one too few.
    """
    found = _SELECTED.fullmatch(shown)
    if found is None or shown.endswith("…"):
        return None
    names = found[1].split(", ")
    return ColumnSelection(frozenset(names), tuple(name for name in names if _is_pattern(name)))


def _is_pattern(name: str) -> bool:
    if name == re.escape(name):
        return False
    try:
        re.compile(name)
    except re.error:
        return False
    return True


class _Shown(Struct, frozen=True):
    """Stands for a leaf in an argument that is shown."""

    leaf: Any
    resolve: Resolve

    def __repr__(self) -> str:
        artifacts = [artifact for artifact, _ in artifacts_in(self.leaf, self.resolve)]
        digests = ", ".join(artifact.digest[:SHORT_DIGEST] for artifact in artifacts[:_MOST_DIGESTS])
        more = ", …" if len(artifacts) > _MOST_DIGESTS else ""
        return f"{_name_leaf(self.leaf)} ({digests}{more})" if digests else _name_leaf(self.leaf)


def _name_leaf(leaf: Any) -> str:
    if isinstance(leaf, Ref):
        return leaf.node if leaf.output == RETURN else f"{leaf.node}.{leaf.output}"
    if isinstance(leaf, Gather):
        return f"collect of {len(leaf.refs)}"
    return str(leaf.path) if isinstance(leaf, FileInput) else str(leaf.artifact.format)
