"""Fan-out: `each` maps the calls it is passed to, `collect` gathers what they give."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, TypeVar, cast

from flowkit.authoring.builder import calling_location, current_builder
from flowkit.authoring.handles import (
    Each,
    Handle,
    MappedHandle,
    Pending,
    dimension_of,
    elements_of,
    hint_of,
    items_of,
    leaf_of,
    unpacking_of,
)
from flowkit.authoring.unpacking import element_of
from flowkit.errors import ArgumentError, PipelineDefinitionError
from flowkit.graph.arguments import Gather, Ref, replace_leaves
from flowkit.graph.hint_text import format_hint
from flowkit.records import ELEMENTS

T = TypeVar("T")


def each(items: Iterable[T]) -> T:
    """Map the step that takes this over `items`, one node an element.

    The result of one `each` passed to two parameters of a call stays aligned. Two different ones in one call are an
    error: for a product write a `for` around an `each`.

    Args:
        items: A list that is known while building, or what a step gives that is annotated as one, or what `collect`
            gave: then the nodes are known only when that is there.

    Raises:
        ArgumentError: `items` is not a list, tuple or other finite collection, or gives none.

    Example:
        >>> import flowkit as fk
        >>> @fk.step
        ... def square(n: int) -> int:
        ...     return n * n
        >>> @fk.step
        ... def total(values: list[int]) -> int:
        ...     return sum(values)
        >>> @fk.pipeline
        ... def squares() -> None:
        ...     total(fk.collect(square(fk.each([1, 2, 3]))))
        >>> run = fk.Session(inline=True).run(squares)
        >>> run["square"].value(), run["total"].value()
        ([1, 4, 9], 14)
    """
    if isinstance(items, Handle):
        return cast(T, _each_of_handle(items))
    if isinstance(items, (Each, MappedHandle)):
        raise ArgumentError.for_nested_each(items._describe())
    if isinstance(items, (Pending, str, bytes, Mapping)) or not isinstance(items, Iterable):
        raise ArgumentError.for_each(items)
    return cast(T, Each(tuple(items)))


def _each_of_handle(handle: Handle) -> Each:
    """Return the dimension of a list that is known only at run time."""
    builder = current_builder()
    if builder is None:
        raise PipelineDefinitionError.for_misplaced("each()")
    hint = hint_of(handle)
    try:
        element = element_of(hint)
    except LookupError:
        raise ArgumentError.for_each_of_result(handle._describe(), format_hint(hint)) from None
    name = builder.add_each(leaf_of(handle), hint, element, calling_location())
    return Each((Handle(Ref(name, ELEMENTS), element),), name)


def collect(mapped: T) -> list[T]:
    """Return a handle to the list of all that a mapped step gave, in order, without skipped elements.

    It is blocked by a failed element, and gives `[]` where there is none.

    Raises:
        ArgumentError: `mapped` is not what a mapped step returned.

    Example:
        See `each`.
    """
    if isinstance(mapped, Each):
        return cast("list[T]", _collect_items(mapped))
    if not isinstance(mapped, MappedHandle):
        given = mapped._describe() if isinstance(mapped, Pending) else f"a {type(mapped).__name__}"
        raise ArgumentError.for_collect(given)
    refs = tuple(leaf for handle in elements_of(mapped) if isinstance(leaf := leaf_of(handle), Ref))
    return cast("list[T]", Handle(Gather(refs), list[hint_of(mapped)]))  # type: ignore[misc]


def _collect_items(each: Each) -> Any:
    if unpacking_of(each) is None:
        return list(items_of(each))
    (handle,) = items_of(each)
    leaf = leaf_of(handle)
    assert isinstance(leaf, Ref)
    return Handle(Gather((leaf,)), list[hint_of(handle)])  # type: ignore[misc]


def find_dimension(name: str, arguments: Mapping[str, Any]) -> Each | None:
    """Return the dimension along which a call is mapped, or None.

    Raises:
        ArgumentError: There are two.
    """
    found: list[Each] = []

    def note(item: Any, _: Any) -> Any:
        if isinstance(item, Each):
            found.append(item)
        elif isinstance(item, MappedHandle):
            found.append(dimension_of(item))
        return item

    for parameter, value in arguments.items():
        try:
            replace_leaves(value, note)
        except RecursionError:
            raise ArgumentError.for_nesting("step", name, parameter) from None
    if any(dimension is not found[0] for dimension in found):
        raise ArgumentError.for_two_dimensions(name)
    return found[0] if found else None


def remark_on_mapping(name: str, dimension: Each, arguments: Mapping[str, Any]) -> Iterator[str]:
    """Yield what is to be said of a mapped call that is hardly meant so.

    Args:
        name: The call.
        dimension: What it is mapped along.
        arguments: What it was given.
    """
    if not items_of(dimension) and any(isinstance(value, Each) for value in arguments.values()):
        yield f"{name!r} is mapped over nothing: the list given to fk.each(…) is empty, so there is no node of it."
    for parameter, value in arguments.items():
        if isinstance(value, (list, dict)):
            items = list(value.values() if isinstance(value, dict) else value)
            mapped = [item for item in items if isinstance(item, MappedHandle)]
            # Several side by side are meant: one list for each element, of what was made of it.
            if len(mapped) == 1:
                yield (
                    f"{name!r} is mapped because {mapped[0]._describe()} stand inside the {type(value).__name__} given "
                    f"as {parameter!r}: pass fk.collect(…) there instead for the list of all."
                )


def at_element(arguments: Mapping[str, Any], index: int) -> dict[str, Any]:
    """Return the arguments of one element of a mapped call."""

    def pick(item: Any, _: Any) -> Any:
        if isinstance(item, Each):
            return items_of(item)[index]
        if isinstance(item, MappedHandle):
            return elements_of(item)[index]
        return item

    return {parameter: replace_leaves(value, pick) for parameter, value in arguments.items()}


def join_elements(dimension: Each, results: list[Any], shape: Callable[[Callable[[str, Any], Any]], Any]) -> Any:
    """Return one mapped result of the same shape as each element's: a handle, or several in a tuple or fields.

    Args:
        dimension: What the call is mapped along.
        results: What each element's call returned: a handle, or a tuple or dataclass of handles.
        shape: Makes a result of that shape from a function of an output's name and annotation.
    """
    columns: list[list[Handle]] = []
    for result in results:
        handles: list[Handle] = []
        _gather_handles(result, handles)
        columns.append(handles)
    rows = iter(zip(*columns, strict=True))
    return shape(lambda _, hint: MappedHandle(dimension, next(rows, ()), hint))


def _gather_handles(result: Any, found: list[Handle]) -> None:
    def note(item: Any, _: Any) -> Any:
        found.append(item)
        return item

    replace_leaves(result, note)
