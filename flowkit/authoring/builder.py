"""Collects the calls of a pipeline's body into a graph."""

from __future__ import annotations

import copy
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from flowkit.authoring.handles import Handle, Pending, hint_of, leaf_of
from flowkit.authoring.secrets import Secret
from flowkit.authoring.unpacking import specify_unpacking
from flowkit.errors import HandleError, PipelineDefinitionError, SecretUseError, StepDefinitionError
from flowkit.graph.arguments import Gather, Ref, refs_of, replace_leaves
from flowkit.graph.graph import Graph, Node, NodeKind, Wire
from flowkit.records import ELEMENTS, RETURN, Location, StepSpecification

_PACKAGE = str(Path(__file__).parent.parent)
# A log's file name holds it, with an index and an attempt, and no file system takes more than 255 bytes.
LONGEST_NAME = 200
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")


class GraphBuilder:
    """The graph that a pipeline's body is building.

    Args:
        pipeline: The outermost pipeline's name.
    """

    def __init__(self, pipeline: str) -> None:
        self.pipeline = pipeline
        self.open_pipelines: list[str] = []
        self._nodes: list[Node] = []
        self._wires: list[Wire] = []
        self._calls: dict[str, int] = {}
        self._steps: dict[str, StepSpecification] = {}
        self._mapped: dict[str, str] = {}
        self._remarks: dict[str, None] = {}

    def finish(self) -> Graph:
        """Return the graph of everything called so far.

        Raises:
            PipelineDefinitionError: Nothing was called.
        """
        nodes = _without_unused_lists(self._nodes)
        if not nodes:
            raise PipelineDefinitionError.for_nothing_to_do(self.pipeline)
        return Graph(self.pipeline, nodes, self._wires, tuple(self._remarks))

    def remark(self, text: str) -> None:
        """Keep a sentence on a call that is allowed and hardly meant so, for whoever checks or runs the graph."""
        self._remarks[text] = None

    def name_call(self, name: str, step: StepSpecification | None = None) -> str:
        """Return the name of this call: the step's, with `#2`, `#3` for later calls.

        Raises:
            PipelineDefinitionError: Another step of this name is in the pipeline already.
        """
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise StepDefinitionError.for_bad_name("node", name)
        if len(name) > LONGEST_NAME:
            raise StepDefinitionError.for_long_name("node", name)
        if step is not None:
            known = self._steps.setdefault(name, step)
            if known.function is not step.function:
                raise PipelineDefinitionError.for_two_steps(
                    self.pipeline, name, str(known.location), str(step.location)
                )
        self._calls[name] = self._calls.get(name, 0) + 1
        count = self._calls[name]
        return name if count == 1 else f"{name}#{count}"

    def add_node(
        self,
        name: str,
        kind: NodeKind,
        arguments: Mapping[str, Any],
        *,
        location: Location,
        step: StepSpecification | None = None,
        map_index: int | None = None,
        settings: Mapping[str, Any] | None = None,
        hints: Mapping[str, Any] | None = None,
        dimension: str | None = None,
    ) -> Node:
        """Add one node whose arguments may hold handles; by `hints`, parameters' annotations, edges are checked."""
        trees = {
            parameter: self._take_argument(name, parameter, value, (hints or {}).get(parameter, Any), location, step)
            for parameter, value in arguments.items()
        }
        node = Node(name, kind, step, trees, location, map_index, settings or {}, dimension)
        self._nodes.append(node)
        if map_index is not None or dimension is not None:
            self._mapped[name] = node.call
        return node

    def add_each(self, source: Ref | Gather, hint: Any, element: Any, location: Location) -> str:
        """Add the hidden node that takes a list apart when it is there, and return its name.

        Args:
            source: Where the list comes from.
            hint: Its annotation.
            element: The annotation of an element.
            location: Where `each` was called.
        """
        label = _label_of(source)
        # Brackets and a colon are in no name that a person can give.
        name = f"each({label})"
        self._calls[name] = count = self._calls.get(name, 0) + 1
        name = name if count == 1 else f"{name}#{count}"
        self._mapped[name] = label
        step = specify_unpacking(hint, element, location)
        self._nodes.append(Node(name, NodeKind.EACH, step, {"items": source, "source": label}, location))
        return name

    def _take_argument(
        self, name: str, parameter: str, value: Any, hint: Any, location: Location, step: StepSpecification | None
    ) -> Any:
        tree = self._take_handles(name, parameter, value, hint, location)
        if step is not None and value is step.parameter(parameter).default:
            return tree
        return snapshot(tree)

    def _take_handles(self, name: str, parameter: str, value: Any, hint: Any, location: Location) -> Any:
        def replace(item: Any, wanted: Any) -> Any:
            if isinstance(item, Handle):
                leaf = leaf_of(item)
                call = self._mapped.get(leaf.node) if isinstance(leaf, Ref) else None
                producer = call or _label_of(leaf)
                self._wires.append(Wire(name, parameter, wanted, hint_of(item), producer, location, call is not None))
                return leaf
            if isinstance(item, Pending):
                raise HandleError.for_use(item._describe(), f"passed on as {parameter!r} of {name!r}")
            if isinstance(item, Secret) and item.is_given:
                raise SecretUseError.for_node(name, parameter)
            return item

        return replace_leaves(value, replace, hint)


_IMMUTABLE = (str, bytes, int, float, complex, bool, type(None), Ref, Gather)


def snapshot(value: Any) -> Any:
    """Return a copy of an argument as it is now: the pipeline's body may go on to change what it passed.

    What cannot be copied is passed on as it is, and refused by name where it cannot be encoded either.
    """
    if type(value) in _IMMUTABLE:
        return value
    try:
        return copy.deepcopy(value)
    except Exception:  # noqa: BLE001  (whatever a class's own copying raises)
        return value


def _label_of(leaf: Ref | Gather) -> str:
    """Return what a list or a value comes from, for people: a node, with its output where it has several."""
    if isinstance(leaf, Ref):
        return leaf.node if leaf.output in (RETURN, ELEMENTS) else f"{leaf.node}.{leaf.output}"
    return f"collect({leaf.refs[0].node.partition('[')[0]})" if leaf.refs else "collect()"


def _without_unused_lists(nodes: Sequence[Node]) -> list[Node]:
    """Return the nodes without those that take apart a list which no call is mapped over."""
    used: set[str] = set()
    kept: list[Node] = []
    for node in reversed(nodes):
        if not node.hidden or node.name in used:
            used.update(ref.node for tree in node.arguments.values() for ref in refs_of(tree))
            kept.append(node)
    return kept[::-1]


_BUILDER: ContextVar[GraphBuilder | None] = ContextVar("flowkit_builder", default=None)


def current_builder() -> GraphBuilder | None:
    """Return the graph being built, or None outside of a pipeline's body."""
    return _BUILDER.get()


@contextmanager
def building(builder: GraphBuilder | None) -> Iterator[None]:
    """Let calls of steps add to `builder`; with None they are plain calls again."""
    token = _BUILDER.set(builder)
    try:
        yield
    finally:
        _BUILDER.reset(token)


def calling_location() -> Location:
    """Return the place in the caller's own source that called into flowkit."""
    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_PACKAGE):
        frame = frame.f_back
    return Location(frame.f_code.co_filename, frame.f_lineno)
