"""Run a pipeline with flowkit on two local workers: `with_session.py MODULE:PIPELINE OUTCOME=COUNT… [--store]`.

It sees that the nodes ended as they are told to, and calls the module's `prove` with the run where it has one. With
`--store` it tells how many megabytes the store and its database have; looking takes a moment.
"""

import importlib
import sys
from collections import Counter
from pathlib import Path

from told import megabytes_in, tell

import flowkit as fk


def run(target: str, expected: dict[str, int]) -> None:
    """Run the pipeline and see that it did what it had to."""
    module_name, _, name = target.partition(":")
    module = importlib.import_module(module_name)
    with fk.Session(workers=2) as session:
        result = session.run(getattr(module, name))
        outcomes = Counter(node.outcome.value for node in result.report.nodes)
        assert outcomes == expected, (outcomes, result.report.warnings)
        if hasattr(module, "prove"):
            module.prove(result)


if __name__ == "__main__":
    pairs = (argument.partition("=") for argument in sys.argv[2:] if "=" in argument)
    run(sys.argv[1], {outcome: int(count) for outcome, _, count in pairs})
    if "--store" in sys.argv:
        tell(stored_mb=megabytes_in(Path(".flowkit")), database_mb=megabytes_in(Path(".flowkit/lineage.db")))
