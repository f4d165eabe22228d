"""Recognise pandera's models, schemas and table types by the names of their classes, without importing pandera."""

from __future__ import annotations

from typing import Any

MODEL = "model"
SCHEMA = "schema"

_SCHEMA_CLASSES = frozenset({"DataFrameSchema", "SeriesSchema"})


def schema_library(candidate: object) -> str | None:
    """Return the table library that a pandera model class or schema object is for, None where it is neither.

    Args:
        candidate: Anything that stands in an annotation.

    Returns:
        `pandas`, `polars`, `pyarrow`, or another name of pandera's that flowkit has no tables of, such as `pyspark`.
    """
    wanted = frozenset({"DataFrameModel"}) if isinstance(candidate, type) else _SCHEMA_CLASSES
    classes = candidate.__mro__ if isinstance(candidate, type) else type(candidate).__mro__
    for kind in classes:
        package, _, rest = kind.__module__.partition(".")
        if package == "pandera" and kind.__name__.partition("[")[0] in wanted:
            # pandera.api.<library>.model | container | array
            return rest.split(".")[1] if rest.startswith("api.") else None
    return None


def is_series_schema(schema: object) -> bool:
    """Whether `schema` is about one series and not about a table."""
    return any(kind.__name__ == "SeriesSchema" for kind in type(schema).__mro__)


def plain_table_type(kind: object) -> type | None:
    """Return the library's own class under one of pandera's annotation classes, None where `kind` is not one.

    Args:
        kind: Such as `pandera.typing.DataFrame`, which stands for `pandas.DataFrame`.
    """
    if not isinstance(kind, type) or not kind.__module__.startswith("pandera.typing."):
        return None
    for base in kind.__mro__:
        if not base.__module__.startswith("pandera.") and base.__module__ not in {"typing", "builtins", "abc"}:
            return base
    return None


def table_library(kind: object) -> str | None:
    """Return `pandas`, `polars`, `pyarrow` or `dask` for a class of theirs, its subclasses included, else None."""
    if not isinstance(kind, type):
        return None
    for base in kind.__mro__:
        library = base.__module__.partition(".")[0]
        if library in {"pandas", "polars", "pyarrow"} or base.__module__.startswith("dask.dataframe."):
            return library
    return None


def schema_name(schema: Any) -> str:
    """Return the name that a person knows a model or schema by."""
    if isinstance(schema, type):
        return schema.__name__
    return str(getattr(schema, "name", None) or type(schema).__name__)
