"""What every executor promises: one suite over the inline one, local Dask and an external cluster."""

from __future__ import annotations

import linecache
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from flowkit.execution.base import Executor, NodeEnded, NodeStarted, PacketEnded
from flowkit.execution.inline import InlineExecutor
from flowkit.execution.packets import WAITS
from flowkit.execution.worker_executor import WorkerExecutor
from flowkit.graph.arguments import Gather, Ref
from flowkit.records import FailureKind, Outcome
from tests.dask_cluster import DaskCluster, dask_cluster
from tests.execution.workshop import Workshop, events_until_end, results, returned, run_all, started, wait_for_workers

pytestmark = pytest.mark.cluster

Open = Callable[..., Workshop]

STEPS = """
@fk.step
def one() -> int:
    return 1

@fk.step
def add(x: int, y: int = 1) -> int:
    return x + y

@fk.step
def total(items: list[int]) -> int:
    return sum(items)

@fk.step
def fail(x: int) -> int:
    print("before it fails")
    raise ValueError("no good")

@fk.step
def skip(x: int) -> int:
    raise fk.Skip("no new rows")

@fk.step
def nap(seconds: float) -> int:
    time.sleep(seconds)
    return 1

@fk.step
def where() -> str:
    return os.getcwd()

@fk.step
def die() -> int:
    os._exit(3)

@fk.step
def die_with_worker() -> int:
    import signal
    os.kill(os.getppid(), signal.SIGKILL)
    time.sleep(30)
    return 1
"""


@pytest.fixture(scope="module")
def external(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DaskCluster]:
    """Give a scheduler with two workers, for all tests of this module."""
    with dask_cluster(tmp_path_factory.mktemp("cluster")) as cluster:
        cluster.add_worker()
        cluster.add_worker()
        yield cluster


@pytest.fixture(params=["inline", "local", "external"])
def executor(request: pytest.FixtureRequest) -> Iterator[Executor]:
    made: Executor
    if request.param == "inline":
        made = InlineExecutor(capture=True)
    elif request.param == "local":
        made = WorkerExecutor(workers=2)
    else:
        made = WorkerExecutor(scheduler=request.getfixturevalue("external").address)
    yield made
    made.close()


def test_packets_run_and_report_alike_everywhere(open_workshop: Open, executor: Executor) -> None:
    """A chain, a fan with a collect, a failure and a skip give the same events, values and logs in every executor."""
    shop = open_workshop(STEPS)
    flow = shop.load()
    executor.start(shop.settings())
    chain = [
        shop.order(flow.one),
        *(shop.order(flow.add, f"a{i}", x=Ref(f"a{i - 1}" if i else "one"), y=2) for i in range(5)),
    ]
    first = shop.packet(*chain)

    events = run_all(executor, [first])

    made = results(events)
    assert started(events) == ["one", "a0", "a1", "a2", "a3", "a4"]
    assert shop.value(made["a4"], int) == 11
    assert isinstance(events[-1], PacketEnded)
    assert events[-1].error is None

    artifacts = {Ref(name): result.outputs[0].artifact for name, result in made.items()}
    fan = [shop.with_inputs(shop.order(flow.add, f"f{i}", x=Ref("one"), y=i), artifacts) for i in range(4)]
    gather = shop.order(flow.total, items=Gather(tuple(Ref(f"f{i}") for i in range(4))))
    bad = shop.with_inputs(shop.order(flow.fail, x=Ref("one")), artifacts)
    gone = shop.with_inputs(shop.order(flow.skip, x=Ref("one")), artifacts)
    after = [
        shop.order(flow.add, "after_bad", x=Ref("fail"), y=1),
        shop.order(flow.add, "after_gone", x=Ref("skip"), y=1),
    ]
    events = run_all(executor, [shop.packet(*fan, gather), shop.packet(bad, gone, *after)])

    made = results(events)
    assert shop.value(made["total"], int) == 10
    failure = made["fail"].failure
    assert failure is not None
    assert failure.message == "Step 'fail' raised ValueError: no good"
    assert 'raise ValueError("no good")' in failure.traceback
    assert "flowkit/execution" not in failure.traceback
    assert shop.log(made["fail"]) == "before it fails\n"
    assert (made["skip"].outcome, made["skip"].skipped) == (Outcome.SKIPPED, "no new rows")
    assert returned(events) == {"after_bad": WAITS, "after_gone": WAITS}


def test_steps_run_in_the_projects_root_and_see_what_was_written_by_another_worker(
    open_workshop: Open, executor: Executor
) -> None:
    """Wherever a worker was started, a step is in the project's root, and values come through the store."""
    shop = open_workshop(STEPS)
    flow = shop.load()
    executor.start(shop.settings())
    workers = wait_for_workers(executor)
    packets = []
    for worker in workers:
        packet = shop.packet(shop.order(flow.where, f"where@{worker}"))
        packets.append(packet)
        executor.submit(packet, worker)

    made = results(events_until_end(executor, {packet.id for packet in packets}))

    assert {shop.value(result, str) for result in made.values()} == {str(shop.root)}
    assert {result.worker for result in made.values()} == set(workers)


def test_a_notebooks_steps_travel_by_value(open_workshop: Open, executor: Executor) -> None:
    """A step that no module holds runs from its pickle, and its code is proven all the same."""
    shop = open_workshop(STEPS)
    shop.load()
    namespace: dict[str, object] = {"__name__": "__main__"}
    source = (
        "import flowkit as fk\nfactor = 3\n\ndef scaled(x: int) -> int:\n    return factor * x\n\n"
        "@fk.step\ndef triple(x: int) -> int:\n    return scaled(x)\n"
    )
    name = f"<cell {shop.name}>"
    linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)
    exec(compile(source, name, "exec"), namespace)
    order = shop.order(namespace["triple"], by_value=True, x=2)  # type: ignore[arg-type]
    executor.start(shop.settings())

    made = results(run_all(executor, [shop.packet(order)]))

    assert made["triple"].failure is None, made["triple"].failure
    assert shop.value(made["triple"], int) == 6


@pytest.mark.parametrize("executor", ["local", "external"], indirect=True)
def test_an_edited_helper_runs_at_once(open_workshop: Open, executor: Executor) -> None:
    """A worker that ran the old code a moment ago runs the new code of the next bundle."""
    steps = "from pipelines.helpers{n} import constant\n@fk.step\ndef value() -> int:\n    return constant()\n"
    shop = open_workshop("")
    helper = shop.file.with_name(f"helpers{shop.name}.py")
    helper.write_text("def constant() -> int:\n    return 1\n")
    shop.write(steps.format(n=shop.name))
    flow = shop.load()
    executor.start(shop.settings())
    before = results(run_all(executor, [shop.packet(shop.order(flow.value))]))
    helper.write_text("def constant() -> int:\n    return 22\n")
    sys.modules.pop(f"pipelines.{helper.stem}")
    flow = shop.load()
    executor.start(shop.settings())

    after = results(run_all(executor, [shop.packet(shop.order(flow.value))]))

    assert [shop.value(made["value"], int) for made in (before, after)] == [1, 22]


@pytest.mark.parametrize("executor", ["local", "external"], indirect=True)
def test_a_death_and_a_cancellation_are_told(open_workshop: Open, executor: Executor) -> None:
    """A dead step is named with its exit code, a cancelled one ends within a moment."""
    shop = open_workshop(STEPS)
    flow = shop.load()
    executor.start(shop.settings())
    worker = wait_for_workers(executor)[0]

    dead = results(run_all(executor, [shop.packet(shop.order(flow.die))]))
    packet = shop.packet(shop.order(flow.nap, seconds=30.0))
    executor.submit(packet, worker)
    events = []
    while not any(isinstance(event, NodeStarted) for event in events):
        events += executor.events(1)
    clock = time.monotonic()
    executor.cancel(["nap"])
    events += events_until_end(executor, {packet.id})

    assert dead["die"].failure is not None
    assert dead["die"].failure.kind is FailureKind.EXITED
    assert time.monotonic() - clock < 2
    assert results(events)["nap"].outcome is Outcome.CANCELLED


@pytest.mark.parametrize("executor", ["local", "external"], indirect=True)
def test_closing_is_quick_while_steps_run(open_workshop: Open, executor: Executor) -> None:
    """Close does not wait for a step on this machine; it takes less than two seconds anywhere."""
    shop = open_workshop(STEPS)
    flow = shop.load()
    executor.start(shop.settings())
    worker = wait_for_workers(executor)[0]
    executor.submit(shop.packet(shop.order(flow.nap, seconds=3.0)), worker)
    while not any(isinstance(event, NodeStarted) for event in executor.events(1)):
        continue
    clock = time.monotonic()

    executor.close()

    assert time.monotonic() - clock < 2


@pytest.mark.slow
def test_a_lost_worker_loses_only_what_ran_on_it(open_workshop: Open, external: DaskCluster) -> None:
    """The node that ran on a worker that died fails by name; what had not begun comes back; others work on."""
    victim = external.add_worker()
    shop = open_workshop(STEPS)
    flow = shop.load()
    executor = WorkerExecutor(scheduler=external.address)
    try:
        executor.start(shop.settings())
        end = time.monotonic() + 20
        while len(executor.slots().workers) < 3:
            assert time.monotonic() < end
            time.sleep(0.1)
        workers = wait_for_workers(executor)
        packets = {}
        for worker in workers:
            packet = shop.packet(
                shop.order(flow.nap, f"nap@{worker}", seconds=2.0), shop.order(flow.one, f"one@{worker}")
            )
            packets[packet.id] = worker
            executor.submit(packet, worker)
        heard = []
        while sum(node.startswith("nap@") for node in started(heard)) < 3:
            heard += executor.events(1)
        victim.kill()
        over = {event.packet for event in heard if isinstance(event, PacketEnded)}
        heard += events_until_end(executor, set(packets) - over)
    finally:
        executor.close()

    lost = next(event.worker for event in heard if isinstance(event, PacketEnded) and event.error)
    ended = results(heard)
    assert ended[f"nap@{lost}"].failure is not None
    assert f"was running on worker {lost}" in ended[f"nap@{lost}"].failure.message
    assert f"one@{lost}" in returned(heard)
    assert all(ended[f"nap@{worker}"].outcome is Outcome.EXECUTED for worker in workers if worker != lost)
    assert len([event for event in heard if isinstance(event, NodeEnded)]) == len(ended)


def test_the_hosts_that_were_warmed_are_the_ones_that_work(open_workshop: Open) -> None:
    """What starting Dask does to this process does not throw the step hosts away that were started before it."""
    shop = open_workshop("@fk.step\ndef pid() -> int:\n    return os.getpid()\n")
    flow = shop.load()
    executor = WorkerExecutor(workers=1)
    try:
        executor.start(shop.settings())
        tasks = Path(f"/proc/{os.getpid()}/task")
        warmed = {int(pid) for task in tasks.iterdir() for pid in (task / "children").read_text().split()}
        made = results(run_all(executor, [shop.packet(shop.order(flow.pid))]))
    finally:
        executor.close()

    assert shop.value(made["pid"], int) in warmed
