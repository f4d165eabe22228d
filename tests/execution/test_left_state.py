"""What a step leaves in its process: the next one on that worker sees none of it, in the same process or another."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace

from flowkit.execution.base import ExecutorEvent, NodeOrder
from flowkit.execution.envelope import close_envelope
from flowkit.execution.supervisor import Supervisor
from flowkit.records import Outcome
from tests.execution.workshop import Workshop, results

pytestmark = pytest.mark.cluster

Open = Callable[..., Workshop]

STEPS = """
import _thread, builtins, cProfile, colorsys, ctypes, datetime, faulthandler, http.server
import multiprocessing, multiprocessing.context, random, signal, socketserver, subprocess, threading


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


class EqualsAll:
    def __eq__(self, other):
        return True

    def __call__(self):
        return 0.0


class EqualsNone:
    def __eq__(self, other):
        raise ValueError("ambiguous")

    __hash__ = object.__hash__


def trace(frame, event, argument):
    if frame.f_code.co_name in ("look", "seen", "begun"):
        raise RuntimeError("traced")


def call(library, name, *arguments):
    getattr(ctypes.CDLL(library), name)(*arguments)


def refuse(event, arguments):
    if event == "look.around":
        raise RuntimeError("audited")


def move(to, *calls):
    before = os.environ.get("TZ")
    os.environ["TZ"] = to
    for one in calls:
        one()
    return before


def move_and_return():
    before = move("Asia/Tokyo", lambda: time.mktime(time.gmtime(0)))
    if before is None:
        del os.environ["TZ"]
    else:
        os.environ["TZ"] = before


def score():
    with open("/proc/self/oom_score_adj", "w") as file:
        file.write("777")


def sleep_on():
    for _ in range(1000):
        time.sleep(0.01)


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
    "zone": lambda: move("Asia/Tokyo", time.tzset),
    "zone_of_c": move_and_return,
    "zone_by_hand": lambda: setattr(time, "tzname", ("X", "Y")),
    "trace": lambda: sys.settrace(trace),
    "profile": lambda: sys.setprofile(trace),
    "profiler": lambda: cProfile.Profile().enable(),
    "thread_trace": lambda: threading.settrace(trace),
    "thread_profile": lambda: threading.setprofile(trace),
    "rounding": lambda: call("libm.so.6", "fesetround", 0x800),
    "equals_all": lambda: setattr(time, "time", EqualsAll()),
    "equals_none": lambda: setattr(time, "time", EqualsNone()),
    "words": lambda: sys.argv.__setitem__(0, EqualsNone()),
    "exists": lambda: setattr(os.path, "exists", lambda path: True),
    "late_signal": lambda: signal.signal(signal.SIGRTMIN, signal.SIG_IGN),
    "fatal_signal": lambda: signal.signal(signal.SIGFPE, signal.SIG_IGN),
    "stack_size": lambda: threading.stack_size(1 << 20),
    "policy": lambda: os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0)),
    "score": score,
    "bond": lambda: call(None, "prctl", 1, 15),
    "orphans": lambda: call(None, "prctl", 36, 0),
    "audit": lambda: sys.addaudithook(refuse),
    "bare_thread": lambda: _thread.start_new_thread(sleep_on, ()),
}
AS_ROOT = {
    "effective_user": lambda: (os.setegid(65534), os.seteuid(65534)),
    "user": lambda: os.setuid(65534),
    "groups": lambda: os.setgroups([65534]),
    "root_folder": lambda: os.chroot("."),
}


def kept(option):
    found = ctypes.c_int()
    call(None, "prctl", option, ctypes.byref(found))
    return found.value


def begun():
    ran = []
    thread = threading.Thread(target=lambda: ran.append(1))
    thread.start()
    thread.join()
    return [ran, threading.stack_size()]


def seen():
    sys.audit("look.around")
    said = subprocess.run(["/bin/sh", "-c", "echo $RAW $PATH"], capture_output=True, text=True).stdout
    return {
        "builtin": hasattr(builtins, "leaked"),
        "variables": type(os.environ).__name__ + os.environ["PATH"] + said,
        "module": sys.modules["colorsys"] is colorsys,
        "finders": [str(one).partition(" at ")[0] for one in sys.meta_path] + [len(sys.path_hooks)],
        "digits": sys.get_int_max_str_digits(),
        "clock": time.time() > 1 and datetime.datetime.__name__,
        "zone": [datetime.datetime.fromtimestamp(0).isoformat(), time.tzname, time.timezone],
        "traced": [sys.gettrace(), sys.getprofile(), begun()],
        "sum": sum([0.1] * 10),
        "exists": os.path.exists("/nowhere"),
        "signals": [signal.getsignal(number) for number in (signal.SIGRTMIN, signal.SIGFPE)],
        "policy": os.sched_getscheduler(0),
        "score": Path("/proc/self/oom_score_adj").read_text(),
        "kept": [kept(2), kept(37)],
        "method": multiprocessing.get_start_method(allow_none=True),
        "threads": [_thread._count(), *(thread.name for thread in threading.enumerate())],
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
    "zone",
    "zone_of_c",
    "zone_by_hand",
    "trace",
    "profile",
    "profiler",
    "thread_trace",
    "thread_profile",
    "rounding",
    "equals_all",
    "equals_none",
    "words",
    "exists",
    "late_signal",
    "fatal_signal",
    "stack_size",
    "policy",
    "score",
    "bond",
    "orphans",
    "audit",
    "bare_thread",
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
        told = [text for text in changed.warnings if "cannot be put back, so that is replaced: ValueError" in text]
        assert bool(told) is (kind == "words"), (kind, changed.warnings)
        result = results(run(supervisor, shop, shop.order(flow.look, after=kind)))["look"]
        seen[kind] = shop.value(result, str) if result.outcome is Outcome.EXECUTED else str(result.failure)

    assert seen == dict.fromkeys((*KINDS, *AS_ROOT), first)


AGAIN = """
import decimal, gc, json, logging, random, resource, signal, socket, warnings


def seen():
    return repr([
        os.getcwd(), sorted(os.environ.items()), os.umask(0o22), sys.path, sys.argv, len(warnings.filters),
        signal.pthread_sigmask(signal.SIG_BLOCK, ()), signal.getsignal(signal.SIGUSR1), signal.getitimer(0),
        logging.root.level, len(logging.root.handlers), sys.getrecursionlimit(), gc.get_threshold(), gc.isenabled(),
        socket.getdefaulttimeout(), decimal.getcontext().prec, resource.getrlimit(resource.RLIMIT_NOFILE)[0],
        time.tzname, sys.get_int_max_str_digits(), hasattr(random, "left"), time.time is json.loads,
    ])


@fk.step
def change(number: int) -> int:
    os.chdir("/")
    os.environ["LEFT"] = str(number)
    os.umask(number)
    sys.path.insert(0, str(number))
    sys.argv.append(str(number))
    warnings.simplefilter("error")
    signal.pthread_sigmask(signal.SIG_BLOCK, {number})
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    signal.setitimer(0, 1000 + number)
    logging.root.setLevel(number)
    logging.root.addHandler(logging.NullHandler())
    sys.setrecursionlimit(2000 + number)
    gc.set_threshold(100 * number)
    gc.disable()
    socket.setdefaulttimeout(number)
    decimal.getcontext().prec = number
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (limits[0] - number, limits[1]))
    os.environ["TZ"] = f"LFT{number}"
    time.tzset()
    sys.set_int_max_str_digits(1000 + number)
    random.left = number
    return os.getpid()


@fk.step
def look(after: int) -> str:
    return f"{os.getpid()} {seen()}"


@fk.step
def keep(number: int) -> list[str]:
    found = sorted(path.name for path in fk.checkpoints().iterdir())
    (fk.checkpoints() / str(number)).touch()
    return found
"""

FIRST_IMPORTED = """
@fk.step
def change(number: int) -> int:
    import logging, socket
    logging.root.setLevel(number)
    logging.root.addHandler(logging.NullHandler())
    logging.disable(number)
    socket.setdefaulttimeout(number)
    return os.getpid()


@fk.step
def look(after: int) -> str:
    import logging, socket
    held = len(logging.root.handlers), logging.root.level, logging.root.manager.disable, socket.getdefaulttimeout()
    return f"{os.getpid()} {held}"
"""

FILTERS = """
@fk.step
def change(number: int) -> int:
    import logging.config, selectors, warnings
    warnings.simplefilter("ignore")
    return os.getpid()


@fk.step
def look(after: int) -> str:
    import warnings
    with warnings.catch_warnings(record=True) as caught:
        warnings.warn("told")
    return f"{os.getpid()} {len(caught)}"
"""

SET_UP = """
import pipelines.sets_up


@fk.step
def use(after: int) -> str:
    return os.environ.get("SET_UP", "nothing")
"""

SETS_UP = """
import os, warnings
os.environ["SET_UP"] = "by a module"
warnings.filterwarnings("ignore", "of a module")
"""


def test_what_a_step_is_the_first_to_import_is_put_back_too(open_workshop: Open, supervisor: Supervisor) -> None:
    """The settings of `logging` and `socket` are those they come with, in the same process."""
    shop = open_workshop(FIRST_IMPORTED)
    flow = shop.load()

    found = results(run(supervisor, shop, shop.order(flow.change, number=40), shop.order(flow.look, after=1)))

    pid = shop.value(found["change"], int)
    assert shop.value(found["look"], str) == f"{pid} (0, 30, 0, None)"


def test_filters_of_a_step_that_imports_of_pythons_own_are_put_back(
    open_workshop: Open, supervisor: Supervisor
) -> None:
    """Only a library may need the filters that came with its import."""
    shop = open_workshop(FILTERS)
    flow = shop.load()

    found = results(run(supervisor, shop, shop.order(flow.change, number=1), shop.order(flow.look, after=1)))

    assert shop.value(found["look"], str) == f"{shop.value(found['change'], int)} 1"


def test_what_is_put_back_is_put_back_again(open_workshop: Open, supervisor: Supervisor) -> None:
    """One process runs step after step that changes all of it, and each finds it as the first one did."""
    shop = open_workshop(AGAIN)
    flow = shop.load()
    orders = [
        order for n in (1, 2, 3) for order in (shop.order(flow.look, f"look{n}", after=n), _change(shop, flow, n))
    ]

    found = results(run(supervisor, shop, *orders))

    looks = {shop.value(found[f"look{n}"], str) for n in (1, 2, 3)}
    pids = {shop.value(found[f"change{n}"], int) for n in (1, 2, 3)}
    assert [result.warnings for result in found.values()] == [()] * 6
    assert len(looks) == len(pids) == 1
    assert next(iter(looks)).startswith(str(next(iter(pids))))


def test_what_a_module_sets_up_stays(open_workshop: Open, supervisor: Supervisor) -> None:
    """A step's module that is imported between two nodes sets up the process for all that follow."""
    shop = open_workshop(AGAIN)
    other = open_workshop(SET_UP, sets_up=SETS_UP)
    (shop.root / "pipelines" / other.file.name).write_text(other.file.read_text())
    (shop.root / "pipelines" / "sets_up.py").write_text(SETS_UP)
    flow = shop.load()
    sys.modules.pop("pipelines.sets_up", None)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("os.environ", dict(os.environ))
        late = importlib.import_module(f"pipelines.{other.name}")
    orders = [shop.order(flow.look, "look1", after=1), shop.order(late.use, "use1", after=1), _change(shop, flow, 1)]
    orders += [shop.order(flow.look, "look2", after=2), shop.order(late.use, "use2", after=2)]

    found = results(run(supervisor, shop, *orders))

    assert shop.value(found["use1"], str) == shop.value(found["use2"], str) == "by a module"
    before, after = (shop.value(found[name], str) for name in ("look1", "look2"))
    assert before.partition(" ")[0] == after.partition(" ")[0]
    assert "by a module" in after
    assert "by a module" not in before


def test_checkpoints_that_nobody_keeps_are_gone(open_workshop: Open, supervisor: Supervisor) -> None:
    """Where a step is tried out beside the run, another one in its process finds nothing of its checkpoints."""
    shop = open_workshop(AGAIN)
    flow = shop.load()
    orders = [shop.order(flow.keep, f"keep{number}", number=number) for number in (1, 2)]
    events: list[ExecutorEvent] = []

    settings = replace(shop.settings(), keeps_checkpoints=False)
    supervisor.run_packet(settings, close_envelope(shop.packet(*orders)), events.append)

    found = results(events)
    assert [shop.value(found[name], list[str]) for name in ("keep1", "keep2")] == [[], []]


def _change(shop: Workshop, flow: Any, number: int) -> NodeOrder:
    return shop.order(flow.change, f"change{number}", number=number)
