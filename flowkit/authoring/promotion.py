"""`promote` and `champion`: the registry as it appears in a pipeline's body."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TypeVar, cast

from flowkit.authoring.builder import GraphBuilder, calling_location, current_builder
from flowkit.authoring.gates import Gate
from flowkit.authoring.handles import Handle, hint_of
from flowkit.authoring.types import Metrics
from flowkit.errors import ArgumentError, PipelineDefinitionError
from flowkit.graph.arguments import Ref
from flowkit.graph.graph import NodeKind
from flowkit.graph.typecheck import check_view, format_hint
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
        A handle to the decision, a `Promotion` with version, accepted and verdicts.

    Raises:
        ArgumentError: No gate, no alias, or a model that is not a step's result.

    Example:
        >>> import flowkit as fk
        >>> @fk.step
        ... def train(threshold: float) -> dict[str, float]:
        ...     return {"threshold": threshold}
        >>> @fk.step
        ... def evaluate(model: dict[str, float]) -> fk.Metrics:
        ...     return fk.Metrics(accuracy=1 - model["threshold"])
        >>> @fk.pipeline
        ... def offers(threshold: float = 0.1) -> None:
        ...     model = train(threshold)
        ...     gates = [fk.at_least("accuracy", 0.8)]
        ...     fk.promote(model, to="offers@champion", metrics=evaluate(model), gates=gates)
        >>> session = fk.Session(inline=True)
        >>> session.run(offers)["promote"].value().accepted
        True
        >>> session.run(offers, threshold=0.5)["promote"].value().reason
        'accuracy >= 0.8 is not met: observed 0.5'
    """
    builder = _require_builder("promote()")
    name, alias = _read_target(to)
    _require_gates(to, gates)
    _require_handle("promote(model)", model)
    _require_handle("promote(metrics=…)", metrics)
    arguments = {"model": model, "metrics": metrics}
    if baseline is not None:
        arguments["baseline"] = baseline
    node = builder.add_node(
        builder.name_call("promote"),
        NodeKind.PROMOTE,
        arguments,
        location=calling_location(),
        settings={"model": name, "alias": alias, "gates": tuple(gates), "hint": Promotion},
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

    Example:
        >>> import flowkit as fk
        >>> @fk.step
        ... def use(model: dict[str, float]) -> float:
        ...     return model["threshold"]
        >>> @fk.pipeline
        ... def score() -> None:
        ...     use(fk.champion("unheard-of", dict[str, float]))
        >>> fk.Session(inline=True).run(score)["use"].outcome
        <Outcome.SKIPPED: 'skipped'>
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

    Args:
        rows: What a step returned: a pandas, polars or pyarrow table.
        wanted: The class of table that the consumer takes.

    Raises:
        ArgumentError: `rows` is not a step's result, or one of the two is no table.

    Example:
        >>> import flowkit as fk
        >>> import pandas as pd
        >>> import pyarrow as pa
        >>> @fk.step
        ... def load() -> pd.DataFrame:
        ...     return pd.DataFrame({"n": [1, 2, 3]})
        >>> @fk.step
        ... def count(rows: pa.Table) -> int:
        ...     return rows.num_rows
        >>> @fk.pipeline
        ... def counting() -> None:
        ...     count(fk.as_type(load(), pa.Table))
        >>> fk.Session(inline=True).run(counting)["count"].value()
        3
    """
    _require_builder("as_type()")
    handle = _require_handle("as_type()", rows)
    given = hint_of(handle)
    if not check_view(given, wanted):
        is_table = check_view(wanted, wanted)
        raise ArgumentError.for_view(
            handle._describe(), format_hint(given), format_hint(wanted), wanted_is_table=is_table
        )
    return cast(T, Handle(handle._flowkit_leaf, wanted))


def _require_builder(what: str) -> GraphBuilder:
    builder = current_builder()
    if builder is None:
        raise PipelineDefinitionError.for_misplaced(what)
    return builder


def _read_target(to: str) -> tuple[str, str]:
    """Return the model and the alias that `model@alias` names."""
    match = _TARGET.fullmatch(to) if isinstance(to, str) else None
    if match is None:
        raise ArgumentError.for_alias(to)
    return match[1], match[2]


def _require_gates(to: str, gates: Sequence[Gate]) -> None:
    if not gates:
        raise ArgumentError.for_no_gate(to)
    for gate in gates:
        if not isinstance(gate, Gate):
            raise ArgumentError.for_gate(to, gate)


def _require_handle(what: str, given: object) -> Handle:
    if not isinstance(given, Handle):
        raise ArgumentError.for_not_a_handle(what, given)
    return given
