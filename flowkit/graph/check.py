"""Checks a whole graph before anything runs: every edge's types, every constant's."""

from __future__ import annotations

from collections.abc import Iterator
from types import GenericAlias

from msgspec import Struct

from flowkit.contracts import contracts_in
from flowkit.errors import ArgumentError, CheckError, DefinitionError, EdgeError, StepDefinitionError
from flowkit.graph.arguments import LEAVES, Ref
from flowkit.graph.fit import FITS
from flowkit.graph.graph import Graph, Node, Wire
from flowkit.graph.typecheck import Fit, Verdict, check_argument, check_edge, edge_error, format_hint
from flowkit.records import StepSpecification


class CheckReport(Struct, frozen=True):
    """What a check found that is no error.

    Attributes:
        warnings: Edges on which nothing can be promised, such as those annotated `Any`, and the graph's remarks.
        deferred: Edges that no rule can judge and that are checked on the value when it is there.
    """

    graph: Graph
    warnings: tuple[str, ...]
    deferred: tuple[str, ...]


def check_graph(graph: Graph) -> CheckReport:
    """Return what there is to say of a graph whose edges and constants all fit.

    Raises:
        DefinitionError: The only thing that does not fit.
        CheckError: All of them, where there are several.
    """
    judged: dict[tuple[int, int], Fit] = {}
    errors: list[DefinitionError] = []
    mapped: set[tuple[str, str]] = set()
    warnings: dict[str, None] = {}
    deferred: dict[str, None] = {}
    for wire in graph.wires:
        place = (id(wire.given), id(wire.wanted))
        fit = judged.get(place) or check_edge(wire.given, wire.wanted)
        judged[place] = fit
        if fit.verdict is Verdict.REFUSED:
            consumer = graph[wire.consumer].call
            # The elements of one call fail alike: one error says it for all.
            if not wire.mapped or (consumer, wire.parameter) not in mapped:
                errors.append(_edge_error(wire, consumer, fit))
            mapped.add((consumer, wire.parameter))
        elif fit.verdict is Verdict.WARNS:
            warnings[f"{wire.consumer}.{wire.parameter}: {fit.detail}"] = None
        elif fit.verdict is Verdict.UNKNOWN:
            deferred[f"{wire.consumer}.{wire.parameter}: {fit.detail}"] = None
    errors += _check_constants(graph)
    errors += [error for step in _steps_of(graph) for error in _check_contracts(step)]
    if len(errors) == 1:
        raise errors[0]
    if errors:
        raise CheckError.for_many(graph.pipeline, errors)
    return CheckReport(graph, (*warnings, *graph.remarks), tuple(deferred))


def _edge_error(wire: Wire, consumer: str, fit: Fit) -> DefinitionError:
    gathered = GenericAlias(list, (wire.given,))
    if wire.mapped and check_edge(gathered, wire.wanted).verdict is not Verdict.REFUSED:
        wanted, given = format_hint(wire.wanted), format_hint(wire.given)
        return EdgeError.for_uncollected(consumer, wire.parameter, wanted, wire.producer, given, wire.location)
    name = consumer if wire.mapped else wire.consumer
    return edge_error(name, wire.parameter, wire.wanted, wire.producer, wire.given, wire.location, fit)


def _check_constants(graph: Graph) -> Iterator[ArgumentError]:
    """Yield an error for each argument of a call whose constants are not of the annotated type.

    Of the elements of a mapped call, the first stands for all.
    """
    told: set[tuple[str, str]] = set()
    for node in graph.visible:
        for parameter, error in _constant_errors(node):
            if (node.call, parameter) not in told:
                yield error
            told.add((node.call, parameter))


def _constant_errors(node: Node) -> Iterator[tuple[str, ArgumentError]]:
    if node.step is None:
        return
    for parameter in node.step.parameters:
        value = node.arguments[parameter.name]
        if value is parameter.default:
            continue
        try:
            fit = check_argument(value, parameter.hint, _fits_if_leaf)
        except RecursionError:
            nested = ArgumentError.for_nesting("step", node.name, parameter.name)
            yield parameter.name, nested.with_facts(("called", str(node.location)))
            continue
        if fit.verdict is Verdict.REFUSED:
            hint = format_hint(parameter.hint)
            error = ArgumentError.for_constant("step", node.name, parameter.name, hint, value, fit.detail)
            if isinstance(value, tuple) and value and all(isinstance(item, Ref) for item in value):
                error = ArgumentError.for_several_outputs(node.name, parameter.name, hint, value[0].node, len(value))
            yield parameter.name, error.with_facts(("called", str(node.location)))


def _fits_if_leaf(item: object, _: object) -> Fit | None:
    """Let leaves pass: the wires judge them."""
    return FITS if isinstance(item, LEAVES) else None


def _steps_of(graph: Graph) -> Iterator[StepSpecification]:
    yield from dict.fromkeys(node.step for node in graph.visible if node.step is not None)


def _check_contracts(step: StepSpecification) -> Iterator[StepDefinitionError]:
    """Yield an error for each contract on a step's border that no table could ever meet."""
    borders = [(parameter.name, parameter.hint) for parameter in step.parameters] + [("return", step.hint)]
    for place, hint in borders:
        for contract in contracts_in(hint):
            problem = contract.misfit()
            if problem is not None:
                yield StepDefinitionError.for_contract(step.name, place, problem, str(step.location))
