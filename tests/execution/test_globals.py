"""Globals that steps change: named, never recorded for reuse, and never seen by what runs next in another process."""

from __future__ import annotations

import timeit
from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace

from flowkit.execution.base import ExecutorEvent, HostSettings, NodeOrder
from flowkit.execution.envelope import close_envelope
from flowkit.execution.inline import InlineExecutor
from flowkit.execution.packets import SPOILED
from flowkit.execution.proof import summarise_code
from flowkit.execution.reached import ReachedCode
from flowkit.execution.supervisor import Supervisor
from flowkit.fingerprint.code import CodeFingerprinter
from flowkit.records import FailureKind, Outcome, StepResult
from tests.execution.workshop import Workshop, results, returned, run_all

Open = Callable[..., Workshop]

MEMO = """
import functools

_CACHE = {}

def get(x: int) -> int:
    if x not in _CACHE:
        _CACHE[x] = x + 1
    return _CACHE[x]

@functools.cache
def kept(x: int) -> int:
    return x + 1

@fk.step
def a(x: int) -> int:
    return get(x)

@fk.step
def b(x: int) -> int:
    return get(x) + 1

@fk.step
def look() -> str:
    return f"{os.getpid()} {sorted(_CACHE)}"

@fk.step
def remembers(x: int) -> int:
    return kept(x)
"""


def settings_of(shop: Workshop, flow: Any, *names: str) -> HostSettings:
    """Return settings that tell of these steps' code, as a driver's do."""
    fingerprinter = CodeFingerprinter(shop.project)
    steps = [getattr(flow, name).specification for name in names]
    proofs = {(step.module, step.qualname): summarise_code(fingerprinter.of_step(step)) for step in steps}
    return replace(shop.settings(), proofs=proofs)


def run(supervisor: Supervisor, shop: Workshop, settings: HostSettings, *orders: NodeOrder) -> list[ExecutorEvent]:
    """Run a packet and return its events."""
    events: list[ExecutorEvent] = []
    supervisor.run_packet(settings, close_envelope(shop.packet(*orders)), events.append)
    return events


def assert_told(result: StepResult, name: str) -> None:
    """Check that a result counts, is not to be reused, and says why."""
    assert result.outcome is Outcome.EXECUTED
    assert result.uncached is not None
    assert name in result.uncached
    (warning,) = result.warnings
    assert name in warning
    assert "functools.cache" in warning
    assert "Untracked" in warning


@pytest.mark.cluster
def test_a_step_that_changes_a_global_gives_its_host_up(open_workshop: Open, supervisor: Supervisor) -> None:
    """The step that fills a memo is not recorded; what is left of the packet comes back; the next host is clean."""
    shop = open_workshop(MEMO)
    flow = shop.load()
    settings = settings_of(shop, flow, "a", "b", "look")

    events = run(supervisor, shop, settings, shop.order(flow.a, x=3), shop.order(flow.b, x=3))
    later = results(run(supervisor, shop, settings, shop.order(flow.look)))

    assert_told(results(events)["a"], f"'{flow.__name__}:_CACHE'")
    assert returned(events) == {"b": SPOILED}
    assert shop.value(later["look"], str).endswith("[]")
    assert later["look"].uncached is None


@pytest.mark.cluster
def test_what_changes_nothing_keeps_its_host(open_workshop: Open, supervisor: Supervisor) -> None:
    """`functools.cache` remembers without a trace in the code: the result is recorded and the host goes on."""
    shop = open_workshop(MEMO)
    flow = shop.load()
    settings = settings_of(shop, flow, "remembers", "look")

    events = run(supervisor, shop, settings, shop.order(flow.look), shop.order(flow.remembers, x=1))
    again = run(supervisor, shop, settings, shop.order(flow.look))

    assert results(events)["remembers"].uncached is None
    assert shop.value(results(events)["look"], str) == shop.value(results(again)["look"], str)


@pytest.mark.cluster
def test_a_step_that_fails_after_a_change_spoils_its_host_too(open_workshop: Open, supervisor: Supervisor) -> None:
    """It is the change that counts, not how the step ends."""
    shop = open_workshop(
        "SEEN = []\n@fk.step\ndef bad() -> int:\n    SEEN.append(1)\n    raise ValueError\n"
        "@fk.step\ndef look() -> int:\n    return len(SEEN)\n"
    )
    flow = shop.load()

    events = run(supervisor, shop, shop.settings(), shop.order(flow.bad), shop.order(flow.look))
    later = results(run(supervisor, shop, shop.settings(), shop.order(flow.look)))

    assert results(events)["bad"].outcome is Outcome.FAILED
    assert returned(events) == {"look": SPOILED}
    assert shop.value(later["look"], int) == 0


@pytest.mark.cluster
def test_steps_are_proven_before_one_of_them_runs(open_workshop: Open, supervisor: Supervisor) -> None:
    """A change behind the fingerprint's back fails nobody's proof, and is told of the step that it reached."""
    shop = open_workshop(
        """
        import gc

        SEEN = ["marked"]

        @fk.step
        def hidden() -> int:
            found = [item for item in gc.get_objects() if type(item) is list and item[:1] == ["mark" + "ed"]]
            for item in found:
                item.append("changed")
            return len(found)

        @fk.step
        def reads() -> int:
            return len(SEEN)
        """
    )
    flow = shop.load()
    settings = settings_of(shop, flow, "hidden", "reads")

    ended = results(run(supervisor, shop, settings, shop.order(flow.hidden), shop.order(flow.reads)))

    assert shop.value(ended["hidden"], int) == 1
    assert_told(ended["reads"], f"'{flow.__name__}:SEEN'")


@pytest.mark.cluster
def test_a_host_knows_the_steps_of_a_later_run_from_its_start(open_workshop: Open, supervisor: Supervisor) -> None:
    """Steps that a host has not proven need a new one, which then serves the steps of both runs."""
    shop = open_workshop(MEMO)
    flow = shop.load()

    def host(*names: str) -> str:
        ended = results(run(supervisor, shop, settings_of(shop, flow, *names), shop.order(flow.look)))
        return str(shop.value(ended["look"], str))

    first = host("look", "a")
    second = host("look", "remembers")

    assert second != first
    assert host("look", "a") == second
    assert host("look") == second


@pytest.mark.cluster
def test_a_global_that_differs_between_processes_is_named(open_workshop: Open, supervisor: Supervisor) -> None:
    """Where only a global's value differs the failure names it and its remedy, without a traceback."""
    shop = open_workshop("PID = [os.getpid()]\n\n@fk.step\ndef one() -> int:\n    return len(PID)\n")
    flow = shop.load()

    failure = results(run(supervisor, shop, settings_of(shop, flow, "one"), shop.order(flow.one)))["one"].failure

    assert failure is not None
    assert failure.kind is FailureKind.CODE
    assert f"'{flow.__name__}:PID'" in failure.message
    assert "sort" in (failure.hint or "")
    assert "compute it in a step" in (failure.hint or "")
    assert failure.traceback == ""
    assert not failure.retryable


def test_inline_a_change_is_told_for_every_step_that_reaches_it(open_workshop: Open) -> None:
    """In the driver's own process nothing is put back, so whatever ran after the change is not recorded either."""
    shop = open_workshop(MEMO)
    flow = shop.load()
    executor = InlineExecutor(capture=True)
    executor.start(settings_of(shop, flow, "a", "b", "remembers"))
    try:
        orders = (shop.order(flow.a, x=3), shop.order(flow.b, x=3), shop.order(flow.remembers, x=3))
        ended = results(run_all(executor, [shop.packet(*orders)]))
    finally:
        executor.close()

    name = f"'{flow.__name__}:_CACHE'"
    assert_told(ended["a"], name)
    assert_told(ended["b"], name)
    assert ended["remembers"].uncached is None


SETS = """
RATE = 0.1
LIMIT = 1

def set_rate(value: float) -> None:
    global RATE
    RATE = value

@fk.step
def sets(x: float) -> float:
    set_rate(x)
    return x

@fk.step
def builds(n: int) -> list[int]:
    class Rows:
        pass
    rows = Rows()
    rows.kept = {}
    rows.kept["n"] = n
    return list(rows.kept.values())

@fk.step
def reads() -> float:
    return RATE + LIMIT
"""


def test_a_step_is_blamed_for_what_only_others_reach(open_workshop: Open) -> None:
    """A step that stores into a global runs each time, as who reads it depends on that; who changes nothing is not."""
    shop = open_workshop(SETS)
    flow = shop.load()
    executor = InlineExecutor(capture=True)
    executor.start(settings_of(shop, flow, "sets", "builds", "reads"))
    try:
        orders = (shop.order(flow.builds, n=1), shop.order(flow.sets, x=5.0), shop.order(flow.reads))
        ended = results(run_all(executor, [shop.packet(*orders, shop.order(flow.builds, n=2))]))
    finally:
        executor.close()

    assert ended["sets"].uncached == f"it changed '{flow.__name__}:RATE', which other steps reach"
    assert "pass it to them as an argument" in ended["sets"].warnings[0]
    assert_told(ended["reads"], f"'{flow.__name__}:RATE'")
    assert ended["builds"].uncached is None


@pytest.mark.cluster
def test_a_host_in_which_others_were_changed_is_given_up(open_workshop: Open, supervisor: Supervisor) -> None:
    """What only others reach is put back for them as well."""
    shop = open_workshop(SETS)
    flow = shop.load()
    settings = settings_of(shop, flow, "sets", "reads")

    events = run(supervisor, shop, settings, shop.order(flow.sets, x=5.0), shop.order(flow.reads))

    assert results(events)["sets"].uncached is not None
    assert returned(events) == {"reads": SPOILED}


CHANGES = {
    "an item": ("G = {'a': [1]}", "G['a'].append(2)", "G"),
    "a counter": ("G = 0", "global G; G += 1", "G"),
    "a lazy model": ("G = None", "global G; G = object.__new__(object)", "G"),
    "true for one": ("G = 1", "global G; G = True", "G"),
    "a random generator": ("import random\nG = random.Random(0)", "G.random()", "G"),
    "an instance": ("class C: pass\nG = C()\nG.x = 1", "G.x = 2", "G"),
    "unpicklable": ("G = {'f': lambda: 1}", "G['x'] = 1", "G"),
    "a class's own": ("class G:\n    seen = []", "G.seen.append(1)", "G"),
    "a default": ("def G(x, memo={}):\n    memo[x] = 1\n    return x", "G(1)", "G"),
    "a function's attribute": ("def G():\n    pass\nG.calls = 0", "G.calls += 1", "G"),
    "of the module": ("G = []", "globals()['G'].append(1)", "G"),
    "of a helper": ("G = []\ndef fill():\n    G.append(1)", "fill()", "G"),
    "a bytearray": ("G = bytearray(b'x')", "G[0] = 0", "G"),
    "of an array": ("import numpy as np\nG = np.zeros(3)", "G[1] = 1", "G"),
}
SAME = {
    "equal again": ("G = [1, 2]", "G.append(3); G.pop()"),
    "bound anew": ("G = [1, 2]", "global G; G = [1, 2]"),
    "a set in another order": ("G = {8, 0}", "G.discard(8); G.discard(0); G.add(0); G.add(8)"),
    "a lock": ("import threading\nG = threading.Lock()", "G.acquire(); G.release()"),
    "a logger": ("import logging\nG = logging.getLogger('flow')", "G.setLevel(10)"),
    "a pattern": ("import re\nG = re.compile('x')", "G.match('x')"),
}


def reached(shop: Workshop) -> tuple[ReachedCode, Any]:
    flow = shop.load()
    return ReachedCode(flow.s.specification, CodeFingerprinter(shop.project)), flow


def source_of(setup: str, body: str) -> str:
    return f"{setup}\n\n@fk.step\ndef s() -> int:\n    {body}\n    return bool(str(G))\n"


@pytest.mark.parametrize(("setup", "body", "name"), CHANGES.values(), ids=CHANGES)
def test_a_change_of_what_is_reached_is_named(open_workshop: Open, setup: str, body: str, name: str) -> None:
    """Whatever a step's fingerprint counts by value is noticed and named when the step changes it."""
    shop = open_workshop(source_of(setup, body))
    found, flow = reached(shop)
    assert found.changes() == ()

    flow.s()

    assert f"{flow.__name__}:{name}" in found.changes()


@pytest.mark.parametrize(("setup", "body"), SAME.values(), ids=SAME)
def test_what_means_the_same_is_no_change(open_workshop: Open, setup: str, body: str) -> None:
    """Only what the fingerprint counts is a change."""
    found, flow = reached(open_workshop(source_of(setup, body)))

    flow.s()

    assert found.changes() == ()


def test_asking_costs_next_to_nothing(open_workshop: Open) -> None:
    """A step that reaches constants and a short list is asked after in less than 100 µs."""
    constants = "\n".join(f"N{i} = {i}" for i in range(10))
    reads = " + ".join(f"N{i}" for i in range(10))
    shop = open_workshop(
        f"{constants}\nG = ['fare', 'miles']\ndef h() -> int:\n    return {reads}\n"
        "@fk.step\ndef s() -> int:\n    return h() + len(G)\n"
    )
    found, _ = reached(shop)

    seconds = min(timeit.repeat(found.changes, number=200, repeat=5)) / 200

    assert seconds < 100e-6
