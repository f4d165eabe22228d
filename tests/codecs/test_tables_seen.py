"""Tables as filtering contracts show them: what is decoded and what counts in a key are one thing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd
import pandera.pandas as pandera
import pandera.polars as pandera_polars
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowkit.codecs.tables import TableCodec
from flowkit.codecs.tables_manifest import compare_manifests, load_manifest
from flowkit.codecs.tables_views import digest_view, view_table
from flowkit.contracts import Border, ColumnSelection, enforce, selections_in
from flowkit.errors import CodecError, ContractError
from tests.codecs.memory_stored import MemoryStored

CODEC = TableCodec()
KEPT = ColumnSelection(frozenset({"a", "b"}))
WHERE = Border.parameter_of("use", "rows")

OTHERS = ["c", "d", "größe", "a b"]
VALUES: dict[str, st.SearchStrategy[list[Any]]] = {
    "int": st.lists(st.integers(-2, 2), min_size=3, max_size=3),
    "float": st.lists(st.sampled_from([0.0, -0.0, 1.5, float("nan")]), min_size=3, max_size=3),
    "text": st.lists(st.sampled_from(["", "x", "ü"]), min_size=3, max_size=3),
    "gaps": st.lists(st.sampled_from(["x", None]), min_size=3, max_size=3),
}
COLUMN = st.sampled_from(sorted(VALUES)).flatmap(VALUES.__getitem__)
INDEXES: list[Any] = [
    None,
    pd.Index([3, 1, 1], name="id"),
    pd.Index(["p", "q", "r"]),
    pd.MultiIndex.from_tuples([(1, "x"), (1, "y"), (2, "x")], names=["one", None]),
]


def stored(table: Any) -> MemoryStored:
    return MemoryStored(CODEC.encode(table, Any))


def seen(table: Any, kept: ColumnSelection = KEPT) -> str | None:
    return digest_view(stored(table).payload, kept)


def given_of(table: Any, hint: Any, kept: ColumnSelection = KEPT) -> Any:
    return CODEC.decode_view(stored(table), hint, kept)


@st.composite
def widened(draw: st.DrawFn, columns: dict[str, list[Any]]) -> dict[str, list[Any]]:
    """Return the columns in their order with others before, between and behind them."""
    others = draw(st.permutations(OTHERS))
    gaps = [draw(st.integers(0, 1)) for _ in range(len(columns) + 1)]
    rest = iter(others)
    wide: dict[str, list[Any]] = {}
    for number, (name, values) in enumerate(columns.items()):
        wide.update({next(rest): draw(COLUMN) for _ in range(gaps[number])})
        wide[name] = values
    wide.update({next(rest): draw(COLUMN) for _ in range(gaps[-1])})
    return wide


@st.composite
def two_alike(draw: st.DrawFn) -> tuple[dict[str, list[Any]], dict[str, list[Any]]]:
    """Return two tables that differ in nothing but what lies beside `a` and `b`."""
    names = draw(st.permutations(["a", "b"]))
    columns = {name: draw(COLUMN) for name in names}
    return draw(widened(columns)), draw(widened(columns))


def as_kind(kind: str, columns: dict[str, list[Any]], index: Any) -> Any:
    if kind == "polars":
        return pl.DataFrame(columns, strict=False)
    frame = pd.DataFrame(columns, index=index)
    return frame if kind == "pandas" else pa.Table.from_pandas(frame.reset_index(drop=True))


def same_value(one: Any, other: Any) -> None:
    if isinstance(one, pd.DataFrame):
        pd.testing.assert_frame_equal(one, other, check_exact=True)
        assert one.columns.identical(other.columns)
    elif isinstance(one, pl.DataFrame):
        assert one.schema == other.schema
        assert one.equals(other)
    else:
        assert one.schema.equals(other.schema, check_metadata=True)
        assert one.to_pydict().__repr__() == other.to_pydict().__repr__()


@settings(max_examples=30, deadline=None)
@given(two_alike(), st.sampled_from(["pandas", "polars", "pyarrow"]), st.sampled_from(INDEXES))
def test_tables_that_agree_on_what_is_seen_are_one(
    tables: tuple[dict[str, list[Any]], dict[str, list[Any]]], kind: str, index: Any
) -> None:
    """Whatever columns lie beside the selected ones: one digest, and the very same value for every library."""
    one, other = (as_kind(kind, columns, index) for columns in tables)

    assert seen(one) == seen(other) is not None
    libraries = [type(one)] if index is not None else [pd.DataFrame, pl.DataFrame, pa.Table]
    for library in libraries:
        first, second = given_of(one, library), given_of(other, library)
        assert set(first.columns if library is not pa.Table else first.column_names) == {"a", "b"}
        same_value(first, second)


@settings(max_examples=30, deadline=None)
@given(st.data(), st.sampled_from(["pandas", "polars", "pyarrow"]))
def test_a_difference_in_what_is_seen_gives_another_digest(data: st.DataObject, kind: str) -> None:
    """Another cell, dtype, order or number of rows of the selected columns is another digest."""
    columns = {"a": data.draw(VALUES["int"]), "b": data.draw(VALUES["float"])}
    before = as_kind(kind, data.draw(widened(columns)), None)
    row = data.draw(st.integers(0, 2))
    changes = {
        "cell": {**columns, "a": [value + (place == row) for place, value in enumerate(columns["a"])]},
        "dtype": {**columns, "a": [float(value) for value in columns["a"]]},
        "order": {"b": columns["b"], "a": columns["a"]},
        "missing": {"a": columns["a"]},
    }
    changed = data.draw(st.sampled_from(sorted(changes)))
    after = as_kind(kind, data.draw(widened(changes[changed])), None)

    assert seen(before) != seen(after)


WIDE = pd.DataFrame({"a": [1, 2], "x": [3, 4], "b": ["p", "q"]})

NOTED = WIDE.copy()
NOTED.attrs["source"] = "survey"

FACTS: dict[str, tuple[Any, Any]] = {
    "index": (WIDE, WIDE.set_axis([5, 6])),
    "name of the index": (WIDE, WIDE.rename_axis("id")),
    "rows": (WIDE, WIDE.head(1)),
    "attributes": (WIDE, NOTED),
    "a flag": (WIDE, WIDE.set_flags(allows_duplicate_labels=False)),
    "name of the columns": (WIDE, WIDE.rename_axis(columns="what")),
    "kind": (WIDE, pl.from_pandas(WIDE)),
    "dtype of the labels": (WIDE, WIDE.set_axis(pd.Index(list(WIDE.columns), dtype=object), axis=1)),
    "metadata": (pa.table({"a": [1]}), pa.table({"a": [1]}).replace_schema_metadata({"k": "v"})),
}


@pytest.mark.parametrize("fact", FACTS)
def test_facts_of_the_table_that_the_step_can_see_count(fact: str) -> None:
    """What belongs to the table as a whole counts as before, beside the selected columns."""
    before, after = FACTS[fact]
    assert None is not seen(before) != seen(after) is not None


WHOLE: dict[str, Any] = {
    "labels of several levels": pd.DataFrame([[1, 2]], columns=pd.MultiIndex.from_tuples([("a", "x"), ("b", "y")])),
    "labels that are no text": pd.DataFrame({"a": [1], 3: [2]}),
    "labels of a class of their own": pd.DataFrame([[1, 2]], columns=pd.CategoricalIndex(["a", "b"])),
    "two columns of one name": pd.DataFrame([[1, 2, 3]], columns=["a", "x", "a"]),
    "none of the columns": pd.DataFrame({"x": [1]}),
    "a series": pd.Series([1], name="a"),
    "a column that is the index for pandas": pa.Table.from_pandas(pd.DataFrame({"a": [1]}, index=["z"])),
}


@pytest.mark.parametrize("what", WHOLE)
def test_where_columns_cannot_be_told_apart_the_whole_table_counts(what: str) -> None:
    """There is no digest of a part then, and the value is the whole table."""
    table = WHOLE[what]
    assert seen(table) is None
    whole = CODEC.decode(stored(table), type(table), Path())
    part = given_of(table, type(table))
    assert str(part) == str(whole)


def test_only_the_selected_columns_are_opened() -> None:
    """Of a large table no chunk of another column is touched, and a column that needs pickle does not matter."""
    wide = pd.DataFrame({name: np.arange(100_000) + number for number, name in enumerate("axbyz")})
    table = stored(wide)
    part = CODEC.decode_view(table, pd.DataFrame, KEPT)
    assert list(part) == ["a", "b"]
    assert len(table.opened) == 2

    pickled = stored(pd.DataFrame({"a": [1, 2], "x": pd.Series([{1}, {2}], dtype=object)}))
    strict = TableCodec("deny")
    with pytest.raises(CodecError):
        strict.decode(pickled, pd.DataFrame, Path())
    assert list(strict.decode_view(pickled, pd.DataFrame, KEPT)) == ["a"]


def test_a_part_of_a_table_is_compared_by_what_is_seen() -> None:
    """Only the selected columns are named among the differences between two tables."""
    after = WIDE.assign(a=[1, 3], x=[9, 9], y=[0, 0])
    then, now = (view_table(load_manifest(stored(table).payload), KEPT) for table in (WIDE, after))
    found = compare_manifests(then, now)
    assert (found.added, found.removed, found.changed) == ((), (), ("a",))
    assert [found.reordered, found.index_changed, found.facts_changed] == [False] * 3


def test_a_digest_needs_no_table_library(tmp_path: Path) -> None:
    """Keys are computed without pandas, pyarrow or pandera, so a reused run loads none of them for flowkit."""
    manifest = tmp_path / "manifest"
    manifest.write_bytes(stored(WIDE).payload)
    program = f"""
import sys
from flowkit.codecs.tables_views import digest_view
from flowkit.contracts import ColumnSelection
print(digest_view(open({str(manifest)!r}, "rb").read(), ColumnSelection(frozenset({{"a", "b"}}))))
print([name for name in ("pandas", "pyarrow", "pandera", "numpy") if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[:2] == [seen(WIDE), "[]"]


def at_random(draw: st.DrawFn, module: Any) -> Any:
    """Return a filtering schema with whatever looks at columns before or after the others are gone."""
    names = draw(st.lists(st.sampled_from(["a", "b", "m", "c"]), min_size=1, max_size=4, unique=True))
    columns = {
        name: module.Column(
            required=draw(st.booleans()), nullable=True, unique=draw(st.sampled_from([False, False, False, True]))
        )
        for name in names
    }
    if draw(st.booleans()):
        columns["[ab]$"] = module.Column(regex=True, required=False, nullable=True)
    options: dict[str, Any] = {name: draw(st.booleans()) for name in ("ordered", "add_missing_columns")}
    if module is pandera:
        options["unique_column_names"] = draw(st.booleans())
        options["checks"] = pandera.Check(lambda frame: "x" not in frame and len(frame.columns) < 4)
    return module.DataFrameSchema(columns, strict="filter", **options)


@st.composite
def contracts(draw: st.DrawFn) -> Any:
    table, module = draw(
        st.sampled_from(
            [
                (pd.DataFrame, pandera),
                (pl.DataFrame, pandera_polars),
                (pa.Table, pandera),
                (pa.Table, pandera_polars),
            ]
        )
    )
    return Annotated[table, at_random(draw, module)]


AS_TABLE: dict[Any, Any] = {
    pd.DataFrame: lambda frame: frame,
    pl.DataFrame: pl.from_pandas,
    pa.Table: pa.Table.from_pandas,
}


def outcome(value: Any, hint: Any) -> tuple[str, Any]:
    """Return what the hand-over makes of a table: the value, or which error."""
    try:
        return "given", enforce(value, hint, where=WHERE)
    except ContractError as error:
        return error.message, None


@settings(max_examples=40, deadline=None)
@given(contracts(), st.data())
def test_the_hand_over_makes_the_same_of_the_part_as_of_the_whole(hint: Any, data: st.DataObject) -> None:
    """Whatever a contract checks, orders, adds or leaves out: validating its columns is validating the whole table."""
    kept = selections_in(hint).table
    assert kept is not None
    columns = data.draw(widened({"a": data.draw(COLUMN), "b": data.draw(COLUMN)}))
    frame = pd.DataFrame({"x": [1, 2, 3], **columns})
    source = stored(AS_TABLE[hint.__origin__](frame))

    whole = outcome(CODEC.decode(source, hint, Path()), hint)
    part = outcome(CODEC.decode_view(source, hint, kept), hint)

    assert whole[0] == part[0]
    if whole[1] is not None:
        same_value(whole[1], part[1])
