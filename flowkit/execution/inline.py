"""Packets run in the driver's own process, for a debugger and for tests: one worker, one slot, no time limits."""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path

from flowkit.cache.code import StepCode
from flowkit.codecs.registry import CodecRegistry, import_codecs
from flowkit.execution.base import (
    ExecutorEvent,
    HostSettings,
    NodeEnded,
    NodeReturned,
    NodeStarted,
    Packet,
    PacketEnded,
    Slots,
)
from flowkit.execution.capture import Capture, InlineCapture, NoCapture
from flowkit.execution.host_context import HostContext
from flowkit.execution.isolation import WorkFolder, make_work_base, remove_work_base
from flowkit.execution.observing.boundaries import Boundaries
from flowkit.execution.observing.watches import install_watches
from flowkit.execution.packets import WITHDRAWN, PacketRun
from flowkit.execution.steps import StepFinder
from flowkit.fingerprint.code import CodeFingerprinter
from flowkit.project import Project
from flowkit.records import Digest
from flowkit.store.folder import StoreFolder
from flowkit.store.local import LocalStore

WORKER = "inline"


class InlineExecutor:
    """Runs each packet while its events are asked for. A timeout is not enforced, as nothing could be killed.

    Args:
        capture: Whether to keep what steps print in their logs; by default unless a person sits at the terminal,
            where a debugger needs it.
    """

    ships_code = False

    def __init__(self, capture: bool | None = None) -> None:
        self._capture_wanted = not sys.stdin.isatty() if capture is None and sys.stdin is not None else bool(capture)
        self._capture: Capture = NoCapture()
        self._context: HostContext | None = None
        self._work = Path()
        self._finder: StepFinder | None = None
        self._waiting: deque[Packet] = deque()
        self._current: tuple[Packet, Iterator[None]] | None = None
        self._events: list[ExecutorEvent] = []
        self._cancelled: set[str] = set()

    def expect(self, at_once: int | None) -> None:
        """Do nothing: no process is started for steps."""

    def dismiss(self) -> None:
        """Do nothing: there is none."""

    def start(self, settings: HostSettings) -> None:
        """Open the store for the steps of this process."""
        self._close_context()
        if self._capture_wanted:
            self._capture = InlineCapture()
        import_codecs()
        install_watches()
        self._work = make_work_base()
        codecs = CodecRegistry(settings.pickle)
        project = Project(Path(settings.root), settings.code)
        code = StepCode(CodeFingerprinter(project, Path(settings.store)), codecs)
        # The driver's own code is the code of the run, so there is nothing to prove.
        self._finder = StepFinder(code, WORKER, settings.proofs, settings.environments, proves=False)
        self._finder.prepare()
        self._context = HostContext(
            root=settings.root,
            folder=Path(settings.store),
            store=LocalStore(StoreFolder.open(Path(settings.store)), settings.memory_bytes),
            codecs=codecs,
            work=WorkFolder(self._work),
            capture=self._capture,
            worker=WORKER,
            boundaries=Boundaries(str(Path(settings.root).resolve()), (settings.store, str(self._work))),
            undeclared=settings.undeclared,
            interruptible=True,
            code=code,
        )

    @property
    def capacity(self) -> Slots:
        """One slot that takes every node."""
        return Slots({WORKER: 1}, limited=False)

    def slots(self) -> Slots:
        """Return the one worker with its one slot."""
        return self.capacity

    def submit(self, packet: Packet, worker: str) -> None:
        """Put a packet behind the others."""
        self._waiting.append(packet)

    def cancel(self, nodes: Sequence[str]) -> None:
        """Hand back what has not begun; what runs cannot be stopped from within its own process."""
        self._cancelled.update(nodes)

    def events(self, timeout: float | None) -> list[ExecutorEvent]:
        """Go on to where a node begins, and return what happened until then; nothing where no packet waits."""
        if self._current is None and self._waiting:
            packet = self._waiting.popleft()
            self._current = (packet, self._begin(packet))
        if self._current is not None:
            packet, progress = self._current
            if next(progress, _ENDED) is _ENDED:
                self._current = None
                self._events.append(PacketEnded(packet.id, WORKER))
        happened = list(self._events)
        self._events.clear()
        return happened

    def close(self) -> None:
        """Remove what was made for the steps of this process."""
        self._waiting.clear()
        self._current = None
        self._close_context()

    def _begin(self, packet: Packet) -> Iterator[None]:
        assert self._context is not None, "start() comes first"
        assert self._finder is not None, "start() comes first"
        left = []
        for order in packet.nodes:
            if order.node in self._cancelled:
                self._events.append(NodeReturned(packet.id, order.node, order.token, WITHDRAWN))
            else:
                left.append(order)
        self._cancelled.difference_update(order.node for order in packet.nodes)
        rest = Packet(packet.id, tuple(left), packet.budget)
        return PacketRun(rest, self._finder, self._context, _ListReport(self._events)).advance()

    def _close_context(self) -> None:
        if self._context is not None:
            self._context = None
            remove_work_base(self._work)
        if isinstance(self._capture, InlineCapture):
            self._capture.close()
            self._capture = NoCapture()


class _ListReport:
    """Collects events in the order in which they happen."""

    def __init__(self, events: list[ExecutorEvent]) -> None:
        self._events = events

    def started(self, event: NodeStarted, key: Digest) -> None:
        self._events.append(event)

    def ended(self, event: NodeEnded) -> None:
        self._events.append(event)

    def returned(self, event: NodeReturned) -> None:
        self._events.append(event)

    def flush(self) -> None:
        return


_ENDED = object()
