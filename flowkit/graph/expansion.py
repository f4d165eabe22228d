"""Puts the elements of a list in the places of the templates that stand for them. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from flowkit.graph.arguments import Gather, Ref, leaves_of, replace_leaves
from flowkit.graph.graph import Graph, Node
from flowkit.records import ELEMENTS


class Expansion(Struct, frozen=True):
    """What became of a graph when a list was known.

    Attributes:
        graph: The new graph.
        elements: The nodes that took the place of each template, by its name.
        rewired: Nodes that stay and take the elements instead of a template.
    """

    graph: Graph
    elements: Mapping[str, tuple[str, ...]]
    rewired: tuple[str, ...]

    @property
    def changed(self) -> tuple[str, ...]:
        """The nodes whose producers are others now: the elements, and what was rewired."""
        return (*(name for names in self.elements.values() for name in names), *self.rewired)


def expand(graph: Graph, dimension: str, refs: Sequence[Ref]) -> Expansion:
    """Return the graph in which every template of `dimension` is replaced by one node an element.

    Args:
        graph: The graph so far.
        dimension: The node that takes the list apart.
        refs: Where each element is found, in order.
    """
    templates = [node for node in graph if node.dimension == dimension]
    calls = {node.name: tuple(f"{node.call}[{index}]" for index in range(len(refs))) for node in templates}
    rewriter = _Rewriter(dimension, tuple(refs), calls)
    consumers = dict.fromkeys(name for source in (dimension, *calls) for name in graph.consumers[source])
    rewired = tuple(name for name in consumers if name not in calls)
    replacements = {node.name: rewriter.elements_of(node) for node in templates}
    replacements.update({name: [rewriter.rewire(graph[name])] for name in rewired})
    return Expansion(graph.replacing(replacements), calls, rewired)


class _Rewriter(Struct, frozen=True):
    dimension: str
    refs: tuple[Ref, ...]
    calls: Mapping[str, tuple[str, ...]]

    def elements_of(self, template: Node) -> list[Node]:
        """Return the nodes that stand for a template's elements; what is the same for all of them is shared."""
        arguments = {name: self._widen(tree) for name, tree in template.arguments.items()}
        mapped = [name for name, tree in arguments.items() if any(map(self._is_mapped, leaves_of(tree)))]
        return [
            replace(
                template,
                name=name,
                arguments={**arguments, **{key: self._pick(arguments[key], index) for key in mapped}},
                map_index=index,
                dimension=None,
            )
            for index, name in enumerate(self.calls[template.name])
        ]

    def rewire(self, node: Node) -> Node:
        """Return a node that gathers the elements where it gathered a template."""
        return replace(node, arguments={name: self._widen(tree) for name, tree in node.arguments.items()})

    def _is_mapped(self, leaf: object) -> bool:
        if not isinstance(leaf, Ref):
            return False
        return leaf.node in self.calls or (leaf.node == self.dimension and leaf.output == ELEMENTS)

    def _pick(self, tree: Any, index: int) -> Any:
        def pick(leaf: Any, _: Any) -> Any:
            if not self._is_mapped(leaf):
                return leaf
            # Not by way of the whole list: that would be quadratic in its length.
            return self.refs[index] if leaf.node == self.dimension else Ref(self.calls[leaf.node][index], leaf.output)

        return replace_leaves(tree, pick)

    def _widen(self, tree: Any) -> Any:
        def widen(leaf: Any, _: Any) -> Any:
            if not isinstance(leaf, Gather) or not any(map(self._is_mapped, leaf.refs)):
                return leaf
            return Gather(tuple(ref for one in leaf.refs for ref in self._all(one)))

        return replace_leaves(tree, widen)

    def _all(self, ref: Ref) -> Sequence[Ref]:
        """Return what stands for every element of a reference to a template, or to the list's elements."""
        if not self._is_mapped(ref):
            return (ref,)
        return self.refs if ref.node == self.dimension else [Ref(name, ref.output) for name in self.calls[ref.node]]
