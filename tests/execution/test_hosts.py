"""Step hosts under a supervisor: real processes that die, hang, print and misbehave."""

from __future__ import annotations

import atexit
import math
import os
import signal
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec.structs import replace

from flowkit.errors import WorkerError
from flowkit.execution.base import ExecutorEvent, NodeOrder, NodeStarted
from flowkit.execution.capture import LONGEST_LOG, Spool
from flowkit.execution.envelope import close_envelope
from flowkit.execution.isolation import make_work_base, remove_work_base
from flowkit.execution.packets import WAITS, WITHDRAWN
from flowkit.execution.process_tree import children_of
from flowkit.execution.supervisor import Supervisor
from flowkit.execution.watch import SLOT_DIED
from flowkit.graph.arguments import Ref
from flowkit.records import FailureKind, Outcome
from flowkit.store.names import LIVE_SUFFIX
from tests.execution.workshop import Workshop, results, returned, started

pytestmark = pytest.mark.cluster

Open = Callable[..., Workshop]

STEPS = """
import ctypes, signal

@fk.step
def good() -> int:
    return 1

@fk.step
def pid() -> int:
    return os.getpid()

@fk.step
def add(x: int) -> int:
    return x + 1

@fk.step
def segfault() -> int:
    print("about to fail")
    return ctypes.string_at(0)

@fk.step
def prints(seconds: float) -> int:
    print("printed early")
    time.sleep(seconds)
    return 1

@fk.step
def leave() -> int:
    os._exit(3)

@fk.step
def sys_exit() -> int:
    sys.exit(3)

@fk.step
def interrupt() -> int:
    raise KeyboardInterrupt

@fk.step
def killed() -> int:
    os.kill(os.getpid(), signal.SIGKILL)
    return 1

@fk.step(timeout=0.3)
def forever() -> int:
    while True:
        pass

@fk.step(timeout=0.3)
def hold_gil() -> int:
    ctypes.PyDLL(None).sleep(60)
    return 1

@fk.step(memory="300MB")
def hungry() -> int:
    held = bytearray(600_000_000)
    held[::4096] = b"x" * len(held[::4096])
    time.sleep(5)
    return len(held)

@fk.step
def nap(seconds: float) -> int:
    time.sleep(seconds)
    return 1

@fk.step
def close_streams() -> int:
    print("before")
    sys.stdout.close()
    os.close(1)
    os.close(2)
    return 1

@fk.step
def take_numbers() -> int:
    os.closerange(3, 256)
    globals()["kept"] = [open(f"file{number}", "wb") for number in range(30)]
    return 1

@fk.step
def scribble(text: str) -> int:
    for number in range(3, 40):
        try:
            os.write(number, text.encode("latin-1"))
        except OSError:
            pass
    return 1

@fk.step
def use_processor() -> int:
    import resource
    used = int(time.process_time()) + 1
    resource.setrlimit(resource.RLIMIT_CPU, (used, used))
    while True:
        pass

@fk.step
def close_everything() -> int:
    os.closerange(3, 1000)
    time.sleep(30)
    return 1

@fk.step
def say(text: str) -> int:
    print(text)
    return 1

@fk.step
def change() -> int:
    os.chdir("/")
    os.environ["FLOWKIT_TESTS"] = "changed"
    return 1

@fk.step
def look() -> str:
    return f"{os.getcwd()} {os.environ.get('FLOWKIT_TESTS')} {os.environ['OMP_NUM_THREADS']}"

@fk.step
def flood(megabytes: int) -> int:
    block = b"x" * 999_999 + b"\\n"
    os.write(1, b"first line\\n")
    for _ in range(megabytes):
        os.write(1, block)
    os.write(1, b"last line\\n")
    return 1
"""


def run(
    supervisor: Supervisor, shop: Workshop, *orders: NodeOrder, budget: float = 5.0, heard: list | None = None
) -> list[ExecutorEvent]:
    """Run a packet and return its events."""
    events: list[ExecutorEvent] = [] if heard is None else heard
    supervisor.run_packet(shop.settings(), close_envelope(shop.packet(*orders, budget=budget)), events.append)
    return events


def is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def wait_until(condition: Callable[[], bool], seconds: float = 5.0) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.01)
    return condition()


@pytest.mark.parametrize(
    ("step", "kind", "words", "retryable"),
    [
        ("segfault", FailureKind.SIGNALLED, "Step 'segfault' was killed by SIGSEGV.", True),
        ("killed", FailureKind.SIGNALLED, "Step 'killed' was killed by SIGKILL (out of memory?).", True),
        ("leave", FailureKind.EXITED, "Step 'leave' ended its process with exit code 3.", True),
        ("sys_exit", FailureKind.EXITED, "Step 'sys_exit' called sys.exit(3).", False),
        ("interrupt", FailureKind.EXITED, "Step 'interrupt' raised KeyboardInterrupt.", False),
        ("forever", FailureKind.TIMEOUT, "Step 'forever' exceeded its timeout of 0.3 s and was killed.", True),
        ("hold_gil", FailureKind.TIMEOUT, "Step 'hold_gil' exceeded its timeout of 0.3 s and was killed.", True),
        ("hungry", FailureKind.MEMORY, "Step 'hungry' exceeded 300 MB of memory and was killed.", True),
    ],
)
def test_a_step_that_takes_its_host_down_is_named_and_nobody_else_pays(
    open_workshop: Open, supervisor: Supervisor, step: str, kind: FailureKind, words: str, retryable: bool
) -> None:
    """The running node fails with signal, exit code or limit; nodes behind it come back or run; the slot lives on."""
    shop = open_workshop(STEPS)
    flow = shop.load()
    clock = time.monotonic()

    events = run(
        supervisor, shop, shop.order(flow.good), shop.order(getattr(flow, step)), shop.order(flow.good, "after")
    )

    ended = results(events)
    assert ended["good"].outcome is Outcome.EXECUTED
    failure = ended[step].failure
    assert failure is not None
    assert (failure.kind, failure.message, failure.retryable) == (kind, words, retryable)
    if kind is FailureKind.EXITED and not retryable:
        assert ended["after"].outcome is Outcome.EXECUTED
    else:
        assert returned(events) == {"after": SLOT_DIED}
    assert time.monotonic() - clock < 5
    assert results(run(supervisor, shop, shop.order(flow.good)))["good"].outcome is Outcome.EXECUTED


def test_a_dead_hosts_output_is_kept(open_workshop: Open, supervisor: Supervisor) -> None:
    """What a step printed before it crashed is in its log, with where it crashed."""
    shop = open_workshop(STEPS)
    flow = shop.load()

    ended = results(run(supervisor, shop, shop.order(flow.segfault)))

    assert "about to fail" in shop.log(ended["segfault"])
    assert "Segmentation fault" in shop.log(ended["segfault"])


def test_a_log_that_cannot_be_written_does_not_hide_what_happened(open_workshop: Open, supervisor: Supervisor) -> None:
    """The node's end is told, with a warning, of a host that died as of one that lives; and the worker goes on."""
    shop = open_workshop(STEPS)
    flow = shop.load()
    orders = [shop.order(flow.segfault), shop.order(flow.prints, seconds=0.1)]
    for order in orders:
        (shop.folder.path / order.log).mkdir(parents=True)  # a file can be made by root anywhere, but not there

    ended = {name: result for order in orders for name, result in results(run(supervisor, shop, order)).items()}

    assert ended["segfault"].failure is not None
    assert ended["segfault"].failure.kind is FailureKind.SIGNALLED
    assert ended["prints"].outcome is Outcome.EXECUTED
    for step in ("segfault", "prints"):
        assert ended[step].log is None
        (warning,) = ended[step].warnings
        assert f"Step '{step}': what it printed could not be kept (" in warning


def test_a_live_log_that_cannot_be_removed_stays(open_workshop: Open, supervisor: Supervisor) -> None:
    """What only served whoever watched keeps no node from its end."""
    shop = open_workshop(STEPS)
    flow = shop.load()
    order = shop.order(flow.prints, seconds=0.5)
    kept = shop.folder.path / f"{order.log}{LIVE_SUFFIX}" / "in the way"
    kept.mkdir(parents=True)

    ended = results(run(supervisor, shop, order))

    assert ended["prints"].outcome is Outcome.EXECUTED
    assert "printed early" in shop.log(ended["prints"])
    assert kept.exists()


def test_a_death_is_known_at_once(open_workshop: Open, supervisor: Supervisor) -> None:
    """A crash is reported within milliseconds, not when somebody looks: that would be later each time."""
    shop = open_workshop(STEPS)
    flow = shop.load()
    quickest = math.inf
    for _ in range(8):
        run(supervisor, shop, shop.order(flow.good))  # a host is there
        clock = time.monotonic()
        run(supervisor, shop, shop.order(flow.leave))
        quickest = min(quickest, time.monotonic() - clock)
        if quickest < 0.2:
            break

    assert quickest < 0.2


def test_a_step_that_closes_every_descriptor_is_named(open_workshop: Open, supervisor: Supervisor) -> None:
    """A host that can report no more is replaced, and its step told why."""
    shop = open_workshop(STEPS)
    flow = shop.load()

    ended = results(run(supervisor, shop, shop.order(flow.close_everything)))

    assert ended["close_everything"].failure is not None
    assert "closed the pipe" in ended["close_everything"].failure.message


def test_a_step_that_takes_the_descriptors_numbers_is_named(open_workshop: Open, supervisor: Supervisor) -> None:
    """Files of the step's that stand where the pipes were get none of what the host reports."""
    shop = open_workshop(STEPS)
    flow = shop.load()

    events = run(supervisor, shop, shop.order(flow.take_numbers), shop.order(flow.good))

    failure = results(events)["take_numbers"].failure
    assert failure is not None
    assert "closed the pipe" in failure.message
    assert returned(events) == {"good": SLOT_DIED}
    assert not any(file.stat().st_size for file in shop.root.glob("file*"))


@pytest.mark.parametrize(
    "text",
    ["\xff" * 64, "x", "\0\0\0\5hello" * 3, "flk1" + "\xff" * 8, "flk2\5" + "\0" * 7 + "hello"],
    ids=["long", "short", "small", "marked", "typed"],
)
def test_a_step_that_writes_into_every_descriptor_is_named(
    open_workshop: Open, supervisor: Supervisor, text: str
) -> None:
    """What is no report is known as such at once, however long it claims to be; the slot lives on."""
    shop = open_workshop(STEPS)
    flow = shop.load()
    events: list[ExecutorEvent] = []
    packet = [shop.order(flow.scribble, text=text), shop.order(flow.good)]
    running = threading.Thread(target=run, args=[supervisor, shop, *packet], kwargs={"heard": events}, daemon=True)

    running.start()
    running.join(20)

    assert not running.is_alive(), "the packet never ends"
    failure = results(events)["scribble"].failure
    assert failure is not None
    assert failure.message == "Step 'scribble' wrote into the pipe through which its process reports."
    assert returned(events) == {"good": SLOT_DIED}
    assert results(run(supervisor, shop, shop.order(flow.good)))["good"].outcome is Outcome.EXECUTED


def test_a_death_by_a_limit_of_processor_time_is_told_as_one(open_workshop: Open, supervisor: Supervisor) -> None:
    """The same signal as where memory is short, and another remedy."""
    shop = open_workshop(STEPS)
    flow = shop.load()

    failure = results(run(supervisor, shop, shop.order(flow.use_processor)))["use_processor"].failure

    assert failure is not None
    assert "s of processor time" in failure.message
    assert "out of memory" not in failure.message


def test_a_module_that_ends_its_process_is_charged_to_the_node_that_needs_it(
    open_workshop: Open, supervisor: Supervisor
) -> None:
    """A host that dies while it imports does not take the packet round in circles: the first node fails."""
    shop = open_workshop(STEPS)
    flow = shop.load()
    orders = [shop.order(flow.good), shop.order(flow.good, "after")]
    settings = shop.settings()
    text = shop.file.read_text() + "\nos._exit(7)\n"
    shop.file.write_text(text)
    bundled = replace(settings, bundle=_bundle_with(shop, text))

    events: list[ExecutorEvent] = []
    supervisor.run_packet(bundled, close_envelope(shop.packet(*orders)), events.append)

    failure = results(events)["good"].failure
    assert failure is not None
    assert "exit code 7 before the step began, while its module was imported" in failure.message
    assert returned(events) == {"after": SLOT_DIED}


def _bundle_with(shop: Workshop, text: str) -> str:
    from flowkit.execution.bundle import Bundle, build_bundle, store_bundle

    built = build_bundle(shop.project)
    name = f"pipelines.{shop.name}"
    return store_bundle(shop.folder, Bundle({**built.modules, name: replace(built.modules[name], source=text)}))


def test_a_long_node_strands_nobody(open_workshop: Open, supervisor: Supervisor) -> None:
    """Once the budget is spent, what has not begun is handed back while the long node still runs."""
    shop = open_workshop(STEPS)
    flow = shop.load()
    heard: list[tuple[float, ExecutorEvent]] = []
    packet = shop.packet(
        shop.order(flow.nap, seconds=0.8), *(shop.order(flow.good, f"g{i}") for i in range(5)), budget=0.05
    )
    clock = time.monotonic()

    supervisor.run_packet(
        shop.settings(), close_envelope(packet), lambda event: heard.append((time.monotonic() - clock, event))
    )

    events = [event for _, event in heard]
    begun = next(at for at, event in heard if isinstance(event, NodeStarted))
    back = [at for at, event in heard if getattr(event, "reason", None) == WITHDRAWN]
    assert len(back) == 5
    assert max(back) - begun < 0.5
    assert results(events)["nap"].outcome is Outcome.EXECUTED


def test_cancelling_kills_what_runs_and_hands_back_the_rest(open_workshop: Open, supervisor: Supervisor) -> None:
    """A cancelled node that runs ends as cancelled within a moment, others of its packet come back."""
    shop = open_workshop(STEPS)
    flow = shop.load()
    heard: list[ExecutorEvent] = []
    slow = shop.order(flow.nap, seconds=30.0)
    thread = threading.Thread(
        target=run, args=(supervisor, shop, slow, shop.order(flow.good)), kwargs={"heard": heard, "budget": 60.0}
    )
    thread.start()
    assert wait_until(lambda: "nap" in started(heard))

    supervisor.cancel([slow.token])
    thread.join(timeout=2)

    assert not thread.is_alive()
    assert results(heard)["nap"].outcome is Outcome.CANCELLED
    assert set(returned(heard)) == {"good"}


def test_cancelling_reaches_a_packet_that_is_still_to_come(open_workshop: Open, supervisor: Supervisor) -> None:
    """A token that was cancelled before its packet arrived is never run."""
    shop = open_workshop(STEPS)
    flow = shop.load()
    run(supervisor, shop, shop.order(flow.good))
    order = shop.order(flow.nap, seconds=30.0)

    supervisor.cancel([order.token])
    clock = time.monotonic()
    events = run(supervisor, shop, order)

    assert time.monotonic() - clock < 2
    assert started(events) == []
    assert returned(events) == {"nap": WITHDRAWN}


def test_what_depends_on_a_failure_in_the_packet_is_handed_back(open_workshop: Open, supervisor: Supervisor) -> None:
    """A node whose input was not made in the packet is the driver's to decide."""
    shop = open_workshop(STEPS)
    flow = shop.load()

    events = run(supervisor, shop, shop.order(flow.sys_exit), shop.order(flow.add, x=Ref("sys_exit")))

    assert returned(events) == {"add": WAITS}


def test_nodes_are_isolated_from_each_other(open_workshop: Open, supervisor: Supervisor) -> None:
    """Folder and environment are reset between nodes of one host; BLAS gets its share of the processors."""
    shop = open_workshop(STEPS)
    flow = shop.load()

    ended = results(run(supervisor, shop, shop.order(flow.change), shop.order(flow.look)))

    assert shop.value(ended["look"], str) == f"{shop.root} None {os.cpu_count() or 1}"


def test_a_host_whose_streams_were_closed_goes_on_capturing(open_workshop: Open, supervisor: Supervisor) -> None:
    """A step that closes its output loses nothing of its own and nothing of the next step's."""
    shop = open_workshop(STEPS)
    flow = shop.load()

    ended = results(run(supervisor, shop, shop.order(flow.close_streams), shop.order(flow.say, text="after")))

    assert shop.log(ended["close_streams"]) == "before\n"
    assert shop.log(ended["say"]) == "after\n"


def test_a_flood_of_output_is_capped(open_workshop: Open, supervisor: Supervisor) -> None:
    """A log keeps the beginning and the end of what is too long."""
    shop = open_workshop(STEPS)
    flow = shop.load()

    ended = results(run(supervisor, shop, shop.order(flow.flood, megabytes=40)))
    log = shop.log(ended["flood"])

    assert len(log) < LONGEST_LOG + 1000
    assert log.startswith("first line\n")
    assert log.endswith("last line\n")
    assert "bytes left out" in log


def test_a_spool_gives_its_middle_back_to_the_disk() -> None:
    """What no log will keep does not fill the disk while a step runs; beginning and end stay as they are."""
    spool = Spool.create()
    try:
        os.write(spool.descriptor, b"begin" + b"x" * 30_000_000 + b"end")
        before = os.fstat(spool.descriptor).st_blocks * 512
        spool.trim()
        after = os.fstat(spool.descriptor)
        assert after.st_blocks * 512 < before / 2
        assert after.st_size == 30_000_008
        assert os.pread(spool.descriptor, 5, 0) == b"begin"
        assert os.pread(spool.descriptor, 3, after.st_size - 3) == b"end"
    finally:
        spool.close()


def test_a_live_log_that_is_too_long_has_beginning_and_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever looks after a crash finds what was printed last; the middle takes no room."""
    monkeypatch.setattr("flowkit.execution.capture._TAIL_SECONDS", 0.0)
    spool = Spool.create()
    live = tmp_path / "runs" / "long.log.live"
    block, told = b"x" * 999_999 + b"\n", 0
    os.write(spool.descriptor, b"first line\n")
    for turn in range(40):
        os.write(spool.descriptor, block)
        if turn % 8 == 0:
            told = spool.append(live, told)
    os.write(spool.descriptor, b"last line\n")
    for _ in range(2):
        told = spool.append(live, told)

    content = live.read_bytes()
    held = live.stat().st_blocks * 512
    spool.close()

    assert told == len(content) == 40_000_021
    assert content[: LONGEST_LOG // 2] == (b"first line\n" + 10 * block)[: LONGEST_LOG // 2]
    assert content[-LONGEST_LOG // 2 :] == (10 * block + b"last line\n")[-LONGEST_LOG // 2 :]
    assert held < 2 * LONGEST_LOG


def test_closing_while_a_step_runs_leaves_no_child(open_workshop: Open) -> None:
    """Close ends a running step at once, and the packet is accounted for."""
    shop = open_workshop(STEPS)
    flow = shop.load()
    supervisor = Supervisor(1, "tests")
    host = shop.value(results(run(supervisor, shop, shop.order(flow.pid)))["pid"], int)
    heard: list[ExecutorEvent] = []
    thread = threading.Thread(
        target=run, args=(supervisor, shop, shop.order(flow.nap, seconds=30.0)), kwargs={"heard": heard}
    )
    thread.start()
    assert wait_until(lambda: "nap" in started(heard))
    clock = time.monotonic()

    supervisor.close()
    thread.join(timeout=2)

    assert time.monotonic() - clock < 1
    assert not is_alive(host)
    assert results(heard)["nap"].outcome is Outcome.CANCELLED


def test_a_host_is_kept_for_the_same_code_and_replaced_for_other(open_workshop: Open, supervisor: Supervisor) -> None:
    """A host serves packet after packet; a new bundle, or another environment variable, gets a new process."""
    shop = open_workshop(STEPS)
    flow = shop.load()

    def host() -> int:
        return int(shop.value(results(run(supervisor, shop, shop.order(flow.pid)))["pid"], int))

    first = host()
    assert host() == first
    os.environ["FLOWKIT_TESTS_VARIABLE"] = "1"
    try:
        second = host()
    finally:
        del os.environ["FLOWKIT_TESTS_VARIABLE"]
    shop.file.write_text(shop.file.read_text() + "\n# edited\n")
    flow = shop.load()

    assert len({first, second, host()}) == 3
    assert not is_alive(first)


def test_an_edit_that_this_run_has_not_loaded_is_refused(open_workshop: Open, supervisor: Supervisor) -> None:
    """Where the bundle's code is not what the driver runs, the step is refused with both fingerprints."""
    shop = open_workshop("@fk.step\ndef one() -> int:\n    return 1\n")
    flow = shop.load()
    order = shop.order(flow.one)
    shop.write("@fk.step\ndef one() -> int:\n    return 2\n")

    ended = results(run(supervisor, shop, order))

    failure = ended["one"].failure
    assert failure is not None
    assert failure.kind is FailureKind.CODE
    assert dict(failure.facts)["this run"] == order.step.code
    assert dict(failure.facts)["the worker"] != order.step.code


def test_a_bundle_that_is_gone_fails_the_first_node_and_charges_nobody_else(
    open_workshop: Open, supervisor: Supervisor
) -> None:
    """A host that cannot be set up says why, once."""
    shop = open_workshop(STEPS)
    flow = shop.load()
    settings = replace(shop.settings(), bundle="f" * 64)
    events: list[ExecutorEvent] = []

    supervisor.run_packet(
        settings, close_envelope(shop.packet(shop.order(flow.good), shop.order(flow.pid))), events.append
    )

    failure = results(events)["good"].failure
    assert failure is not None
    assert failure.kind is FailureKind.CODE
    assert "bundle" in failure.message
    assert set(returned(events)) == {"pid"}


def test_hosts_die_with_a_killed_driver(open_workshop: Open, tmp_path: Path) -> None:
    """SIGKILL of the driver leaves no step host behind, also one that holds the interpreter's lock."""
    shop = open_workshop(STEPS)
    program = textwrap.dedent(
        f"""
        import importlib, sys, threading
        from pathlib import Path
        sys.path.insert(0, {str(shop.root)!r})
        from tests.execution.workshop import Workshop
        from flowkit.execution.supervisor import Supervisor
        from flowkit.execution.envelope import close_envelope
        STEPS = '''
        import ctypes
        @fk.step
        def hold() -> int:
            Path({str(tmp_path / "pid")!r}).write_text(str(os.getpid()))
            ctypes.PyDLL(None).sleep(60)
            return 1
        '''
        shop = Workshop(Path({str(tmp_path / "driver")!r}), STEPS)
        flow = shop.load()
        Supervisor(1, "w").run_packet(shop.settings(), close_envelope(shop.packet(shop.order(flow.hold))), print)
        """
    )
    driver = subprocess.Popen(
        [sys.executable, "-c", program], env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    )
    mark = tmp_path / "pid"
    assert wait_until(lambda: mark.exists() and mark.read_text() != "", 15)
    host = int(mark.read_text())
    assert is_alive(host)

    driver.send_signal(signal.SIGKILL)
    driver.wait()

    assert wait_until(lambda: not is_alive(host), 2)


def test_more_nodes_than_tickets_come_back(open_workshop: Open, supervisor: Supervisor) -> None:
    """A packet that is larger than a pipe holds tickets for is not lost: its end is handed back."""
    shop = open_workshop(STEPS)
    flow = shop.load()
    slow = shop.order(flow.nap, seconds=0.2)
    order = shop.order(flow.good)
    many = [replace(order, node=f"g{i}", token=f"t{i}") for i in range(70_000)]

    events = run(supervisor, shop, slow, *many, budget=0.05)

    assert results(events)["nap"].outcome is Outcome.EXECUTED
    assert len(results(events)) + len(returned(events)) == 70_001


def test_a_host_may_be_started_before_it_has_a_session(open_workshop: Open) -> None:
    """It is the process that the first packet gets; what nobody needed ends with the supervisor."""
    shop = open_workshop(STEPS)
    flow = shop.load()
    supervisor = Supervisor(2, "tests")
    supervisor.expect(None)
    supervisor.expect(1)
    early = set(children_of(os.getpid()))

    used = int(shop.value(results(run(supervisor, shop, shop.order(flow.pid)))["pid"], int))

    assert len(early) == 2
    assert used in early
    assert set(children_of(os.getpid())) == early
    supervisor.close()
    assert not any(map(is_alive, early))


def test_a_host_that_no_session_needed_is_dismissed(open_workshop: Open, supervisor: Supervisor) -> None:
    """What changed in the driver between two runs reaches the steps: no host is older than the run that starts it."""
    shop = open_workshop(STEPS)
    flow = shop.load()
    supervisor.expect(1)
    early = set(children_of(os.getpid()))

    supervisor.dismiss()

    assert not any(map(is_alive, early))
    used = int(shop.value(results(run(supervisor, shop, shop.order(flow.pid)))["pid"], int))
    assert used not in early
    supervisor.dismiss()
    assert is_alive(used)


def test_a_forked_process_leaves_the_hosts_alone(open_workshop: Open, supervisor: Supervisor) -> None:
    """They are its parent's, whatever it does when it ends."""
    shop = open_workshop(STEPS)
    flow = shop.load()
    host = int(shop.value(results(run(supervisor, shop, shop.order(flow.pid)))["pid"], int))
    child = os.fork()
    if not child:
        try:
            atexit._run_exitfuncs()
        finally:
            os._exit(0)
    os.waitpid(child, 0)

    assert int(shop.value(results(run(supervisor, shop, shop.order(flow.pid)))["pid"], int)) == host


def test_a_host_of_other_variables_is_not_taken_for_a_session(open_workshop: Open, supervisor: Supervisor) -> None:
    """A variable that changed after it was started, or that a session asks for, gets a new process."""
    shop = open_workshop(STEPS)
    flow = shop.load()
    supervisor.expect(1)
    early = set(children_of(os.getpid()))
    settings = replace(shop.settings(), variables=(("FLOWKIT_TESTS_VARIABLE", "1"),))
    events: list[ExecutorEvent] = []

    supervisor.run_packet(settings, close_envelope(shop.packet(shop.order(flow.pid))), events.append)

    used = int(shop.value(results(events)["pid"], int))
    assert used not in early
    assert not any(map(is_alive, early))


@pytest.mark.parametrize("lacking", ["interpreter", "folder"])
def test_a_host_that_cannot_be_started_leaves_nothing(
    open_workshop: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lacking: str
) -> None:
    """After some tries it is an error that names the reason; no descriptor and no folder of them is left."""
    shop = open_workshop(STEPS)
    order = shop.order(shop.load().good)
    settings = shop.settings()
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    supervisor = Supervisor(1, "tests")
    before = len(os.listdir("/proc/self/fd"))
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    if lacking == "interpreter":
        monkeypatch.setattr(sys, "executable", str(tmp_path / "moved"))
    else:
        temporary.rmdir()

    try:
        with pytest.raises(WorkerError, match="cannot be started") as refused:
            supervisor.run_packet(settings, close_envelope(shop.packet(order)), print)
    finally:
        supervisor.close()

    assert "No such file" in dict(refused.value.facts)["reason"]
    assert len(os.listdir("/proc/self/fd")) == before
    assert not temporary.exists() or not list(temporary.iterdir())


def test_a_folder_that_was_half_removed_goes_after_a_while(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without an owner's file it is nobody's after an hour; before, or where there are no locks, it may be in use."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    left, young, unlocked = (tmp_path / f"flowkit-work-{name}" for name in ("left", "young", "unlocked"))
    for folder in (left, young, unlocked):
        folder.mkdir()
    (left / "1").mkdir()
    (unlocked / "new").touch()
    for folder in (left, unlocked):
        os.utime(folder, (time.time() - 7200, time.time() - 7200))

    Supervisor(1, "tests").close()

    assert sorted(tmp_path.iterdir()) == [unlocked, young]


def test_what_a_killed_driver_left_is_removed_by_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Temporary folders whose owner is dead go when the next supervisor starts; those of the living stay.

    What the dead one forked, and lives on, does not count.
    """
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    program = (
        "import os, sys, time; from flowkit.execution.isolation import make_work_base\n"
        "base = make_work_base(); (base / '1').mkdir(); (base / '1' / 'big').write_text('x')\n"
        "heard, told = os.pipe(); child = os.fork()\n"
        "if not child:\n"
        "    os.write(told, b'x'); time.sleep(60); os._exit(0)\n"
        "os.read(heard, 1)\n"
        "print(base, child, flush=True); time.sleep(60)"
    )
    environment = {**os.environ, "TMPDIR": str(tmp_path), "PYTHONPATH": os.pathsep.join(sys.path)}
    drivers = [
        subprocess.Popen([sys.executable, "-c", program], env=environment, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    told = [(driver.stdout or sys.stdin).readline().split() for driver in drivers]
    try:
        killed, living = (Path(base) for base, _ in told)
        own = make_work_base()
        elsewhere = tmp_path / "flowkit-work-link"
        elsewhere.symlink_to(killed)
        drivers[0].kill()
        drivers[0].wait()
        assert killed.is_dir()

        Supervisor(1, "tests").close()

        assert not killed.exists()
        assert living.is_dir()
        assert own.is_dir()
        assert elsewhere.is_symlink()
        remove_work_base(own)
        assert not own.exists()
    finally:
        for _, child in told:
            os.kill(int(child), signal.SIGKILL)
        for driver in drivers:
            driver.kill()
            driver.communicate()
