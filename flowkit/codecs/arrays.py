"""numpy arrays and scalars as `.npy` files.

The payload is a well-formed `.npy` file that any reader opens: little-endian, C order, its header written here rather
than by numpy, whose padding has changed between versions. Equal dtype, shape and element bits give equal bytes. A
numpy scalar is its 0-d array followed by a mark, which readers of `.npy` files do not see.
"""

from __future__ import annotations

import ast
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flowkit.codecs.base import Buffer, Encoded, Stored, digest_payload
from flowkit.errors import CodecError

if TYPE_CHECKING:
    import numpy as np

_MAGIC = b"\x93NUMPY"
_ALIGNMENT = 64
_SCALAR_MARK = b"scalar"
_EXTENDED_MANTISSA = 63


class ArrayCodec:
    """Store numpy arrays and scalars by their bytes."""

    format = "npy"
    suffix = ".npy"

    def handles(self, value: Any) -> bool:
        """Say whether `value` is an array or scalar that its bytes tell whole.

        Arrays of objects or of variable-width strings, of dtypes that other packages registered, and subclasses of
        `ndarray` (masked arrays, matrices, record arrays) are not. Does not import numpy.
        """
        numpy = sys.modules.get("numpy")
        if numpy is None or not isinstance(value, numpy.ndarray | numpy.generic):
            return False
        if isinstance(value, numpy.ndarray) and type(value) not in (numpy.ndarray, numpy.memmap):
            return False
        return _is_plain(value.dtype)

    def encode(self, value: Any, hint: Any) -> Encoded:
        """Encode an array or scalar; views, strides and byte order do not count.

        Raises:
            CodecError: The dtype holds objects or is not numpy's own: such an array is stored as pickle.
        """
        import numpy as np

        if not self.handles(value):
            raise CodecError.for_array_dtype(str(getattr(value, "dtype", type(value).__name__)))
        array = _canonical(np.asarray(value))
        content: Any = array.reshape(-1).view(np.uint8).data if array.nbytes else b""
        mark = _SCALAR_MARK if isinstance(value, np.generic) else b""
        payload = b"".join((_header(array), content, mark))
        return Encoded(self.format, digest_payload(self.format, payload), payload, self.suffix)

    def decode(self, stored: Stored, hint: Any, folder: Path) -> Any:
        """Return a writable array of its own, or the numpy scalar that was stored.

        Raises:
            CodecError: The payload is not a whole `.npy` file.
        """
        import numpy as np

        payload = stored.payload
        descr, shape, start = _read_header(payload)
        dtype = np.lib.format.descr_to_dtype(descr)
        if not _is_plain(dtype):
            raise CodecError.for_array_content(f"elements of dtype {dtype}, which is never written")
        count = int(np.prod(shape, dtype=np.int64))
        end = start + count * dtype.itemsize
        mark = bytes(payload[end:])
        if len(payload) < end or mark not in (b"", _SCALAR_MARK):
            raise CodecError.for_array_content(f"{len(payload):,} bytes where {end:,} are due")
        array = np.empty(shape, dtype)
        if array.nbytes:
            array.reshape(-1).view(np.uint8)[:] = np.frombuffer(payload, np.uint8, end - start, start)
        return array[()] if mark else array


def _is_plain(dtype: np.dtype[Any]) -> bool:
    """Say whether `.npy` tells a dtype whole: nothing but numpy's own fixed-width kinds, in any nesting."""
    if dtype.subdtype is not None:
        return _is_plain(dtype.subdtype[0])
    if dtype.names is None:
        return dtype.kind in "biufcmMSUV" and type(dtype).__module__.startswith("numpy") and dtype.isbuiltin != 2
    fields = [dtype.fields[name] for name in dtype.names] if dtype.fields else []
    ends = [0, *(field[1] + field[0].itemsize for field in fields)]
    in_order = all(field[1] >= end for field, end in zip(fields, ends, strict=False))
    untitled = all(len(field) == 2 for field in fields)
    return in_order and untitled and all(_is_plain(field[0]) for field in fields)


def _canonical(value: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return little-endian elements in C order, with zeros in the gaps of a structured dtype."""
    import numpy as np

    dtype = value.dtype.newbyteorder("<")
    if dtype.names is None:
        return clear_padding(np.asarray(value, dtype, order="C"))
    packed = np.zeros(value.shape, dtype)
    _copy_fields(value, packed)
    return packed


def clear_padding(values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return values in C order whose bytes hold nothing else: an 80-bit float lies in 16 bytes, 6 of them undefined."""
    import numpy as np

    if values.dtype.kind not in "fc" or np.finfo(values.dtype).nmant != _EXTENDED_MANTISSA:
        return values
    cleared = values.copy(order="C")
    parts = cleared.reshape(-1).view(np.uint8).reshape(-1, np.finfo(values.dtype).dtype.itemsize)
    parts[:, 10:] = 0
    return cleared


def _copy_fields(source: np.ndarray[Any, Any], target: np.ndarray[Any, Any]) -> None:
    """Copy field by field: whole records would bring the bytes between the fields along."""
    for name in source.dtype.names or ():
        if source[name].dtype.names is None:
            target[name] = source[name]
        else:
            _copy_fields(source[name], target[name])


def _header(array: np.ndarray[Any, Any]) -> bytes:
    import numpy as np

    descr = np.lib.format.dtype_to_descr(array.dtype)
    text = f"{{'descr': {descr!r}, 'fortran_order': False, 'shape': {array.shape!r}, }}"
    encoded, version = _encode_header(text)
    length_bytes = 2 if version == 1 else 4
    padding = -(len(_MAGIC) + 2 + length_bytes + len(encoded) + 1) % _ALIGNMENT
    encoded += b" " * padding + b"\n"
    return _MAGIC + bytes((version, 0)) + len(encoded).to_bytes(length_bytes, "little") + encoded


def _encode_header(text: str) -> tuple[bytes, int]:
    """Return a header's bytes and the oldest version of the format that can hold it."""
    if not all(ord(character) < 256 for character in text):
        return text.encode("utf-8"), 3
    encoded = text.encode("latin-1")
    return encoded, 1 if len(encoded) + _ALIGNMENT < 1 << 16 else 2


def _read_header(payload: Buffer) -> tuple[Any, tuple[int, ...], int]:
    """Return the dtype's description, the shape, and where the elements start."""
    if bytes(payload[:6]) != _MAGIC or len(payload) < 12:
        raise CodecError.for_array_content("it does not start as a .npy file does")
    version = payload[6]
    length_end = 10 if version == 1 else 12
    start = length_end + int.from_bytes(payload[8:length_end], "little")
    header = bytes(payload[length_end:start]).decode("utf-8" if version == 3 else "latin-1")
    try:
        facts = ast.literal_eval(header.strip())
        return facts["descr"], tuple(facts["shape"]), start
    except (ValueError, SyntaxError, TypeError, KeyError) as error:
        raise CodecError.for_array_content(f"its header cannot be read: {error}") from error
