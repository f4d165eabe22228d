"""The DAG of a pipeline: nodes in an order in which every node comes after what it needs. Immutable, no I/O.

A call that is mapped over a list known only at run time is one template node, `train[*]`, until `expansion` puts the
elements in its place.
"""

from __future__ import annotations

import re
import typing
from collections.abc import Collection, Iterator, Mapping, Sequence
from enum import StrEnum
from functools import cached_property
from typing import Any

from msgspec import Struct, field
from msgspec.structs import replace

from flowkit.errors import PipelineDefinitionError
from flowkit.graph.arguments import Gather, Ref, leaves_of, refs_of, replace_leaves
from flowkit.records import Location, ParameterSpecification, StepSpecification


class NodeKind(StrEnum):
    """What a node does: call a step, decide a promotion, look up a champion, or take a list apart."""

    STEP = "step"
    PROMOTE = "promote"
    CHAMPION = "champion"
    EACH = "each"


class Node(Struct, frozen=True, eq=False):
    """One call in a pipeline.

    Attributes:
        step: What is called; None for `promote` and `champion`.
        arguments: Argument trees by parameter, defaults applied.
        settings: What `promote` and `champion` were asked: `to`, `gates`; `model`, `alias`, `hint`.
        map_index: Position of a mapped element.
        dimension: Of a template, the node that takes the list apart whose elements it is mapped over.
    """

    name: str
    kind: NodeKind
    step: StepSpecification | None
    arguments: Mapping[str, Any]
    location: Location
    map_index: int | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    dimension: str | None = None

    @property
    def hidden(self) -> bool:
        """Whether people never see it: what takes a list apart is no call of theirs."""
        return self.kind is NodeKind.EACH

    @property
    def call(self) -> str:
        """The name of the call it belongs to: of `train#2[0]` and of the template `train#2[*]` it is `train#2`."""
        if self.dimension is not None:
            return self.name.removesuffix("[*]")
        return self.name.removesuffix(f"[{self.map_index}]")

    @property
    def step_name(self) -> str:
        """The step's name, or the kind's."""
        return self.step.name if self.step is not None else self.kind.value

    @property
    def tags(self) -> tuple[str, ...]:
        """The step's tags."""
        return self.step.options.tags if self.step is not None else ()

    @property
    def result_hint(self) -> Any:
        """The whole return annotation of its step; `Any` of what calls none."""
        return self.step.hint if self.step is not None else Any

    def output_hint(self, output: str) -> Any:
        """Return the annotation of one of its outputs."""
        return self.step.output(output).hint if self.step is not None else self.settings["hint"]


class Wire(Struct, frozen=True):
    """A handle passed to a parameter, as the author wrote it: what the check of edge types needs.

    Attributes:
        wanted: The annotation that the parameter, or the part of it, has.
        given: The annotation of the handle.
        producer: The node, or the call of a mapped or collected one.
        mapped: Whether the handle is an element of a fan-out.
    """

    consumer: str
    parameter: str
    wanted: Any
    given: Any
    producer: str
    location: Location
    mapped: bool = False


class Edge(Struct, frozen=True):
    """That `parameter` of `consumer` takes `ref`; `optional` where a skipped producer is admitted."""

    consumer: str
    parameter: str
    ref: Ref
    gathered: bool
    optional: bool = False


class Graph:
    """Nodes by name, each after all that it needs.

    Args:
        pipeline: The pipeline's name.
        nodes: In topological order.
        wires: Handles as they were passed, for the check of edge types.
        remarks: Sentences on calls that are allowed and hardly meant so.
    """

    def __init__(
        self, pipeline: str, nodes: Sequence[Node], wires: Sequence[Wire] = (), remarks: Sequence[str] = ()
    ) -> None:
        self.pipeline = pipeline
        self.nodes: Mapping[str, Node] = {node.name: node for node in nodes}
        self.wires = tuple(wires)
        self.remarks = tuple(remarks)
        if len(self.nodes) != len(nodes):
            raise PipelineDefinitionError.for_duplicate_nodes(pipeline, [node.name for node in nodes])
        self._check_order()

    def __iter__(self) -> Iterator[Node]:
        return iter(self.nodes.values())

    def __len__(self) -> int:
        return len(self.nodes)

    def __getitem__(self, name: str) -> Node:
        return self.nodes[name]

    def __contains__(self, name: object) -> bool:
        return name in self.nodes

    @cached_property
    def edges(self) -> tuple[Edge, ...]:
        """Every use of an output, in the order of the consumers."""
        return tuple(edge for edges in self.edges_by_consumer.values() for edge in edges)

    @cached_property
    def edges_by_consumer(self) -> Mapping[str, tuple[Edge, ...]]:
        """The edges into each node."""
        return {node.name: tuple(edges_into(node)) for node in self}

    @cached_property
    def producers(self) -> Mapping[str, tuple[str, ...]]:
        """For each node the names of the nodes it needs, without repeats."""
        found: dict[str, dict[str, None]] = {name: {} for name in self.nodes}
        for edge in self.edges:
            found[edge.consumer][edge.ref.node] = None
        return {name: tuple(needed) for name, needed in found.items()}

    @cached_property
    def consumers(self) -> Mapping[str, tuple[str, ...]]:
        """For each node the names of the nodes that need it, without repeats."""
        found: dict[str, list[str]] = {name: [] for name in self.nodes}
        for name, producers in self.producers.items():
            for producer in producers:
                found[producer].append(name)
        return {name: tuple(needing) for name, needing in found.items()}

    @cached_property
    def visible(self) -> tuple[Node, ...]:
        """The nodes that people see, in order."""
        return tuple(node for node in self if not node.hidden)

    @cached_property
    def shown(self) -> Graph:
        """The graph as people see it: lists go straight to the calls that are mapped over them."""
        if len(self.visible) == len(self.nodes):
            return self
        nodes = [
            replace(node, arguments={name: replace_leaves(tree, self._seen) for name, tree in node.arguments.items()})
            if any(self[producer].hidden for producer in self.producers[node.name])
            else node
            for node in self.visible
        ]
        return Graph(self.pipeline, nodes, self.wires, self.remarks)

    def _seen(self, leaf: Any, _: Any) -> Any:
        """Return where a leaf's content is from for people, seen through what takes lists apart."""
        if isinstance(leaf, Ref) and self[leaf.node].hidden:
            return self._seen(list_of(self[leaf.node]), None)
        if isinstance(leaf, Gather) and any(self[ref.node].hidden for ref in leaf.refs):
            return Gather(tuple(ref for inner in leaf.refs for ref in refs_of(self._seen(inner, None))))
        return leaf

    def declared(self, name: str) -> Node | None:
        """Return the node that people call `name`, or the template that stands for it; None where there is neither."""
        found = self.nodes.get(name) or self.nodes.get(template_of(name))
        return None if found is None or found.hidden else found

    def replacing(self, replacements: Mapping[str, Sequence[Node]]) -> Graph:
        """Return the graph with other nodes in the places of some; what is known of the others is kept.

        Args:
            replacements: For the name of each node that goes, what comes; it must keep the order topological.
        """
        grown = object.__new__(Graph)
        grown.pipeline, grown.wires, grown.remarks = self.pipeline, self.wires, self.remarks
        came = {node.name: node for nodes in replacements.values() for node in nodes}
        grown.nodes = {node.name: node for name, old in self.nodes.items() for node in replacements.get(name, (old,))}
        # Put where `cached_property` looks first: to go through all edges again at each list would be quadratic.
        edges = {name: tuple(edges_into(node)) for name, node in came.items()}
        producers = {name: tuple(dict.fromkeys(edge.ref.node for edge in into)) for name, into in edges.items()}
        grown.__dict__["edges_by_consumer"] = {
            name: edges[name] if name in edges else self.edges_by_consumer[name] for name in grown.nodes
        }
        grown.__dict__["producers"] = {
            name: producers[name] if name in producers else self.producers[name] for name in grown.nodes
        }
        return grown

    def restricted_to(self, names: frozenset[str]) -> Graph:
        """Return the graph of only the nodes in `names`, which must hold all that they need."""
        return Graph(
            self.pipeline,
            [node for node in self if node.name in names],
            [wire for wire in self.wires if wire.consumer in names],
            self.remarks,
        )

    def _check_order(self) -> None:
        seen: set[str] = set()
        for node in self:
            for argument in node.arguments.values():
                for ref in refs_of(argument):
                    if ref.node not in seen:
                        raise PipelineDefinitionError.for_cycle(self.pipeline, (node.name, ref.node, node.name))
            seen.add(node.name)


def edges_into(node: Node) -> Iterator[Edge]:
    """Yield every edge that ends in `node`."""
    for parameter, argument in node.arguments.items():
        optional = node.kind is NodeKind.PROMOTE and parameter == "baseline"
        if node.step is not None and argument.__class__ is Ref:
            # A list that was skipped has no elements: a mapped call is not made for none of them.
            optional = _admits_none(node.step.parameter(parameter)) and not _is_element(node, argument)
        for leaf in leaves_of(argument):
            if isinstance(leaf, Ref):
                yield Edge(node.name, parameter, leaf, gathered=False, optional=optional)
            elif isinstance(leaf, Gather):
                for ref in leaf.refs:
                    yield Edge(node.name, parameter, ref, gathered=True)


def _is_element(node: Node, ref: Ref) -> bool:
    """Whether a template's argument is an element of its list, or of what was mapped over that list."""
    return node.dimension is not None and (ref.node == node.dimension or ref.node.endswith("[*]"))


def list_of(node: Node) -> Ref | Gather:
    """Return the list that a node takes apart."""
    found: Ref | Gather = node.arguments["items"]
    return found


_ELEMENT = re.compile(r"(.+)\[\d+\]")


def template_of(name: str) -> str:
    """Return the name of the template that `train[3]` comes from, `train[*]`; other names as they are."""
    found = _ELEMENT.fullmatch(name)
    return f"{found[1]}[*]" if found is not None else name


def is_among(name: str, names: Collection[str]) -> bool:
    """Whether a node, or the template that it comes from, is in `names`."""
    return bool(names) and (name in names or template_of(name) in names)


def _admits_none(parameter: ParameterSpecification) -> bool:
    hint = parameter.hint
    if typing.get_origin(hint) is typing.Annotated:
        hint = typing.get_args(hint)[0]
    return hint is None or hint is type(None) or type(None) in typing.get_args(hint)
