"""Values to canonical bytes and back: one codec a kind of value, and a registry that chooses among them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flowkit.lazy import lazy_names

if TYPE_CHECKING:
    from flowkit.codecs.arrays import ArrayCodec as ArrayCodec
    from flowkit.codecs.json import JsonCodec as JsonCodec
    from flowkit.codecs.json import JsonFilesCodec as JsonFilesCodec
    from flowkit.codecs.json_writer import ForeignPathError as ForeignPathError
    from flowkit.codecs.json_writer import ForeignValueError as ForeignValueError
    from flowkit.codecs.models import EstimatorCodec as EstimatorCodec
    from flowkit.codecs.opaque import OpaqueCodec as OpaqueCodec
    from flowkit.codecs.paths import PathCodec as PathCodec
    from flowkit.codecs.refusals import check_whole as check_whole
    from flowkit.codecs.tables import TableCodec as TableCodec
    from flowkit.codecs.tables import table_kind as table_kind
    from flowkit.codecs.tables_views import digest_view as digest_view
    from flowkit.codecs.text import BytesCodec as BytesCodec
    from flowkit.codecs.text import TextCodec as TextCodec

_MODULES = {
    "ArrayCodec": "arrays",
    "BytesCodec": "text",
    "EstimatorCodec": "models",
    "ForeignPathError": "json_writer",
    "ForeignValueError": "json_writer",
    "JsonCodec": "json",
    "JsonFilesCodec": "json",
    "OpaqueCodec": "opaque",
    "PathCodec": "paths",
    "TableCodec": "tables",
    "TextCodec": "text",
    "check_whole": "refusals",
    "digest_view": "tables_views",
    "table_kind": "tables",
}

__all__ = sorted(_MODULES)

# A codec is imported with the first value of its kind, for most processes meet few kinds.
__getattr__ = lazy_names(__name__, _MODULES)
