"""`plan-1000`: how long `flowkit plan` takes for 1,000 nodes, over only importing the pipeline's module."""

from benchmarks.measure import Limit, Work
from benchmarks.programs_of import IMPORT, command, filled, importing
from benchmarks.projects import forget_results

_SIZE = 1000
_SECONDS = 0.25


def _arguments(shape: str) -> tuple[str, ...]:
    return ("plan", f"shapes.py:{shape}", "-p", f"size={_SIZE}")


NEW, KNOWN, KNOWN_FAN = "plan of a new chain", "plan of a known chain", "plan of a known fan-out"

PLAN = Work(
    name="plan-1000",
    about="flowkit plan of 1,000 nodes, over importing the pipeline's module",
    variants=(
        importing("shapes"),
        command(NEW, *_arguments("chain"), prepare=forget_results, says=f"chain: 1 run, {_SIZE - 1:,} unknown"),
        filled(KNOWN, *_arguments("chain"), shape="chain", size=_SIZE, says=f"chain: {_SIZE:,} reuse"),
        filled(KNOWN_FAN, *_arguments("fan"), shape="fan", size=_SIZE, says=f"fan: {_SIZE:,} reuse"),
    ),
    beside=IMPORT,
    limits=tuple(Limit(name, most=_SECONDS, over=IMPORT) for name in (NEW, KNOWN, KNOWN_FAN)),
)
