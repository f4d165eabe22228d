"""Anything else, as pickle: nothing can be said about what is in it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from flowkit.codecs.base import Encoded, Stored, digest_payload
from flowkit.codecs.pickling import dump_fixpoint, load_pickle
from flowkit.codecs.refusals import check_whole


class OpaqueCodec:
    """Stores what no other codec takes, as pickle at its fixpoint; refuses live things by name.

    A `Path` in an opaque value counts as text, not by its content: return it beside the value instead.
    """

    format = "opaque"

    def encode(self, value: Any, hint: Any) -> Encoded:
        """Encode any value that pickle takes.

        Raises:
            CodecError: It is, or holds, a live thing; it cannot be pickled, or does not load again.
        """
        check_whole(value)
        payload, refers = dump_fixpoint(value)
        return Encoded(self.format, digest_payload(self.format, payload), payload, ".pkl", refers=refers)

    def decode(self, stored: Stored, hint: Any, folder: Path) -> Any:
        """Load a value.

        Raises:
            CodecError: It does not load in this process.
        """
        return load_pickle(stored.payload, self.format)
