"""The step host: a child process that runs steps, one at a time, and reports each start and result.

It never opens the lineage database. It dies with its supervisor: on Linux the kernel sees to it, elsewhere it ends when
the pipe it takes its orders from closes.
"""

from __future__ import annotations

import contextlib
import faulthandler
import importlib
import os
import pickle
import sys
import types
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from flowkit.cache.code import StepCode
from flowkit.codecs.registry import CodecRegistry, import_codecs
from flowkit.contracts import spare_dask
from flowkit.errors import CodeMismatchError, FlowkitError, StoreError
from flowkit.execution.base import HostSettings, NodeEnded, NodeReturned, NodeStarted, Packet
from flowkit.execution.bundle import load_bundle
from flowkit.execution.capture import HostCapture, Spool
from flowkit.execution.channel import CUT, EndReport, FrameReader, StartReport, pack_frame, pack_report, write_all
from flowkit.execution.compute import ComputeDesk
from flowkit.execution.failure import record_failure
from flowkit.execution.finder import install_bundle
from flowkit.execution.host_context import HostContext
from flowkit.execution.isolation import Isolation, WorkFolder
from flowkit.execution.memory_use import Leavings
from flowkit.execution.observing.boundaries import Boundaries
from flowkit.execution.observing.recorder import RECORDER
from flowkit.execution.observing.watches import install_watches
from flowkit.execution.packets import PacketRun
from flowkit.execution.process_tree import keep_ties
from flowkit.execution.steps import StepFinder
from flowkit.execution.survivors import Survivors
from flowkit.execution.traces import format_trace
from flowkit.fingerprint.code import CodeFingerprinter
from flowkit.project import Project
from flowkit.records import Digest, Failure, FailureKind
from flowkit.store.folder import StoreFolder
from flowkit.store.local import LocalStore


def main(given: Mapping[str, Any]) -> None:
    """Run packets until the supervisor closes the pipe.

    Args:
        given: The supervisor's process id and the numbers of the three pipes.
    """
    orders, reports, tickets = given["orders"], given["reports"], given["tickets"]
    die_with(given["supervisor"])
    for descriptor in (orders, reports, tickets):
        os.set_inheritable(descriptor, False)
    faulthandler.enable()
    # A person's script is `__main__` in the driver; what refers to that must not find this module instead.
    sys.modules["__main__"] = types.ModuleType("__main__")
    sys.argv = [""]
    pipes = _Numbers(orders, reports, tickets)
    reader, report = FrameReader(orders), PipeReport(reports, pipes)
    try:
        hello = reader.receive()
        pipes.note = os.path.join(hello["work"], CUT)
        desk = ComputeDesk(_Pipes(reader, report), Path(hello["settings"].root), hello["settings"].code)
        desk.install()
        context, finder = set_up(hello["settings"], hello["worker"], Path(hello["work"]), desk)
        report.send(("ready",))
        serve(reader, report, tickets, context, finder)
    except EOFError:
        return
    except Exception as error:
        # Told to the supervisor, which fails the node that needed this host.
        report.send(("refused", describe_refusal(error)))
        raise


def set_up(
    settings: HostSettings, worker: str, work: Path, desk: ComputeDesk | None = None
) -> tuple[HostContext, StepFinder]:
    """Make this process ready for the packets of one session.

    Raises:
        CodeMismatchError: The code bundle is gone or damaged.
        StoreError: The store is not there.
    """
    root = Path(settings.root)
    os.chdir(root)
    spool = Spool(os.dup(1))
    capture = HostCapture(spool)
    sys.path.insert(0, settings.root)
    store = Path(settings.store)
    if settings.bundle is not None:
        install_bundle(load_bundle(store, settings.bundle), root)
    import_codecs()
    install_watches()
    codecs = CodecRegistry(settings.pickle)
    code = StepCode(CodeFingerprinter(Project(root, settings.code), store), codecs)
    context = HostContext(
        root=settings.root,
        folder=store,
        store=LocalStore(StoreFolder.open(store), settings.memory_bytes),
        codecs=codecs,
        work=WorkFolder(work),
        capture=capture,
        worker=worker,
        boundaries=Boundaries(str(root.resolve()), (str(store), str(work))),
        undeclared=settings.undeclared,
        keeps_checkpoints=settings.keeps_checkpoints,
        code=code,
        disposable=True,
        survivors=Survivors(),
        isolation=Isolation(alone=True),
        leavings=Leavings(),
        desk=desk,
    )
    finder = StepFinder(code, worker, settings.proofs, settings.environments)
    with RECORDER.importing(context.boundaries):
        for module in settings.warm:
            # What fails here fails again, with the node that needs it, and is told there.
            with contextlib.suppress(Exception):
                importlib.import_module(module)
        finder.prepare()
        spare_dask()
    return context, finder


def serve(reader: FrameReader, report: PipeReport, tickets: int, context: HostContext, finder: StepFinder) -> None:
    """Run one packet after another.

    Raises:
        EOFError: The supervisor is gone, or done with this host.
    """
    while True:
        payload = reader.receive()
        report.send(("taken",))
        packet: Packet = pickle.loads(payload)
        work = PacketRun(packet, finder, context, report, _claims(tickets))
        work.run()
        report.send(("done", work.spoiled))


def describe_refusal(error: Exception) -> Failure:
    """Return why this process can take no packet: no code, no store, or arguments that cannot be loaded."""
    if isinstance(error, StoreError):
        return record_failure(error, FailureKind.STORE)
    known = error if isinstance(error, FlowkitError) else CodeMismatchError.for_packet(error)
    return record_failure(known, FailureKind.CODE, format_trace(error))


class _Pipes:
    """The two pipes as the step that runs may use them: between packets nobody but it asks, and nothing else comes."""

    def __init__(self, reader: FrameReader, report: PipeReport) -> None:
        self._reader = reader
        self._report = report

    def send(self, message: tuple[object, ...]) -> None:
        self._report.send(message)

    def receive(self) -> Any:
        return self._reader.receive()


class _Numbers:
    """Knows the pipes behind some descriptors: a step may close them all, and files that it opens get their numbers.

    Attributes:
        note: Where to leave word before the process ends for want of them.
    """

    def __init__(self, *descriptors: int) -> None:
        self._descriptors = descriptors
        self._known = self._read()
        self.note: str | None = None

    def check(self) -> None:
        """End this process where they are not the same any more: what was sent would go into a file of the step's."""
        try:
            same = self._read() == self._known
        except OSError:
            same = False
        if not same:
            if self.note is not None:
                Path(self.note).touch()
            os._exit(1)

    def _read(self) -> list[tuple[int, int]]:
        return [(held.st_dev, held.st_ino) for held in map(os.fstat, self._descriptors)]


class PipeReport:
    """Reports through a pipe; results wait for the next start, so a quick node costs one write."""

    def __init__(self, descriptor: int, pipes: _Numbers) -> None:
        self._descriptor = descriptor
        self._pipes = pipes
        self._held = b""

    def send(self, message: tuple[object, ...]) -> None:
        """Send a message at once, with all that is held back."""
        self._send(pack_frame(message))

    def started(self, event: NodeStarted, key: Digest) -> None:
        """Report that a node is about to run."""
        self._send(pack_report(StartReport(event.token, event.at, key)))

    def ended(self, event: NodeEnded) -> None:
        """Report a result."""
        self._held += pack_report(EndReport(event.result))

    def returned(self, event: NodeReturned) -> None:
        """Report a node that is handed back."""
        self._held += pack_frame(("returned", event.token, event.reason))

    def flush(self) -> None:
        """Send what is held back."""
        self._send(b"")

    def _send(self, frame: bytes) -> None:
        self._pipes.check()
        content, self._held = self._held + frame, b""
        write_all(self._descriptor, content)


def die_with(supervisor: int) -> None:
    """Let the kernel kill this process when the supervisor dies; end at once if it is dead already."""
    keep_ties()
    if os.getppid() != supervisor:
        os._exit(0)


def _claims(tickets: int) -> Callable[[], bool]:
    def claim() -> bool:
        try:
            return bool(os.read(tickets, 1))
        except BlockingIOError:
            return False

    return claim
