"""Text and bytes as they are."""

from __future__ import annotations

import pytest

from flowkit.codecs.base import Encoded, digest_payload
from flowkit.codecs.text import BytesCodec, TextCodec
from flowkit.errors import CodecError
from tests.codecs.memory_stored import MemoryStored
from tests.codecs.round_trip import NOWHERE, digest_of, received


@pytest.mark.parametrize(
    "value", ["", "plain", "é", "e\u0301", "\ud800", "\ud83d\ude00", "\U0001f600", "\r\n\0", "\ufeff"]
)
def test_text_reads_back_code_point_by_code_point(value: str) -> None:
    """No newline, normalisation form, mark or lone surrogate changes in the store."""
    assert received(value, str) == value


def test_text_is_stored_as_utf8() -> None:
    """A text's blob is the text itself."""
    encoded = TextCodec().encode("añb", str)
    assert (encoded.payload, encoded.format, encoded.suffix) == ("añb".encode(), "str", ".txt")


def test_forms_of_one_glyph_and_pairs_of_surrogates_stay_apart() -> None:
    """Text is compared by code points, not by what it looks like."""
    assert len({digest_of(text) for text in ("é", "e\u0301", "\ud83d\ude00", "\U0001f600")}) == 4


def test_bytes_and_text_of_the_same_content_differ() -> None:
    """The format counts in the digest."""
    assert digest_of(b"a") != digest_of("a")
    assert received(b"\0\xff", bytes) == b"\0\xff"
    assert BytesCodec().encode(b"a", bytes).suffix == ".bin"


def test_content_that_is_not_utf8_is_reported() -> None:
    """A damaged text is an error that names its format."""
    stored = MemoryStored(Encoded("str", digest_payload("str", b"\xff"), b"\xff", ".txt"))
    with pytest.raises(CodecError, match="format 'str' does not follow"):
        TextCodec().decode(stored, str, NOWHERE)
