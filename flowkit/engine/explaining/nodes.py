"""Explains a node: what a run would do with it now, or what a run did with it, and what had changed.

Everything comes from the code that decides: the planner's lookups, and the comparison that gives a miss its reason.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any

from msgspec import Struct, to_builtins
from msgspec.structs import replace

from flowkit.cache.arguments import artifacts_in
from flowkit.cache.content import Contents
from flowkit.cache.current import Current
from flowkit.cache.reason import Change, DataOf, add_data, compare, describe_reuse, with_data
from flowkit.engine.contents import Inputs, compare_inputs
from flowkit.engine.explaining.data_report import data_to_json
from flowkit.engine.origins import describe_acceptance
from flowkit.engine.planner import Planner
from flowkit.engine.report import JSON_FORMAT, NodeReport
from flowkit.errors import NotRecordedError
from flowkit.graph.graph import Node
from flowkit.lineage.entries import Entries
from flowkit.lineage.history import nodes_of
from flowkit.lineage.latest import accounts_of, success_before
from flowkit.lineage.reader import Reader
from flowkit.records import KeyParts, LatestSuccess, Outcome, Reason


class WhyReport(Struct, frozen=True):
    """Why a node runs or is reused.

    Attributes:
        outcome: A forecast, or the outcome in a recorded run.
        since: The run that it is compared with; None where there was none.
        changes: Every difference from that run.
        accepted: That a person let the result of that run stand for the code that it is compared with.
    """

    node: str
    outcome: str
    reason: Reason | None
    detail: str | None
    since: str | None
    changes: tuple[Change, ...]
    accepted: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the object that `why --json` prints."""
        return {
            "format": JSON_FORMAT,
            "node": self.node,
            "outcome": self.outcome,
            "reason": self.reason.value if self.reason is not None else None,
            "detail": self.detail,
            "since": self.since,
            "accepted": self.accepted,
            "changes": changes_to_json(self.changes),
        }


def changes_to_json(changes: Iterable[Change]) -> list[dict[str, Any]]:
    """Return the rows of `changes`."""
    return [change_to_json(change) for change in changes]


def change_to_json(change: Change) -> dict[str, Any]:
    """Return a row of `changes`, as `why` and `diff` print it."""
    inside = change.within
    return {
        "kind": change.kind.value,
        "name": change.name,
        "before": change.before,
        "after": change.after,
        "path": list(change.path) if change.path is not None else None,
        "note": change.note,
        "diff": diff_of(change),
        "within": [to_builtins(difference) for difference in inside.first] if inside is not None else [],
        "data": data_to_json(change.data) if change.data is not None else None,
    }


def diff_of(change: Change) -> str | None:
    """Return a unified diff of a change of code; None for other changes."""
    if change.kind is not Reason.CODE:
        return None
    before, after = (change.before or "").splitlines(), (change.after or "").splitlines()
    return "\n".join(difflib.unified_diff(before, after, "before", "after", lineterm=""))


def explain_planned(planner: Planner, entries: Entries, contents: Contents, node: str) -> WhyReport:
    """Explain what a run would do with a node now, against its latest success.

    Of a node whose inputs are not known yet, what is known is compared: code, environment and constants. Of an element
    of a list that is not known yet, that is what is known of all of them.

    Raises:
        NotRecordedError: The list is known, and has no such element.
    """
    declared = planner.graph.declared(node)
    if declared is None:
        raise NotRecordedError.for_node(planner.graph.pipeline, node, [known.name for known in planner.graph.visible])
    report = planner.reports[declared.name]
    latest = entries.latest_success(planner.graph.pipeline, _an_element(node))
    lookup = planner.lookups.get(node)
    if lookup is not None and lookup.miss is None:
        return _of_reused(node, report, describe_reuse(_with_observed(lookup.keyed.current, latest)))
    if latest is None:
        miss = lookup.miss if lookup is not None else None
        told = (miss.reason, miss.detail) if miss is not None else (report.reason, report.detail)
        return WhyReport(node, report.outcome.value, *told, None, ())
    since, accepted = _since(latest)
    if lookup is None or lookup.miss is None:
        data_of = _data_of(entries, contents, latest, _known_inputs(planner, declared))
        changes = add_data(_known_changes(planner, latest, declared), data_of)
        return WhyReport(node, report.outcome.value, report.reason, report.detail, since, changes, accepted)
    miss = with_data(lookup.miss, _data_of(entries, contents, latest, lookup.keyed.inputs))
    return WhyReport(node, report.outcome.value, miss.reason, miss.detail, since, miss.changes, accepted)


def _of_reused(node: str, report: NodeReport, detail: str) -> WhyReport:
    """Return why a node is reused; the report says it where a person accepted the result."""
    return WhyReport(node, report.outcome.value, None, report.detail or detail, report.from_run, ())


def _since(latest: LatestSuccess | None) -> tuple[str | None, str | None]:
    """Return the run of a success, and who let its result stand for its code."""
    if latest is None:
        return None, None
    return latest.run, describe_acceptance(latest.accepted) if latest.accepted is not None else None


def _with_observed(current: Current, latest: LatestSuccess | None) -> Current:
    return current if latest is None else replace(current, observed=latest.observed)


def _an_element(node: str) -> str:
    """Return the node whose history speaks for a template: its first element."""
    return f"{node.removesuffix('[*]')}[0]" if node.endswith("[*]") else node


def _known_changes(planner: Planner, latest: LatestSuccess, node: Node) -> tuple[Change, ...]:
    if node.step is None:
        return ()
    bound = planner.keys.bind(node)
    prepared = bound.prepared
    step = prepared.step.name
    now = KeyParts(step, prepared.code.digest, prepared.environment.digest, tuple(bound.parts.values()))
    then = tuple(part for part in latest.parts.arguments if part.parameter in bound.parts)
    before = replace(latest, parts=replace(latest.parts, arguments=then))
    return compare(before, Current(now, prepared.code, prepared.environment))


def _known_inputs(planner: Planner, node: Node) -> Inputs:
    """Return the files and stored constants among a node's arguments, of which no other node is needed."""
    if node.step is None:
        return ()
    bound = planner.keys.bind(node)
    known = [(name, value) for name, value in bound.arguments.items() if name in bound.parts]
    return [(name, artifact) for name, value in known for artifact, _ in artifacts_in(value, lambda _: None)]


def _data_of(entries: Entries, contents: Contents, before: LatestSuccess, after: Inputs) -> DataOf:
    """Return what compares the inputs of a node with those of its latest success."""
    taken = entries.inputs_of([before.execution]) if before.execution is not None else {}
    return compare_inputs(contents, taken.get(before.execution or 0, ()), after)


def explain_recorded(reader: Reader, contents: Contents, run: str, node: str) -> WhyReport:
    """Explain what a run did with a node, from the record alone: against its latest success before that run.

    Raises:
        NotRecordedError: The run has no such node.
    """
    rows = {row.node: row for row in nodes_of(reader, run)}
    if node not in rows:
        raise NotRecordedError.for_node(run, node, list(rows))
    row = rows[node]
    account = accounts_of(reader, run, [node]).get(node)
    if row.outcome == Outcome.REUSED and account is not None and (row.detail is None or account.accepted is not None):
        detail = row.detail or describe_reuse(_current(account))
        return WhyReport(node, row.outcome, None, detail, account.maker, ())
    before = success_before(reader, run, node)
    changes: tuple[Change, ...] = ()
    if account is not None and before is not None:
        entries = Entries(reader)
        taken = entries.inputs_of([account.execution]) if account.execution is not None else {}
        data_of = _data_of(entries, contents, before, taken.get(account.execution or 0, ()))
        changes = add_data(compare(before, _current(account)), data_of)
    reason = Reason(row.reason) if row.reason is not None else None
    since, accepted = _since(before)
    return WhyReport(node, row.outcome, reason, row.detail, since, changes, accepted if changes else None)


def _current(account: LatestSuccess) -> Current:
    return Current(account.parts, account.code, account.environment, account.observed)
