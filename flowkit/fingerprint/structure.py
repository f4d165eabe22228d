"""Code objects by their structure: a digest that is equal where compiled code objects are equal, in every process."""

from __future__ import annotations

import marshal
from collections.abc import Iterable
from types import CodeType
from typing import Any

from blake3 import blake3

_WITHOUT_REFERENCES = 2
"""The version of the format in which what is written says nothing of which objects are one, or interned."""
_ANY_FILE = marshal.dumps("\0 any file", _WITHOUT_REFERENCES)
_PLAIN = frozenset({type(None), bool, int, float, complex, str, bytes, type(Ellipsis)})
_CONTAINERS = frozenset({tuple, frozenset, CodeType})


def digest_structure(code: CodeType) -> str | None:
    """Return a digest of all that makes code objects equal, nested ones included; None for unknown constants.

    That are names, instructions, typed constants, variables, line and exception tables. The file's name is no part.
    """
    if not _are_literals((code,)):
        # Somebody made or rewrote this code object; an array would be written as the bytes in it.
        return None
    try:
        written = marshal.dumps(code, _WITHOUT_REFERENCES)
        file = marshal.dumps(code.co_filename, _WITHOUT_REFERENCES)
    except ValueError:
        # Nested deeper than the format allows.
        return None
    return blake3(written.replace(file, _ANY_FILE)).hexdigest()


def _are_literals(constants: Iterable[object]) -> bool:
    for constant in constants:
        kind = type(constant)
        if kind in _PLAIN:
            continue
        inner: Any = constant.co_consts if isinstance(constant, CodeType) else constant
        if (kind not in _CONTAINERS) or not _are_literals(inner):
            return False
    return True
