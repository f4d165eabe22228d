"""Contracts are compared by what they say of columns, and validated again only for what is not proven."""

from __future__ import annotations

from typing import Annotated, Any

import pandas as pd
import pandera.pandas as pa
import pandera.polars as pp
import pandera.typing as pat
import polars as pl
import pytest

from flowkit.contracts import Contract, compare_contracts, contract_of, needs_validation

Column = pa.Column


def contract(schema: Any, table: Any = pd.DataFrame) -> Contract:
    found = contract_of(Annotated[table, schema])
    assert found is not None
    return found


def compare(given: dict[str, Any], wanted: dict[str, Any], **options: Any) -> list[tuple[str, str]]:
    """Compare two schemas of the given columns; options are the consumer's."""
    found = compare_contracts(contract(pa.DataFrameSchema(given)), contract(pa.DataFrameSchema(wanted, **options)))
    return [(mismatch.column, mismatch.problem) for mismatch in found]


INT, FLOAT, TEXT, ANY = Column(int), Column(float), Column(str), Column()

CASES: dict[str, tuple[dict[str, Any], dict[str, Any], dict[str, Any], list[tuple[str, str]]]] = {
    "the same": ({"a": INT}, {"a": INT}, {}, []),
    "more columns": ({"a": INT, "b": INT}, {"a": INT}, {}, []),
    "missing": ({"a": INT}, {"a": INT, "b": INT}, {}, [("b", "missing")]),
    "all missing": ({}, {"a": INT, "b": INT}, {}, [("a", "missing"), ("b", "missing")]),
    "not required": ({"a": INT}, {"a": INT, "b": Column(int, required=False)}, {}, []),
    "may be left out": ({"a": Column(int, required=False)}, {"a": INT}, {}, [("a", "optional")]),
    "added when missing": ({}, {"a": Column(int, default=0)}, {"add_missing_columns": True}, []),
    "another dtype": ({"a": INT}, {"a": FLOAT}, {}, [("a", "dtype")]),
    "another width": ({"a": Column("int32")}, {"a": INT}, {}, [("a", "dtype")]),
    "text": ({"a": TEXT}, {"a": TEXT}, {}, []),
    "text for numbers": ({"a": TEXT}, {"a": FLOAT}, {}, [("a", "dtype")]),
    "coerced column": ({"a": INT}, {"a": Column(float, coerce=True)}, {}, []),
    "coerced table": ({"a": INT}, {"a": FLOAT}, {"coerce": True}, []),
    "dtype not given": ({"a": ANY}, {"a": FLOAT}, {}, []),
    "dtype not wanted": ({"a": INT}, {"a": ANY}, {}, []),
    "looser nulls": ({"a": Column(float, nullable=True)}, {"a": FLOAT}, {}, [("a", "nullable")]),
    "tighter nulls": ({"a": FLOAT}, {"a": Column(float, nullable=True)}, {}, []),
    "nulls filled": ({"a": Column(float, nullable=True)}, {"a": Column(float, default=0.0)}, {}, []),
    "dtype and nulls": ({"a": Column(float, nullable=True)}, {"a": INT}, {}, [("a", "dtype"), ("a", "nullable")]),
    "surplus, strict": ({"a": INT, "b": INT}, {"a": INT}, {"strict": True}, [("b", "extra")]),
    "surplus, filtered": ({"a": INT, "b": INT}, {"a": INT}, {"strict": "filter"}, []),
    "surplus that may be there": ({"a": INT, "b": Column(int, required=False)}, {"a": INT}, {"strict": True}, []),
    "pattern": ({"x_1": INT, "x_2": FLOAT}, {"x_.*": Column(int, regex=True)}, {}, [("x_2", "dtype")]),
    "pattern without match": ({"a": INT}, {"x_.*": Column(int, regex=True)}, {}, [("x_.*", "missing")]),
    "pattern given": ({"x_.*": Column(int, regex=True)}, {"x_1": INT}, {}, []),
}


@pytest.mark.parametrize(("given", "wanted", "options", "expected"), CASES.values(), ids=CASES)
def test_columns_are_compared(
    given: dict[str, Any], wanted: dict[str, Any], options: dict[str, Any], expected: list[tuple[str, str]]
) -> None:
    """Every column that the consumer needs must be promised, with its dtype and no looser nullability."""
    assert compare(given, wanted, **options) == expected


def test_a_schema_fits_itself() -> None:
    """Comparing a contract with itself, or with an equal one, finds nothing."""
    first, second = (contract(pa.DataFrameSchema({"a": FLOAT, "b": TEXT}, strict=True)) for _ in range(2))

    assert compare_contracts(first, first) == ()
    assert compare_contracts(first, second) == ()


def test_a_dtype_mismatch_says_both() -> None:
    """A mismatch reads as the column, what is given and what is needed."""
    (mismatch,) = compare_contracts(
        contract(pa.DataFrameSchema({"a": INT})), contract(pa.DataFrameSchema({"a": FLOAT}))
    )

    assert str(mismatch) == "a (int64, needed float64)"


INDEXES = {
    "no index wanted": (pa.Index(int), None, False),
    "no index given": (None, pa.Index(int), False),
    "same": (pa.Index(int, name="day"), pa.Index(int, name="day"), False),
    "any name": (pa.Index(int, name="day"), pa.Index(int), False),
    "other name": (pa.Index(int, name="day"), pa.Index(int, name="hour"), True),
    "other dtype": (pa.Index(int), pa.Index(float), True),
    "more levels": (pa.Index(int, name="a"), pa.MultiIndex([pa.Index(int, name="a"), pa.Index(int, name="b")]), True),
}


@pytest.mark.parametrize(("given", "wanted", "differs"), INDEXES.values(), ids=INDEXES)
def test_indexes_are_compared(given: Any, wanted: Any, differs: bool) -> None:
    """Where both contracts speak of the index, its names and dtype must fit."""
    first, second = (contract(pa.DataFrameSchema({"a": INT}, index=index)) for index in (given, wanted))

    found = compare_contracts(first, second)

    assert [mismatch.problem for mismatch in found] == (["index"] if differs else [])


def test_series_are_compared() -> None:
    """Two series contracts are compared by dtype and nullability."""
    whole, real = (contract_of(pat.Series[dtype]) for dtype in (int, float))
    assert whole is not None
    assert real is not None

    assert compare_contracts(real, real) == ()
    assert [(one.column, one.problem) for one in compare_contracts(whole, real)] == [("values", "dtype")]


def test_polars_contracts_are_compared() -> None:
    """Polars schemas are compared as pandas ones are."""
    given = contract(pp.DataFrameSchema({"a": pp.Column(int)}), pl.DataFrame)
    wanted = contract(pp.DataFrameSchema({"a": pp.Column(float), "b": pp.Column(str)}), pl.DataFrame)

    found = [(one.column, one.problem) for one in compare_contracts(given, wanted)]

    assert found == [("a", "dtype"), ("b", "missing")]


class Trip(pa.DataFrameModel):
    _LIMIT = 10
    fare: float = pa.Field(ge=0)
    kind: str | None

    @pa.check("fare")
    def low(cls, fare: Any) -> Any:
        return fare < cls._LIMIT


class Example(Trip):
    card: int


class Looser(Trip):
    fare: float = pa.Field(ge=-1)


class OtherCheck(Trip):
    @pa.check("fare")
    def low(cls, fare: Any) -> Any:
        return fare < 99


class OtherLimit(Trip):
    _LIMIT = 99


class Coercing(Trip):
    class Config:
        coerce = True


class OwnValidate(Trip):
    @classmethod
    def validate(cls, check_obj: Any, *args: Any, **kwargs: Any) -> Any:  # type: ignore[override]
        return check_obj


class Strict(pa.DataFrameModel):
    a: int

    class Config:
        strict = True


class StrictMore(Strict):
    b: int


class Parsing(pa.DataFrameModel):
    a: int

    @pa.dataframe_parser
    def double(cls, rows: Any) -> Any:
        return rows * 2


class ParsingMore(Parsing):
    b: int


class Unrelated(pa.DataFrameModel):
    fare: float = pa.Field(ge=0)


REPEATED = {
    "the same": (Trip, Trip, False),
    "derived": (Example, Trip, False),
    "base": (Trip, Example, True),
    "unrelated": (Trip, Unrelated, True),
    "nothing": (None, Trip, True),
    "field redefined": (Looser, Trip, True),
    "check redefined": (OtherCheck, Trip, True),
    "constant of a check redefined": (OtherLimit, Trip, True),
    "other options": (Coercing, Trip, True),
    "own validate": (OwnValidate, Trip, True),
    "strict about added columns": (StrictMore, Strict, True),
    "parsed once": (ParsingMore, Parsing, False),
}


@pytest.mark.parametrize(("produced", "wanted", "again"), REPEATED.values(), ids=REPEATED)
def test_only_what_is_not_proven_is_validated_again(produced: Any, wanted: Any, again: bool) -> None:
    """A consumer's contract is skipped only where the producer's validation has run every check of it."""
    given = contract(produced) if produced is not None else None

    assert needs_validation(given, contract(wanted)) is again


def test_contracts_are_compared_by_their_schema() -> None:
    """Two readings of one annotation are one contract, in sets too; two schemas are two."""
    schema, other = pa.DataFrameSchema({"a": INT}), pa.DataFrameSchema({"a": INT})

    assert contract(schema) == contract(schema)
    assert len({contract(schema), contract(schema), contract(other)}) == 2
