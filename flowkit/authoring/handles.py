"""What stands for a step's result while the graph is built, and refuses to be used as a value."""

from __future__ import annotations

from typing import Any, NoReturn

from flowkit.errors import HandleError
from flowkit.graph.arguments import Gather, Ref


class Pending:
    """Something that is not there yet. Every use as a value raises an error that says what to do instead.

    `is None` and `isinstance` cannot be caught.
    """

    __slots__ = ()

    def __repr__(self) -> str:
        return f"<{self._describe()}>"

    def _describe(self) -> str:
        raise NotImplementedError

    def _refuse(self, use: str) -> NoReturn:
        raise HandleError.for_use(self._describe(), use)

    def __eq__(self, other: object) -> bool:
        self._refuse("compared")

    def __ne__(self, other: object) -> bool:
        self._refuse("compared")

    def __lt__(self, other: object) -> bool:
        self._refuse("compared")

    def __le__(self, other: object) -> bool:
        self._refuse("compared")

    def __gt__(self, other: object) -> bool:
        self._refuse("compared")

    def __ge__(self, other: object) -> bool:
        self._refuse("compared")

    def __hash__(self) -> int:
        self._refuse("hashed")

    def __bool__(self) -> bool:
        self._refuse("used as a condition")

    def __len__(self) -> int:
        self._refuse("asked for its length")

    def __iter__(self) -> Any:
        self._refuse("iterated")

    def __contains__(self, item: object) -> bool:
        self._refuse("searched")

    def __str__(self) -> str:
        self._refuse("turned into text")

    def __format__(self, specification: str) -> str:
        self._refuse("formatted into text")

    def __int__(self) -> int:
        self._refuse("turned into a number")

    def __float__(self) -> float:
        self._refuse("turned into a number")

    def __index__(self) -> int:
        self._refuse("used as an index")

    def __getitem__(self, key: object) -> Any:
        self._refuse("indexed")

    def __call__(self, *args: object, **kwargs: object) -> Any:
        """Refuse: a handle is no function."""
        self._refuse("called")

    def __array__(self, *args: object, **kwargs: object) -> Any:
        self._refuse("given to numpy")

    def __add__(self, other: object) -> Any:
        self._refuse("computed with")

    __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = __rtruediv__ = __add__
    __floordiv__ = __rfloordiv__ = __mod__ = __rmod__ = __pow__ = __rpow__ = __matmul__ = __rmatmul__ = __add__
    __and__ = __rand__ = __or__ = __ror__ = __xor__ = __rxor__ = __add__

    def __neg__(self) -> Any:
        self._refuse("computed with")

    __pos__ = __abs__ = __invert__ = __neg__

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            # Protocols are probed by name (copy, pickle, typing): they must find nothing, not an error.
            raise AttributeError(name)
        self._refuse(f"asked for its attribute {name!r}")

    def __setattr__(self, name: str, value: object) -> None:
        if not name.startswith("_flowkit_"):
            self._refuse(f"given the attribute {name!r}")
        object.__setattr__(self, name, value)


class Handle(Pending):
    """A step's future output: where it will come from, and the type it will have.

    The attributes bear the project's name so that they hide none of the value's own.
    """

    __slots__ = ("_flowkit_hint", "_flowkit_leaf")

    _flowkit_hint: Any
    _flowkit_leaf: Ref | Gather

    def __init__(self, leaf: Ref | Gather, hint: Any) -> None:
        self._flowkit_leaf = leaf
        self._flowkit_hint = hint

    def _describe(self) -> str:
        leaf = self._flowkit_leaf
        if isinstance(leaf, Gather):
            return "the collected outputs of " + (leaf.refs[0].node.partition("[")[0] if leaf.refs else "no step")
        return f"the output of step {leaf.node!r}"


class Each(Pending):
    """The elements of one fan-out: a dimension along which calls are mapped. Identity is alignment.

    Over a list that is known only at run time it has one item, which stands for every element.
    """

    __slots__ = ("_flowkit_items", "_flowkit_unpacking")

    _flowkit_items: tuple[Any, ...]
    _flowkit_unpacking: str | None

    def __init__(self, items: tuple[Any, ...], unpacking: str | None = None) -> None:
        self._flowkit_items = items
        self._flowkit_unpacking = unpacking

    def _describe(self) -> str:
        if self._flowkit_unpacking is not None:
            return f"an element of {self._flowkit_unpacking}"
        return f"an element of each([… {len(self._flowkit_items)} items])"


class MappedHandle(Pending):
    """The future outputs of a mapped step, one an element of its dimension."""

    __slots__ = ("_flowkit_dimension", "_flowkit_elements", "_flowkit_hint")

    _flowkit_dimension: Each
    _flowkit_elements: tuple[Handle, ...]
    _flowkit_hint: Any

    def __init__(self, dimension: Each, elements: tuple[Handle, ...], hint: Any) -> None:
        self._flowkit_dimension = dimension
        self._flowkit_elements = elements
        self._flowkit_hint = hint

    def _describe(self) -> str:
        if not self._flowkit_elements:
            return "the outputs of a step mapped over nothing"
        leaf = self._flowkit_elements[0]._flowkit_leaf
        name = leaf.node.partition("[")[0] if isinstance(leaf, Ref) else "a step"
        return f"the outputs of the mapped step {name!r}"


def leaf_of(handle: Handle) -> Ref | Gather:
    """Return where a handle's content will come from."""
    return handle._flowkit_leaf


def hint_of(handle: Handle | MappedHandle) -> Any:
    """Return the annotation of a handle's value; of a mapped one, of each element's."""
    return handle._flowkit_hint


def items_of(each: Each) -> tuple[Any, ...]:
    """Return the elements of a dimension; one that stands for all where they are known only at run time."""
    return each._flowkit_items


def unpacking_of(each: Each) -> str | None:
    """Return the node that takes the list apart, None where the elements are known."""
    return each._flowkit_unpacking


def dimension_of(mapped: MappedHandle) -> Each:
    """Return the dimension along which a handle is mapped."""
    return mapped._flowkit_dimension


def elements_of(mapped: MappedHandle) -> tuple[Handle, ...]:
    """Return a mapped handle's elements in order."""
    return mapped._flowkit_elements
