"""Source text that is proven to be what runs.

A file's text counts for a code object only if compiling it gives an equal code object: constants with their types,
names, line and exception tables. Text that was edited after the import therefore never speaks for the old code.
"""

from __future__ import annotations
import __future__

import ast
import codecs
import io
import linecache
import os
import tokenize
from collections import defaultdict
from collections.abc import Callable
from functools import cached_property
from importlib.machinery import SourceFileLoader
from types import CodeType
from typing import Any, Protocol

from blake3 import blake3
from msgspec import Struct

from flowkit.fingerprint.facts import SourceFacts, Span

FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda

_FUTURES = 0
for _feature in __future__.all_feature_names:
    _FUTURES |= getattr(__future__, _feature).compiler_flag
_LEAVES = (ast.expr_context, ast.operator, ast.unaryop, ast.boolop)
_IS_LAMBDA = "<lambda>"


class Shelf(Protocol):
    """Where facts of texts are kept between processes."""

    def load(self, digest: str, /) -> SourceFacts | None:
        """Return the facts of the text with this digest; None where none are kept that can be relied on."""
        ...

    def save(self, found: dict[str, SourceFacts], /) -> None:
        """Keep facts by the digests of their texts, as far as that can be done."""
        ...


class SourceText:
    """The text of a file or notebook cell, and what is known of it without parsing it.

    Args:
        content: Bytes of a file, or a text that a loader or a notebook gave.
        shelf: Where its facts may be kept.
    """

    def __init__(self, content: str | bytes, shelf: Shelf | None) -> None:
        self.content = content
        self.facts = (shelf.load(self.digest) if shelf is not None else None) or SourceFacts()

    @cached_property
    def digest(self) -> str:
        """Of the content; the same for bytes and for the text that they stand for without being told how."""
        if isinstance(self.content, str):
            return blake3(b"u" + self.content.encode("utf-8", "surrogatepass")).hexdigest()
        head = b"\n".join(self.content.split(b"\n", 2)[:2])
        is_told = b"coding" in head or head.startswith(codecs.BOM_UTF8)
        return blake3((b"b" if is_told else b"u") + self.content).hexdigest()

    @cached_property
    def decoded(self) -> str:
        """The text, with its lines ended by line feeds alone."""
        return self.content if isinstance(self.content, str) else _decode(self.content)

    @cached_property
    def _lines(self) -> list[str]:
        return self.decoded.split("\n")

    def between(self, span: Span) -> str:
        """Return the text of a definition as it stands, without the indentation of its first line."""
        if len(span) > 2:
            place = dict(zip(("lineno", "end_lineno", "col_offset", "end_col_offset"), span, strict=True))
            return ast.get_source_segment(self.decoded, ast.Pass(**place)) or ""
        lines = self._lines[span[0] - 1 : span[1]]
        margin = len(lines[0]) - len(lines[0].lstrip()) if lines else 0
        if not margin:
            return "\n".join(lines)
        return "\n".join(line[margin:] if not line[:margin].strip() else line for line in lines)


class SourceFile(Struct, eq=False, dict=True):
    """A file or notebook cell that was parsed: its tree, and the code objects that compiling it gives."""

    name: str
    written: SourceText
    tree: ast.Module
    flags: int

    @property
    def text(self) -> str:
        """The text, with its lines ended by line feeds alone."""
        return self.written.decoded

    @cached_property
    def codes(self) -> dict[tuple[str, int], list[CodeType]]:
        """Every code object in it by (name, first line)."""
        table: dict[tuple[str, int], list[CodeType]] = defaultdict(list)
        flags = self.flags | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
        waiting = [compile(self.tree, self.name, "exec", flags=flags, dont_inherit=True)]
        while waiting:
            code = waiting.pop()
            table[code.co_name, code.co_firstlineno].append(code)
            waiting.extend(constant for constant in code.co_consts if isinstance(constant, CodeType))
        return dict(table)

    @cached_property
    def nodes(self) -> list[ast.AST]:
        """Every node of the tree, in no particular order, without contexts and operators."""
        found: list[ast.AST] = []
        waiting: list[ast.AST] = [self.tree]
        while waiting:
            node = waiting.pop()
            found.append(node)
            for name in node._fields:
                child = getattr(node, name, None)
                if type(child) is list:
                    waiting += [item for item in child if isinstance(item, ast.AST)]
                elif isinstance(child, ast.AST) and not isinstance(child, _LEAVES):
                    waiting.append(child)
        return found

    @cached_property
    def functions(self) -> dict[tuple[str, int], list[FunctionNode]]:
        """Every function and lambda in it by (name, first line, that of a decorator included)."""
        table: dict[tuple[str, int], list[FunctionNode]] = defaultdict(list)
        for node in self.nodes:
            if isinstance(node, ast.Lambda):
                table[_IS_LAMBDA, node.lineno].append(node)
            elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                table[node.name, first_line(node)].append(node)
        return dict(table)

    @cached_property
    def classes(self) -> dict[str, list[ast.ClassDef]]:
        """Every class in it by qualified name, in order."""
        table: dict[str, list[ast.ClassDef]] = defaultdict(list)
        waiting: list[tuple[ast.AST, str]] = [(self.tree, "")]
        while waiting:
            node, prefix = waiting.pop(0)
            for child in ast.iter_child_nodes(node):
                if isinstance(child, ast.ClassDef):
                    table[prefix + child.name].append(child)
                    waiting.append((child, f"{prefix}{child.name}."))
                elif isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef)):
                    waiting.append((child, f"{prefix}{child.name}.<locals>."))
                else:
                    waiting.append((child, prefix))
        return dict(table)

    def text_of(self, node: ast.stmt | ast.Lambda) -> str:
        """Return a node's text as it stands, with its decorators, without the indentation of its first line."""
        return self.written.between(self.span_of(node))

    def span_of(self, node: ast.stmt | ast.Lambda) -> Span:
        """Return where a node stands, with its decorators."""
        end = node.end_lineno or node.lineno
        if isinstance(node, ast.Lambda):
            return (node.lineno, end, node.col_offset, node.end_col_offset or 0)
        return (first_line(node), end)


class VerifiedSource(Struct, frozen=True, eq=False):
    """The function node that a code object was proven to come from."""

    node: FunctionNode
    file: SourceFile


def first_line(node: ast.stmt) -> int:
    """Return the line on which a definition begins, that of its first decorator where there is one."""
    decorators: list[ast.expr] = getattr(node, "decorator_list", [])
    return decorators[0].lineno if decorators else node.lineno


class SourceLibrary:
    """Finds verified sources. What was once proven for a code object holds for the life of the process.

    An edit on disk without a reload must not change what is said of code that is already loaded.

    Attributes:
        shelf: Where facts of texts are kept between processes: what is known of a text does not depend on where.
    """

    def __init__(self) -> None:
        self.shelf: Shelf | None = None
        self._verified: dict[int, tuple[CodeType, VerifiedSource | None]] = {}
        self._files: dict[tuple[str, int], tuple[SourceText, SourceFile | None]] = {}
        self._texts: dict[str, tuple[object, SourceText | None]] = {}
        self._looked_at: dict[tuple[str, int], tuple[object, SourceText | None]] = {}

    def find(self, code: CodeType, written: SourceText) -> VerifiedSource | None:
        """Return where a code object comes from in a text; None where that cannot be proven to be its source."""
        kept = self._verified.get(id(code))
        if kept is None:
            # The code object is kept too: its id must not be given to another one.
            kept = self._verified[id(code)] = (code, self._verify(code, written))
        return kept[1]

    def file(self, name: str, flags: int = 0, namespace: dict[str, Any] | None = None) -> SourceFile | None:
        """Return a file or notebook cell by its name; None where there is none or it does not parse.

        Args:
            name: Its path, or the name of a cell.
            flags: The `__future__` features to parse it with.
            namespace: Its module's globals, by which a loader that is not the file system is found.
        """
        written = self.text(name, namespace)
        return self._parsed(name, written, flags) if written is not None else None

    def _parsed(self, name: str, written: SourceText, flags: int) -> SourceFile | None:
        kept = self._files.get((name, flags))
        if kept is None or kept[0] is not written:
            kept = self._files[name, flags] = (written, _parse(name, written, flags))
        return kept[1]

    def text(self, name: str, namespace: dict[str, Any] | None = None) -> SourceText | None:
        """Return the text of a file or notebook cell by its name; None where there is none."""
        at = (name, id(namespace))
        if at not in self._looked_at:
            self._looked_at[at] = (namespace, self._look_at(name, namespace))
        return self._looked_at[at][1]

    def _look_at(self, name: str, namespace: dict[str, Any] | None) -> SourceText | None:
        state, read = _read(name, namespace)
        kept = self._texts.get(name)
        if kept is None or kept[0] != state:
            content = read()
            kept = self._texts[name] = (state, None if content is None else SourceText(content, self.shelf))
        return kept[1]

    def look_again(self) -> None:
        """Look at each file anew when it is next asked for: it may be another one by then."""
        self._looked_at = {}

    def keep_facts(self) -> None:
        """Keep what was found out since the last time, where there is a place for it."""
        if self.shelf is None:
            return
        texts = [
            written for _, written in list(self._texts.values()) if written is not None and written.facts.has_grown
        ]
        for written in texts:
            written.facts.has_grown = False
        if texts:
            self.shelf.save({written.digest: written.facts for written in texts})

    def _verify(self, code: CodeType, written: SourceText) -> VerifiedSource | None:
        file = self._parsed(code.co_filename, written, code.co_flags & _FUTURES)
        if file is None:
            return None
        key = (code.co_name, code.co_firstlineno)
        if not any(compiled == code for compiled in file.codes.get(key, ())):
            return None
        nodes = file.functions.get(key, [])
        if code.co_name == _IS_LAMBDA:
            nodes = _narrowest(nodes, code)
        return VerifiedSource(nodes[0], file) if len(nodes) == 1 else None


def future_flags(code: CodeType) -> int:
    """Return the `__future__` features that a code object was compiled with."""
    return code.co_flags & _FUTURES


def _read(name: str, namespace: dict[str, Any] | None) -> tuple[object, Callable[[], str | bytes | None]]:
    """Return a token for the text's present state, and how to read it: a file is read only if its stat changed.

    A module that came from elsewhere than its file, such as from a code bundle, speaks through its loader: the file may
    have been edited since.
    """
    loaded = text_of_loader(name, namespace)
    if loaded is not None:
        return loaded, lambda: loaded
    try:
        status = os.stat(name)
    except (OSError, ValueError):
        text = "".join(linecache.getlines(name, namespace))
        return text, lambda: text or None
    state = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
    return state, lambda: _read_file(name)


def text_of_loader(name: str, namespace: dict[str, Any] | None) -> str | None:
    """Return the text that a module was made from, as its loader kept it; None where only the file can tell."""
    if namespace is None or namespace.get("__file__") != name:
        return None
    loader = namespace.get("__loader__")
    get_source = getattr(loader, "get_source", None)
    if get_source is None or type(loader) is SourceFileLoader:
        return None
    try:
        text: str | None = get_source(namespace.get("__name__"))
    except (ImportError, OSError):
        # Its text has gone, as a zip file may: the file system is asked next.
        return None
    return text


def _read_file(name: str) -> bytes | None:
    try:
        with open(name, "rb", buffering=0) as file:
            return file.read()
    except OSError:
        # Without its text the code counts by its bytecode.
        return None


def _parse(name: str, written: SourceText, flags: int) -> SourceFile | None:
    try:
        options = flags | ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
        tree = compile(written.content, name, "exec", flags=options, dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError):
        # Not Python, or not this version's: the caller goes on with bytecode.
        return None
    return SourceFile(name, written, tree, flags)


def _decode(text: bytes) -> str:
    encoding, _ = tokenize.detect_encoding(io.BytesIO(text).readline)
    return text.decode(encoding).replace("\r\n", "\n").replace("\r", "\n")


def _narrowest(lambdas: list[FunctionNode], code: CodeType) -> list[FunctionNode]:
    """Return the lambda with the smallest body that holds every place which the code object names, if there is one.

    Several lambdas may stand on one line, and in each other. The place of the return itself is no help: up to Python
    3.12 it is that of the whole statement.
    """
    places = [place for place in code.co_positions() if None not in place and place[2:] != (0, 0)]
    if not places:
        return lambdas
    start = min((line or 0, column or 0) for line, _, column, _ in places)
    end = max((line or 0, column or 0) for _, line, _, column in places)
    holding = [node for node in lambdas if isinstance(node, ast.Lambda) and _holds(node.body, start, end)]
    inner = [
        node
        for node in holding
        if not any(_holds(node.body, *_span(other.body)) for other in holding if other is not node)
    ]
    return list(inner)


def _holds(node: ast.expr, start: tuple[int, int], end: tuple[int, int]) -> bool:
    first, last = _span(node)
    return first <= start and end <= last


def _span(node: ast.expr) -> tuple[tuple[int, int], tuple[int, int]]:
    return (node.lineno, node.col_offset), (node.end_lineno or 0, node.end_col_offset or 0)
