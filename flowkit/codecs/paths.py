"""Files and folders that a step returns: a manifest, and the content of each file as a chunk."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from flowkit.codecs.base import Encoded, Stored, digest_payload
from flowkit.codecs.json_tags import dump_canonical
from flowkit.codecs.trees import TreeCollector, materialise, read_manifest
from flowkit.errors import CodecError


class PathCodec:
    """Stores a returned `Path` by content and base name; each consumer gets a private copy that it may write to."""

    format = "path"

    def encode(self, value: Path, hint: Any) -> Encoded:
        """Encode the file or folder at `value`; the chunks point at its files.

        Raises:
            CodecError: It is missing, unreadable or special, or holds a link that leads out of it.
        """
        trees = TreeCollector()
        payload = dump_canonical(trees.add(value)).encode("utf-8", "surrogatepass")
        return Encoded(self.format, digest_payload(self.format, payload), payload, ".tree", trees.chunks)

    def decode(self, stored: Stored, hint: Any, folder: Path) -> Path:
        """Write a private copy into `folder`, under the base name, and return its path.

        Raises:
            CodecError: The manifest is damaged or unsafe, or the copy cannot be written.
        """
        try:
            plain = json.loads(str(stored.payload, "utf-8", "surrogatepass"))
        except ValueError as error:
            raise CodecError.for_damaged(self.format, str(error)) from error
        return materialise(read_manifest(plain), stored, folder)
