"""What earlier steps keep in memory: never counted against the limit of a later one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from flowkit.execution.base import ExecutorEvent
from flowkit.execution.envelope import close_envelope
from flowkit.execution.packets import LEFT_MEMORY
from flowkit.execution.supervisor import Supervisor
from flowkit.records import Outcome
from tests.commands import spawn
from tests.execution.workshop import Workshop, results, returned

pytestmark = pytest.mark.cluster

Open = Callable[..., Workshop]

STEPS = """
import functools

@functools.cache
def table() -> bytearray:
    held = bytearray(300_000_000)
    held[::4096] = b"x" * len(held[::4096])
    return held

@fk.step
def keep() -> int:
    return len(table())

@fk.step
def let_go() -> int:
    return len([str(number) for number in range(2_000_000)])

@fk.step(memory="250MB")
def limited() -> int:
    time.sleep(0.3)
    return os.getpid()

@fk.step
def free() -> int:
    return os.getpid()
"""


def test_a_limited_step_does_not_begin_where_earlier_ones_hold_its_memory(
    open_workshop: Open, supervisor: Supervisor
) -> None:
    """Handed back in the same packet, and run in a process of its own in the next; nobody is killed."""
    shop = open_workshop(STEPS)
    flow = shop.load()
    settings = shop.settings()
    events: list[ExecutorEvent] = []

    def run(*steps: object) -> list[ExecutorEvent]:
        events.clear()
        orders = [shop.order(step) for step in steps]
        supervisor.run_packet(settings, close_envelope(shop.packet(*orders)), events.append)
        return list(events)

    together = run(flow.free, flow.let_go, flow.limited, flow.keep)
    pids = {shop.value(results(together)[name], int) for name in ("free", "limited")}
    after = run(flow.limited)
    again = run(flow.limited)

    assert len(pids) == 1, "what is given back to the system is nobody's trouble"
    assert results(together)["keep"].outcome is Outcome.EXECUTED
    assert returned(after) == {"limited": LEFT_MEMORY}
    assert results(again)["limited"].outcome is Outcome.EXECUTED, results(again)["limited"].failure


FREEING = """
import flowkit as fk

@fk.step
def fill() -> int:
    # Once so much was freed at once, the C library keeps blocks of up to that size for later.
    held = [bytearray(size) for size in (30_000_000, 20_000_000)]
    held.clear()
    held = [bytearray(10_000_000) for _ in range(5)]
    return len(held)

@fk.step
def look(after: int) -> fk.Metrics:
    lines = open("/proc/self/status").read().splitlines()
    held = next(int(line.split()[1]) * 1024 for line in lines if line.startswith("RssAnon"))
    assert held < 45_000_000, held
    return fk.Metrics(held=held)

@fk.pipeline
def flow() -> None:
    look(fill())
"""


@pytest.mark.slow
def test_what_a_step_freed_goes_back_to_the_system(tmp_path: Path) -> None:
    """A host that waits for its next step does not hold what the one before has freed."""
    (tmp_path / "flow.py").write_text(FREEING)

    result = spawn(tmp_path, "run", "flow.py", "--workers", "1")

    assert result.returncode == 0, result.stdout + result.stderr
