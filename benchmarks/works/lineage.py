"""`lineage-1000000`, `lineage-size`: questions to a large database, and how large a run makes it.

The million artifacts are inserted in bulk into a database of flowkit's own schema, see `programs/large_lineage.py`. The
size is that of a real run of 10,000 nodes, each with an argument or two of its own beside what it takes.
"""

from __future__ import annotations

from pathlib import Path

from benchmarks.measure import Limit, Variant, Work, python, run_program
from benchmarks.programs_of import COLD, Program
from benchmarks.projects import is_filled

ARTIFACTS = 1_000_000
_MILLISECONDS, _DATABASE_MB = 20.0, 5.0


def _fill(folder: Path) -> None:
    if not is_filled(folder):
        run_program(python("large_lineage.py", "fill", str(ARTIFACTS)), folder)


LINEAGE = Work(
    name="lineage-1000000",
    about="ancestors and descendants, a thousand each, of an artifact among a million; in milliseconds",
    variants=(Variant("flowkit", lambda folder: python("large_lineage.py", "ask", str(ARTIFACTS)), _fill),),
    beside="flowkit",
    limits=tuple(
        Limit("flowkit", most=_MILLISECONDS, figure=figure)
        for figure in ("chain_up_ms", "fan_up_ms", "chain_down_ms", "fan_down_ms", "shared_down_ms")
    ),
    rounds=3,
    warms=False,
)

LINEAGE_SIZE = Work(
    name="lineage-size",
    about="megabytes of database of a run of 10,000 nodes",
    variants=(Program("layers", "wide", {"executed": 10_000}, {}).cold("--store"),),
    beside=COLD,
    limits=(Limit(COLD, most=_DATABASE_MB, figure="database_mb"),),
    rounds=1,
    warms=False,
)
