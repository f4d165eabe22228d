"""Whether a recorded result is reused: the one place where that is decided."""

from __future__ import annotations

from msgspec import Struct

from flowkit.records import Entry, Reason, StepOptions

CLOCKS_DIFFER = 60.0
"""Seconds by which a result may be younger than now: the clocks of two machines differ."""


class Found(Struct, frozen=True):
    """What a lookup found under a cache key.

    Attributes:
        entry: The newest recorded result, if there is one.
        present: Whether every artifact of it is there and holds what it should.
        gone: Project code that its values name, and that is no longer there: they cannot be loaded any more.
        dropped: When a collection dropped an artifact of it, as a UTC date; None where none did.
    """

    entry: Entry | None
    present: bool = True
    gone: tuple[str, ...] = ()
    dropped: str | None = None


class ReuseDecision(Struct, frozen=True):
    """Either the entry to reuse, or why the one that is there cannot be; both None where there is none.

    Attributes:
        gone: Project code that the lost result's values name, and that is no longer there.
        dropped: When a collection dropped the lost result.
        is_ahead: Whether the expired result bears a time that has not come.
    """

    entry: Entry | None = None
    reason: Reason | None = None
    gone: tuple[str, ...] = ()
    dropped: str | None = None
    is_ahead: bool = False


def decide_reuse(found: Found, options: StepOptions, *, forced: bool, uncacheable: bool, now: float) -> ReuseDecision:
    """Decide whether a node reuses what was found, in the order in which reasons take precedence.

    Args:
        found: What the lookup found.
        options: The step's options, of which `cache` and `max_age` count here.
        forced: Whether the user asked for this node to run.
        uncacheable: Whether the step's code reaches something that has no fingerprint.
        now: Seconds since the epoch.
    """
    if forced:
        return ReuseDecision(reason=Reason.FORCED)
    if uncacheable or not options.cache:
        return ReuseDecision(reason=Reason.UNCACHED)
    if found.entry is None:
        return ReuseDecision()
    if not found.present or found.gone:
        return ReuseDecision(reason=Reason.LOST, gone=found.gone, dropped=found.dropped)
    if options.max_age is not None:
        age = now - found.entry.created
        if not -CLOCKS_DIFFER <= age <= options.max_age:
            # What was made while a clock was ahead would otherwise stay until that time has come, and then age.
            return ReuseDecision(reason=Reason.EXPIRED, is_ahead=age < 0)
    return ReuseDecision(entry=found.entry)
