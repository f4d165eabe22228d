"""The strategy of programs: some modules of definitions that use each other, and steps that use some of them."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from tests.conformance.programs import classes, data, functions
from tests.conformance.programs.builder import Builder
from tests.conformance.programs.choices import Choices
from tests.conformance.programs.model import ROOT, Program

PLACES = ("near", "pack.tools", "pack.deep.leaf", "flow", "pack", "pack.deep")
OPTIONS = ("", "(retries=1)", "(version='1')", "(timeout='1m', tags=('a',))")


@st.composite
def programs(draw: Any, smallest: int = 5, largest: int = 12) -> Program:
    """Return a strategy of programs.

    Args:
        draw: Given by hypothesis.
        smallest: The least number of definitions beside the steps.
        largest: The largest number of turns in which definitions are made.
    """
    b = Builder(Choices(draw))
    for _ in range(b.c.count(smallest, largest)):
        makers = b.c.pick([functions.MAKERS, data.MAKERS, classes.MAKERS, functions.MAKERS])
        b.c.pick(makers)(b, b.c.pick(PLACES))
    for _ in range(b.c.count(2, 3)):
        _add_step(b)
    if b.c.chance(20):
        _add_effect(b)
    return b.program


def _add_step(b: Builder) -> None:
    draft = b.draft(ROOT, "step")
    lines = [f"@fk.step{b.c.pick(OPTIONS)}", f"def {draft.name}(x: float) -> float:", *b.body(draft, 1, 3)]
    b.program.steps.append(b.add(draft, "step", lines, "{ref}({arg})"))


def _add_effect(b: Builder) -> None:
    """Let a module import another one that it never reads, for what its import does."""
    for _ in range(b.c.count(1, 2)):
        b.c.pick([functions.plain, data.literal])(b, "marks")
    module = b.c.pick(["near", "pack.tools", ROOT])
    b.program.plain_imports[module].append("import marks")
    b.program.whole.add("marks")
    for item in b.program.of_module(module):
        if item.has_code:
            b.program.link(item.node, "marks:*")
            b.program.link(f"{item.node}.inner", "marks:*")
