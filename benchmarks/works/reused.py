"""`reused-chain-100`, `reused-fan-200`, `reused-fan-2000`: runs in which nothing has to be done.

The pipeline's module imports flowkit alone, and the programs fail if flowkit has imported distributed, pandas,
networkx, pandera, sqlite_utils, pydantic, beartype or another heavy library: a schedule that finds nothing new should
cost next to nothing. Measured beside `joblib.Memory`, which reads the same results from its own folder.
"""

from benchmarks.measure import Limit, Work
from benchmarks.programs_of import JOBLIB, REUSED, REUSED_COMMAND, remembered, reused, reused_command


def _reused(shape: str, size: int) -> Work:
    return Work(
        name=f"reused-{shape}-{size}",
        about=f"a {shape} of {size} steps whose results are all stored, beside joblib.Memory; imports nothing heavy",
        variants=(remembered(shape, size), reused(shape, size), reused_command(shape, size)),
        beside=JOBLIB,
        limits=(Limit(REUSED, most=1.0, beside=JOBLIB), Limit(REUSED_COMMAND, most=1.0, beside=JOBLIB)),
    )


REUSED_SHAPES = (_reused("chain", 100), _reused("fan", 200), _reused("fan", 2000))
