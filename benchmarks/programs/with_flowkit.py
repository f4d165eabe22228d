"""Do a work with flowkit on two local workers: `with_flowkit.py SHAPE SIZE EXPECTED-OUTCOME [--light]`.

With `--light` it also proves that flowkit has imported nothing heavy. It tells its own peak memory in megabytes.
"""

import json
import resource
import sys
from collections import Counter
from pathlib import Path

import shapes
import trivial
from imported import refuse_heavy_imports

import flowkit as fk


def run(shape: str, size: int, outcome: str) -> None:
    """Run the pipeline, and see that every node ended as `outcome` and the last one with the right number."""
    with fk.Session(workers=2) as session:
        result = session.run(getattr(shapes, shape), size=size)
        outcomes = Counter(node.outcome.value for node in result.report.nodes)
        assert outcomes == {outcome: size}, (outcomes, result.report.warnings)
        assert result[result.nodes[-1]].value() == trivial.expected(shape, size)


def peak_megabytes() -> float:
    """Return the most memory that this process has held.

    `ru_maxrss` will not do on Linux: a process inherits it from the one that started it.
    """
    status = Path("/proc/self/status")
    if status.is_file():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) / 1000
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


if __name__ == "__main__":
    run(sys.argv[1], int(sys.argv[2]), sys.argv[3])
    if "--light" in sys.argv:
        refuse_heavy_imports()
    print(json.dumps({"figures": {"peak_mb": peak_megabytes()}}))
