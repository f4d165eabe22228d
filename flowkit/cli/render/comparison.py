"""What differs between two runs: as JSON, and as sections for people."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from msgspec import to_builtins
from msgspec.structs import replace

from flowkit.cache.reason import Change
from flowkit.cache.wording import list_differences
from flowkit.cli.render.data import describe_data_lines, describe_inside, describe_table_lines
from flowkit.cli.render.explanation import colour_diff, describe_change
from flowkit.cli.render.formats import format_number, short
from flowkit.cli.render.output import tell
from flowkit.engine.explaining.data_report import table_to_json
from flowkit.engine.explaining.nodes import change_to_json
from flowkit.engine.explaining.runs import Decided, NodeComparison, OutputChange, Pair, RunComparison
from flowkit.engine.origins import describe_acceptance
from flowkit.engine.report import JSON_FORMAT
from flowkit.records import RETURN, Reason

_LONGEST = 60
_MOST_PLACES = 5
_HELPER = "helper "


def comparison_to_json(found: RunComparison) -> dict[str, Any]:
    """Return the object that `diff --json` prints."""
    return {
        "format": JSON_FORMAT,
        "before": found.before.record.run,
        "after": found.after.record.run,
        "facts": [to_builtins(pair) for pair in found.facts],
        "parameters": [to_builtins(pair) for pair in found.parameters],
        "environment": [
            {"name": change.name, "before": change.before, "after": change.after} for change in found.environment
        ],
        "nodes": [_node_to_json(node) for node in found.nodes],
        "promotions": [
            {"before": _promotion_to_json(before), "after": _promotion_to_json(after)}
            for before, after in found.promotions
        ],
    }


def _node_to_json(node: NodeComparison) -> dict[str, Any]:
    return {
        "node": node.node,
        "before": node.before,
        "after": node.after,
        "changes": [change_to_json(change) for change in node.changes],
        "outputs": [_output_to_json(output) for output in node.outputs],
        "metrics": [to_builtins(metric) for metric in node.metrics],
        "accepted": describe_acceptance(node.accepted) if node.accepted is not None else None,
        "former": node.former,
    }


def _output_to_json(output: OutputChange) -> dict[str, Any]:
    return {
        "name": output.name,
        "before": output.before.digest if output.before is not None else None,
        "after": output.after.digest if output.after is not None else None,
        "table": table_to_json(output.table) if output.table is not None else None,
    }


def _promotion_to_json(promotion: Decided | None) -> dict[str, Any] | None:
    return to_builtins(promotion) if promotion is not None else None


def print_comparison(found: RunComparison) -> None:
    """Print what differs between two runs, section by section."""
    before, after = found.before.record, found.after.record
    tell(f"from run {before.run} to run {after.run} of {after.pipeline}")
    if found.is_empty:
        tell("nothing differs: the same parameters, code, environment and results")
        return
    sections = (
        ("run", _pairs(found.facts)),
        ("parameters", _pairs(found.parameters)),
        ("inputs", _inputs(found.nodes)),
        ("code", _code(found.nodes)),
        ("arguments", _arguments(found.nodes)),
        ("environment", _pairs([Pair(change.name, change.before, change.after) for change in found.environment])),
        ("outcomes", _outcomes(found.nodes)),
        ("results", _results(found.nodes)),
        ("metrics", _metrics(found.nodes)),
        ("promotions", _promotions(found.promotions)),
    )
    for title, lines in sections:
        for number, line in enumerate(lines):
            if number == 0:
                tell(f"\n{title}")
            tell(line)


def _pairs(pairs: Sequence[Pair]) -> Iterator[str]:
    width = max((len(pair.name) for pair in pairs), default=0)
    for pair in pairs:
        yield f"  {pair.name:<{width}}  {_cut(pair.before)} → {_cut(pair.after)}"


def _inputs(nodes: Sequence[NodeComparison]) -> Iterator[str]:
    for node in nodes:
        for change in node.changes:
            if change.kind is Reason.INPUT and change.name in node.outside:
                yield f"  {node.node}  {change.name}  {_cut(change.before)} → {_cut(change.after)}"
                yield from (f"    {line}" for line in describe_data_lines(change))


def _code(nodes: Sequence[NodeComparison]) -> Iterator[str]:
    """Yield each function that changed once, with the nodes that reach it, and its diff."""
    reached: dict[Change, list[str]] = {}
    for node in nodes:
        for change in node.changes:
            if change.kind is Reason.CODE:
                # To one of the nodes it is no helper, and each has its own way to it.
                plain = replace(change, name=change.name.removeprefix(_HELPER), path=None)
                reached.setdefault(plain, []).append(node.node)
    for change, names in reached.items():
        head, *diff = describe_change(change)
        yield f"  {head.removeprefix('code ')}  (reached by {_listed(names)})"
        yield from _acceptances([node for node in nodes if node.node in names])
        for line in diff:
            yield f"    {colour_diff(line)}"


def _acceptances(nodes: Sequence[NodeComparison]) -> Iterator[str]:
    """Yield for each acceptance the nodes whose edit it let stand."""
    accepted: dict[str, list[str]] = {}
    for node in nodes:
        if node.accepted is not None:
            accepted.setdefault(describe_acceptance(node.accepted), []).append(node.node)
    for told, names in accepted.items():
        yield f"    {_listed(names)}: {told}"


def _arguments(nodes: Sequence[NodeComparison]) -> Iterator[str]:
    for node in nodes:
        for change in node.changes:
            if change.kind in (Reason.PARAMETER, Reason.OBSERVED):
                yield f"  {node.node}  {change.name}  {_cut(change.before)} → {_cut(change.after)}"
                yield from (f"    {line}" for line in describe_inside(change))


def _outcomes(nodes: Sequence[NodeComparison]) -> Iterator[str]:
    for node in nodes:
        if node.former is not None:
            yield f"  {node.node}  was called {node.former}"
        if node.before is None or node.after is None:
            yield f"  {node.node}  only in the {'later' if node.before is None else 'earlier'} run"
        elif {node.before, node.after} - {"executed", "reused"}:
            yield f"  {node.node}  {node.before} → {node.after}"


def _results(nodes: Sequence[NodeComparison]) -> Iterator[str]:
    for node in nodes:
        for output in node.outputs:
            name = node.node if output.name == RETURN else f"{node.node}.{output.name}"
            before, after = (short(side.digest) if side else "absent" for side in (output.before, output.after))
            yield f"  {name}  {before} → {after}"
            if output.table is not None:
                yield from (f"    {line}" for line in describe_table_lines(output.table))
            if output.value is not None:
                yield from (f"    {line}" for line in list_differences(output.value, _MOST_PLACES))


def _metrics(nodes: Sequence[NodeComparison]) -> Iterator[str]:
    for node in nodes:
        for metric in node.metrics:
            before, after = (
                "absent" if side is None else format_number(side) for side in (metric.before, metric.after)
            )
            yield f"  {node.node}  {metric.name}  {before} → {after}"


def _promotions(pairs: Sequence[tuple[Decided | None, Decided | None]]) -> Iterator[str]:
    for before, after in pairs:
        decided = after or before
        if decided is not None:
            yield f"  {decided.model}@{decided.alias}  {_verdict(before)} → {_verdict(after)}"


def _verdict(promotion: Decided | None) -> str:
    if promotion is None:
        return "nothing decided"
    verdict = "accepted" if promotion.accepted else "refused"
    return f"version {promotion.version} {verdict}" + (f" ({promotion.reason})" if promotion.reason else "")


def _listed(names: Sequence[str], most: int = 4) -> str:
    more = f" and {len(names) - most:,} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def _cut(text: str | None) -> str:
    if text is None:
        return "absent"
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
