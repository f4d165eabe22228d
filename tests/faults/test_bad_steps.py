"""Steps that end badly or behave badly, on real workers: what is told of each, and that nobody else pays for it."""

from __future__ import annotations

import json
import os
import re
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.commands import MAIN, ROOT
from tests.faults.conftest import Tell
from tests.faults.scale import scaled
from tests.journeys.project import OrdersProject, Outcome

pytestmark = [pytest.mark.cluster, pytest.mark.slow, pytest.mark.timeout(120)]

ENDINGS = """
import asyncio, os, signal, sys, threading, time

import flowkit as fk


class Locked(Exception):
    def __init__(self):
        super().__init__(threading.Lock())


class Mute(Exception):
    def __str__(self):
        raise RuntimeError("no text")

    __repr__ = __str__


class Trap(Exception):
    def __reduce__(self):
        raise SystemExit(7)


class Own(BaseException):
    pass


@fk.step
def chained() -> int:
    try:
        return {}["fare"]
    except KeyError as error:
        raise ValueError("no fare") from error


@fk.step
def unpicklable() -> int:
    raise Locked


@fk.step
def mute() -> int:
    raise Mute


@fk.step
def trap() -> int:
    raise Trap("pickled")


@fk.step
def huge_text() -> int:
    raise ValueError("x" * 50_000_000)


@fk.step
def binary_text() -> int:
    raise ValueError(bytes(range(256)) * 1000)


@fk.step
def unprintable() -> int:
    raise ValueError("caf\\udce9 \\x1b[31mred\\x00")


@fk.step
def group() -> int:
    raise ExceptionGroup("two", [ValueError("one"), ExceptionGroup("inner", [KeyError("other")])])


@fk.step
def recursion() -> int:
    return recursion()


@fk.step
def lazy_import() -> int:
    import broken

    return 1


@fk.step
def too_large() -> int:
    return len(bytearray(1 << 48))


@fk.step
def stop() -> int:
    raise StopIteration(3)


@fk.step
def generator_exit() -> int:
    raise GeneratorExit


@fk.step
def cancelled() -> int:
    raise asyncio.CancelledError("gone")


@fk.step
def own_base() -> int:
    raise Own("mine")


@fk.step(retries=2)
def sys_exit() -> int:
    sys.exit(3)


@fk.step
def sys_exit_text() -> int:
    sys.exit("bye")


@fk.step(retries=2)
def interrupt() -> int:
    raise KeyboardInterrupt


@fk.step
def own_interrupt() -> int:
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(5)
    return 1


@fk.step
def thread_exit() -> int:
    thread = threading.Thread(target=lambda: os._exit(5))
    thread.start()
    thread.join()
    return 1


@fk.step
def hang_up() -> int:
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    os.kill(os.getpid(), signal.SIGHUP)
    time.sleep(5)
    return 1


@fk.step
def own_group() -> int:
    os.killpg(0, signal.SIGTERM)
    time.sleep(5)
    return 1


@fk.step(timeout="500ms")
def loop() -> int:
    while True:
        pass


@fk.step(timeout="500ms")
def locked() -> int:
    lock = threading.Lock()
    return lock.acquire() + lock.acquire()


@fk.step(timeout="500ms")
def stopped() -> int:
    os.kill(os.getpid(), signal.SIGSTOP)
    return 1


@fk.step
def asks() -> str:
    return input("really? ")


@fk.step
def wrong_type() -> int:
    return "x"


@fk.step
def nothing() -> int:
    pass


@fk.step
def wrong_element() -> list[int]:
    return [1, "x"]


@fk.step
def generator() -> list[int]:
    return (number for number in range(3))


@fk.step
def coroutine() -> int:
    async def later() -> int:
        return 1

    return later()


@fk.step
def too_many() -> tuple[int, int]:
    return 1, 2, 3


@fk.step
def lock() -> object:
    return threading.Lock()


@fk.step
def second_output() -> tuple[int, object]:
    return 1, open("/dev/null")


@fk.step
def deep() -> object:
    value = []
    for _ in range(100_000):
        value = [value]
    return value


@fk.step
def closed_pipes() -> int:
    os.closerange(3, 1000)
    time.sleep(30)
    return 1


@fk.step
def skipping() -> int:
    raise fk.Skip("caf\\udce9")


@fk.step
def healthy(number: int) -> int:
    return number


@fk.pipeline
def endings() -> None:
    for step in (STEPS):
        step()
    for number in range(5):
        healthy(number)
"""

MEND = "mend it there"
EXITS = "raise an exception to fail"

ENDS: dict[str, tuple[str, str, str]] = {
    "chained": ("raised", "Step 'chained' raised ValueError: no fare", MEND),
    "unpicklable": ("raised", "Step 'unpicklable' raised Locked: <unlocked _thread.lock object at ", MEND),
    "mute": ("raised", "Step 'mute' raised Mute: <its text cannot be shown: RuntimeError>", MEND),
    "trap": ("raised", "Step 'trap' raised Trap: pickled", MEND),
    "huge_text": ("raised", "Step 'huge_text' raised ValueError: xxxx", MEND),
    "binary_text": ("raised", r"Step 'binary_text' raised ValueError: b'\x00\x01", MEND),
    "unprintable": ("raised", r"Step 'unprintable' raised ValueError: caf\udce9 \x1b[31mred\x00", MEND),
    "group": ("raised", "Step 'group' raised ExceptionGroup: two (2 sub-exceptions)", MEND),
    "recursion": ("raised", "Step 'recursion' raised RecursionError: maximum recursion depth exceeded", MEND),
    "lazy_import": ("raised", "Step 'lazy_import' raised SyntaxError: '(' was never closed (broken.py, line 1)", MEND),
    "too_large": ("memory", "Step 'too_large' ran out of memory.", "less at once"),
    "stop": ("raised", "Step 'stop' raised StopIteration: 3", MEND),
    "generator_exit": ("raised", "Step 'generator_exit' raised GeneratorExit", MEND),
    "cancelled": ("raised", "Step 'cancelled' raised CancelledError: gone", MEND),
    "own_base": ("raised", "Step 'own_base' raised Own: mine", MEND),
    "sys_exit": ("exited", "Step 'sys_exit' called sys.exit(3).", EXITS),
    "sys_exit_text": ("exited", "Step 'sys_exit_text' called sys.exit('bye').", EXITS),
    "interrupt": ("exited", "Step 'interrupt' raised KeyboardInterrupt.", "Ctrl-C"),
    "own_interrupt": ("exited", "Step 'own_interrupt' raised KeyboardInterrupt.", "Ctrl-C"),
    "thread_exit": ("exited", "Step 'thread_exit' ended its process with exit code 5.", "os._exit"),
    "hang_up": ("signalled", "Step 'hang_up' was killed by SIGHUP.", "flowkit logs"),
    "own_group": ("signalled", "Step 'own_group' was killed by SIGTERM.", "flowkit logs"),
    "loop": ("timeout", "Step 'loop' exceeded its timeout of 0.5 s and was killed.", "@step(timeout=…)"),
    "locked": ("timeout", "Step 'locked' exceeded its timeout of 0.5 s and was killed.", "@step(timeout=…)"),
    "stopped": ("timeout", "Step 'stopped' exceeded its timeout of 0.5 s and was killed.", "@step(timeout=…)"),
    "asks": ("raised", "Step 'asks' raised EOFError: EOF when reading a line", "make the answer a parameter"),
    "wrong_type": ("type", "Step 'wrong_type' did not return what it declares.", "return int"),
    "nothing": ("type", "Step 'nothing' did not return what it declares.", "return int"),
    "wrong_element": ("type", "Step 'wrong_element' did not return what it declares.", "return list[int]"),
    "generator": ("type", "Step 'generator' did not return what it declares.", "return list[int]"),
    "coroutine": ("type", "Step 'coroutine' did not return what it declares.", "return int"),
    "too_many": ("type", "Step 'too_many' declares 2 outputs and returned a tuple of 3.", "one value for each output"),
    "lock": ("codec", "A lock cannot be stored.", "make the lock in the step"),
    "second_output": ("codec", "An open file cannot be stored.", "return its content"),
    "deep": ("codec", "A value of type list cannot be stored: pickle fails on it.", "register a codec with @fk.codec"),
    "closed_pipes": ("exited", "Step 'closed_pipes' closed the pipe through which its process reports.", "close only"),
}
"""How each step ends: the failure's type, how its message begins, and a part of its hint."""


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory) -> tuple[OrdersProject, Outcome]:
    """One run in which all of them end on two workers, beside steps that are fine."""
    project = OrdersProject.make(tmp_path_factory.mktemp("endings") / "project")
    source = ENDINGS.replace("(STEPS)", f"({', '.join([*ENDS, 'skipping'])})")
    (project.root / "pipelines" / "endings.py").write_text(source)
    (project.root / "broken.py").write_text("def never(\n")
    # Strict, as on most machines: what cannot be encoded would be an error.
    run = project.flowkit("run", "endings", "--json", "--workers", "2", PYTHONIOENCODING="utf-8:strict")
    return project, run


@pytest.mark.parametrize("step", ENDS)
def test_each_ending_is_told_by_name(ended: tuple[OrdersProject, Outcome], step: str) -> None:
    """The failure has its type, a message that names the step, and a remedy; a place in the person's own file."""
    node = ended[1].nodes[step]
    kind, message, hint = ENDS[step]

    assert node["outcome"] == "failed"
    assert node["attempts"] == 1, "neither sys.exit nor a KeyboardInterrupt is tried again"
    error = node["error"]
    assert error["type"] == kind
    assert error["message"].startswith(message)
    assert step in error["message"] or error["facts"]["step"] == step
    assert hint in error["hint"]
    assert len(json.dumps(error)) < 110_000
    if kind == "raised":
        assert error["facts"]["at"].startswith("pipelines/endings.py:")
        assert "/flowkit/" not in error["traceback"]


def test_endings_take_nothing_else_with_them(ended: tuple[OrdersProject, Outcome]) -> None:
    """Exit code 1; steps beside them are done; the next run repeats what failed alone; the store is sound."""
    project, run = ended

    again = project.flowkit("run", "endings", "--json", "--inline", "--select", "healthy* skipping chained")
    verified = project.ask("verify", "--json")

    assert run.code == 1, run.err
    assert sorted(run.named("failed")) == sorted(ENDS)
    assert run.named("skipped") == ["skipping"]
    assert len(run.named("executed")) == 5
    assert "Traceback" not in run.err
    assert again.named("reused") == run.named("executed")
    assert again.named("failed") == ["chained"]
    assert verified.code == 0, verified.out


def test_causes_and_members_are_in_the_trace(ended: tuple[OrdersProject, Outcome]) -> None:
    """What caused an exception, and each exception of a group, stands in the trace, without lines of a library."""
    chained, group = (ended[1].nodes[step]["error"]["traceback"] for step in ("chained", "group"))

    assert chained.index("KeyError: 'fare'") < chained.index("direct cause") < chained.index("ValueError: no fare")
    assert all(text in group for text in ("ValueError: one", "ExceptionGroup: inner", "KeyError: 'other'"))


def test_the_output_that_cannot_be_stored_is_named(ended: tuple[OrdersProject, Outcome]) -> None:
    """Of several outputs, the facts name the one."""
    assert ended[1].nodes["second_output"]["error"]["facts"]["output"] == "1"


def test_a_person_reads_the_same_on_a_terminal(ended: tuple[OrdersProject, Outcome]) -> None:
    """Without --json a text that no encoding has, or that would colour the terminal, is shown as escapes."""
    project, _ = ended

    run = project.flowkit(
        "run", "endings", "--inline", "--select", "unprintable skipping", PYTHONIOENCODING="utf-8:strict"
    )

    assert run.code == 1
    assert r"raised ValueError: caf\udce9 \x1b[31mred\x00" in run.err
    assert r"caf\udce9" in run.out
    assert "\x1b" not in run.out + run.err


CHANGING = """
import builtins, decimal, gc, json, locale, logging, os, resource, signal, socket, sys, threading, time, warnings
from pathlib import Path

import matplotlib
import matplotlib.pyplot as plt
import pandas as pd

import flowkit as fk


def soft(limit, value):
    resource.setrlimit(limit, (value, resource.getrlimit(limit)[1]))


CHANGES = {
    "folder": lambda: os.chdir("/"),
    "gone_folder": lambda: (os.mkdir("gone"), os.chdir("gone"), os.rmdir("../gone")),
    "variables": lambda: (os.environ.update(FLOWKIT_TESTS="1"), os.environ.pop("HOME", None), os.putenv("RAW", "1")),
    "time_zone": lambda: (os.environ.update(TZ="Asia/Tokyo"), time.tzset()),
    "import_path": lambda: sys.path.insert(0, "/nowhere"),
    "arguments": lambda: sys.argv.append("x"),
    "locale": lambda: locale.setlocale(locale.LC_ALL, "C"),
    "handlers": lambda: [
        signal.signal(number, signal.SIG_IGN)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGCHLD)
    ],
    "blocked_signals": lambda: signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM]),
    "timer": lambda: signal.setitimer(signal.ITIMER_VIRTUAL, 0.01),
    "umask": lambda: os.umask(0o777),
    "soft_limit": lambda: soft(resource.RLIMIT_NOFILE, 40),
    "hard_limit": lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (200, 200)),
    "warnings": lambda: warnings.simplefilter("error"),
    "no_warnings": lambda: warnings.resetwarnings(),
    "decimal": lambda: setattr(decimal.getcontext(), "prec", 3),
    "sockets": lambda: socket.setdefaulttimeout(0.01),
    "collector": lambda: (gc.disable(), gc.set_threshold(1)),
    "recursion": lambda: sys.setrecursionlimit(100),
    "built_in": lambda: setattr(builtins, "print", lambda *words: None),
    "pandas": lambda: pd.set_option("display.max_rows", 3),
    "log": lambda: (logging.basicConfig(level="DEBUG"), logging.disable(5)),
    "backend": lambda: matplotlib.use("svg"),
    "styles": lambda: plt.style.use("ggplot"),
    "figures": lambda: plt.plot([1, 2]),
    "priority": lambda: os.nice(5),
    "processors": lambda: os.sched_setaffinity(0, {min(os.sched_getaffinity(0))}),
    "modules": lambda: sys.modules.pop("pandas"),
    "input": lambda: (sys.stdin.close(), os.open("pyproject.toml", os.O_RDONLY)),
    "output": lambda: (setattr(sys, "stdout", open("/dev/null", "w")), os.close(1)),
    "redirection": lambda: os.dup2(os.open("/dev/null", os.O_WRONLY), 1),
    "files": lambda: [os.open("/dev/null", os.O_RDONLY) for _ in range(1000)],
    "threads": lambda: threading.Thread(target=lambda: time.sleep(60), name="left").start(),
}


def state() -> dict[str, str]:
    mask = os.umask(0)
    os.umask(mask)
    variables = {name: value for name, value in os.environ.items() if not name.startswith("FLOWKIT_STEP")}
    return {
        "folder": os.getcwd(),
        "variables": str(sorted(variables.items())) + str(os.environ.get("HOME")),
        "time zone": str(time.tzname),
        "import path": str(sys.path),
        "arguments": str(sys.argv),
        "locale": locale.setlocale(locale.LC_ALL),
        "handlers": str([str(signal.getsignal(number)) for number in signal.Signals]),
        "blocked": str(signal.pthread_sigmask(signal.SIG_BLOCK, [])),
        "timers": str(signal.getitimer(signal.ITIMER_VIRTUAL)),
        "umask": oct(mask),
        "limits": str([resource.getrlimit(limit) for limit in (resource.RLIMIT_NOFILE, resource.RLIMIT_STACK)]),
        "warnings": str([one for one in warnings.filters if one[0] == "error"]) + str(len(warnings.filters) > 2),
        "decimal": str(decimal.getcontext().prec),
        "sockets": str(socket.getdefaulttimeout()),
        "collector": f"{gc.isenabled()} {gc.get_threshold()}",
        "recursion": str(sys.getrecursionlimit()),
        "built-in": str(builtins.print),
        "pandas": str(pd.get_option("display.max_rows")),
        "log": f"{logging.root.handlers} {logging.root.level} {logging.root.manager.disable}",
        "plots": f"{matplotlib.get_backend().lower()} {plt.rcParams['axes.facecolor']} {plt.get_fignums()}",
        "priority": str(os.nice(0)),
        "processors": str(os.sched_getaffinity(0)),
        "modules": str(sys.modules.get("pandas") is pd),
        "input": f"{sys.stdin.closed} {os.readlink('/proc/self/fd/0')}",
        "output": f"{sys.stdout.closed} {os.fstat(1).st_ino == os.fstat(2).st_ino}",
        "files": str(len(os.listdir("/proc/self/fd")) < 50),
        "threads": str(sorted(thread.name for thread in threading.enumerate())),
    }


@fk.step(cache=False)
def before(notes: str) -> int:
    Path(notes, "before").write_text(json.dumps(state()))
    return 1


@fk.step(cache=False)
def change(kind: str, first: int) -> str:
    CHANGES[kind]()
    return kind


@fk.step(cache=False)
def after(kind: str, notes: str) -> int:
    print("still heard")
    Path(notes, kind).write_text(json.dumps(state()))
    return 1


@fk.pipeline
def changing(notes: str) -> None:
    first = before(notes)
    for kind in CHANGES:
        after.named(f"after_{kind}")(change.named(kind)(kind, first), notes)
"""

CHANGES = re.findall(r'^    "(\w+)": lambda', CHANGING, re.MULTILINE)


@pytest.fixture(scope="module")
def changed(tmp_path_factory: pytest.TempPathFactory) -> tuple[OrdersProject, Outcome, dict[str, dict[str, str]]]:
    """One run on one worker, in which one step changes its process and the next one looks at it, and what is seen."""
    project = OrdersProject.make(tmp_path_factory.mktemp("changing") / "project")
    (project.root / "pipelines" / "changing.py").write_text(CHANGING)
    notes = tmp_path_factory.mktemp("notes")
    run = project.flowkit("run", "changing", "-p", f"notes={notes}", "--json", "--workers", "1")
    return project, run, {note.name: json.loads(note.read_text()) for note in notes.iterdir()}


@pytest.mark.parametrize("kind", sorted(CHANGES))
def test_what_a_step_changes_of_its_process_the_next_does_not_see(
    changed: tuple[OrdersProject, Outcome, dict[str, dict[str, str]]], kind: str
) -> None:
    """Put back, or in another process: the step after it finds all as the first one did, and is heard."""
    project, run, values = changed

    assert run.nodes[kind]["outcome"] == "executed", run.nodes[kind]
    assert run.nodes[f"after_{kind}"]["outcome"] == "executed", run.nodes[f"after_{kind}"]
    assert values[kind] == values["before"]
    assert (project.root / ".flowkit" / run.nodes[f"after_{kind}"]["log"]).read_text() == "still heard\n"


def test_threads_that_a_step_leaves_are_named(
    changed: tuple[OrdersProject, Outcome, dict[str, dict[str, str]]],
) -> None:
    """The run succeeds with one warning, of the thread alone: what can be put back is nobody's trouble."""
    _, run, _ = changed

    assert run.code == 0, run.err
    assert [text.partition(".")[0] for text in run.json["warnings"]] == [
        "Step 'change' left threads running, so its process is replaced: 'left'"
    ]


PRINTING = """
import ctypes, os, shutil, sys

import flowkit as fk


@fk.step
def flood(megabytes: int) -> int:
    os.write(1, b"first line\\n")
    for _ in range(megabytes // 2):
        os.write(1, b"x" * 999_999 + b"\\n")
        print("y" * 999_999)
    print("last line")
    return 1


@fk.step
def quiet() -> int:
    return 1


@fk.step
def binary() -> int:
    os.write(1, bytes(range(256)) + b"\\x1b[31mred")
    return 1


@fk.step
def compiled() -> int:
    ctypes.CDLL(None).printf(b"from C, without a line's end")
    return 1


@fk.step
def crash() -> int:
    ctypes.CDLL(None).printf(b"before the crash\\n")
    return ctypes.string_at(0)


@fk.step
def original() -> int:
    sys.__stdout__.write("to the first stream")
    return 1


@fk.step
def closes() -> int:
    print("before")
    sys.stdout.close()
    os.close(1)
    os.close(2)
    return 1


@fk.step
def numbers() -> list[int]:
    return list(range(5000))


@fk.step
def wrecks_store(numbers: list[int]) -> int:
    shutil.rmtree(".flowkit/blobs")
    os.mkdir(".flowkit/blobs")
    return 1


@fk.step
def needs(numbers: list[int], after: int) -> int:
    return len(numbers)


@fk.pipeline
def printing(megabytes: int) -> None:
    flood(megabytes)
    for step in (binary, compiled, crash, original, closes):
        step()


@fk.pipeline
def silent() -> None:
    quiet()


@fk.pipeline
def wrecking() -> None:
    made = numbers()
    needs(made, wrecks_store(made))
"""


BEHAVING = """
import os, pathlib, shutil, subprocess, sys, threading, time

import numpy as np
import pandas as pd
from sklearn.linear_model import LinearRegression

import flowkit as fk


@fk.step
def no_scratch() -> int:
    shutil.rmtree(fk.scratch())
    return 1


@fk.step
def into_project() -> int:
    return pathlib.Path("made.txt").write_text("x")


@fk.step
def many_threads() -> int:
    done = threading.Event()
    threads = [threading.Thread(target=done.wait) for _ in range(1000)]
    for thread in threads:
        thread.start()
    done.set()
    for thread in threads:
        thread.join()
    return len(threads)


@fk.step
def survivors(note: str) -> int:
    words = 'import os, sys, time; open(sys.argv[1], "a").write(f"{os.getpid()} "); time.sleep(60)'
    one = [sys.executable, "-c", words, note]
    subprocess.Popen(["nohup", *one])
    subprocess.Popen(one, start_new_session=True)
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            os.execv(sys.executable, one)
        os._exit(0)
    while not os.path.exists(note) or len(open(note).read().split()) < 3:
        time.sleep(0.01)
    return 1


@fk.step
def frame() -> pd.DataFrame:
    return pd.DataFrame({"fare": [1, 2, 3]})


@fk.step
def array() -> np.ndarray:
    return np.arange(3)


@fk.step
def plain() -> dict[str, list[int]]:
    return {"fare": [1]}


@fk.step
def model() -> LinearRegression:
    return LinearRegression().fit([[0.0], [1.0]], [0.0, 1.0])


@fk.step
def mutates(frame: pd.DataFrame, array: np.ndarray, plain: dict[str, list[int]], model: LinearRegression) -> int:
    frame.loc[0, "fare"] = 99
    frame["more"] = 1
    array.setflags(write=True)
    array[0] = 99
    plain["fare"].append(2)
    plain["more"] = []
    model.coef_[:] = 7
    return 1


@fk.step
def sees(
    frame: pd.DataFrame, array: np.ndarray, plain: dict[str, list[int]], model: LinearRegression, after: int
) -> list[str]:
    return [str(frame.to_dict("list")), str(array.tolist()), str(plain), f"{model.coef_[0]:.2f}"]


@fk.step
def no_frame() -> pd.DataFrame:
    return [1]


@fk.step
def no_array() -> np.ndarray:
    return [1]


@fk.pipeline
def behaving(note: str) -> None:
    for step in (no_scratch, into_project, many_threads, no_frame, no_array):
        step()
    survivors(note)
    inputs = frame(), array(), plain(), model()
    sees(*inputs, mutates(*inputs))
"""


@pytest.fixture
def behaving(tmp_path: Path) -> OrdersProject:
    project = OrdersProject.make(tmp_path / "project")
    (project.root / "pipelines" / "behaving.py").write_text(BEHAVING)
    (project.root / "pipelines" / "printing.py").write_text(PRINTING)
    return project


def test_a_flood_of_output_is_capped_and_nobodys_memory_grows(behaving: OrdersProject, tell_figure: Tell) -> None:
    """Of 1 GB the beginning and the end are kept, with what was left out; driver and host hold none of it."""
    megabytes = scaled(1000)
    target = "pipelines/printing.py"

    _, calm = _run_measured(behaving, f"{target}:silent")
    run, most = _run_measured(behaving, f"{target}:printing", "-p", f"megabytes={megabytes}")

    nodes = {node["node"]: node for node in run["nodes"]}
    assert {name: node["outcome"] for name, node in nodes.items()} == {
        "flood": "executed", "binary": "executed", "compiled": "executed", "crash": "failed", "original": "executed",
        "closes": "executed",
    }  # fmt: skip
    logs = {name: (behaving.root / ".flowkit" / node["log"]).read_bytes() for name, node in nodes.items()}
    assert len(logs["flood"]) < 10_000_100
    assert logs["flood"].startswith(b"first line\nxxx")
    assert logs["flood"].endswith(b"y\nlast line\n")
    assert f"\n… {megabytes * 1_000_000 + 21 - 10_000_000} bytes left out …\n".encode() in logs["flood"]
    assert logs["binary"] == bytes(range(256)) + b"\x1b[31mred"
    assert logs["compiled"] == b"from C, without a line's end"
    assert logs["crash"].startswith(b"before the crash\nFatal Python error: Segmentation fault")
    assert logs["original"] == b"to the first stream"
    assert logs["closes"] == b"before\n"
    held = _peaks(behaving)
    assert most - calm < 50_000_000, "the driver's memory grew"
    assert held["flood"] - held["binary"] < 50_000_000, "the host's memory grew"
    tell_figure("flood of output", megabytes=megabytes, driver_megabytes_more=max(0, most - calm) // 1_000_000)


def test_steps_that_misbehave_harm_nobody(behaving: OrdersProject, tmp_path: Path) -> None:
    """What they start is ended and named, what they are given stays as it was for others, and the store is sound."""
    note = tmp_path / "note"

    run = behaving.flowkit("run", "pipelines/behaving.py:behaving", "-p", f"note={note}", "--json", "--workers", "1")

    assert run.code == 1, run.err
    assert set(run.named("executed")) == set(run.nodes) - {"no_frame", "no_array"}
    for step, declared in (("no_frame", "pandas.DataFrame"), ("no_array", "ndarray")):
        error = run.nodes[step]["error"]
        assert (error["type"], error["message"]) == ("type", f"Step '{step}' did not return what it declares.")
        assert error["facts"]["declared"] == f"{declared} as the return value"
    assert behaving.ask("artifact", "export", "last:sees", str(tmp_path / "sees.json")).code == 0
    seen = json.loads((tmp_path / "sees.json").read_text())
    assert seen == [
        "{'fare': [1, 2, 3]}",
        "[0, 1, 2]",
        "{'fare': [1]}",
        "1.00",
    ]
    pids = [int(word) for word in note.read_text().split()]
    assert len(pids) == 3
    assert not [pid for pid in pids if Path(f"/proc/{pid}").exists()]
    (warning,) = run.json["warnings"]
    assert warning.startswith("Step 'survivors' left processes running, which were ended: ")
    assert behaving.ask("verify").code == 0


def test_a_step_that_deletes_stored_files_loses_only_them(behaving: OrdersProject) -> None:
    """The next run makes again what is gone, and the store is sound then."""
    target = "pipelines/printing.py:wrecking"
    first = behaving.flowkit("run", target, "--json", "--workers", "1")
    damaged = behaving.flowkit("verify")

    second = behaving.flowkit("run", target, "--json", "--workers", "1", "--force", "needs")

    assert first.code in (0, 1), first.err
    # Where the driver had not recorded the first value yet, that is made again within the run, which says so.
    was_early = any("removed before it could be recorded" in text for text in first.json["warnings"])
    assert damaged.code == (0 if was_early else 4)
    assert was_early or "is gone" in damaged.out + damaged.err
    assert second.code == 0, second.err
    assert second.named("executed") == (["needs"] if was_early else ["numbers", "needs"])
    assert behaving.flowkit("verify").code == 0


def _peaks(project: OrdersProject) -> dict[str, int]:
    """Return the most memory that each node's host has held, by the store's own view."""
    connection = sqlite3.connect(project.root / ".flowkit" / "lineage.db")
    try:
        return dict(connection.execute("SELECT node, peak_memory FROM nodes WHERE peak_memory IS NOT NULL"))
    finally:
        connection.close()


def _run_measured(project: OrdersProject, *arguments: str) -> tuple[dict[str, Any], int]:
    """Run a pipeline and return what it says with the most memory that its driver held, in bytes."""
    out = project.root / "out.json"
    with out.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, "-c", MAIN, "run", *arguments, "--json", "--workers", "1"],
            cwd=project.root,
            # As on most machines: where Python does not buffer, it lets C code not do so either.
            env={**os.environ, "PYTHONPATH": str(ROOT), "NO_COLOR": "1", "PYTHONUNBUFFERED": ""},
            stdout=file,
            stderr=subprocess.DEVNULL,
        )
        _, _, usage = os.wait4(process.pid, 0)
        process.returncode = 0
    return json.loads(out.read_text()), usage.ru_maxrss * 1024
