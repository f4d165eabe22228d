"""Which key, field or element inside two values differs: of texts that Python could have written, and of JSON."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from msgspec import Struct

from flowkit.codecs.json_tags import ATOM_READERS, MARK

MOST_DIFFERENCES = 20
"""How many differences inside one value are told."""

_LONGEST_PARSED = 20_000
_LONGEST_TEXT = 120


class Tree(Struct, frozen=True):
    """A value's text, and what it holds, by how that is reached, such as `['depth']` or `.rate`; None for a leaf."""

    text: str
    held: Mapping[str, Tree] | None = None


class Difference(Struct, frozen=True):
    """Something inside a value that differs, by where it stands in it; an absent side is None."""

    name: str
    before: str | None
    after: str | None


class Differences(Struct, frozen=True):
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
    if old is None or new is None or old.held is None or new.held is None:
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
    if old.held is None or new.held is None:
        yield Difference(name, cut_text(old.text), cut_text(new.text))
        return
    for key in {**new.held, **old.held}:
        was, now = old.held.get(key), new.held.get(key)
        if was is not None and now is not None:
            yield from _walk(name + key, was, now)
        else:
            yield Difference(name + key, *(None if side is None else cut_text(side.text) for side in (was, now)))


def cut_text(text: str, longest: int = _LONGEST_TEXT) -> str:
    """Return a text of at most `longest` characters."""
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def _parse(text: str) -> Tree | None:
    """Return the tree behind a `repr`, which is parsed and never run; None where it is not written as Python is."""
    if len(text) > _LONGEST_PARSED or text[-1:] not in ("}", "]", ")") or "\n" in text:
        return None
    try:
        return _tree_of_syntax(ast.parse(text, mode="eval").body, text.encode())
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _tree_of_syntax(node: ast.expr, written: bytes) -> Tree:
    """Return the tree of an expression in a text of one line, of which each piece is cut out."""
    text = written[node.col_offset : node.end_col_offset].decode()
    if isinstance(node, ast.Dict) and None not in node.keys:
        pairs = [(key, value) for key, value in zip(node.keys, node.values, strict=True) if key is not None]
        named = [(_tree_of_syntax(key, written).text, value) for key, value in pairs]
        return Tree(text, {f"[{name}]": _tree_of_syntax(value, written) for name, value in named})
    if isinstance(node, (ast.List, ast.Tuple)):
        return Tree(text, {f"[{place}]": _tree_of_syntax(item, written) for place, item in enumerate(node.elts)})
    if isinstance(node, ast.Call) and node.keywords and not node.args:
        return Tree(text, {f".{word.arg}": _tree_of_syntax(word.value, written) for word in node.keywords})
    return Tree(text)


def _tree_of_json(value: Any) -> Tree:
    if isinstance(value, dict):
        tag, held = next(iter(value.items())) if len(value) == 1 else ("", None)
        if tag.startswith(MARK):
            return _tree_of_tagged(tag, held)
        return _tree_of_pairs("{}", [(f"[{key!r}]", repr(key), _tree_of_json(item)) for key, item in value.items()])
    if isinstance(value, list):
        items = [_tree_of_json(item) for item in value]
        text = f"[{', '.join(item.text for item in items)}]"
        return Tree(cut_text(text), {f"[{place}]": item for place, item in enumerate(items)})
    return Tree(repr(value))


def _tree_of_pairs(brackets: str, pairs: Iterable[tuple[str, str, Tree]]) -> Tree:
    """Return a tree of (how it is reached, how it is called, what it is)."""
    found = list(pairs)
    text = ", ".join(f"{name}: {item.text}" for _, name, item in found)
    return Tree(cut_text(f"{brackets[0]}{text}{brackets[1]}"), {way: item for way, _, item in found})


def _tree_of_tagged(tag: str, held: Any) -> Tree:
    """Return what a tag of the encoding stands for: a person knows nothing of the tags."""
    if tag in ATOM_READERS:
        try:
            return Tree(repr(ATOM_READERS[tag](held)))
        except (ValueError, KeyError):
            # Such as a time zone that this machine does not know.
            return Tree(repr(held))
    if tag == "$dict":
        pairs = [(_tree_of_json(key).text, _tree_of_json(item)) for key, item in held]
        return _tree_of_pairs("{}", [(f"[{key}]", key, item) for key, item in pairs])
    if tag in ("$dataclass", "$namedtuple", "$model") and isinstance(held[1], dict):
        return _tree_of_pairs("()", [(f".{name}", name, _tree_of_json(item)) for name, item in held[1].items()])
    if tag in ("$enum", "$flag"):
        return Tree(f"{held[0]}.{held[1]}")
    return _tree_of_json(held)
