"""Changes are the same wherever their path from a step leads through."""

from __future__ import annotations

from flowkit.cache.reason import Change
from flowkit.records import Reason


def test_the_path_to_a_change_makes_no_difference() -> None:
    """Two steps that reach one edit in different ways have the same change; another edit is another one."""
    first = Change(Reason.CODE, "helper", "a", "b", path=("load", "helper"))
    second = Change(Reason.CODE, "helper", "a", "b", path=("train", "helper"))
    other = Change(Reason.CODE, "helper", "a", "c", path=("load", "helper"))

    assert first == second
    assert not first != second  # noqa: SIM202  (asked as it stands: a record answers both by itself)
    assert hash(first) == hash(second)
    assert first != other
    assert len({first, second, other}) == 2
