"""Normalised bytecode: what counts of a code object whose source cannot be proven to be what runs.

It belongs to one minor version of Python, whose number is part of it. Constants, names and jump targets are resolved,
so neither the layout of the source nor the numbering of tables counts.
"""

from __future__ import annotations

import dis
import sys
from types import CodeType

from flowkit.fingerprint.framing import count_bytes, frame, frame_all, frame_text
from flowkit.fingerprint.syntax import constant_bytes

_VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"
_LAYOUT = frozenset({"NOP", "EXTENDED_ARG", "CACHE"})
_JUMPS = frozenset(dis.hasjrel) | frozenset(dis.hasjabs)
_COUNTING_FLAGS = ~0x40  # CO_NOFREE says nothing that the names do not say.


def normalise_code(code: CodeType) -> bytes:
    """Return a code object's normalised bytecode, nested code included."""
    instructions = [found for found in dis.get_instructions(code) if found.opname not in _LAYOUT]
    places = _places(code, instructions)
    counts = (code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, code.co_flags & _COUNTING_FLAGS)
    parameters = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount + bool(code.co_flags & 0x04) + 1]
    if not code.co_flags & 0x08:
        parameters = parameters[: code.co_argcount + code.co_kwonlyargcount + bool(code.co_flags & 0x04)]
    parts = [frame_text(b"v", _VERSION), frame_text(b"n", code.co_name), *(count_bytes(count) for count in counts)]
    parts += [frame_text(b"p", name) for name in parameters]
    parts += [_instruction_bytes(instruction, places) for instruction in instructions]
    parts.append(frame_all(b"x", _exception_table(code, places)))
    return frame_all(b"B", parts)


def _places(code: CodeType, instructions: list[dis.Instruction]) -> list[int]:
    """Return for each byte offset the index of the first counting instruction at or after it."""
    places = [0] * (len(code.co_code) + 2)
    index = len(instructions)
    offsets = {instruction.offset: number for number, instruction in enumerate(instructions)}
    for offset in range(len(places) - 1, -1, -1):
        index = offsets.get(offset, index)
        places[offset] = index
    return places


def _instruction_bytes(instruction: dis.Instruction, places: list[int]) -> bytes:
    name = frame_text(b"o", instruction.opname)
    value = instruction.argval
    if instruction.arg is None:
        return name
    if instruction.opcode in _JUMPS and isinstance(value, int):
        return name + frame(b"j", count_bytes(places[value]))
    if isinstance(value, CodeType):
        return name + normalise_code(value)
    if instruction.opname in ("LOAD_GLOBAL", "LOAD_ATTR", "LOAD_SUPER_ATTR") and isinstance(value, str):
        # The low bits say how the name is used, the rest is its number in a table.
        return (
            name + frame_text(b"s", value) + count_bytes(instruction.arg & (3 if "SUPER" in instruction.opname else 1))
        )
    try:
        return name + constant_bytes(value)
    except TypeError:
        return name + frame_text(b"a", repr(instruction.arg))


def _exception_table(code: CodeType, places: list[int]) -> list[bytes]:
    # `Bytecode` parses the table on all versions supported here.
    entries = dis.Bytecode(code).exception_entries  # type: ignore[attr-defined]
    return [
        b"".join(count_bytes(places[offset]) for offset in (entry.start, entry.end, entry.target))
        + count_bytes(entry.depth)
        + count_bytes(int(entry.lasti))
        for entry in entries
    ]


def render_code(code: CodeType) -> str:
    """Return a readable listing without offsets and lines, in which a diff shows what changed."""
    lines = [
        f"{instruction.opname} {instruction.argrepr}".rstrip()
        for instruction in dis.get_instructions(code)
        if instruction.opname not in _LAYOUT and not isinstance(instruction.argval, CodeType)
    ]
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            lines += [f"{constant.co_name}:", *("  " + line for line in render_code(constant).splitlines())]
    return "\n".join(lines)
