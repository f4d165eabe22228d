"""Runs nodes somewhere: in this process, in step hosts of this machine, on the workers of a Dask cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flowkit.lazy import lazy_names

if TYPE_CHECKING:
    from flowkit.execution.bundle import build_bundle as build_bundle
    from flowkit.execution.bundle import store_bundle as store_bundle
    from flowkit.execution.by_value import pickle_step as pickle_step
    from flowkit.execution.by_value import pickle_unpacking as pickle_unpacking
    from flowkit.execution.by_value import sources_around as sources_around
    from flowkit.execution.dask_tables import encode_dask_frame as encode_dask_frame
    from flowkit.execution.dask_tables import open_dask_frame as open_dask_frame
    from flowkit.execution.envelope import close_envelope as close_envelope
    from flowkit.execution.failure import Circumstances as Circumstances
    from flowkit.execution.failure import describe_failure as describe_failure
    from flowkit.execution.flights import Flights as Flights
    from flowkit.execution.inline import InlineExecutor as InlineExecutor
    from flowkit.execution.proof import summarise_code as summarise_code
    from flowkit.execution.worker_executor import WorkerExecutor as WorkerExecutor

# What only a run needs in which something executes, or has a table that is Dask's.
__getattr__ = lazy_names(
    __name__,
    {
        "Circumstances": "failure",
        "Flights": "flights",
        "InlineExecutor": "inline",
        "WorkerExecutor": "worker_executor",
        "build_bundle": "bundle",
        "close_envelope": "envelope",
        "describe_failure": "failure",
        "encode_dask_frame": "dask_tables",
        "open_dask_frame": "dask_tables",
        "pickle_step": "by_value",
        "pickle_unpacking": "by_value",
        "sources_around": "by_value",
        "store_bundle": "bundle",
        "summarise_code": "proof",
    },
)
