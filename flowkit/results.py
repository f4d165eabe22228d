"""A finished run as its author sees it: status, outcomes, and values read back from the store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, overload

from flowkit.engine.report import NodeReport, PromotionReport, RunReport
from flowkit.engine.workspace import Workspace
from flowkit.errors import NotRecordedError, StepError
from flowkit.records import RETURN, Outcome, RunStatus


class Outputs(Protocol):
    """Knows how the outputs of one node are annotated."""

    def output_hint(self, name: str, /) -> Any:
        """Return the annotation of an output."""
        ...

    @property
    def result_hint(self) -> Any:
        """The whole return annotation; `Any` where it is not known."""
        ...


class Nodes(Protocol):
    """Knows the nodes of a run by name: its graph, or what is left of that in the record."""

    def declared(self, name: str, /) -> Outputs | None:
        """Return the node called `name`, or what stood for it before its list was known; None where there is none."""
        ...


class NodeResult:
    """How one node of a finished run ended, and what it gave.

    Attributes:
        report: Everything that is known of the node's end: reason, seconds, error, outputs.
    """

    def __init__(self, report: NodeReport, graph: Nodes, workspace: Workspace) -> None:
        self.report = report
        self._graph = graph
        self._workspace = workspace

    def __repr__(self) -> str:
        return f"<node {self.report.node}: {self.report.outcome.value}>"

    @property
    def outcome(self) -> Outcome:
        """How it ended."""
        return Outcome(self.report.outcome)

    @property
    def artifacts(self) -> dict[str, str]:
        """The digest of each output, by name."""
        return {output.name: output.artifact.digest for output in self.report.outputs}

    def value(self, output: str | None = None) -> Any:
        """Return what the node gave, read from the store.

        Args:
            output: One of several outputs, by name; by default the only one, or all of them as they were returned:
                in the declared NamedTuple or dataclass, or a tuple.

        Raises:
            StepError: The node has no value: it failed, was skipped, blocked or cancelled.
        """
        if not self.report.outputs:
            failure = self.report.error
            if failure is not None:
                raise StepError.for_failed_value(
                    self.report.node, failure.message, failure.facts, failure.hint, failure.traceback
                )
            raise StepError.for_no_value(self.report.node, self.report.outcome.value, self.report.detail)
        values = {
            item.name: self._workspace.load(item.artifact, self._hint_of(item.name))
            for item in self.report.outputs
            if output in (None, item.name)
        }
        if not values:
            raise NotRecordedError.for_output(
                self.report.node, str(output), [item.name for item in self.report.outputs]
            )
        if output is not None or RETURN in values:
            return next(iter(values.values()))
        declared = self._declared
        return _join(values, declared.result_hint if declared is not None else Any)

    @property
    def _declared(self) -> Outputs | None:
        return self._graph.declared(self.report.node)

    def _hint_of(self, output: str) -> Any:
        declared = self._declared
        return declared.output_hint(output) if declared is not None else Any


def _join(values: Mapping[str, Any], hint: Any) -> Any:
    """Return several outputs as the NamedTuple or dataclass that `hint` declares, else as a tuple."""
    fields = getattr(hint, "_fields", None) or tuple(getattr(hint, "__dataclass_fields__", ()))
    if not isinstance(hint, type) or set(fields) != set(values):
        return tuple(values.values())
    if issubclass(hint, tuple):
        return hint(**values)
    # Not through `__init__`: the fields are as the step returned them, and would be computed with once more.
    whole = object.__new__(hint)
    for name, value in values.items():
        object.__setattr__(whole, name, value)
    return whole


class MappedResult:
    """The nodes of a mapped step, in order."""

    def __init__(self, elements: Sequence[NodeResult]) -> None:
        self.elements = tuple(elements)

    def __len__(self) -> int:
        return len(self.elements)

    def __getitem__(self, index: int) -> NodeResult:
        return self.elements[index]

    @property
    def outcome(self) -> list[Outcome]:
        """How each element ended."""
        return [element.outcome for element in self.elements]

    def value(self) -> list[Any]:
        """Return what each element gave."""
        return [element.value() for element in self.elements]


class Run:
    """A finished run, also one in which a node failed.

    Attributes:
        report: Everything that is known of its end, as `run --json` prints it.
    """

    def __init__(self, report: RunReport, graph: Nodes, workspace: Workspace) -> None:
        self.report = report
        self._graph = graph
        self._workspace = workspace

    def __repr__(self) -> str:
        return f"<run {self.report.run}: {self.report.status.value}>"

    @property
    def id(self) -> str:
        """The run's id."""
        return self.report.run

    @property
    def status(self) -> RunStatus:
        """How it ended."""
        return self.report.status

    @property
    def promotions(self) -> tuple[PromotionReport, ...]:
        """What its promotions decided."""
        return self.report.promotions

    @property
    def nodes(self) -> tuple[str, ...]:
        """The names of its nodes, in order."""
        return tuple(node.node for node in self.report.nodes)

    @overload
    def __getitem__(self, node: str) -> Any: ...

    @overload
    def __getitem__(self, node: tuple[str, int]) -> NodeResult: ...

    def __getitem__(self, node: str | tuple[str, int]) -> Any:
        """Return a node's result by name; of a mapped step, by its name without an index, all its elements.

        Raises:
            NotRecordedError: There is no such node; the message lists what there is.
        """
        name = node if isinstance(node, str) else f"{node[0]}[{node[1]}]"
        reports = {report.node: report for report in self.report.nodes}
        if name in reports:
            return NodeResult(reports[name], self._graph, self._workspace)
        elements = [report for report in self.report.nodes if report.node.rpartition("[")[0] == name]
        if elements or self._graph.declared(f"{name}[*]") is not None:
            # Mapped over a list that was empty, there is no node to be found.
            return MappedResult([NodeResult(report, self._graph, self._workspace) for report in elements])
        raise NotRecordedError.for_node(self.report.run, name, list(reports))
