"""`one-step`, `chain-100`, `fan-200`, `fan-2000`, `fan-20000`: first runs of trivial steps, where overhead is all.

Whole processes, from the interpreter's start to its end: imports, starting workers, running, storing every result, and
stopping. Raw `dask.distributed` has two processes too and stores nothing; plain Python is one process.

`fan-20000` is about growth: what a node of so many costs beside a node of 2,000, and the driver's own memory; step
hosts are processes of their own.
"""

from benchmarks.measure import A_NODE, Limit, Work
from benchmarks.programs_of import (
    COLD,
    COLD_COMMAND,
    DISTRIBUTED,
    REUSED,
    cold,
    cold_command,
    plain,
    raw_distributed,
    reused,
)

_SMALLER = "flowkit cold, 2,000"
_DRIVER_MB = 300.0


def _first_run(name: str, about: str, shape: str, size: int, most: float, rounds: int = 5) -> Work:
    return Work(
        name=name,
        about=about,
        variants=(plain(shape, size), raw_distributed(shape, size), cold(shape, size), cold_command(shape, size)),
        beside=DISTRIBUTED,
        limits=(Limit(COLD, most=most, beside=DISTRIBUTED), Limit(COLD_COMMAND, most=most, beside=DISTRIBUTED)),
        rounds=rounds,
    )


_GROWN = Work(
    name="fan-20000",
    about="20,000 trivial steps beside 2,000: what a node costs, and the driver's memory; first run and reused",
    variants=(cold("fan", 2000, _SMALLER), cold("fan", 20_000), reused("fan", 20_000)),
    beside=_SMALLER,
    limits=(
        Limit(COLD, most=1.2, figure=A_NODE, beside=_SMALLER),
        Limit(COLD, most=_DRIVER_MB, figure="peak_mb"),
        Limit(REUSED, most=_DRIVER_MB, figure="peak_mb"),
    ),
    rounds=1,
    warms=False,
)

SHAPES = (
    _first_run("one-step", "a single trivial step: what a first run costs whatever it does", "chain", 1, most=0.6),
    _first_run("chain-100", "100 trivial steps, each taking what the one before gave; first run", "chain", 100, 0.45),
    _first_run("fan-200", "200 trivial steps, all but the last apart; first run", "fan", 200, 0.5),
    _first_run("fan-2000", "2,000 trivial steps, all but the last apart; first run", "fan", 2000, 0.2, rounds=3),
    _GROWN,
)
