"""Do a work with flowkit on two local workers: `with_flowkit.py SHAPE SIZE EXPECTED-OUTCOME [--light]`.

With `--light` it also proves that flowkit has imported nothing heavy. It tells its own peak memory in megabytes.
"""

import sys
from collections import Counter

import shapes
import trivial
from imported import refuse_heavy_imports
from told import peak_megabytes, tell

import flowkit as fk


def run(shape: str, size: int, outcome: str) -> None:
    """Run the pipeline, and see that every node ended as `outcome` and the last one with the right number."""
    with fk.Session(workers=2) as session:
        result = session.run(getattr(shapes, shape), size=size)
        outcomes = Counter(node.outcome.value for node in result.report.nodes)
        assert outcomes == {outcome: size}, (outcomes, result.report.warnings)
        assert result[result.nodes[-1]].value() == trivial.expected(shape, size)


if __name__ == "__main__":
    run(sys.argv[1], int(sys.argv[2]), sys.argv[3])
    if "--light" in sys.argv:
        refuse_heavy_imports()
    tell(peak_mb=peak_megabytes())
