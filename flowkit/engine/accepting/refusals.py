"""Why a node's edit cannot be accepted, in words; each says what to do instead."""

from __future__ import annotations

from flowkit.cache.reason import Change, Miss
from flowkit.engine.planner import Planner
from flowkit.errors import AcceptanceError
from flowkit.graph.graph import Node
from flowkit.records import Forecast, LatestSuccess, Reason

_CHANGED = {
    Reason.PARAMETER: ("a parameter", "run it, or give the parameters of that run with -p."),
    Reason.INPUT: ("an input", "run it: what was made of other data cannot stand for this."),
    Reason.ENVIRONMENT: ("the environment", "run it, or go back to the packages and variables of that run."),
    Reason.OBSERVED: ("what it read undeclared", "run it: what was made of other data cannot stand for this."),
}
_LONGEST_SIDE = 80


def refuse_missed(pipeline: str, node: str, former: str, miss: Miss, latest: LatestSuccess | None) -> AcceptanceError:
    """Return the error of a node that must run.

    Args:
        pipeline: The pipeline's name.
        node: The node.
        former: The name under which it succeeded before; its own where it was not renamed.
        miss: Why it must run.
        latest: Its latest success.
    """
    if miss.reason is Reason.UNCACHED:
        return AcceptanceError.for_uncached(node, miss.detail)
    if miss.reason is Reason.LOST:
        return AcceptanceError.for_lost(node)
    if miss.reason is Reason.EXPIRED:
        return AcceptanceError.for_expired(node)
    if miss.reason is Reason.FAILED:
        return AcceptanceError.for_failed(node, ever_succeeded=latest is not None)
    if latest is None or miss.reason not in _CHANGED:
        if former != node:
            return AcceptanceError.for_unknown_former(node, former, pipeline)
        return AcceptanceError.for_new(node, pipeline)
    what, hint = _CHANGED[miss.reason]
    changes = [(change.kind.value, _describe(change)) for change in miss.changes if change.kind in _CHANGED]
    return AcceptanceError.for_changed(node, what, changes, latest.run, hint)


def _describe(change: Change) -> str:
    before, after = (_cut(side) for side in (change.before, change.after))
    return f"{change.name}: {before} → {after}"


def _cut(side: str | None) -> str:
    if side is None:
        return "absent"
    return side if len(side) <= _LONGEST_SIDE else f"{side[: _LONGEST_SIDE - 1]}…"


def refuse_unlooked(planner: Planner, node: Node, former: str) -> AcceptanceError:
    """Return the error of a node that could not be looked up.

    Args:
        planner: What decided on it.
        node: The node.
        former: The name under which it succeeded before; its own where it was not renamed.
    """
    report = planner.reports[node.name]
    detail = report.detail or ""
    if report.outcome is Forecast.RUN:
        if report.reason is Reason.UNCACHED:
            return AcceptanceError.for_uncached(node.name, detail)
        return AcceptanceError.for_unread(node.name, detail)
    waiting = _running_before(planner, node.name)
    failed = [name for name in waiting if planner.reports[name].reason is Reason.FAILED]
    if failed:
        return AcceptanceError.for_failed_before(node.name, failed)
    if not waiting:
        return AcceptanceError.for_absent(node.name, detail)
    return AcceptanceError.for_upstream(node.name, waiting, former if former != node.name else None)


def _running_before(planner: Planner, node: str) -> list[str]:
    """Return the nodes before a node that would run, in the graph's order."""
    found, front = set(), [node]
    while front:
        for producer in planner.graph.producers[front.pop()]:
            if producer not in found:
                found.add(producer)
                front.append(producer)
    return [
        other.name
        for other in planner.graph.visible
        if other.name in found and planner.reports[other.name].outcome is Forecast.RUN
    ]
