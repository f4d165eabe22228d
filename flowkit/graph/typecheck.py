"""Whether what one step gives is what another takes, judged on their annotations before anything runs.

Identical and plain hints are judged by themselves; beartype is imported only for what is left, pandera only where two
different contracts meet. Nothing here looks at a value: `valuecheck` does.
"""

from __future__ import annotations

import typing
from typing import Any, Union

from flowkit.contracts import Contract, bare_type, compare_contracts, contract_of, parts_of
from flowkit.errors import EdgeError
from flowkit.graph.classes import MAPPING, axes_of, class_fits, is_array, is_container, scalar_of, table_shape
from flowkit.graph.fit import FITS, Fit, Verdict, best, refused, unknown, warns, worst
from flowkit.graph.hint_text import format_hint
from flowkit.graph.judge import is_narrower
from flowkit.graph.valuecheck import check_argument, check_constant, check_value

__all__ = [
    "Fit",
    "Verdict",
    "check_argument",
    "check_constant",
    "check_edge",
    "check_value",
    "check_view",
    "edge_error",
    "format_hint",
]

Parts = tuple[Any, tuple[Any, ...]]
"""An annotation's origin and arguments."""

_VIEWS = {"table", "series"}
_ITEMS_OF_CLASS = {str: str, bytes: int, bytearray: int, range: int}
_TABLE_ALIASES = {"pandas": "pd", "polars": "pl", "pyarrow": "pa", "dask": "dd"}


def check_edge(given_hint: Any, wanted_hint: Any) -> Fit:
    """Judge whether a value annotated as `given_hint` can be passed where `wanted_hint` is annotated.

    Containers are covariant: a consumer has a copy of its own. The numeric tower holds (`int` into `float`), `Any` on
    either side fits with a warning, arrays fit by dtype, contracts by their columns, and beartype decides other hints.

    Returns:
        `fits`; `warns`; `unknown`, where only the value can tell and is to be checked; or `refused`.
    """
    if given_hint is wanted_hint:
        return FITS
    return _fit(given_hint, wanted_hint)


def check_view(given_hint: Any, wanted_hint: Any) -> bool:
    """Say whether what is stored of a `given_hint` may be read as a `wanted_hint`: another table, another series.

    What a hint leaves open, such as `Any`, may be; the value tells at the hand-over.
    """
    wanted = _table_shapes(wanted_hint)
    given = _table_shapes(given_hint)
    return not wanted.isdisjoint(_VIEWS) and (not given.isdisjoint(wanted & _VIEWS) or "open" in given)


def _table_shapes(hint: Any) -> set[str | None]:
    origin, arguments = parts_of(bare_type(hint))
    if origin is Union:
        return {shape for member in arguments for shape in _table_shapes(member)}
    if origin is Any or origin is object or not isinstance(origin, type):
        return {"open"}
    return {table_shape(origin)}


def edge_error(
    consumer: str, parameter: str, wanted_hint: Any, producer: str, given_hint: Any, location: object, fit: Fit
) -> EdgeError:
    """Return the error that says why a refused edge does not fit.

    Args:
        consumer: The step that takes the value, by name.
        parameter: Its parameter.
        wanted_hint: That parameter's annotation.
        producer: The step that gives the value, by name.
        given_hint: The annotation of what it gives.
        location: Where the producer is called.
        fit: What `check_edge` said of the two hints.
    """
    wanted, given = format_hint(wanted_hint), format_hint(given_hint)
    if fit.mismatches:
        columns = [(mismatch.problem, str(mismatch)) for mismatch in fit.mismatches]
        return EdgeError.for_contract(consumer, parameter, wanted, producer, given, location, columns)
    detail = "" if fit.detail == _difference(given_hint, wanted_hint) else fit.detail
    return EdgeError.for_type(consumer, parameter, wanted, producer, given, location, detail, fit.remedy)


def _fit(given: Any, wanted: Any) -> Fit:
    if _is_same(given, wanted):
        return FITS
    contract = contract_of(wanted)
    if contract is not None:
        return _fit_contract(given, wanted, contract)
    given_origin, given_arguments = parts_of(given)
    origin, arguments = parts_of(wanted)
    if origin is object or (given_origin == origin and not given_arguments and not arguments):
        return FITS
    if origin is Any or given_origin is Any:
        if origin is Any:
            return warns("the parameter is annotated as Any: not checked")
        return warns("the output is annotated as Any: checked on the value alone")
    if given_origin is Union:
        return worst(_fit(member, wanted) for member in given_arguments)
    if given_origin is typing.Literal and len(given_arguments) > 1:
        return worst(_fit(typing.Literal[value], wanted) for value in given_arguments)
    if origin is Union:
        return _fit_union(given, wanted, arguments)
    if given_origin is typing.Literal:
        return _fit_literal(given_arguments[0], wanted, origin, arguments)
    if isinstance(given_origin, typing.NewType):
        return _fit(given_origin.__supertype__, wanted)
    if is_array(given_origin) and is_array(origin):
        return _fit_array(given, wanted, given_arguments, arguments)
    return _fit_classes(given, wanted, (given_origin, given_arguments), (origin, arguments))


def _is_same(given: Any, wanted: Any) -> bool:
    try:
        return given is wanted or bool(given == wanted)
    except (TypeError, ValueError):  # objects in `Annotated` that compare to something other than a truth value
        return False


def _difference(given: Any, wanted: Any) -> str:
    return f"{format_hint(given)} does not fit {format_hint(wanted)}"


def _fit_contract(given: Any, wanted: Any, contract: Contract) -> Fit:
    misfit = contract.misfit()
    if misfit is not None:
        return refused(misfit, f"give {contract.name} a table type that it is a schema for.")
    plain = _fit(bare_type(given), bare_type(wanted))
    produced = contract_of(given)
    if plain.verdict is Verdict.REFUSED:
        return plain
    if produced is None:
        return unknown(f"{format_hint(given)} promises no columns: {contract.name} is validated at the hand-over")
    misfit = produced.misfit()
    if misfit is not None:
        return refused(misfit, f"give {produced.name} a table type that it is a schema for.")
    mismatches = compare_contracts(produced, contract)
    if mismatches:
        detail = "; ".join(f"{mismatch.problem} {mismatch}" for mismatch in mismatches)
        return Fit(Verdict.REFUSED, detail, mismatches)
    return plain


def _fit_union(given: Any, wanted: Any, members: tuple[Any, ...]) -> Fit:
    fit = best(_fit(given, member) for member in members)
    others = [member for member in members if member is not type(None)]
    if fit.verdict is not Verdict.REFUSED or (len(others) == 1 and fit.mismatches):
        return fit
    return refused(_difference(given, wanted), fit.remedy)


def _fit_literal(value: Any, wanted: Any, origin: Any, arguments: tuple[Any, ...]) -> Fit:
    if origin is not typing.Literal:
        return _fit(type(value), wanted)
    known = any(type(value) is type(one) and value == one for one in arguments)
    return FITS if known else refused(f"{value!r} is not in {format_hint(wanted)}")


def _fit_array(given: Any, wanted: Any, given_arguments: tuple[Any, ...], arguments: tuple[Any, ...]) -> Fit:
    given_scalar, scalar = scalar_of(given_arguments), scalar_of(arguments)
    if scalar is not None and not (given_scalar is not None and issubclass(given_scalar, scalar)):
        if given_scalar is None or issubclass(scalar, given_scalar):
            return unknown(f"{format_hint(given)} leaves the dtype open: checked on the value")
        return refused(_difference(given, wanted), f"convert it first: .astype({scalar.__name__!r}).")
    return _fit_shape(given, wanted, axes_of(given_arguments), axes_of(arguments))


def _fit_shape(given: Any, wanted: Any, given_axes: int | None, axes: int | None) -> Fit:
    if axes is None or axes == given_axes:
        return FITS
    if given_axes is None:
        return unknown(f"{format_hint(given)} leaves the number of axes open: checked on the value")
    return refused(f"an array of {given_axes} axes does not fit one of {axes}")


def _fit_classes(given: Any, wanted: Any, given_parts: Parts, parts: Parts) -> Fit:
    (given_origin, given_arguments), (origin, arguments) = given_parts, parts
    given_origin = type(None) if given_origin is None else given_origin
    origin = type(None) if origin is None else origin
    if not (isinstance(given_origin, type) and isinstance(origin, type)):
        return _judge(given, wanted)
    fits = class_fits(given_origin, origin)
    if fits is None:
        return _judge(given, wanted)
    if not fits:
        return refused(_difference(given, wanted), _remedy(given_origin, origin))
    if not arguments:
        return FITS
    if not given_arguments:
        return _fit_unparametrised(given_origin, origin, wanted, arguments)
    if is_container(given_origin) and is_container(origin):
        return _fit_items(given_parts, parts)
    return _judge(given, wanted)


def _fit_unparametrised(given: type, origin: type, wanted: Any, arguments: tuple[Any, ...]) -> Fit:
    """Judge a class that says what it holds only by its bases, or not at all."""
    if given in _ITEMS_OF_CLASS and len(arguments) == 1:
        return _fit(_ITEMS_OF_CLASS[given], arguments[0]).within("items")
    for base in getattr(given, "__orig_bases__", ()):
        base_origin = typing.get_origin(base)
        if isinstance(base_origin, type) and class_fits(base_origin, origin):
            return _fit(base, wanted)
    return unknown(f"{format_hint(given)} does not say what it holds: checked on the value")


def _fit_items(given_parts: Parts, parts: Parts) -> Fit:
    """Judge what two containers hold by those type arguments that stand for the same items."""
    (given_origin, given), (origin, wanted) = given_parts, parts
    if given_origin is tuple:
        return _fit_tuple(given, wanted, fixed=origin is tuple and wanted[-1] is not Ellipsis)
    if len(wanted) == 2:
        return worst((_fit(given[0], wanted[0]).within("keys"), _fit(given[1], wanted[1]).within("values")))
    return _fit(given[0], wanted[0]).within("keys" if issubclass(given_origin, MAPPING) else "items")


def _fit_tuple(given: tuple[Any, ...], wanted: tuple[Any, ...], *, fixed: bool) -> Fit:
    if given[-1] is Ellipsis:
        items = worst(_fit(given[0], item).within("items") for item in (wanted if fixed else wanted[:1]))
        return worst((items, unknown("a tuple of any length: checked on the value"))) if fixed else items
    if fixed and len(given) != len(wanted):
        return refused(f"a tuple of {len(given)} does not fit one of {len(wanted)}")
    pairs = zip(given, wanted if fixed else wanted[:1] * len(given), strict=True)
    return worst(_fit(one, other).within(f"item {index}") for index, (one, other) in enumerate(pairs))


def _remedy(given: type, wanted: type) -> str:
    libraries = [kind.__module__.partition(".")[0] for kind in (given, wanted)]
    if libraries[0] == libraries[1] or not set(libraries) <= set(_TABLE_ALIASES):
        return ""
    if "Series" in (given.__name__, wanted.__name__):
        return ""
    return f"pass fk.as_type(…, {_TABLE_ALIASES[libraries[1]]}.{wanted.__name__}) of it."


def _judge(given: Any, wanted: Any) -> Fit:
    """Let beartype decide; what it cannot judge is left to the value."""
    if any(isinstance(hint, (str, typing.ForwardRef)) for hint in (given, wanted)):
        return unknown(
            f"{_difference(given, wanted).replace('does not fit', 'into')} names a type that is not there yet"
        )
    fits = is_narrower(given, wanted)
    if fits is None:
        return unknown(f"{format_hint(wanted)} cannot be judged from types: checked on the value")
    return FITS if fits else refused(_difference(given, wanted))
