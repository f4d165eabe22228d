"""`one-step`, `chain-100`, `fan-200`, `fan-2000`: first runs of trivial steps, where overhead is all there is.

Whole processes, from the interpreter's start to its end: imports, starting workers, running, storing every result, and
stopping. Raw `dask.distributed` has two processes too and stores nothing; plain Python is one process. Target: a chain
of 100 takes no longer than with raw distributed.
"""

from benchmarks.measure import Limit, Work
from benchmarks.programs_of import COLD, DISTRIBUTED, cold, cold_command, plain, raw_distributed

_CHAIN_100 = Work(
    name="chain-100",
    about="100 trivial steps, each taking what the one before gave; first run",
    variants=(plain("chain", 100), raw_distributed("chain", 100), cold("chain", 100), cold_command("chain", 100)),
    beside=DISTRIBUTED,
    limits=(Limit(COLD, most=1.0, beside=DISTRIBUTED),),
)

_ONE_STEP = Work(
    name="one-step",
    about="a single trivial step: what a first run costs whatever it does",
    variants=(plain("chain", 1), raw_distributed("chain", 1), cold("chain", 1), cold_command("chain", 1)),
    beside=DISTRIBUTED,
)


def _fan(size: int, rounds: int) -> Work:
    return Work(
        name=f"fan-{size}",
        about=f"{size} trivial steps, all but the last apart; first run",
        variants=(plain("fan", size), raw_distributed("fan", size), cold("fan", size)),
        beside=DISTRIBUTED,
        rounds=rounds,
    )


SHAPES = (_ONE_STEP, _CHAIN_100, _fan(200, rounds=5), _fan(2000, rounds=3))
