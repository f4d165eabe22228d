"""Edits of meaning: everything that can be changed in one place of a definition."""

from __future__ import annotations

import ast
import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

from tests.conformance.programs.model import ROOT, Binding, Item, Program
from tests.conformance.programs.swaps import ATTRIBUTES, COMPARISONS, NAMES, OPERATORS


@dataclass(frozen=True)
class Edit:
    """A change of one file.

    Attributes:
        what: What is done, for people.
        module: The module that it is in.
        text: The module's new text.
        item: The definition that is edited; None for an import.
        node: The node that is edited.
        inner: Whether the innermost function of a factory is touched.
    """

    what: str
    module: str
    text: str
    node: str
    item: Item | None = None
    inner: bool = False


Change = Callable[[], Edit]


@dataclass(frozen=True)
class Site:
    """A place in a tree, and what may stand there instead."""

    parent: ast.AST
    field: str
    index: int | None
    node: ast.AST
    is_text: bool

    def put(self, node: Any) -> None:
        """Put another node there."""
        if self.index is None:
            setattr(self.parent, self.field, node)
        else:
            getattr(self.parent, self.field)[self.index] = node


def changes_of(program: Program, item: Item) -> list[Change]:
    """Return every change of a definition that may be one of what it means; its text is made only when asked for."""
    tree = ast.parse(item.text)
    before = _inner_of(tree, item)

    def written(site: Site, what: str, replacement: Any) -> Edit:
        spliced = _splice(item.text, site, replacement)
        site.put(replacement)
        try:
            text = spliced or ast.unparse(ast.fix_missing_locations(tree))
            inner = _inner_of(tree, item) != before
        finally:
            site.put(site.node)
        place = f"line {getattr(site.node, 'lineno', '?')} of {item.kind} {item.name}"
        return _edit(program, item, f"{what}, {place}", text, inner)

    found: list[Change] = []
    for site in _sites(tree, False):
        found += [partial(written, site, what, replacement) for what, replacement in _replacements(site)]
    found += [partial(_itself, edit) for edit in _patches(program, item)]
    return found


def _itself(edit: Edit) -> Edit:
    return edit


def retargets(program: Program, binding: Binding) -> Iterator[Edit]:
    """Yield edits of an import that make its name mean another definition."""
    if any(f"from {place} import *" in lines for lines in map("\n".join, program.plain_imports.values())
           for place in _names_of(binding.module)):  # fmt: skip
        return
    text = program.text(binding.module)
    target = binding.target
    for other in program.of_module(target.module):
        if other.kind == target.kind and other.name != target.name and other.name not in text:
            new = text.replace(binding.line + "\n", binding.importing(other.name) + "\n", 1)
            if new != text and _body_shape(other) != _body_shape(target):
                yield Edit(f"{binding.line} -> {other.name}", binding.module, new, binding.node)


def stops_reading(before: str, after: str) -> bool:
    """Whether a module that is imported at the top of a file is read before an edit and not after it.

    It is then imported for its effect alone, and counts for everything in the file.
    """
    return not _modules_read(before) <= _modules_read(after)


@lru_cache(64)
def _modules_read(text: str) -> frozenset[str]:
    tree = ast.parse(text)
    chains = {ast.unparse(node) for node in ast.walk(tree) if isinstance(node, (ast.Attribute, ast.Name))}
    imports = [node for node in tree.body if isinstance(node, (ast.Import, ast.ImportFrom))]
    bound = {alias.asname or alias.name for node in imports for alias in node.names}
    return frozenset(name for name in bound if any(chain == name or chain.startswith(f"{name}.") for chain in chains))


def _body_shape(item: Item) -> str:
    return item.text.replace(item.name, "_")


def _names_of(module: str) -> set[str]:
    parts = module.split(".")
    return {module, *("." * count + parts[-1] for count in (1, 2, 3)), ".".join(["", *parts[1:]]), ".", ".."}


def _edit(program: Program, item: Item, what: str, text: str, inner: bool) -> Edit:
    module = program.text(item.module).replace(item.text, text, 1)
    return Edit(what, item.module, module, item.node, item, inner)


def _inner_of(tree: ast.Module, item: Item) -> str:
    """Return the tree of the innermost function of a factory."""
    if not item.is_factory:
        return ""
    found: ast.AST = tree.body[0]
    while inner := [node for node in getattr(found, "body", []) if isinstance(node, ast.FunctionDef)]:
        found = inner[0]
    return ast.dump(found)


def _sites(node: ast.AST, is_text: bool) -> Iterator[Site]:
    """Yield every place below a node but annotations of functions, docstrings, imports and flowkit's decorators."""
    for field, value in ast.iter_fields(node):
        if _is_left_out(node, field):
            continue
        for index, child in enumerate(value) if isinstance(value, list) else [(None, value)]:
            if not isinstance(child, ast.AST) or _is_documentation(child):
                continue
            if field == "decorator_list" and ast.unparse(child).startswith("fk."):
                continue
            within = is_text or isinstance(child, ast.JoinedStr)
            if not isinstance(child, (ast.Import, ast.ImportFrom)):
                yield Site(node, field, index, child, is_text)
                yield from _sites(child, within)


def _is_left_out(node: ast.AST, field: str) -> bool:
    if isinstance(node, ast.FormattedValue) and field == "format_spec":
        return True
    return isinstance(node, (ast.arg, ast.FunctionDef, ast.AsyncFunctionDef)) and field in ("annotation", "returns")


def _is_documentation(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _splice(text: str, site: Site, replacement: Any) -> str:
    """Return the text with only that expression written anew; empty where a place cannot be told from the tree."""
    node = site.node
    simple = (
        ast.Constant,
        ast.Name,
        ast.Attribute,
        ast.BinOp,
        ast.Compare,
        ast.BoolOp,
        ast.Call,
        ast.IfExp,
        ast.UnaryOp,
    )
    if (
        not isinstance(node, simple)
        or site.is_text
        or isinstance(site.parent, (ast.MatchValue, ast.MatchClass, ast.Expr))
    ):
        return ""
    if not text.isascii() or node.end_lineno != node.lineno:
        return ""
    lines = text.split("\n")
    line = lines[node.lineno - 1]
    new = ast.unparse(ast.fix_missing_locations(replacement))
    new = new if isinstance(replacement, (ast.Constant, ast.Name, ast.Attribute, ast.Call)) else f"({new})"
    lines[node.lineno - 1] = line[: node.col_offset] + new + line[node.end_col_offset :]
    return "\n".join(lines)


def _replacements(site: Site) -> Iterator[tuple[str, Any]]:
    node = site.node
    for kind, make in _MAKERS.items():
        if isinstance(node, kind):
            yield from make(node)
    if isinstance(node, ast.stmt):
        yield from _statements(node)


def _constants(node: ast.Constant) -> Iterator[tuple[str, Any]]:
    value = node.value
    options: list[Any] = []
    if value is True or value is False:
        options = [not value, int(value)]
    elif value is None or value is ...:
        options = [False]
    elif isinstance(value, int):
        options = [value + 1, float(value), *([bool(value)] if value in (0, 1) else [])]
    elif isinstance(value, float):
        options = [value + 1, -value, *([int(value)] if value.is_integer() else [])]
    elif isinstance(value, str):
        options = [f"{value}_", *([value[1:]] if value else [])]
    elif isinstance(value, (bytes, complex)):
        options = [value + (b"_" if isinstance(value, bytes) else 1)]
    for option in options:
        yield f"{value!r} -> {option!r}", ast.Constant(option)


def _names(node: ast.Name) -> Iterator[tuple[str, Any]]:
    if node.id in NAMES and isinstance(node.ctx, ast.Load):
        yield f"{node.id} -> {NAMES[node.id]}", ast.Name(NAMES[node.id], node.ctx)


def _attributes(node: ast.Attribute) -> Iterator[tuple[str, Any]]:
    if node.attr in ATTRIBUTES and isinstance(node.ctx, ast.Load):
        yield f".{node.attr} -> .{ATTRIBUTES[node.attr]}", ast.Attribute(node.value, ATTRIBUTES[node.attr], node.ctx)


def _operations(node: Any) -> Iterator[tuple[str, Any]]:
    for kind in OPERATORS.get(type(node.op), ()):
        changed = copy.copy(node)
        changed.op = kind()
        yield f"{type(node.op).__name__} -> {kind.__name__}", changed
    if isinstance(node, ast.UnaryOp):
        yield f"without {type(node.op).__name__}", node.operand
    if isinstance(node, ast.BinOp) and isinstance(node.op, (ast.Sub, ast.Mod, ast.FloorDiv, ast.LShift)):
        yield "operands swapped", ast.BinOp(node.right, node.op, node.left)


def _comparisons(node: ast.Compare) -> Iterator[tuple[str, Any]]:
    for index, operator in enumerate(node.ops):
        for kind in COMPARISONS.get(type(operator), ()):
            changed = copy.copy(node)
            changed.ops = [*node.ops[:index], kind(), *node.ops[index + 1 :]]
            yield f"{type(operator).__name__} -> {kind.__name__}", changed


def _choices(node: ast.IfExp) -> Iterator[tuple[str, Any]]:
    yield "branches swapped", ast.IfExp(node.test, node.orelse, node.body)


def _calls(node: ast.Call) -> Iterator[tuple[str, Any]]:
    for index, keyword in enumerate(node.keywords):
        rest = [*node.keywords[:index], *node.keywords[index + 1 :]]
        yield f"without {keyword.arg}=", ast.Call(node.func, node.args, rest)
    if len(node.args) > 1:
        yield "without the last argument", ast.Call(node.func, node.args[:-1], node.keywords)
        yield "arguments reversed", ast.Call(node.func, node.args[::-1], node.keywords)


def _sequences(node: Any) -> Iterator[tuple[str, Any]]:
    if not isinstance(getattr(node, "ctx", ast.Load()), ast.Load):
        return
    if len(node.elts) > 1:
        yield "elements reversed", _changed(node, elts=node.elts[::-1])
        yield "without the last element", _changed(node, elts=node.elts[:-1])
    other = {ast.List: ast.Tuple, ast.Tuple: ast.List}.get(type(node))
    if other is not None:
        yield f"{type(node).__name__} -> {other.__name__}", other(node.elts, node.ctx)


def _dictionaries(node: ast.Dict) -> Iterator[tuple[str, Any]]:
    if len(node.keys) > 1:
        yield "entries reversed", ast.Dict(node.keys[::-1], node.values[::-1])
        yield "without the last entry", ast.Dict(node.keys[:-1], node.values[:-1])


def _comprehensions(node: Any) -> Iterator[tuple[str, Any]]:
    first = node.generators[0]
    for index in range(len(first.ifs)):
        ifs = [*first.ifs[:index], *first.ifs[index + 1 :]]
        yield "without a condition", _changed(node, generators=[_changed(first, ifs=ifs), *node.generators[1:]])
    condition = ast.Compare(ast.Constant(3), [ast.NotEq()], [ast.Name("x", ast.Load())])
    more = _changed(first, ifs=[*first.ifs, condition])
    yield "another condition", _changed(node, generators=[more, *node.generators[1:]])
    if isinstance(node, ast.ListComp):
        yield "list -> generator", ast.GeneratorExp(node.elt, node.generators)


def _texts(node: ast.FormattedValue) -> Iterator[tuple[str, Any]]:
    yield "another conversion", _changed(node, conversion=114 if node.conversion != 114 else 115)
    spec = ast.JoinedStr([ast.Constant(">12")])
    yield "another format", _changed(node, format_spec=spec)


def _lambdas(node: ast.Lambda) -> Iterator[tuple[str, Any]]:
    yield "negated", ast.Lambda(node.args, ast.UnaryOp(ast.USub(), node.body))


def _functions(node: Any) -> Iterator[tuple[str, Any]]:
    for index, decorator in enumerate(node.decorator_list):
        if not ast.unparse(decorator).startswith("fk."):
            rest = [*node.decorator_list[:index], *node.decorator_list[index + 1 :]]
            yield f"without @{ast.unparse(decorator)}", _changed(node, decorator_list=rest)
    if len(node.decorator_list) > 1:
        yield "decorators reversed", _changed(node, decorator_list=node.decorator_list[::-1])
    if isinstance(node, ast.ClassDef):
        yield from _classes(node)
        return
    arguments = node.args
    more = [*arguments.kwonlyargs, ast.arg("extra")]
    longer = _changed(arguments, kwonlyargs=more, kw_defaults=[*arguments.kw_defaults, ast.Constant(None)])
    yield "another parameter", _changed(node, args=longer)
    yield "another first statement", _changed(node, body=[*ast.parse("x = 1 if False else 7").body, *node.body])
    if type(node) is ast.FunctionDef and not node.name.startswith(("__", "make", "wrap", "around")):
        # What runs while the module is imported would leave a coroutine that nobody awaits.
        yield "async", ast.AsyncFunctionDef(node.name, node.args, node.body, node.decorator_list, node.returns, None)
        yield "a generator", _changed(node, body=[*node.body, *ast.parse("yield None").body])


def _classes(node: ast.ClassDef) -> Iterator[tuple[str, Any]]:
    if len(node.bases) > 1:
        yield "bases reversed", _changed(node, bases=node.bases[::-1])
    if node.bases:
        yield "without its last base", _changed(node, bases=node.bases[:-1])
    yield "another method", _changed(node, body=[*node.body, *ast.parse("def more_of_it(self):\n    return 1").body])
    yield "another attribute", _changed(node, body=[*node.body, *ast.parse("more_of_it = 5").body])
    fields = [index for index, item in enumerate(node.body) if isinstance(item, ast.AnnAssign)]
    if len(fields) > 1:
        first, second = fields[:2]
        body = list(node.body)
        body[first], body[second] = body[second], body[first]
        yield "fields swapped", _changed(node, body=body)


def _cases(node: ast.match_case) -> Iterator[tuple[str, Any]]:
    if node.guard is not None:
        yield "without the guard", _changed(node, guard=None)
    elif not isinstance(node.pattern, ast.MatchAs):
        yield "another guard", _changed(node, guard=ast.parse("x > 7", mode="eval").body)


def _alternatives(node: ast.MatchOr) -> Iterator[tuple[str, Any]]:
    yield "patterns reversed", ast.MatchOr(node.patterns[::-1])


def _handlers(node: ast.ExceptHandler) -> Iterator[tuple[str, Any]]:
    yield "raises again", _changed(node, body=[*node.body, ast.Raise()])


def _slices(node: ast.Slice) -> Iterator[tuple[str, Any]]:
    yield "with a step", _changed(node, step=ast.Constant(2))


def _statements(node: ast.stmt) -> Iterator[tuple[str, Any]]:
    if isinstance(
        node, (ast.Assign, ast.AugAssign, ast.Expr, ast.Assert, ast.For, ast.While, ast.If, ast.With, ast.Break)
    ):
        yield "statement deleted", ast.Pass()
    if isinstance(node, (ast.If, ast.For, ast.While, ast.Try)) and node.orelse and not isinstance(node, ast.Try):
        yield "else swapped", _changed(node, body=node.orelse, orelse=node.body)
        yield "else deleted", _changed(node, orelse=[])
    if isinstance(node, ast.Try) and node.finalbody:
        yield "finally deleted", _changed(node, finalbody=[])
    if isinstance(node, ast.Return) and node.value is not None:
        yield "nothing returned", ast.Return(None)
        yield "returned negated", ast.Return(ast.UnaryOp(ast.USub(), node.value))
    if isinstance(node, ast.Break):
        yield "break -> continue", ast.Continue()
    if isinstance(node, ast.Continue):
        yield "continue -> break", ast.Break()


_MAKERS: dict[Any, Any] = {
    ast.Constant: _constants,
    ast.Name: _names,
    ast.Attribute: _attributes,
    (ast.BinOp, ast.UnaryOp, ast.BoolOp, ast.AugAssign): _operations,
    ast.Compare: _comparisons,
    ast.IfExp: _choices,
    ast.Call: _calls,
    (ast.List, ast.Tuple, ast.Set): _sequences,
    ast.Dict: _dictionaries,
    (ast.ListComp, ast.SetComp, ast.GeneratorExp, ast.DictComp): _comprehensions,
    ast.FormattedValue: _texts,
    ast.Lambda: _lambdas,
    (ast.FunctionDef, ast.ClassDef): _functions,
    ast.match_case: _cases,
    ast.MatchOr: _alternatives,
    ast.ExceptHandler: _handlers,
    ast.Slice: _slices,
}


def _changed(node: Any, **fields: Any) -> Any:
    changed = copy.copy(node)
    for name, value in fields.items():
        setattr(changed, name, value)
    return changed


def _patches(program: Program, item: Item) -> Iterator[Edit]:
    """Yield edits that leave a definition as written and change the live one, from its own module or from another."""
    lines = {
        "function": ["{it}.tag = 1", "{it}.__defaults__ = (7,)", "{it}.__kwdefaults__ = {'more': 8}"],
        "recursive": ["{it}.__defaults__ = (6,)"],
        "class": ["{it}.size = 99", "{it}.total = lambda self, x: x", "{it}.more_of_it = property(lambda self: 4)"],
        "mixin": ["{it}.extra = 99"],
        "instance": ["{it}.__dict__['start'] = 98"],
        "data": ["{it} = 77"],
        "number": ["{it} = {it} + 1"],
    }.get(item.kind, [])
    text = program.text(item.module)
    for line in lines:
        yield Edit(f"patched: {line}", item.module, f"{text}\n{line.replace('{it}', item.name)}\n", item.node, item)
        if item.module != ROOT and item.kind in ("function", "class", "mixin"):
            patch = f"import {item.module} as patched\n{line.replace('{it}', f'patched.{item.name}')}"
            yield Edit(f"patched from outside: {line}", ROOT, f"{program.text(ROOT)}\n{patch}\n", item.node, item)
    if item.kind == "step":
        yield from _declarations(program, item)


def _declarations(program: Program, item: Item) -> Iterator[Edit]:
    shown = [("(x: float) -> float", "(x: int) -> float"), ("(x: float) -> float", "(x: float) -> int")]
    shown += [("version='1'", "version='2'"), ("(x: float) ->", "(x: float = 2.0) ->")]
    for before, after in shown:
        if before in item.text:
            yield _edit(program, item, f"declared {after}", item.text.replace(before, after, 1), False)
