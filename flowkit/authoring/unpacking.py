"""What takes a list apart when it is there: a step that no person wrote, one output an element."""

from __future__ import annotations

import collections.abc
import typing
from collections import deque
from typing import Any

from flowkit.contracts import contract_of, parts_of
from flowkit.errors import ValueTypeError
from flowkit.records import (
    ELEMENTS,
    UNPACKING,
    Location,
    OutputSpecification,
    ParameterSpecification,
    StepOptions,
    StepSpecification,
)

UNPACKING_FORMAT = 1
"""Version of what taking a list apart gives; raising it makes every earlier one unreachable."""

_LISTS = (list, tuple, deque, collections.abc.Sequence, collections.abc.MutableSequence)


def unpack(items: Any, source: str) -> list[Any]:
    """Return the elements of a list.

    Args:
        items: The list.
        source: What gave it, for the message.

    Raises:
        ValueTypeError: It is no list: its annotation left that open.
    """
    if isinstance(items, (str, bytes, bytearray)) or not isinstance(items, collections.abc.Sequence):
        raise ValueTypeError.for_each(source, type(items).__name__)
    return list(items)


def specify_unpacking(hint: Any, element: Any, location: Location) -> StepSpecification:
    """Return the step that takes a list annotated as `hint` apart into elements annotated as `element`."""
    return StepSpecification(
        name=UNPACKING,
        function=unpack,
        module=unpack.__module__,
        qualname=unpack.__qualname__,
        # Where the list comes from serves the message only, so it does not count in the key.
        parameters=(ParameterSpecification("items", hint), ParameterSpecification("source", str, untracked=True)),
        hint=hint,
        outputs=(OutputSpecification(ELEMENTS, element),),
        options=StepOptions(),
        location=location,
    )


def element_of(hint: Any) -> Any:
    """Return the annotation of the elements of a list annotated as `hint`; `Any` where it leaves that open.

    Raises:
        LookupError: It is no list of elements of one type.
    """
    origin, arguments = parts_of(hint)
    if isinstance(origin, typing.NewType):
        return element_of(origin.__supertype__)
    if contract_of(hint) is not None:
        raise LookupError
    if origin is Any or origin is object:
        return Any
    if origin not in _LISTS:
        raise LookupError
    if origin is not tuple or not arguments or arguments[-1] is Ellipsis:
        return arguments[0] if arguments else Any
    if any(argument != arguments[0] for argument in arguments):
        raise LookupError
    return arguments[0]
