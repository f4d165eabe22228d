"""Code objects by their structure: a digest that is equal where compiled code objects are equal, in every process."""

from __future__ import annotations

from types import CodeType

from blake3 import blake3

from flowkit.fingerprint.framing import count_bytes
from flowkit.fingerprint.syntax import constant_bytes

_SIMPLE = frozenset({type(None), bool, str, bytes, float})
_LONG = 10**4000
"""Longer numbers have no decimal representation, by a limit of Python's."""


def digest_structure(code: CodeType) -> str | None:
    """Return a digest of all that makes code objects equal, nested ones included; None for unknown constants.

    That are names, instructions, typed constants, variables, line and exception tables. The file's name is no part.
    """
    try:
        return blake3(_message(code)).hexdigest()
    except TypeError:
        # A constant that no literal gives: somebody made or rewrote this code object.
        return None


def _message(code: CodeType) -> bytes:
    numbers = (code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, code.co_flags, code.co_firstlineno)
    names = (code.co_names, code.co_varnames, code.co_cellvars, code.co_freevars)
    constants = code.co_consts
    nested: list[bytes] = []
    if not all(map(_is_simple, constants)):
        nested = [b"c" + _message(item) if isinstance(item, CodeType) else constant_bytes(item) for item in constants]
        constants = ()
    # Of simple constants the representation tells the types apart, and is one call.
    written = repr((code.co_name, numbers, names, constants)).encode("utf-8", "surrogatepass")
    parts = [written, code.co_code, code.co_linetable, code.co_exceptiontable, *nested]
    return count_bytes(len(parts)) + b"".join([count_bytes(len(part)) + part for part in parts])


def _is_simple(constant: object) -> bool:
    kind = type(constant)
    if kind is int:
        return -_LONG < constant < _LONG  # type: ignore[operator]
    return all(map(_is_simple, constant)) if kind is tuple else kind in _SIMPLE  # type: ignore[call-overload]
