"""Errors of a step's own Dask computations, and of tables that it keeps as dask DataFrames."""

from __future__ import annotations

from typing import ClassVar, Self

from flowkit.errors.codec import CodecError
from flowkit.errors.step import StepError


class ComputeError(StepError):
    """A step that could not compute on the run's Dask cluster."""

    @classmethod
    def for_no_cluster(cls, reason: str) -> Self:
        """The cluster cannot be started or reached."""
        return cls(
            "The Dask cluster that this step computes on cannot be used.",
            [("reason", reason)],
            "run it with --inline to compute in this process, or look after the scheduler that --scheduler names.",
        )

    @classmethod
    def for_dead_worker(cls, step: str, reason: str) -> Self:
        """A Dask worker died under a task of the step."""
        return cls(
            f"A Dask worker died while it computed for step '{step}'.",
            [("step", step), ("reason", reason), ("likely", "out of memory, or killed by somebody")],
            "use smaller partitions, as .repartition(partition_size='50MB') gives, or workers with more memory.",
        )

    @classmethod
    def for_lost_cluster(cls, step: str, reason: str) -> Self:
        """The scheduler, or the connection to it, was lost while the step computed."""
        return cls(
            f"The Dask cluster was lost while it computed for step '{step}'.",
            [("step", step), ("reason", reason)],
            "run it again; what had been computed by other steps is reused.",
        )


class PartitionError(CodecError):
    """A dask DataFrame whose partitions do not make one table."""

    retryable: ClassVar[bool] = False

    @classmethod
    def for_difference(cls, what: str, first: str, other: str, partition: int | None = None) -> Self:
        """Two partitions differ in what must be alike."""
        return cls(
            f"The partitions of a dask DataFrame differ in {what}.",
            [("before", first), ("then" if partition is None else f"partition {partition}", other)],
            "make them alike before returning the table: .astype({…}) for dtypes, .cat.as_known() for categories, "
            ".reset_index(drop=True) for the index.",
        )

    @classmethod
    def for_column(cls, column: str, held: str) -> Self:
        """A column of a kind that cannot be stored piece by piece."""
        return cls(
            f"Column {column} of a dask DataFrame cannot be stored in pieces.",
            [("holds", held)],
            "convert the column with .astype(…), or return a pandas DataFrame.",
        )

    @classmethod
    def for_index(cls, held: str) -> Self:
        """An index of a kind that cannot be stored piece by piece."""
        return cls(
            "The index of a dask DataFrame cannot be stored in pieces.",
            [("holds", held)],
            "make its levels columns: return rows.reset_index().",
        )
