"""What a step leaves in its process: the next one on that worker sees none of it, in the same process or another."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest

from flowkit.execution.base import ExecutorEvent, NodeOrder
from flowkit.execution.envelope import close_envelope
from flowkit.execution.supervisor import Supervisor
from flowkit.records import Outcome
from tests.execution.workshop import Workshop, results

pytestmark = pytest.mark.cluster

Open = Callable[..., Workshop]

STEPS = """
import builtins, colorsys, datetime, faulthandler, http.server, multiprocessing, multiprocessing.context, random
import signal, socketserver, subprocess, threading


class Finder:
    @staticmethod
    def find_spec(name, path=None, target=None):
        return None


def serve():
    server = socketserver.TCPServer(("127.0.0.1", 0), http.server.SimpleHTTPRequestHandler)
    builtins_free = threading.Thread(target=server.serve_forever, daemon=True, name="server")
    builtins_free.start()


def import_and_leak():
    import pipelines.chunk_of_project
    builtins.leaked = 42


CHANGES = {
    "added_builtin": lambda: setattr(builtins, "leaked", 42),
    "added_with_import": import_and_leak,
    "alarm": lambda: faulthandler.dump_traceback_later(0.3, exit=True),
    "rebound_variables": lambda: setattr(os, "environ", {}),
    "put_variable": lambda: os.putenv("RAW", "1"),
    "unset_variable": lambda: os.unsetenv("PATH"),
    "replaced_module": lambda: sys.modules.update(colorsys=os),
    "finders": lambda: sys.meta_path.clear(),
    "finder": lambda: sys.meta_path.insert(0, Finder),
    "hooks": lambda: sys.path_hooks.clear(),
    "digits": lambda: sys.set_int_max_str_digits(700),
    "clock": lambda: setattr(time, "time", lambda: 0.0),
    "date": lambda: setattr(datetime, "datetime", datetime.date),
    "method": lambda: multiprocessing.set_start_method("spawn", force=True),
    "server": serve,
}
AS_ROOT = {
    "effective_user": lambda: (os.setegid(65534), os.seteuid(65534)),
    "user": lambda: os.setuid(65534),
    "groups": lambda: os.setgroups([65534]),
    "root_folder": lambda: os.chroot("."),
}


def seen():
    said = subprocess.run(["/bin/sh", "-c", "echo $RAW $PATH"], capture_output=True, text=True).stdout
    return {
        "builtin": hasattr(builtins, "leaked"),
        "variables": type(os.environ).__name__ + os.environ["PATH"] + said,
        "module": sys.modules["colorsys"] is colorsys,
        "finders": [str(one).partition(" at ")[0] for one in sys.meta_path] + [len(sys.path_hooks)],
        "digits": sys.get_int_max_str_digits(),
        "clock": time.time() > 1 and datetime.datetime.__name__,
        "method": multiprocessing.get_start_method(allow_none=True),
        "threads": [thread.name for thread in threading.enumerate()],
        "identity": [os.getresuid(), os.getresgid(), os.getgroups(), os.path.isdir("/proc/self")],
    }


@fk.step
def change(kind: str) -> int:
    {**CHANGES, **AS_ROOT}[kind]()
    return 1

@fk.step
def look(after: str) -> str:
    if after == "alarm":
        time.sleep(0.5)
    return f"{seen()}"

@fk.step
def pid(after: str) -> int:
    return os.getpid()
"""

KINDS = (
    "added_builtin",
    "added_with_import",
    "alarm",
    "rebound_variables",
    "put_variable",
    "unset_variable",
    "replaced_module",
    "finders",
    "finder",
    "hooks",
    "digits",
    "clock",
    "date",
    "method",
    "server",
)
AS_ROOT = ["effective_user", "user", "groups", "root_folder"] if os.getuid() == 0 else []


def run(supervisor: Supervisor, shop: Workshop, *orders: NodeOrder) -> list[ExecutorEvent]:
    """Run a packet and return its events."""
    events: list[ExecutorEvent] = []
    supervisor.run_packet(shop.settings(), close_envelope(shop.packet(*orders)), events.append)
    return events


@pytest.mark.slow
def test_the_next_step_sees_nothing_of_it(open_workshop: Open, supervisor: Supervisor) -> None:
    """Each change is made by a step; the step after it sees the process as the first one did, and lives."""
    shop = open_workshop(STEPS, chunk_of_project="")
    flow = shop.load()
    first = shop.value(results(run(supervisor, shop, shop.order(flow.look, after="")))["look"], str)

    seen = {}
    for kind in (*KINDS, *AS_ROOT):
        changed = results(run(supervisor, shop, shop.order(flow.change, kind=kind)))["change"]
        assert kind in AS_ROOT or changed.outcome is Outcome.EXECUTED, (kind, changed.failure)
        result = results(run(supervisor, shop, shop.order(flow.look, after=kind)))["look"]
        seen[kind] = shop.value(result, str) if result.outcome is Outcome.EXECUTED else str(result.failure)

    assert seen == dict.fromkeys((*KINDS, *AS_ROOT), first)
