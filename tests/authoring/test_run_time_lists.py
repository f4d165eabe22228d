"""`each` over a list that is known only at run time, as it is built: shapes, checks, and errors with their place."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import numpy as np
import pandas as pd
import pandera.pandas as pa
import pytest

import flowkit as fk
from flowkit.errors import ArgumentError, CheckError, EdgeError, FlowkitError, HandleError
from flowkit.graph.arguments import Gather, Ref
from flowkit.graph.check import check_graph
from flowkit.graph.graph import Graph


class Narrow(pa.DataFrameModel):
    a: int


class Wide(Narrow):
    b: int


class Halves(NamedTuple):
    left: int
    right: int


@fk.step
def numbers(count: int = 3) -> list[int]:
    return list(range(count))


@fk.step
def words() -> Sequence[str]:
    return ["a"]


@fk.step
def anything() -> Any:
    return [1]


@fk.step
def add(left: int, right: int = 1) -> int:
    return left + right


@fk.step
def halves(number: int) -> Halves:
    return Halves(number // 2, number - number // 2)


@fk.step
def total(numbers: list[int]) -> int:
    return sum(numbers)


@fk.step
def tables() -> list[Annotated[pd.DataFrame, Narrow]]:
    return []


@fk.step
def wide(rows: Annotated[pd.DataFrame, Wide]) -> int:
    return len(rows)


@fk.step
def narrow(rows: Annotated[pd.DataFrame, Narrow]) -> int:
    return len(rows)


@fk.step
def a_dict() -> dict[str, int]:
    return {}


@fk.step
def a_set() -> set[int]:
    return set()


@fk.step
def a_text() -> str:
    return ""


@fk.step
def a_table() -> pd.DataFrame:
    return pd.DataFrame()


@fk.step
def perhaps() -> list[int] | None:
    return None


@fk.step
def mixed() -> Annotated[tuple[int, str], "one value"]:
    return 1, "a"


def build(body: Callable[[], Any]) -> Graph:
    graph = build_unchecked(body)
    check_graph(graph)
    return graph


def build_unchecked(body: Callable[[], Any]) -> Graph:
    def built() -> None:
        body()

    return fk.pipeline(built).build({})


def aligned() -> None:
    items = fk.each(numbers())
    total(fk.collect(add(add(items), items)))


def several() -> None:
    parts = halves(fk.each(numbers()))
    total(fk.collect(parts.left))
    add(parts.right)


def product() -> None:
    for right in (1, 2):
        add(fk.each(numbers()), right)


def twice() -> None:
    kept = fk.collect(add(fk.each(numbers())))
    total(fk.collect(add(fk.each(kept))))


def gathered_at_once() -> None:
    total(fk.collect(fk.each(numbers())))


def inside_a_list() -> None:
    total([fk.each(numbers()), 1])


SHAPES: list[tuple[Callable[[], None], list[str], list[tuple[str, str]]]] = [
    (aligned, ["numbers", "add[*]", "add#2[*]", "total"], [("numbers", "add#2[*]"), ("add#2[*]", "total")]),
    (several, ["numbers", "halves[*]", "total", "add[*]"], [("halves[*]", "add[*]")]),
    (product, ["numbers", "add[*]", "numbers#2", "add#2[*]"], [("numbers#2", "add#2[*]")]),
    (twice, ["numbers", "add[*]", "add#2[*]", "total"], [("add[*]", "add#2[*]")]),
    (gathered_at_once, ["numbers", "total"], [("numbers", "total")]),
    (inside_a_list, ["numbers", "total[*]"], [("numbers", "total[*]")]),
]


@pytest.mark.parametrize(("body", "nodes", "edges"), SHAPES, ids=lambda case: getattr(case, "__name__", None))
def test_people_see_one_node_for_a_mapped_call(
    body: Callable[[], None], nodes: list[str], edges: list[tuple[str, str]]
) -> None:
    """A call over a list that is not known yet is `step[*]`; what takes the list apart is seen by nobody."""
    shown = build(body).shown

    assert list(shown.nodes) == nodes
    assert set(edges) <= {(edge.ref.node, edge.consumer) for edge in shown.edges}
    assert [node.name for node in build(body).visible] == nodes


def test_an_each_that_no_call_is_mapped_over_adds_nothing() -> None:
    """A list is taken apart only for what takes its elements."""

    def body() -> None:
        fk.each(numbers())

    assert list(build(body).nodes) == ["numbers"]


@pytest.mark.parametrize(
    ("make", "given"),
    [
        (a_dict, "dict[str, int]"),
        (a_set, "set[int]"),
        (a_text, "str"),
        (a_table, "pandas.DataFrame"),
        (perhaps, "list[int] | None"),
        (mixed, "tuple[int, str]"),
    ],
)
def test_what_is_no_list_of_one_type_is_refused_when_built(make: Callable[[], Any], given: str) -> None:
    """The error names the step, its annotation and the remedy."""
    with pytest.raises(ArgumentError, match=f"'{make.__name__}'") as caught:
        build(lambda: add(fk.each(make())))

    facts = dict(caught.value.facts)
    assert facts["given"] == given
    assert "list[" in caught.value.hint


def test_a_fan_out_in_a_fan_out_says_to_collect_first() -> None:
    """What is mapped is no list, also where each element is one."""
    with pytest.raises(ArgumentError, match="mapped already") as caught:
        build(lambda: add(fk.each(add(fk.each(numbers())))))
    assert "fk.each(fk.collect(" in caught.value.hint


def test_two_lists_in_a_call_are_refused() -> None:
    """Two lists known only at run time are two dimensions, also where they are one step's result."""

    def body() -> None:
        items = numbers()
        add(fk.each(items), fk.each(items))

    with pytest.raises(ArgumentError, match="two different each"):
        build(body)


@pytest.mark.parametrize(
    ("body", "consumer"),
    [
        (lambda: add(fk.each(words())), "add"),
        (lambda: wide(fk.each(tables())), "wide"),
        (lambda: add(add(fk.each(words()))), "add"),
    ],
    ids=["type", "contract", "first-of-two"],
)
def test_edges_are_checked_on_the_elements(body: Callable[[], Any], consumer: str) -> None:
    """The annotation of an element, with its contract, is judged before anything runs: one error for all elements."""
    with pytest.raises(EdgeError, match=f"'{consumer}'"):
        build(body)


def test_contracts_of_elements_that_fit_pass() -> None:
    """A list of tables is a list of contracts that hold."""
    assert "narrow[*]" in build(lambda: narrow(fk.each(tables())))


def test_any_passes_with_a_warning() -> None:
    """What is annotated as Any may be a list; the check says that nobody can tell."""
    graph = build_unchecked(lambda: add(fk.each(anything())))

    assert any("Any" in warning for warning in check_graph(graph).warnings)


@pytest.mark.parametrize("items", [lambda: list(range(50)), numbers], ids=["known", "run-time"])
def test_a_forgotten_collect_is_one_error_that_names_it(items: Callable[[], Any]) -> None:
    """A mapped value where a list is wanted: one error for the call, however many elements there are."""
    with pytest.raises(EdgeError, match="'total' wants a list") as caught:
        build(lambda: total(add(fk.each(items()))))

    assert "fk.collect(" in caught.value.hint
    assert "'add'" in caught.value.message


def test_a_wrong_element_type_is_one_error_for_the_call() -> None:
    """Fifty elements that fit nowhere are one mistake."""
    with pytest.raises(FlowkitError) as caught:
        build(lambda: total.named("other")(halves(fk.each(list(range(50)))).left))
    assert not isinstance(caught.value, CheckError)


def test_a_wrong_constant_element_is_one_error_for_the_call() -> None:
    """Fifty constants of a wrong type are told by the first."""
    with pytest.raises(ArgumentError, match=r"total\[0\]"):
        build(lambda: total(fk.each(list(range(50)))))


@pytest.mark.parametrize(
    "misuse",
    [
        lambda handle: handle == 1,
        lambda handle: bool(handle),
        lambda handle: len(handle),
        lambda handle: f"{handle}",
        lambda handle: list(handle),
        lambda handle: handle.shape,
        lambda handle: handle + 1,
        lambda handle: np.mean(handle),
        lambda handle: fk.collect(handle),
        lambda handle: fk.each(7),
        lambda handle: fk.each(add(fk.each(handle))),
        lambda handle: add(fk.each([1]), fk.each([2])),
    ],
)
def test_misuse_names_the_place_in_the_authors_source(misuse: Callable[[Any], Any]) -> None:
    """Handles, `each` and `collect` used wrongly say at which line of which file."""

    def built() -> None:
        misuse(numbers())

    with fk.Session(inline=True) as session, pytest.raises((HandleError, ArgumentError)) as caught:
        session.check(fk.pipeline(built), {})

    place = dict(caught.value.facts)["at"]
    assert f"tests/authoring/{Path(__file__).name}:{misuse.__code__.co_firstlineno}" in place


def test_a_collect_over_a_template_gathers_it() -> None:
    """Until the list is known, `collect` stands for all elements of the template."""
    graph = build(aligned)

    assert graph["total"].arguments == {"numbers": Gather((Ref("add#2[*]"),))}
