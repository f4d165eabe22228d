"""One packet on one step host, watched: its events passed on, its limits enforced, the host's death explained."""

from __future__ import annotations

import os
import select
import signal
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

from msgspec import Struct

from flowkit.errors import FlowkitError, StepDeathError, StepLimitError
from flowkit.execution.base import ExecutorEvent, NodeEnded, NodeReturned, NodeStarted, NodeWaiting
from flowkit.execution.capture import describe_lost_log, remove_live_log
from flowkit.execution.channel import EndReport, StartReport
from flowkit.execution.compute_place import ComputePlace
from flowkit.execution.envelope import Envelope, NodeSlip
from flowkit.execution.failure import record_failure
from flowkit.execution.host_process import Death, HostProcess
from flowkit.execution.masking import learn_secrets
from flowkit.execution.packets import NO_KEY, WITHDRAWN
from flowkit.records import Digest, Failure, FailureKind, Outcome, StepResult
from flowkit.store.names import LIVE_SUFFIX

SLOT_DIED = "its step host ended before it began"
_CHECK_SECONDS = 0.25
_MEMORY_SECONDS = 0.1
_BLIND_SECONDS = 0.05
_CUT_SECONDS = 1.0

Report = Callable[[ExecutorEvent], None]
FindCompute = Callable[[], ComputePlace]


class _Running(Struct):
    """The node that runs now.

    `since` and `deadline` are by the monotonic clock, `started` in seconds since the epoch; `told` is how much of what
    it printed stands in its live log.
    """

    slip: NodeSlip
    key: Digest
    started: float
    since: float
    deadline: float | None
    told: int = 0


class PacketWatch:
    """Sends a packet to a host and stays with it until each of its nodes has ended or is handed back.

    Args:
        host: A host that is idle.
        envelope: The packet.
        store: The store's folder, below which the logs of dead hosts go.
        worker: The worker's name.
        report: Hears every event but the packet's end.
        find_compute: Gives the cluster for a step's own Dask computations; it may take seconds.
    """

    def __init__(
        self,
        host: HostProcess,
        envelope: Envelope,
        store: Path,
        worker: str,
        report: Report,
        find_compute: FindCompute | None = None,
    ) -> None:
        self._find_compute = find_compute
        self._answers: SimpleQueue[object] = SimpleQueue()
        self._closing = threading.Lock()
        self._closed = False
        self._host = host
        self._envelope = envelope
        self._store = store
        self._worker = worker
        self._report = report
        self._pending = {slip.token: slip for slip in envelope.slips}
        self._running: _Running | None = None
        self._release_at: float | None = None
        self._cancelled: frozenset[str] = frozenset()
        self._done = False
        self._spoiled = False
        self._taken = False
        self._refused = False
        self._condemned: str | None = None
        self._verdict: Callable[[_Running], StepResult] | None = None
        self._wake_receive, self._wake_send = os.pipe()
        os.set_blocking(self._wake_receive, False)

    def cancel(self, tokens: frozenset[str]) -> None:
        """Kill the node among `tokens` that runs; take back what has not begun. Called from any thread."""
        self._cancelled |= tokens
        os.write(self._wake_send, b".")

    def cancel_all(self) -> None:
        """Cancel the whole packet. Called from any thread."""
        self.cancel(frozenset(slip.token for slip in self._envelope.slips))

    def run(self) -> bool:
        """See the packet through, and say whether the host lives and may take another."""
        if self._cancelled:
            # Nothing has begun yet, so no host needs to be killed for it.
            self._return_last(len(self._pending))
            return True
        issued = self._host.send_packet(self._envelope.payload, len(self._envelope.slips))
        self._return_last(len(self._envelope.slips) - issued)
        while not self._done and not self._host.is_dead():
            self._wait()
            for message in self._host.messages():
                self._hear(message)
            self._enforce()
        if not self._done:
            self._bury()
            return False
        self._host.withdraw()
        return not self._spoiled

    def close(self) -> None:
        """Give the descriptors back; nobody may cancel any more."""
        with self._closing:
            self._closed = True
            os.close(self._wake_send)
            os.close(self._wake_receive)

    def _wait(self) -> None:
        poll = select.poll()
        for descriptor in (*self._host.readable, self._wake_receive):
            poll.register(descriptor, select.POLLIN)
        if self._host.writable is not None:
            poll.register(self._host.writable, select.POLLOUT)
        limit = self._seconds_to_wait()
        poll.poll(None if limit is None else max(0.0, limit) * 1000)
        self._host.push()
        while _drain(self._wake_receive):
            continue
        with suppress(Empty):
            self._host.answer(self._answers.get_nowait())

    def _seconds_to_wait(self) -> float | None:
        now = time.monotonic()
        limits = []
        if self._running is not None:
            limits.append(_MEMORY_SECONDS if self._running.slip.memory else _CHECK_SECONDS)
            if self._running.deadline is not None:
                limits.append(self._running.deadline - now)
        if self._release_at is not None:
            limits.append(self._release_at - now)
        if len(self._host.readable) == 1:
            limits.append(_BLIND_SECONDS)
        return min(limits, default=None)

    def _hear(self, message: Any) -> None:
        if isinstance(message, EndReport):
            self._hear_end(message.result)
        elif isinstance(message, StartReport):
            self._hear_start(message.token, message.at, message.key)
        else:
            self._hear_word(*message)

    def _hear_word(self, kind: str, *given: Any) -> None:
        if kind == "ready":
            self._host.ready = True
        elif kind == "taken":
            self._taken = True
        elif kind == "returned":
            self._return(*given)
        elif kind == "waiting":
            self._report(NodeWaiting(self._envelope.packet, *given))
        elif kind == "compute":
            threading.Thread(target=self._seek_compute, name="flowkit-compute", daemon=True).start()
        elif kind == "refused":
            self._refuse(*given)
        elif kind == "done":
            (self._spoiled,) = given
            self._done = True

    def _seek_compute(self) -> None:
        """Find the cluster that a step asks for, apart from the watch, which goes on enforcing limits."""
        try:
            found: object = self._find_compute() if self._find_compute is not None else "there is none here"
        except Exception as error:  # noqa: BLE001  (whatever it is, the step that asked is told)
            found = f"{type(error).__name__}: {error}"
        self._answers.put(found)
        with self._closing:
            # The packet may have ended meanwhile, by a timeout; then the descriptor may be somebody else's.
            if not self._closed:
                os.write(self._wake_send, b".")

    def _hear_start(self, token: str, at: float, key: Digest) -> None:
        slip = self._pending[token]
        now = time.monotonic()
        deadline = None if slip.timeout is None else now + slip.timeout
        self._running = _Running(slip, key, at, now, deadline)
        if self._release_at is None and len(self._pending) > 1:
            self._release_at = now + self._envelope.budget
        known = key if key != NO_KEY else ""
        self._report(NodeStarted(self._envelope.packet, slip.node, slip.attempt, token, self._worker, at, known))

    def _hear_end(self, result: StepResult) -> None:
        slip = self._pending.pop(result.token, None)
        if slip is not None:
            if self._running is not None and self._running.told:
                remove_live_log(self._live_log(slip))
            self._running = None
            self._report(NodeEnded(self._envelope.packet, result))

    def _enforce(self) -> None:
        if self._verdict is not None:
            return
        if self._host.is_garbled:
            self._condemn_silenced(StepDeathError.for_garbled_pipe)
            return
        if self._host.is_cut and not self._host.wait_for_death(_CUT_SECONDS):
            self._condemn_silenced(StepDeathError.for_closed_pipe)
            return
        now = time.monotonic()
        if self._release_at is not None and now >= self._release_at:
            self._release_at = None
            self._return_last(self._host.withdraw())
        running = self._running
        if self._cancelled and self._pending.keys() & self._cancelled:
            self._return_last(self._host.withdraw())
            if running is not None and running.slip.token in self._cancelled:
                self._condemn(self._cancelled_result)
        elif running is not None and running.deadline is not None and now >= running.deadline:
            limit = StepLimitError.for_timeout(running.slip.step, running.slip.timeout or 0.0)
            self._condemn(self._failed_with(record_failure(limit, FailureKind.TIMEOUT)))
        elif running is not None:
            self._look_after(running)

    def _look_after(self, running: _Running) -> None:
        if time.monotonic() - running.since < _MEMORY_SECONDS:
            return
        learn_secrets(running.slip.secrets)
        running.told = self._host.spool.append(self._live_log(running.slip), running.told)
        self._host.spool.trim()
        most = running.slip.memory
        if most and (used := self._host.memory(most)).bytes > most:
            limit = StepLimitError.for_memory(running.slip.step, most, used.bytes, used.processes)
            self._condemn(self._failed_with(record_failure(limit, FailureKind.MEMORY)))

    def _live_log(self, slip: NodeSlip) -> Path:
        """Return where `flowkit logs --follow` looks while the node runs; its log is written when it has ended."""
        return self._store / f"{slip.log}{LIVE_SUFFIX}"

    def _condemn(self, verdict: Callable[[_Running], StepResult]) -> None:
        """Kill the host; what is told of the running node is settled by this, not by the signal."""
        self._verdict = verdict
        self._condemned = self._running.slip.token if self._running is not None else None
        self._host.kill()

    def _condemn_silenced(self, explain: Callable[[str], StepDeathError]) -> None:
        """Kill a host that cannot report any more, because of what the step did to what it reports through."""

        def verdict(running: _Running) -> StepResult:
            error = explain(running.slip.step)
            return self._failed_with(record_failure(error, FailureKind.EXITED))(running)

        self._condemn(verdict)

    def _return_last(self, count: int) -> None:
        """Hand back the last `count` nodes that are still pending: tickets are claimed in the order of the nodes."""
        for token in list(self._pending)[len(self._pending) - count :]:
            self._return(token, WITHDRAWN)

    def _return(self, token: str, reason: str) -> None:
        slip = self._pending.pop(token, None)
        if slip is not None:
            self._report(NodeReturned(self._envelope.packet, slip.node, token, reason))

    def _refuse(self, failure: Failure) -> None:
        """Fail the first node with what kept the host from taking the packet; the others have lost nothing."""
        self._refused = True
        if self._pending:
            self._fail_first(self._failed_with(failure))

    def _bury(self) -> None:
        """Tell what the host's death means for each node; what it had sent before it died counts."""
        death = self._host.reap()
        for message in self._host.messages():
            self._hear(message)
        if self._pending and self._is_to_blame():
            self._fail_first(self._verdict or self._explain(death))
        for token in list(self._pending):
            self._return(token, SLOT_DIED)

    def _is_to_blame(self) -> bool:
        """Whether the first pending node is charged with the host's death."""
        if self._verdict is not None:
            # Where the condemned node ended just before the blow, the next one was hit by it innocently.
            return self._condemned == (self._running.slip.token if self._running is not None else None)
        if self._refused:
            return False
        # A host that was fine and died before it took the packet was not killed by any of its nodes.
        return self._running is not None or self._taken or not self._host.ready

    def _fail_first(self, result_of: Callable[[_Running], StepResult]) -> None:
        running = self._running
        if running is None:
            slip = next(iter(self._pending.values()))
            running = _Running(slip, slip.key or NO_KEY, time.time(), time.monotonic(), None)
            started = NodeStarted(
                self._envelope.packet, slip.node, slip.attempt, slip.token, self._worker, running.started
            )
            self._report(started)
        self._hear_end(result_of(running))

    def _explain(self, death: Death) -> Callable[[_Running], StepResult]:
        began = self._running is not None

        def explain(running: _Running) -> StepResult:
            step = running.slip.step
            error: FlowkitError
            if death.cut:
                error = StepDeathError.for_closed_pipe(step)
                return self._failed_with(record_failure(error, FailureKind.EXITED))(running)
            if death.signal == signal.SIGKILL and death.processor_limit is not None:
                error = StepDeathError.for_processor_time(step, death.processor_limit)
                return self._failed_with(record_failure(error, FailureKind.SIGNALLED))(running)
            if death.signal is not None:
                error = StepDeathError.for_signal(step, death.signal, started=began)
                return self._failed_with(record_failure(error, FailureKind.SIGNALLED))(running)
            error = StepDeathError.for_exit_code(step, death.exit_code or 0, started=began)
            return self._failed_with(record_failure(error, FailureKind.EXITED))(running)

        return explain

    def _failed_with(self, failure: Failure) -> Callable[[_Running], StepResult]:
        return lambda running: self._result(running, Outcome.FAILED, failure)

    def _cancelled_result(self, running: _Running) -> StepResult:
        return self._result(running, Outcome.CANCELLED, None)

    def _result(self, running: _Running, outcome: Outcome, failure: Failure | None) -> StepResult:
        slip = running.slip
        learn_secrets(slip.secrets)
        printed, warnings = self._keep_log(slip)
        return StepResult(
            node=slip.node,
            attempt=slip.attempt,
            token=slip.token,
            outcome=outcome,
            key=running.key,
            started=running.started,
            seconds=time.monotonic() - running.since,
            failure=failure,
            worker=self._worker,
            log=slip.log if printed else None,
            warnings=warnings,
        )

    def _keep_log(self, slip: NodeSlip) -> tuple[bool, tuple[str, ...]]:
        """Save what the dead host has printed; where that cannot be, the node's end is told all the same."""
        try:
            return self._host.spool.save(f"{self._store}/{slip.log}"), ()
        except OSError as error:
            return False, (describe_lost_log(slip.step, error),)


def _drain(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 1024)
    except BlockingIOError:
        return b""
