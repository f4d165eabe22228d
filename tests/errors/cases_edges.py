"""Edges that do not fit: plain types, numbers, contracts."""

from __future__ import annotations

from tests.errors.golden import Case


def _plain(name: str, given: str, wanted: str, value: str) -> Case:
    return Case(
        f"edge-{name}",
        f"""from typing import Any


@fk.step
def load() -> {given}:
    return {value}


@fk.step
def count(rows: {wanted}) -> int:
    return 1


@fk.pipeline
def shop() -> None:
    count(load())
""",
    )


def _contract(name: str, given: str, wanted: str) -> Case:
    return Case(
        f"edge-contract-{name}",
        f"""from typing import Annotated

import pandas as pd
import pandera.pandas as pa


class Trip(pa.DataFrameModel):
    fare: {given}


class Ride(pa.DataFrameModel):
    {wanted}


@fk.step
def load() -> Annotated[pd.DataFrame, Trip]:
    return pd.DataFrame({{"fare": [1.0]}})


@fk.step
def count(rows: Annotated[pd.DataFrame, Ride]) -> int:
    return len(rows)


@fk.pipeline
def shop() -> None:
    count(load())
""",
    )


EDGES = (
    _plain("plain", "str", "int", "'a'"),
    _plain("number", "float", "int", "1.5"),
    _plain("optional", "int | None", "int", "1"),
    _plain("elements", "list[str]", "list[int]", "['a']"),
    _plain("several-outputs", "tuple[int, str]", "int", "(1, 'a')"),
    _contract("missing-column", "float", "fare: float\n    miles: float"),
    _contract("dtype", "str", "fare: float"),
    _contract("nullability", "float = pa.Field(nullable=True)", "fare: float"),
    Case(
        "edges-several",
        """

@fk.step
def load() -> str:
    return "a"


@fk.step
def count(rows: int) -> int:
    return rows


@fk.step
def double(rows: float) -> float:
    return rows


@fk.pipeline
def shop() -> None:
    rows = load()
    count(rows)
    double(rows)
""",
    ),
)
