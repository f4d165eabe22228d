"""numpy arrays and scalars as `.npy`."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from flowkit.codecs.arrays import ArrayCodec
from flowkit.codecs.base import Encoded
from flowkit.errors import CodecError
from tests.codecs.memory_stored import MemoryStored

CODEC = ArrayCodec()
NOWHERE = Path("unused")
RECORD = np.dtype([("a", "<i4"), ("b", [("c", "<f8"), ("d", "S3")]), ("e", "u1", (2,))])
ALIGNED = np.dtype([("a", "u1"), ("b", "<f8")], align=True)

VALUES: dict[str, Any] = {
    "floats": np.array([1.0, np.nan, -0.0]),
    "table": np.arange(6, dtype="i2").reshape(2, 3),
    "no dimension": np.array(3.5),
    "empty": np.zeros((0, 4), "f4"),
    "no width": np.array(["", ""]),
    "bool": np.array([True, False]),
    "complex": np.array([1j, 2]),
    "text": np.array(["a", "äö"]),
    "bytes": np.array([b"a", b"bc"]),
    "datetime": np.array(["2020-01-01", "NaT"], "M8[D]"),
    "timedelta": np.array([1, 2], "m8[ns]"),
    "half": np.array([1.5], "f2"),
    "void": np.array([b"abcd"], "V4"),
    "record": np.array([(1, (2.5, b"x"), (3, 4))], RECORD),
    "aligned record": np.frombuffer(b"\1" + b"\0" * 7 + b"\2" * 8, ALIGNED),
    "extended": np.frombuffer(b"\1" * 10 + b"\0" * 6, np.longdouble)
    if np.finfo(np.longdouble).nmant == 63
    else np.array([1], np.longdouble),
    "unicode field": np.zeros(2, [("größe", "f4"), ("尺", "i1")]),
    "many fields": np.zeros(1, [(f"field_with_a_long_name_{place:05}", "f8") for place in range(2500)]),
    "float scalar": np.float64(1.5),
    "int scalar": np.int8(3),
    "date scalar": np.datetime64("2020-01-01", "s"),
    "text scalar": np.str_("ab"),
}


def round_trip(value: Any) -> Any:
    encoded = CODEC.encode(value, object)
    decoded = CODEC.decode(MemoryStored(encoded), object, NOWHERE)
    assert CODEC.encode(decoded, object).digest == encoded.digest
    return decoded


@pytest.mark.parametrize("name", VALUES)
def test_arrays_and_scalars_come_back(name: str) -> None:
    """Values, dtype, shape and whether it is a scalar survive, and the digest is a fixpoint."""
    value = VALUES[name]

    again = round_trip(value)

    assert CODEC.handles(value)
    assert type(again) is type(value)
    assert again.dtype == value.dtype
    assert again.shape == value.shape
    assert again.tobytes() == value.tobytes()


@pytest.mark.parametrize("name", VALUES)
def test_the_payload_is_a_file_numpy_reads(name: str) -> None:
    """What is stored is a `.npy` file for everyone else."""
    value = VALUES[name]

    loaded = np.load(io.BytesIO(CODEC.encode(value, object).payload), allow_pickle=False, max_header_size=1 << 20)

    assert loaded.dtype == value.dtype
    assert loaded.tobytes() == value.tobytes()


@settings(max_examples=100, deadline=None)
@given(npst.arrays(npst.scalar_dtypes(), npst.array_shapes(min_dims=0, min_side=0, max_side=4)), st.data())
def test_layout_does_not_count(array: np.ndarray[Any, Any], data: st.DataObject) -> None:
    """Byte order, strides and Fortran order give the digest of the plain array, and every array round-trips."""
    expected = CODEC.encode(np.array(array, array.dtype.newbyteorder("<"), order="C"), object).digest
    padded = np.stack([array, array], axis=-1)
    layouts = [np.asfortranarray(array) if array.ndim else array, array.astype(array.dtype.newbyteorder(">"))]
    layouts.append(padded[..., data.draw(st.integers(0, 1))] if array.ndim else array)

    assert {CODEC.encode(layout, object).digest for layout in layouts} == {expected}
    assert round_trip(array).tobytes() == array.astype(array.dtype.newbyteorder("<")).tobytes()


MUST_DIFFER = {
    "shape": (np.zeros(4), np.zeros((2, 2))),
    "empty shapes": (np.zeros((0, 2)), np.zeros((2, 0))),
    "dtype": (np.zeros(1, "i4"), np.zeros(1, "u4")),
    "signed zero": (np.array([0.0]), np.array([-0.0])),
    "bits of NaN": (np.array([0x7FF8000000000000], "u8").view("f8"), np.array([0x7FF8000000000001], "u8").view("f8")),
    "unit": (np.array([1], "M8[s]"), np.array([1], "M8[ms]")),
    "scalar and array": (np.float64(1), np.array(1.0)),
    "one dimension": (np.array(1.0), np.array([1.0])),
    "field name": (np.zeros(1, [("a", "i4")]), np.zeros(1, [("b", "i4")])),
    "width of text": (np.array(["a"], "U1"), np.array(["a"], "U2")),
}


@pytest.mark.parametrize("case", MUST_DIFFER)
def test_arrays_that_differ_have_digests_that_differ(case: str) -> None:
    """Shape, dtype and every bit of the elements count."""
    one, other = MUST_DIFFER[case]

    assert CODEC.encode(one, object).digest != CODEC.encode(other, object).digest


def test_the_gaps_of_a_record_do_not_count() -> None:
    """Bytes between the fields of an aligned record are not content."""
    clean = np.zeros(3, ALIGNED)
    # Not a copy: numpy copies records by field, and leaves the gaps as the memory was.
    dirty = np.frombuffer(bytearray(b"\xff" * clean.nbytes), ALIGNED)
    dirty["a"], dirty["b"] = clean["a"], clean["b"]

    assert dirty.tobytes() != clean.tobytes()
    assert CODEC.encode(dirty, object).digest == CODEC.encode(clean, object).digest


@pytest.mark.skipif(np.finfo(np.longdouble).nmant != 63, reason="extended floats have 80 bits on x86 only")
@pytest.mark.parametrize("dtype", [np.longdouble, np.clongdouble])
def test_the_padding_of_extended_floats_does_not_count(dtype: type) -> None:
    """An 80-bit float lies in 16 bytes, of which 6 are whatever was there."""
    one, other = (np.frombuffer((b"\1" * 10 + hidden * 6) * 2, dtype) for hidden in (b"\0", b"\7"))

    assert CODEC.encode(one, object).digest == CODEC.encode(other, object).digest


def test_a_consumer_may_write_into_its_array() -> None:
    """The array is its own: writing does not reach the stored bytes."""
    stored = MemoryStored(CODEC.encode(np.zeros(3), object))

    CODEC.decode(stored, np.ndarray, NOWHERE)[0] = 9

    assert CODEC.decode(stored, np.ndarray, NOWHERE)[0] == 0


@pytest.mark.parametrize(
    "value",
    [
        np.array([object()]),
        np.array([(1, None)], [("a", "i4"), ("b", "O")]),
        np.ma.masked_array([1, 2], [True, False]),
        np.rec.array([(1,)], [("a", "i4")]),
        np.array(["a"], np.dtypes.StringDType()),
        [1, 2],
        1.5,
    ],
    ids=["objects", "field of objects", "masked", "record array", "variable text", "list", "float"],
)
def test_what_its_bytes_do_not_tell_whole_is_refused(value: Any) -> None:
    """Object arrays, subclasses and other values are left to pickle, and the error says so."""
    assert not CODEC.handles(value)
    with pytest.raises(CodecError, match="stored as pickle"):
        CODEC.encode(value, object)


@pytest.mark.parametrize("cut", [3, 40, 130])
def test_a_payload_cut_short_is_noticed(cut: int) -> None:
    """A truncated payload is an error, not a shorter array."""
    payload = CODEC.encode(np.zeros(3), object).payload[:cut]

    with pytest.raises(CodecError, match="cannot be read"):
        CODEC.decode(MemoryStored(Encoded("npy", "0" * 64, payload, ".npy")), object, NOWHERE)


def test_a_mapped_file_is_an_array(tmp_path: Path) -> None:
    """A memory map is stored as the array that it shows."""
    np.save(tmp_path / "a.npy", np.arange(5))
    mapped = np.load(tmp_path / "a.npy", mmap_mode="r")

    assert CODEC.handles(mapped)
    assert CODEC.encode(mapped, object).digest == CODEC.encode(np.arange(5), object).digest
