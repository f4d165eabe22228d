"""What a code object refers to outside itself, read from its instructions, those of nested code included.

A reference is a root and a chain of attributes: `helpers.clean` in a function is the global `helpers` and the chain
`(clean,)`. Names that an import inside the function binds are followed like globals.
"""

from __future__ import annotations

import dis
import inspect
import re
from collections.abc import Iterator, Sequence
from enum import Flag, IntEnum, auto
from itertools import pairwise
from types import CodeType
from typing import NamedTuple

from flowkit.fingerprint.spoken import spoken_names

_GLOBAL_LOADS = frozenset({"LOAD_GLOBAL", "LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS"})
_CELL_LOADS = frozenset({"LOAD_DEREF", "LOAD_CLASSDEREF", "LOAD_FROM_DICT_OR_DEREF"})
_NO_LOADS = frozenset({"LOAD_FAST_AND_CLEAR", "LOAD_CLOSURE"})
_CHAINING = frozenset({"LOAD_ATTR", "LOAD_METHOD"})
_AS_STEPS = frozenset({"SWAP", "POP_TOP", "COPY", "NOP"})


class Reading(Flag):
    """What code reads of other code beyond what that does: it then counts for everything that is reached."""

    DOCSTRINGS = auto()
    SOURCES = auto()
    ANNOTATIONS = auto()
    SUBCLASSES = auto()


_READERS = {
    **dict.fromkeys(("__doc__", "getdoc", "model_json_schema"), Reading.DOCSTRINGS),
    **dict.fromkeys(("getsource", "getsourcelines", "getcomments", "findsource"), Reading.SOURCES),
    **dict.fromkeys(
        ("__annotations__", "get_annotations", "get_type_hints", "getfullargspec", "signature"), Reading.ANNOTATIONS
    ),
    "__subclasses__": Reading.SUBCLASSES,
}
_RUN_IN_TEXT = re.compile(r"(?:^|\s)-m +([^\W\d][\w.]*)")
_PLAIN_WORDS = frozenset({"signature"})
_NAMESPACES = frozenset({"__globals__", "f_globals"})


class Root(IntEnum):
    """Where a reference starts: a name of the module, a variable of an enclosing function, an import in the code."""

    GLOBAL = 0
    CELL = 1
    IMPORT = 2


class Reference(NamedTuple):
    """A root and the attributes read from it.

    Attributes:
        name: The name; for an import the module as written, without leading dots.
        level: Number of leading dots of a relative import.
    """

    root: Root
    name: str
    chain: tuple[str, ...] = ()
    level: int = 0


class CodeReferences(NamedTuple):
    """All that a code object refers to.

    Attributes:
        references: Sorted, each once.
        runs: What may be a module that another Python runs: it follows on a `-m`.
        imports: (level, module) of every import statement inside; they load modules whatever is read from these.
        names: Every attribute and global name in the code.
        words: These, and every name among its constants: of keyword arguments, for instance.
        spoken: What its texts name, where the module has something of that name.
        computed_import: Whether an import could not be read.
        opens_module: Whether it may read any global of its module.
        reads: What it may read of other code.
    """

    references: tuple[Reference, ...]
    runs: tuple[str, ...]
    imports: tuple[tuple[int, str], ...]
    names: frozenset[str]
    words: frozenset[str]
    spoken: tuple[Reference, ...]
    computed_import: bool
    opens_module: bool
    reads: Reading


def references_of(code: CodeType) -> CodeReferences:
    """Return what a code object refers to."""
    codes = list(_nested(code))
    listings = [[found for found in dis.get_instructions(item) if found.opname != "EXTENDED_ARG"] for item in codes]
    imports = _Imports()
    for listing in listings:
        imports.read(listing)
    found: set[Reference] = set()
    for item, listing in zip(codes, listings, strict=True):
        found.update(_loads(item, listing, imports))
    found.update(imports.unread(found))
    names = frozenset(name for item in codes for name in item.co_names)
    constants = frozenset(word for item in codes for constant in item.co_consts for word in _words(constant))
    words = names | constants
    read = _names_read(codes, listings)
    spoken = [spoken_names(listing) for listing in listings]
    return CodeReferences(
        references=tuple(sorted(found)),
        runs=tuple(sorted({name for item in codes for name in _modules_run(item)})),
        imports=tuple(sorted(imports.modules)),
        names=names,
        words=words,
        spoken=tuple(sorted({_dotted(name) for item in spoken for name in item.names})),
        computed_import=imports.computed,
        opens_module=any(item.anything for item in spoken) or bool(_NAMESPACES & words),
        reads=_readings(read, read | constants),
    )


def words_read(code: CodeType) -> frozenset[str]:
    """Return every name that code reads, of globals and of attributes, and every text among its constants.

    Names of definitions and of variables are none of these, though code that defines a function holds them as texts.
    """
    codes = list(_nested(code))
    listings = [list(dis.get_instructions(item)) for item in codes]
    texts = {text for item in codes for constant in item.co_consts for text in _texts(constant)}
    bound = {name for item in codes for name in (*item.co_varnames, *item.co_cellvars, item.co_name, item.co_qualname)}
    return _names_read(codes, listings).union(texts - bound)


def _texts(constant: object) -> Iterator[str]:
    return (item for item in (constant if isinstance(constant, tuple) else (constant,)) if isinstance(item, str))


def _names_read(codes: Sequence[CodeType], listings: Sequence[Sequence[dis.Instruction]]) -> frozenset[str]:
    """Return the names that code reads; a class's body stores its own docstring and annotations without reading any."""
    return frozenset(
        instruction.argval
        for code, listing in zip(codes, listings, strict=True)
        for instruction in listing
        if instruction.opcode in dis.hasname
        and not instruction.opname.startswith(("STORE_", "DELETE_"))
        and (code.co_flags & inspect.CO_OPTIMIZED or instruction.argval != "__annotations__")
    )


def _words(constant: object) -> Iterator[str]:
    for item in constant if isinstance(constant, tuple) else (constant,):
        if isinstance(item, str) and item.isidentifier():
            yield item


def _modules_run(code: CodeType) -> Iterator[str]:
    """Yield what follows on `-m` in a command line: in one text, in a tuple, or in texts of the code one by one."""
    loaded = [item.argval for item in dis.get_instructions(code) if item.opname == "LOAD_CONST"]
    for items in (loaded, *(item for item in loaded if type(item) is tuple)):
        yield from (after for before, after in pairwise(items) if before == "-m" and _is_module_name(after))
        for item in items:
            if type(item) is str and "-m " in item:
                yield from _RUN_IN_TEXT.findall(item)


def _is_module_name(value: object) -> bool:
    return isinstance(value, str) and all(part.isidentifier() for part in value.split("."))


def _dotted(name: str) -> Reference:
    first, *rest = name.split(".")
    return Reference(Root.GLOBAL, first, tuple(rest))


def _readings(names: frozenset[str], words: frozenset[str]) -> Reading:
    found = Reading(0)
    for name, reading in _READERS.items():
        if name in names or (name in words and name not in _PLAIN_WORDS):
            found |= reading
    return found


def _nested(code: CodeType) -> Iterator[CodeType]:
    waiting = [code]
    while waiting:
        item = waiting.pop()
        yield item
        waiting.extend(constant for constant in item.co_consts if isinstance(constant, CodeType))


class _Imports:
    """The import statements of a function, and the local names that they bind."""

    def __init__(self) -> None:
        self.modules: set[tuple[int, str]] = set()
        self.computed = False
        self.aliases: dict[str, set[Reference]] = {}
        self._dotted: set[tuple[int, str]] = set()

    def read(self, listing: list[dis.Instruction]) -> None:
        """Note every import in a list of instructions."""
        for index, instruction in enumerate(listing):
            if instruction.opname == "IMPORT_NAME":
                self._read_one(listing, index)

    def _read_one(self, listing: list[dis.Instruction], index: int) -> None:
        before = [item.argval for item in listing[max(index - 2, 0) : index]]
        if len(before) != 2 or type(before[0]) is not int or not (before[1] is None or type(before[1]) is tuple):
            self.computed = True
            return
        level, members = before
        module = str(listing[index].argval)
        self.modules.add((level, module))
        if members is None:
            self._bind_module(listing, index, level, module)
        else:
            self._bind_members(listing, index, level, module)

    def _bind_module(self, listing: list[dis.Instruction], index: int, level: int, module: str) -> None:
        """Note `import a.b`, which binds `a`, or `import a.b as c`, which binds `a.b`."""
        place = index + 1
        is_renamed = listing[place].opname == "IMPORT_FROM"
        while listing[place].opname == "IMPORT_FROM" or listing[place].opname in _AS_STEPS:
            place += 1
        for name in _stored(listing[place]):
            top, *rest = module.split(".")
            if not is_renamed and rest:
                self._dotted.add((level, module))
            self._alias(name, Reference(Root.IMPORT, top, tuple(rest) if is_renamed else (), level))

    def _bind_members(self, listing: list[dis.Instruction], index: int, level: int, module: str) -> None:
        place = index + 1
        while place + 1 < len(listing) and listing[place].opname == "IMPORT_FROM":
            member = str(listing[place].argval)
            for name in _stored(listing[place + 1]):
                self._alias(name, Reference(Root.IMPORT, module, (member,), level))
            place += 2

    def _alias(self, name: str, reference: Reference) -> None:
        self.aliases.setdefault(name, set()).add(reference)

    def unread(self, found: set[Reference]) -> Iterator[Reference]:
        """Yield what is imported and never read: it is imported for its effect, and counts whole."""
        read = {(item.level, item.name, item.chain) for item in found if item.root is Root.IMPORT}
        for references in self.aliases.values():
            for target in references:
                reach = len(target.chain)
                if not any((target.level, target.name, target.chain) == (a, b, c[:reach]) for a, b, c in read):
                    yield target
        for level, module in self._dotted:
            top, *rest = module.split(".")
            if not any(a == level and b == top and c[: len(rest)] == tuple(rest) for a, b, c in read):
                yield Reference(Root.IMPORT, top, tuple(rest), level)


def _stored(instruction: dis.Instruction) -> tuple[str, ...]:
    """Return the name that an instruction binds; of a fused one the first."""
    if not instruction.opname.startswith("STORE_"):
        return ()
    value = instruction.argval
    return (str(value[0] if isinstance(value, tuple) else value),)


def _loads(code: CodeType, listing: list[dis.Instruction], imports: _Imports) -> Iterator[Reference]:
    cells = frozenset(code.co_cellvars) | frozenset(code.co_freevars)
    for index, instruction in enumerate(listing):
        if not instruction.opname.startswith(("LOAD_", "STORE_FAST_LOAD")) or instruction.opname in _NO_LOADS:
            continue
        names = instruction.argval if isinstance(instruction.argval, tuple) else (instruction.argval,)
        if instruction.opname.startswith("STORE"):
            names = names[-1:]
        chain = _chain(listing, index + 1)
        for name in names:
            if not isinstance(name, str):
                continue
            # A fused instruction's first name is not what the chain is read from; as a bare read it counts for more.
            read = chain if name == names[-1] else ()
            yield from _load(instruction.opname, name, read, cells, imports)


def _load(
    opname: str, name: str, chain: tuple[str, ...], cells: frozenset[str], imports: _Imports
) -> Iterator[Reference]:
    if opname == "LOAD_NAME" and name == "__name__":
        # Every class body reads its module's name for `__module__`; code may move between modules.
        return
    if opname in _GLOBAL_LOADS:
        yield Reference(Root.GLOBAL, name, chain)
    elif opname in _CELL_LOADS:
        yield Reference(Root.CELL, name, chain)
    elif not opname.startswith(("LOAD_FAST", "STORE_FAST_LOAD")) or name in cells:
        # Of other loads none reads a variable; a cell loaded as it is goes to a nested function, which reads it.
        return
    for target in imports.aliases.get(name, ()):
        yield Reference(Root.IMPORT, target.name, (*target.chain, *chain), target.level)


def _chain(listing: list[dis.Instruction], index: int) -> tuple[str, ...]:
    chain = []
    while index < len(listing) and listing[index].opname in _CHAINING:
        chain.append(str(listing[index].argval))
        index += 1
    return tuple(chain)
