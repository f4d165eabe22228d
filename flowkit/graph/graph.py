"""The DAG of a pipeline: nodes in an order in which every node comes after what it needs. Immutable, no I/O."""

from __future__ import annotations

import typing
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import Any

from flowkit.errors import PipelineDefinitionError
from flowkit.graph.arguments import Gather, Ref, leaves_of, refs_of
from flowkit.records import Location, ParameterSpecification, StepSpecification


class NodeKind(StrEnum):
    """What a node does: call a step, decide a promotion, or look up a champion."""

    STEP = "step"
    PROMOTE = "promote"
    CHAMPION = "champion"


@dataclass(frozen=True, slots=True, eq=False)
class Node:
    """One call in a pipeline.

    Attributes:
        step: What is called; None for `promote` and `champion`.
        arguments: Argument trees by parameter, defaults applied.
        settings: What `promote` and `champion` were asked: `to`, `gates`; `model`, `alias`, `hint`.
        map_index: Position of a mapped element.
    """

    name: str
    kind: NodeKind
    step: StepSpecification | None
    arguments: Mapping[str, Any]
    location: Location
    map_index: int | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def step_name(self) -> str:
        """The step's name, or the kind's."""
        return self.step.name if self.step is not None else self.kind.value

    @property
    def tags(self) -> tuple[str, ...]:
        """The step's tags."""
        return self.step.options.tags if self.step is not None else ()

    def output_hint(self, output: str) -> Any:
        """Return the annotation of one of its outputs."""
        return self.step.output(output).hint if self.step is not None else self.settings["hint"]


@dataclass(frozen=True, slots=True)
class Wire:
    """A handle passed to a parameter, as the author wrote it: what the check of edge types needs.

    Attributes:
        wanted: The annotation that the parameter, or the part of it, has.
        given: The annotation of the handle.
        producer: The node, or the step of a collected one.
    """

    consumer: str
    parameter: str
    wanted: Any
    given: Any
    producer: str
    location: Location


@dataclass(frozen=True, slots=True)
class Edge:
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
    """

    def __init__(self, pipeline: str, nodes: Sequence[Node], wires: Sequence[Wire] = ()) -> None:
        self.pipeline = pipeline
        self.nodes: Mapping[str, Node] = {node.name: node for node in nodes}
        self.wires = tuple(wires)
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
        found: dict[str, dict[str, None]] = {name: {} for name in self.nodes}
        for edge in self.edges:
            found[edge.ref.node][edge.consumer] = None
        return {name: tuple(needing) for name, needing in found.items()}

    def restricted_to(self, names: frozenset[str]) -> Graph:
        """Return the graph of only the nodes in `names`, which must hold all that they need."""
        return Graph(
            self.pipeline,
            [node for node in self if node.name in names],
            [wire for wire in self.wires if wire.consumer in names],
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
            optional = _admits_none(node.step.parameter(parameter))
        for leaf in leaves_of(argument):
            if isinstance(leaf, Ref):
                yield Edge(node.name, parameter, leaf, gathered=False, optional=optional)
            elif isinstance(leaf, Gather):
                for ref in leaf.refs:
                    yield Edge(node.name, parameter, ref, gathered=True)


def _admits_none(parameter: ParameterSpecification) -> bool:
    hint = parameter.hint
    if typing.get_origin(hint) is typing.Annotated:
        hint = typing.get_args(hint)[0]
    return hint is None or hint is type(None) or type(None) in typing.get_args(hint)
