"""Text and bytes as they are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from flowkit.codecs.base import Encoded, Stored, digest_payload
from flowkit.errors import CodecError


class TextCodec:
    """Stores a `str` as UTF-8, lone surrogates included, without any normalisation."""

    format = "str"

    def encode(self, value: str, hint: Any) -> Encoded:
        """Encode text."""
        payload = value.encode("utf-8", "surrogatepass")
        return Encoded(self.format, digest_payload(self.format, payload), payload, ".txt")

    def decode(self, stored: Stored, hint: Any, folder: Path) -> str:
        """Decode text.

        Raises:
            CodecError: The content is not UTF-8.
        """
        try:
            return str(stored.payload, "utf-8", "surrogatepass")
        except UnicodeDecodeError as error:
            raise CodecError.for_damaged(self.format, str(error)) from error


class BytesCodec:
    """Stores `bytes` as they are."""

    format = "bytes"

    def encode(self, value: bytes, hint: Any) -> Encoded:
        """Encode bytes."""
        return Encoded(self.format, digest_payload(self.format, value), value, ".bin")

    def decode(self, stored: Stored, hint: Any, folder: Path) -> bytes:
        """Decode bytes."""
        return bytes(stored.payload)
