"""`table`, `table-reused`, `table-memory`: a million rows of ten numbers, five steps that add a column each, and a sum.

Cold beside raw `dask.distributed`, which stores nothing; what is written beside the 15 distinct columns; reused beside
importing the pipeline's module, pandas included, and nothing else. Memory is looked at in runs of their own.
"""

from benchmarks.measure import WRITTEN, Limit, Variant, Work, python
from benchmarks.programs_of import (
    COLD,
    COLD_COMMAND,
    DISTRIBUTED,
    IMPORT,
    PLAIN,
    REUSED,
    REUSED_COMMAND,
    Program,
    importing,
)

_PROGRAM = Program("table_flow", "table", {"executed": 7}, {"reused": 7})
_RAW = Variant(DISTRIBUTED, lambda folder: python("table_distributed.py"))

COLUMNS_MB, LARGEST_MB = 120.0, 120.0
"""15 columns of a million numbers are all that there is to write, and the last table has all of them."""

TABLE = Work(
    name="table",
    about="1 M rows x 10 columns, five steps that add one each, and a sum; first run",
    variants=(
        Variant(PLAIN, lambda folder: python("table_plain.py")),
        _RAW,
        _PROGRAM.cold("--store"),
        _PROGRAM.cold_command(),
    ),
    beside=DISTRIBUTED,
    limits=(
        Limit(COLD, most=0.9, beside=DISTRIBUTED),
        Limit(COLD_COMMAND, most=0.9, beside=DISTRIBUTED),
        Limit(COLD, most=1.1 * COLUMNS_MB, figure="stored_mb"),
        Limit(COLD, most=1.1 * COLUMNS_MB, figure=WRITTEN),
    ),
)

TABLE_REUSED = Work(
    name="table-reused",
    about="the same where everything is stored, beside importing its module",
    variants=(importing("table_flow"), _PROGRAM.again(), _PROGRAM.again_command()),
    beside=IMPORT,
    limits=(Limit(REUSED, most=1.1, beside=IMPORT), Limit(REUSED_COMMAND, most=1.1, beside=IMPORT)),
)

TABLE_MEMORY = Work(
    name="table-memory",
    about="the same, first run: the most memory of a worker",
    variants=(_RAW.watching(), _PROGRAM.cold().watching()),
    beside=DISTRIBUTED,
    limits=(Limit(COLD, most=2 * LARGEST_MB, figure="worker_mb"),),
    rounds=2,
)
