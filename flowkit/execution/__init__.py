"""Runs nodes somewhere: in this process, in step hosts of this machine, on the workers of a Dask cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flowkit.lazy import lazy_names

if TYPE_CHECKING:
    from flowkit.execution.inline import InlineExecutor as InlineExecutor
    from flowkit.execution.worker_executor import WorkerExecutor as WorkerExecutor

__getattr__ = lazy_names(__name__, {"InlineExecutor": "inline", "WorkerExecutor": "worker_executor"})
