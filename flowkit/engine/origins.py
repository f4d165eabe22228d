"""Words for where a reused result comes from: another machine, or a person who let it stand."""

from __future__ import annotations

from collections.abc import Iterable

from flowkit.records import Acceptance, Entry


def describe_origin(entry: Entry) -> str | None:
    """Return what is to be said of a result that is reused: another machine made it, or a person let it stand."""
    if entry.accepted is not None:
        return describe_acceptance(entry.accepted)
    return f"from the remote, made on {entry.host}" if entry.host else None


def describe_acceptance(acceptance: Acceptance, times: int = 1) -> str:
    """Return who let a result stand for edited code, when (of several times the last) and why."""
    reason = f": {acceptance.reason}" if acceptance.reason else ""
    when = f"at {acceptance.at}" if times == 1 else f"{times} times, last at {acceptance.at}"
    return f"accepted by {acceptance.who or 'an unknown user'} {when}{reason}"


def describe_acceptances(acceptances: Iterable[Acceptance]) -> str:
    """Return who let a result stand for edited code over time: those of one person and reason together."""
    times: dict[tuple[str, str], list[Acceptance]] = {}
    for one in acceptances:
        times.setdefault((one.who, one.reason), []).append(one)
    return "; ".join(describe_acceptance(some[-1], len(some)) for some in times.values())
