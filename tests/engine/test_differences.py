"""How two results differ is told by place, column or size, with the hint that fits."""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from flowkit.codecs.registry import CodecRegistry
from flowkit.housekeeping.verifying.differences import (
    BYTES_ONLY,
    GENERAL,
    LOST,
    NOISE,
    ORDER,
    PLACE,
    Contents,
    Difference,
    describe_difference,
)
from flowkit.store import LocalStore, StoreFolder


class Alike:
    """Equal to all of its kind, whatever it holds."""

    def __init__(self, held: int) -> None:
        self.held = held

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Alike)

    __hash__ = None  # type: ignore[assignment]


class Nameless:
    """Has no == of its own."""

    def __init__(self, held: int) -> None:
        self.held = held


TABLE = pd.DataFrame({"a": [1, 2], "b": ["x", "y"]})

CASES: list[tuple[str, Any, Any, str, str]] = [
    ("scalar", 1, 2, "1, then 2", GENERAL),
    ("kind", 1, 1.0, "1, then 1.0", GENERAL),
    ("key", {"k": [1, {"m": 2}]}, {"k": [1, {"m": 3}]}, '["k"][1]["m"]: 2, then 3', GENERAL),
    ("gone", {"k": 1, "m": 2}, {"k": 1}, '["m"]: 2, then absent', GENERAL),
    ("length", [1, 2], [1, 2, 3], "has another length: 2, then 3", GENERAL),
    ("order", ["b", "a"], ["a", "b"], "the same elements in another order", ORDER),
    ("many", list(range(9)), list(range(1, 10)), "and 6 more places", GENERAL),
    ("tuple", (1, "x"), (1, "y"), '[1]: "x", then "y"', GENERAL),
    ("noise", [0.1 + 0.2], [0.3], "[0]: 0.30000000000000004, then 0.3", NOISE),
    ("folder", {"at": "/home/x"}, {"at": "/elsewhere/x"}, '["at"]', PLACE),
    ("formats", 1, "1", "stored as json, then as str", GENERAL),
    ("text", "a\nb", "a\nc", 'line 2: "b", then "c"', GENERAL),
    ("lines", "a\nb", "b\na", "the same lines in another order", ORDER),
    ("longer", "a", "a\nb", "1 lines, then 2", GENERAL),
    ("text in a folder", "at /home", "at /elsewhere", "line 1", PLACE),
    ("bytes", b"a", b"bc", "1 bytes, then 2", GENERAL),
    ("array", np.arange(3), np.array([0, 5, 2]), "1 of 3 elements differ", GENERAL),
    ("array order", np.array([1, 2]), np.array([2, 1]), "the same elements in another order", ORDER),
    ("array noise", np.array([0.1 + 0.2, np.nan]), np.array([0.3, np.nan]), "1 of 2 elements differ, by", NOISE),
    ("array shape", np.zeros(2), np.zeros(3), "float64 [2], then float64 [3]", GENERAL),
    ("array chance", np.array([1.0]), np.array([2.5]), "1 of 1 elements differ, by at most 1.5", GENERAL),
    ("column", TABLE, TABLE.assign(b=["x", "z"]), "other values in column b", GENERAL),
    ("columns", TABLE, TABLE[["a"]].assign(c=1), "new column c", GENERAL),
    ("rows", TABLE, TABLE.head(1), "2 rows, then 1", GENERAL),
    ("row order", TABLE, TABLE.iloc[::-1].reset_index(drop=True), "other values in columns a, b", "sort_values"),
    ("index", TABLE, TABLE.set_index(pd.Index([5, 6])), "another index", GENERAL),
    ("equal", Alike(1), Alike(2), "only the bytes of the pickle differ: the Alike is equal by ==", BYTES_ONLY),
    ("unequal", OrderedDict(a=1), OrderedDict(a=2), "another OrderedDict, also by ==", GENERAL),
]


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return LocalStore(StoreFolder.create_or_open(tmp_path / "store"))


def compare(store: LocalStore, before: Any, after: Any, folder: Path) -> Difference:
    codecs = CodecRegistry()
    old, new = (
        store.put(codecs.encode(value, Path if isinstance(value, Path) else type(value))) for value in (before, after)
    )
    contents = Contents(
        lambda artifact: bytes(store.open(artifact).payload),
        lambda artifact: codecs.decode(store.open(artifact), Any, folder),
        lambda artifact, digest: bytes(store.open(artifact).chunk(digest)),
        "/elsewhere",
    )
    assert old.digest != new.digest
    return describe_difference(old, new, contents)


@pytest.mark.parametrize(("before", "after", "line", "hint"), [case[1:] for case in CASES], ids=[c[0] for c in CASES])
def test_a_difference_is_told_by_its_place_and_its_usual_cause(
    store: LocalStore, tmp_path: Path, before: Any, after: Any, line: str, hint: str
) -> None:
    """Each format says where it differs, and the hint is the one for that kind of difference."""
    found = compare(store, before, after, tmp_path)

    assert any(line in told for told in found.lines), found.lines
    assert hint in found.hint


FILES = [
    ("size", {"a.bin": b"\xff12"}, {"a.bin": b"\xff3"}, ["a.bin: 3 bytes, then 2"], GENERAL),
    ("text", {"a.txt": b"1\n2"}, {"a.txt": b"1\n3"}, ['a.txt: line 2: "2", then "3"'], GENERAL),
    ("place", {"a.txt": b"/home/p"}, {"a.txt": b"/elsewhere/p"}, ['a.txt: line 1: "/home/p", then'], PLACE),
    ("empty", {"a.txt": b""}, {"a.txt": b"x"}, ["a.txt: 0 lines, then 1"], GENERAL),
    ("base name", {"a.txt": b"x"}, {"b.txt": b"x"}, ["named a.txt, then b.txt"], GENERAL),
    (
        "folder",
        {"out/a": b"1", "out/gone": b"2", "out/same": b"3"},
        {"out/a": b"2", "out/new": b"2", "out/same": b"3"},
        ['a: line 1: "1", then "2"', "gone: missing", "new: new"],
        GENERAL,
    ),
    (
        "many",
        {f"out/{name}": b"1" for name in "abcde"},
        {f"out/{name}": b"2" for name in "abcde"},
        ["a: ", "b: ", "c: ", "and 2 more files"],
        GENERAL,
    ),
    ("kind", {"out": b"1"}, {"out/a": b"1"}, ["a file, then a folder"], GENERAL),
]


@pytest.mark.parametrize(("before", "after", "lines", "hint"), [case[1:] for case in FILES], ids=[c[0] for c in FILES])
def test_returned_files_differ_by_name_and_content(
    store: LocalStore, tmp_path: Path, before: dict[str, bytes], after: dict[str, bytes], lines: list[str], hint: str
) -> None:
    """A `Path` is told by its files: which are new, missing or other ones, and where; not by what flowkit keeps."""
    places = []
    for side, files in (("then", before), ("now", after)):
        for name, content in files.items():
            (tmp_path / side / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / side / name).write_bytes(content)
        places.append(tmp_path / side / next(iter(files)).partition("/")[0])

    found = compare(store, *places, tmp_path / "unused")

    assert len(found.lines) == len(lines), found.lines
    assert all(told.startswith(line) for told, line in zip(found.lines, lines, strict=True)), found.lines
    assert found.hint == hint


def test_a_class_without_equality_is_compared_by_content_where_joblib_is_loaded(
    store: LocalStore, tmp_path: Path
) -> None:
    """An estimator has no ==: what joblib finds in it speaks for it."""
    import joblib  # noqa: F401

    assert compare(store, Nameless(1), Nameless(2), tmp_path).lines == ("another Nameless, also by joblib.hash",)


def test_what_is_gone_cannot_be_compared_and_says_so(store: LocalStore, tmp_path: Path) -> None:
    """A recorded table that is lost leaves the digests, and the way to get on."""
    codecs = CodecRegistry()
    old, new = (store.put(codecs.encode(TABLE.assign(n="x" * 9000 + name), pd.DataFrame)) for name in "ab")
    for file in old.files:
        store.folder.blob_path(file.name).unlink()
    contents = Contents(
        lambda artifact: bytes(LocalStore(store.folder).open(artifact).payload),
        lambda _: None,
        lambda _, digest: b"",
        "/x",
    )

    found = describe_difference(old, new, contents)

    assert "is lost" in found.lines[0]
    assert found.hint == LOST
