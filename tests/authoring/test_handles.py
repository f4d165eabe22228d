"""Handles refuse to be used as values, fan-out stays aligned, pipelines nest."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import flowkit as fk
from flowkit.errors import ArgumentError, HandleError, PipelineDefinitionError
from flowkit.graph.arguments import Gather, Ref
from flowkit.graph.graph import Graph


@fk.step
def number(start: int = 0) -> int:
    return start


@fk.step
def add(left: int, right: int) -> int:
    return left + right


@fk.step
def total(numbers: list[int]) -> int:
    return sum(numbers)


def build(body: Callable[[], Any]) -> Graph:
    return fk.pipeline(name="built")(body).build({})


@pytest.mark.parametrize(
    "use",
    [
        lambda handle: handle == 1,
        lambda handle: handle < 1,
        lambda handle: bool(handle),
        lambda handle: len(handle),
        lambda handle: str(handle),
        lambda handle: f"{handle}",
        lambda handle: list(handle),
        lambda handle: handle[0],
        lambda handle: handle.shape,
        lambda handle: handle + 1,
        lambda handle: 1 + handle,
        lambda handle: -handle,
        lambda handle: handle(),
        lambda handle: {handle},
        lambda handle: 1 in handle,
        lambda handle: int(handle),
        lambda handle: range(handle),
        lambda handle: np.asarray(handle),
        lambda handle: np.mean(handle),
        lambda handle: Path(handle),
    ],
)
def test_a_handle_used_as_a_value_is_an_error_that_says_what_to_do(use: Callable[[Any], Any]) -> None:
    """Comparing, testing, iterating, formatting, indexing, computing: none gives a wrong graph in silence."""

    def body() -> None:
        use(number())

    with pytest.raises((HandleError, TypeError)) as caught:
        build(body)
    if isinstance(caught.value, HandleError):
        assert "'number'" in str(caught.value)
        assert "inside a step" in caught.value.hint


def test_a_handle_may_stand_in_containers_of_an_argument() -> None:
    """Lists, tuples and dicts are walked for handles."""

    @fk.step
    def take(things: dict[str, list[int]]) -> int:
        return 1

    def body() -> None:
        take({"a": [number(), 2]})

    assert build(body)["take"].arguments == {"things": {"a": [Ref("number"), 2]}}


def test_one_each_stays_aligned_and_a_mapped_value_maps_on() -> None:
    """Two uses of one `each` go side by side; what flows into another step maps that too."""

    def body() -> None:
        items = fk.each([1, 2, 3])
        sums = add(number(items), items)
        total(fk.collect(sums))

    graph = build(body)
    assert [graph[f"add[{index}]"].arguments["right"] for index in range(3)] == [1, 2, 3]
    assert graph["add[1]"].arguments["left"] == Ref("number[1]")
    assert graph["total"].arguments == {"numbers": Gather(tuple(Ref(f"add[{index}]") for index in range(3)))}


def test_two_different_each_in_a_call_are_refused() -> None:
    """A product is written as a loop, and the message says so."""
    with pytest.raises(ArgumentError, match="two different each") as caught:
        build(lambda_body(lambda: add(fk.each([1]), fk.each([2]))))
    assert "for loop" in caught.value.hint


def lambda_body(call: Callable[[], Any]) -> Callable[[], Any]:
    def body() -> None:
        call()

    return body


def test_a_product_is_a_for_around_an_each() -> None:
    """Every pass of the loop is a call of its own."""

    def body() -> None:
        for left in (1, 2):
            add(left, fk.each([10, 20]))

    assert list(build(body).nodes) == ["add[0]", "add[1]", "add#2[0]", "add#2[1]"]


def test_collect_of_none_is_an_empty_list() -> None:
    """A fan-out over nothing still has a consumer."""
    graph = build(lambda_body(lambda: total(fk.collect(number(fk.each([]))))))
    assert graph["total"].arguments == {"numbers": Gather(())}


@pytest.mark.parametrize("wrong", [3, "abc", {"a": 1}, None])
def test_each_takes_a_list(wrong: Any) -> None:
    """A number, a text or a dict is no list of elements."""
    with pytest.raises(ArgumentError):
        fk.each(wrong)


def test_collect_takes_what_is_mapped() -> None:
    """A plain handle is refused by the name of its step."""
    with pytest.raises(ArgumentError, match="the output of step 'number'"):
        build(lambda_body(lambda: fk.collect(number())))


def test_a_pipeline_in_a_pipeline_adds_its_nodes_and_returns_handles() -> None:
    """No prefix is added; the names go on counting."""

    @fk.pipeline
    def inner(start: int) -> int:
        return add(number(start), 1)

    def body() -> None:
        add(inner(1), inner(2))

    assert list(build(body).nodes) == ["number", "add", "number#2", "add#2", "add#3"]


def test_a_pipeline_that_needs_itself_is_a_cycle_with_its_path() -> None:
    """The path is printed instead of a recursion error."""

    @fk.pipeline
    def left(depth: int = 0) -> int:
        return right(depth)

    @fk.pipeline
    def right(depth: int) -> int:
        return left(depth)

    with pytest.raises(PipelineDefinitionError, match="left → right → left"):
        left.build({"depth": 0})


def test_a_pipeline_called_elsewhere_names_run() -> None:
    """Calling it like a function would do nothing, so it is refused."""

    @fk.pipeline
    def lonely() -> None:
        number()

    with pytest.raises(PipelineDefinitionError) as caught:
        lonely()
    assert "fk.run(lonely" in caught.value.hint


def test_a_pipeline_without_a_step_is_refused() -> None:
    """There is nothing to run."""
    with pytest.raises(PipelineDefinitionError, match="calls no step"):
        build(lambda_body(lambda: None))


def test_a_pipelines_parameters_are_real_values_and_are_checked() -> None:
    """They shape the graph by plain Python, and a wrong type is named."""

    @fk.pipeline
    def grows(count: int = 2) -> None:
        for start in range(count):
            number(start)

    assert len(grows.build(grows.bind(count=3))) == 3
    with pytest.raises(ArgumentError, match="'count'"):
        grows.bind(count="3")  # type: ignore[arg-type]


def test_promote_needs_a_gate_an_alias_and_a_steps_result() -> None:
    """What could promote anything, or nothing, is refused while the pipeline is built."""

    @fk.step
    def measure() -> fk.Metrics:
        return fk.Metrics(accuracy=1)

    gate = fk.at_least("accuracy", 0.5)
    for call in (
        lambda: fk.promote(number(), to="m@champion", metrics=measure(), gates=[]),
        lambda: fk.promote(number(), to="m", metrics=measure(), gates=[gate]),
        lambda: fk.promote(3, to="m@champion", metrics=measure(), gates=[gate]),
        lambda: fk.champion("../m", int),
    ):
        with pytest.raises(ArgumentError):
            build(lambda_body(call))


def test_what_belongs_in_a_pipeline_is_refused_elsewhere() -> None:
    """`champion` outside of a pipeline's body names the remedy."""
    with pytest.raises(PipelineDefinitionError, match="outside of a pipeline"):
        fk.champion("m", int)
