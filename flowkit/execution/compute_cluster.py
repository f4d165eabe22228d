"""A child process of the driver that computes for steps: a Dask scheduler and a nanny with one worker, on loopback.

It is started when a step first asks for it, serves one code bundle, and dies with the driver. Its worker imports the
project's modules from that bundle, as step hosts do, so a function that travels by its name is the code of this run.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flowkit.execution.bundle import load_bundle
from flowkit.execution.channel import FrameReader, send
from flowkit.execution.compute_leftovers import Replacement, tell_of_unwanted, watching
from flowkit.execution.finder import install_bundle
from flowkit.execution.host import die_with

LOOPBACK = "127.0.0.1"
_CODE = "FLOWKIT_COMPUTE_CODE"
"""The environment variable that tells the worker, a child of this process, where the project's code is."""

_SETTINGS = {
    # A worker's death takes the tasks of other steps with it: these get another try before anybody is blamed.
    "distributed.scheduler.allowed-failures": 2,
    "distributed.scheduler.no-workers-timeout": "60s",
    "distributed.scheduler.active-memory-manager.start": False,
    "distributed.diagnostics.computations.nframes": 0,
    "distributed.admin.system-monitor.gil.enabled": False,
}


def dask_setup(worker: object) -> None:
    """Install the project's code in the worker's process; Dask calls this before the first task."""
    install_code(json.loads(os.environ[_CODE]))
    tell_of_unwanted(worker)


def install_code(code: Mapping[str, Any]) -> None:
    """Make this process find the project's modules in the bundle, and further ones at the project's root."""
    if code["root"] not in sys.path:
        sys.path.insert(0, code["root"])
    if code["bundle"] is not None:
        install_bundle(load_bundle(Path(code["store"]), code["bundle"]), Path(code["root"]))


def main(given: Mapping[str, Any]) -> None:
    """Compute until the driver closes the pipe, or dies.

    Args:
        given: The driver's process id, the numbers of two pipes, threads, folder, and the project's code.
    """
    die_with(given["supervisor"])
    for descriptor in (given["orders"], given["reports"]):
        os.set_inheritable(descriptor, False)
    os.chdir(given["root"])
    code = {name: given[name] for name in ("root", "store", "bundle")}
    os.environ[_CODE] = json.dumps(code)
    try:
        # The scheduler unpickles functions too.
        install_code(code)
        asyncio.run(_serve(given))
    except Exception as error:
        send(given["reports"], ("failed", f"{type(error).__name__}: {error}"))
        raise


async def _serve(given: Mapping[str, Any]) -> None:
    import dask
    import distributed

    dask.config.set({**_SETTINGS, "temporary-directory": given["folder"]})
    replacement = Replacement()
    scheduler = watching(distributed.Scheduler, replacement.hear)(
        host=LOOPBACK, port=0, dashboard=False, dashboard_address=f"{LOOPBACK}:0"
    )
    async with (
        scheduler,
        distributed.Nanny(
            scheduler.address,
            host=LOOPBACK,
            nthreads=given["threads"],
            local_directory=given["folder"],
            dashboard=False,
            dashboard_address=f"{LOOPBACK}:0",
            preload=[__name__],
        ) as nanny,
    ):
        replacement.oversee(scheduler, nanny)
        send(given["reports"], ("ready", scheduler.address))
        await asyncio.to_thread(_wait_for_end, given["orders"])


def _wait_for_end(orders: int) -> None:
    reader = FrameReader(orders)
    try:
        while True:
            reader.receive()
    except EOFError:
        return
