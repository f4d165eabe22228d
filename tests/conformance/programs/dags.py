"""Random pipelines: their text, their values, and which of their nodes a run must execute, told without flowkit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from tests.conformance.programs.choices import Choices

SKIPPED = "skipped"
CACHED = "cached"
Values = dict[str, Any]


@dataclass(frozen=True)
class Node:
    """One call of a step that is only called there.

    Attributes:
        name: The name of the step and of its node.
        kind: What it does: a key of `KINDS`.
        sources: Names of the values that it takes; a parameter's begins with `p`.
        k: A constant in its code.
        m: Another one; small, so that many edits leave the value as it was.
        helper: Which helper it calls.
        cached: Whether its results may be reused.
    """

    name: str
    kind: str
    sources: tuple[str, ...]
    k: int
    m: int
    helper: int
    cached: bool = True


@dataclass(frozen=True)
class Kind:
    """What a step does, as text and as a value.

    Attributes:
        takes: What kind of value its first argument is.
        gives: What kind of value it gives.
        hints: Its annotations.
        body: Its text, with `{k}`, `{m}` and `{h}` for the name of its helper.
        compute: The same in this process.
    """

    takes: str
    gives: str
    hints: tuple[str, str]
    body: str
    compute: Callable[[Any, int, int, int, Callable[[int], int]], Any]


def _skipping(a: int, b: int, k: int, m: int, h: Callable[[int], int]) -> Any:
    return SKIPPED if h(a) % (m + 1) == 0 else h(a) + b + k


KINDS = {
    "number": Kind("int", "int", ("int", "int"), "return ({h}(a) * {k} + b) % {m}",
                   lambda a, b, k, m, h: (h(a) * k + b) % m),
    "sum": Kind("int", "int", ("int", "int"), "return {h}(a) + b * {k} - {m}",
                lambda a, b, k, m, h: h(a) + b * k - m),
    "pair": Kind("int", "pair", ("int", "tuple[int, int]"), "return {h}(a) % {m}, a * {k} + b",
                 lambda a, b, k, m, h: (h(a) % m, a * k + b)),
    "listing": Kind("int", "list", ("int", "list[int]"), "return [{h}(i * {k} + a) % {m} for i in range({m} + b % 2)]",
                    lambda a, b, k, m, h: [h(i * k + a) % m for i in range(m + b % 2)]),
    "mapped": Kind("list", "collected", ("int", "int"), "return ({h}(a) + b) % ({k} + {m})",
                   lambda a, b, k, m, h: (h(a) + b) % (k + m)),
    "total": Kind("list", "int", ("list[int]", "int"), "return {h}(sum(a)) % {m} + b + {k}",
                  lambda a, b, k, m, h: h(sum(a)) % m + b + k),
    "gathered": Kind("collected", "int", ("list[int]", "int"), "return {h}(len(a)) + b - {k} * {m}",
                     lambda a, b, k, m, h: h(len(a)) + b - k * m),
    "text": Kind("int", "text", ("int", "str"), "return f'{{{h}(a) % {m}}} of {k}, {{b}}'",
                 lambda a, b, k, m, h: f"{h(a) % m} of {k}, {b}"),
    "length": Kind("text", "int", ("str", "int"), "return {h}(len(a)) * {m} + b * {k}",
                   lambda a, b, k, m, h: h(len(a)) * m + b * k),
    "skipping": Kind("int", "int", ("int", "int"),
                     "if {h}(a) % ({m} + 1) == 0:\n        raise fk.Skip('nothing')\n    return {h}(a) + b + {k}",
                     _skipping),
}  # fmt: skip


@dataclass
class Dag:
    """A pipeline with its parameters' values and its helpers' constants."""

    nodes: list[Node]
    parameters: dict[str, int]
    helpers: list[int] = field(default_factory=lambda: [1, 2])
    layout: int = 0

    def text(self) -> str:
        """Return the module's text."""
        lines = ["import flowkit as fk", *["# a comment", ""] * self.layout]
        for number, constant in enumerate(self.helpers):
            lines += ["", "", f"def helper_{number}(v: int) -> int:", f"    return v * {constant} + {number}"]
        for node in self.nodes:
            kind = KINDS[node.kind]
            body = kind.body.format(k=node.k, m=node.m, h=f"helper_{node.helper}")
            option = "" if node.cached else "(cache=False)"
            given, gives = kind.hints
            lines += ["", "", f"@fk.step{option}", f"def {node.name}(a: {given}, b: int) -> {gives}:", f"    {body}"]
        lines += ["", "", "@fk.pipeline", "def flow(p0: int, p1: int) -> None:"]
        return "\n".join([*lines, *(f"    {self._call(node)}" for node in self.nodes)]) + "\n"

    def _call(self, node: Node) -> str:
        first, second = node.sources
        if node.kind == "mapped":
            return f"{node.name}_out = fk.collect({node.name}(fk.each({first}), {second}))"
        names = f"{node.name}_0, {node.name}_1" if node.kind == "pair" else f"{node.name}_out"
        return f"{names} = {node.name}({first}, {second})"

    def code_of(self, node: Node) -> tuple[Any, ...]:
        """Return all that counts of a node's code."""
        return (node.name, node.kind, node.k, node.m, node.helper, self.helpers[node.helper])


@dataclass
class Expected:
    """What a run must do: values by node, and which nodes execute, are skipped, or may do either as two are alike."""

    values: Values = field(default_factory=dict)
    executed: set[str] = field(default_factory=set)
    reused: set[str] = field(default_factory=set)
    skipped: set[str] = field(default_factory=set)
    alike: set[str] = field(default_factory=set)


Known = set[tuple[Any, ...]]


def expect(dag: Dag, known: Known) -> Expected:
    """Return what a run of a pipeline must do in a store that knows these results, and add what it makes."""
    found = Expected()
    scope: Values = dict(dag.parameters)
    new: Known = set()
    for node in dag.nodes:
        first, second = (scope[source] for source in node.sources)
        if node.kind == "mapped":
            _expect_mapped(dag, node, first, second, scope, found, known, new)
            continue
        value = _one(dag, node, node.name, first, second, found, known, new)
        pair = value if node.kind == "pair" and value != SKIPPED else (value, value)
        scope |= {f"{node.name}_0": pair[0], f"{node.name}_1": pair[1], f"{node.name}_out": value}
    known |= new
    return found


def _expect_mapped(
    dag: Dag, node: Node, first: Any, second: Any, scope: Values, found: Expected, known: Known, new: Known
) -> None:
    if SKIPPED in (first, second):
        scope[f"{node.name}_out"] = SKIPPED
        found.alike.add(node.name)
        return
    results = [
        _one(dag, node, f"{node.name}[{index}]", item, second, found, known, new) for index, item in enumerate(first)
    ]
    scope[f"{node.name}_out"] = [item for item in results if item != SKIPPED]


def _one(dag: Dag, node: Node, name: str, first: Any, second: Any, found: Expected, known: Known, new: Known) -> Any:
    if SKIPPED in (first, second):
        found.skipped.add(name)
        return SKIPPED
    helper = dag.helpers[node.helper]
    value = KINDS[node.kind].compute(first, second, node.k, node.m, lambda v: v * helper + node.helper)
    key = (*dag.code_of(node), repr(first), second)
    if value == SKIPPED:
        found.skipped.add(name)
        return SKIPPED
    found.values[name] = value
    if key in new:
        found.alike.add(name)
    elif node.cached and key in known:
        found.reused.add(name)
    else:
        found.executed.add(name)
        new.add(key)
    return value


def draw_dag(c: Choices) -> Dag:
    """Draw a pipeline of a few nodes."""
    dag = Dag([], {"p0": c.integer(), "p1": c.integer()}, [c.integer(), c.integer()])
    for _ in range(c.count(3, 8)):
        dag.nodes.append(_draw_node(c, dag, len(dag.nodes)))
    return dag


def _draw_node(c: Choices, dag: Dag, number: int) -> Node:
    kinds = [kind for kind, about in KINDS.items() if _giving(dag, about.takes, number)]
    kind = c.pick(kinds)
    sources = (c.pick(_giving(dag, KINDS[kind].takes, number)), c.pick([*_giving(dag, "int", number), "p0", "p1"]))
    names = {node.name for node in dag.nodes}
    name = next(f"node_{index}" for index in range(100) if f"node_{index}" not in names)
    return Node(name, kind, sources, c.integer(), c.count(2, 3), c.count(0, 1), not c.chance(10))


def _giving(dag: Dag, gives: str, before: int) -> list[str]:
    """Return the names of the values of a kind that nodes before this place give."""
    found = []
    for node in dag.nodes[:before]:
        kind = KINDS[node.kind].gives
        if kind == gives:
            found.append(f"{node.name}_out")
        elif kind == "pair" and gives == "int":
            found += [f"{node.name}_0", f"{node.name}_1"]
    return found or (["p0", "p1"] if gives == "int" else [])


def edit(c: Choices, dag: Dag) -> tuple[str, Dag]:
    """Draw an edit; return what it is and the pipeline after it."""
    return c.pick(
        (_edit_constant, _edit_helper, _edit_parameter, _rewire, _add, _remove, _edit_layout, _edit_constant)
    )(c, dag)


def _put(dag: Dag, index: int, node: Node) -> Dag:
    return replace(dag, nodes=[*dag.nodes[:index], node, *dag.nodes[index + 1 :]])


def _edit_constant(c: Choices, dag: Dag) -> tuple[str, Dag]:
    index = c.count(0, len(dag.nodes) - 1)
    node = dag.nodes[index]
    changed = replace(node, k=node.k + 1) if c.chance(50) else replace(node, m=5 - node.m)
    return f"a constant of {node.name}", _put(dag, index, changed)


def _edit_helper(c: Choices, dag: Dag) -> tuple[str, Dag]:
    number = c.count(0, 1)
    helpers = list(dag.helpers)
    helpers[number] = c.integer()
    return f"helper {number}", replace(dag, helpers=helpers)


def _edit_parameter(c: Choices, dag: Dag) -> tuple[str, Dag]:
    name = c.pick(["p0", "p1"])
    return f"parameter {name}", replace(dag, parameters=dag.parameters | {name: c.integer()})


def _rewire(c: Choices, dag: Dag) -> tuple[str, Dag]:
    index = c.count(0, len(dag.nodes) - 1)
    node = dag.nodes[index]
    place = c.count(0, 1)
    old = node.sources[place]
    if old.startswith("p"):
        return _edit_parameter(c, dag)
    takes = KINDS[node.kind].takes if place == 0 else "int"
    new = c.pick([name for name in _giving(dag, takes, index) if not name.startswith("p")])
    sources = (new, node.sources[1]) if place == 0 else (node.sources[0], new)
    return f"{node.name} takes {new}", _put(dag, index, replace(node, sources=sources))


def _add(c: Choices, dag: Dag) -> tuple[str, Dag]:
    node = _draw_node(c, dag, len(dag.nodes))
    return f"{node.name} added", replace(dag, nodes=[*dag.nodes, node])


def _remove(c: Choices, dag: Dag) -> tuple[str, Dag]:
    used = {source.rpartition("_")[0] for node in dag.nodes for source in node.sources}
    free = [index for index, node in enumerate(dag.nodes) if node.name not in used]
    if len(dag.nodes) < 2:
        return _edit_layout(c, dag)
    index = c.pick(free)
    return f"{dag.nodes[index].name} removed", replace(dag, nodes=[*dag.nodes[:index], *dag.nodes[index + 1 :]])


def _edit_layout(c: Choices, dag: Dag) -> tuple[str, Dag]:
    return "only comments", replace(dag, layout=dag.layout + 1)
