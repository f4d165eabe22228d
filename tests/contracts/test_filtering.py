"""What a filtering contract keeps of a table, known without the table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import dask.dataframe as dd
import pandas as pd
import pandera.pandas as pa
import pandera.polars as pp
import pandera.typing as pat
import polars as pl
import pyarrow
import pytest

from flowkit.contracts import ColumnSelection, Selections, selections_in


class Fares(pa.DataFrameModel):
    fare: float
    tips: float | None

    class Config:
        strict = "filter"


class More(Fares):
    miles: float = pa.Field(alias="trip miles")


class Loose(Fares):
    class Config:
        strict = False


class Strict(pa.DataFrameModel):
    fare: float

    class Config:
        strict = True


class Parsed(Fares):
    @pa.dataframe_parser
    def halve(cls, frame: pd.DataFrame) -> pd.DataFrame:
        return frame.assign(fare=frame.others.sum())


class Checked(Fares):
    @pa.parser("fare")
    def absolute(cls, fare: pd.Series) -> pd.Series:
        return fare.abs()

    @pa.dataframe_check
    def narrow(cls, frame: pd.DataFrame) -> bool:
        return len(frame.columns) <= 2


class Own(Fares):
    @classmethod
    def validate(cls, check_obj: Any, *args: Any, **kwargs: Any) -> Any:
        return super().validate(check_obj.assign(fare=check_obj.others), *args, **kwargs)


class Dropping(Fares):
    class Config:
        drop_invalid_rows = True


class Indexed(Fares):
    number: pat.Index[int]


class Lagged(pa.DataFrameModel):
    lags: float = pa.Field(alias=r"^lag_\d+$", regex=True)
    fare: float

    class Config:
        strict = "filter"


class Rides(pp.DataFrameModel):
    fare: float

    class Config:
        strict = "filter"


def schema(columns: dict[Any, Any], **options: Any) -> pa.DataFrameSchema:
    return pa.DataFrameSchema(columns, strict="filter", **options)


class OwnSchema(pa.DataFrameSchema):
    """A schema class of somebody's own, which may do anything."""


FARES = ColumnSelection(frozenset({"fare", "tips"}))
FARE = ColumnSelection(frozenset({"fare"}))

TABLES: list[tuple[Any, ColumnSelection | None]] = [
    (Annotated[pd.DataFrame, Fares], FARES),
    (pat.DataFrame[Fares], FARES),
    (Annotated[pd.DataFrame, Fares] | None, FARES),
    (Annotated[pd.DataFrame | None, Fares], FARES),
    (Annotated[pyarrow.Table, Fares], FARES),
    (Annotated[pd.DataFrame, More], ColumnSelection(frozenset({"fare", "tips", "trip miles"}))),
    (Annotated[pd.DataFrame, Checked], FARES),
    (Annotated[pd.DataFrame, Indexed], FARES),
    (Annotated[pl.DataFrame, Rides], FARE),
    (Annotated[pyarrow.Table, Rides], FARE),
    (Annotated[pd.DataFrame, schema({"fare": pa.Column(required=False)})], FARE),
    (Annotated[pd.DataFrame, Lagged], ColumnSelection(frozenset({"fare"}), (r"^lag_\d+$",))),
    # What sees other columns, or may.
    (Annotated[pd.DataFrame, Loose], None),
    (Annotated[pd.DataFrame, Strict], None),
    (Annotated[pd.DataFrame, Parsed], None),
    (Annotated[pd.DataFrame, Own], None),
    (Annotated[pd.DataFrame, Dropping], None),
    (Annotated[pd.DataFrame, OwnSchema({"fare": pa.Column()}, strict="filter")], None),
    # What cannot be told by name.
    (Annotated[pd.DataFrame, schema({})], None),
    (Annotated[pd.DataFrame, schema({0: pa.Column()})], None),
    (Annotated[pd.DataFrame, schema({("a", "b"): pa.Column()})], None),
    (Annotated[pd.DataFrame, schema({r"[[:alpha:]]": pa.Column(regex=True)})], None),
    (Annotated[pd.DataFrame, schema({r"(?i)lag": pa.Column(regex=True)})], None),
    # No table of one contract.
    (pd.DataFrame, None),
    (Any, None),
    (int, None),
    (pat.Series[float], None),
    (Annotated[pd.DataFrame, Fares] | Annotated[pl.DataFrame, Rides], None),
    (Annotated[dd.DataFrame, Fares], None),
    (Annotated[pl.DataFrame, Fares], None),
    (dict[str, Annotated[pd.DataFrame, Fares]], None),
    (list[Annotated[pd.DataFrame, Fares]], None),
]


@pytest.mark.parametrize(("hint", "kept"), TABLES, ids=[str(hint)[-60:] for hint, _ in TABLES])
def test_what_a_parameter_is_given_of_a_table(hint: Any, kept: ColumnSelection | None) -> None:
    """A contract with `strict = "filter"` selects, unless something of the person's own sees the whole table first."""
    assert selections_in(hint).table == kept


ITEMS: list[tuple[Any, ColumnSelection | None]] = [
    (list[Annotated[pd.DataFrame, Fares]], FARES),
    (list[Annotated[pd.DataFrame, Fares]] | None, FARES),
    (Sequence[pat.DataFrame[Fares]], FARES),
    (tuple[Annotated[pd.DataFrame, Fares], ...], FARES),
    (tuple[Annotated[pd.DataFrame, Fares], Annotated[pd.DataFrame, Fares]], None),
    (list[pd.DataFrame], None),
    (list[list[Annotated[pd.DataFrame, Fares]]], None),
    (dict[str, Annotated[pd.DataFrame, Fares]], None),
]


@pytest.mark.parametrize(("hint", "kept"), ITEMS, ids=[str(hint)[-60:] for hint, _ in ITEMS])
def test_what_a_parameter_is_given_of_tables_in_a_list(hint: Any, kept: ColumnSelection | None) -> None:
    """The contract of a list's items selects; what lies deeper, or in another container, is given whole."""
    assert selections_in(hint) == Selections(None, kept)


CHOICES: list[tuple[ColumnSelection, list[object], tuple[int, ...] | None]] = [
    (FARES, ["tips", "miles", "fare"], (0, 2)),
    (FARES, ["tips", "miles", "miles"], (0,)),
    (FARES, ["fare", "tips", "fare"], None),
    (FARES, ["miles"], None),
    (FARES, [], None),
    (FARES, ["fare", 1], None),
    (FARES, ["fare", ["tuple", ["a", "b"]]], None),
    (FARES, ["fare", "größe"], (0,)),
    (ColumnSelection(frozenset({"fare"}), (r"lag_\d",)), ["lag_1", "lag_x", "my lag_1", "fare", "lag_12"], (0, 3, 4)),
    (ColumnSelection(frozenset({"fare"}), (r"lag_\d",)), ["lag_1", "größe"], None),
    (ColumnSelection(frozenset(), ("a$",)), ["a", "b\n"], None),
]


@pytest.mark.parametrize(("selection", "labels", "places"), CHOICES)
def test_which_columns_of_a_table_are_chosen(
    selection: ColumnSelection, labels: list[object], places: tuple[int, ...] | None
) -> None:
    """Columns are chosen in the table's order; where one cannot be told for certain, the whole table counts."""
    assert selection.choose(labels) == places
