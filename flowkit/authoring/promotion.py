"""`promote` and `champion`: the registry as it appears in a pipeline's body."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TypeVar, cast

from flowkit.authoring.builder import GraphBuilder, calling_location, current_builder
from flowkit.authoring.gates import Gate
from flowkit.authoring.handles import Handle
from flowkit.authoring.types import Metrics
from flowkit.errors import ArgumentError, PipelineDefinitionError
from flowkit.graph.arguments import Ref
from flowkit.graph.graph import NodeKind
from flowkit.records import Promotion

T = TypeVar("T")

_NAME = r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}"
_TARGET = re.compile(rf"({_NAME})@({_NAME})")


def promote(
    model: object, *, to: str, metrics: Metrics, gates: Sequence[Gate], baseline: Metrics | None = None
) -> Promotion:
    """Make `model` the version that an alias points to, if every gate lets it pass.

    It is decided at every run and never taken from the cache.

    Args:
        model: What a step returned.
        to: The alias, as `"taxi@champion"`.
        metrics: The candidate's metrics.
        gates: At least one: `at_least`, `at_most`, `no_worse_than`.
        baseline: The champion's metrics on the same rows, for the comparing gates; without it they use what was
            recorded when the champion was promoted.

    Returns:
        A handle to the decision: version, accepted, verdicts.

    Raises:
        ArgumentError: No gate, no alias, or a model that is not a step's result.
    """
    builder = _require_builder("promote()")
    match = _TARGET.fullmatch(to) if isinstance(to, str) else None
    if match is None:
        raise ArgumentError.for_alias(to)
    if not gates:
        raise ArgumentError.for_no_gate(to)
    for gate in gates:
        if not isinstance(gate, Gate):
            raise ArgumentError.for_gate(to, gate)
    for what, given in (("promote(model)", model), ("promote(metrics=…)", metrics)):
        if not isinstance(given, Handle):
            raise ArgumentError.for_not_a_handle(what, given)
    arguments = {"model": model, "metrics": metrics}
    if baseline is not None:
        arguments["baseline"] = baseline
    node = builder.add_node(
        builder.name_call("promote"),
        NodeKind.PROMOTE,
        arguments,
        location=calling_location(),
        settings={"model": match[1], "alias": match[2], "gates": tuple(gates), "hint": Promotion},
        hints={"model": object, "metrics": Metrics, "baseline": Metrics},
    )
    return cast(Promotion, Handle(Ref(node.name), Promotion))


def champion(name: str, model_type: type[T], alias: str = "champion") -> T:
    """Return a handle to the model that an alias points to when the run begins.

    Where there is none yet, the nodes that need it are skipped.

    Args:
        name: The model's name, as `"taxi"`.
        model_type: Its class, by which edges are checked.
        alias: Another alias than `champion`.

    Raises:
        ArgumentError: `name` is not a model's name.
    """
    builder = _require_builder("champion()")
    if not isinstance(name, str) or not re.fullmatch(_NAME, name) or not re.fullmatch(_NAME, alias):
        raise ArgumentError.for_model_name(name, alias)
    node = builder.add_node(
        builder.name_call("champion"),
        NodeKind.CHAMPION,
        {},
        location=calling_location(),
        settings={"model": name, "alias": alias, "hint": model_type},
    )
    return cast(T, Handle(Ref(node.name), model_type))


def as_type(rows: object, wanted: type[T]) -> T:
    """Return the same artifact viewed as another type of table, such as `as_type(rows, pl.DataFrame)`.

    It adds no node: the consumer reads the stored columns as `wanted`.

    Raises:
        ArgumentError: `rows` is not a step's result.
    """
    _require_builder("as_type()")
    if not isinstance(rows, Handle):
        raise ArgumentError.for_not_a_handle("as_type()", rows)
    return cast(T, Handle(rows._flowkit_leaf, wanted))


def _require_builder(what: str) -> GraphBuilder:
    builder = current_builder()
    if builder is None:
        raise PipelineDefinitionError.for_misplaced(what)
    return builder
