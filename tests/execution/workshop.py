"""A small project on disk, and the orders for its steps as an engine would write them."""

from __future__ import annotations

import importlib
import itertools
import sys
import textwrap
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from flowkit.authoring.step import Step
from flowkit.codecs.registry import CodecRegistry
from flowkit.execution.base import (
    Executor,
    ExecutorEvent,
    HostSettings,
    NodeEnded,
    NodeOrder,
    NodeReturned,
    NodeStarted,
    Packet,
    PacketEnded,
    StepOrder,
)
from flowkit.execution.bundle import build_bundle, store_bundle
from flowkit.execution.by_value import pickle_step, sources_around
from flowkit.fingerprint.code import CodeFingerprinter
from flowkit.fingerprint.environment import EnvironmentReader
from flowkit.graph.arguments import Ref, refs_of
from flowkit.project import Project
from flowkit.records import Artifact, StepResult, StepSpecification
from flowkit.store.folder import StoreFolder
from flowkit.store.local import LocalStore

_COUNT = itertools.count()


class Workshop:
    """A project with one module of steps, a store, and counters for tokens."""

    def __init__(self, root: Path, source: str, **files: str) -> None:
        self.root = root.resolve()
        self.name = f"flow{next(_COUNT)}"
        folder = self.root / "pipelines"
        folder.mkdir(parents=True)
        (self.root / "pyproject.toml").write_text("")
        self.file = folder / f"{self.name}.py"
        self.write(source)
        for name, text in files.items():
            (folder / f"{name}.py").write_text(textwrap.dedent(text))
        self.folder = StoreFolder.create_or_open(self.root / ".flowkit")
        self.folder.make_run_folder("r1")
        self.store = LocalStore(self.folder)
        self.project = Project(self.root)
        self._tokens = itertools.count()
        self._orders: dict[StepSpecification, StepOrder] = {}

    def write(self, source: str) -> None:
        """Write the steps' module."""
        preamble = (
            "from __future__ import annotations\nimport os, sys, time\nfrom pathlib import Path\nimport flowkit as fk\n"
        )
        self.file.write_text(preamble + textwrap.dedent(source))

    def load(self) -> Any:
        """Import the module, or import it again as it stands on disk."""
        if str(self.root) not in sys.path:
            sys.path.insert(0, str(self.root))
        package = sys.modules.get("pipelines")
        if package is not None:
            # One namespace package per test: the folder of an earlier one must not answer for it.
            del sys.modules["pipelines"]
        importlib.invalidate_caches()
        sys.modules.pop(f"pipelines.{self.name}", None)
        self._orders.clear()
        return importlib.import_module(f"pipelines.{self.name}")

    def unload(self) -> None:
        """Forget the module."""
        for name in [name for name in sys.modules if name == "pipelines" or name.startswith("pipelines.")]:
            del sys.modules[name]
        sys.path[:] = [entry for entry in sys.path if entry != str(self.root)]

    def settings(self, *, bundle: bool = True) -> HostSettings:
        """Return settings for hosts, with a bundle of what is loaded now."""
        digest = store_bundle(self.folder, build_bundle(self.project)) if bundle else None
        return HostSettings(str(self.folder.path), str(self.root), (), digest, warm=(f"pipelines.{self.name}",))

    def step_order(self, step: Step[..., Any], *, by_value: bool = False) -> StepOrder:
        """Return how a host finds a step."""
        specification = step.specification
        known = self._orders.get(specification)
        if known is None or by_value:
            code = CodeFingerprinter(self.project).of_step(specification)
            environment = EnvironmentReader().read(code.distributions, specification.options.env)
            known = self._orders[specification] = StepOrder(
                name=specification.name,
                module=specification.module,
                qualname=specification.qualname,
                code=code.digest,
                environment=environment.digest,
                options=specification.options,
                pickled=pickle_step(specification) if by_value else None,
                sources=sources_around(specification) if by_value else {},
            )
        return known

    def order(
        self, step: Step[..., Any], node: str | None = None, /, *, by_value: bool = False, **arguments: Any
    ) -> NodeOrder:
        """Return the order for one node; arguments as trees with `Ref` leaves."""
        name = node or step.specification.name
        number = next(self._tokens)
        return NodeOrder(
            node=name,
            attempt=1,
            token=f"{name}-{number}",
            step=self.step_order(step, by_value=by_value),
            arguments=arguments,
            parts={},
            inputs={},
            skipped=frozenset(),
            key=None,
            live_keys=frozenset(),
            log=f"runs/r1/{name}.{number}.log",
        )

    def with_inputs(self, order: NodeOrder, made: dict[Ref, Artifact]) -> NodeOrder:
        """Return an order with the artifacts that exist already."""
        needed = {ref for tree in order.arguments.values() for ref in refs_of(tree)}
        return replace(order, inputs={ref: made[ref] for ref in needed if ref in made})

    def packet(self, *orders: NodeOrder, budget: float = 5.0) -> Packet:
        """Return a packet."""
        return Packet(f"p{next(_COUNT)}", orders, budget)

    def value(self, result: StepResult, hint: Any = Any, output: str = "return") -> Any:
        """Read an output back."""
        artifact = next(item.artifact for item in result.outputs if item.name == output)
        return CodecRegistry().decode(self.store.open(artifact), hint, self.root)

    def log(self, result: StepResult) -> str:
        """Read what an attempt printed; empty where nothing was."""
        return "" if result.log is None else (self.folder.path / result.log).read_text()


def wait_for_workers(executor: Executor, seconds: float = 30.0) -> list[str]:
    """Return the names of the executor's workers as soon as there is one."""
    end = time.monotonic() + seconds
    while not (workers := list(executor.slots().workers)):
        assert time.monotonic() < end, "no worker came"
    return workers


def run_all(executor: Executor, packets: Sequence[Packet], seconds: float = 30.0) -> list[ExecutorEvent]:
    """Submit packets to the first worker and return every event until all of them have ended."""
    worker = wait_for_workers(executor)[0]
    for packet in packets:
        executor.submit(packet, worker)
    return events_until_end(executor, {packet.id for packet in packets}, seconds)


def events_until_end(executor: Executor, packets: set[str], seconds: float = 30.0) -> list[ExecutorEvent]:
    """Return every event until these packets have ended."""
    found: list[ExecutorEvent] = []
    end = time.monotonic() + seconds
    open_packets = set(packets)
    while open_packets:
        assert time.monotonic() < end, f"packets {open_packets} did not end; so far: {found}"
        for event in executor.events(0.5):
            found.append(event)
            if isinstance(event, PacketEnded):
                open_packets.discard(event.packet)
    return found


def results(events: Iterable[ExecutorEvent]) -> dict[str, StepResult]:
    """Return results by node."""
    return {event.result.node: event.result for event in events if isinstance(event, NodeEnded)}


def returned(events: Iterable[ExecutorEvent]) -> dict[str, str]:
    """Return the reasons of nodes that were handed back."""
    return {event.node: event.reason for event in events if isinstance(event, NodeReturned)}


def started(events: Iterable[ExecutorEvent]) -> list[str]:
    """Return the nodes that began, in order."""
    return [event.node for event in events if isinstance(event, NodeStarted)]
