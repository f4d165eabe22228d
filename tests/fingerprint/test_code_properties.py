"""Properties of code fingerprints over many edits: every token that means something counts, no layout does."""

from __future__ import annotations

import ast
import io
import itertools
import tokenize

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fingerprint.projects import fingerprint

PROGRAM = '''import flowkit as fk
import math

LIMIT = 3
NAMES = ["a", "b"]


def low(x, base=2, *, step=1):
    """Say something."""
    found = []
    for index in range(0, 10, step):
        if x > LIMIT and not index % 2:
            found.append(math.sin(x) ** base - index)
        elif x <= -1.5 or index in (4, True):
            found += [lambda: x * 2, f"{x:.2f} of {index}"]
        else:
            continue
    try:
        return found[-1]
    except (IndexError, KeyError) as error:
        raise ValueError("none") from error


class Box:
    size = 4

    def grow(self, by=1):
        return {"size": self.size + by, **{name: None for name in NAMES}}


@fk.step
def run(x: float) -> float:
    box = Box().grow()
    return low(x) if x else box["size"] * 1.0
'''

SWAPS = {
    "+": "-", "-": "+", "*": "+", "**": "*", ">": ">=", "<=": "<", "%": "*", "+=": "-=", "and": "or", "or": "and",
    "not": "-", "True": "False", "None": "True", "continue": "break", "sin": "cos", "IndexError": "TypeError",
    "KeyError": "OSError", "ValueError": "TypeError", "range": "slice", "append": "remove", "size": "height",
}  # fmt: skip


def _edits():
    """Yield the program with one token of meaning changed, for every such token below the constants."""
    tokens = list(tokenize.generate_tokens(io.StringIO(PROGRAM).readline))
    lines = PROGRAM.splitlines(keepends=True)
    documentation = {'"""Say something."""'}
    for token in tokens:
        changed = SWAPS.get(token.string)
        if token.type == tokenize.NUMBER:
            changed = f"{token.string}7"
        elif token.type == tokenize.STRING and token.string not in documentation:
            changed = token.string[:-1] + "_" + token.string[-1]
        if changed is None:
            continue
        row, start = token.start
        edited = [*lines]
        edited[row - 1] = lines[row - 1][:start] + changed + lines[row - 1][token.end[1] :]
        if _is_valid("".join(edited)):
            yield f"{row}:{start} {token.string}", "".join(edited)


def _is_valid(text: str) -> bool:
    try:
        ast.parse(text)
    except SyntaxError:
        return False
    return True


EDITS = dict(_edits())


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    """The program's own fingerprint."""
    return fingerprint(tmp_path_factory.mktemp("original"), {"steps.py": PROGRAM})


def test_there_are_edits_to_try():
    """The table below is made by a tokenizer; it must not be empty by mistake."""
    assert len(EDITS) > 40


def test_every_single_edit_of_meaning_changes_the_fingerprint(original, tmp_path):
    """No token of a reached function, class or global can be changed without a miss, and no two edits are one."""
    seen = {original.digest: "the original"}
    for number, (name, text) in enumerate(EDITS.items()):
        digest = fingerprint(tmp_path / str(number), {"steps.py": text}).digest
        assert digest not in seen, f"{name} has the fingerprint of {seen[digest]}"
        seen[digest] = name


NUMBERS = itertools.count()
NOISE = st.sampled_from(["", "\n", "\n\n", "# why\n", "\n# because\n\n"])


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(noise=st.lists(NOISE, min_size=60, max_size=60), rewritten=st.booleans())
def test_no_layout_changes_the_fingerprint(original, tmp_path, noise, rewritten):
    """Comments, blank lines, and writing the whole file anew from its tree change nothing."""
    text = ast.unparse(ast.parse(PROGRAM)) + "\n" if rewritten else PROGRAM
    lines = text.splitlines(keepends=True)
    padded = "".join(extra + line for extra, line in zip(noise, lines, strict=False)) + "".join(lines[60:])
    again = fingerprint(tmp_path / str(next(NUMBERS)), {"steps.py": padded})
    assert again.digest == original.digest
    assert [(part.name, part.digest) for part in again.parts] == [(part.name, part.digest) for part in original.parts]
