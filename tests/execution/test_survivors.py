"""What steps start: counted against their memory limit, and gone when they are, whatever it did to get away.

These are Linux's: elsewhere a step's process group alone is known.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from flowkit.execution.base import ExecutorEvent, NodeOrder
from flowkit.execution.envelope import close_envelope
from flowkit.execution.packets import LEFT_PROCESSES
from flowkit.execution.process_tree import MARK, is_alive
from flowkit.execution.supervisor import Supervisor
from flowkit.records import FailureKind, Outcome
from tests.execution.workshop import Workshop, results, returned, started

pytestmark = pytest.mark.cluster

Open = Callable[..., Workshop]

STEPS = """
import multiprocessing, subprocess
from pathlib import Path

EAT = "import sys, time; held = bytearray(400_000_000); held[::4096] = b'x' * len(held[::4096]); time.sleep(60)"
SLEEP = "import os, sys, time; open(sys.argv[1], 'a').write(f'{os.getpid()} '); time.sleep(600)"


def plain(code, *given, env=None):
    return subprocess.Popen([sys.executable, "-c", code, *given], env=env)


def in_own_session(code, *given, env=None):
    return subprocess.Popen([sys.executable, "-c", code, *given], env=env, start_new_session=True)


def orphaned(code, *given, env=None):
    again = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', *sys.argv[1:]], start_new_session=True)"
    return subprocess.Popen([sys.executable, "-c", again, code, *given], env=env, start_new_session=True).wait()


def forked(code, *given, env=None):
    def run():
        os.setsid()
        sys.argv = ["", *given]
        exec(code)
    process = multiprocessing.get_context("fork").Process(target=run)
    process.start()
    return process


WAYS = {"plain": plain, "in its own session": in_own_session, "orphaned": orphaned, "forked": forked}


def wait_for(path, count=1):
    while not (Path(path).exists() and len(Path(path).read_text().split()) >= count):
        time.sleep(0.005)


@fk.step
def good() -> int:
    return 1

@fk.step
def pid() -> int:
    return os.getpid()

@fk.step(memory="300MB")
def feed(way: str) -> int:
    held = WAYS[way](EAT)
    time.sleep(60)
    return 1

@fk.step
def leave(way: str, note: fk.Untracked[str]) -> int:
    held = WAYS[way](SLEEP, note)
    globals()["kept"] = held
    wait_for(note)
    return 1

@fk.step
def leave_and_fail(note: fk.Untracked[str]) -> int:
    orphaned(SLEEP, note)
    wait_for(note)
    raise ValueError("after all")

@fk.step(timeout=3)
def leave_and_wait(note: fk.Untracked[str]) -> int:
    for way in WAYS.values():
        way(SLEEP, note)
    orphaned(SLEEP, note, env={})
    wait_for(note, 5)
    Path(note + ".ready").touch()
    time.sleep(60)
    return 1

@fk.step
def leave_and_die(note: fk.Untracked[str]) -> int:
    for way in WAYS.values():
        way(SLEEP, note)
    wait_for(note, 4)
    os.kill(os.getpid(), 9)
    return 1

def total(number):
    time.sleep(0.3)
    return int(BLOCK[::4096].sum()) + number

@fk.step(memory="700MB")
def share_block() -> int:
    import numpy
    global BLOCK
    BLOCK = numpy.ones(250_000_000, dtype="u1")
    try:
        with multiprocessing.get_context("fork").Pool(3) as pool:
            return sum(pool.map(total, range(3)))
    finally:
        del BLOCK

def square(number):
    return number * number

@fk.step
def closed_pools() -> int:
    from concurrent.futures import ProcessPoolExecutor
    unjoined = multiprocessing.get_context("fork").Pool(2)
    first = sum(unjoined.map(square, range(4)))
    unjoined.close()
    executor = ProcessPoolExecutor(2)
    second = sum(executor.map(square, range(4)))
    executor.shutdown(wait=False)
    forgotten = multiprocessing.get_context("fork").Pool(2)
    third = sum(forgotten.map(square, range(4)))
    ended = subprocess.Popen(["sleep", "600"])
    ended.kill()
    return first + second + third

@fk.step
def other_starts() -> int:
    first = 0
    for kind in ("spawn", "forkserver"):
        with multiprocessing.get_context(kind).Pool(2) as pool:
            first += sum(pool.map(square, range(4)))
    return first

def own_pid(number):
    time.sleep(0.05)
    return os.getpid()

def use_joblib():
    from joblib import Parallel, delayed
    return sorted(set(Parallel(n_jobs=2)(delayed(own_pid)(number) for number in range(8))))

@fk.step
def joblib_pool(turn: int) -> list[int]:
    return use_joblib()

@fk.step(memory="1GB")
def limited_joblib_pool(turn: int) -> list[int]:
    return use_joblib()

@fk.step
def whole_environment() -> int:
    return len({**os.environ})
"""

WAYS = ("plain", "in its own session", "orphaned", "forked")


def run(supervisor: Supervisor, shop: Workshop, *orders: NodeOrder, heard: list | None = None) -> list[ExecutorEvent]:
    """Run a packet and return its events."""
    events: list[ExecutorEvent] = [] if heard is None else heard
    supervisor.run_packet(shop.settings(), close_envelope(shop.packet(*orders, budget=60.0)), events.append)
    return events


def wait_until(condition: Callable[[], bool], seconds: float = 10.0) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end and not condition():
        time.sleep(0.01)
    return condition()


def noted(note: Path) -> list[int]:
    """Return the processes that wrote themselves into a note."""
    return [int(pid) for pid in note.read_text().split()]


@pytest.mark.parametrize("way", [pytest.param(way, marks=[pytest.mark.slow] * (way != "orphaned")) for way in WAYS])
def test_memory_is_that_of_all_that_a_step_starts(open_workshop: Open, supervisor: Supervisor, way: str) -> None:
    """A child over the limit ends the step by name, says how it was counted, and is gone, wherever it went."""
    shop = open_workshop(STEPS)

    ended = results(run(supervisor, shop, shop.order(shop.load().feed, way=way)))["feed"]

    assert ended.failure is not None
    assert ended.failure.kind is FailureKind.MEMORY
    assert ended.failure.message == "Step 'feed' exceeded 300 MB of memory and was killed."
    assert " in 2 processes, with what the step started" in dict(ended.failure.facts)["used"]


@pytest.mark.slow
def test_memory_that_processes_share_counts_once(open_workshop: Open, supervisor: Supervisor) -> None:
    """A pool of forks over one large array stays within a limit that the sum of its resident memory exceeds."""
    shop = open_workshop(STEPS)

    ended = results(run(supervisor, shop, shop.order(shop.load().share_block)))["share_block"]

    assert ended.failure is None
    assert ended.warnings == ()


@pytest.mark.parametrize("way", [pytest.param(way, marks=[pytest.mark.slow] * (way != "orphaned")) for way in WAYS])
def test_what_a_step_leaves_is_ended_and_named(
    open_workshop: Open, supervisor: Supervisor, tmp_path: Path, way: str
) -> None:
    """The step succeeds with a warning that names the program; its host is replaced, the next node comes back."""
    shop = open_workshop(STEPS)
    flow = shop.load()
    note = tmp_path / "note"

    before = shop.value(results(run(supervisor, shop, shop.order(flow.pid)))["pid"], int)
    events = run(supervisor, shop, shop.order(flow.leave, way=way, note=str(note)), shop.order(flow.good))
    after = shop.value(results(run(supervisor, shop, shop.order(flow.pid)))["pid"], int)

    ended = results(events)["leave"]
    (survivor,) = noted(note)
    assert ended.outcome is Outcome.EXECUTED
    assert not is_alive(survivor)
    left = [text for text in ended.warnings if "left processes running" in text]
    program = "a copy of the step's process" if way == "forked" else Path(sys.executable).name
    assert [f"{program} ({survivor})" in text for text in left] == [True]
    assert returned(events) == {"good": LEFT_PROCESSES}
    assert before != after


@pytest.mark.slow
def test_what_a_failed_step_leaves_is_ended(open_workshop: Open, supervisor: Supervisor, tmp_path: Path) -> None:
    """The failure is told alone: it may be why nothing was cleared up."""
    shop = open_workshop(STEPS)
    note = tmp_path / "note"

    ended = results(run(supervisor, shop, shop.order(shop.load().leave_and_fail, note=str(note))))["leave_and_fail"]

    assert ended.failure is not None
    assert "after all" in ended.failure.message
    assert ended.warnings == ()
    assert not any(map(is_alive, noted(note)))


@pytest.mark.slow
@pytest.mark.parametrize("end", ["timeout", "cancel", "close"])
def test_what_is_killed_takes_all_with_it(open_workshop: Open, tmp_path: Path, end: str) -> None:
    """A timeout, a cancellation and the supervisor's end reach every process, also one without an environment."""
    shop = open_workshop(STEPS)
    supervisor = Supervisor(1, "tests")
    note = tmp_path / "note"
    order = shop.order(shop.load().leave_and_wait, note=str(note))
    heard: list[ExecutorEvent] = []
    thread = threading.Thread(target=run, args=(supervisor, shop, order), kwargs={"heard": heard})

    thread.start()
    assert wait_until(lambda: "leave_and_wait" in started(heard))
    if end != "timeout":
        assert wait_until(Path(f"{note}.ready").exists)
        supervisor.cancel([order.token]) if end == "cancel" else supervisor.close()
    thread.join(20)
    supervisor.close()

    ended = results(heard)["leave_and_wait"]
    if end == "timeout":
        assert ended.failure is not None
        assert ended.failure.kind is FailureKind.TIMEOUT
    else:
        assert ended.outcome is Outcome.CANCELLED
    assert len(noted(note)) == 5
    assert not any(map(is_alive, noted(note)))


@pytest.mark.slow
def test_what_a_dead_host_leaves_is_ended(open_workshop: Open, supervisor: Supervisor, tmp_path: Path) -> None:
    """Where the step's process itself is killed, what it had started is found by its mark."""
    shop = open_workshop(STEPS)
    note = tmp_path / "note"

    ended = results(run(supervisor, shop, shop.order(shop.load().leave_and_die, note=str(note))))["leave_and_die"]

    assert ended.failure is not None
    assert ended.failure.kind is FailureKind.SIGNALLED
    assert len(noted(note)) == 4
    assert not any(map(is_alive, noted(note)))


@pytest.mark.slow
def test_what_a_killed_driver_leaves_is_ended_by_the_next(tmp_path: Path) -> None:
    """SIGKILL of the driver leaves what its steps had started; the next supervisor on the machine ends it."""
    note = tmp_path / "note"
    program = textwrap.dedent(
        f"""
        import sys
        from pathlib import Path
        from flowkit.execution.envelope import close_envelope
        from flowkit.execution.supervisor import Supervisor
        from tests.execution.workshop import Workshop

        shop = Workshop(Path({str(tmp_path / "again")!r}), {STEPS!r})
        order = shop.order(shop.load().leave_and_wait, note={str(note)!r})
        Supervisor(1, "tests").run_packet(shop.settings(), close_envelope(shop.packet(order)), lambda event: None)
        """
    )
    driver = subprocess.Popen([sys.executable, "-c", program], cwd=Path(__file__).parents[2])
    assert wait_until(Path(f"{note}.ready").exists, 20)
    driver.send_signal(signal.SIGKILL)
    driver.wait()
    marked = [pid for pid in noted(note) if _bears_mark(pid)]

    supervisor = Supervisor(1, "tests")
    gone = wait_until(lambda: not any(map(is_alive, marked)))
    supervisor.close()
    for pid in noted(note):
        if is_alive(pid):
            os.kill(pid, signal.SIGKILL)

    assert len(marked) == 4
    assert gone


def _bears_mark(pid: int) -> bool:
    return f"{MARK}=".encode() in Path(f"/proc/{pid}/environ").read_bytes()


@pytest.mark.slow
def test_pools_make_no_noise(open_workshop: Open, supervisor: Supervisor) -> None:
    """Pools that a step closed, forgot or told to end are no survivors, nor are multiprocessing's own helpers."""
    shop = open_workshop(STEPS)
    flow = shop.load()
    orders = [shop.order(flow.closed_pools), shop.order(flow.other_starts), shop.order(flow.pid)]

    ended = results(run(supervisor, shop, *orders))

    assert {name: result.outcome for name, result in ended.items()} == dict.fromkeys(
        ("closed_pools", "other_starts", "pid"), Outcome.EXECUTED
    )
    assert not any(result.warnings for result in ended.values())


@pytest.mark.slow
def test_joblibs_pool_lives_on_between_steps(open_workshop: Open, supervisor: Supervisor) -> None:
    """Its processes wait for the next step without a warning; one with a memory limit begins without them."""
    shop = open_workshop(STEPS)
    flow = shop.load()
    orders = [shop.order(flow.joblib_pool, f"j{turn}", turn=turn) for turn in range(2)]

    ended = results(run(supervisor, shop, *orders, shop.order(flow.limited_joblib_pool, turn=2)))

    assert not any(result.warnings for result in ended.values())
    first, second, limited = (shop.value(result, list[int]) for result in ended.values())
    assert first == second
    assert not set(first) & set(limited)
    supervisor.close()
    assert not any(map(is_alive, [*first, *limited]))


def test_the_mark_is_no_input(open_workshop: Open, supervisor: Supervisor) -> None:
    """A step that copies the whole environment does not come to depend on the process in which it ran."""
    shop = open_workshop(STEPS)

    ended = results(run(supervisor, shop, shop.order(shop.load().whole_environment)))["whole_environment"]

    assert MARK not in [item.name for item in ended.observed]
    assert ended.observed, "variables are observed at all"
