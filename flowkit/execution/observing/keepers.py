"""Which functions on the way to a read may keep what it gave in something that outlives the step.

A helper that opens a file and returns what it says keeps nothing. One that stores into an attribute, a container or a
global, or that a library calls, may: what it keeps, where, and for how long, cannot be told, so it counts as keeping.
Objects that are gone when the step has ended have kept nothing.
"""

from __future__ import annotations

import dis
import functools
import itertools
import sys
import weakref
from collections.abc import Iterator, Sequence
from types import BuiltinFunctionType, CodeType, FrameType, FunctionType, ModuleType
from typing import Any

from msgspec import Struct

_SKIPPED = frozenset({"CACHE", "NOP", "EXTENDED_ARG", "RESUME", "PRECALL", "PUSH_NULL"})
_SIMPLE = frozenset({"LOAD_FAST", "LOAD_FAST_BORROW", "LOAD_FAST_CHECK", "LOAD_CONST", "LOAD_GLOBAL"})
_LOCAL = frozenset({"LOAD_FAST", "LOAD_FAST_BORROW", "LOAD_FAST_CHECK"})
_MUTATORS = frozenset(
    {
        *("__setattr__", "__setitem__", "add", "append", "appendleft", "cache", "extend", "insert", "push", "put"),
        *("register", "remember", "set", "setattr", "setdefault", "store", "update", "__dict__", "__setstate__"),
    }
)
_PLAIN = (ModuleType, FunctionType, BuiltinFunctionType, type, str, bytes, int, float, complex, type(None))

Alive = tuple["weakref.ref[Any]", ...] | None
"""References to all that may keep something; None where that lives as long as the process, for all that is known."""


class Keeping(Struct, frozen=True):
    """Who may keep what is read.

    Attributes:
        names: `module:qualified name` of functions, of the classes that they are in, and of globals that they use.
        alive: While none of these is there any more, nothing is kept.
    """

    names: tuple[str, ...]
    alive: Alive


class Passed(Struct, frozen=True):
    """A frame of the project on the way to a read.

    Attributes:
        by_library: Whether a library called it, for the project's own code further out.
        for_instance: The instance whose `cached_property` it fills.
        is_step: Whether it is the step's own function, which is called anew each time.
    """

    frame: FrameType
    by_library: bool = False
    for_instance: object = None
    is_step: bool = False


def find_keeping(passed: Sequence[Passed]) -> Keeping | None:
    """Return who of these, innermost first, may keep what the innermost is about to read; None where none does."""
    found = [(index, alive) for index, item in enumerate(passed) for alive in _kept_by(item)]
    if not found:
        return None
    names: dict[str, None] = {}
    for item in passed[found[0][0] : found[-1][0] + 1]:
        names.update(dict.fromkeys(_names_of(item)))
    every = [alive for _, alive in found]
    refs = tuple(ref for alive in every if alive is not None for ref in alive)
    return Keeping(tuple(names), None if None in every else refs)


def _kept_by(passed: Passed) -> Iterator[Alive]:
    frame = passed.frame
    if passed.by_library:
        yield None
    if passed.for_instance is not None:
        yield _watch(passed.for_instance)
    stores = _stores_of(frame.f_code)
    if stores.elsewhere:
        yield None
    for held in stores.held:
        yield _kept_in(frame, held)
    for name in stores.into:
        made = stores.bound.get(name)
        if made is not None and all(offset > frame.f_lasti for offset in made):
            continue
        target = frame.f_locals.get(name)
        if target is not None:
            yield _watch(target)


def _kept_in(frame: FrameType, held: _Held) -> Alive:
    """Return who keeps a container: the object alone whose attribute it is, where nothing else refers to it."""
    target = frame.f_locals.get(held.variable)
    others = _count_references(target, held.attribute)
    # What is about to be called holds the container as well.
    is_called = held.called_from is not None and held.called_from < frame.f_lasti < held.called_to
    return None if others is None or others > _ALONE + is_called else _watch(target)


def _count_references(target: object, attribute: str) -> int | None:
    container = getattr(target, "__dict__", {}).get(attribute)
    return sys.getrefcount(container) if type(container) in (list, dict, set) else None


class _Probe:
    def __init__(self) -> None:
        self.container: list[object] = []


_ALONE: int = _count_references(_Probe(), "container") or 0
"""How often a container is referred to that only an attribute holds; that differs between versions of Python."""


def _watch(target: object) -> Alive:
    if isinstance(target, (type, ModuleType)):
        return None
    try:
        return (weakref.ref(target),)
    except TypeError:
        return None


def _names_of(passed: Passed) -> Iterator[str]:
    frame = passed.frame
    module, code = str(frame.f_globals.get("__name__")), frame.f_code
    if not passed.is_step:
        above, _, _ = code.co_qualname.rpartition(".")
        yield f"{module}:{code.co_qualname}"
        while above:
            if not above.endswith("<locals>"):
                yield f"{module}:{above}"
            above, _, _ = above.rpartition(".")
    for name in _stores_of(code).reads:
        if name in frame.f_globals and not isinstance(frame.f_globals[name], _PLAIN):
            yield f"{module}:{name}"


class _Held(Struct, frozen=True):
    """A container that an attribute of a variable's value holds, and between which offsets a call stores into it."""

    variable: str
    attribute: str
    called_from: int | None
    called_to: int


class _Stores(Struct, frozen=True):
    """What a function's code stores into.

    Attributes:
        elsewhere: Whether into anything but what its variables hold.
        into: Names of the variables into whose values it stores.
        held: Containers, held by attributes of such values, that it stores into.
        bound: By variable that is no parameter, where values come in that it did not just make itself.
        reads: Names of the globals that it uses.
    """

    elsewhere: bool
    into: frozenset[str]
    held: tuple[_Held, ...]
    bound: dict[str, list[int]]
    reads: frozenset[str]


@functools.lru_cache(maxsize=4096)
def _stores_of(code: CodeType) -> _Stores:
    steps = [step for step in dis.get_instructions(code) if step.opname not in _SKIPPED]
    bound = _bindings(code, steps)
    targets = [target for index in range(len(steps)) for target in _targets(code, steps, index)]
    modules = _imported(steps)
    targets = [None if _variable_of(target) in modules else target for target in targets]
    into = frozenset(target for target in targets if isinstance(target, str))
    reads = frozenset(str(step.argval) for step in steps if step.opname == "LOAD_GLOBAL")
    held = tuple(target for target in targets if isinstance(target, _Held))
    return _Stores(None in targets, into, held, bound, reads)


def _targets(code: CodeType, steps: Sequence[dis.Instruction], index: int) -> Iterator[str | _Held | None]:
    """Yield the variable into whose value an instruction stores, or what that holds; None for anything else."""
    step = steps[index]
    if (
        step.opname in ("STORE_GLOBAL", "DELETE_GLOBAL")
        or (step.opname == "STORE_DEREF" and step.argval in code.co_freevars)
        or (step.opname == "LOAD_GLOBAL" and step.argval == "setattr")
    ):
        yield None
    elif step.opname == "STORE_ATTR":
        yield _variable(steps, index - 1)
    elif step.opname in ("LOAD_METHOD", "LOAD_ATTR") and step.argval in _MUTATORS:
        ends = next((later.offset for later in steps[index:] if later.opname == "POP_TOP"), step.offset)
        yield _variable(steps, index - 1) or _held(steps, index - 1, step.offset, ends)
    elif step.opname == "STORE_SUBSCR":
        is_simple = index > 1 and steps[index - 1].opname in _SIMPLE
        yield (_variable(steps, index - 2) or _held(steps, index - 2, None, 0)) if is_simple else None


def _variable(steps: Sequence[dis.Instruction], index: int) -> str | None:
    # Later versions of Python load two variables by one instruction, whose value is a tuple.
    found = steps[index] if index >= 0 else None
    return found.argval if found is not None and found.opname in _LOCAL and isinstance(found.argval, str) else None


def _held(steps: Sequence[dis.Instruction], index: int, called_from: int | None, called_to: int) -> _Held | None:
    found = steps[index] if index > 0 else None
    variable = _variable(steps, index - 1) if found is not None and found.opname == "LOAD_ATTR" else None
    if found is None or variable is None:
        return None
    return _Held(variable, str(found.argval), called_from, called_to)


def _variable_of(target: str | _Held | None) -> str | None:
    return target.variable if isinstance(target, _Held) else target


def _bindings(code: CodeType, steps: Sequence[dis.Instruction]) -> dict[str, list[int]]:
    parameters = code.co_argcount + code.co_kwonlyargcount + bool(code.co_flags & 0x04) + bool(code.co_flags & 0x08)
    bound: dict[str, list[int]] = {name: [] for name in code.co_varnames[parameters:]}
    for before, step in zip([None, *steps], steps, strict=False):
        if step.opname.startswith("STORE_FAST"):
            made_here = before is not None and before.opname.startswith("BUILD_")
            for name in step.argval if isinstance(step.argval, tuple) else (step.argval,):
                if name in bound and not made_here:
                    bound[name].append(step.offset)
    return bound


def _imported(steps: Sequence[dis.Instruction]) -> frozenset[str]:
    """Return the variables that a function imports modules, or members of them, into."""
    return frozenset(
        str(step.argval)
        for before, step in itertools.pairwise(steps)
        if step.opname == "STORE_FAST" and before.opname in ("IMPORT_NAME", "IMPORT_FROM")
    )


def stores_elsewhere(code: CodeType) -> bool:
    """Whether a function's code stores into anything but what its own variables hold, as a module's globals are."""
    nested = (constant for constant in code.co_consts if isinstance(constant, CodeType))
    stores = _stores_of(code)
    return stores.elsewhere or bool(stores.held) or any(map(stores_elsewhere, nested))


def stack_of(thread: int) -> FrameType | None:
    """Return what a thread is about: the step's own, while another one that it waits for reads."""
    return sys._current_frames().get(thread)
