"""Compares two recorded runs: what went in, the code that ran, and what came out.

A node that was reused counts as the execution that it reuses: two runs that gave the same by the same code do not
differ, whichever of them did the work. Tables are compared by their manifests, and of columns that differ the values
are counted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec import Struct
from msgspec.structs import replace

from flowkit.cache.acceptance import with_root_called
from flowkit.cache.content import Contents, TableChange
from flowkit.cache.current import Current
from flowkit.cache.inner import Differences
from flowkit.cache.reason import Change, add_data, compare
from flowkit.engine.contents import Inputs, compare_inputs, open_contents
from flowkit.lineage.artifacts import load_inputs
from flowkit.lineage.history import artifacts_of, details_of, metrics_of, nodes_of, run_summary
from flowkit.lineage.latest import accounts_of
from flowkit.lineage.listings import find_listing
from flowkit.lineage.reader import Reader
from flowkit.lineage.rows import NodeRow
from flowkit.records import Acceptance, Artifact, LatestSuccess, Outcome, Output, Reason, RunSummary
from flowkit.registry.models import promotions_of, version_at
from flowkit.store.base import Store

_SUCCEEDED = (Outcome.EXECUTED, Outcome.REUSED)


class Pair(Struct, frozen=True):
    """A named thing on both sides; an absent side is None."""

    name: str
    before: str | None
    after: str | None


class OutputChange(Struct, frozen=True):
    """An output with other content; an absent side is None.

    Attributes:
        table: What changed in it, where both sides are tables that are still there.
        value: The places that differ, where both sides are plain values.
    """

    name: str
    before: Artifact | None
    after: Artifact | None
    table: TableChange | None
    value: Differences | None = None


class Decided(Struct, frozen=True):
    """What a promotion came to."""

    model: str
    version: int
    alias: str
    accepted: bool
    reason: str | None


class MetricChange(Struct, frozen=True):
    """A metric with another value; an absent side is None."""

    name: str
    before: float | None
    after: float | None


class NodeComparison(Struct, frozen=True):
    """A node that differs.

    Attributes:
        before: Its outcome in the earlier run; None where it was not in it.
        accepted: Who let its result stand for its code of the later run, where that is what changed.
        former: What it was called in the earlier run, where its result was accepted under another name.
        changes: Code, parameters and inputs.
        outside: The changed inputs that no node of the run made: files that came in.
    """

    node: str
    before: str | None
    after: str | None
    changes: tuple[Change, ...]
    outside: tuple[str, ...]
    outputs: tuple[OutputChange, ...]
    metrics: tuple[MetricChange, ...]
    accepted: Acceptance | None = None
    former: str | None = None


class RunComparison(Struct, frozen=True):
    """All that differs between two runs.

    Attributes:
        facts: Pipeline, environment, status and commit, where they differ.
        environment: Packages, interpreter and variables that differ for any node.
        nodes: Those that differ, in the order of the later run.
        promotions: What each run decided, by alias, where that differs.
    """

    before: RunSummary
    after: RunSummary
    facts: tuple[Pair, ...]
    parameters: tuple[Pair, ...]
    environment: tuple[Change, ...]
    nodes: tuple[NodeComparison, ...]
    promotions: tuple[tuple[Decided | None, Decided | None], ...]

    @property
    def is_empty(self) -> bool:
        """Whether the runs are the same in all that is compared; when and how fast they ran is not."""
        return not (self.facts or self.parameters or self.environment or self.nodes or self.promotions)


class _Side(Struct, frozen=True):
    """What is known of one of the runs, by node.

    Attributes:
        made: The artifacts that its nodes gave.
        former: What made a node's result, where a person let it stand under another name.
    """

    rows: Mapping[str, NodeRow]
    accounts: Mapping[str, LatestSuccess]
    outputs: Mapping[str, tuple[Output, ...]]
    taken: Mapping[str, Inputs]
    metrics: Mapping[str, Mapping[str, float | None]]
    made: frozenset[str]
    former: Mapping[str, str]

    def under(self, names: Mapping[str, str]) -> _Side:
        """Return the same with nodes under other names, by what they are called here."""

        def named(node: str) -> str:
            return names.get(node, node)

        return replace(
            self,
            rows={named(node): row for node, row in self.rows.items()},
            accounts={named(node): account for node, account in self.accounts.items()},
            outputs={named(node): outputs for node, outputs in self.outputs.items()},
            taken={named(node): taken for node, taken in self.taken.items()},
            metrics={named(node): metrics for node, metrics in self.metrics.items()},
        )


def compare_runs(reader: Reader, earlier: str, later: str, store: Store) -> RunComparison:
    """Return what differs between two runs, by their full ids.

    Args:
        reader: The database.
        earlier: What is compared with.
        later: What is compared.
        store: Where the content of artifacts is.
    """
    contents = open_contents(store, lambda digest: find_listing(reader, digest), counting=True)
    with reader.at_one_moment():
        before, after = run_summary(reader, earlier), run_summary(reader, later)
        old, new = _load_side(reader, earlier), _load_side(reader, later)
        promotions = _compare_promotions(reader, (before, old), (after, new))
    renamed = {
        former: name
        for name, former in new.former.items()
        if name not in old.rows and former in old.rows and former not in new.rows
    }
    old = old.under(renamed)
    environment: dict[Change, None] = {}
    nodes = []
    for name in {**new.rows, **old.rows}:
        changes = _compare_accounts(name, old, new, contents)
        environment.update(dict.fromkeys(change for change in changes if change.kind is Reason.ENVIRONMENT))
        own = tuple(change for change in changes if change.kind is not Reason.ENVIRONMENT)
        found = _compare_node(name, old, new, own, contents)
        if found is not None:
            former = next((then for then, now in renamed.items() if now == name), None)
            nodes.append(replace(found, former=former))
    return RunComparison(
        before,
        after,
        _compare_texts(_facts_of(before), _facts_of(after)),
        _compare_texts(dict(before.record.parameters), dict(after.record.parameters)),
        tuple(environment),
        tuple(nodes),
        promotions,
    )


def _load_side(reader: Reader, run: str) -> _Side:
    rows = {row.node: row for row in nodes_of(reader, run)}
    outputs = artifacts_of(reader, run)
    accounts = accounts_of(reader, run, list(rows))
    inputs = load_inputs(reader, [found.execution for found in accounts.values() if found.execution is not None])
    taken = {node: inputs.get(found.execution or 0, ()) for node, found in accounts.items()}
    metrics: dict[str, dict[str, float | None]] = {}
    for metric in metrics_of(reader, run):
        metrics.setdefault(metric.node, {})[metric.name] = metric.value
    made = frozenset(output.artifact.digest for some in outputs.values() for output in some)
    former = {
        node: details.from_node
        for node, details in details_of(reader, run).items()
        if details.from_node not in (None, node) and node in accounts and accounts[node].accepted is not None
    }
    return _Side(rows, accounts, outputs, taken, metrics, made, former)


def _facts_of(run: RunSummary) -> dict[str, str]:
    record = run.record
    facts = {"pipeline": record.pipeline, "env": record.env, "status": run.status.value}
    if record.git_commit:
        facts["commit"] = record.git_commit + (" + changes" if record.git_dirty else "")
    return facts


def _compare_texts(before: Mapping[str, str], after: Mapping[str, str]) -> tuple[Pair, ...]:
    return tuple(
        Pair(name, before.get(name), after.get(name))
        for name in {**after, **before}
        if before.get(name) != after.get(name)
    )


def _compare_accounts(name: str, old: _Side, new: _Side, contents: Contents) -> tuple[Change, ...]:
    before, after = old.accounts.get(name), new.accounts.get(name)
    if before is None or after is None:
        return ()
    before = with_root_called(before, after.code)
    changes = compare(before, Current(after.parts, after.code, after.environment, after.observed))
    return add_data(changes, compare_inputs(contents, old.taken.get(name, ()), new.taken.get(name, ())))


def _compare_node(
    name: str, old: _Side, new: _Side, changes: tuple[Change, ...], contents: Contents
) -> NodeComparison | None:
    """Return how a node differs, None where it does not."""
    before, after = _outcome(old.rows.get(name)), _outcome(new.rows.get(name))
    outputs = _compare_outputs(old.outputs.get(name, ()), new.outputs.get(name, ()), contents)
    metrics = _compare_metrics(old.metrics.get(name, {}), new.metrics.get(name, {}))
    same_end = before == after or (before in _SUCCEEDED and after in _SUCCEEDED)
    # A decision is an artifact too; it is told with the promotions.
    if name in new.rows and new.rows[name].step == "promote":
        outputs = ()
    if same_end and not (changes or outputs or metrics):
        return None
    account = new.accounts.get(name)
    edited = any(change.kind is Reason.CODE for change in changes)
    accepted = account.accepted if account is not None and edited else None
    outside = _from_outside(name, old, new, changes)
    return NodeComparison(name, before, after, changes, outside, outputs, metrics, accepted)


def _outcome(row: NodeRow | None) -> str | None:
    return row.outcome if row is not None else None


def _from_outside(name: str, old: _Side, new: _Side, changes: Sequence[Change]) -> tuple[str, ...]:
    taken = [
        parameter
        for side in (old, new)
        for parameter, artifact in side.taken.get(name, ())
        if artifact.digest not in side.made
    ]
    changed = [change.name for change in changes if change.kind is Reason.INPUT]
    return tuple(parameter for parameter in changed if parameter in taken)


def _compare_outputs(before: Sequence[Output], after: Sequence[Output], contents: Contents) -> tuple[OutputChange, ...]:
    if not before or not after:
        return ()
    old = {output.name: output.artifact for output in before}
    new = {output.name: output.artifact for output in after}
    return tuple(
        OutputChange(name, old.get(name), new.get(name), *_compare_content(old.get(name), new.get(name), contents))
        for name in {**new, **old}
        if _digest(old.get(name)) != _digest(new.get(name))
    )


def _digest(artifact: Artifact | None) -> str | None:
    return artifact.digest if artifact is not None else None


def _compare_content(
    before: Artifact | None, after: Artifact | None, contents: Contents
) -> tuple[TableChange | None, Differences | None]:
    if before is None or after is None:
        return None, None
    change = contents.compare([before], [after]).contents[0]
    return change.table, change.value


def _compare_metrics(before: Mapping[str, float | None], after: Mapping[str, float | None]) -> tuple[MetricChange, ...]:
    return tuple(
        MetricChange(name, before.get(name), after.get(name))
        for name in {**after, **before}
        if (name in before, before.get(name)) != (name in after, after.get(name))
    )


def _decisions(reader: Reader, run: RunSummary) -> list[Decided]:
    """Return what a run decided."""
    return [
        Decided(found.model, found.version, found.alias, found.accepted, found.reason)
        for found in promotions_of(reader, run.record.run)
    ]


def _repeated(reader: Reader, run: RunSummary, side: _Side, decided: Decided) -> Decided | None:
    """Return what a run found decided already of an alias that the other run moved; None where it asked nothing."""
    if not any(row.step == "promote" and row.outcome == Outcome.REUSED for row in side.rows.values()):
        return None
    version = version_at(reader, decided.model, decided.alias, run.record.started)
    if version is None:
        return None
    return Decided(decided.model, version, decided.alias, accepted=True, reason=None)


def _compare_promotions(
    reader: Reader, before: tuple[RunSummary, _Side], after: tuple[RunSummary, _Side]
) -> tuple[tuple[Decided | None, Decided | None], ...]:
    old, new = ({(found.model, found.alias): found for found in _decisions(reader, run)} for run, _ in (before, after))
    pairs = []
    for key in {**new, **old}:
        then, now = old.get(key), new.get(key)
        if then is None and now is not None:
            then = _repeated(reader, *before, now)
        elif now is None and then is not None:
            now = _repeated(reader, *after, then)
        if then != now:
            pairs.append((then, now))
    return tuple(pairs)
