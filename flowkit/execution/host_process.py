"""A step host as its supervisor sees it: a child process, its pipes, its output, its end.

The child leads a process group of its own and adopts what its steps orphan, so all that a step starts ends with it.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from queue import SimpleQueue
from typing import Any

from msgspec import Struct

from flowkit.errors import WorkerError
from flowkit.execution.base import HostSettings
from flowkit.execution.capture import Spool
from flowkit.execution.channel import CUT, FrameReader, pack_frame
from flowkit.execution.isolation import make_work_base, remove_work_base
from flowkit.execution.memory_use import MemoryGauge, MemoryUse
from flowkit.execution.process_tree import (
    MARK,
    children_of,
    descendants_of,
    end_all,
    end_marked,
    spent_processor_limit,
)
from flowkit.execution.processors import POOL_VARIABLES, THREAD_VARIABLES

_BOOT = """import json, sys
given = json.loads(sys.argv[1])
sys.path[:] = given["path"]
from flowkit.garbage import importing
with importing():
    from flowkit.execution.host import main
main(given)
"""


class Spawner:
    """Starts processes from one thread that lives as long as they do.

    The kernel's promise to kill a child with its parent is bound to the thread that started it.
    """

    def __init__(self) -> None:
        self._orders: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="flowkit-spawner", daemon=True)
        self._thread.start()

    def start(self, arguments: Sequence[str], **options: Any) -> subprocess.Popen[bytes]:
        """Start a process.

        Raises:
            WorkerError: It cannot be started.
        """
        answer: SimpleQueue[subprocess.Popen[bytes] | Exception] = SimpleQueue()

        def order() -> None:
            try:
                answer.put(subprocess.Popen(list(arguments), **options))  # noqa: S603  (our own interpreter)
            except Exception as error:  # noqa: BLE001  (raised in the thread that asked)
                answer.put(error)

        self._orders.put(order)
        started = answer.get()
        if isinstance(started, Exception):
            raise WorkerError.for_failed_start(str(started)) from started
        return started

    def close(self) -> None:
        """End the thread; processes that it started must have ended before."""
        self._orders.put(None)
        self._thread.join()

    def _work(self) -> None:
        while (order := self._orders.get()) is not None:
            order()


@contextmanager
def opening() -> Iterator[ExitStack]:
    """Collect what is opened for a process; where that, or its start, fails, all of it is given back.

    Raises:
        WorkerError: It failed.
    """
    with ExitStack() as opened:
        try:
            yield opened
        except OSError as error:
            raise WorkerError.for_failed_start(str(error)) from error
        opened.pop_all()


def open_pipe(opened: ExitStack) -> tuple[int, int]:
    """Return a new pipe, reading end first, that is closed where the rest fails."""
    ends = os.pipe()
    for end in ends:
        opened.callback(os.close, end)
    return ends


class Death(Struct, frozen=True):
    """How a process ended: an exit code, or the number of a signal.

    Attributes:
        exit_code: None where a signal ended it.
        signal: None where it ended by itself.
        cut: Whether it ended because a step had taken its pipes from it.
        processor_limit: The seconds of processor time that it was allowed, where it had used them up.
    """

    exit_code: int | None
    signal: int | None
    cut: bool = False
    processor_limit: int | None = None


class HostProcess:
    """One step host, that has a session once it is told of one.

    Args:
        spawner: Starts it.
        environment: Environment variables of the child.
        variables: What it is given on top of them.

    Raises:
        WorkerError: It cannot be started; nothing is left of the try.

    Attributes:
        settings: Those of its session; None while it has none.
        ready: Whether it is known to have come up and imported what it was told to.
    """

    def __init__(
        self, spawner: Spawner, environment: Mapping[str, str], variables: Sequence[tuple[str, str]] = ()
    ) -> None:
        self.settings: HostSettings | None = None
        self.environment = dict(environment)
        self._variables = dict(variables)
        self._may_have_orphans = True
        with opening() as opened:
            self.spool = Spool.create()
            opened.callback(self.spool.close)
            orders, self._to_host = open_pipe(opened)
            self._from_host, reports = open_pipe(opened)
            self._tickets, self._issue = open_pipe(opened)
            self._work = make_work_base()
            opened.callback(remove_work_base, self._work)
            self._process = self._start(spawner, (orders, reports, self._tickets))
        os.close(orders)
        os.close(reports)
        for descriptor in (self._to_host, self._from_host, self._tickets, self._issue):
            os.set_blocking(descriptor, False)
        self._reader = FrameReader(self._from_host)
        self._memory = MemoryGauge(self.pid)
        self._unsent = bytearray()
        self._descriptor = _open_process(self._process.pid)
        self.ready = False

    def join(self, settings: HostSettings, worker: str) -> None:
        """Give the process its session, in which it stays.

        Args:
            settings: What the session's hosts are started with.
            worker: The worker's name, for its results.
        """
        self.settings = settings
        self._unsent += pack_frame({"settings": settings, "worker": worker, "work": str(self._work)})
        self.push()

    def _start(self, spawner: Spawner, descriptors: tuple[int, int, int]) -> subprocess.Popen[bytes]:
        given = {
            "supervisor": os.getpid(),
            "orders": descriptors[0],
            "reports": descriptors[1],
            "tickets": descriptors[2],
            "path": [entry or os.getcwd() for entry in sys.path],
        }
        optimise = ["-O"] * min(sys.flags.optimize, 2)
        return spawner.start(
            [sys.executable, *optimise, "-c", _BOOT, json.dumps(given)],
            stdin=subprocess.DEVNULL,
            stdout=self.spool.descriptor,
            stderr=self.spool.descriptor,
            pass_fds=descriptors,
            start_new_session=True,
            env={**self.environment, **self._variables, MARK: str(self._work)},
        )

    @property
    def pid(self) -> int:
        """The child's process id, also its process group's."""
        return self._process.pid

    @property
    def readable(self) -> list[int]:
        """Descriptors that become readable when there is a message, or when the process has ended."""
        return [self._from_host] if self._descriptor is None else [self._from_host, self._descriptor]

    @property
    def writable(self) -> int | None:
        """The descriptor that can take more of what is not sent yet; None where all is."""
        return self._to_host if self._unsent else None

    def send_packet(self, payload: bytes, nodes: int) -> int:
        """Send a packet and one ticket for each of its nodes; return how many tickets there was room for."""
        issued = os.write(self._issue, b"." * nodes)
        self._unsent += pack_frame(payload)
        self.push()
        return issued

    def answer(self, message: object) -> None:
        """Send what the step that runs has asked for."""
        self._unsent += pack_frame(message)
        self.push()

    def push(self) -> None:
        """Send what the pipe takes now of what is not sent yet."""
        try:
            while self._unsent:
                del self._unsent[: os.write(self._to_host, self._unsent)]
        except BlockingIOError:
            return
        except OSError:
            # It is dead: what it leaves behind tells how.
            self._unsent.clear()

    def withdraw(self) -> int:
        """Take back the tickets of all nodes that the host has not claimed yet; return how many these are.

        The kernel hands each ticket to one reader, so a node is either claimed or taken back, also while the host is
        stuck in a step.
        """
        count = 0
        with suppress(BlockingIOError):
            while taken := os.read(self._tickets, 1 << 16):
                count += len(taken)
        return count

    def messages(self) -> Iterator[Any]:
        """Yield the messages that have come in."""
        return self._reader.available()

    @property
    def is_cut(self) -> bool:
        """Whether nothing can come in any more, because the process ended or closed its end."""
        return self._reader.ended

    @property
    def is_garbled(self) -> bool:
        """Whether something came in that is no message, after which nothing is understood any more."""
        return self._reader.garbled

    def wait_for_death(self, seconds: float) -> bool:
        """Wait for a process that is about to end, and say whether it has."""
        end = time.monotonic() + seconds
        while not self.is_dead():
            if time.monotonic() > end:
                return False
            time.sleep(0.002)
        return True

    def is_dead(self) -> bool:
        """Whether the process has ended; it is not reaped by this where the system can look without."""
        if hasattr(os, "waitid"):
            flags = os.WEXITED | os.WNOHANG | os.WNOWAIT
            with suppress(ChildProcessError):
                return os.waitid(os.P_PID, self.pid, flags) is not None
        return self._process.poll() is not None

    def memory(self, limit: int) -> MemoryUse:
        """Return what it holds with all below it, exactly enough to be compared with a limit in bytes."""
        return self._memory.read(limit)

    def kill(self) -> None:
        """Kill the process and all that its steps started."""
        if self._process.returncode is None and not self.is_dead():
            self._end_descendants()
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)

    def _end_descendants(self) -> None:
        """Kill what is below it while it still is the parent of all orphans there, and starts nothing new."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGSTOP)
        self._may_have_orphans = bool(children_of(self.pid))
        if self._may_have_orphans:
            end_all(lambda: list(descendants_of(self.pid)))

    def reap(self) -> Death:
        """Wait for the end of a process that is dead or killed, end what it left, and say how it ended."""
        if hasattr(os, "waitid"):
            # Its id stays taken until it is reaped, so the group that is killed can only be its own.
            with suppress(ChildProcessError):
                os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOWAIT)
        self.kill()
        if self._may_have_orphans:
            # It died by itself, so its orphans have gone to a process that knows nothing of them.
            end_marked(str(self._work))
            self._may_have_orphans = False
        limit = spent_processor_limit(self.pid)
        status = self._process.wait()
        if status < 0:
            return Death(None, -status, processor_limit=limit)
        return Death(status, None, cut=(self._work / CUT).exists())

    def close(self) -> None:
        """End the process if it still lives, and give everything back."""
        self.kill()
        self.reap()
        for descriptor in (self._to_host, self._from_host, self._tickets, self._issue, self._descriptor):
            if descriptor is not None:
                os.close(descriptor)
        self.spool.close()
        # Not left to the process itself, which may be killed at any time.
        remove_work_base(self._work)


def host_environment(slots: int, imposed: Mapping[str, str], cpus: int = 1) -> dict[str, str]:
    """Return this process's environment variables with each host's share of the processors.

    Args:
        slots: How many hosts share them.
        imposed: Variables that somebody other than the user has set for this process, and that are not for steps.
        cpus: How many of the slots its steps take.
    """
    share = str(max(1, (os.cpu_count() or 1) // slots) * cpus)
    names = THREAD_VARIABLES if cpus == 1 else (*THREAD_VARIABLES, *POOL_VARIABLES)
    own = {name: value for name, value in os.environ.items() if imposed.get(name) != value}
    return {**dict.fromkeys(names, share), **own}


def _open_process(pid: int) -> int | None:
    """Return a descriptor that becomes readable when the process ends, None where the system has none."""
    if not hasattr(os, "pidfd_open"):
        return None
    try:
        return os.pidfd_open(pid)
    except OSError:
        return None
