"""What `verify` found, for people: a table of nodes and how their outputs differ, or what is wrong with a store."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

from flowkit.cli.render.formats import counted, format_bytes, format_seconds, short
from flowkit.cli.render.output import print_table, tell
from flowkit.cli.render.run_lines import one_line
from flowkit.engine.progress import Quiet
from flowkit.engine.report import NodeReport
from flowkit.graph.graph import Graph
from flowkit.housekeeping.verifying.findings import Remedy, SoundnessReport
from flowkit.housekeeping.verifying.verdicts import NodeVerdict, OutputVerdict, Verdict, VerificationReport
from flowkit.records import RETURN
from flowkit.store.census import Census

MOST_ROWS = 40
"""Of more nodes only those are listed that are not the same."""

MOST_DIFFERENT = 20
"""Of more nodes that differ only the first are told how."""

_FAILED = (
    "it ran with its recorded inputs in a copy of the project at another path, in a new process: it needs something "
    "that was there only in the run."
)
_PAUSE = 5.0


class VerifyListener(Quiet):
    """Says on stderr how far it is, now and then: stdout is for what was found."""

    def __init__(self) -> None:
        self._total = 0
        self._ended = 0
        self._told = time.monotonic()

    def __enter__(self) -> VerifyListener:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing is left open."""

    def run_started(self, run: str, graph: Graph) -> None:
        """Note how many nodes run again."""
        self._total = len(graph.visible)

    def node_ended(self, node: NodeReport) -> None:
        """Count it, and tell if it was silent for long."""
        self._ended += 1
        if time.monotonic() - self._told > _PAUSE:
            self._told = time.monotonic()
            tell(f"… {self._ended:,} of {self._total:,} nodes", err=True)


class ProofProgress:
    """Says on stderr how much of a store is hashed, now and then."""

    def __init__(self) -> None:
        self._told = time.monotonic()

    def __enter__(self) -> ProofProgress:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing is left open."""

    def told(self, done: int, total: int, size: int) -> None:
        """Tell if it was silent for long."""
        if time.monotonic() - self._told > _PAUSE:
            self._told = time.monotonic()
            tell(f"… {done:,} of {total:,} artifacts, {format_bytes(size)}", err=True)


def print_verification(report: VerificationReport) -> None:
    """Print a row for each node, then how those that differ do, then the count."""
    shown = [node for node in report.nodes if len(report.nodes) <= MOST_ROWS or node.verdict is not Verdict.SAME]
    if shown:
        print_table(
            ("node", "verdict", "time", "why"),
            [(node.node, node.verdict.value, _seconds(node), one_line(node.detail or "")) for node in shown],
        )
    different = [node for node in report.nodes if node.verdict is Verdict.DIFFERENT]
    for node in different[:MOST_DIFFERENT]:
        for line in _describe(node):
            tell(line)
    if len(different) > MOST_DIFFERENT:
        tell(f"\n… and {len(different) - MOST_DIFFERENT:,} more that differ: --json lists all of them")
    for hint, names in _hints(different[:MOST_DIFFERENT]).items():
        tell(f"\nHint for {_listed(names)}: {hint}")
    counts = ", ".join(f"{report.count(verdict):,} {verdict.value}" for verdict in Verdict if report.count(verdict))
    tell(("\n" if different else "") + f"{counts or 'no nodes'}  run {report.run}")


def _seconds(node: NodeVerdict) -> str:
    return format_seconds(node.seconds) if node.seconds is not None else ""


def _describe(node: NodeVerdict) -> Iterator[str]:
    for output in node.outputs:
        again = short(output.again.digest) if output.again is not None else "absent"
        yield f"\n{_name(node, output)}  {short(output.recorded.digest)} → {again}"
        yield from (f"  {line}" for line in output.lines)
    if node.failure is not None:
        yield f"\n{node.node} failed this time"
        yield from (f"  {line}" for line in (node.failure.traceback or node.failure.message).rstrip().splitlines())


def _hints(nodes: Sequence[NodeVerdict]) -> dict[str, list[str]]:
    """Return each hint once, with the outputs and nodes that it is for."""
    found: dict[str, list[str]] = {}
    for node in nodes:
        for output in node.outputs:
            found.setdefault(output.hint, []).append(_name(node, output))
        if node.failure is not None:
            found.setdefault(_FAILED, []).append(node.node)
    return found


def _name(node: NodeVerdict, output: OutputVerdict) -> str:
    return node.node if output.name == RETURN else f"{node.node}.{output.name}"


def _listed(names: Sequence[str], most: int = 6) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most:,} more" if len(names) > most else "")


_REMEDIES = {
    Remedy.REPAIRED: "repaired",
    Remedy.POSSIBLE: "can be repaired by",
    Remedy.NONE: "cannot be repaired",
}


def _describe_unnamed(unnamed: Census) -> str:
    parts = []
    if unnamed.files:
        damaged = f", {unnamed.damaged:,} of them damaged" if unnamed.damaged else ""
        parts.append(f"{counted(unnamed.files, 'file')} that no record names, {format_bytes(unnamed.bytes)}{damaged}")
    if unnamed.strangers:
        parts.append(f"{counted(unnamed.strangers, 'name')} among the blobs that flowkit did not give")
    return " and ".join(parts)


def print_soundness(report: SoundnessReport, store: str) -> None:
    """Print what is wrong, and the count of what was gone through."""
    for finding in report.findings:
        tell(f"{finding.kind.value}  {finding.subject}: {finding.problem}")
        tell(f"  {_REMEDIES[finding.remedy]}: {finding.meaning}")
    unnamed = report.unnamed
    if unnamed.files or unnamed.strangers:
        tell(f"{_describe_unnamed(unnamed)}: no fault, runs that go on or were cut off and --rerun leave such")
    repaired = sum(finding.remedy is Remedy.REPAIRED for finding in report.findings)
    verdict = counted(len(report.findings), "finding") if report.findings else "the store is whole"
    if repaired:
        verdict += f", {'all' if report.sound else f'{repaired:,}'} repaired"
    tell(
        f"{verdict}: {counted(report.artifacts, 'artifact')}, {format_bytes(report.bytes)}; "
        f"{counted(report.audit_rows, 'row')} in the audit log  {store}"
    )
