"""pandas arrays: what a column or an index holds, by its dtype.

Each kind of dtype has an encoder, which returns a column's entry, and a decoder, found by the entry's `as`. Values are
never taken for missing because they look so: NaN, None and NA stay apart.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from flowkit.codecs.arrays import clear_padding
from flowkit.codecs.tables_arrow import Entry, decode_arrow, encode_arrow, pack_field, unpack_field
from flowkit.codecs.tables_canonical import valid_rows
from flowkit.codecs.tables_chunks import Leaf, TableReader, TableWriter, missing_of
from flowkit.codecs.tables_elements import decode_elements, encode_elements
from flowkit.codecs.tables_scalars import decode_scalar, encode_scalar

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

_TIMES = "mM"
_NUMBERS = "biufmM"


def encode_array(array: Any, writer: TableWriter) -> Entry:
    """Return the entry of a pandas extension array, as `.array` of a Series or an Index gives it."""
    import numpy as np
    import pandas as pd

    dtype = array.dtype
    for kind, encode in _encoders(pd).items():
        if isinstance(dtype, kind):
            return encode(array, writer)
    if isinstance(array, pd.arrays.NumpyExtensionArray) or isinstance(dtype, np.dtype):
        return _encode_numpy(array.to_numpy(copy=False), writer)
    return _encode_pickled(array, writer)


def decode_array(entry: Entry, reader: TableReader) -> Any:
    """Return the writable numpy array or pandas extension array of an entry."""
    return _DECODERS[entry["as"]](entry, reader)


def _encoders(pd: Any) -> dict[type, Callable[[Any, TableWriter], Entry]]:
    """Return the encoders by the class of dtype that they are for."""
    numbers = (
        *(pd.Int8Dtype, pd.Int16Dtype, pd.Int32Dtype, pd.Int64Dtype),
        *(pd.UInt8Dtype, pd.UInt16Dtype, pd.UInt32Dtype, pd.UInt64Dtype),
        *(pd.Float32Dtype, pd.Float64Dtype, pd.BooleanDtype),
    )
    return {
        **dict.fromkeys(numbers, _encode_masked),
        pd.StringDtype: _encode_string,
        pd.DatetimeTZDtype: _encode_zoned,
        pd.CategoricalDtype: _encode_categorical,
        pd.PeriodDtype: _encode_period,
        pd.IntervalDtype: _encode_interval,
        pd.SparseDtype: _encode_sparse,
        pd.ArrowDtype: _encode_arrow_dtype,
    }


def _encode_numpy(values: np.ndarray[Any, Any], writer: TableWriter) -> Entry:
    import numpy as np
    import pyarrow as pa

    dtype = values.dtype
    if dtype.kind == "O":
        return _encode_objects(values, writer)
    entry: Entry = {"as": "numpy", "dtype": str(dtype)}
    native = np.ascontiguousarray(values, dtype.newbyteorder("="))
    if dtype.kind in _NUMBERS and dtype.itemsize <= 8:
        return {**entry, "data": writer.write(pa.array(native, from_pandas=False))}
    # Complex and extended floats have no Arrow type: they are kept as their bytes.
    native = clear_padding(native)
    kind = pa.binary(dtype.itemsize)
    return {**entry, "data": writer.write(pa.Array.from_buffers(kind, len(native), [None, pa.py_buffer(native)], 0))}


def _decode_numpy(entry: Entry, reader: TableReader) -> np.ndarray[Any, Any]:
    import numpy as np

    declared = np.dtype(entry["dtype"])
    native = declared.newbyteorder("=")
    values = reader.read_numpy(entry["data"], native, missing_of(native))
    return values if declared == native else values.astype(declared)


def _encode_objects(values: np.ndarray[Any, Any], writer: TableWriter) -> Entry:
    import pyarrow as pa

    items = values.tolist()
    kinds = set(map(type, items))
    if kinds <= {str, type(None)}:
        try:
            return {"as": "text", "data": writer.write(pa.array(items, pa.large_string(), from_pandas=False))}
        except UnicodeEncodeError:
            # Lone surrogates are no UTF-8; the elements' own encoding carries them.
            pass
    names = sorted(f"{kind.__module__}.{kind.__qualname__}" for kind in kinds)
    return {"as": "objects", "types": names, "data": writer.write(encode_elements(items, writer))}


def _decode_text(entry: Entry, reader: TableReader) -> np.ndarray[Any, Any]:
    return _object_array(reader.read(entry["data"]).to_pylist())


def _decode_objects(entry: Entry, reader: TableReader) -> np.ndarray[Any, Any]:
    return _object_array(decode_elements(reader.read(entry["data"]), reader))


def _object_array(items: list[Any]) -> np.ndarray[Any, Any]:
    """Return a one-dimensional array of the items, which may be sequences themselves."""
    import numpy as np

    values = np.empty(len(items), object)
    values[:] = items
    return values


def _encode_masked(array: Any, writer: TableWriter) -> Entry:
    import pyarrow as pa

    return {"as": "masked", "dtype": array.dtype.name, "data": writer.write(pa.array(array, from_pandas=False))}


def _decode_masked(entry: Entry, reader: TableReader) -> Any:
    import numpy as np
    import pandas as pd

    dtype: Any = pd.api.types.pandas_dtype(entry["dtype"])
    values = reader.read_numpy(entry["data"], dtype.numpy_dtype, dtype.numpy_dtype.type(0))
    mask = np.zeros(len(values), bool)
    _mark_missing(mask, entry["data"], reader)
    return dtype.construct_array_type()(values, mask)


def _mark_missing(mask: np.ndarray[Any, Any], leaf: Leaf, reader: TableReader) -> None:
    start = 0
    for chunk in reader.read(leaf).chunks:
        valid = valid_rows(chunk)
        if valid is not None:
            mask[start : start + len(chunk)] = ~valid
        start += len(chunk)


def _encode_string(array: Any, writer: TableWriter) -> Entry:
    import pandas as pd
    import pyarrow as pa

    dtype = array.dtype
    missing = "NA" if dtype.na_value is pd.NA else "NaN"
    entry: Entry = {"as": "string", "storage": dtype.storage, "missing": missing}
    try:
        data = pa.chunked_array(_arrow_chunks(array), pa.large_string())
    except UnicodeEncodeError:
        # Lone surrogates are no UTF-8; the elements' own encoding carries them.
        return {**entry, "elements": writer.write(encode_elements(array.to_numpy(object), writer))}
    return {**entry, "data": writer.write(data)}


def _arrow_chunks(array: Any) -> list[Any]:
    """Return the Arrow arrays that a pandas string array wraps or converts to, as large strings."""
    import pyarrow as pa

    data = pa.array(array, pa.large_string(), from_pandas=True)
    return list(data.chunks) if isinstance(data, pa.ChunkedArray) else [data]


def _decode_string(entry: Entry, reader: TableReader) -> Any:
    import numpy as np
    import pandas as pd

    make: Any = pd.StringDtype
    # pandas 2.2 has no choice of what is missing: one storage by itself means NaN.
    plain = entry["missing"] == "NA" or entry["storage"] == "pyarrow_numpy"
    dtype = make(entry["storage"]) if plain else make(entry["storage"], na_value=np.nan)
    if "elements" in entry:
        return pd.array(decode_elements(reader.read(entry["elements"]), reader), dtype=dtype)
    return dtype.__from_arrow__(reader.read(entry["data"]))


def _encode_zoned(array: Any, writer: TableWriter) -> Entry:
    """Write moments as UTC with the zone's name, and the zone itself as the dtype has it."""
    import pyarrow as pa

    zone = encode_scalar(array.dtype.tz, writer)
    utc = pa.array(array.tz_convert(None).to_numpy(), from_pandas=False)
    data = utc.cast(pa.timestamp(array.dtype.unit, "UTC"))
    return {"as": "zoned", "unit": array.dtype.unit, "zone": zone, "data": writer.write(data)}


def _decode_zoned(entry: Entry, reader: TableReader) -> Any:
    import numpy as np
    import pandas as pd

    dtype = np.dtype(f"M8[{entry['unit']}]")
    utc = pd.array(reader.read_numpy(entry["data"], dtype, missing_of(dtype)), dtype=dtype, copy=False)
    return utc.tz_localize("UTC").tz_convert(decode_scalar(entry["zone"], reader))


def _encode_categorical(array: Any, writer: TableWriter) -> Entry:
    import pyarrow as pa

    codes, categories = array.codes, array.dtype.categories
    return {
        "as": "categorical",
        "ordered": bool(array.dtype.ordered),
        "categories": {"name": encode_scalar(categories.name, writer), **encode_array(categories.array, writer)},
        "codes": writer.write(pa.array(codes, mask=codes == -1, from_pandas=False)),
        "width": codes.dtype.itemsize,
    }


def _decode_categorical(entry: Entry, reader: TableReader) -> Any:
    import numpy as np
    import pandas as pd

    categories = _as_index(entry["categories"], reader)
    codes = reader.read_numpy(entry["codes"], np.dtype(f"i{entry['width']}"), -1)
    dtype = pd.CategoricalDtype(categories, ordered=entry["ordered"])
    return pd.Categorical.from_codes(codes, dtype=dtype, validate=False)


def _as_index(entry: Entry, reader: TableReader) -> pd.Index[Any]:
    import pandas as pd

    values = decode_array(entry, reader)
    index: pd.Index[Any] = pd.Index(values, dtype=values.dtype, name=decode_scalar(entry["name"], reader), copy=False)
    return index


def _encode_period(array: Any, writer: TableWriter) -> Entry:
    import numpy as np
    import pyarrow as pa

    ordinals = array.astype(np.int64)
    missing = np.asarray(array.isna())
    data = pa.array(ordinals, mask=missing, from_pandas=False)
    return {"as": "period", "freq": str(array.dtype)[len("period[") : -1], "data": writer.write(data)}


def _decode_period(entry: Entry, reader: TableReader) -> Any:
    import numpy as np
    import pandas as pd

    ordinals = reader.read_numpy(entry["data"], np.dtype(np.int64), pd.NaT.value)
    return pd.arrays.PeriodArray(ordinals, dtype=pd.PeriodDtype(entry["freq"]))


def _encode_interval(array: Any, writer: TableWriter) -> Entry:
    left, right = (encode_array(side.array, writer) for side in (array.left, array.right))
    return {"as": "interval", "closed": array.closed, "left": left, "right": right}


def _decode_interval(entry: Entry, reader: TableReader) -> Any:
    import pandas as pd

    left, right = (_as_index({**entry[side], "name": None}, reader) for side in ("left", "right"))
    return pd.arrays.IntervalArray.from_arrays(left, right, closed=entry["closed"])


def _encode_sparse(array: Any, writer: TableWriter) -> Entry:
    import numpy as np
    import pyarrow as pa

    return {
        "as": "sparse",
        "kind": array.kind,
        "fill": encode_scalar(array.fill_value, writer),
        "length": len(array),
        "places": writer.write(pa.array(np.asarray(array.sp_index.indices, np.int32))),
        "values": _encode_numpy(np.asarray(array.sp_values), writer),
    }


def _decode_sparse(entry: Entry, reader: TableReader) -> Any:
    import numpy as np
    import pandas as pd

    values = decode_array(entry["values"], reader)
    fill = decode_scalar(entry["fill"], reader)
    places = reader.read_numpy(entry["places"], np.dtype(np.int32))
    sparse: Any = pd.arrays.SparseArray
    if hasattr(sparse, "from_indices"):
        return sparse.from_indices(values, places, entry["length"], fill, entry["kind"], values.dtype)
    # Older pandas does not name the class of an index over places: it is reached through an array that has one.
    index = type(sparse([0]).sp_index)(entry["length"], places)
    if entry["kind"] == "block":
        index = index.to_block_index()
    return sparse(values, sparse_index=index, fill_value=fill, dtype=pd.SparseDtype(values.dtype, fill))


def _encode_arrow_dtype(array: Any, writer: TableWriter) -> Entry:
    import pyarrow as pa

    data = array.__arrow_array__()
    chunked = data if isinstance(data, pa.ChunkedArray) else pa.chunked_array([data])
    return {"as": "arrow-dtype", "type": pack_field(pa.field("c", chunked.type)), "data": encode_arrow(chunked, writer)}


def _decode_arrow_dtype(entry: Entry, reader: TableReader) -> Any:
    import pandas as pd

    kind = unpack_field(entry["type"]).type
    return pd.arrays.ArrowExtensionArray(decode_arrow(entry["data"], kind, reader))


def _encode_pickled(array: Any, writer: TableWriter) -> Entry:
    import pyarrow as pa

    content = pa.array([writer.pickle(array)], pa.large_binary())
    return {"as": "pickled", "dtype": str(array.dtype), "data": writer.write(content)}


def _decode_pickled(entry: Entry, reader: TableReader) -> Any:
    return reader.unpickle(reader.read(entry["data"])[0].as_py())


_DECODERS: dict[str, Callable[[Entry, TableReader], Any]] = {
    "numpy": _decode_numpy,
    "text": _decode_text,
    "objects": _decode_objects,
    "masked": _decode_masked,
    "string": _decode_string,
    "zoned": _decode_zoned,
    "categorical": _decode_categorical,
    "period": _decode_period,
    "interval": _decode_interval,
    "sparse": _decode_sparse,
    "arrow-dtype": _decode_arrow_dtype,
    "pickled": _decode_pickled,
}
