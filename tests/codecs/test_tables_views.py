"""A stored table as another kind, in part, described, compared, exported, and where pickle is denied."""

from __future__ import annotations

import datetime as dt
import subprocess
import sys
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd
import pandera.pandas as pandera
import pandera.typing as pandera_typing
import polars as pl
import polars.testing
import pyarrow as pa
import pyarrow.parquet
import pytest

from flowkit.codecs.base import Encoded
from flowkit.codecs.tables import TableCodec, compare_tables, contains_pickle, describe_table, export_table, table_kind
from flowkit.errors import CodecError
from tests.codecs.memory_stored import MemoryStored
from tests.codecs.tables_values import PANDAS_COLUMNS

CODEC = TableCodec()
NOWHERE = Path("unused")

PANDAS = pd.DataFrame(
    {
        "i": [1, 2],
        "f": [np.nan, 1.0],
        "s": ["a", None],
        "t": pd.date_range("2020", periods=2, tz="Europe/Berlin"),
        "c": pd.Categorical(["x", None]),
        "n": pd.array([1, None], dtype="Int64"),
        "b": [True, False],
        "o": pd.Series([dt.date(2020, 1, 1), None], dtype=object),
    }
)
POLARS = pl.DataFrame(
    {
        "i": [1, None],
        "u": pl.Series([1, None], dtype=pl.UInt8),
        "whole": [1, 2],
        "b": [True, None],
        "s": ["a", None],
        "c": pl.Series(["x", None], dtype=pl.Categorical),
        "f": [1.5, None],
        "t": [dt.datetime(2020, 1, 1), None],
        "l": [[1], None],
    }
)


def stored(value: Any) -> MemoryStored:
    return MemoryStored(CODEC.encode(value, object))


def view(value: Any, hint: Any) -> Any:
    return CODEC.decode(stored(value), hint, NOWHERE)


def payload(value: Any) -> bytes:
    return bytes(CODEC.encode(value, object).payload)


class Schema(pandera.DataFrameModel):
    """Something to annotate with."""


@pytest.mark.parametrize(
    ("hint", "kind"),
    [
        (pd.DataFrame, pd.DataFrame),
        (Annotated[pd.DataFrame, "schema"], pd.DataFrame),
        (pandera_typing.DataFrame[Schema], pd.DataFrame),
        (pl.DataFrame | None, pl.DataFrame),
        (Annotated[pa.Table, "schema"], pa.Table),
        (pd.DataFrame | pl.DataFrame, pd.DataFrame),
        (Any, pd.DataFrame),
        (object, pd.DataFrame),
    ],
)
def test_the_hint_decides_the_kind(hint: Any, kind: type) -> None:
    """A consumer gets the table its annotation names; a hint that names none, or several, the kind that was stored."""
    assert type(view(pd.DataFrame({"a": [1]}), hint)) is kind


def test_pandas_as_polars_and_pyarrow() -> None:
    """Values, missing values, zones and categories carry over; the default index is left out."""
    frame, table = view(PANDAS, pl.DataFrame), view(PANDAS, pa.Table)

    assert frame.drop("f").to_dicts() == table.drop_columns(["f"]).to_pylist()
    assert dict(frame.schema) == {
        "i": pl.Int64,
        "f": pl.Float64,
        "s": pl.String,
        "t": pl.Datetime("us", "Europe/Berlin"),
        "c": pl.Categorical,
        "n": pl.Int64,
        "b": pl.Boolean,
        "o": pl.Date,
    }
    assert frame["s"].to_list() == ["a", None]
    assert frame["f"].is_nan().to_list() == [True, False]
    assert frame["f"].null_count() == 0
    assert table.schema.field("t").type == pa.timestamp("us", "Europe/Berlin")
    assert table["t"].to_pylist()[0] == PANDAS["t"][0].to_pydatetime()


def test_polars_as_pandas_loses_no_number() -> None:
    """Integers and booleans with missing values become nullable dtypes, others what pandas makes of them."""
    frame = view(POLARS, pd.DataFrame)

    assert frame.dtypes.astype(str).tolist() == [
        "Int64",
        "UInt8",
        "int64",
        "boolean",
        "str",
        "category",
        "float64",
        "datetime64[us]",
        "object",
    ]
    assert frame["i"].isna().tolist() == [False, True]
    frame.loc[0, "whole"] = 7
    frame.loc[0, "f"] = 7.5
    frame.loc[0, "s"] = "z"
    assert frame.iloc[0].tolist()[2] == 7


@pytest.mark.parametrize("rows", [0, 3])
def test_pyarrow_as_pandas_and_polars(rows: int) -> None:
    """A pyarrow table reads as either, with no rows too."""
    table = pa.table({"a": pa.array(range(rows), pa.int32()), "s": pa.array(["x"] * rows, pa.string())})

    assert view(table, pl.DataFrame).rows() == [(place, "x") for place in range(rows)]
    assert view(table, pd.DataFrame).to_dict("list") == {"a": list(range(rows)), "s": ["x"] * rows}
    assert view(table, pd.DataFrame)["a"].dtype == np.dtype("i4")


def test_polars_as_pyarrow_and_back() -> None:
    """What polars stored reads as pyarrow, and that as the same polars frame but for what Arrow has no name for."""
    table = view(POLARS, pa.Table)

    polars.testing.assert_frame_equal(view(table, pl.DataFrame), POLARS)


def test_series_cross_libraries() -> None:
    """A Series reads as the other library's Series."""
    polars.testing.assert_series_equal(view(pd.Series([1, 2]), pl.Series), pl.Series([1, 2]))
    pd.testing.assert_series_equal(view(pl.Series("q", [1, 2]), pd.Series), pd.Series([1, 2], name="q"))


@pytest.mark.parametrize("columns", [0, 2])
def test_only_the_default_index_is_left_out(columns: int) -> None:
    """Another index has no place outside pandas: the error names the remedy."""
    frame = pd.DataFrame(np.zeros((2, columns)), columns=[f"c{place}" for place in range(columns)])

    assert view(frame, pl.DataFrame).shape == (2, columns)
    for index in (pd.Index([5, 6]), pd.RangeIndex(1, 3), pd.RangeIndex(2, name="n")):
        with pytest.raises(CodecError, match=r"reset_index\(\)"):
            view(frame.set_axis(index), pl.DataFrame)


@pytest.mark.parametrize(
    ("value", "hint", "words"),
    [
        (pd.DataFrame([[1]], columns=[7]), pl.DataFrame, "Column 7 .* unique text"),
        (pd.DataFrame([[1, 2]], columns=["a", "a"]), pa.Table, "Column a .* unique text"),
        (pa.table([[1], [2]], names=["a", "a"]), pl.DataFrame, "Column a .* unique text"),
        (pd.DataFrame({"a": PANDAS_COLUMNS["interval"]}), pl.DataFrame, "Column a cannot be given as polars.DataFrame"),
        (pd.DataFrame({"a": PANDAS_COLUMNS["complex128"]}), pa.Table, "Column a cannot be given as pyarrow.Table"),
        (pd.DataFrame({"a": PANDAS_COLUMNS["containers"]}), pa.Table, "Column a cannot be given as pyarrow.Table"),
        (pl.DataFrame({"a": pl.Series([1], dtype=pl.Int128)}), pd.DataFrame, "Column a cannot be given as pandas"),
        (pd.Series([1]), pd.DataFrame, "pandas.Series cannot be given as pandas.DataFrame"),
        (pd.DataFrame({"a": [1]}), pd.Series, "pandas.DataFrame cannot be given as pandas.Series"),
    ],
)
def test_what_another_kind_cannot_hold_is_refused_by_name(value: Any, hint: Any, words: str) -> None:
    """No value is changed silently: the error names the column and what it holds."""
    with pytest.raises(CodecError, match=words):
        view(value, hint)


def test_only_the_columns_asked_for_are_opened() -> None:
    """A reader of two columns of a large table opens their chunks and no other."""
    rows = 100_000
    frame = pd.DataFrame({name: np.arange(rows) + place for place, name in enumerate("abcd")})
    table = stored(frame)

    some = CODEC.decode_columns(table, pd.DataFrame, ["d", "a"])

    pd.testing.assert_frame_equal(some, frame[["d", "a"]])
    assert len(table.opened) == 2


@pytest.mark.parametrize("index", [pd.RangeIndex(3), pd.Index([3, 1, 2]), pd.CategoricalIndex(["x", "y", "z"])])
def test_some_columns_of_any_labels_can_be_read(index: pd.Index) -> None:
    """Labels of every dtype select, exactly."""
    frame = pd.DataFrame([[1, 2, 3]], columns=index)
    label = index.tolist()[1]

    some = CODEC.decode_columns(stored(frame), pd.DataFrame, [label])

    assert some.columns.tolist() == [label]
    assert some.iloc[0, 0] == 2


def test_a_column_that_is_not_there_is_named() -> None:
    """Asking for an unknown column names it and those that are there."""
    with pytest.raises(CodecError, match=r"no column 'x'(.|\n)*a, b"):
        CODEC.decode_columns(stored(pd.DataFrame({"a": [1], "b": [2]})), pd.DataFrame, ["x"])


class Subclass(pd.DataFrame):
    """A frame with more to it."""


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (pd.DataFrame(), "pandas"),
        (pd.Series([1]), "pandas"),
        (pandera_typing.DataFrame({"a": [1]}), "pandas"),
        (pl.DataFrame(), "polars"),
        (pl.Series([1]), "polars"),
        (pa.table({"a": [1]}), "pyarrow"),
        (pl.LazyFrame(), None),
        (Subclass(), None),
        (pd.Index([1]), None),
        ({"a": [1]}, None),
        (pd.DataFrame, None),
    ],
)
def test_the_kind_of_a_value(value: Any, kind: str | None) -> None:
    """Tables and series of the three libraries are known; subclasses and lazy frames are not tables."""
    assert table_kind(value) == kind
    assert CODEC.handles(value) == (kind is not None)


def test_a_value_that_is_no_table_is_refused() -> None:
    """The codec does not guess."""
    with pytest.raises(CodecError, match="dict"):
        CODEC.encode({}, object)


DESCRIPTIONS = {
    "int64": "int64",
    "str": "str",
    "string": "string",
    "datetime ns": "datetime64[ns]",
    "zone": "datetime64[us, Europe/Berlin]",
    "UTC": "datetime64[us, UTC]",
    "category": "category",
    "Int16": "Int16",
    "period": "period[M]",
    "interval": "interval[int64, left]",
    "sparse bool": "Sparse[bool, False]",
    "arrow string": "string[pyarrow]",
    "plain objects": "object",
    "text objects": "object",
}


def test_a_description_tells_columns_with_dtypes_and_rows() -> None:
    """`describe_table` names dtypes as pandas does, from the manifest alone."""
    frame = pd.DataFrame({name: PANDAS_COLUMNS[name] for name in DESCRIPTIONS})

    described = describe_table(payload(frame))

    assert (described.kind, described.rows, described.index) == ("pandas.DataFrame", 3, "RangeIndex(0, 3, 1)")
    assert {column.name: column.dtype for column in described.columns} == DESCRIPTIONS
    assert all(column.bytes > 0 for column in described.columns)


def test_polars_and_pyarrow_are_described_in_their_own_words() -> None:
    """Dtypes read as their library prints them."""
    frame = pl.DataFrame({"l": [[1]], "t": [dt.datetime(2020, 1, 1)], "s": [{"a": 1}]})
    table = pa.table({"l": pa.array([[1]])})

    assert [column.dtype for column in describe_table(payload(frame)).columns] == [
        "List(Int64)",
        "Datetime(us)",
        "Struct(a: Int64)",
    ]
    assert [column.dtype for column in describe_table(payload(table)).columns] == [str(table.schema.field(0).type)]


def test_a_comparison_names_the_columns_that_differ() -> None:
    """Added, removed and changed columns are told by name; order, index and other facts are told apart."""
    before = pd.DataFrame({"a": [1], "b": [2], "c": [3]})
    after = pd.DataFrame({"d": [1], "b": [2.0], "c": [3]})

    difference = compare_tables(payload(before), payload(after))

    assert (difference.added, difference.removed, difference.changed) == (("d",), ("a",), ("b",))
    assert (difference.reordered, difference.index_changed, difference.facts_changed) == (False, False, False)


@pytest.mark.parametrize(
    ("after", "fact"),
    [
        (pd.DataFrame({"b": [2], "a": [1]}), "reordered"),
        (pd.DataFrame({"a": [1], "b": [2]}, index=[5]), "index_changed"),
        (pd.DataFrame([[1, 2]], columns=pd.Index(["a", "b"], name="n")), "facts_changed"),
    ],
)
def test_a_comparison_tells_what_is_not_a_column(after: pd.DataFrame, fact: str) -> None:
    """A change beside the columns is seen, and no column is blamed for it."""
    difference = compare_tables(payload(pd.DataFrame({"a": [1], "b": [2]})), payload(after))

    assert difference.changed == ()
    told = {name for name in ("reordered", "index_changed", "facts_changed") if getattr(difference, name)}
    assert told == {fact}


DENIES = TableCodec("deny")


def test_a_table_tells_whether_it_holds_pickle() -> None:
    """Only what has no form of its own is pickled, and the manifest names the types."""
    plain = pd.DataFrame(
        {name: PANDAS_COLUMNS[name] for name in ("plain objects", "scalars", "missing objects", "dates")}
    )

    assert not contains_pickle(payload(plain))
    assert contains_pickle(payload(pd.DataFrame({"c": PANDAS_COLUMNS["containers"]})))
    assert describe_table(payload(pd.DataFrame({"c": PANDAS_COLUMNS["containers"]}))).pickled == (
        "builtins.dict",
        "builtins.list",
        "builtins.tuple",
    )


def test_denied_pickle_is_refused_by_column_and_type() -> None:
    """Where pickle is denied a column that needs it is named; others are stored."""
    assert DENIES.encode(PANDAS, object).digest == CODEC.encode(PANDAS, object).digest
    with pytest.raises(CodecError, match=r"Column 'c' needs pickle(.|\n)*dict"):
        DENIES.encode(pd.DataFrame({"c": [{"a": 1}]}), object)


LOADED: list[str] = []


class Trap:
    """Tells when it is unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return LOADED.append, ("loaded",)


def test_denied_pickle_is_not_loaded() -> None:
    """A stored table with pickle in a value, a label or an attribute is refused before anything is loaded."""
    attributed = pd.DataFrame({"a": [1]})
    attributed.attrs = {"x": {1, 2}}
    frames = [pd.DataFrame({"a": [Trap()]}), pd.DataFrame([[1]], columns=[frozenset({1})]), attributed]
    tables = [stored(frame) for frame in frames]
    LOADED.clear()

    for table in tables:
        with pytest.raises(CodecError, match="denies"):
            DENIES.decode(table, pd.DataFrame, NOWHERE)

    assert LOADED == []


def test_a_value_that_cannot_be_pickled_is_named() -> None:
    """The error names column, type and what to do."""
    with pytest.raises(CodecError, match=r"Column 'f' cannot be stored(.|\n)*generator(.|\n)*Hint"):
        CODEC.encode(pd.DataFrame({"f": pd.Series([(place for place in ())], dtype=object)}), object)


def test_another_version_of_the_format_is_refused() -> None:
    """A manifest of a later version is not guessed at."""
    encoded = Encoded("table", "0" * 64, payload(pl.DataFrame()).replace(b'"version":1', b'"version":2'), ".table")

    with pytest.raises(CodecError, match="format version 2"):
        CODEC.decode(MemoryStored(encoded), object, NOWHERE)


@pytest.mark.parametrize(
    "value", [PANDAS, POLARS.drop("l"), POLARS.drop("l").to_arrow()], ids=["pandas", "polars", "arrow"]
)
def test_export_writes_files_others_read(value: Any, tmp_path: Path) -> None:
    """Parquet and CSV hold the rows and columns, whoever stored the table."""
    parquet = export_table(stored(value), tmp_path / "t.parquet")
    csv = export_table(stored(value), tmp_path / "t.csv")

    names = list(value.columns) if not isinstance(value, pa.Table) else value.column_names
    assert pa.parquet.read_table(parquet).column_names == names
    assert pd.read_csv(csv).columns.tolist() == names
    assert len(pd.read_csv(csv)) == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["t.csv", "t.parquet"]


def test_export_keeps_an_index_of_its_own(tmp_path: Path) -> None:
    """An index with content is written; the default one is not."""
    series = pd.Series([1.5, 2.5], index=pd.Index(["x", "y"], name="key"), name="v")

    path = export_table(stored(series), tmp_path / "t.csv")

    assert path.read_text() == "key,v\nx,1.5\ny,2.5\n"


@pytest.mark.parametrize(
    ("value", "name", "words"),
    [
        (PANDAS, "t.xlsx", "suffix is .xlsx"),
        (PANDAS, "no/folder/t.csv", "cannot be exported"),
        (POLARS, "t.csv", "cannot be exported"),
        (pd.DataFrame({"a": PANDAS_COLUMNS["complex128"]}), "t.parquet", "cannot be exported"),
    ],
)
def test_an_export_that_fails_leaves_no_file(value: Any, name: str, words: str, tmp_path: Path) -> None:
    """What cannot be written is one error, and nothing half-written stays."""
    with pytest.raises(CodecError, match=words):
        export_table(stored(value), tmp_path / name)

    assert list(tmp_path.iterdir()) == []


PROGRAM = """
import sys
from flowkit.codecs.arrays import ArrayCodec
from flowkit.codecs.tables import TableCodec, compare_tables, table_kind
assert table_kind(1) is None and not ArrayCodec().handles(1) and not TableCodec().handles([])
print(sorted({"numpy", "pandas", "polars", "pyarrow", "pandera"} & sys.modules.keys()))
"""


def test_asking_for_a_kind_imports_nothing() -> None:
    """A run that meets no table pays for no table library."""
    printed = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)

    assert printed.stdout.strip() == "[]"
