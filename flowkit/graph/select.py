"""Selections of nodes with dbt's operators, and what lies before and after a node.

`train` is a node or, where no node has that very name, every element of a mapped call or every node of a step; `*` and
`?` stand for any characters (brackets are part of a node's name); `tag:x` is every node whose step has that tag. `+a`
adds what `a` needs, `a+` what needs it, `2+a` and `a+2` only so many edges far; `@a` is `a+` with all that those need.
A space joins selections, a comma intersects them and binds tighter.

This module alone uses networkx, and loads it only for operators: a plain name costs nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from fnmatch import translate
from typing import Any

from msgspec import Struct

from flowkit.errors import SelectionError
from flowkit.graph.graph import Graph, Node, template_of

_TERM = re.compile(r"(?:(?P<before>\d*)\+|(?P<whole>@))?(?P<body>[^+@,\s][^+,\s]*?)(?:\+(?P<after>\d*))?")
_TAG = "tag:"


class Term(Struct, frozen=True):
    """One name, pattern or tag with how far to go from it.

    Attributes:
        before: Edges to go towards producers: 0 none, None without end.
        after: Edges to go towards consumers.
        whole: Whether everything that its consumers need, at any distance, is meant too.
    """

    body: str
    before: int | None = 0
    after: int | None = 0
    whole: bool = False

    def resolve(self, graph: Graph) -> frozenset[str]:
        """Return the names of the nodes it selects.

        Raises:
            SelectionError: Nothing bears that name or tag; the nearest is suggested.
        """
        start = _find(graph, self.body)
        if self.before == self.after == 0:
            return start
        flow = to_networkx(graph)
        if self.whole:
            return ancestors_of(graph, start | _reached(flow, start, None))
        return start | _reached(flow.reverse(copy=False), start, self.before) | _reached(flow, start, self.after)


class Selection(Struct, frozen=True):
    """A parsed selection: a union of intersections of terms.

    Attributes:
        text: As it was written.
    """

    text: str
    groups: tuple[tuple[Term, ...], ...]

    @classmethod
    def parse(cls, text: str) -> Selection:
        """Return the selection that `text` writes.

        Raises:
            SelectionError: It is not of dbt's form.
        """
        groups = tuple(tuple(_parse_term(text, term) for term in group.split(",")) for group in text.split())
        if not groups:
            raise SelectionError.for_form(text, "")
        return cls(text, groups)

    def resolve(self, graph: Graph) -> frozenset[str]:
        """Return the names of the selected nodes; never none.

        Raises:
            SelectionError: A name is unknown, or the intersections leave nothing.
        """
        found: frozenset[str] = frozenset()
        for group in self.groups:
            found |= frozenset.intersection(*(term.resolve(graph) for term in group))
        if not found:
            raise SelectionError.for_nothing(self.text)
        return found


def ancestors_of(graph: Graph, names: Iterable[str]) -> frozenset[str]:
    """Return `names` and all that they need, at any distance.

    Every run of a selection asks this, a wholly reused one too, so it walks without networkx.
    """
    found: set[str] = set()
    pending = list(names)
    while pending:
        name = pending.pop()
        if name not in found:
            found.add(name)
            pending.extend(graph.producers[name])
    return frozenset(found)


def to_networkx(graph: Graph) -> Any:
    """Return the graph as a `networkx.DiGraph` of node names, with an edge from each producer to its consumers."""
    import networkx

    flow = networkx.DiGraph()
    shown = graph.shown
    flow.add_nodes_from(shown.nodes)
    flow.add_edges_from((producer, name) for name, producers in shown.producers.items() for producer in producers)
    return flow


def _parse_term(text: str, term: str) -> Term:
    match = _TERM.fullmatch(term)
    if match is None or match["body"] == _TAG:
        raise SelectionError.for_form(text, term)
    if match["whole"] and match["after"] is not None:
        raise SelectionError.for_form(text, term)
    if match["whole"]:
        return Term(match["body"], 0, None, whole=True)
    return Term(match["body"], _distance(match["before"]), _distance(match["after"]))


def _distance(digits: str | None) -> int | None:
    if digits is None:
        return 0
    return int(digits) if digits else None


def _find(graph: Graph, body: str) -> frozenset[str]:
    if body.startswith(_TAG):
        return _find_tag(graph, body.removeprefix(_TAG))
    if body in graph and not graph[body].hidden:
        return frozenset((body,))
    template = template_of(body)
    if template != body and template in graph:
        raise SelectionError.for_element(body, call_of(graph[template]))
    matchers: tuple[Callable[[Node], bool], ...] = (
        lambda node: call_of(node) == body,
        lambda node: node.step_name == body,
        _like(body),
    )
    for matches in matchers:
        found = frozenset(node.name for node in graph.visible if matches(node))
        if found:
            return found
    raise SelectionError.for_unknown_node(body, tuple(dict.fromkeys(call_of(node) for node in graph.visible)))


def call_of(node: Node) -> str:
    """Return the name of the call a node belongs to: of `train#2[0]` and of `train#2[*]` it is `train#2`."""
    return node.call


def _like(pattern: str) -> Callable[[Node], bool]:
    if not any(character in pattern for character in "*?"):
        return lambda node: False
    # fnmatch reads brackets as sets of characters; here they are part of a mapped element's name.
    compiled = re.compile(translate(pattern.replace("[", "[[]")))
    return lambda node: compiled.match(node.name) is not None


def _find_tag(graph: Graph, tag: str) -> frozenset[str]:
    found = frozenset(node.name for node in graph if tag in node.tags)
    if not found:
        raise SelectionError.for_unknown_tag(tag, sorted({known for node in graph for known in node.tags}))
    return found


def _reached(flow: Any, start: frozenset[str], distance: int | None) -> frozenset[str]:
    """Return the nodes at most `distance` edges after any of `start`; at any distance for None."""
    if distance == 0:
        return frozenset()
    import networkx

    layers = networkx.bfs_layers(flow, start)
    found: set[str] = set()
    for depth, layer in enumerate(layers):
        if distance is not None and depth > distance:
            break
        found.update(layer)
    return frozenset(found)
