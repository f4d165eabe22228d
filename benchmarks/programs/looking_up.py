"""Key and look up 2,000 nodes whose results are stored, wave by wave, and tell the CPU microseconds a node.

The first time is one of a run of its own: of a process that has fingerprinted the steps and read nothing else. With
`--profile` it prints the functions that take longest instead.
"""

import cProfile
import json
import pstats
import sys
import time
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import layers

from flowkit.engine.workspace import Workspace
from flowkit.graph.arguments import Ref
from flowkit.project import Project

ROOT = Path(__file__).resolve().parent
NODES, MICROSECONDS, SHOWN = 2000, 1e6, 25


def look_up(workspace: Workspace) -> dict[str, float]:
    """Return the seconds that keys and lookups took, having seen that every node is reused."""
    graph = layers.layers.build({"waves": 20, "width": 100})
    keys = workspace.make_keys()
    keys.prepare_all(node.step for node in graph if node.step is not None)
    lookups = workspace.make_lookups(graph.pipeline, frozenset(), frozenset())
    artifacts: dict[Ref, Any] = {}
    seconds = {"key": 0.0, "lookup": 0.0}
    nodes = list(graph)
    assert len(nodes) == NODES, len(nodes)
    for place in range(0, NODES, 100):
        begun = time.process_time()
        keyed = [keys.key(node, artifacts.get) for node in nodes[place : place + 100]]
        keyed_at = time.process_time()
        found = lookups.find(keyed)
        seconds["key"] += keyed_at - begun
        seconds["lookup"] += time.process_time() - keyed_at
        for lookup in found:
            assert lookup.entry is not None, (lookup.keyed.name, lookup.miss)
            for output in lookup.entry.outputs:
                artifacts[Ref(lookup.keyed.name, output.name)] = output.artifact
    return seconds


if __name__ == "__main__":
    opened = Workspace.open(Project(ROOT), ROOT / ".flowkit")
    profile = cProfile.Profile() if "--profile" in sys.argv else None
    with profile or nullcontext():
        took = look_up(opened)
    opened.close()
    if profile is not None:
        pstats.Stats(profile).sort_stats("tottime").print_stats(SHOWN)
    per_node = {name: seconds / NODES * MICROSECONDS for name, seconds in took.items()}
    print(json.dumps({"figures": {**per_node, "both": sum(per_node.values())}}))
