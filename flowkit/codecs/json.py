"""Numbers, text, containers and classes with fields, as canonical JSON."""

from __future__ import annotations

import json
from math import isfinite
from pathlib import Path
from typing import Any

from flowkit.codecs.base import Encoded, Stored, digest_payload
from flowkit.codecs.json_reader import JsonReader
from flowkit.codecs.json_tags import LARGEST_DECIMAL_BITS, TAG_START
from flowkit.codecs.json_writer import JsonWriter
from flowkit.codecs.trees import TreeCollector
from flowkit.errors import CodecError, FlowkitError

_PARSER = json.JSONDecoder()


class JsonCodec:
    """Stores plain values, dataclasses, NamedTuples, pydantic models, enums and metrics.

    The text tells every value's exact type, so it reads back as it was, whatever the annotation; classes are named
    there and taken from the annotation. Files and folders are refused: see `JsonFilesCodec`.
    """

    format = "json"

    def encode(self, value: Any, hint: Any) -> Encoded:
        """Encode a value annotated as `hint`; numpy scalars become the Python number that it names.

        Raises:
            ForeignValueError: JSON cannot hold it; the message names the part and its place.
        """
        kind = type(value)
        if (kind is float and isfinite(value)) or (kind is int and value.bit_length() <= LARGEST_DECIMAL_BITS):
            payload = repr(value).encode()
            return Encoded(self.format, digest_payload(self.format, payload), payload, ".json")
        writer = JsonWriter(hint)
        payload = writer.write(value).encode("utf-8", "surrogatepass")
        return Encoded(self.format, digest_payload(self.format, payload), payload, ".json", refers=writer.refers)

    def decode(self, stored: Stored, hint: Any, folder: Path) -> Any:
        """Decode a value; classes it names are looked for in `hint`, files are written to `folder`.

        Raises:
            CodecError: `hint` does not name a class it needs, the class has changed, or the content is damaged.
        """
        try:
            text = str(stored.payload, "utf-8", "surrogatepass")
            plain, end = _PARSER.raw_decode(text)
            if end != len(text):
                raise ValueError("something stands behind the value")
            return JsonReader(stored, hint, folder).read(plain) if TAG_START in text else plain
        except FlowkitError:
            raise
        except (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RecursionError) as error:
            raise CodecError.for_damaged(self.format, f"{type(error).__name__}: {error}") from error


class JsonFilesCodec(JsonCodec):
    """Stores the same values where a `Path` stands in them: by content, each file as a chunk."""

    format = "json-files"

    def encode(self, value: Any, hint: Any) -> Encoded:
        """Encode a value annotated as `hint`, with the files and folders it names.

        Raises:
            ForeignValueError: JSON cannot hold it; the message names the part and its place.
            CodecError: A file is missing or unreadable, or a folder holds a link that leads out of it.
        """
        trees = TreeCollector()
        writer = JsonWriter(hint, trees)
        payload = writer.write(value).encode("utf-8", "surrogatepass")
        digest = digest_payload(self.format, payload)
        return Encoded(self.format, digest, payload, ".tree", trees.chunks, writer.refers)
