"""What a generated program is made of, and which definition reaches which.

The generator notes an edge wherever it writes a reference, so what a step reaches is known by construction. Nothing
here looks at the text, and nothing asks flowkit.

A node is `module:name`. Beside definitions there are nodes for names that an import binds, for modules that count whole
(`module:*`), and for the innermost function of a factory (`module:name.inner`), which is all that its products keep.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

Node = str
MODULES = ("marks", "pack.deep.leaf", "pack.deep", "pack.tools", "pack", "near", "flow")
"""From the bottom: a module imports at its top only from those before it."""
PACKAGES = frozenset({"pack", "pack.deep"})
ROOT = "flow"


@dataclass
class Item:
    """One definition at the top of a module.

    Attributes:
        module: Where it stands.
        name: Its name, which nothing else in the program has.
        kind: What it is, in one word.
        text: Its source.
        use: An expression with `{ref}` and `{arg}` that makes a number of it.
        has_code: Whether it holds code that was written in its own module.
        is_factory: Whether its innermost function lives on in what it gives.
    """

    module: str
    name: str
    kind: str
    text: str
    use: str
    has_code: bool = True
    is_factory: bool = False

    @property
    def node(self) -> Node:
        """Return its node."""
        return f"{self.module}:{self.name}"


@dataclass
class Binding:
    """A name that an import at the top of a module binds to a definition: `from .leaf import low as low_out`."""

    module: str
    name: str
    source: str
    target: Item

    @property
    def node(self) -> Node:
        """Return its node."""
        return f"{self.module}:{self.name}"

    @property
    def line(self) -> str:
        """Return the statement."""
        return self.importing(self.target.name)

    def importing(self, target: str) -> str:
        """Return the statement with another target."""
        return f"from {self.source} import {target}" + (f" as {self.name}" if self.name != target else "")


@dataclass(repr=False)
class Program:
    """Modules of definitions with an edge for every reference.

    Attributes:
        items: All definitions in the order of writing, those of steps included.
        bindings: Names bound by imports, by module.
        plain_imports: Other import lines at the top of a module, by module.
        edges: Which node refers to which.
        steps: Names of the steps, all in the root module.
        whole: Modules that may count whole.
    """

    items: list[Item] = field(default_factory=list)
    bindings: list[Binding] = field(default_factory=list)
    plain_imports: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    edges: dict[Node, set[Node]] = field(default_factory=lambda: defaultdict(set))
    steps: list[Item] = field(default_factory=list)
    whole: set[str] = field(default_factory=set)

    def __repr__(self) -> str:
        files = [f"## {name}\n\n{text}" for name, text in self.files().items() if name.endswith(".py")]
        return "\n".join(["a program", *files])

    def _repr_pretty_(self, printer: Any, _: bool) -> None:
        """Show the files where hypothesis prints a failing example."""
        printer.text(repr(self))

    def link(self, source: Node, target: Node) -> None:
        """Note that one node refers to another."""
        self.edges[source].add(target)

    def of_module(self, module: str) -> list[Item]:
        """Return a module's definitions in order."""
        return [item for item in self.items if item.module == module]

    def reach(self, step: Item) -> set[Node]:
        """Return every node that a step reaches, its own included."""
        found: set[Node] = set()
        waiting = [step.node]
        while waiting:
            node = waiting.pop()
            if node not in found:
                found.add(node)
                waiting += self._next(node)
        return found

    def _next(self, node: Node) -> Iterable[Node]:
        module, _, name = node.partition(":")
        yield from self.edges.get(node, ())
        if name == "*":
            yield from (item.node for item in self.of_module(module))
            yield from (f"{item.node}.inner" for item in self.of_module(module) if item.is_factory)
            yield from (binding.node for binding in self.bindings if binding.module == module)
            yield from (f"{found}:*" for found in self.modules_in(module))

    def modules_in(self, module: str) -> set[str]:
        """Return the modules that a module holds as globals or takes everything from, submodules among them."""
        found = {other for other in MODULES if other.rpartition(".")[0] == module}
        for line in self.plain_imports.get(module, ()):
            words = line.split()
            if words[0] == "import":
                found.add(words[1] if "as" in words else words[1].partition(".")[0])
            elif words[3] == "*":
                found.add(absolute(module, words[1]))
            else:
                found.add(f"{words[1]}.{words[3]}")
        return found

    def counting_whole(self) -> set[str]:
        """Return the modules that may count whole, with those that they hold."""
        found: set[str] = set()
        waiting = list(self.whole)
        while waiting:
            module = waiting.pop()
            if module not in found:
                found.add(module)
                waiting += self.modules_in(module)
        return found

    def reaching(self, edited: set[Node]) -> set[str]:
        """Return the names of the steps that reach any of some nodes."""
        return {step.name for step in self.steps if self.reach(step) & edited}

    def files(self) -> dict[str, str]:
        """Return the text of every file by its path; packages are always there."""
        texts = {path_of(module): self.text(module) for module in MODULES}
        return texts | {"pyproject.toml": "[tool.flowkit]\n"}

    def text(self, module: str) -> str:
        """Return a module's text."""
        lines = [f'"""Module {module}."""', "", *_HEADER]
        lines += ["import flowkit as fk"] if module == ROOT else []
        lines += self.plain_imports.get(module, [])
        lines += [binding.line for binding in self.bindings if binding.module == module]
        for item in self.of_module(module):
            lines += ["", "", item.text] if item.has_code else ["", item.text]
        lines += ["", "", *self._pipeline()] if module == ROOT else []
        return "\n".join(lines) + "\n"

    def _pipeline(self) -> list[str]:
        calls = [f"    {step.name}(x)" for step in self.steps]
        return ["@fk.pipeline", "def flow(x: float = 1.5) -> None:", *calls]


_HEADER = [
    "import abc",
    "import collections",
    "import contextlib",
    "import dataclasses",
    "import datetime",
    "import decimal",
    "import enum",
    "import fractions",
    "import functools",
    "import math",
    "import operator",
    "import pathlib",
    "import re",
    "import types",
    "import typing",
]


def path_of(module: str) -> str:
    """Return the path of a module's file."""
    place = module.replace(".", "/")
    return f"{place}/__init__.py" if module in PACKAGES else f"{place}.py"


def rank(module: str) -> int:
    """Return a module's place from the bottom."""
    return MODULES.index(module)


def relative(module: str, target: str) -> str | None:
    """Return how a module of the package names another one relatively; None from outside of it."""
    if not (module == "pack" or module.startswith("pack.")) or not (target == "pack" or target.startswith("pack.")):
        return None
    package = module if module in PACKAGES else module.rpartition(".")[0]
    dots = "."
    while not (target == package or target.startswith(f"{package}.")):
        package = package.rpartition(".")[0]
        dots += "."
    return dots + target[len(package) + 1 :]


def absolute(module: str, dotted: str) -> str:
    """Return the full name of what a module of the package names relatively."""
    if not dotted.startswith("."):
        return dotted
    package = module if module in PACKAGES else module.rpartition(".")[0]
    rest = dotted.lstrip(".")
    for _ in range(len(dotted) - len(rest) - 1):
        package = package.rpartition(".")[0]
    return f"{package}.{rest}" if rest else package
