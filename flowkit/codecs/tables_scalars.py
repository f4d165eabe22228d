"""Single values of a table's manifest: labels, names, attributes, fill values, time zones.

`None`, booleans, integers, text and finite floats are themselves in JSON; every other value is a list that starts with
a tag, so that what JSON would make equal stays apart. What has no tag is pickled.
"""

from __future__ import annotations

import base64
import datetime
import decimal
import importlib
import json
import math
import struct
import sys
import zoneinfo
from collections.abc import Callable
from typing import Any

from flowkit.codecs.tables_chunks import TableReader, TableWriter

_PLAIN = (type(None), bool, int, str)


def encode_scalar(value: Any, writer: TableWriter) -> Any:
    """Return a value as JSON that tells its exact type."""
    kind = type(value)
    if kind in _PLAIN:
        return value
    if kind is float:
        return value if math.isfinite(value) else ["float", struct.pack("<d", value).hex()]
    for encode in (_encode_standard, _encode_container, _encode_numpy, _encode_pandas, _encode_timezone):
        encoded = encode(value, writer)
        if encoded is not None:
            return encoded
    return ["pickle", _text(writer.pickle(value))]


def decode_scalar(encoded: Any, reader: TableReader) -> Any:
    """Return the value that `encode_scalar` wrote."""
    if not isinstance(encoded, list):
        return encoded
    tag, *parts = encoded
    if tag in _CONTAINERS:
        return _CONTAINERS[tag](parts[0], reader)
    if tag == "pickle":
        return reader.unpickle(base64.b64decode(parts[0]))
    return (_STANDARD.get(tag) or _PANDAS[tag])(*parts)


def dump_json(node: Any) -> bytes:
    """Return canonical JSON: sorted keys, no spaces, UTF-8 that also carries lone surrogates."""
    text = json.dumps(node, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return text.encode("utf-8", "surrogatepass")


def describe_scalar(encoded: Any) -> str:
    """Return an encoded value as a person reads it; needs no library and loads no pickle."""
    if isinstance(encoded, str):
        return encoded
    if not isinstance(encoded, list):
        return repr(encoded)
    tag, *parts = encoded
    if tag in ("tuple", "list"):
        inside = ", ".join(describe_scalar(part) for part in parts[0])
        return f"({inside})" if tag == "tuple" else f"[{inside}]"
    if tag == "pickle":
        return "<pickled>"
    return f"{tag}({', '.join(describe_scalar(part) for part in parts)})" if parts else str(tag)


def zone_name(zone: Any) -> str:
    """Return an encoded time zone as Arrow names it; UTC where it has no name there, as the instants stay right."""
    tag, *parts = zone
    if tag in ("ZoneInfo", "pytz"):
        return str(parts[0])
    if tag == "timezone" and parts[0] % 60 == 0 and parts[0] != 0:
        hours, minutes = divmod(abs(parts[0]) // 60, 60)
        return f"{'-' if parts[0] < 0 else '+'}{hours:02}:{minutes:02}"
    return "UTC"


def _text(content: bytes) -> str:
    return base64.b64encode(content).decode("ascii")


def _encode_standard(value: Any, writer: TableWriter) -> Any:
    kind = type(value)
    if kind is bytes:
        return ["bytes", _text(value)]
    if kind is datetime.date:
        return ["date", value.isoformat()]
    if kind is decimal.Decimal:
        return ["Decimal", str(value)]
    return None


def _encode_container(value: Any, writer: TableWriter) -> Any:
    kind = type(value)
    if kind in (tuple, list):
        return [kind.__name__, [encode_scalar(item, writer) for item in value]]
    if kind is dict:
        pairs = [[encode_scalar(key, writer), encode_scalar(item, writer)] for key, item in value.items()]
        return ["dict", sorted(pairs, key=lambda pair: dump_json(pair[0]))]
    return None


def _encode_numpy(value: Any, writer: TableWriter) -> Any:
    numpy = sys.modules.get("numpy")
    if numpy is None or not isinstance(value, numpy.generic) or value.dtype.kind not in "biufcmMSU":
        return None
    dtype = value.dtype.newbyteorder("<")
    return ["numpy", dtype.str, _text(numpy.asarray(value, dtype).tobytes())]


def _encode_pandas(value: Any, writer: TableWriter) -> Any:
    pandas = sys.modules.get("pandas")
    if pandas is None:
        return None
    if value is pandas.NA or value is pandas.NaT:
        return ["NA" if value is pandas.NA else "NaT"]
    if type(value) is pandas.Timestamp:
        zone = None if value.tz is None else encode_scalar(value.tz, writer)
        wall = value.tz_convert(None) if value.tz is not None else value
        return ["Timestamp", int(wall.asm8.view("i8")), value.unit, zone] if _is_tagged(zone) else None
    if type(value) is pandas.Timedelta:
        return ["Timedelta", int(value.asm8.view("i8")), value.unit]
    if type(value) is pandas.Period:
        return ["Period", int(value.ordinal), value.freqstr]
    if isinstance(value, pandas.tseries.offsets.BaseOffset):
        return _encode_offset(value, pandas)
    return None


def _encode_offset(value: Any, pandas: Any) -> Any:
    """Return an offset by its name, where the name tells it whole: one with a calendar of its own does not."""
    try:
        named = pandas.tseries.frequencies.to_offset(value.freqstr)
    except ValueError:
        return None
    return ["offset", value.freqstr] if type(named) is type(value) and named == value else None


def _encode_timezone(value: Any, writer: TableWriter) -> Any:
    if type(value) is datetime.timezone:
        seconds = int(value.utcoffset(None).total_seconds())
        same = value == _fixed(seconds) and value.tzname(None) == _fixed(seconds).tzname(None)
        return ["timezone", seconds] if same else None
    if type(value) is zoneinfo.ZoneInfo:
        return ["ZoneInfo", value.key] if value.key is not None else None
    pytz = sys.modules.get("pytz")
    if pytz is not None and type(value).__module__.startswith("pytz") and getattr(value, "zone", None):
        return ["pytz", value.zone] if value is pytz.timezone(value.zone) else None
    return None


def _is_tagged(zone: Any) -> bool:
    return zone is None or zone[0] != "pickle"


def _fixed(seconds: int) -> datetime.timezone:
    return datetime.timezone(datetime.timedelta(seconds=seconds))


def _decode_numpy(dtype: str, content: str) -> Any:
    import numpy as np

    return np.frombuffer(base64.b64decode(content).ljust(np.dtype(dtype).itemsize, b"\0") or b"\0", dtype, 1)[0]


def _decode_pytz(zone: str) -> Any:
    # pandas brings it only where a zone of it was used; there are no stubs for it.
    return importlib.import_module("pytz").timezone(zone)


def _decode_timestamp(count: int, unit: str, zone: Any) -> Any:
    import numpy as np
    import pandas as pd

    make: Any = np.datetime64
    moment = pd.Timestamp(make(count, unit))
    if zone is None:
        return moment
    tag, part = zone
    return moment.tz_localize("UTC").tz_convert(_STANDARD[tag](part))


def _decode_timedelta(count: int, unit: str) -> Any:
    import numpy as np
    import pandas as pd

    make: Any = np.timedelta64
    return pd.Timedelta(make(count, unit))


def _decode_period(ordinal: int, freq: str) -> Any:
    import pandas as pd

    return pd.Period(ordinal=ordinal, freq=freq)


def _pandas_singleton(name: str) -> Callable[[], Any]:
    def find() -> Any:
        import pandas as pd

        return getattr(pd, name)

    return find


def _decode_offset(name: str) -> Any:
    import pandas as pd

    return pd.tseries.frequencies.to_offset(name)


_CONTAINERS: dict[str, Callable[[Any, TableReader], Any]] = {
    "tuple": lambda items, reader: tuple(decode_scalar(item, reader) for item in items),
    "list": lambda items, reader: [decode_scalar(item, reader) for item in items],
    "dict": lambda pairs, reader: {decode_scalar(key, reader): decode_scalar(item, reader) for key, item in pairs},
}

_STANDARD: dict[str, Callable[..., Any]] = {
    "float": lambda bits: struct.unpack("<d", bytes.fromhex(bits))[0],
    "bytes": base64.b64decode,
    "date": datetime.date.fromisoformat,
    "Decimal": decimal.Decimal,
    "numpy": _decode_numpy,
    "timezone": lambda seconds: datetime.UTC if seconds == 0 else _fixed(seconds),
    "ZoneInfo": zoneinfo.ZoneInfo,
    "pytz": _decode_pytz,
}

_PANDAS: dict[str, Callable[..., Any]] = {
    "Timestamp": _decode_timestamp,
    "Timedelta": _decode_timedelta,
    "Period": _decode_period,
    "offset": _decode_offset,
    "NA": _pandas_singleton("NA"),
    "NaT": _pandas_singleton("NaT"),
}
