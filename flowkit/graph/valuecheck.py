"""Whether a value is of an annotated type: constants while a pipeline is built, results while it runs.

Every item of a container is looked at, so the verdict on a value is always the same. Contracts are not validated here.
"""

from __future__ import annotations

import collections.abc
import typing
from collections.abc import Callable, Iterable, Mapping, Set
from pathlib import Path
from typing import Any, Union

from flowkit.contracts import bare_type, contract_of, parts_of
from flowkit.graph.classes import axes_of, class_fits, is_array, is_container, scalar_of
from flowkit.graph.fit import FITS, Fit, Verdict, best, refused, unknown, worst
from flowkit.graph.hint_text import format_class, format_hint
from flowkit.graph.judge import is_of_hint

LeafFit = Callable[[Any, Any], Fit | None]
"""Given an item and its annotation, the verdict where the item stands for a value that is not there yet, else None."""

_LONGEST_SHOWN = 60


def check_constant(value: Any, hint: Any) -> Fit:
    """Judge whether a constant can be passed where `hint` is annotated.

    An item that does not fit is named by its place in the value. A table for a contract is `unknown`: it is validated
    when it is handed over.
    """
    return check_argument(value, hint, lambda item, wanted: None)


def check_argument(value: Any, hint: Any, leaf_fit: LeafFit) -> Fit:
    """Judge an argument that may hold, at any depth in lists, tuples and dicts, things that stand for later values.

    Args:
        value: The argument.
        hint: The parameter's annotation.
        leaf_fit: Asked first for the value and for every item in it.
    """
    return _fit(value, hint, leaf_fit)


def check_value(value: Any, hint: Any) -> str | None:
    """Say what `value` is instead of the annotated type; None where it is of it, or where nobody can tell.

    The numeric tower holds, and numpy's scalars stand for Python's numbers.
    """
    if type(value) is hint or hint is Any:
        return None
    if type(hint) is type:
        # As with arguments: this runs for every output of every node.
        fits = class_fits(type(value), hint)
        if fits:
            return None
    fit = _fit(value, hint, lambda item, wanted: None)
    return fit.detail if fit.verdict is Verdict.REFUSED else None


def _fit(value: Any, hint: Any, leaf_fit: LeafFit) -> Fit:
    if type(value) is hint:
        # The usual case before the general one: this runs for every argument of every node.
        return FITS
    leaf = leaf_fit(value, hint)
    if leaf is not None:
        return leaf
    contract = contract_of(hint)
    if contract is not None:
        plain = _fit(value, bare_type(hint), leaf_fit)
        return plain if value is None or plain.verdict is Verdict.REFUSED else unknown(f"{contract.name} is validated")
    origin, arguments = parts_of(hint)
    if origin is Any or origin is object:
        return FITS
    if origin is Union:
        return _fit_union(value, hint, arguments, leaf_fit)
    if origin is typing.Literal:
        found = any(type(value) is type(one) and value == one for one in arguments)
        return FITS if found else _instead(value, hint)
    if isinstance(origin, typing.NewType):
        return _fit(value, origin.__supertype__, leaf_fit)
    if is_array(origin):
        return _fit_array(value, hint, arguments)
    return _fit_class(value, hint, type(None) if origin is None else origin, arguments, leaf_fit)


def _instead(value: Any, hint: Any) -> Fit:
    wanted = format_hint(hint)
    if value is None:
        return refused(f"None, not {wanted}")
    shown = repr(value) if isinstance(value, (bool, int, float, complex, str, bytes, Path)) else ""
    subject = f"{shown}, " if shown and len(shown) <= _LONGEST_SHOWN else ""
    remedy = f"write Path({shown})." if isinstance(value, str) and hint is Path else ""
    return refused(f"{subject}{_article(format_class(type(value)))}, not {wanted}", remedy)


def _article(noun: str) -> str:
    return f"{'an' if noun[:1].lower() in 'aeio' else 'a'} {noun}"


def _fit_union(value: Any, hint: Any, members: tuple[Any, ...], leaf_fit: LeafFit) -> Fit:
    fit = best(_fit(value, member, leaf_fit) for member in members)
    others = [member for member in members if member is not type(None)]
    if fit.verdict is not Verdict.REFUSED:
        return fit
    return _fit(value, others[0], leaf_fit) if len(others) == 1 and value is not None else _instead(value, hint)


def _fit_array(value: Any, hint: Any, arguments: tuple[Any, ...]) -> Fit:
    if not any(is_array(kind) for kind in type(value).__mro__):
        return _instead(value, hint)
    scalar, axes = scalar_of(arguments), axes_of(arguments)
    if scalar is not None and not issubclass(value.dtype.type, scalar):
        return refused(f"an array of {value.dtype}, not {format_hint(hint)}")
    if axes is not None and axes != value.ndim:
        return refused(f"an array of {value.ndim} axes, not {axes}")
    return FITS


def _fit_class(value: Any, hint: Any, origin: Any, arguments: tuple[Any, ...], leaf_fit: LeafFit) -> Fit:
    if not isinstance(origin, type):
        return _judge(value, hint)
    fits = class_fits(type(value), origin)
    if fits and getattr(origin, "any_argument_fits", False):
        return FITS
    if fits is None or (fits and arguments and not is_container(origin)):
        return _judge(value, hint)
    if not fits:
        # `isinstance` may know more than the class: proxies say another `__class__`.
        return FITS if not arguments and isinstance(value, origin) else _instead(value, hint)
    return worst(_item_fits(value, origin, arguments, leaf_fit)) if arguments else FITS


def _item_fits(value: Any, origin: type, arguments: tuple[Any, ...], leaf_fit: LeafFit) -> Iterable[Fit]:
    if isinstance(value, Mapping):
        yield from _mapping_fits(value, arguments, leaf_fit)
    elif isinstance(value, tuple) and origin is tuple and arguments[-1] is not Ellipsis:
        if len(value) != len(arguments):
            yield refused(f"a tuple of {len(value)}, not of {len(arguments)}")
        else:
            pairs = enumerate(zip(value, arguments, strict=True))
            yield from (_at(index, _fit(item, wanted, leaf_fit)) for index, (item, wanted) in pairs)
    elif isinstance(value, (str, bytes, bytearray, range)):
        yield from (_fit(item, arguments[0], leaf_fit) for item in value[:1])
    elif isinstance(value, (list, tuple, Set, collections.abc.Sequence)) or hasattr(value, "__len__"):
        yield from _sequence_fits(value, arguments[0], leaf_fit)


def _sequence_fits(value: Any, wanted: Any, leaf_fit: LeafFit) -> Iterable[Fit]:
    plain = {kind for kind in set(map(type, value)) if _is_plainly(kind, wanted)}
    for index, item in enumerate(value):
        # The plain items of a long list are settled by their classes: there are few of those.
        if type(item) not in plain:
            yield _at(index if not isinstance(value, Set) else item, _fit(item, wanted, leaf_fit))


def _is_plainly(kind: type, wanted: Any) -> bool:
    return isinstance(wanted, type) and kind.__module__ in {"builtins", "numpy"} and bool(class_fits(kind, wanted))


def _mapping_fits(value: Mapping[Any, Any], arguments: tuple[Any, ...], leaf_fit: LeafFit) -> Iterable[Fit]:
    for key, item in value.items():
        yield _fit(key, arguments[0], leaf_fit).within("key")
        if len(arguments) > 1:
            yield _at(key, _fit(item, arguments[1], leaf_fit))


def _at(key: Any, fit: Fit) -> Fit:
    if not fit.detail:
        return fit
    place, separator, rest = fit.detail.partition(": ")
    if separator and place.startswith("["):
        return Fit(fit.verdict, f"[{key!r}]{place}: {rest}", fit.mismatches, fit.remedy)
    return fit.within(f"[{key!r}]")


def _judge(value: Any, hint: Any) -> Fit:
    """Let beartype decide; what it cannot judge is left as it is."""
    if isinstance(hint, (str, typing.ForwardRef)):
        return unknown(f"{format_hint(hint)} names a type that is not there yet")
    fits = is_of_hint(value, hint)
    if fits is None:
        return unknown(f"{format_hint(hint)} cannot be judged")
    return FITS if fits else _instead(value, hint)
