"""A schema on a step's border, and what it does with a table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from flowkit.contracts.border import Border
from flowkit.contracts.loading import spare_dask
from flowkit.contracts.partwise import find_whole_table_rules
from flowkit.contracts.report import describe_failures, is_about_index
from flowkit.contracts.schemas import is_series_schema, schema_library, schema_name, table_library

_LIBRARIES = ("pandas", "polars", "pyarrow")


class Contract(Struct, frozen=True, eq=False):
    """A pandera schema as an annotation carries it. Two are equal where they hold the same schema on the same type.

    Attributes:
        name: What messages call it.
        schema: A model class or a schema object; for `Series[dtype]` the dtype itself.
        library: The table library that the schema is written for.
        table: The plain class that is annotated, such as `pandas.DataFrame`.
        optional: Whether None is admitted beside the table.
        surplus: Names of further schemas in the same annotation, which make it unusable.
    """

    name: str
    schema: Any
    library: str
    table: Any
    optional: bool = False
    surplus: tuple[str, ...] = ()

    @classmethod
    def of_schemas(cls, schemas: Sequence[Any], table: Any) -> Contract:
        """Return the contract of models or schema objects that stand beside `table` in one annotation."""
        first, *others = schemas
        surplus = tuple(schema_name(other) for other in others)
        return cls(schema_name(first), first, schema_library(first) or "", table, surplus=surplus)

    @classmethod
    def of_series(cls, arguments: tuple[Any, ...], table: Any) -> Contract:
        """Return the contract of pandera's `Series[dtype]`."""
        dtype = arguments[0]
        return cls(getattr(dtype, "__name__", str(dtype)), dtype, table_library(table) or "", table)

    def admitting_none(self) -> Contract:
        """Return the same contract with None admitted."""
        return replace(self, optional=True)

    def __eq__(self, other: object) -> bool:
        # By identity of the schema: pandera's schema objects have no hash, and compare part by part.
        return isinstance(other, Contract) and self._identity() == other._identity()

    def __hash__(self) -> int:
        return hash(self._identity())

    def _identity(self) -> tuple[object, ...]:
        return (id(self.schema), self.table, self.optional, self.surplus)

    @property
    def is_model(self) -> bool:
        """Whether the schema is a model class, whose subclasses refine it."""
        return isinstance(self.schema, type) and schema_library(self.schema) is not None

    @property
    def is_series(self) -> bool:
        """Whether it is about one series."""
        return schema_library(self.schema) is None or is_series_schema(self.schema)

    @property
    def overrides_validate(self) -> bool:
        """Whether it is a model with a `validate` of its own, which may do anything with a table."""
        return self.is_model and _overrides_validate(self.schema)

    def misfit(self) -> str | None:
        """Say why the contract can never be met, None where it can: to be asked before anything runs.

        It is where its schema is written for another library than the table's, where one annotation carries two
        schemas, and where pandera cannot build the schema. pyarrow tables take schemas of any of the three libraries.
        """
        library = table_library(self.table)
        if self.surplus:
            return f"one annotation carries two contracts: {', '.join((self.name, *self.surplus))}"
        if library is None:
            return f"{self.name} is a pandera schema, but {_class_name(self.table)} is no table"
        expected = "pandas" if library == "dask" else library
        if self.library not in _LIBRARIES or expected not in ("pyarrow", self.library):
            return f"{self.name} is a pandera.{self.library} schema, but {_class_name(self.table)} is a {library} table"
        try:
            schema = self.pandera_schema()
        except Exception as problem:  # noqa: BLE001  (pandera raises what the user's class body makes it raise)
            return f"{self.name} is not a usable schema: {type(problem).__name__}: {_first_line(problem)}"
        return self._misfit_of_partitions(schema) if library == "dask" else None

    def _misfit_of_partitions(self, schema: Any) -> str | None:
        if self.is_series:
            return f"{self.name} is about one series, but {_class_name(self.table)} is a table"
        rules = list(find_whole_table_rules(schema))
        if self.overrides_validate:
            rules.append("a validate() of its own")
        if not rules:
            return None
        return (
            f"{self.name} cannot be checked partition by partition: {'; '.join(rules)} may need the whole table "
            "(a check of yours that looks at one value at a time can say element_wise=True)"
        )

    def pandera_schema(self) -> Any:
        """Return pandera's schema object, built where the contract holds a model or a dtype."""
        if self.is_model:
            spare_dask()
            return self.schema.to_schema()
        if schema_library(self.schema) is not None:
            return self.schema
        from pandera.pandas import SeriesSchema

        return SeriesSchema(self.schema)

    def validate(self, value: Any, *, where: Border) -> Any:
        """Validate a table and return what is to be stored: coerced and filtered as the schema says.

        All checks run, on all rows, whatever pandera's environment variables switch off.

        Args:
            value: The table; None passes where the contract is optional.
            where: The step's border that it crosses, for the message.

        Raises:
            ContractError: The table breaks the contract, or the contract itself cannot be met.
        """
        if value is None and self.optional:
            return value
        misfit = self.misfit()
        if misfit is not None:
            raise where.unusable(self.name, misfit)
        if not isinstance(value, self.table):
            raise where.unusable(self.name, f"the value is a {_class_name(type(value))}")
        if table_library(type(value)) == "dask":
            return self._validate_partitions(value, where)
        if table_library(type(value)) == "pyarrow" and self.library != "pyarrow":
            return self._validate_arrow(value, where)
        return self._validate(value, where)

    def _validate_partitions(self, value: Any, where: Border) -> Any:
        """Return a collection whose partitions are validated when they are computed."""
        described = value._meta
        contract = replace(self, table=type(described))
        return value.map_partitions(contract.validate, where=where, meta=contract.validate(described, where=where))

    def _validate_arrow(self, value: Any, where: Border) -> Any:
        import pyarrow

        if self.library == "polars":
            import polars

            checked = self._validate(polars.from_arrow(value), where)
            return checked.to_arrow() if self.changes_values() else value
        checked = self._validate(value.to_pandas(), where)
        return pyarrow.Table.from_pandas(checked, preserve_index=False) if self.changes_values() else value

    def _validate(self, value: Any, where: Border) -> Any:
        # Raised outside of the handlers: an error's context would keep pandera's, and with it the whole table.
        checked, errors, problem = self._try(value)
        if (errors or problem) and self.library == "pandas" and not value.index.is_unique:
            errors = self._errors_by_row_number(value, errors)
        if errors:
            raise where.broken(self.name, describe_failures(errors, len(value)))
        if problem is not None:
            raise where.unusable(self.name, problem)
        return checked

    def _try(self, value: Any) -> tuple[Any, list[Any], str | None]:
        """Return what `validate` returns, or pandera's errors, or what went wrong in it."""
        from pandera.errors import SchemaError, SchemaErrors

        try:
            return self._run(value), [], None
        except SchemaErrors as failures:
            return None, failures.schema_errors, None
        except SchemaError as failure:
            return None, [failure], None
        except Exception as problem:  # noqa: BLE001  (a person's parser or `validate` may raise anything)
            return None, [], f"{type(problem).__name__}: {_first_line(problem)}"

    def _errors_by_row_number(self, value: Any, errors: list[Any]) -> list[Any]:
        """Return the failures with row numbers where labels of the index repeat.

        With repeated labels pandera mixes up rows of frame-level failures, or breaks down on them.
        """
        _, numbered, _ = self._try(value.reset_index(drop=True))
        about_index = [error for error in errors if is_about_index(error)]
        return about_index + [error for error in numbered if not is_about_index(error)] or errors

    def _run(self, value: Any) -> Any:
        from pandera.config import ValidationDepth, config_context

        with config_context(validation_enabled=True, validation_depth=ValidationDepth.SCHEMA_AND_DATA):
            validator = self.schema if self.is_model else self.pandera_schema()
            return validator.validate(value, lazy=True)

    def changes_values(self) -> bool:
        """Whether what `validate` returns can differ from what it was given."""
        if self.overrides_validate:
            return True
        schema = self.pandera_schema()
        parts = [schema, *getattr(schema, "columns", {}).values()]
        index = getattr(schema, "index", None)
        parts.extend([index] if index is not None else [])
        return any(_part_changes(part) for part in parts)


def _part_changes(part: Any) -> bool:
    return bool(
        getattr(part, "coerce", False)
        or getattr(part, "parsers", None)
        or getattr(part, "drop_invalid_rows", False)
        or getattr(part, "add_missing_columns", False)
        or getattr(part, "strict", False) == "filter"
        or getattr(part, "default", None) is not None
    )


def _overrides_validate(model: type) -> bool:
    owner = next(kind for kind in model.__mro__ if "validate" in vars(kind))
    return not owner.__module__.startswith("pandera.")


def _class_name(kind: Any) -> str:
    module = getattr(kind, "__module__", "").partition(".")[0]
    name = getattr(kind, "__name__", str(kind))
    return name if module in {"", "builtins"} else f"{module}.{name}"


def _first_line(problem: BaseException) -> str:
    return (str(problem).strip().splitlines() or [""])[0]
