"""`reused-100`: a run of 100 nodes in which nothing has to be done.

The pipeline's module imports flowkit alone, and the programs fail if flowkit has imported distributed, pandas,
networkx, pandera, sqlite_utils, pydantic, beartype or another heavy library: a schedule that finds nothing new should
cost next to nothing. Measured beside plain Python and beside raw distributed, which computes it all again.
"""

from benchmarks.measure import Work
from benchmarks.programs_of import DISTRIBUTED, plain, raw_distributed, reused, reused_command

REUSED = Work(
    name="reused-100",
    about="a chain of 100 steps whose results are all stored; imports nothing heavy",
    variants=(
        plain("chain", 100),
        raw_distributed("chain", 100),
        reused("chain", 100),
        reused_command("chain", 100),
    ),
    beside=DISTRIBUTED,
)
