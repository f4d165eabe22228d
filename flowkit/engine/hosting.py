"""What step hosts are started with: where store, project and code lie, and what their steps' code must prove to be."""

from __future__ import annotations

from collections import Counter

from flowkit import execution
from flowkit.codecs.custom import custom_codecs
from flowkit.engine.keys import KeyMaker
from flowkit.engine.orders import is_importable
from flowkit.engine.workspace import Workspace
from flowkit.execution.base import HostSettings
from flowkit.graph.graph import Graph


def host_settings(workspace: Workspace, graph: Graph, keys: KeyMaker, *, bundled: bool) -> HostSettings:
    """Return what step hosts are started with: the store, the project, and, bundled, the code as it is loaded now."""
    steps = dict.fromkeys(node.step for node in graph.visible if node.step is not None)
    bundle = execution.store_bundle(workspace.folder, execution.build_bundle(workspace.project)) if bundled else None
    # A host must know the codecs that the driver knows: they take part in choosing how a value is stored.
    modules = dict.fromkeys(codec.codec_class.__module__ for codec in custom_codecs())
    modules.update(dict.fromkeys(step.module for step in steps))
    return HostSettings(
        store=str(workspace.folder.path),
        root=str(workspace.project.root),
        code=workspace.project.code,
        bundle=bundle,
        pickle=workspace.pickle,
        undeclared=workspace.undeclared,
        warm=tuple(name for name in modules if name != "__main__"),
        at_once=widest_of(graph),
        proofs={
            (prepared.step.module, prepared.step.qualname): execution.summarise_code(prepared.code)
            for prepared in map(keys.prepare, steps)
            if is_importable(prepared.step)
        },
        environments={
            prepared.environment.digest: prepared.environment.values for prepared in map(keys.prepare, steps)
        },
    )


def widest_of(graph: Graph) -> int | None:
    """Return how many steps are equally far from the graph's beginning at the most; None where lists may widen it.

    About that many run side by side: of a chain one, of a fan all of its elements.
    """
    depths: dict[str, int] = {}
    breadth: Counter[int] = Counter()
    for node in graph:
        if node.dimension is not None:
            return None
        depths[node.name] = 1 + max((depths.get(producer, 0) for producer in graph.producers[node.name]), default=0)
        if node.step is not None:
            breadth[depths[node.name]] += 1
    return max(breadth.values(), default=0)
