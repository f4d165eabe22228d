"""Elements take the places of the templates that stand for them: pure, and without looking at the rest again."""

from __future__ import annotations

from typing import Any

import flowkit as fk
from flowkit.graph.arguments import Gather, Ref
from flowkit.graph.expansion import expand
from flowkit.graph.graph import Graph, template_of
from flowkit.graph.select import Selection


@fk.step
def numbers(count: int = 3) -> list[int]:
    return list(range(count))


@fk.step
def add(left: int, right: int = 1, others: tuple[Any, ...] = ()) -> int:
    return left + right


@fk.step
def total(numbers: list[int]) -> int:
    return sum(numbers)


def build() -> Graph:
    @fk.pipeline
    def built() -> None:
        items = fk.each(numbers())
        first = add(items, others=({"table": [1, 2]},))
        second = add(first, items)
        total([1, 2])
        total.named("all")(fk.collect(second))
        add.named("siblings")(items, others=(fk.collect(first),))
        total.named("again")(fk.collect(add.named("next")(fk.each(fk.collect(second)))))

    return built.build({})


LIST = "each(numbers)"


def refs(count: int) -> list[Ref]:
    return [Ref(LIST, str(index)) for index in range(count)]


def test_elements_take_the_templates_places() -> None:
    """Every template of the list becomes one node an element, wired to its own elements alone."""
    expansion = expand(build(), LIST, refs(2))

    graph = expansion.graph
    assert expansion.elements["add#2[*]"] == ("add#2[0]", "add#2[1]")
    assert graph["add#2[1]"].arguments["left"] == Ref("add[1]")
    assert graph["add#2[1]"].arguments["right"] == Ref(LIST, "1")
    assert graph["add#2[1]"].map_index == 1
    assert graph["all"].arguments == {"numbers": Gather((Ref("add#2[0]"), Ref("add#2[1]")))}
    assert graph["siblings[1]"].arguments["others"] == (Gather((Ref("add[0]"), Ref("add[1]"))),)


def test_another_list_stays_a_template() -> None:
    """A list that is made of the elements is known only later, and waits for all of them."""
    graph = expand(build(), LIST, refs(2)).graph

    later = graph["next[*]"].dimension
    assert later is not None
    assert graph.producers[later] == ("add#2[0]", "add#2[1]")
    assert graph.consumers[later] == ("next[*]",)


def test_what_does_not_change_is_shared() -> None:
    """A constant is the same object for all elements, and nodes that gather nothing stay as they are."""
    before = build()

    graph = expand(before, LIST, refs(3)).graph

    assert graph["total"] is before["total"]
    assert graph["add[0]"].arguments["others"] is graph["add[2]"].arguments["others"]


def test_links_are_those_of_a_graph_built_anew() -> None:
    """What is kept of the old graph's links and what is added is what a look at every node gives."""
    graph = expand(build(), LIST, refs(3)).graph

    anew = Graph(graph.pipeline, list(graph))
    assert dict(graph.producers) == dict(anew.producers)
    assert dict(graph.consumers) == dict(anew.consumers)
    assert graph.edges == anew.edges


def test_an_empty_list_leaves_no_node() -> None:
    """What gathers it has an empty list."""
    graph = expand(build(), LIST, []).graph

    assert graph["all"].arguments == {"numbers": Gather(())}
    assert not any(name.startswith("add") for name in graph.nodes)


def test_selections_see_templates_and_never_what_takes_lists_apart() -> None:
    """`+name` goes from a mapped call straight to what makes its list, and one step is one edge."""
    graph = build()

    assert Selection.parse("add").resolve(graph) == {"add[*]"}
    assert Selection.parse("add#2[*]").resolve(graph) == {"add#2[*]"}
    assert Selection.parse("1+add").resolve(graph) == {"numbers", "add[*]"}
    assert Selection.parse("numbers+1").resolve(graph) == {"numbers", "add[*]", "add#2[*]", "siblings[*]"}
    assert not any(graph[name].hidden for name in Selection.parse("+again").resolve(graph))


def test_names_tell_their_template() -> None:
    """An element's template is its call with a star; other names are their own."""
    assert [template_of(name) for name in ("train#2[13]", "train", "train[*]")] == ["train#2[*]", "train", "train[*]"]
