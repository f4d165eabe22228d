"""Split an annotation into its plain type and the contract that it carries."""

from __future__ import annotations

import functools
import operator
import types
import typing
from typing import Annotated, Any, Union

from flowkit.contracts.contract import Contract
from flowkit.contracts.schemas import plain_table_type, schema_library

_UNIONS = (Union, types.UnionType)


def parts_of(hint: Any) -> tuple[Any, tuple[Any, ...]]:
    """Return a hint's origin and arguments, seen through `Annotated` and `type X = …` aliases.

    A hint without arguments comes back as itself, every union has the origin `typing.Union`, and pandera's annotation
    classes stand for the table class under them.
    """
    hint = _unwrapped(hint)
    origin = typing.get_origin(hint)
    table = plain_table_type(hint if origin is None else origin)
    if table is not None:
        return table, ()
    if origin is None:
        return hint, ()
    return (Union if origin in _UNIONS else origin), typing.get_args(hint)


def _unwrapped(hint: Any) -> Any:
    while True:
        if typing.get_origin(hint) is Annotated:
            hint = typing.get_args(hint)[0]
        elif type(hint).__name__ == "TypeAliasType":
            hint = hint.__value__
        else:
            return hint


def contract_of(hint: Any) -> Contract | None:
    """Return the contract that an annotation of a table or series carries, None where there is none.

    Reads `Annotated[Table, Model]` and `Annotated[Table, schema]` for pandas, polars and pyarrow, pandera's own
    `DataFrame[Model]` and `Series[dtype]`, and any of these with `| None`. Contracts inside of containers are found by
    `contracts_in`.
    """
    if isinstance(hint, type) and typing.get_origin(hint) is None:
        return None
    if type(hint).__name__ == "TypeAliasType":
        return contract_of(hint.__value__)
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is Annotated:
        schemas = [extra for extra in arguments[1:] if schema_library(extra) is not None]
        if schemas:
            return _contract_on(schemas, bare_type(arguments[0]))
        return contract_of(arguments[0])
    if origin in _UNIONS:
        return _contract_of_optional(arguments)
    table = plain_table_type(origin)
    if table is None or not arguments:
        return None
    if schema_library(arguments[0]) is not None:
        return Contract.of_schemas([arguments[0]], table)
    return Contract.of_series(arguments, table)


def _contract_on(schemas: list[Any], table: Any) -> Contract:
    members = typing.get_args(table) if typing.get_origin(table) in _UNIONS else (table,)
    others = [member for member in members if member is not type(None)]
    if len(others) == len(members) or len(others) != 1:
        return Contract.of_schemas(schemas, table)
    return Contract.of_schemas(schemas, others[0]).admitting_none()


def _contract_of_optional(members: tuple[Any, ...]) -> Contract | None:
    others = [member for member in members if member is not type(None)]
    if len(others) != 1 or len(others) == len(members):
        return None
    contract = contract_of(others[0])
    return contract.admitting_none() if contract is not None else None


def bare_type(hint: Any) -> Any:
    """Return the annotation without contracts and `Annotated` extras, at every depth.

    `Annotated[pd.DataFrame, Trip]` and pandera's `DataFrame[Trip]` give `pd.DataFrame`, `list[Trips]` gives
    `list[pd.DataFrame]`. A hint with nothing to take away comes back as the same object.
    """
    plain = _unwrapped(hint)
    origin, arguments = parts_of(plain)
    if plain_table_type(typing.get_origin(plain) or plain) is not None:
        return origin
    if not arguments or origin is typing.Literal:
        return plain
    bare = tuple(argument if isinstance(argument, list) else bare_type(argument) for argument in arguments)
    if all(new is old for new, old in zip(bare, arguments, strict=True)):
        return plain
    return functools.reduce(operator.or_, bare) if origin is Union else origin[bare]
