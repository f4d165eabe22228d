"""Contracts are found in annotations, and annotations without them are left alone."""

# ruff: noqa: UP045  (both spellings of an optional are tried)

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import Annotated, Any, Literal, Optional

import numpy as np
import numpy.typing as npt
import pandas as pd
import pandera.pandas as pa
import pandera.polars as pp
import pandera.typing as pat
import polars as pl
import pyarrow
import pytest
from pandera.typing import polars as patp
from typing_extensions import TypeAliasType

from flowkit.contracts import bare_type, contract_of, contracts_in


class Trip(pa.DataFrameModel):
    fare: float


class Ride(pp.DataFrameModel):
    fare: float


SCHEMA = pa.DataFrameSchema({"fare": pa.Column(float)}, name="fares")
SERIES = pa.SeriesSchema(float, name="fare")

FOUND = {
    "annotated model": (Annotated[pd.DataFrame, Trip], Trip, pd.DataFrame),
    "beside other extras": (Annotated[pd.DataFrame, "rows", Trip, 3], Trip, pd.DataFrame),
    "annotated schema": (Annotated[pd.DataFrame, SCHEMA], SCHEMA, pd.DataFrame),
    "annotated series": (Annotated[pd.Series, SERIES], SERIES, pd.Series),
    "pandera DataFrame": (pat.DataFrame[Trip], Trip, pd.DataFrame),
    "polars": (Annotated[pl.DataFrame, Ride], Ride, pl.DataFrame),
    "pandera polars": (patp.DataFrame[Ride], Ride, pl.DataFrame),
    "pyarrow": (Annotated[pyarrow.Table, Trip], Trip, pyarrow.Table),
    "type alias": (TypeAliasType("Trips", Annotated[pd.DataFrame, Trip]), Trip, pd.DataFrame),
    "nested annotated": (Annotated[Annotated[pd.DataFrame, Trip], "untracked"], Trip, pd.DataFrame),
}


@pytest.mark.parametrize(("hint", "schema", "table"), FOUND.values(), ids=FOUND)
def test_a_schema_in_the_annotation_is_a_contract(hint: Any, schema: Any, table: type) -> None:
    """Every way to write a schema into an annotation gives the contract and the plain type."""
    contract = contract_of(hint)

    assert contract is not None
    assert contract.schema is schema
    assert contract.table is table
    assert contract.misfit() is None
    assert bare_type(hint) is table


@pytest.mark.parametrize(
    "hint",
    [
        Annotated[pd.DataFrame, Trip] | None,
        Optional[pat.DataFrame[Trip]],
        Annotated[pd.DataFrame | None, Trip],
    ],
)
def test_an_optional_contract_admits_none(hint: Any) -> None:
    """`| None` beside a table with a contract keeps the contract and admits None."""
    contract = contract_of(hint)

    assert contract is not None
    assert contract.optional
    assert contract.table is pd.DataFrame


def test_a_pandera_series_is_a_contract_on_its_dtype() -> None:
    """`Series[float]` is a contract: a series of another dtype breaks it."""
    contract = contract_of(pat.Series[float])

    assert contract is not None
    assert contract.is_series
    assert contract.table is pd.Series


NOT_FOUND = [int, pd.DataFrame, Any, None, list[int], Annotated[int, "x"], Annotated[pd.DataFrame, "x"], Literal["a"],
             Annotated[pd.DataFrame, int], pat.DataFrame, "Trip", npt.NDArray[np.float64], int | None, Trip,
             SCHEMA]  # fmt: skip


@pytest.mark.parametrize("hint", NOT_FOUND, ids=repr)
def test_other_annotations_have_no_contract(hint: Any) -> None:
    """No contract is seen where none is written."""
    assert contract_of(hint) is None


def test_contracts_inside_of_containers_are_found() -> None:
    """`contracts_in` goes through containers, in order; `contract_of` does not."""
    hint = dict[str, tuple[Annotated[pd.DataFrame, Trip], Annotated[pl.DataFrame, Ride] | None]]

    assert contract_of(hint) is None
    assert [contract.name for contract in contracts_in(hint)] == ["Trip", "Ride"]


BARE = [
    (int, int),
    (Annotated[int, "x"], int),
    (list[Annotated[pd.DataFrame, Trip]], list[pd.DataFrame]),
    (dict[str, pat.DataFrame[Trip]], dict[str, pd.DataFrame]),
    (Annotated[pd.DataFrame, Trip] | None, pd.DataFrame | None),
    (tuple[Annotated[int, 1], ...], tuple[int, ...]),
    (Callable[[int], Annotated[str, 1]], Callable[[int], str]),
    (Literal["a"], Literal["a"]),
    (pat.DataFrame, pd.DataFrame),
]


@pytest.mark.parametrize(("hint", "expected"), BARE, ids=repr)
def test_the_bare_type_has_no_extras_at_any_depth(hint: Any, expected: Any) -> None:
    """Contracts and `Annotated` extras are taken away everywhere, the rest stays."""
    assert bare_type(hint) == expected


def test_a_hint_without_extras_stays_the_same_object() -> None:
    """Nothing is rebuilt where there is nothing to take away."""
    hint = dict[str, list[int]]

    assert bare_type(hint) is hint


MISFITS = {
    "pandas schema on polars": (Annotated[pl.DataFrame, Trip], "Trip is a pandera.pandas schema"),
    "polars schema on pandas": (Annotated[pd.DataFrame, Ride], "Ride is a pandera.polars schema"),
    "not a table": (Annotated[int, Trip], "int is no table"),
    "container": (Annotated[list[pd.DataFrame], Trip], "is no table"),
    "two schemas": (Annotated[pd.DataFrame, Trip, SCHEMA], "two contracts: Trip, fares"),
}


@pytest.mark.parametrize(("hint", "said"), MISFITS.values(), ids=MISFITS)
def test_a_contract_that_can_never_be_met_says_why(hint: Any, said: str) -> None:
    """A schema on a type it is not for is known before any value is there."""
    contract = contract_of(hint)

    assert contract is not None
    assert said in (contract.misfit() or "")


def test_a_model_that_pandera_cannot_build_says_why() -> None:
    """A broken model is reported as a sentence, not as pandera's exception."""

    class Broken(pa.DataFrameModel):
        fare: "Nowhere"  # type: ignore[name-defined]  # noqa: F821, UP037

    contract = contract_of(Annotated[pd.DataFrame, Broken])

    assert contract is not None
    assert "Broken is not a usable schema" in (contract.misfit() or "")


def test_finding_contracts_imports_nothing_heavy() -> None:
    """Looking for contracts and checking plain hints imports neither pandera nor a table library nor beartype."""
    program = """
import sys
from typing import Annotated, Optional
from flowkit.contracts import bare_type, contract_of
from flowkit.graph.typecheck import check_constant, check_edge, check_value
for hint in (int, list[int], Annotated[int, "x"], Optional[int], dict[str, float]):
    assert contract_of(hint) is None
    bare_type(hint)
    assert check_edge(hint, hint).verdict == "fits"
assert check_edge(int, float).verdict == "fits"
assert check_constant([1, 2], list[float]).verdict == "fits"
assert check_value({"a": 1}, dict[str, int]) is None
heavy = {"pandera", "pandas", "polars", "pyarrow", "numpy", "beartype", "pydantic", "networkx"} & set(sys.modules)
assert not heavy, heavy
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
