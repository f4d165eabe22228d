"""Test a pipeline of ten trivial steps again and again, each time as a test of its own: `with_tests.py plain|flowkit`.

Each flowkit test has an empty store, as the fixture `flowkit_run` gives it. What the process needs once, such as its
imports, is not counted: one test comes before.
"""

import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import shapes
import trivial

from flowkit.testing import PipelineRunner

STEPS = 10
TESTS = 20


def with_calls() -> int:
    """Call the steps one after the other."""
    number = shapes.give_zero()
    for _ in range(STEPS - 1):
        number = shapes.add_one(number)
    return number


def with_flowkit() -> int:
    """Run the pipeline in a store of its own, and see that every node ran."""
    with tempfile.TemporaryDirectory() as folder, PipelineRunner(Path(folder) / "store") as flowkit_run:
        run = flowkit_run(shapes.chain, size=STEPS)
        assert len(run.executed) == STEPS
        last: int = run[run.executed[-1]].value()
        return last


def seconds_of(test: Callable[[], int]) -> float:
    """Return what one test takes."""
    begun = time.perf_counter()
    assert test() == trivial.expected("chain", STEPS)
    return time.perf_counter() - begun


if __name__ == "__main__":
    test = {"plain": with_calls, "flowkit": with_flowkit}[sys.argv[1]]
    seconds_of(test)
    print(json.dumps({"figures": {"test": median(seconds_of(test) for _ in range(TESTS))}}))
