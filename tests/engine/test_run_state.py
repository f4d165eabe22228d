"""The run state machine, driven through random graphs, random endings and random orders of events."""

from __future__ import annotations

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from flowkit.engine.commands import Launch, LookUp, Settle, Stop
from flowkit.engine.node_state import Phase
from flowkit.engine.run_state import RunState
from flowkit.graph.arguments import Ref
from flowkit.graph.graph import Graph, Node, NodeKind
from flowkit.records import Outcome, RunStatus, StepOptions
from tests.engine.graphs import HERE, graphs, make_step

ENDINGS = ["succeed", "fail", "skip", "return", "reuse", "flaky", "elsewhere", "left"]
"""Of the last two another driver computes the node first: it gives it, or leaves it undone."""


class Drive:
    """Performs commands in an order that hypothesis chooses, and keeps count."""

    def __init__(self, graph: Graph, endings: dict[str, str], pick: st.DataObject, retries: int = 0) -> None:
        self.state = RunState(graph, lambda _: StepOptions(retries=retries, retry_delay=1.0))
        self.graph, self.endings, self.pick, self.now = graph, endings, pick, 0.0
        self.successes: Counter[str] = Counter()
        self.launches: Counter[str] = Counter()
        self.open: list[LookUp | Launch] = []
        self.returned: set[str] = set()
        self.deferred: set[str] = set()
        self.undone: set[str] = set()

    def take(self, commands: list) -> None:
        for command in commands:
            if isinstance(command, (LookUp, Launch)):
                self.check_inputs_settled(command.node)
                self.open.append(command)
            else:
                assert isinstance(command, (Settle, Stop))

    def check_inputs_settled(self, node: str) -> None:
        for producer in self.graph.producers[node]:
            known = self.state.nodes[producer]
            again = known.attempts or producer in self.undone
            assert known.phase is Phase.SETTLED or again, f"{node} went before {producer}"

    def run(self) -> None:
        self.take(self.state.begin())
        for _ in range(10_000):
            if self.state.finished:
                return
            if not self.open:
                due = self.state.next_retry
                assert due is not None, "nothing is open, nothing is due, and the run is not finished"
                self.now = due
                self.take(self.state.clock(self.now))
                continue
            index = self.pick.draw(st.integers(0, len(self.open) - 1))
            self.perform(self.open.pop(index))
        raise AssertionError("the run does not end")

    def perform(self, command: LookUp | Launch) -> None:
        ending = self.endings[command.node]
        if isinstance(command, LookUp):
            if ending == "reuse" or (ending == "elsewhere" and command.node in self.deferred):
                self.take(self.state.reused(command.node))
            else:
                self.take(self.state.missed(command.node, f"key of {command.node}"))
            return
        if ending in ("elsewhere", "left") and command.node not in self.deferred:
            self.deferred.add(command.node)
            self.state.deferred(command.node, command.token)
            assert self.state.succeeded(command.node, command.token) == []
            self.take(self.state.freed(command.node))
            assert self.state.freed(command.node) == []
            return
        self.launches[command.node] += 1
        if ending == "return" and command.node not in self.returned:
            self.returned.add(command.node)
            self.take(self.state.returned(command.node, command.token))
        elif ending == "fail" or (ending == "flaky" and command.attempt == 1):
            self.take(self.state.failed(command.node, command.token, retryable=True, now=self.now))
        elif ending == "skip":
            self.take(self.state.skipped(command.node, command.token))
        else:
            self.successes[command.node] += 1
            self.take(self.state.succeeded(command.node, command.token))


def expected_outcomes(graph: Graph, endings: dict[str, str], retries: int) -> dict[str, Outcome]:
    """An independent oracle: outcomes in one pass over the nodes in order."""
    found: dict[str, Outcome] = {}
    for node in graph:
        edges = [edge for edge in graph.edges if edge.consumer == node.name]
        given = [(edge, found[edge.ref.node]) for edge in edges]
        ending = endings[node.name]
        if any(outcome in (Outcome.FAILED, Outcome.BLOCKED) for _, outcome in given):
            found[node.name] = Outcome.BLOCKED
        elif any(outcome is Outcome.SKIPPED and not (edge.gathered or edge.optional) for edge, outcome in given):
            found[node.name] = Outcome.SKIPPED
        elif ending in ("reuse", "elsewhere"):
            found[node.name] = Outcome.REUSED
        elif ending == "fail" or (ending == "flaky" and retries == 0):
            found[node.name] = Outcome.FAILED
        elif ending == "skip":
            found[node.name] = Outcome.SKIPPED
        else:
            found[node.name] = Outcome.EXECUTED
    return found


@settings(max_examples=60, deadline=None)
@given(graph=graphs(), data=st.data(), retries=st.integers(0, 2))
def test_every_order_of_events_gives_the_outcomes_of_one_pass(graph: Graph, data: st.DataObject, retries: int) -> None:
    """No ready node is forgotten, none runs twice, and the order of events does not change an outcome."""
    endings = {name: data.draw(st.sampled_from(ENDINGS)) for name in graph.nodes}
    drive = Drive(graph, endings, data, retries)

    drive.run()

    assert {name: state.outcome for name, state in drive.state.nodes.items()} == expected_outcomes(
        graph, endings, retries
    )
    assert all(count == 1 for count in drive.successes.values())
    failed = any(state.outcome is Outcome.FAILED for state in drive.state.nodes.values())
    assert drive.state.status is (RunStatus.FAILED if failed else RunStatus.SUCCEEDED)


@settings(max_examples=60, deadline=None)
@given(graph=graphs(), data=st.data())
def test_an_incremental_run_equals_a_clean_run(graph: Graph, data: st.DataObject) -> None:
    """What a first run executed is reused by the second, and all that failed is tried again: the ends are the same."""
    endings = {name: data.draw(st.sampled_from(["succeed", "fail", "skip"])) for name in graph.nodes}
    first = Drive(graph, endings, data)
    first.run()
    executed = [name for name, state in first.state.nodes.items() if state.outcome is Outcome.EXECUTED]

    mended = {name: "reuse" if name in executed else "succeed" for name in graph.nodes}
    second = Drive(graph, mended, data)
    second.run()

    assert all(second.launches[name] == 0 for name in executed)
    assert {state.outcome for state in second.state.nodes.values()} <= {Outcome.EXECUTED, Outcome.REUSED}


@settings(max_examples=60, deadline=None)
@given(graph=graphs(), data=st.data())
def test_a_cancelled_run_ends_and_launches_nothing_more(graph: Graph, data: st.DataObject) -> None:
    """After a cancellation every node settles once what runs has come back."""
    endings = dict.fromkeys(graph.nodes, "succeed")
    drive = Drive(graph, endings, data)
    drive.take(drive.state.begin())
    for _ in range(data.draw(st.integers(0, 5))):
        if drive.open:
            drive.perform(drive.open.pop())
    running = [command for command in drive.open if isinstance(command, Launch)]

    commands = drive.state.cancel()

    stopped = [node for command in commands if isinstance(command, Stop) for node in command.nodes]
    assert sorted(stopped) == sorted(command.node for command in running)
    for command in running:
        drive.take(drive.state.failed(command.node, command.token, retryable=True, now=0.0))
    assert drive.state.finished
    assert not [command for command in drive.open if isinstance(command, Launch) and command not in running]


@settings(max_examples=50, deadline=None)
@given(graph=graphs(), data=st.data())
def test_an_abandoned_run_is_over_where_it_stands(graph: Graph, data: st.DataObject) -> None:
    """What had settled keeps its outcome, all else is cancelled, and what still comes in changes nothing."""
    drive = Drive(graph, dict.fromkeys(graph.nodes, "succeed"), data)
    drive.take(drive.state.begin())
    for _ in range(data.draw(st.integers(0, 5))):
        if drive.open:
            drive.perform(drive.open.pop())
    settled = {name: state.outcome for name, state in drive.state.nodes.items() if state.outcome is not None}
    tokens = {name: state.token for name, state in drive.state.nodes.items()}

    drive.state.abandon()

    expected = dict.fromkeys(graph.nodes, Outcome.CANCELLED) | settled
    assert drive.state.finished
    assert {name: drive.state.outcome(name) for name in graph.nodes} == expected
    for name, token in tokens.items():
        assert drive.state.succeeded(name, token) == []
        assert drive.state.missed(name, None) == []
    assert {name: drive.state.outcome(name) for name in graph.nodes} == expected


@settings(max_examples=60, deadline=None)
@given(graph=graphs(), data=st.data())
def test_a_lost_input_is_made_again_before_its_consumer(graph: Graph, data: st.DataObject) -> None:
    """A consumer that finds its input gone waits for the maker, at no charge, and the run still ends well."""
    drive = Drive(graph, dict.fromkeys(graph.nodes, "succeed"), data)
    drive.take(drive.state.begin())
    lost = False
    while not drive.state.finished:
        command = drive.open.pop(data.draw(st.integers(0, len(drive.open) - 1)))
        producers = graph.producers[command.node]
        if isinstance(command, Launch) and producers and not lost:
            lost = True
            drive.take(drive.state.lost(command.node, command.token, [producers[0]]))
            assert drive.state.nodes[command.node].attempts == 0
        else:
            drive.perform(command)
    assert drive.state.status is RunStatus.SUCCEEDED


@settings(max_examples=50, deadline=None)
@given(graph=graphs(), data=st.data())
def test_what_was_gone_before_it_was_recorded_is_looked_up_anew(graph: Graph, data: st.DataObject) -> None:
    """At any moment after its success, also the last: the node runs once more at no charge, and all ends as before."""
    endings = {name: data.draw(st.sampled_from(["succeed", "reuse", "skip", "fail"])) for name in graph.nodes}
    drive = Drive(graph, endings, data)
    drive.take(drive.state.begin())
    left = {name for name in graph.nodes if data.draw(st.booleans())}
    while drive.open or left:
        if drive.open and (not left or data.draw(st.booleans())):
            drive.perform(drive.open.pop(data.draw(st.integers(0, len(drive.open) - 1))))
            continue
        name = data.draw(st.sampled_from(sorted(left)))
        before = drive.state.nodes[name].outcome
        commands = drive.state.undone(name)
        assert (commands != []) is (before in (Outcome.EXECUTED, Outcome.REUSED))
        left.discard(name)
        drive.undone.add(name)
        drive.take(commands)

    assert drive.state.finished
    assert {name: state.outcome for name, state in drive.state.nodes.items()} == expected_outcomes(graph, endings, 0)
    assert all(state.attempts <= 1 for state in drive.state.nodes.values())


def test_a_late_report_changes_nothing() -> None:
    """A result that bears the token of an earlier attempt is not taken."""
    state = RunState(_single(), lambda _: StepOptions(retries=1))
    state.begin()
    (launch,) = state.missed("n0", "k")
    assert isinstance(launch, Launch)
    state.failed("n0", launch.token, retryable=True, now=0.0)
    (again,) = state.clock(0.0)
    assert isinstance(again, Launch)

    assert state.succeeded("n0", launch.token) == []
    assert not state.finished
    state.succeeded("n0", again.token)
    assert state.finished
    assert state.nodes["n0"].attempts == 2


def _single() -> Graph:
    return Graph("one", [Node("n0", NodeKind.STEP, make_step("n0"), {"inputs": [], "maybe": None}, HERE)])


def test_nodes_with_one_key_run_once() -> None:
    """The second of two nodes with one key waits for the first and then looks again."""
    step = make_step("n")
    twins = [Node(name, NodeKind.STEP, step, {"inputs": [], "maybe": None}, HERE) for name in ("a", "b")]
    state = RunState(Graph("twins", twins), lambda _: StepOptions())
    state.begin()

    (launch,) = state.missed("a", "k")
    assert isinstance(launch, Launch)
    assert state.missed("b", "k") == []
    assert state.succeeded("a", launch.token) == [LookUp("b")]
    state.reused("b")
    assert state.finished


def test_a_node_that_gets_another_key_leaves_the_first_to_what_followed_it() -> None:
    """An input that is made again may have other content: who waited for the key of before computes it itself."""
    step = make_step("n")
    makers = [Node(name, NodeKind.STEP, step, {"inputs": [], "maybe": None}, HERE) for name in ("of a", "of b")]
    twins = [
        Node(name, NodeKind.STEP, step, {"inputs": [Ref(f"of {name}")], "maybe": None}, HERE) for name in ("a", "b")
    ]
    state = RunState(Graph("twins", [*makers, *twins]), lambda _: StepOptions())
    state.begin()
    state.reused("of a")
    state.reused("of b")
    (launch,) = state.missed("a", "before")
    assert isinstance(launch, Launch)
    assert state.missed("b", "before") == []
    assert state.lost("a", launch.token, ["of a"]) == [LookUp("of a")]
    (made,) = state.missed("of a", "k")
    assert isinstance(made, Launch)
    assert state.succeeded("of a", made.token) == [LookUp("a")]

    freed, again = state.missed("a", "after")

    assert freed == LookUp("b")
    assert isinstance(again, Launch)
    (leads,) = state.missed("b", "before")
    assert isinstance(leads, Launch)
    state.succeeded("a", again.token)
    state.succeeded("b", leads.token)
    assert state.finished
