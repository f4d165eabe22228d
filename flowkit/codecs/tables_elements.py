"""Columns of Python objects: one binary value an element.

An element of a plain type is a one-letter tag and its text or bits; any other is pickled by itself, with its type's
name before it, so that elements never share what one of them holds.
"""

from __future__ import annotations

import datetime
import decimal
import struct
import sys
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from flowkit.codecs.tables_chunks import TableReader, TableWriter

if TYPE_CHECKING:
    import pyarrow as pa

_PLAIN: dict[type, Callable[[Any], bytes]] = {
    type(None): lambda _: b"N",
    bool: lambda value: b"b1" if value else b"b0",
    int: lambda value: b"i%d" % value,
    float: lambda value: b"f" + struct.pack("<d", value),
    str: lambda value: b"s" + value.encode("utf-8", "surrogatepass"),
    bytes: lambda value: b"y" + value,
    datetime.date: lambda value: b"D" + value.isoformat().encode("ascii"),
    decimal.Decimal: lambda value: b"k" + str(value).encode("ascii"),
}

_READ: dict[int, Callable[[bytes], Any]] = {
    ord("N"): lambda _: None,
    ord("b"): lambda body: body == b"1",
    ord("i"): int,
    ord("f"): lambda body: struct.unpack("<d", body)[0],
    ord("s"): lambda body: body.decode("utf-8", "surrogatepass"),
    ord("y"): bytes,
    ord("D"): lambda body: datetime.date.fromisoformat(body.decode("ascii")),
    ord("k"): lambda body: decimal.Decimal(body.decode("ascii")),
}


def encode_elements(values: Iterable[Any], writer: TableWriter) -> pa.Array:
    """Return one binary value an element."""
    import pyarrow as pa

    missing = _missing()
    return pa.array([_element(value, missing, writer) for value in values], pa.large_binary())


def decode_elements(data: pa.ChunkedArray, reader: TableReader) -> list[Any]:
    """Return the elements that `encode_elements` wrote."""
    return [_value(content, reader) for content in data.to_pylist()]


def _element(value: Any, missing: dict[int, bytes], writer: TableWriter) -> bytes:
    plain = _PLAIN.get(type(value))
    if plain is not None:
        return plain(value)
    if id(value) in missing:
        return missing[id(value)]
    name = f"{type(value).__module__}.{type(value).__qualname__}".encode()
    return b"P" + len(name).to_bytes(4, "little") + name + writer.pickle(value)


def _missing() -> dict[int, bytes]:
    """Return the tags of pandas' own missing values, which exist once in a process."""
    pandas = sys.modules.get("pandas")
    return {} if pandas is None else {id(pandas.NA): b"A", id(pandas.NaT): b"T"}


def _value(content: bytes, reader: TableReader) -> Any:
    tag = content[0]
    if tag in _READ:
        return _READ[tag](content[1:])
    if tag == ord("P"):
        start = 5 + int.from_bytes(content[1:5], "little")
        return reader.unpickle(content[start:])
    import pandas as pd

    return pd.NA if tag == ord("A") else pd.NaT
