"""Adds definitions to a program: names, references with their edges, and which earlier definitions may be used."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from tests.conformance.programs.bodies import body, indented
from tests.conformance.programs.choices import Choices
from tests.conformance.programs.model import Item, Program, rank
from tests.conformance.programs.references import refer


@dataclass
class Draft:
    """A definition that is being written: what it refers to so far.

    Attributes:
        module: Where it will stand.
        name: Its name.
        reached: Nodes that it refers to.
        inside: Imports that its functions need inside.
    """

    module: str
    name: str
    reached: set[str] = field(default_factory=set)
    inside: list[str] = field(default_factory=list)


class Builder:
    """Writes definitions one after the other; each may use those before it.

    Args:
        c: The choices.
    """

    def __init__(self, c: Choices) -> None:
        self.c = c
        self.program = Program()

    def draft(self, module: str, stem: str) -> Draft:
        """Begin a definition."""
        return Draft(module, self.c.name(stem))

    def known(self, module: str, kinds: Sequence[str] = (), importable: bool = False) -> list[Item]:
        """Return the definitions that may be used, the latest first.

        Args:
            module: The module of the one that uses them.
            kinds: Only these kinds; any but factories and decorators by default.
            importable: Only those that can be imported at the top of the module.
        """
        return [
            item
            for item in reversed(self.program.items)
            if (item.kind in kinds if kinds else item.use)
            and not (importable and rank(item.module) > rank(module))
            and item.module != "marks"
            and item.kind != "step"
        ]

    def name_of(self, draft: Draft, target: Item, in_function: bool = True) -> str:
        """Return a reference to a definition, and note the edge."""
        found = refer(self.c, self.program, draft.module, target, in_function)
        draft.reached.add(found.node)
        if found.inside and found.inside not in draft.inside:
            draft.inside.append(found.inside)
        return found.text

    def uses(self, draft: Draft, low: int, high: int, in_function: bool = True, importable: bool = False) -> list[str]:
        """Return expressions that use some earlier definitions, each a number.

        Args:
            draft: The definition that uses them.
            low: The least number of them.
            high: The largest.
            in_function: Whether an import may stand before the expressions.
            importable: Whether they are used while the module is imported.
        """
        known = self.known(draft.module, importable=importable or not in_function)
        count = min(self.c.count(low, high), len(known))
        found = []
        for _ in range(count):
            target = self.c.pick(known)
            known.remove(target)
            name = self.name_of(draft, target, in_function)
            found.append(target.use.replace("{ref}", name).replace("{arg}", "x"))
        return found

    def body(self, draft: Draft, low: int = 0, high: int = 2) -> list[str]:
        """Return the lines of a function body of one's own, with the imports that it needs."""
        outer, draft.inside = draft.inside, []
        lines = body(self.c, self.uses(draft, low, high))
        lines = indented(draft.inside) + lines
        draft.inside = outer
        return lines

    def add(self, draft: Draft, kind: str, lines: Sequence[str], use: str, **traits: bool) -> Item:
        """Put a definition into the program."""
        item = Item(draft.module, draft.name, kind, "\n".join(lines), use, **traits)
        for node in draft.reached:
            self.program.link(item.node, node)
        self.program.items.append(item)
        return item
