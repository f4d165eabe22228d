"""Validate every contract that an annotation carries, those inside of containers too."""

from __future__ import annotations

import collections.abc
from collections.abc import Callable, Mapping
from typing import Any, Union, get_origin

from flowkit.contracts.border import Border
from flowkit.contracts.contract import Contract
from flowkit.contracts.hints import contract_of, parts_of
from flowkit.contracts.structure import needs_validation
from flowkit.errors import ContractError

_SEQUENCES = (list, tuple, collections.abc.Sequence, collections.abc.Iterable, collections.abc.Collection)
_MAPPINGS = (dict, collections.abc.Mapping, collections.abc.MutableMapping)


def contracts_in(hint: Any) -> tuple[Contract, ...]:
    """Return every contract that an annotation carries at any depth, in order."""
    contract = contract_of(hint)
    if contract is not None:
        return (contract,)
    if isinstance(hint, type) and get_origin(hint) is None:
        return ()
    _, arguments = parts_of(hint)
    return tuple(found for argument in arguments for found in contracts_in(argument))


def enforce(value: Any, hint: Any, *, where: Border) -> Any:
    """Return `value` with every table in it validated by the contract that `hint` has for it.

    Goes through lists, tuples, dicts and optionals. A container is rebuilt only where a table in it was replaced.

    Raises:
        ContractError: A table breaks its contract; the message names the item inside of a container.
    """
    contract = contract_of(hint)
    if contract is not None:
        return contract.validate(value, where=where)
    if not contracts_in(hint):
        return value
    origin, arguments = parts_of(hint)
    if origin is Union:
        return _enforce_union(value, arguments, where)
    if origin in _MAPPINGS and isinstance(value, Mapping):
        return _enforce_mapping(value, arguments[-1], where)
    if origin in _SEQUENCES and isinstance(value, (list, tuple)):
        return _enforce_sequence(value, _item_hint_of(origin, arguments), where)
    return value


def _enforce_union(value: Any, members: tuple[Any, ...], where: Border) -> Any:
    """Validate by the members whose table or container class the value has; the first that holds decides."""
    candidates = [member for member in members if _is_of_member(value, member)]
    for member in candidates[:-1]:
        try:
            return enforce(value, member, where=where)
        except ContractError:
            continue
    return enforce(value, candidates[-1], where=where) if candidates else value


def _is_of_member(value: Any, member: Any) -> bool:
    contract = contract_of(member)
    kind = contract.table if contract is not None else parts_of(member)[0]
    return isinstance(kind, type) and isinstance(value, kind)


def _enforce_mapping(value: Mapping[Any, Any], hint: Any, where: Border) -> Any:
    items = {key: enforce(item, hint, where=where.at(key)) for key, item in value.items()}
    if all(items[key] is item for key, item in value.items()):
        return value
    return items


def _item_hint_of(origin: Any, arguments: tuple[Any, ...]) -> Callable[[int], Any]:
    if origin is not tuple or (len(arguments) == 2 and arguments[1] is Ellipsis):
        return lambda index: arguments[0]
    return lambda index: arguments[index] if index < len(arguments) else Any


def _enforce_sequence(value: Any, hint_of: Callable[[int], Any], where: Border) -> Any:
    items = [enforce(item, hint_of(index), where=where.at(index)) for index, item in enumerate(value)]
    if all(new is old for new, old in zip(items, value, strict=True)):
        return value
    if hasattr(value, "_fields"):
        return type(value)._make(items)
    return type(value)(items)


def must_enforce(given_hint: Any, wanted_hint: Any) -> bool:
    """Whether a value validated as `given_hint` has contracts of `wanted_hint` still to be validated.

    Args:
        given_hint: The producer's annotation, whose contracts hold.
        wanted_hint: The consumer's.
    """
    if given_hint is wanted_hint:
        return False
    wanted = contract_of(wanted_hint)
    if wanted is not None:
        return needs_validation(contract_of(given_hint), wanted)
    if not contracts_in(wanted_hint):
        return False
    given_origin, given_arguments = parts_of(given_hint)
    origin, arguments = parts_of(wanted_hint)
    if given_origin is Union or len(given_arguments) != len(arguments):
        return _must_enforce_otherwise(given_origin, given_arguments, origin, arguments)
    return any(must_enforce(given, needed) for given, needed in zip(given_arguments, arguments, strict=True))


def _must_enforce_otherwise(given_origin: Any, given: tuple[Any, ...], origin: Any, wanted: tuple[Any, ...]) -> bool:
    """Judge a fixed tuple given where all items are wanted alike; anything else is validated again."""
    if given_origin is tuple and origin in _SEQUENCES and len(given) > len(wanted) == 1:
        return any(must_enforce(item, wanted[0]) for item in given)
    return True
