"""A Dask scheduler and worker in the driver's own process."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

from flowkit.errors import FlowkitError
from flowkit.execution.base import HostSettings
from flowkit.execution.dask_base import ALONE, QUIET, Background, Listener, hasten
from flowkit.execution.dask_compute import LocalCompute
from flowkit.execution.dask_quiet import Hush
from flowkit.execution.envelope import Envelope
from flowkit.execution.isolation import make_work_base, remove_work_base
from flowkit.execution.supervisor import Supervisor

LOCAL_WORKER = "local"


class LocalCluster:
    """A scheduler and one worker in this process, without any open port; step hosts are the only processes."""

    def __init__(self, slots: int, listener: Listener) -> None:
        self._slots = slots
        self._listener = listener
        self._supervisor: Supervisor | None = None
        self._compute = LocalCompute(slots)
        self._connecting: Background | None = None
        self._cluster: Any = None
        self._client: Any = None
        self._hush: Hush | None = None
        self._address = ""
        self._folder = Path()
        self._id = uuid4().hex

    def start(self, settings: HostSettings) -> None:
        """Start step hosts first: they import the user's modules while this process imports Dask.

        Raises:
            WorkerError: No process can be started.
        """
        if self._supervisor is None:
            self._supervisor = Supervisor(self._slots, LOCAL_WORKER, find_compute=self._compute.open)
        self._supervisor.warm(settings)
        if self._connecting is None:
            _LOCAL[self._id] = self
            self._connecting = Background(self._connect)

    def slots(self) -> Mapping[str, int]:
        """Return the one worker.

        Raises:
            WorkerError: The cluster cannot be started.
        """
        self._wait()
        return {LOCAL_WORKER: self._slots}

    def resources(self) -> Mapping[str, Mapping[str, float]]:
        """Return nothing: what this machine has stands in the configuration."""
        return {}

    def submit(self, settings: HostSettings, envelope: Envelope, worker: str) -> None:
        """Send a packet as a task; it stays in this process, so only its name travels."""
        import dask

        self._wait()
        _PACKETS[self._id, envelope.packet] = (settings, envelope)
        with dask.config.set(QUIET):
            future = self._client.submit(
                _run_here,
                self._id,
                envelope.packet,
                key=f"flowkit-{uuid4().hex}",
                pure=False,
                retries=0,
                workers=[self._address],
                allow_other_workers=False,
            )
        future.add_done_callback(lambda done: self._land(envelope.packet, done))

    def cancel(self, worker: str, tokens: Sequence[str]) -> None:
        """Kill or hand back attempts."""
        if self._supervisor is not None:
            self._supervisor.cancel(tokens)

    def close(self) -> None:
        """End the step hosts, then the cluster."""
        if self._supervisor is not None:
            self._supervisor.close()
            self._supervisor = None
        self._compute.close()
        if self._connecting is not None:
            self._connecting.finish()
            self._connecting = None
        for part in (self._client, self._cluster):
            if part is not None:
                part.close(timeout=2)
        if self._cluster is not None:
            remove_work_base(self._folder)
        self._client = self._cluster = None
        if self._hush is not None:
            self._hush.lift()
        _LOCAL.pop(self._id, None)
        for key in [key for key in _PACKETS if key[0] == self._id]:
            _PACKETS.pop(key, None)

    def run(self, packet: str) -> None:
        """Run a packet in the Dask worker's thread."""
        settings, envelope = _PACKETS.pop((self._id, packet))
        supervisor = self._supervisor
        if supervisor is None:
            self._listener.land(packet, (), "the executor was closed")
            return
        try:
            supervisor.run_packet(settings, envelope, self._listener.hear, _give_thread_up)
        except (FlowkitError, OSError) as error:
            self._listener.land(packet, (), f"{type(error).__name__}: {error}")
            return
        # Told from here, not when Dask has noticed: that saves a round trip.
        self._listener.land(packet, (), None)

    def _wait(self) -> None:
        assert self._connecting is not None, "start() comes first"
        self._connecting.wait()

    def _connect(self) -> None:
        import dask
        import distributed

        # Not by Dask's own means: it sets levels, which the first of several clusters here sets back for all.
        self._hush = Hush()
        self._folder = make_work_base()
        # The scheduler too has a folder, which Dask would make for everybody and leave behind.
        with dask.config.set({**ALONE, "temporary-directory": str(self._folder)}):
            self._cluster = distributed.SpecCluster(  # type: ignore[no-untyped-call]
                scheduler={
                    "cls": _without_http(distributed.Scheduler),
                    "options": {"protocol": "inproc://", "port": 0, "dashboard": False},
                },
                workers={0: {"cls": _without_http(distributed.Worker), "options": self._worker_options()}},
            )
            self._client = distributed.Client(  # type: ignore[no-untyped-call]
                self._cluster, set_as_default=False
            )
        _forget_folder(self._folder)
        hasten(self._client)
        self._address = next(iter(self._cluster.workers.values())).address

    def _worker_options(self) -> dict[str, Any]:
        return {
            "protocol": "inproc://",
            "nthreads": self._slots,
            # Dask would pause a worker for what the driver itself uses.
            "memory_limit": 0,
            "local_directory": str(self._folder),
            "dashboard": False,
        }

    def _land(self, packet: str, future: Any) -> None:
        if future.status != "finished":
            self._listener.land(packet, (), f"its task ended as {future.status}")


_LOCAL: dict[str, LocalCluster] = {}
_PACKETS: dict[tuple[str, str], tuple[HostSettings, Envelope]] = {}


def _without_http(server: Any) -> Any:
    """Return a Dask server class that opens no HTTP port: it would listen on this machine's address on the network."""
    return type(server.__name__, (server,), {"start_http_server": lambda self, *args, **options: None})


def _forget_folder(folder: Path) -> None:
    """Take Dask's folders off this process's import path: a step host inherits that, and none is to import of them."""
    sys.path[:] = [entry for entry in sys.path if folder not in Path(entry).parents]


def _give_thread_up() -> None:
    """Let the Dask worker start another task while this one goes on."""
    import distributed

    distributed.secede()  # type: ignore[no-untyped-call]


def _run_here(cluster: str, packet: str) -> None:
    found = _LOCAL.get(cluster)
    if found is not None:
        found.run(packet)
