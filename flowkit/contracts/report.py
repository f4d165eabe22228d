"""Turn pandera's failures into facts: column, check, how many rows, and the first rows with their values."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from msgspec import Struct

from flowkit.contracts.schemas import is_series_schema, table_library
from flowkit.errors import cut

ROWS_SHOWN = 3
FAILURES_SHOWN = 50
_LONGEST_VALUE = 60
_LONGEST_LABEL = 60

_NULLS = "SERIES_CONTAINS_NULLS"
_COERCION = "DATATYPE_COERCION"
_RAISED = ("CHECK_ERROR", "PARSER_ERROR")
_STRUCTURE = ("COLUMN_NOT_IN_DATAFRAME", "COLUMN_NOT_IN_SCHEMA", "COLUMN_NOT_ORDERED", "WRONG_FIELD_NAME")
_TYPES = (_COERCION, "WRONG_DATATYPE")


class FailingRows(Struct, frozen=True):
    """Rows that a check refuses: how many, and the first of them as label and shown value."""

    count: int
    first: tuple[tuple[Any, str], ...]

    def __str__(self) -> str:
        shown = [f"row {_shown(label)}: {value}" if label is not None else value for label, value in self.first]
        return "; ".join(shown) + ("; …" if self.count > len(shown) else "")


def describe_failures(errors: Sequence[Any], total: int) -> list[tuple[str, str]]:
    """Return a fact for every failing check: its column, and what is wrong in which rows.

    Missing and extra columns come first, then types, then values, then checks that raised.

    Args:
        errors: pandera's `SchemaError`s of one validation.
        total: How many rows the table has.
    """
    coerced = {_column(error) for error in errors if _reason(error) == _COERCION}
    mistyped = {_column(error) for error in errors if _reason(error) in _TYPES}
    # A check that raises on a column of another type only says that once more.
    kept = [
        error
        for error in errors
        if not (_reason(error) == "WRONG_DATATYPE" and _column(error) in coerced)
        and not (_reason(error) in _RAISED and _column(error) and _column(error) in mistyped)
    ]
    ordered = sorted(kept, key=_rank)
    facts = [(_label(error), _describe(error, total)) for error in ordered[:FAILURES_SHOWN]]
    if len(ordered) > FAILURES_SHOWN:
        facts.append(("…", f"and {len(ordered) - FAILURES_SHOWN} more failing checks"))
    return facts


def is_about_index(error: Any) -> bool:
    """Whether one of pandera's errors is about the index and not about columns."""
    return type(error.schema).__name__ in {"Index", "MultiIndex"}


def _reason(error: Any) -> str:
    return getattr(error.reason_code, "name", "")


def _rank(error: Any) -> int:
    reason = _reason(error)
    if reason in _STRUCTURE:
        return 0
    return 1 if reason in _TYPES else 3 if reason in _RAISED else 2


def _column(error: Any) -> str:
    """Return the name of the column or index that failed, empty for a check over the whole table."""
    if _reason(error) in _STRUCTURE[:3]:
        return str(error.failure_cases)
    name = getattr(error, "column_name", None)
    if name is None and not hasattr(error.schema, "columns"):
        name = getattr(error.schema, "name", None)
    return "" if name is None else str(name)


def _label(error: Any) -> str:
    column = _column(error)
    if is_about_index(error):
        return cut(f"index {column}".strip(), _LONGEST_LABEL)
    if column:
        return cut(column, _LONGEST_LABEL)
    return "values" if is_series_schema(error.schema) else "rows"


def _describe(error: Any, total: int) -> str:
    reason = _reason(error)
    describe = _SENTENCES.get(reason)
    if describe is not None:
        return describe(error)
    rows = failing_rows(error)
    check = "not null" if reason == _NULLS else _check_text(error)
    if rows is None:
        return f"{check}: does not hold for the whole table"
    # A check over all rows of a frame is reported by its cells; it cannot fail for more rows than there are.
    return f"{check}: {min(rows.count, total)} of {total} rows fail, {rows}"


def _check_text(error: Any) -> str:
    check = error.check
    if check == "field_uniqueness":
        return "unique"
    if check == "multiple_fields_uniqueness":
        return f"unique ({', '.join(map(str, error.schema.unique))})"
    if isinstance(check, str):
        return check
    # pandera words its built-in checks in `error`; a person's own check has a name.
    return str(getattr(check, "error", None) or getattr(check, "name", None) or check)


def _describe_wrong_type(error: Any) -> str:
    given = str(error).rpartition(", got ")[2].strip()
    return f"dtype {error.schema.dtype}: is {given}"


def _describe_coercion(error: Any) -> str:
    rows = failing_rows(error)
    wanted = _coerced_to(error)
    return f"cannot become {wanted}" + (f": {rows}" if rows is not None else "")


def _coerced_to(error: Any) -> str:
    dtype = getattr(error.schema, "dtype", None)
    if dtype is None:
        component = getattr(error.schema, "columns", {}).get(_column(error))
        dtype = getattr(component, "dtype", None)
    return str(dtype) if dtype is not None else "the contract's dtype"


def _describe_raised(error: Any) -> str:
    lines = str(error.failure_cases).strip().replace("\\n", "\n").splitlines()
    return f"{_check_text(error)}: raised {lines[0] if lines else type(error).__name__}"


def _describe_name(error: Any) -> str:
    return f"has the name {error.failure_cases!r}"


_SENTENCES = {
    "COLUMN_NOT_IN_DATAFRAME": lambda error: "missing",
    "COLUMN_NOT_IN_SCHEMA": lambda error: "not in the contract, which is strict",
    "COLUMN_NOT_ORDERED": lambda error: "out of the contract's order",
    "WRONG_FIELD_NAME": _describe_name,
    "WRONG_DATATYPE": _describe_wrong_type,
    _COERCION: _describe_coercion,
    **dict.fromkeys(_RAISED, _describe_raised),
}


def failing_rows(error: Any) -> FailingRows | None:
    """Return the rows that a failure is about, None where it is about the table as a whole."""
    cases = error.failure_cases
    library = table_library(type(cases))
    if library == "pandas" and "failure_case" in cases.columns:
        return _pandas_rows(cases)
    if library == "polars":
        return _polars_rows(cases, error.check_output)
    if library == "pyarrow":
        head = cases.slice(0, ROWS_SHOWN).to_pylist()
        return FailingRows(cases.num_rows, tuple((None, _shown_cells(row)) for row in head))
    return None


def _pandas_rows(cases: Any) -> FailingRows:
    if "column" not in cases.columns:
        head = zip(cases["index"].head(ROWS_SHOWN), cases["failure_case"].head(ROWS_SHOWN), strict=True)
        return FailingRows(len(cases), tuple((label, _shown(value)) for label, value in head))
    labels = cases["index"].drop_duplicates()
    first = []
    for label in labels.head(ROWS_SHOWN):
        row = cases[cases["index"] == label]
        first.append((label, _shown_cells(dict(zip(row["column"], row["failure_case"], strict=True)))))
    return FailingRows(len(labels), tuple(first))


def _polars_rows(cases: Any, output: Any) -> FailingRows:
    values = [_shown_cells(row) for row in cases.head(ROWS_SHOWN).to_dicts()]
    return FailingRows(len(cases), tuple(zip(_polars_positions(output, len(values)), values, strict=True)))


def _polars_positions(output: Any, count: int) -> Iterable[int | None]:
    if table_library(type(output)) == "polars" and "check_output" in output.columns:
        failing = output["check_output"].fill_null(value=False)
        positions: list[int] = (~failing).arg_true().head(count).to_list()
        if len(positions) == count:
            return positions
    return [None] * count


def _shown_cells(row: dict[Any, Any]) -> str:
    if len(row) == 1:
        return _shown(next(iter(row.values())))
    return cut(", ".join(f"{column}={_shown(value)}" for column, value in row.items()), 2 * _LONGEST_VALUE)


def _shown(value: Any) -> str:
    item = getattr(value, "item", None)
    plain = item() if callable(item) and getattr(value, "ndim", None) == 0 else value
    return cut(repr(plain), _LONGEST_VALUE)
