"""Steps that die, hang or take too much, and workers and drivers that are lost: what becomes of a run then."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import distributed
import pytest

from flowkit.execution.worker_executor import WorkerExecutor
from tests.commands import MAIN, ROOT
from tests.dask_cluster import DaskCluster, dask_cluster
from tests.execution.workshop import Workshop, results, run_all
from tests.faults.conftest import Tell
from tests.faults.scale import SCALE
from tests.journeys.project import OrdersProject, Outcome

pytestmark = [pytest.mark.cluster, pytest.mark.slow, pytest.mark.timeout(120)]

TABLE = """
import ctypes, os, subprocess, sys, threading, time
from pathlib import Path

import flowkit as fk

TALLY = Path(__file__).parent.parent / "tally"


def begin(name: str) -> None:
    with TALLY.open("a") as tally:
        tally.write(f"{name} {os.getpid()}\\n")
    print(f"{name} begins", flush=True)


def square(number: int) -> int:
    return number * number


@fk.step(retries=2)
def sys_exit() -> int:
    begin("sys_exit")
    sys.exit(3)


@fk.step(retries=2)
def interrupt() -> int:
    begin("interrupt")
    raise KeyboardInterrupt


@fk.step(retries=2)
def os_exit() -> int:
    begin("os_exit")
    os._exit(3)


@fk.step(retries=1)
def segfault() -> int:
    begin("segfault")
    return ctypes.string_at(0)


@fk.step
def abort() -> int:
    begin("abort")
    os.abort()


@fk.step(retries=1)
def killed() -> int:
    begin("killed")
    subprocess.run(["kill", "-9", str(os.getpid())])
    time.sleep(30)
    return 1


@fk.step(retries=1)
def better() -> int:
    begin("better")
    if TALLY.read_text().count("better ") == 1:
        os._exit(1)
    return 1


@fk.step(memory="250MB")
def hungry() -> int:
    import numpy as np

    begin("hungry")
    held = np.ones(60_000_000)
    time.sleep(30)
    return len(held)


@fk.step(memory="250MB")
def hungry_child() -> int:
    begin("hungry_child")
    subprocess.run([sys.executable, "-c", "import time; held = b'x' * 400_000_000; time.sleep(30)"], check=True)
    return 1


@fk.step(memory="300MB")
def untouched() -> int:
    import numpy as np

    begin("untouched")
    held = np.empty(2_000_000_000, dtype=np.uint8)
    time.sleep(0.5)
    return len(held)


@fk.step(timeout="500ms", retries=1)
def holds_gil() -> int:
    begin("holds_gil")
    ctypes.PyDLL(None).sleep(60)
    return 1


@fk.step
def result() -> object:
    begin("result")
    return threading.Lock()


class Argument:
    def __reduce__(self):
        raise TypeError("not this one")


@fk.step
def argument(given: object) -> int:
    begin("argument")
    return 1


@fk.step
def pools() -> list[int]:
    import multiprocessing
    from concurrent.futures import ProcessPoolExecutor

    from joblib import Parallel, delayed

    begin("pools")
    with multiprocessing.Pool(2) as pool, ProcessPoolExecutor(2) as other:
        return [*pool.map(square, range(2)), *other.map(square, range(2)), *Parallel(n_jobs=2)(
            delayed(square)(number) for number in range(2)
        )]


@fk.step
def bystander(number: int) -> int:
    begin(f"bystander{number}")
    return number


@fk.pipeline
def table() -> None:
    bystander(0)
    bystander(1)
    for step in (sys_exit, interrupt, os_exit, segfault, abort, killed, better, hungry, hungry_child, untouched,
                 holds_gil, result, pools):
        step()
    argument(Argument())
    for number in range(2, 12):
        bystander(number)


@fk.step(retries=1)
def beats(file: str, number: int) -> int:
    if number == 2 and not os.path.exists(f"{file}.failed"):
        print("the first attempt", flush=True)
        Path(f"{file}.failed").touch()
        raise ValueError("once")
    print(f"line of {number}", flush=True)
    while not os.path.exists(f"{file}.go"):
        time.sleep(0.05)
    print("the last line")
    return number


@fk.step
def without_dask() -> int:
    if found := {"dask", "distributed"} & set(sys.modules):
        raise RuntimeError(f"{found} were imported")
    return 1


@fk.pipeline
def light() -> None:
    without_dask()


@fk.pipeline
def live(file: str) -> None:
    fk.collect(beats(file, fk.each([1, 2])))


@fk.step(retries=1)
def lost(file: str) -> str:
    with open(file, "a") as note:
        note.write(f"{os.getpid()} ")
    while len(Path(file).read_text().split()) < 2:
        time.sleep(0.05)
    return "done"


@fk.pipeline
def losing(file: str) -> None:
    lost(file)
    for number in range(20, 24):
        bystander(number)


@fk.step
def computes(file: str) -> int:
    import dask

    with open(file, "a") as note:
        note.write(f"computes {os.getpid()}\\n")
    dask.compute(*[dask.delayed(wait_for)(f"{file}.go", number) for number in range(2)])
    return os.getpid()


def wait_for(file: str, number: int) -> None:
    end = time.monotonic() + 60
    while not os.path.exists(file) and time.monotonic() < end:
        time.sleep(0.02)


@fk.step
def beside(file: str, number: int) -> int:
    with open(file, "a") as note:
        note.write(f"beside {os.getpid()}\\n")
    return number


@fk.step
def lets_go(file: str, numbers: list[int]) -> int:
    Path(f"{file}.go").touch()
    return 1


@fk.pipeline
def computing(file: str, ends: bool = True) -> None:
    computes(file)
    numbers = [beside(file, number) for number in range(20)]
    if ends:
        lets_go(file, numbers)
"""


@dataclass(frozen=True)
class End:
    """How a node of the table ends: the failure's type and message, how many attempts began, a part of the hint."""

    kind: str
    message: str
    began: int
    hint: str


ENDS = {
    "sys_exit": End("exited", "Step 'sys_exit' called sys.exit(3).", 1, "raise an exception to fail"),
    "interrupt": End("exited", "Step 'interrupt' raised KeyboardInterrupt.", 1, "raise an exception of your own"),
    "os_exit": End("exited", "Step 'os_exit' ended its process with exit code 3.", 3, "os._exit"),
    "segfault": End("signalled", "Step 'segfault' was killed by SIGSEGV.", 2, "flowkit logs"),
    "abort": End("signalled", "Step 'abort' was killed by SIGABRT.", 1, "flowkit logs"),
    "killed": End("signalled", "Step 'killed' was killed by SIGKILL (out of memory?).", 2, "flowkit logs"),
    "hungry": End("memory", "Step 'hungry' exceeded 250 MB of memory and was killed.", 1, "memory="),
    "hungry_child": End(
        "memory", "Step 'hungry_child' exceeded 250 MB of memory and was killed.", 1, "@step(memory=…)"
    ),
    "holds_gil": End(
        "timeout", "Step 'holds_gil' exceeded its timeout of 0.5 s and was killed.", 2, "@step(timeout=…)"
    ),
    "result": End("codec", "A lock cannot be stored.", 1, "return plain data"),
    "argument": End("codec", "A value of type pipelines.table.Argument cannot be stored", 0, "register a codec"),
}
FINE = {"better": 2, "untouched": 1, "pools": 1} | {f"bystander{number}": 1 for number in range(12)}
"""What is done in the end, and how often each begins."""

PLACES = ("local", "external") if SCALE >= 1 else ("local",)
"""Where the rows are tried; on a cluster only in full: its own ways to fail have tests of their own."""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DaskCluster]:
    with dask_cluster(tmp_path_factory.mktemp("cluster") / "cluster") as cluster:
        for _ in range(2):
            cluster.add_worker()
        yield cluster


@pytest.fixture
def project(tmp_path: Path) -> OrdersProject:
    return make_project(tmp_path)


def make_project(folder: Path) -> OrdersProject:
    project = OrdersProject.make(folder / "project")
    (project.root / "pipelines" / "table.py").write_text(TABLE)
    return project


@pytest.fixture(scope="module", params=PLACES)
def ended(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[OrdersProject, Outcome, Counter[str]]:
    """The table run on this machine's workers, and on those of a cluster that was there before."""
    project = make_project(tmp_path_factory.mktemp("table"))
    if request.param == "local":
        where = ["--workers", "2"]
    else:
        where = ["--scheduler", request.getfixturevalue("cluster").address]
    run = project.flowkit("run", "pipelines/table.py:table", "--json", *where)
    began = Counter(line.split()[0] for line in (project.root / "tally").read_text().splitlines())
    return project, run, began


@pytest.mark.parametrize("step", ENDS)
def test_what_goes_wrong_is_told_by_name(ended: tuple[OrdersProject, Outcome, Counter[str]], step: str) -> None:
    """Death, timeout and memory are told apart; what may succeed is tried again as declared, the rest is not."""
    _, run, began = ended
    end = ENDS[step]
    node = run.nodes[step]

    assert node["outcome"] == "failed"
    error = node["error"]
    assert (error["type"], began[step]) == (end.kind, end.began)
    assert node["attempts"] == max(end.began, 1) or step == "argument"
    assert error["message"].startswith(end.message)
    assert error["facts"].get("step", step) == step
    assert end.hint in error["hint"]


def test_bystanders_finish_uncharged(ended: tuple[OrdersProject, Outcome, Counter[str]], tell_figure: Tell) -> None:
    """Exit code 1; what rode in a packet with a step that died has run once, in one attempt."""
    _, run, began = ended

    assert run.code == 1, run.err
    done = run.named("executed")
    assert len(done) == len(FINE)
    assert {name: began[name] for name in FINE} == FINE
    assert {node["node"]: node["attempts"] for node in run.nodes.values() if node["outcome"] == "executed"} == {
        name: 2 if name == "better" else 1 for name in done
    }
    assert sum(began.values()) == sum(FINE.values()) + sum(end.began for end in ENDS.values())
    # It reads the tally, which the others write.
    assert all(text.startswith("Step 'better': 'tally' changed") for text in run.json["warnings"])
    tell_figure("Dask table", rows=len(ENDS) + len(FINE), attempts=sum(began.values()), violations=0)


def test_what_the_dead_have_printed_is_kept(ended: tuple[OrdersProject, Outcome, Counter[str]]) -> None:
    """`flowkit logs` prints each attempt of a step that died, with where it crashed, under a line that names it."""
    project, _, _ = ended

    crashed = project.flowkit("logs", "last", "segfault")
    starved = project.flowkit("logs", "last", "hungry")

    assert crashed.code == starved.code == 0
    assert crashed.out.startswith("── attempt 1 ──\nsegfault begins\nFatal Python error: Segmentation fault")
    assert crashed.out.count("segfault begins") == 2
    assert starved.out == "hungry begins\n"


def wait_until(holds: Callable[[], bool], seconds: float, what: str) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, what
        time.sleep(0.05)


def start(project: OrdersProject, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", MAIN, *arguments],
        cwd=project.root,
        env={**os.environ, "PYTHONPATH": str(ROOT), "NO_COLOR": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )


@pytest.mark.parametrize("place", ["external", "inline"])
def test_what_a_mapped_node_prints_is_seen_while_it_runs(
    project: OrdersProject, tmp_path: Path, place: str, request: pytest.FixtureRequest
) -> None:
    """`logs --follow` prints attempt after attempt as they print, wherever the node runs, and ends with the node."""
    where = ["--inline"] if place == "inline" else ["--scheduler", request.getfixturevalue("cluster").address]
    file = tmp_path / "live"
    run = start(project, "run", "pipelines/table.py:live", "-p", f"file={file}", *where)
    node = "beats[0]" if place == "inline" else "beats[1]"
    wait_until(lambda: any(project.root.glob(".flowkit/runs/*/*.live")), 60, "nothing was printed")
    follower = start(project, "logs", "last", node, "--follow")
    assert follower.stdout is not None

    heard = []
    for line in follower.stdout:
        heard.append(line)
        if line.startswith("line of"):
            assert run.poll() is None
            Path(f"{file}.go").touch()
    run.communicate(timeout=60)

    assert (follower.wait(60), run.returncode) == (0, 0)
    if node == "beats[0]":
        assert heard == ["line of 1\n", "the last line\n"]
    else:
        assert heard[-3:] == ["── attempt 2 ──\n", "line of 2\n", "the last line\n"]
    assert not list(project.root.glob(".flowkit/runs/*/*.live"))


def test_a_lost_worker_costs_one_attempt_and_leaves_one_record(
    project: OrdersProject, tmp_path: Path, cluster: DaskCluster
) -> None:
    """A node whose worker is killed is told so and runs again on another; nothing else runs twice."""
    file = tmp_path / "pids"
    target = ("pipelines/table.py:losing", "-p", f"file={file}")
    run = start(project, "run", *target, "--scheduler", cluster.address, "--verbose")
    assert run.stdout is not None
    # Told by the driver, which charges nobody for what it does not know to have begun.
    assert any(line.startswith("lost  started") for line in run.stdout)
    wait_until(lambda: file.exists() and bool(file.read_text()), 60, "the step never began")
    host = int(file.read_text().split()[0])
    worker = int(Path(f"/proc/{host}/stat").read_text().rpartition(")")[2].split()[1])

    os.kill(worker, signal.SIGKILL)
    out, _ = run.communicate(timeout=60)

    assert run.returncode == 0, out
    nodes = {node["node"]: node for node in project.ask("logs", "last", "--json").json["nodes"]}
    assert nodes["lost"]["attempts"] == 2
    assert {node["outcome"] for node in nodes.values()} == {"executed"}
    assert len(file.read_text().split()) == 2
    tally = Counter(line.split()[0] for line in (project.root / "tally").read_text().splitlines())
    assert tally == {f"bystander{number}": 1 for number in range(20, 24)}
    wait_until(lambda: not Path(f"/proc/{host}").exists(), 5, "the step outlived its worker")
    again = project.flowkit("run", *target, "--json", "--inline")
    # The lost one reads a temporary file that it wrote to a moment before: by the clock of the file system that is its
    # own, or was there before and has changed since.
    assert set(again.named("reused")) >= set(nodes) - {"lost"}
    cluster.add_worker()


def test_a_step_that_computes_keeps_its_process_to_itself(project: OrdersProject, tmp_path: Path) -> None:
    """While its own Dask tasks run, other steps go on, none of them in its process."""
    file = tmp_path / "note"

    run = project.flowkit("run", "pipelines/table.py:computing", "-p", f"file={file}", "--json", "--workers", "1")

    assert run.code == 0, run.err
    notes = [line.split() for line in file.read_text().splitlines()]
    (host,) = [pid for name, pid in notes if name == "computes"]
    after = notes[notes.index(["computes", host]) :]
    assert len(after) > 1, "its tasks waited for others, which ran beside it"
    assert host not in [pid for name, pid in after if name == "beside"]


def test_nothing_of_a_killed_driver_goes_on(project: OrdersProject, tmp_path: Path) -> None:
    """Step hosts and the process that computes for steps end with the driver; the next run does what was left."""
    file = tmp_path / "note"
    target = ("pipelines/table.py:computing", "-p", f"file={file}", "-p", "ends=false", "--workers", "2")
    driver = start(project, "run", *target)
    wait_until(lambda: file.exists() and file.read_text().count("beside") == 20, 60, "the steps never began")
    wait_until(lambda: len(_descendants(driver.pid)) >= 4, 60, "nothing computes for the step")
    below = _descendants(driver.pid)

    os.kill(driver.pid, signal.SIGKILL)
    driver.communicate()

    wait_until(lambda: not any(map(_is_alive, below)), 10, "something goes on without a driver")
    Path(f"{file}.go").touch()
    again = project.flowkit("run", *target, "--json")
    assert again.code == 0, again.err
    assert set(again.nodes) == set(again.named("executed")) | set(again.named("reused"))


def _descendants(pid: int) -> list[int]:
    found, waiting = [], [pid]
    while waiting:
        listed = subprocess.run(["ps", "-o", "pid=", "--ppid", str(waiting.pop())], capture_output=True, text=True)
        waiting += map(int, listed.stdout.split())
        found += map(int, listed.stdout.split())
    return [one for one in found if _is_alive(one)]


def _is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


def test_no_task_is_called_as_another(tmp_path: Path, cluster: DaskCluster) -> None:
    """Read from the running scheduler: three attempts of one step are three tasks, none of which Dask tries again."""
    shop = Workshop(tmp_path / "project", "@fk.step\ndef one() -> int:\n    return 1\n")
    executor = WorkerExecutor(scheduler=cluster.address)
    with distributed.Client(cluster.address, set_as_default=False) as client:  # type: ignore[no-untyped-call]
        before = client.run_on_scheduler(_tasks_begun)
        try:
            executor.start(shop.settings())
            step = shop.load().one
            for _ in range(3):
                assert results(run_all(executor, [shop.packet(shop.order(step))]))["one"].failure is None
        finally:
            executor.close()
            shop.unload()
        keys = client.run_on_scheduler(_tasks_begun)[len(before) :]

    assert len(keys) == len(set(keys)) == 3


def test_a_run_on_this_machine_starts_no_dask(project: OrdersProject) -> None:
    """Dask is neither imported by the driver nor by a step's process where no step computes with it."""
    look = "import sys; from flowkit.cli.main import run_command; code = run_command(sys.argv[1:]);"
    look += "print(code, sorted({'dask', 'distributed'} & set(sys.modules)))"

    done = subprocess.run(
        [sys.executable, "-c", look, "run", "pipelines/table.py:light", "--workers", "2"],
        cwd=project.root,
        env={**os.environ, "PYTHONPATH": str(ROOT), "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout.splitlines()[-1] == "0 []"


def _tasks_begun(dask_scheduler: Any) -> list[str]:
    return [entry[0] for entry in dask_scheduler.transition_log if entry[2] == "waiting" and "flowkit" in entry[0]]
