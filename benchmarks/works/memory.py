"""`memory-10000`: the most memory that the driver holds in a run of 10,000 nodes.

The driver's own process, with the scheduler and the worker that live in it; step hosts are processes of their own.
Target: under 300 MB.
"""

from benchmarks.measure import Limit, Work
from benchmarks.programs_of import COLD, REUSED, cold, reused

SIZE = 10_000

MEMORY = Work(
    name="memory-10000",
    about="peak memory of the driver in a run of 10,000 nodes, first and reused",
    variants=(cold("fan", SIZE), reused("fan", SIZE)),
    beside=COLD,
    limits=(
        Limit(COLD, most=300.0, figure="peak_mb"),
        Limit(REUSED, most=300.0, figure="peak_mb"),
    ),
    rounds=1,
)
