"""The processors of this machine, and the variables that tell libraries how many to use."""

from __future__ import annotations

import os

THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "BLIS_NUM_THREADS",
)
"""Set for each step host to its share of the processors, unless the user has set them."""

POOL_VARIABLES = ("LOKY_MAX_CPU_COUNT", "POLARS_MAX_THREADS")
"""Set as well where a step asks for several processors; without that, what takes them all by itself goes on to."""


def usable_processors() -> int:
    """Return how many processors this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity is not None else os.cpu_count() or 1
