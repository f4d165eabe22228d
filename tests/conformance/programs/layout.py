"""Edits of layout: what may be done to a file without a change of meaning.

Each is proven by the tree of the file, which must stay the same but for docstrings, `pass`, and what is moved or added.
"""

from __future__ import annotations

import ast
import io
import tokenize
from collections.abc import Callable

from tests.conformance.programs.choices import Choices
from tests.conformance.programs.meaning import shape

Layout = Callable[[Choices, str], str]
_OPEN, _CLOSE = "([{", ")]}"
_COMMENTS = ("# why", "# type: ignore", "# fmt: off", "#", "# def low(x): return 7", "#!/usr/bin/python", "# Zoë")


def _tokens(text: str) -> list[tokenize.TokenInfo]:
    return list(tokenize.generate_tokens(io.StringIO(text).readline))


def _spliced(text: str, changes: list[tuple[tuple[int, int], tuple[int, int], str]]) -> str:
    """Return a text with pieces of it written anew, given by (row, column) from and to."""
    lines = text.splitlines(keepends=True)
    for (row, start), (end_row, end), new in sorted(changes, reverse=True):
        assert row == end_row
        line = lines[row - 1]
        lines[row - 1] = line[:start] + new + line[end:]
    return "".join(lines)


def unparsed(c: Choices, text: str) -> str:
    """Write the whole file anew from its tree."""
    return ast.unparse(ast.parse(text)) + "\n"


def commented(c: Choices, text: str) -> str:
    """Put comments between lines and after them."""
    changes = []
    for token in _tokens(text):
        if token.type == tokenize.NEWLINE and c.chance(20):
            changes.append((token.start, token.start, f"  {c.pick(_COMMENTS)}"))
        elif token.type == tokenize.NL and not token.line.strip() and c.chance(20):
            changes.append((token.start, token.start, c.pick(_COMMENTS)))
    return _spliced(text, changes)


def spaced(c: Choices, text: str) -> str:
    """Put blank lines after lines, and spaces at the end of them."""
    changes = []
    for token in _tokens(text):
        if token.type == tokenize.NEWLINE and c.chance(25):
            changes.append((token.start, token.start, c.pick(["\n", "\n\n\n", "   ", "\n    ", "\n\f"])))
    return _spliced(text, changes)


def moved_down(c: Choices, text: str) -> str:
    """Put lines before everything else."""
    return c.pick(["\n\n\n", "# -*- coding: utf-8 -*-\n", "#!/usr/bin/env python\n\n", "\n" * 40]) + text


def wrapped(c: Choices, text: str) -> str:
    """Break lines inside brackets, and add spaces there."""
    changes = []
    depth = 0
    for token in _tokens(text):
        if token.type != tokenize.OP:
            continue
        depth += (token.string in _OPEN) - (token.string in _CLOSE)
        if depth and (token.string in _OPEN or token.string == ",") and c.chance(30):
            changes.append((token.end, token.end, c.pick(["\n        ", "  ", "  # here\n  "])))
        elif depth and token.string in "+*" and c.chance(30):
            changes.append((token.end, token.end, "\n   "))
    return _spliced(text, changes)


def quoted(c: Choices, text: str) -> str:
    """Write strings with other quotes or in two pieces, and numbers in another notation."""
    changes = []
    for token in _tokens(text):
        if not c.chance(50):
            continue
        if token.type == tokenize.STRING:
            changes.append((token.start, token.end, _other_string(token.string)))
        elif token.type == tokenize.NUMBER:
            changes.append((token.start, token.end, _other_number(token.string)))
    return _spliced(text, [change for change in changes if change[2]])


def _other_string(text: str) -> str:
    if text.startswith("'") and not set('"\\\n') & set(text) and not text.startswith("'''"):
        return f'"{text[1:-1]}"' if len(text) % 2 or len(text) < 4 else f'"{text[1:2]}" r\'{text[2:]}'
    return ""


def _other_number(text: str) -> str:
    if text.isdigit():
        return hex(int(text)) if int(text) % 2 else f"0b{int(text):b}" if int(text) else "00"
    if text.endswith(".5"):
        return f"{text}0"
    return f"{text}0e0" if "." in text and "e" not in text and "j" not in text else ""


def parenthesised(c: Choices, text: str) -> str:
    """Put expressions into parentheses that they do not need."""
    changes = []
    taken: set[int] = set()
    for statement in ast.walk(ast.parse(text)):
        if not isinstance(statement, (ast.Assign, ast.AugAssign, ast.Return)):
            continue
        node = statement.value
        if node is None or node.lineno != node.end_lineno or node.lineno in taken or not c.chance(50):
            continue
        line = text.split("\n")[node.lineno - 1]
        if line.isascii() and not isinstance(node, (ast.Tuple, ast.Yield)):
            taken.add(node.lineno)
            inner = line[node.col_offset : node.end_col_offset]
            changes.append(((node.lineno, node.col_offset), (node.lineno, node.end_col_offset), f"(({inner}))"))
    return _spliced(text, changes)


def indented(c: Choices, text: str) -> str:
    """Indent by two spaces, eight, or a tab."""
    unit = c.pick(["  ", "        ", "\t"])
    changes = []
    depth = 0
    starts = True
    for token in _tokens(text):
        if token.type == tokenize.INDENT:
            depth += 1
        elif token.type == tokenize.DEDENT:
            depth -= 1
        elif starts and token.type not in (tokenize.NL, tokenize.COMMENT, tokenize.ENDMARKER):
            changes.append(((token.start[0], 0), token.start, unit * depth))
            starts = False
        elif token.type == tokenize.NEWLINE:
            starts = True
    return _spliced(text, changes)


def ended(c: Choices, text: str) -> str:
    """End lines as Windows does."""
    return text.replace("\n", "\r\n")


def documented(c: Choices, text: str) -> str:
    """Add docstrings, change them and take them out; add `pass`."""
    tree = ast.parse(text)
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.ClassDef, ast.Module)) and c.chance(60):
            first = node.body[0]
            is_there = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
            new = [ast.Expr(ast.Constant(f"Say what it does.\n\n    {c.pick(['In full', 'Zoë', '1', ''])}."))]
            rest = node.body[is_there:]
            node.body = (new if c.chance(60) else []) + (rest or [ast.Pass()]) + ([ast.Pass()] if c.chance(20) else [])
    return ast.unparse(ast.fix_missing_locations(tree)) + "\n"


def joined(c: Choices, text: str) -> str:
    """Put simple statements of a block on one line, or break lines by a backslash."""
    lines = text.split("\n")
    found: list[str] = []
    for line in lines:
        stem = line.strip()
        last = found[-1].strip() if found else ""
        same = found and len(found[-1]) - len(found[-1].lstrip()) == len(line) - len(line.lstrip())
        simple = all(item.startswith(("total ", "first", "left ")) and item.isascii() for item in (stem, last))
        if same and simple and c.chance(60):
            found[-1] += f"; {stem}"
        else:
            found.append(
                line.replace(" = ", " = \\\n    ", 1) if stem.startswith("total = ") and c.chance(30) else line
            )
    return "\n".join(found)


def annotated(c: Choices, text: str) -> str:
    """Annotate parameters of functions that nothing wraps."""
    tree = ast.parse(text)
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and not node.decorator_list and c.chance(70):
            for argument in node.args.args:
                argument.annotation = ast.Name(c.pick(["float", "int", "object"]), ast.Load())
            node.returns = ast.Constant("float")
    return ast.unparse(ast.fix_missing_locations(tree)) + "\n"


LAYOUTS: tuple[Layout, ...] = (
    commented, spaced, unparsed, wrapped, quoted, parenthesised, indented, documented, moved_down, joined, ended,
)  # fmt: skip


def reordered(c: Choices, text: str) -> str:
    """Swap functions that stand beside each other and that nothing uses while the module is imported."""
    tree = ast.parse(text)
    lines = text.split("\n")
    for first, second in zip(tree.body, tree.body[1:], strict=False):
        if all(_is_inert(node) for node in (first, second)) and c.chance(60):
            above = lines[: first.lineno - 1]
            one = lines[first.lineno - 1 : first.end_lineno]
            between = lines[first.end_lineno : second.lineno - 1]
            two = lines[second.lineno - 1 : second.end_lineno]
            return "\n".join([*above, *two, *between, *one, *lines[second.end_lineno :]])
    return text


def _is_inert(node: ast.stmt) -> bool:
    return isinstance(node, ast.FunctionDef) and not node.decorator_list


_MORE = (
    "def nobody_calls(x, y=3):\n    return x + y\n",
    "class NobodyMakes:\n    size = 3\n\n    def get(self):\n        return self.size\n",
    "NOBODY_READS = {'a': [1, 2.0, None]}\n",
    "import json\nfrom os import path as nobody_asks\n",
    "nobody_short = lambda x: x + 1\n",
    "def total(x):\n    return x\n",
    "@functools.lru_cache\ndef nobody_keeps(x):\n    return x\n",
    "if __name__ == '__main__':\n    raise SystemExit(3)\n",
    "for nobody_counts in range(3):\n    pass\n",
    "assert True, 'always'\n",
    "class Exception_(ValueError):\n    pass\n",
)


def extended(c: Choices, text: str) -> str:
    """Add something that nobody uses, before the definitions or after them."""
    more = c.pick(_MORE)
    if c.chance(50):
        return f"{text}\n\n{more}"
    place = text.index("import typing\n") + len("import typing\n")
    return f"{text[:place]}\n\n{more}\n\n{text[place:]}"


OF_PARTS: tuple[Layout, ...] = (reordered, extended, annotated)
"""Harmless where only parts of a module count, not where it counts whole."""


def is_layout_only(before: str, after: str, layout: Layout) -> bool:
    """Whether the tree proves that nothing of meaning changed."""
    if layout is annotated:
        return shape(_unannotated(before)) == shape(_unannotated(after))
    if layout is extended:
        return set(shape(before)) < set(shape(after))
    return bool(shape(before, layout is reordered) == shape(after, layout is reordered))


def _unannotated(text: str) -> str:
    tree = ast.parse(text)
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and not node.decorator_list:
            node.returns = None
            for argument in node.args.args:
                argument.annotation = None
    return ast.unparse(tree)
