"""What Dask says when a cluster fails under a step, told as a failure of the step; nothing is imported for it."""

from __future__ import annotations

import sys
from typing import Any

from flowkit.errors import ComputeError

_LOST = ("CommClosedError", "FutureCancelledError", "FuturesCancelledError", "CancelledError")


def explain_compute(error: BaseException, step: str) -> ComputeError | None:
    """Return what a loss of a Dask worker or scheduler means for `step`; None where `error` is something else."""
    if "distributed" not in sys.modules:
        return None
    kinds = {kind.__name__ for kind in type(error).__mro__}
    modules = {kind.__module__.partition(".")[0] for kind in type(error).__mro__}
    if "KilledWorker" in kinds:
        return ComputeError.for_dead_worker(step, _shown(error))
    if kinds.intersection(_LOST) and modules.intersection({"distributed", "concurrent", "asyncio"}):
        return ComputeError.for_lost_cluster(step, _shown(error))
    return None


def _shown(error: Any) -> str:
    """Return what is known beyond the class: for a killed worker its task, of Dask's several sentences."""
    task = getattr(error, "task", None)
    name = type(error).__name__
    return f"{name}, computing {task}" if task is not None else f"{name}: {str(error)[:200]}"
