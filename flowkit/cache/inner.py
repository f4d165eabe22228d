"""Which key, field or element inside two values differs: of texts that Python could have written, and of JSON."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from flowkit.codecs.json_tags import ATOM_READERS, MARK

MOST_DIFFERENCES = 20
"""How many differences inside one value are told."""

_LONGEST_PARSED = 20_000
_LONGEST_TEXT = 120

Tree = dict[str, Any] | str
"""Children by how they are reached, such as `['depth']` or `.rate`; or the text of what has none."""


@dataclass(frozen=True, slots=True)
class Difference:
    """Something inside a value that differs, by where it stands in it; an absent side is None."""

    name: str
    before: str | None
    after: str | None


@dataclass(frozen=True, slots=True)
class Differences:
    """What differs inside a value: how many places, and the first of them."""

    count: int
    first: tuple[Difference, ...]


def differences_in_texts(name: str, before: str, after: str) -> Differences | None:
    """Return what differs inside two values that are known by their `repr`; None where those are no containers.

    Args:
        name: What the value is called.
        before: Its text then.
        after: Its text now.
    """
    old, new = _parse(before), _parse(after)
    if not isinstance(old, dict) or not isinstance(new, dict):
        return None
    return _gather(_walk(name, old, new))


def differences_in_json(name: str, before: bytes, after: bytes) -> Differences:
    """Return what differs inside two values of canonical JSON; of plain ones, the values themselves."""
    old, new = (_tree_of_json(json.loads(side)) for side in (before, after))
    return _gather(_walk(name, old, new))


def _gather(found: Iterable[Difference]) -> Differences:
    differences = list(found)
    return Differences(len(differences), tuple(differences[:MOST_DIFFERENCES]))


def _walk(name: str, old: Tree, new: Tree) -> Iterator[Difference]:
    if old == new:
        return
    if not isinstance(old, dict) or not isinstance(new, dict):
        yield Difference(name, _text(old), _text(new))
        return
    for key in {**new, **old}:
        if key in old and key in new:
            yield from _walk(name + key, old[key], new[key])
        else:
            yield Difference(
                name + key, _text(old[key]) if key in old else None, _text(new[key]) if key in new else None
            )


def _text(tree: Tree) -> str:
    if isinstance(tree, str):
        return cut_text(tree)
    return cut_text("{" + ", ".join(f"{key.strip('[].')}: {_text(item)}" for key, item in tree.items()) + "}")


def cut_text(text: str, longest: int = _LONGEST_TEXT) -> str:
    """Return a text of at most `longest` characters."""
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def _parse(text: str) -> Tree | None:
    """Return the tree behind a `repr`, which is parsed and never run; None where it is not written as Python is."""
    if len(text) > _LONGEST_PARSED or text[-1:] not in ("}", "]", ")"):
        return None
    try:
        return _tree_of_syntax(ast.parse(text, mode="eval").body)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _tree_of_syntax(node: ast.expr) -> Tree:
    if isinstance(node, ast.Dict) and None not in node.keys:
        pairs = zip(node.keys, node.values, strict=True)
        return {f"[{ast.unparse(key)}]": _tree_of_syntax(value) for key, value in pairs if key is not None}
    if isinstance(node, (ast.List, ast.Tuple)):
        return {f"[{place}]": _tree_of_syntax(item) for place, item in enumerate(node.elts)}
    if isinstance(node, ast.Call) and node.keywords and not node.args:
        return {f".{word.arg}": _tree_of_syntax(word.value) for word in node.keywords}
    return ast.unparse(node)


def _tree_of_json(value: Any) -> Tree:
    if isinstance(value, dict):
        tag, held = next(iter(value.items())) if len(value) == 1 else ("", None)
        if tag.startswith(MARK):
            return _tree_of_tagged(tag, held)
        return {f"[{key!r}]": _tree_of_json(item) for key, item in value.items()}
    if isinstance(value, list):
        return {f"[{place}]": _tree_of_json(item) for place, item in enumerate(value)}
    return repr(value)


def _tree_of_tagged(tag: str, held: Any) -> Tree:
    """Return what a tag of the encoding stands for: a person knows nothing of the tags."""
    if tag in ATOM_READERS:
        try:
            return repr(ATOM_READERS[tag](held))
        except (ValueError, KeyError):
            # Such as a time zone that this machine does not know.
            return repr(held)
    if tag == "$dict":
        return {f"[{_text(_tree_of_json(key))}]": _tree_of_json(item) for key, item in held}
    if tag in ("$dataclass", "$namedtuple", "$model") and isinstance(held[1], dict):
        return {f".{name}": _tree_of_json(item) for name, item in held[1].items()}
    if tag in ("$enum", "$flag"):
        return f"{held[0]}.{held[1]}"
    return _tree_of_json(held)
