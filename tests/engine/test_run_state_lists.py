"""The run state machine over lists that become known while it goes on: random programs, lengths, ends and orders."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

import flowkit as fk
from flowkit.engine.commands import Launch, LookUp, Settle, Stop
from flowkit.engine.node_state import Phase
from flowkit.engine.run_state import RunState
from flowkit.graph.arguments import Gather, Ref, refs_of
from flowkit.graph.expansion import Expansion, expand
from flowkit.graph.graph import Graph, Node, list_of
from flowkit.records import Outcome, RunStatus, StepOptions

BAD = (Outcome.FAILED, Outcome.BLOCKED)
GOOD = (Outcome.EXECUTED, Outcome.REUSED)


@fk.step
def numbers(seed: int) -> list[int]:
    return [seed]


@fk.step
def add(left: int, right: int | None = 1) -> int:
    return left


@fk.step
def total(numbers: list[int]) -> int:
    return sum(numbers)


@st.composite
def programs(draw: st.DrawFn) -> Graph:
    """Pipelines of some lists, mapped, aligned, gathered, and made into lists again."""
    lists = draw(st.lists(st.lists(st.sampled_from(["map", "align", "gather", "again"]), max_size=4), max_size=3))

    @fk.pipeline
    def program() -> None:
        numbers.named("first")(0)
        for seed, operations in enumerate(lists):
            start = mapped = fk.each(numbers(seed))
            for operation in operations:
                if operation == "map":
                    mapped = add(mapped)
                elif operation == "align":
                    mapped = add(start, mapped)
                elif operation == "gather":
                    total(fk.collect(mapped))
                else:
                    start = mapped = fk.each(fk.collect(mapped))
            total(fk.collect(mapped))

    return program.build({})


class Drive:
    """Performs commands in an order that hypothesis chooses; lists have the lengths that it chooses."""

    def __init__(self, graph: Graph, data: st.DataObject, *, losses: bool = False) -> None:
        self.state = RunState(graph, lambda _: StepOptions())
        self.data, self.losses = data, losses
        self.endings: dict[str, str] = {}
        self.known: set[str] = set()
        self.lost: set[str] = set()
        self.open: list[LookUp | Launch] = []

    def take(self, commands: list) -> None:
        for command in commands:
            if isinstance(command, (LookUp, Launch)):
                node = self.state.graph[command.node]
                assert node.dimension is None, f"{command.node} stands for elements and cannot run"
                producers = self.state.graph.producers[command.node]
                assert all(self.state.nodes[name].phase is Phase.SETTLED for name in producers) or self.lost
                self.open.append(command)
            else:
                assert isinstance(command, (Settle, Stop))

    def run(self, cancel_after: int | None = None) -> None:
        self.take(self.state.begin())
        for count in range(2_000):
            if self.state.finished:
                return
            if count == cancel_after:
                self.take(self.state.cancel())
                continue
            assert self.open, "nothing is open, and the run is not finished"
            self.perform(self.open.pop(self.data.draw(st.integers(0, len(self.open) - 1))))
        raise AssertionError("the run does not end")

    def ending_of(self, node: str) -> str:
        if node not in self.endings:
            self.endings[node] = self.data.draw(st.sampled_from(["succeed", "succeed", "reuse", "fail", "skip"]))
        return self.endings[node]

    def expansion(self, node: Node) -> Expansion | None:
        if not node.hidden or node.name in self.known or self.state.cancelled:
            return None
        self.known.add(node.name)
        source = list_of(node)
        if isinstance(source, Gather):
            refs = [ref for ref in source.refs if self.state.outcome(ref.node) in GOOD]
        else:
            refs = [Ref(node.name, str(index)) for index in range(self.data.draw(st.integers(0, 3)))]
        return expand(self.state.graph, node.name, refs)

    def perform(self, command: LookUp | Launch) -> None:
        node, state = self.state.graph[command.node], self.state
        gathered = node.hidden and isinstance(list_of(node), Gather)
        ending = "reuse" if gathered else self.ending_of(node.name)
        if isinstance(command, LookUp):
            if state.nodes[node.name].phase is not Phase.LOOKING:
                return
            if ending == "reuse":
                self.take(state.reused(node.name, self.expansion(node)))
            else:
                self.take(state.missed(node.name, f"key of {node.name}"))
        elif not state.is_current(node.name, command.token) or (self.losses and self.lose(node, command.token)):
            return
        elif ending == "fail":
            self.take(state.failed(node.name, command.token, retryable=False, now=0.0))
        elif ending == "skip" and not node.hidden:
            self.take(state.skipped(node.name, command.token))
        else:
            self.take(state.succeeded(node.name, command.token, self.expansion(node)))

    def lose(self, node: Node, token: str) -> bool:
        """Report that what a list gave is gone, once for each node."""
        graph, outcome = self.state.graph, self.state.outcome
        makers = [name for name in graph.producers[node.name] if graph[name].hidden and outcome(name) in GOOD]
        if not makers or node.name in self.lost or not self.data.draw(st.booleans()):
            return False
        self.lost.add(node.name)
        self.take(self.state.lost(node.name, token, makers))
        return True


def expected(graph: Graph, endings: dict[str, str]) -> dict[str, Outcome]:
    """An independent oracle: outcomes in one pass over the nodes that there came to be."""
    words = {
        "succeed": Outcome.EXECUTED,
        "reuse": Outcome.REUSED,
        "fail": Outcome.FAILED,
        "skip": Outcome.SKIPPED,
    }
    found: dict[str, Outcome] = {}
    for node in graph:
        given = [(edge, found[edge.ref.node]) for edge in graph.edges_by_consumer[node.name]]
        bad = next((edge for edge, outcome in given if outcome in BAD), None)
        if bad is not None:
            unpacked_badly = graph[bad.ref.node].hidden and found[bad.ref.node] is Outcome.FAILED
            found[node.name] = Outcome.FAILED if unpacked_badly else Outcome.BLOCKED
        elif any(outcome is Outcome.SKIPPED and not (edge.gathered or edge.optional) for edge, outcome in given):
            found[node.name] = Outcome.SKIPPED
        elif node.hidden and isinstance(list_of(node), Gather):
            found[node.name] = Outcome.REUSED
        elif node.hidden and endings[node.name] == "skip":
            found[node.name] = Outcome.EXECUTED
        else:
            found[node.name] = words[endings[node.name]]
    return found


@settings(max_examples=80, deadline=None)
@given(graph=programs(), data=st.data())
def test_every_order_gives_the_outcomes_of_one_pass(graph: Graph, data: st.DataObject) -> None:
    """Elements run once their list is known; what becomes of a template follows from its list alone."""
    drive = Drive(graph, data)

    drive.run()

    outcomes = {name: state.outcome for name, state in drive.state.nodes.items()}
    assert outcomes == expected(drive.state.graph, drive.endings)
    for node in drive.state.graph:
        assert node.dimension is None or outcomes[node.name] in (*BAD, Outcome.SKIPPED)
        assert all(ref.node in drive.state.graph for tree in node.arguments.values() for ref in refs_of(tree))


@settings(max_examples=40, deadline=None)
@given(graph=programs(), data=st.data(), after=st.integers(0, 15))
def test_a_cancelled_run_ends_with_its_templates(graph: Graph, data: st.DataObject, after: int) -> None:
    """Every node settles; what stood for elements that nobody knows yet is cancelled as one node."""
    drive = Drive(graph, data)

    drive.run(cancel_after=after)

    outcomes = {name: state.outcome for name, state in drive.state.nodes.items()}
    assert None not in outcomes.values()
    assert drive.state.cancelled or Outcome.CANCELLED not in outcomes.values()
    if Outcome.CANCELLED in outcomes.values():
        assert drive.state.status is RunStatus.CANCELLED


@settings(max_examples=40, deadline=None)
@given(graph=programs(), data=st.data())
def test_a_list_that_is_taken_apart_again_changes_no_outcome(graph: Graph, data: st.DataObject) -> None:
    """Elements that were lost are made again by what made them, and every node still ends as it would have."""
    drive = Drive(graph, data, losses=True)

    drive.run()

    outcomes = {name: state.outcome for name, state in drive.state.nodes.items()}
    assert outcomes == expected(drive.state.graph, drive.endings)
