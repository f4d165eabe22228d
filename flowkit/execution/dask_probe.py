"""What every worker of an external cluster is asked before it is given work, and what its answer means."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from flowkit.errors import WorkerError
from flowkit.execution.dask_worker import TRAVEL_PACKAGES, describe_worker, own_digest, package_versions

if TYPE_CHECKING:
    import asyncio

_LOOK_SECONDS = 0.5


async def ask_workers(client: Any, store: str, probe: str, workers: Sequence[str], seconds: float) -> dict[str, object]:
    """Ask each worker who it is and what it sees, all at once; runs in the client's event loop.

    Returns:
        By address what it said, or the exception that came instead: a `TimeoutError` for one that left the cluster
        meanwhile or took longer than `seconds`.
    """
    import asyncio

    asked = {
        asyncio.ensure_future(client.run(describe_worker, store, probe, workers=[address], on_error="return")): address
        for address in workers
    }
    end = time.monotonic() + seconds
    pending = set(asked)
    while pending:
        _, pending = await asyncio.wait(pending, timeout=_LOOK_SECONDS)
        if not pending:
            break
        # To ask one that has just died takes Dask half a minute; the scheduler knows at once that it is gone.
        listed = (await client.scheduler.identity(n_workers=-1))["workers"]
        late = {task for task in pending if asked[task] not in listed or time.monotonic() > end}
        for task in late:
            task.cancel()
        pending -= late
    await asyncio.wait(asked)
    return {address: _answer_of(task, address) for task, address in asked.items()}


def _answer_of(task: asyncio.Task[Mapping[str, object]], address: str) -> object:
    if task.cancelled():
        return TimeoutError("no answer")
    return task.exception() or task.result().get(address)


def is_silent(answer: object) -> bool:
    """Whether a worker could not be spoken to at all: it is dead or dying, which says nothing of the others."""
    return isinstance(answer, OSError)


def check_answer(worker: str, answer: object, nonce: str, store: str) -> None:
    """Check what a worker said of itself.

    Raises:
        WorkerError: It did not answer, runs another Python or flowkit, or does not see the store.
    """
    if not isinstance(answer, dict):
        raise WorkerError.for_unusable_worker(worker, f"{type(answer).__name__}: {answer}")
    python = ".".join(map(str, sys.version_info[:2]))
    if answer["python"] != python:
        raise WorkerError.for_other_version(worker, "Python", python, answer["python"])
    if answer["flowkit"] != own_digest():
        raise WorkerError.for_other_version(worker, "flowkit", own_digest(), answer["flowkit"])
    if answer["probe"] != nonce:
        raise WorkerError.for_blind_worker(worker, store)


def describe_mismatches(there: Mapping[str, Mapping[str, str | None]]) -> str | None:
    """Say in one sentence which packages that carry functions between processes differ from this process's.

    Args:
        there: By place, `the scheduler` or a worker's address, the version of each of `TRAVEL_PACKAGES`.
    """
    here = package_versions()
    differing: dict[tuple[str, str], list[str]] = {}
    for place, versions in there.items():
        for package in TRAVEL_PACKAGES:
            version = versions.get(package) or "missing"
            if version != here[package]:
                differing.setdefault((package, version), []).append(place)
    if not differing:
        return None
    parts = [
        f"{package} is {here[package]} here and {version} on {', '.join(sorted(places))}"
        for (package, version), places in sorted(differing.items())
    ]
    return f"Versions differ on the cluster: {'; '.join(parts)}. Where work does not arrive there, make them the same."
