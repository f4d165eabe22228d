"""Values are validated by their contracts: what comes back is what is stored, what fails is told in full."""

from __future__ import annotations

import pickle
from typing import Annotated, Any

import numpy as np
import pandas as pd
import pandera.pandas as pa
import pandera.polars as pp
import pandera.typing as pat
import polars as pl
import pyarrow
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowkit.contracts import Border, Contract, contract_of, enforce, must_enforce
from flowkit.errors import ContractError

OUT = Border.output_of("load", "return")


class Trip(pa.DataFrameModel):
    fare: float = pa.Field(ge=0, le=1000)
    miles: float
    kind: str


class Ride(pp.DataFrameModel):
    fare: float = pp.Field(ge=0, unique=True)
    miles: int


def contract(hint: Any) -> Contract:
    found = contract_of(hint)
    assert found is not None
    return found


def trips(**columns: list[Any]) -> pd.DataFrame:
    return pd.DataFrame({"fare": [1.0, 2.0, 3.0], "miles": [1.0, 2.0, 3.0], "kind": ["a", "b", "c"]} | columns)


def failure(hint: Any, value: Any, where: Border = OUT) -> dict[str, str]:
    """Validate a value that fails and return the facts by label."""
    with pytest.raises(ContractError) as caught:
        enforce(value, hint, where=where)
    error = caught.value
    assert pickle.loads(pickle.dumps(error)).facts == error.facts
    assert error.hint
    assert error.__context__ is None, "the table must not live on in the error"
    return dict(error.facts)


def test_a_good_table_passes() -> None:
    """A table that holds comes back equal."""
    rows = trips()

    pd.testing.assert_frame_equal(contract(Annotated[pd.DataFrame, Trip]).validate(rows, where=OUT), rows)


TRIPS = Annotated[pd.DataFrame, Trip]

BROKEN = {
    "nulls": (trips(fare=[1.0, None, None]), "fare", "not null: 2 of 3 rows fail, row 1: nan; row 2: nan"),
    "range": (trips(fare=[1.0, -2.0, 3.0]), "fare", "greater_than_or_equal_to(0): 1 of 3 rows fail, row 1: -2.0"),
    "infinite": (trips(fare=[1.0, 2.0, np.inf]), "fare", "less_than_or_equal_to(1000): 1 of 3 rows fail, row 2: inf"),
    "minus infinite": (trips(fare=[-np.inf, 2.0, 3.0]), "fare", "row 0: -inf"),
    "dtype": (trips(miles=[1, 2, 3]), "miles", "dtype float64: is int64"),
    "text for numbers": (trips(miles=["x", "y", "z"]), "miles", "dtype float64: is "),
    "missing": (trips().drop(columns="kind"), "kind", "missing"),
    "empty": (pd.DataFrame(), "fare", "missing"),
}  # fmt: skip


@pytest.mark.parametrize(("rows", "column", "said"), BROKEN.values(), ids=BROKEN)
def test_a_failure_names_column_check_count_and_first_rows(rows: pd.DataFrame, column: str, said: str) -> None:
    """Each kind of bad data is told by its column, the check, how many rows, and the first of them with values."""
    assert said in failure(TRIPS, rows)[column]


def test_all_failures_are_told_at_once() -> None:
    """The whole report is kept, structure first."""
    rows = trips(fare=[-1.0, None, 5000.0], miles=[1, 2, 3]).drop(columns="kind")

    with pytest.raises(ContractError) as caught:
        contract(TRIPS).validate(rows, where=OUT)

    assert [label for label, _ in caught.value.facts] == ["kind", "miles", "fare", "fare", "fare"]


def test_the_message_is_a_sentence_facts_and_a_hint() -> None:
    """A failing output reads as every error of flowkit does."""
    with pytest.raises(ContractError) as caught:
        contract(TRIPS).validate(trips(fare=[1.0, -2.0, 3.0]), where=OUT)

    assert str(caught.value) == (
        "Step 'load' returned a table that breaks the contract Trip.\n"
        "  fare   greater_than_or_equal_to(0): 1 of 3 rows fail, row 1: -2.0\n"
        "Hint: mend what 'load' returns, or change Trip where the data is right."
    )
    assert caught.value.exit_code == 1
    assert not caught.value.retryable


def test_a_parameter_is_named_with_its_step() -> None:
    """At the hand-over the message names the consumer and its parameter."""
    with pytest.raises(ContractError, match="Step 'train' was given a table that breaks the contract Trip of 'rows'"):
        contract(TRIPS).validate(trips(fare=[1.0, -2.0, 3.0]), where=Border.parameter_of("train", "rows"))


def test_first_rows_and_long_values_are_bounded() -> None:
    """A table full of long bad values gives a short message."""
    schema = pa.DataFrameSchema({"text": pa.Column(str, pa.Check(lambda texts: texts.str.len() < 3, name="short"))})

    facts = failure(Annotated[pd.DataFrame, schema], pd.DataFrame({"text": ["x" * 10_000] * 500}))

    assert facts["text"].startswith("short: 500 of 500 rows fail, row 0: ")
    assert facts["text"].endswith("; …")
    assert facts["text"].count("row ") == 3
    assert len(facts["text"]) < 400


def test_many_failing_columns_are_bounded() -> None:
    """A report of hundreds of columns says how many it leaves out."""
    schema = pa.DataFrameSchema({f"c{index}": pa.Column(float) for index in range(70)})

    facts = failure(Annotated[pd.DataFrame, schema], pd.DataFrame({"a": [1]}))

    assert len(facts) == 51
    assert facts["…"] == "and 20 more failing checks"


class Frame(pa.DataFrameModel):
    low: int
    high: int

    class Config:
        unique = ["low", "high"]
        strict = True

    @pa.dataframe_check
    def ordered(cls, rows: pd.DataFrame) -> Any:
        return rows.low <= rows.high

    @pa.dataframe_check
    def enough(cls, rows: pd.DataFrame) -> bool:
        return len(rows) > 2

    @pa.check("low", name="breaks")
    def breaks(cls, low: Any) -> bool:
        if (low > 100).any():
            raise RuntimeError("over a hundred")
        return True


FRAMES = Annotated[pd.DataFrame, Frame]


def test_duplicate_keys_are_told_with_their_rows() -> None:
    """`unique` over columns names the columns, the count and the repeated keys."""
    said = failure(FRAMES, pd.DataFrame({"low": [1, 1, 2], "high": [5, 5, 6]}))["rows"]

    assert "unique (low, high): 2 of 3 rows fail, row 0: low=1, high=5; row 1: low=1, high=5" in said


def test_a_check_over_columns_shows_the_whole_row() -> None:
    """A failing frame-level check shows the values of the columns side by side."""
    said = failure(FRAMES, pd.DataFrame({"low": [1, 9, 3], "high": [5, 6, 7]}))["rows"]

    assert said == "ordered: 1 of 3 rows fail, row 1: low=9, high=6"


def test_a_check_of_the_whole_table_has_no_rows() -> None:
    """A check that gives one truth value is told as about the table."""
    assert (
        failure(FRAMES, pd.DataFrame({"low": [1], "high": [2]}))["rows"] == "enough: does not hold for the whole table"
    )


def test_a_surplus_column_breaks_a_strict_contract() -> None:
    """An extra column is named where the contract is strict."""
    rows = pd.DataFrame({"low": [1, 2, 3], "high": [2, 3, 4], "odd": [1, 1, 1]})

    assert failure(FRAMES, rows)["odd"] == "not in the contract, which is strict"


def test_a_check_that_raises_is_told() -> None:
    """An exception in a person's check is a failure of that check."""
    said = failure(FRAMES, pd.DataFrame({"low": [101, 102, 103], "high": [200, 201, 202]}))["low"]

    assert said == 'breaks: raised RuntimeError("over a hundred")'


@pytest.mark.parametrize("index", [["x", "x", "y"], [0, 0, 0]])
def test_repeated_index_labels_do_not_hide_a_failure(index: list[Any]) -> None:
    """A frame-level failure is told also where the index repeats labels, by row number."""
    facts = failure(FRAMES, pd.DataFrame({"low": [8, 9, 3], "high": [5, 6, 7]}, index=index))

    assert facts == {"rows": "ordered: 2 of 3 rows fail, row 0: low=8, high=5; row 1: low=9, high=6"}


def test_an_index_is_told_as_such() -> None:
    """Failures of the index are labelled `index`."""

    schema = pa.DataFrameSchema({"x": pa.Column(int)}, index=pa.Index(int, pa.Check.ge(1), name="day"))

    facts = failure(Annotated[pd.DataFrame, schema], pd.DataFrame({"x": [1, 2]}, index=pd.Index([0, 0], name="day")))

    assert facts == {"index day": "greater_than_or_equal_to(1): 2 of 2 rows fail, row 0: 0; row 0: 0"}


def test_what_validate_returns_is_kept() -> None:
    """Coercion, filtered columns and dropped rows are in the value that is stored; the input is left alone."""

    class Coerced(pa.DataFrameModel):
        x: float = pa.Field(ge=0)

        class Config:
            coerce = True
            strict = "filter"
            drop_invalid_rows = True

    rows = pd.DataFrame({"x": ["1", "2", "-3"], "y": [0, 0, 0]})

    kept = contract(Annotated[pd.DataFrame, Coerced]).validate(rows, where=OUT)

    pd.testing.assert_frame_equal(kept, pd.DataFrame({"x": [1.0, 2.0]}))
    assert list(rows.columns) == ["x", "y"]
    assert rows.x.tolist() == ["1", "2", "-3"]


def test_what_cannot_be_coerced_is_told_once() -> None:
    """A value that does not become the dtype is named; the dtype is not complained of again."""

    class Coerced(pa.DataFrameModel):
        x: int

        class Config:
            coerce = True

    with pytest.raises(ContractError) as caught:
        enforce(pd.DataFrame({"x": ["1", "two"]}), Annotated[pd.DataFrame, Coerced], where=OUT)

    assert caught.value.facts == (("x", "cannot become int64: row 1: 'two'"),)


def test_a_models_own_validate_is_used() -> None:
    """A model that overrides `validate` decides what is stored."""

    class Doubled(pa.DataFrameModel):
        x: int

        @classmethod
        def validate(cls, check_obj: Any, *args: Any, **kwargs: Any) -> Any:  # type: ignore[override]
            return super().validate(check_obj.assign(x=check_obj.x * 2), *args, **kwargs)

    kept = contract(Annotated[pd.DataFrame, Doubled]).validate(pd.DataFrame({"x": [1, 2]}), where=OUT)

    assert kept.x.tolist() == [2, 4]


@pytest.mark.parametrize(("name", "value"), [("validation_enabled", False), ("validation_depth", "SCHEMA_ONLY")])
def test_pandera_settings_do_not_switch_contracts_off(name: str, value: Any) -> None:
    """A contract is checked in full whatever pandera is configured to skip."""
    from pandera.config import config_context

    with config_context(**{name: value}):
        assert "fare" in failure(TRIPS, trips(fare=[1.0, -2.0, 3.0]))
        assert "fare" in failure(Annotated[pl.DataFrame, Ride], pl.DataFrame({"fare": [-1.0, 2.0], "miles": [1, 2]}))


def test_a_series_is_validated() -> None:
    """`Series[float]` and a `SeriesSchema` hold for series."""
    schema = pa.SeriesSchema(float, pa.Check.ge(0), name="fare")

    assert failure(pat.Series[float], pd.Series([1, 2]))["values"] == "dtype float64: is int64"
    assert "row 1: -1.0" in failure(Annotated[pd.Series, schema], pd.Series([1.0, -1.0], name="fare"))["fare"]
    enforce(pd.Series([1.0]), pat.Series[float], where=OUT)


POLARS = {
    "nulls": ({"fare": [1.0, None], "miles": [1, 2]}, "fare", "not null: 1 of 2 rows fail, row 1: None"),
    "range": ({"fare": [1.0, -1.0], "miles": [1, 2]}, "fare", "1 of 2 rows fail, row 1: -1.0"),
    "duplicates": ({"fare": [1.0, 1.0], "miles": [1, 2]}, "fare", "unique: 2 of 2 rows fail, row 0: 1.0; row 1: 1.0"),
    "dtype": ({"fare": [1.0, 2.0], "miles": ["x", "y"]}, "miles", "dtype Int64: is String"),
    "missing": ({"fare": [1.0, 2.0]}, "miles", "missing"),
}


@pytest.mark.parametrize(("columns", "column", "said"), POLARS.values(), ids=POLARS)
def test_polars_frames_are_validated(columns: dict[str, Any], column: str, said: str) -> None:
    """A polars schema tells of a polars frame what a pandas one does."""
    assert said in failure(Annotated[pl.DataFrame, Ride], pl.DataFrame(columns))[column]


def test_polars_coercion_is_kept() -> None:
    """What a polars schema coerces is what is stored."""
    schema = pp.DataFrameSchema({"x": pp.Column(int)}, coerce=True)

    kept = enforce(pl.DataFrame({"x": ["1", "2"]}), Annotated[pl.DataFrame, schema], where=OUT)

    assert kept["x"].to_list() == [1, 2]


@pytest.mark.parametrize("model", [Trip, pp.DataFrameSchema({"fare": pp.Column(float, pp.Check.ge(0))})])
def test_arrow_tables_are_validated(model: Any) -> None:
    """A pyarrow table is validated by a pandas or polars schema and comes back untouched."""
    hint = Annotated[pyarrow.Table, model]
    table = pyarrow.Table.from_pandas(trips(), preserve_index=False)

    assert enforce(table, hint, where=OUT) is table
    bad = pyarrow.Table.from_pandas(trips(fare=[1.0, -2.0, 3.0]), preserve_index=False)
    assert "row 1: -2.0" in failure(hint, bad)["fare"]


def test_what_a_schema_does_to_an_arrow_table_is_kept() -> None:
    """A pyarrow table that a pandas schema filters comes back as a filtered pyarrow table."""
    schema = pa.DataFrameSchema({"x": pa.Column(float)}, coerce=True, strict="filter")

    kept = enforce(pyarrow.table({"x": [1, 2], "y": [3, 4]}), Annotated[pyarrow.Table, schema], where=OUT)

    assert kept.to_pydict() == {"x": [1.0, 2.0]}
    assert kept.schema.field("x").type == pyarrow.float64()


@pytest.mark.parametrize(
    ("hint", "value", "said"),
    [
        (Annotated[pl.DataFrame, Trip], pl.DataFrame({"fare": [1.0]}), "Trip is a pandera.pandas schema"),
        (TRIPS, [1, 2], "the value is a list"),
        (TRIPS, None, "the value is a NoneType"),
    ],
)
def test_a_value_that_the_schema_is_not_for_is_refused(hint: Any, value: Any, said: str) -> None:
    """A pandas schema on a polars frame, or no table at all, is an error that names contract, step and remedy."""
    with pytest.raises(ContractError) as caught:
        contract(hint).validate(value, where=OUT)

    assert caught.value.message == "The contract Trip of step 'load' cannot be checked."
    assert said in str(caught.value)
    assert "output return" in str(caught.value)


def test_none_passes_an_optional_contract() -> None:
    """An optional output may be None; a table there is still validated."""
    assert enforce(None, TRIPS | None, where=OUT) is None
    assert "fare" in failure(TRIPS | None, trips(fare=[1.0, -2.0, 3.0]))


def test_tables_inside_of_containers_are_validated() -> None:
    """Every table in a list or dict is validated, and the failing one is named by its place."""
    hint = dict[str, list[TRIPS]]
    good = {"a": [trips()], "b": [trips(), trips()]}
    bad = {"a": [trips()], "b": [trips(), trips(fare=[1.0, -2.0, 3.0])]}

    enforce(good, hint, where=OUT)
    with pytest.raises(ContractError, match=r"a table as output \"return\['b'\]\[1\]\"|return\['b'\]\[1\]"):
        enforce(bad, hint, where=OUT)


def test_a_union_of_contracts_takes_either() -> None:
    """A value that holds one of two contracts on one type passes."""

    class Other(pa.DataFrameModel):
        x: int

    hint = TRIPS | Annotated[pd.DataFrame, Other]

    enforce(pd.DataFrame({"x": [1]}), hint, where=OUT)
    enforce(trips(), hint, where=OUT)
    with pytest.raises(ContractError):
        enforce(pd.DataFrame({"y": [1]}), hint, where=OUT)


def test_values_without_contracts_are_the_same_object() -> None:
    """Nothing is copied or looked at where no contract is."""
    value = {"a": [1, 2]}

    assert enforce(value, dict[str, list[int]], where=OUT) is value


@settings(max_examples=25, deadline=None)
@given(st.lists(st.floats(min_value=-10, max_value=10), min_size=1, max_size=30))
def test_the_count_is_the_number_of_bad_rows(fares: list[float]) -> None:
    """For any column the report counts exactly the rows that the check refuses, in order."""
    rows = pd.DataFrame({"fare": fares, "miles": 1.0, "kind": "a"})
    bad = [index for index, fare in enumerate(fares) if fare < 0]
    if not bad:
        enforce(rows, TRIPS, where=OUT)
        return

    said = failure(TRIPS, rows)["fare"]

    assert f": {len(bad)} of {len(fares)} rows fail, row {bad[0]}: {fares[bad[0]]!r}" in said


def test_validation_is_not_repeated_for_what_holds_already() -> None:
    """A consumer validates nothing that its producer has validated, at any depth."""

    class More(Trip):
        extra: int

    more = Annotated[pd.DataFrame, More]
    assert not must_enforce(TRIPS, TRIPS)
    assert not must_enforce(more, TRIPS)
    assert must_enforce(TRIPS, more)
    assert must_enforce(pd.DataFrame, TRIPS)
    assert not must_enforce(TRIPS, pd.DataFrame)
    assert not must_enforce(list[more], list[TRIPS])
    assert must_enforce(list[TRIPS], list[more])
    assert not must_enforce(tuple[more, TRIPS], list[TRIPS])
    assert must_enforce(Any, list[TRIPS])
    assert must_enforce(TRIPS | None, TRIPS)
    assert not must_enforce(TRIPS, TRIPS | None)
