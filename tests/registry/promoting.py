"""What the tests of concurrent promotions run in processes of their own: candidates, better and worse, one by one."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from flowkit.authoring.gates import no_worse_than
from flowkit.records import RunStatus
from flowkit.registry.promote import Candidate, promote
from tests.lineage.samples import make_blob, make_execution, make_node, make_run, open_writer


def main(database: Path, name: str, count: int) -> None:
    """Promote `count` models that all processes share, in an order of their own."""
    with open_writer(database) as writer:
        writer.begin_run(make_run(name))
        for index in range(count):
            number = (index * 7 + int(name) * 3) % count
            model = make_blob(f"model {number}")
            writer.record(make_node(make_execution(C=number, outputs=[model]), run=name, node=f"train#{index}"))
            candidate = Candidate("taxi", "champion", model, {"accuracy": float(number)}, [no_worse_than("accuracy")])
            promote(writer, candidate, run=name, node=f"promote#{index}", who=name)
            print(index, flush=True)
        writer.finish_run(name, RunStatus.SUCCEEDED, 0, time.time())


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
