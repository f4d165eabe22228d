"""Arguments as trees: plain values with leaves where content from elsewhere will stand.

Lists, tuples (named ones too), sets, dicts with their keys, dataclass instances and pydantic models are walked;
everything else is a value. A leaf is a `Ref`
to another node's output, a `Gather` of many, a `FileInput` for a `Path` that came in, or a `StoredConstant` for a
table, array or estimator that was written into the pipeline.
"""

from __future__ import annotations

import dataclasses
import sys
import types
import typing
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from msgspec import Struct

from flowkit.records import RETURN, Artifact, Digest, Stamp


class Ref(Struct, frozen=True):
    """A node's output, by the node's name and the output's."""

    node: str
    output: str = RETURN


class Gather(Struct, frozen=True):
    """What `collect` gives: the outputs in order, without those of skipped nodes."""

    refs: tuple[Ref, ...]


class FileInput(Struct, frozen=True):
    """A file or folder that came in as a `Path`, with its content's artifact and its stamp before that was hashed.

    A folder's stamp is a digest over those in its tree.
    """

    path: Path
    artifact: Artifact
    stamp: Stamp | Digest | None


class StoredConstant(Struct, frozen=True):
    """A constant whose content was put into the store by its codec."""

    artifact: Artifact


Leaf = Ref | Gather | FileInput | StoredConstant
LEAVES = (Ref, Gather, FileInput, StoredConstant)
_PLAIN = frozenset({type(None), bool, int, float, complex, str, bytes, Path, type(Path())})
_UNDIVIDED = _PLAIN | set(LEAVES)
"""What is no container and can be told by its exact type: nearly everything that ever stands in an argument."""
SETTLED = _UNDIVIDED - {Path, type(Path())}
"""Types of which nothing is left to be read or stored before a node's key is made."""


def is_instance_of_dataclass(value: object) -> bool:
    """Whether `value` is an instance of a dataclass (not the class itself, not a leaf)."""
    return dataclasses.is_dataclass(value) and not isinstance(value, (type, *LEAVES))


def replace_leaves(value: Any, replace: Callable[[Any, Any], Any], hint: Any = Any) -> Any:
    """Return `value` rebuilt with `replace(item, hint)` in place of everything that is not a container.

    Containers are rebuilt only where something below them was replaced by another object, so a value without leaves
    comes back as it is.

    Args:
        value: An argument tree.
        replace: Called with each non-container item and the part of the annotation that stands for it.
        hint: The parameter's annotation; `Any` where nothing is known.
    """
    if type(value) in _UNDIVIDED:
        return replace(value, hint)
    if isinstance(value, (list, tuple)):
        return _replace_sequence(value, replace, hint)
    if type(value) is dict:
        return _replace_pairs(value, replace, hint)
    if type(value) in (set, frozenset):
        return _replace_elements(value, replace, _item_hint(hint, 0))
    if is_instance_of_dataclass(value):
        return _replace_fields(value, replace)
    if _is_model(value):
        return _replace_model(value, replace)
    return replace(value, hint)


def _replace_sequence(value: list[Any] | tuple[Any, ...], replace: Callable[[Any, Any], Any], hint: Any) -> Any:
    items = [replace_leaves(item, replace, _item_hint(hint, index)) for index, item in enumerate(value)]
    if all(new is old for new, old in zip(items, value, strict=True)):
        return value
    make: Any = getattr(type(value), "_make", type(value))
    return make(items)


def _replace_pairs(value: dict[Any, Any], replace: Callable[[Any, Any], Any], hint: Any) -> dict[Any, Any]:
    key_hint, item_hint = _item_hint(hint, 0), _item_hint(hint, -1)
    pairs = [
        (replace_leaves(key, replace, key_hint), replace_leaves(item, replace, item_hint))
        for key, item in value.items()
    ]
    same = all(key is old_key and item is old for (key, item), (old_key, old) in zip(pairs, value.items(), strict=True))
    return value if same else dict(pairs)


def _replace_elements(value: Any, replace: Callable[[Any, Any], Any], hint: Any) -> Any:
    pairs = [(item, replace_leaves(item, replace, hint)) for item in value]
    return value if all(new is old for old, new in pairs) else type(value)(new for _, new in pairs)


def _is_model(value: object) -> bool:
    """Whether `value` is a pydantic model; pydantic is not imported to find out."""
    pydantic = sys.modules.get("pydantic")
    return pydantic is not None and isinstance(value, pydantic.BaseModel)


def _replace_model(value: Any, replace: Callable[[Any, Any], Any]) -> Any:
    parts = ("__dict__", "__pydantic_extra__", "__pydantic_private__")
    old = {part: getattr(value, part) or {} for part in parts}
    new = {part: {name: replace_leaves(item, replace) for name, item in fields.items()} for part, fields in old.items()}
    if all(new[part][name] is item for part, fields in old.items() for name, item in fields.items()):
        return value
    # Its validators would refuse leaves, which are not values yet.
    copy = value.model_copy()
    for part in parts:
        (getattr(copy, part) or {}).update(new[part])
    return copy


def _replace_fields(value: Any, replace: Callable[[Any, Any], Any]) -> Any:
    names = [field.name for field in dataclasses.fields(value) if hasattr(value, field.name)]
    # What `__post_init__` sets beside the fields counts in keys too, and must not get lost.
    names += sorted(set(getattr(value, "__dict__", {})) - set(names))
    items = {name: replace_leaves(getattr(value, name), replace) for name in names}
    if all(items[name] is getattr(value, name) for name in names):
        return value
    # Not `replace()`: that would run `__post_init__` on leaves, which are not values yet.
    copy = object.__new__(type(value))
    for name, item in items.items():
        object.__setattr__(copy, name, item)
    return copy


def _item_hint(hint: Any, index: int) -> Any:
    """Return the annotation of an item of a container annotated as `hint`; `Any` where it cannot be told.

    Args:
        hint: The container's annotation.
        index: Position in a sequence; -1 for a dict's values.
    """
    if typing.get_origin(hint) is typing.Annotated:
        hint = typing.get_args(hint)[0]
    arguments = typing.get_args(hint)
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        members = [member for member in arguments if member is not type(None)]
        return _item_hint(members[0], index) if len(members) == 1 else Any
    if not arguments:
        return Any
    if typing.get_origin(hint) is tuple:
        if len(arguments) == 2 and arguments[1] is Ellipsis:
            return arguments[0]
        return arguments[index] if index < len(arguments) else Any
    if len(arguments) == 2 and index == -1:
        return arguments[1]
    return arguments[0] if len(arguments) == 1 else Any


def item_hint(hint: Any) -> Any:
    """Return the annotation of an item of a homogeneous sequence annotated as `hint`, such as `int` of `list[int]`."""
    return _item_hint(hint, 0)


def leaves_of(value: Any) -> Sequence[Leaf]:
    """Return every leaf in `value`, in order."""
    if type(value) in _PLAIN:
        return ()
    if isinstance(value, LEAVES):
        return (value,)
    found: list[Leaf] = []

    def note(item: Any, _: Any) -> Any:
        if isinstance(item, LEAVES):
            found.append(item)
        return item

    replace_leaves(value, note)
    return found


def has_refs(value: Any) -> bool:
    """Whether there is a reference to a node's output in `value`."""
    return type(value) is Ref or bool(refs_of(value))


def refs_of(value: Any) -> Sequence[Ref]:
    """Return every reference to a node's output in `value`, those inside a `Gather` too, in order."""
    leaves = leaves_of(value)
    if not leaves:
        return ()
    found: list[Ref] = []
    for leaf in leaves:
        if isinstance(leaf, Ref):
            found.append(leaf)
        elif isinstance(leaf, Gather):
            found += leaf.refs
    return found
