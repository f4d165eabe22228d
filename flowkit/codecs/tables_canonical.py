"""One form for equal Arrow arrays.

Equal values can lie in different bytes: offsets and slices, garbage below nulls, padding bits, several layouts of one
type. `canonical_array` gives the one form that is hashed and stored; `restore_type` gives an array the type that it was
declared with. Float bits are never touched.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

CHUNK_ROWS = 1 << 20


def has_canonical_form(kind: pa.DataType) -> bool:
    """Say whether arrays of a type can be normalised: no union, no dictionary inside, nothing unknown."""
    import pyarrow as pa

    types = pa.types
    if isinstance(kind, pa.BaseExtensionType):
        return has_canonical_form(kind.storage_type)
    if types.is_run_end_encoded(kind):
        # Run ends of 16 bits cannot span a chunk, so such a column cannot be chunked anew.
        return kind.run_end_type != pa.int16() and _is_flat(kind.value_type)
    if types.is_map(kind):
        return has_canonical_form(kind.key_type) and has_canonical_form(kind.item_type)
    if _is_list(kind):
        return has_canonical_form(kind.value_type)
    if types.is_struct(kind):
        return all(has_canonical_form(field.type) for field in kind)
    return _is_flat(kind)


def canonical_array(array: pa.Array) -> pa.Array:
    """Return an array with equal values in the one form that is stored.

    Views become large types, run ends are decoded, extension types become their storage, list children are called
    `item`. Needs `has_canonical_form`. Does not copy a fixed-width array without nulls.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    types, kind = pa.types, array.type
    if isinstance(kind, pa.BaseExtensionType):
        return canonical_array(array.storage)
    if types.is_run_end_encoded(kind):
        return canonical_array(pc.run_end_decode(array))
    if types.is_null(kind):
        return pa.nulls(len(array))
    if types.is_string_view(kind) or types.is_binary_view(kind):
        return canonical_array(array.cast(pa.large_string() if types.is_string_view(kind) else pa.large_binary()))
    if types.is_struct(kind):
        return _canonical_struct(array)
    if types.is_fixed_size_list(kind):
        return _canonical_fixed_size_list(array)
    if types.is_map(kind):
        return _canonical_map(array)
    if _is_list(kind):
        return _canonical_list(array)
    if types.is_boolean(kind):
        return _canonical_boolean(array)
    if _has_offsets(kind):
        return _canonical_text(array)
    return _canonical_fixed_width(array)


def restore_type(array: pa.Array, kind: pa.DataType) -> pa.Array:
    """Return a canonical array as the type that its column was declared with; shares its buffers where it can."""
    import pyarrow as pa
    import pyarrow.compute as pc

    types = pa.types
    if array.type.equals(kind, check_metadata=True):
        return array
    if isinstance(kind, pa.BaseExtensionType):
        return pa.ExtensionArray.from_storage(kind, restore_type(array, kind.storage_type))
    if types.is_run_end_encoded(kind):
        return pc.run_end_encode(restore_type(array, kind.value_type), run_end_type=kind.run_end_type)
    if types.is_list_view(kind) or types.is_large_list_view(kind):
        return _restore_list_view(array, kind)
    if types.is_struct(kind):
        children = [restore_type(array.field(place), field.type) for place, field in enumerate(kind)]
        return _rebuilt(kind, array, children)
    if types.is_map(kind):
        entries = pa.struct([kind.key_field, kind.item_field])
        keys, items = restore_type(array.keys, kind.key_type), restore_type(array.items, kind.item_type)
        return _rebuilt(kind, array, [pa.Array.from_buffers(entries, len(keys), [None], children=[keys, items])])
    if _is_list(kind):
        return _rebuilt(kind, array, [restore_type(array.values, kind.value_type)])
    return array.cast(kind)


def valid_rows(array: pa.Array) -> Any:
    """Return a boolean numpy array that is false at nulls, or None where there are none."""
    return None if array.null_count == 0 else _bits(array.buffers()[0], array.offset, len(array))


def _is_flat(kind: pa.DataType) -> bool:
    import pyarrow as pa

    types = pa.types
    views = types.is_string_view(kind) or types.is_binary_view(kind)
    return views or types.is_null(kind) or _has_offsets(kind) or _has_fixed_width(kind)


def _has_fixed_width(kind: pa.DataType) -> bool:
    import pyarrow as pa

    types = pa.types
    if types.is_fixed_size_binary(kind):
        return bool(kind.byte_width > 0)
    return any(test(kind) for test in (types.is_primitive, types.is_decimal, types.is_interval))


def _has_offsets(kind: pa.DataType) -> bool:
    import pyarrow as pa

    types = pa.types
    tests = (types.is_string, types.is_large_string, types.is_binary, types.is_large_binary)
    return any(test(kind) for test in tests)


def _is_list(kind: pa.DataType) -> bool:
    import pyarrow as pa

    types = pa.types
    views = (types.is_list_view, types.is_large_list_view)
    return any(test(kind) for test in (*views, types.is_list, types.is_large_list, types.is_fixed_size_list))


def _bits(buffer: pa.Buffer, offset: int, length: int) -> np.ndarray[Any, np.dtype[np.bool_]]:
    import numpy as np

    packed = np.frombuffer(buffer, np.uint8)[offset // 8 : (offset + length + 7) // 8]
    return np.unpackbits(packed, count=offset % 8 + length, bitorder="little")[offset % 8 :].view(np.bool_)


def _packed(bits: np.ndarray[Any, np.dtype[np.bool_]] | None) -> pa.Buffer | None:
    import numpy as np
    import pyarrow as pa

    return None if bits is None else pa.py_buffer(np.packbits(bits, bitorder="little"))


def _rebuilt(kind: pa.DataType, array: pa.Array, children: list[pa.Array]) -> pa.Array:
    """Return `array` as the type `kind` of the same layout, with other children."""
    import pyarrow as pa

    own = array.buffers()[: 1 if pa.types.is_struct(kind) or pa.types.is_fixed_size_list(kind) else 2]
    return pa.Array.from_buffers(kind, len(array), own, array.null_count, array.offset, children)


def _canonical_fixed_width(array: pa.Array) -> pa.Array:
    import numpy as np
    import pyarrow as pa

    width, length, valid = array.type.bit_width // 8, len(array), valid_rows(array)
    data = array.buffers()[1]
    if data is None or valid is None:
        content = pa.py_buffer(b"") if data is None else data.slice(array.offset * width, length * width)
        return pa.Array.from_buffers(array.type, length, [None, content], 0)
    if width in (1, 2, 4, 8):
        values = np.frombuffer(data, f"u{width}", length, array.offset * width)
        filled = np.where(valid, values, values.dtype.type(0))
    else:
        filled = np.frombuffer(data, np.uint8, length * width, array.offset * width).reshape(length, width).copy()
        filled[~valid] = 0
    return pa.Array.from_buffers(array.type, length, [_packed(valid), pa.py_buffer(filled)], array.null_count)


def _canonical_boolean(array: pa.Array) -> pa.Array:
    import pyarrow as pa

    valid = valid_rows(array)
    data = array.buffers()[1]
    values = _bits(data if data is not None else pa.py_buffer(b""), array.offset, len(array))
    values = values if valid is None else values & valid
    return pa.Array.from_buffers(array.type, len(array), [_packed(valid), _packed(values)], array.null_count)


def _offsets(array: pa.Array, width: int) -> np.ndarray[Any, Any]:
    """Return the offsets of an array's own rows: one more than there are rows."""
    import numpy as np

    buffer = array.buffers()[1]
    if len(array) == 0 or buffer is None:
        return np.zeros(1, f"i{width}")
    return np.frombuffer(buffer, f"i{width}", len(array) + 1, array.offset * width)


def _canonical_text(array: pa.Array) -> pa.Array:
    import numpy as np
    import pyarrow as pa

    width = 8 if pa.types.is_large_string(array.type) or pa.types.is_large_binary(array.type) else 4
    valid = valid_rows(array)
    offsets = _offsets(array, width)
    if valid is not None and bool(np.any((offsets[1:] != offsets[:-1]) & ~valid)):
        array = array.fill_null(b"" if pa.types.is_binary(array.type) or pa.types.is_large_binary(array.type) else "")
        offsets = _offsets(array, width)
    first, last = int(offsets[0]), int(offsets[-1])
    data = array.buffers()[2]
    content = pa.py_buffer(b"") if data is None else data.slice(first, last - first)
    rebased = pa.py_buffer(offsets - offsets.dtype.type(first) if first else offsets)
    missing = 0 if valid is None else int(len(valid) - np.count_nonzero(valid))
    return pa.Array.from_buffers(array.type, len(array), [_packed(valid), rebased, content], missing)


def _canonical_struct(array: pa.Array) -> pa.Array:
    import pyarrow as pa

    valid = valid_rows(array)
    children = [canonical_array(child) for child in array.flatten()]
    fields = [pa.field(field.name, child.type) for field, child in zip(array.type, children, strict=True)]
    return pa.Array.from_buffers(pa.struct(fields), len(array), [_packed(valid)], array.null_count, children=children)


def _canonical_fixed_size_list(array: pa.Array) -> pa.Array:
    import numpy as np
    import pyarrow as pa

    valid, size = valid_rows(array), array.type.list_size
    if valid is None:
        child = array.flatten()
    else:
        places = np.arange(array.offset * size, (array.offset + len(array)) * size)
        child = array.values.take(pa.array(places, mask=~np.repeat(valid, size)))
    child = canonical_array(child)
    kind = pa.list_(pa.field("item", child.type), size)
    return pa.Array.from_buffers(kind, len(array), [_packed(valid)], array.null_count, children=[child])


def _canonical_list(array: pa.Array) -> pa.Array:
    """Normalise lists and list views; a view becomes the list type of its width."""
    import pyarrow as pa

    types, valid = pa.types, valid_rows(array)
    width = 8 if types.is_large_list(array.type) or types.is_large_list_view(array.type) else 4
    child = canonical_array(array.flatten())
    field = pa.field("item", child.type)
    kind = pa.large_list(field) if width == 8 else pa.list_(field)
    offsets = pa.py_buffer(_cumulated(_list_lengths(array, width), valid, width))
    return pa.Array.from_buffers(kind, len(array), [_packed(valid), offsets], array.null_count, children=[child])


def _list_lengths(array: pa.Array, width: int) -> np.ndarray[Any, Any]:
    import numpy as np
    import pyarrow as pa

    if pa.types.is_list_view(array.type) or pa.types.is_large_list_view(array.type):
        sizes = array.buffers()[2]
        empty = len(array) == 0 or sizes is None
        return (
            np.zeros(0, f"i{width}") if empty else np.frombuffer(sizes, f"i{width}", len(array), array.offset * width)
        )
    return np.diff(_offsets(array, width))


def _cumulated(lengths: np.ndarray[Any, Any], valid: Any, width: int) -> np.ndarray[Any, Any]:
    import numpy as np

    offsets = np.zeros(len(lengths) + 1, f"i{width}")
    np.cumsum(lengths if valid is None else np.where(valid, lengths, 0), out=offsets[1:])
    return offsets


def _canonical_map(array: pa.Array) -> pa.Array:
    """Normalise a map as the list of entries that it is, entries in the order they are in."""
    import pyarrow as pa

    entry = pa.struct([pa.field("key", array.keys.type), pa.field("value", array.items.type)])
    entries = pa.Array.from_buffers(entry, len(array.keys), [None], children=[array.keys, array.items])
    listed = pa.Array.from_buffers(
        pa.list_(entry), len(array), array.buffers()[:2], array.null_count, array.offset, [entries]
    )
    canonical = _canonical_list(listed)
    keys, items = canonical.values.field(0), canonical.values.field(1)
    kind = pa.map_(keys.type, items.type)
    entry = pa.struct([kind.key_field, kind.item_field])
    children = [pa.Array.from_buffers(entry, len(keys), [None], children=[keys, items])]
    return pa.Array.from_buffers(kind, len(array), canonical.buffers()[:2], canonical.null_count, children=children)


def _restore_list_view(array: pa.Array, kind: pa.DataType) -> pa.Array:
    import numpy as np
    import pyarrow as pa

    width = 8 if pa.types.is_large_list_view(kind) else 4
    offsets = _offsets(array, width)
    sizes = pa.py_buffer(np.diff(offsets))
    starts = pa.py_buffer(np.ascontiguousarray(offsets[:-1]))
    child = restore_type(array.values, kind.value_type)
    own = [array.buffers()[0], starts, sizes]
    return pa.Array.from_buffers(kind, len(array), own, array.null_count, children=[child])
