"""Acceptances that come twice, and names that were never there."""

from __future__ import annotations

from flowkit.session.session import Session
from flowkit.targets import load_target
from tests.accepting.conftest import Shop


def test_equal_acceptances_at_once_are_one(ran: Shop) -> None:
    """Who accepts what another one has just accepted is told of that audit row; there is no second one."""
    ran.edit("cleaning.py", "float(text.", "1 * float(text.")
    ran.forget()
    pipeline = load_target("shop", None).pipeline
    parameters = {"source": (ran.root / "orders.txt"), "scale": 1.0}
    with Session(inline=True) as session:
        reports = [session.propose(pipeline, parameters, ["amounts"], None) for _ in range(2)]

        first, second = (session.accept(pipeline, report) for report in reports)

    assert first.audit == second.audit
    assert len(ran.audit()) == 1


def test_a_former_name_is_checked_where_there_is_nothing_to_accept(ran: Shop) -> None:
    """A wrong --from is refused also for a node that would be reused as it is."""
    refused = ran.accept("total", "--from", "nope")
    assert refused.code == 2
    assert "There is no result of 'nope' that 'total' could keep" in refused.err
    assert ran.accept("total", "--from", "amounts").out == "nothing to accept: total would be reused as it is\n"


def test_several_nodes_would_be_reused_as_they_are(ran: Shop) -> None:
    """The sentence fits their number."""
    assert ran.accept("weigh").out == "nothing to accept: weigh[0], weigh[1] would be reused as they are\n"
