"""A graph as a tree, Mermaid, DOT or JSON: pure text, nothing loaded for it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from flowkit.engine.report import JSON_FORMAT
from flowkit.graph.graph import Graph, Node, NodeKind
from flowkit.graph.select import call_of

_MERMAID_SHAPES = {NodeKind.STEP: ("[", "]"), NodeKind.PROMOTE: ("{{", "}}"), NodeKind.CHAMPION: ("[(", ")]")}
_DOT_SHAPES = {NodeKind.STEP: "box", NodeKind.PROMOTE: "hexagon", NodeKind.CHAMPION: "cylinder"}


def draw_tree(graph: Graph) -> str:
    """Return what is wanted with what it needs below it; mapped elements together, a node's needs once.

    A node that stands further up already is marked `(above)`.
    """
    needs = _calls(graph)
    labels = _labels(graph)
    wanted = [call for call in needs if all(call not in others for others in needs.values())]
    lines: list[str] = []
    drawn: set[str] = set()
    for call in wanted:
        lines += _branch(call, needs, labels, drawn, "", "")
    return "\n".join(lines)


def draw_mermaid(graph: Graph) -> str:
    """Return a Mermaid flowchart; names are given as quoted labels, whatever is in them."""
    identities = {name: f"n{index}" for index, name in enumerate(graph.nodes)}
    lines = ["flowchart TD"]
    for node in graph:
        left, right = _MERMAID_SHAPES[node.kind]
        label = node.name.replace("#", "#35;").replace('"', "#quot;")
        lines.append(f'  {identities[node.name]}{left}"{label}"{right}')
    lines += [f"  {identities[producer]} --> {identities[name]}" for producer, name in _pairs(graph)]
    return "\n".join(lines)


def draw_dot(graph: Graph) -> str:
    """Return a graph in Graphviz's language."""
    lines = [f"digraph {json.dumps(graph.pipeline)} {{", "  rankdir=TB;"]
    lines += [f"  {json.dumps(node.name)} [shape={_DOT_SHAPES[node.kind]}];" for node in graph]
    lines += [f"  {json.dumps(producer)} -> {json.dumps(name)};" for producer, name in _pairs(graph)]
    return "\n".join([*lines, "}"])


def graph_to_json(graph: Graph) -> dict[str, Any]:
    """Return the object that `show --format json` prints."""
    return {
        "format": JSON_FORMAT,
        "pipeline": graph.pipeline,
        "nodes": [node_to_json(node) for node in graph],
        "edges": [
            {
                "producer": edge.ref.node,
                "output": edge.ref.output,
                "consumer": edge.consumer,
                "parameter": edge.parameter,
            }
            for edge in graph.edges
        ],
    }


def node_to_json(node: Node) -> dict[str, Any]:
    """Return what is known of a node before anything runs."""
    return {
        "node": node.name,
        "step": node.step_name,
        "index": node.map_index,
        "kind": node.kind.value,
        "tags": list(node.tags),
        "location": str(node.location),
    }


def _pairs(graph: Graph) -> Iterator[tuple[str, str]]:
    for name, producers in graph.producers.items():
        for producer in producers:
            yield producer, name


def _calls(graph: Graph) -> dict[str, tuple[str, ...]]:
    """Return for each call the calls that it needs: the graph with mapped elements drawn together."""
    needs: dict[str, dict[str, None]] = {}
    for node in graph:
        mine = needs.setdefault(call_of(node), {})
        mine.update((call_of(graph[producer]), None) for producer in graph.producers[node.name])
    return {call: tuple(other for other in others if other != call) for call, others in needs.items()}


def _labels(graph: Graph) -> dict[str, str]:
    counts: dict[str, int] = {}
    for node in graph:
        if node.map_index is not None:
            counts[call_of(node)] = counts.get(call_of(node), 0) + 1
    return {
        call_of(node): f"{call_of(node)}[0…{counts[call_of(node)] - 1}]" if call_of(node) in counts else node.name
        for node in graph
    }


def _branch(
    call: str, needs: Mapping[str, tuple[str, ...]], labels: Mapping[str, str], drawn: set[str], first: str, rest: str
) -> list[str]:
    """Return the lines of one call; written without recursion, as a chain may be thousands of calls long."""
    lines: list[str] = []
    pending = [(call, first, rest)]
    while pending:
        call, first, rest = pending.pop()
        again = call in drawn and bool(needs[call])
        lines.append(f"{first}{labels[call]}{' (above)' if again else ''}")
        if again:
            continue
        drawn.add(call)
        below = needs[call]
        last = len(below) - 1
        branches = [
            (other, f"{rest}{'└─ ' if index == last else '├─ '}", f"{rest}{'   ' if index == last else '│  '}")
            for index, other in enumerate(below)
        ]
        pending.extend(reversed(branches))
    return lines
