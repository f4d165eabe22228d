"""What the lineage writer has to say after a commit, from its own thread: kept until the driver asks."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from msgspec import Struct

from flowkit.records import NodeRecord


class Disagreed(Struct, frozen=True):
    """An execution whose outputs differ from those that stood under the same key: its step is not deterministic."""

    record: NodeRecord
    outputs: tuple[str, ...]


class Notices:
    """Two queues between the writer's thread and the driver's."""

    def __init__(self) -> None:
        self._refused: deque[NodeRecord] = deque()
        self._disagreed: deque[Disagreed] = deque()

    def refuse(self, record: NodeRecord) -> None:
        """Take note of a success whose content was gone: `record` is the failure that was written instead."""
        self._refused.append(record)

    def disagree(self, record: NodeRecord, outputs: tuple[str, ...]) -> None:
        """Take note of outputs that differ from those recorded."""
        self._disagreed.append(Disagreed(record, outputs))

    def refusals(self) -> Iterator[NodeRecord]:
        """Yield the failures that came since the last call."""
        while self._refused:
            yield self._refused.popleft()

    def disagreements(self) -> Iterator[Disagreed]:
        """Yield the outputs that differ since the last call."""
        while self._disagreed:
            yield self._disagreed.popleft()


def describe_disagreement(notice: Disagreed) -> str:
    """Return the warning of a step that gave the same inputs another result; each step is warned of once a run."""
    record, names = notice.record, ", ".join(notice.outputs)
    replaced = record.execution is not None and record.execution.supersedes is not None
    if record.execution is not None and record.execution.tries_accepted:
        return (
            f"The edit of {record.node!r} that was accepted changes its result: it gave another {names} than what was "
            "kept. The new one stands."
        )
    stands = "It was made anew, so the new one stands." if replaced else "The first one stands for later runs."
    return (
        f"Step {record.step!r} is not deterministic: {record.node!r} gave another {names} than the same code and "
        f"inputs gave before. {stands} `flowkit verify --rerun` says what differs."
    )
