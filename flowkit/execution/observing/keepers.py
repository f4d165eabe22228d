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
from dataclasses import dataclass
from types import BuiltinFunctionType, CodeType, FrameType, FunctionType, ModuleType
from typing import Any

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


@dataclass(frozen=True, slots=True)
class Keeping:
    """Who may keep what is read.

    Attributes:
        names: `module:qualified name` of functions, of the classes that they are in, and of globals that they use.
        alive: While none of these is there any more, nothing is kept.
    """

    names: tuple[str, ...]
    alive: Alive


@dataclass(frozen=True, slots=True)
class Passed:
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
    for name in stores.into:
        made = stores.bound.get(name)
        if made is not None and all(offset > frame.f_lasti for offset in made):
            continue
        target = frame.f_locals.get(name)
        if target is not None:
            yield _watch(target)


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


@dataclass(frozen=True, slots=True)
class _Stores:
    """What a function's code stores into.

    Attributes:
        elsewhere: Whether into anything but what its variables hold.
        into: Names of the variables into whose values it stores.
        bound: By variable that is no parameter, where values come in that it did not just make itself.
        reads: Names of the globals that it uses.
    """

    elsewhere: bool
    into: frozenset[str]
    bound: dict[str, list[int]]
    reads: frozenset[str]


@functools.lru_cache(maxsize=4096)
def _stores_of(code: CodeType) -> _Stores:
    steps = [step for step in dis.get_instructions(code) if step.opname not in _SKIPPED]
    bound = _bindings(code, steps)
    targets = [target for index in range(len(steps)) for target in _targets(code, steps, index)]
    modules = _imported(steps)
    targets = [None if target in modules else target for target in targets]
    into = frozenset(target for target in targets if target is not None)
    reads = frozenset(str(step.argval) for step in steps if step.opname == "LOAD_GLOBAL")
    return _Stores(None in targets, into, bound, reads)


def _targets(code: CodeType, steps: Sequence[dis.Instruction], index: int) -> Iterator[str | None]:
    """Yield the variable into whose value an instruction stores; None for anything else that is stored into."""
    step = steps[index]
    if (
        step.opname in ("STORE_GLOBAL", "DELETE_GLOBAL")
        or (step.opname == "STORE_DEREF" and step.argval in code.co_freevars)
        or (step.opname == "LOAD_GLOBAL" and step.argval == "setattr")
    ):
        yield None
    elif step.opname == "STORE_ATTR" or (step.opname in ("LOAD_METHOD", "LOAD_ATTR") and step.argval in _MUTATORS):
        yield _variable(steps, index - 1)
    elif step.opname == "STORE_SUBSCR":
        yield _variable(steps, index - 2) if index > 1 and steps[index - 1].opname in _SIMPLE else None


def _variable(steps: Sequence[dis.Instruction], index: int) -> str | None:
    # Later versions of Python load two variables by one instruction, whose value is a tuple.
    found = steps[index] if index >= 0 else None
    return found.argval if found is not None and found.opname in _LOCAL and isinstance(found.argval, str) else None


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
    return _stores_of(code).elsewhere or any(map(stores_elsewhere, nested))


def stack_of(thread: int) -> FrameType | None:
    """Return what a thread is about: the step's own, while another one that it waits for reads."""
    return sys._current_frames().get(thread)
