"""A step's own Dask computations, as its step host sees them: sent to the run's cluster, without holding a slot.

Nothing here imports Dask before the step does. When `dask.base` is imported in a step host, the function by which every
collection finds its scheduler is wrapped: at its first use without a scheduler named by the step, the driver is asked
for the cluster's address and a client is made. What a step names itself (`scheduler="threads"`, a client of its own)
stays as it is.
"""

from __future__ import annotations

import functools
import importlib.abc
import importlib.machinery
import importlib.util
import os
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol

from flowkit.errors import ComputeError
from flowkit.execution.compute_place import ComputePlace
from flowkit.execution.compute_value import send_code_by_value
from flowkit.fingerprint.ownership import project_modules
from flowkit.project import Project

_HOOKED = "dask.base"
_DISTRIBUTED = ("distributed", "dask.distributed")
_CONNECT_SECONDS = 30.0


class Link(Protocol):
    """How a step host asks its supervisor and tells it."""

    def send(self, message: tuple[object, ...]) -> None:
        """Send a message at once."""
        ...

    def receive(self) -> Any:
        """Wait for the next message."""
        ...


class ComputeDesk:
    """Connects a step host to the run's cluster when a step first computes.

    Args:
        link: To the supervisor.
        root: The project's root.
        code: Further project code, from the configuration.
    """

    def __init__(self, link: Link, root: Path, code: tuple[str, ...] = ()) -> None:
        self._link = link
        self._project = Project(root, code)
        self._owner = os.getpid()
        self._lock = threading.RLock()
        self._client: Any = None
        self._token: str | None = None
        self._waits = 0

    def install(self) -> None:
        """Wait for the import of Dask; nothing is imported for it."""
        sys.meta_path.insert(0, _ImportHook(self))

    def begin(self, token: str) -> None:
        """Answer for an attempt: only a step that runs may ask for the cluster."""
        self._token = token

    def end(self) -> None:
        """Answer for nobody until the next attempt."""
        self._token, self._waits = None, 0

    def connect(self) -> None:
        """Make a client for the run's cluster the default one, unless there is one.

        Raises:
            ComputeError: The cluster cannot be started or reached.
        """
        if self._token is None or os.getpid() != self._owner:
            # No step runs, or this is a child of the step's own: Dask's default holds.
            return
        with self._lock:
            if self._client is not None and self._client.status == "running":
                return
            import distributed

            if _has_default(distributed):
                return
            self._client = self._make_client(distributed, self._ask())

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Tell the supervisor that the step waits for tasks elsewhere, and when it goes on."""
        self._count(1)
        try:
            yield
        finally:
            self._count(-1)

    def _count(self, change: int) -> None:
        with self._lock:
            before = self._waits
            self._waits += change
            if self._token is not None and (before == 0) != (self._waits == 0):
                self._link.send(("waiting", self._token, self._waits > 0))

    def _ask(self) -> ComputePlace:
        self._link.send(("compute",))
        answer = self._link.receive()
        if isinstance(answer, ComputePlace):
            return answer
        raise ComputeError.for_no_cluster(str(answer))

    def _make_client(self, distributed: Any, place: ComputePlace) -> Any:
        if place.by_value:
            send_code_by_value(lambda: project_modules(self._project))
        try:
            return _client_class(distributed.Client)(
                place.address,
                security=distributed.Security(**place.security) if place.security else None,
                timeout=_CONNECT_SECONDS,
                set_as_default=True,
                flowkit_desk=self,
            )
        except (OSError, TimeoutError, ValueError) as error:
            raise ComputeError.for_no_cluster(f"{type(error).__name__}: {error}") from error


def _has_default(distributed: Any) -> bool:
    try:
        return bool(distributed.Client.current(allow_global=True).status == "running")
    except ValueError:
        return False


@functools.cache
def _client_class(base: Any) -> Any:
    """Return a client class whose every blocking call tells that the step waits."""

    class StepClient(base):  # type: ignore[misc]
        """A client on the run's cluster, for the step that runs in this process."""

        def __init__(self, *args: Any, flowkit_desk: ComputeDesk, **options: Any) -> None:
            self._flowkit_desk = flowkit_desk
            super().__init__(*args, **options)

        def sync(self, function: Any, *args: Any, asynchronous: bool | None = None, **options: Any) -> Any:
            """Run a coroutine of the client's and wait for it."""
            if asynchronous or (asynchronous is None and self.asynchronous):
                return super().sync(function, *args, asynchronous=True, **options)
            with self._flowkit_desk.waiting():
                return super().sync(function, *args, asynchronous=False, **options)

    return StepClient


class _ImportHook(importlib.abc.MetaPathFinder):
    """Sees `dask.base` imported, once."""

    def __init__(self, desk: ComputeDesk) -> None:
        self._desk = desk

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname != _HOOKED:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(fullname)
        if spec is not None and spec.loader is not None:
            spec.loader = _WrappingLoader(spec.loader, self._desk)
        return spec


class _WrappingLoader(importlib.abc.Loader):
    """Runs the module as its own loader does, then wraps what finds a scheduler."""

    def __init__(self, loader: Any, desk: ComputeDesk) -> None:
        self._loader = loader
        self._desk = desk

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType | None:
        made: ModuleType | None = self._loader.create_module(spec)
        return made

    def exec_module(self, module: ModuleType) -> None:
        module.__loader__ = self._loader
        if module.__spec__ is not None:
            module.__spec__.loader = self._loader
        self._loader.exec_module(module)
        namespace: Any = module
        namespace.get_scheduler = _connecting(namespace.get_scheduler, namespace.config, self._desk)


def _connecting(find: Callable[..., Any], config: Any, desk: ComputeDesk) -> Callable[..., Any]:
    @functools.wraps(find)
    def get_scheduler(get: Any = None, scheduler: Any = None, collections: Any = None, cls: Any = None) -> Any:
        named = scheduler if scheduler is not None else config.get("scheduler", None)
        if get is None and (named is None or named in _DISTRIBUTED):
            desk.connect()
        return find(get=get, scheduler=scheduler, collections=collections, cls=cls)

    return get_scheduler
