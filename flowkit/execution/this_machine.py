"""The step hosts of this machine as workers: packets go straight to their supervisor, in threads of the driver.

No Dask is started: it would carry packets from one thread of this process to another. Steps that compute with Dask
themselves get a cluster on demand.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from queue import SimpleQueue

from flowkit.errors import WorkerError
from flowkit.execution.base import HostSettings
from flowkit.execution.cluster import Listener
from flowkit.execution.dask_compute import LocalCompute
from flowkit.execution.envelope import Envelope
from flowkit.execution.supervisor import Supervisor

_PAUSE = 0.1

_Order = tuple[HostSettings, Envelope]


class ThisMachine:
    """One worker, without any open port; step hosts are the only processes.

    Args:
        slots: How many steps may run at once.
        name: What the worker is called.
        listener: Hears what becomes of packets.
    """

    def __init__(self, slots: int, name: str, listener: Listener) -> None:
        self._slots = slots
        self._name = name
        self._listener = listener
        self._supervisor: Supervisor | None = None
        self._compute = LocalCompute(slots)
        self._packets: SimpleQueue[_Order | None] = SimpleQueue()

    def expect(self, at_once: int | None) -> None:
        """Start step hosts beforehand, which import flowkit while the driver makes the run ready."""
        self._open().expect(at_once)

    def dismiss(self) -> None:
        """End the step hosts that were started beforehand and have got no session."""
        if self._supervisor is not None:
            self._supervisor.dismiss()

    def start(self, settings: HostSettings) -> None:
        """Start the step hosts, which import the user's modules while the driver looks its nodes up.

        Raises:
            WorkerError: No process can be started.
        """
        self._open().warm(settings)

    def slots(self) -> Mapping[str, int]:
        """Return the one worker."""
        return {self._name: self._slots}

    def resources(self) -> Mapping[str, Mapping[str, float]]:
        """Return nothing: what this machine has stands in the configuration."""
        return {}

    def submit(self, settings: HostSettings, envelope: Envelope, worker: str) -> None:
        """Give a packet to the next thread that is free."""
        self._packets.put((settings, envelope))

    def cancel(self, worker: str, tokens: Sequence[str]) -> None:
        """Kill or hand back attempts."""
        if self._supervisor is not None:
            self._supervisor.cancel(tokens)

    def close(self) -> None:
        """End the step hosts, and the cluster of their Dask tasks where there is one."""
        supervisor, self._supervisor = self._supervisor, None
        if supervisor is not None:
            supervisor.close()
            self._packets.put(None)
        self._compute.close()

    def _open(self) -> Supervisor:
        if self._supervisor is None:
            self._supervisor = Supervisor(self._slots, self._name, find_compute=self._compute.open)
            for _ in range(self._slots):
                self._add_thread(self._supervisor)
        return self._supervisor

    def _add_thread(self, supervisor: Supervisor) -> None:
        threading.Thread(target=self._work, args=[supervisor], name="flowkit-worker", daemon=True).start()

    def _work(self, supervisor: Supervisor) -> None:
        """Run one packet after the other; a thread whose step waits for Dask tasks is followed by another one."""
        replaced = threading.Event()

        def step_aside() -> None:
            replaced.set()
            self._add_thread(supervisor)

        while not replaced.is_set():
            given = self._packets.get()
            if given is None:
                # For the next thread.
                self._packets.put(None)
                return
            self._run(supervisor, *given, step_aside)

    def _run(
        self, supervisor: Supervisor, settings: HostSettings, envelope: Envelope, step_aside: Callable[[], None]
    ) -> None:
        error, cause = None, None
        try:
            supervisor.run_packet(settings, envelope, self._listener.hear, step_aside)
        except WorkerError as failed:
            error, cause = failed.message, failed
        except Exception as failed:  # noqa: BLE001  (whatever it is, the packet is over and the driver waits for it)
            error = f"{type(failed).__name__}: {failed}"
            # The driver sends its nodes again at once.
            time.sleep(_PAUSE)
        self._listener.land(envelope.packet, (), error, cause)
