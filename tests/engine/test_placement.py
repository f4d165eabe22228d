"""Where packets go while steps ask for processors and resources."""

from __future__ import annotations

import pytest

from flowkit.engine.placement import Demand, Placement, fits
from flowkit.execution.base import Slots

ONE = Demand()
TWO = Demand(cpus=2)
GPU = Demand(resources={"gpu": 1})


def test_an_ordinary_packet_waits_behind_another() -> None:
    """Two packets a slot, and no more, on the least busy worker."""
    placement = Placement(Slots({"a": 1, "b": 1}), {})

    assert [placement.place(ONE) for _ in range(5)] == ["a", "b", "a", "b", None]


def test_nothing_waits_behind_what_may_last() -> None:
    """A worker gets as many packets as it has slots, where one of them is not known to be brief.

    What waits could go to another worker, or to another driver on the store, that has become free meanwhile.
    """
    one_lasts = Placement(Slots({"a": 1, "b": 1}), {"p": ("a", ONE)}, {"p"})
    lasting = Placement(Slots({"a": 1, "b": 1}), {})
    alone = Placement(Slots({"a": 1}), {"p": ("a", ONE)}, {"p"})

    assert [one_lasts.place(ONE) for _ in range(3)] == ["b", "b", None]
    assert [lasting.place(ONE, brief=False) for _ in range(3)] == ["a", "b", None]
    assert alone.place(ONE) is None
    assert Placement(Slots({"a": 1}), {"p": ("a", ONE)}).place(ONE) == "a"


def test_what_asks_for_several_processors_runs_only_beside_what_leaves_them() -> None:
    """Three of four slots: one ordinary packet has room beside it, and nothing waits behind it."""
    placement = Placement(Slots({"a": 4}), {"p": ("a", Demand(cpus=3))})

    assert [placement.place(TWO), placement.place(ONE), placement.place(ONE)] == [None, "a", None]


def test_ordinary_packets_do_not_pass_a_waiting_node_for_ever() -> None:
    """While two processors are waited for, a worker of two gets nothing else."""
    placement = Placement(Slots({"a": 2}), {"p": ("a", ONE)})

    assert placement.place(TWO) is None
    assert placement.places == 0
    assert Placement(Slots({"a": 2}), {}).place(TWO) == "a"


def test_a_resource_is_given_to_as_many_as_there_are() -> None:
    """One of them at once, where it is; what waits for it keeps no slot from others."""
    placement = Placement(Slots({"a": 2, "b": 2}, {"b": {"gpu": 1}}), {})

    assert [placement.place(GPU), placement.place(GPU)] == ["b", None]
    assert placement.place(ONE) == "a"


@pytest.mark.parametrize(
    ("demand", "expected"),
    [(ONE, True), (TWO, True), (Demand(cpus=3), False), (GPU, True), (Demand(resources={"gpu": 2}), False)],
)
def test_what_no_worker_has_is_known(demand: Demand, expected: bool) -> None:
    """A demand is measured against a whole worker, not against all of them together."""
    assert fits(demand, 2, {"gpu": 1}) is expected
    assert Placement(Slots({"a": 2, "b": 2}, {"a": {"gpu": 1}}), {}).fits_any(demand) is expected


def test_in_the_driver_demands_bind_nothing() -> None:
    """Inline there is one node at a time, whatever it asks for."""
    assert Placement(Slots({"inline": 1}, limited=False), {}).place(Demand(cpus=8)) == "inline"
