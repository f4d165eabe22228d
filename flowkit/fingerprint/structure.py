"""Code objects by their structure: a digest that is equal where compiled code objects are equal, in every process."""

from __future__ import annotations

from types import CodeType

from blake3 import blake3

from flowkit.fingerprint.framing import count_bytes
from flowkit.fingerprint.syntax import constant_bytes


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
    names = (code.co_name, numbers, code.co_names, code.co_varnames, code.co_cellvars, code.co_freevars)
    parts = [repr(names).encode("utf-8", "surrogatepass"), code.co_code, code.co_linetable, code.co_exceptiontable]
    parts += [b"c" + _message(item) if isinstance(item, CodeType) else constant_bytes(item) for item in code.co_consts]
    return count_bytes(len(parts)) + b"".join([count_bytes(len(part)) + part for part in parts])
