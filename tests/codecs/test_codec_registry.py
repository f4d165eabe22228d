"""Which codec stores what, and what every codec keeps to."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from sklearn.linear_model import LogisticRegression

from flowkit.authoring.types import Metrics
from flowkit.codecs.base import digest_chunk, digest_payload
from flowkit.codecs.registry import CodecRegistry
from flowkit.errors import CodecError
from tests.codecs.memory_stored import MemoryStored
from tests.codecs.round_trip import NOWHERE, REGISTRY, digest_of, received
from tests.ids import stable_id

PROJECT = Path(__file__).parents[2]


@dataclass
class Config:
    rate: float


@dataclass
class Wide(Config):
    depth: int = 1


FRAME = pd.DataFrame({"a": [1, 2]})

CHOICES = [
    (None, None, "json"),
    (1, int, "json"),
    (True, bool, "json"),
    (0.5, float, "json"),
    (float("nan"), float, "json"),
    ([1, "a"], list, "json"),
    ({"a": 1.0}, dict[str, float], "json"),
    (Config(0.5), Config, "json"),
    (Config(0.5), Annotated[Config, "x"] | None, "json"),
    (Metrics(a=1.0), Metrics, "json"),
    (Metrics(a=1.0), Any, "json"),
    (np.float64(1.0), float, "json"),
    (np.float64(1.0), Any, "json"),
    ("a", str, "str"),
    ("a", Any, "str"),
    (b"a", bytes, "bytes"),
    (FRAME, pd.DataFrame, "table"),
    (FRAME["a"], pd.Series, "table"),
    (pl.DataFrame({"a": [1]}), Any, "table"),
    (pa.table({"a": [1]}), pa.Table, "table"),
    (np.zeros(3), np.ndarray, "npy"),
    (np.float32(1.0), np.float32, "npy"),
    (np.datetime64("2024-01-01"), Any, "npy"),
    (LogisticRegression(), LogisticRegression, "pickle"),
    (LogisticRegression(), Any, "pickle"),
    ({"model": LogisticRegression()}, dict[str, Any], "opaque"),
    ([FRAME], list[pd.DataFrame], "opaque"),
    (Config(0.5), Any, "opaque"),
    (Wide(0.5), Config, "opaque"),
    (pd.Timestamp("2024"), pd.Timestamp, "opaque"),
    (range(2), range, "opaque"),
    (LogisticRegression, type, "opaque"),
]


@pytest.mark.parametrize(("value", "hint", "expected"), CHOICES, ids=stable_id)
def test_the_choice_follows_from_value_and_annotation(value: Any, hint: Any, expected: str, tmp_path: Path) -> None:
    """Each kind of value has one format, what is chosen is what encodes, and it reads its own format."""
    codec = REGISTRY.choose(value, hint)
    encoded = REGISTRY.encode(value, hint)
    assert codec.format == encoded.format == expected
    assert REGISTRY.named(expected) is codec
    assert codec.encode(value, hint) == encoded


def test_paths_are_chosen_by_where_they_stand(tmp_path: Path) -> None:
    """A path is a tree; a value with a path in it is JSON with files."""
    (tmp_path / "a").write_bytes(b"x")
    assert REGISTRY.choose(tmp_path / "a", Path).format == "path"
    assert REGISTRY.choose([tmp_path / "a"], list[Path]).format == "json-files"


@pytest.mark.parametrize(("value", "hint", "expected"), CHOICES, ids=stable_id)
def test_every_codec_keeps_the_contract(value: Any, hint: Any, expected: str, tmp_path: Path) -> None:
    """The digest is that of format and payload, chunks are what their digests say, and decoding is a fixpoint."""
    encoded = REGISTRY.encode(value, hint)
    assert encoded.digest == digest_payload(encoded.format, encoded.payload)
    for chunk in encoded.chunks:
        assert chunk.digest == digest_chunk(chunk.content)
        assert chunk.size == len(chunk.content)
    back = REGISTRY.decode(MemoryStored(encoded), hint, tmp_path)
    assert REGISTRY.encode(back, hint).digest == encoded.digest


def test_a_producers_annotation_serves_a_looser_consumer() -> None:
    """A consumer that says `Any` or a base class gets the producer's class where its annotation is known."""
    stored = MemoryStored(REGISTRY.encode(Config(0.5), Config))
    for consumer in (Any, object, None):
        assert REGISTRY.decode(stored, consumer, NOWHERE, produced_as=Config) == Config(0.5)
        with pytest.raises(CodecError, match="cannot be read as"):
            REGISTRY.decode(stored, consumer, NOWHERE)


def test_values_of_unnamed_classes_still_reach_their_consumers() -> None:
    """A value whose class the annotation does not name is kept whole, with its class."""
    assert received([Wide(0.5, 3)], list[Config]) == [Wide(0.5, 3)]


def test_a_mutated_value_is_another_than_the_one_received() -> None:
    """What a consumer does to its value reaches neither the producer's object nor another consumer."""
    rows = {"a": [1]}
    stored = MemoryStored(REGISTRY.encode(rows, dict))
    first, second = (REGISTRY.decode(stored, dict, NOWHERE) for _ in range(2))
    first["a"].append(2)
    assert rows == second == {"a": [1]}


def test_estimators_are_denied_with_pickle() -> None:
    """An estimator is pickle too."""
    denying = CodecRegistry("deny")
    with pytest.raises(CodecError, match="LogisticRegression would be stored as pickle"):
        denying.encode(LogisticRegression(), LogisticRegression)
    for value in (1, "a", FRAME, np.zeros(2), Config(1.0)):
        assert denying.encode(value, type(value)) == REGISTRY.encode(value, type(value))


def test_an_unknown_format_is_named() -> None:
    """A store written by something newer gives a clear error."""
    with pytest.raises(CodecError, match="No codec reads the format 'video'"):
        REGISTRY.named("video")


def test_an_equal_value_of_another_format_has_another_digest() -> None:
    """Formats never share digests, whatever their payloads."""
    assert len({digest_of(value) for value in ("1", 1, b"1", ["1"], np.array(1))}) == 5


LIGHT = """
import sys
from pathlib import Path
from tests.codecs.round_trip import received
from flowkit.authoring.types import Metrics
for value in (1, 0.5, "a", b"a", {"a": [1]}, Metrics(a=1.0)):
    assert received(value, type(value)) == value
heavy = "numpy pandas polars pyarrow pandera pydantic beartype networkx cloudpickle sklearn".split()
print([name for name in heavy if name in sys.modules])
"""


def test_plain_values_import_nothing_heavy() -> None:
    """Storing and reading plain values costs no import that is not needed."""
    done = subprocess.run(
        [sys.executable, "-c", LIGHT], check=True, capture_output=True, text=True, cwd=PROJECT, env=dict(os.environ)
    )
    assert done.stdout.strip() == "[]"
