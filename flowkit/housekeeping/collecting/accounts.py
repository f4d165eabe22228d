"""What dropping an artifact costs and frees while more and more of them go: the time to make it again, its files."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct, field

from flowkit.lineage.holdings import Holding, Holdings

MOST_UPSTREAM = 200
"""How many executions are counted for making one artifact again; of more the time is taken to be unknown."""


class Remaking(Struct):
    """What making artifacts again takes while more and more of them go."""

    holdings: Holdings
    absent: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.absent = set(self.holdings.dropped)

    def lack(self, artifact: int) -> str | None:
        """Return why an artifact cannot be made again, None where it can."""
        return self._walk(artifact)[1]

    def seconds(self, artifact: int) -> float | None:
        """Return how long making an artifact again takes, with what is gone upstream; None where it is not known."""
        seconds, lack = self._walk(artifact)
        return seconds if lack is None else None

    def _walk(self, artifact: int) -> tuple[float | None, str | None]:
        total: float | None = 0.0
        stack, executions = [artifact], set[int]()
        while stack:
            maker = self.holdings.makers.get(stack.pop())
            if maker is None:
                return None, "no step made it: it was given as an argument"
            if maker.lack is not None:
                return None, maker.lack
            if maker.execution in executions:
                continue
            executions.add(maker.execution)
            unknown = total is None or maker.seconds is None or len(executions) > MOST_UPSTREAM
            total = None if unknown else (total or 0.0) + (maker.seconds or 0.0)
            if len(executions) <= MOST_UPSTREAM:
                stack += [taken for taken in maker.inputs if taken in self.absent]
        return total, None


class SharedFiles(Struct):
    """Which artifacts that stay name each file: a file goes with the last of them."""

    holdings: Holdings
    namers: dict[int, set[int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for holding in self.holdings.artifacts:
            for file in holding.files:
                self.namers.setdefault(file, set()).add(holding.id)

    def freed_by(self, holding: Holding) -> int:
        """Return the bytes that go with an artifact."""
        return sum(self.holdings.sizes[file] for file in holding.files if self.namers[file] == {holding.id})

    def drop(self, holding: Holding) -> int:
        """Let an artifact go and return the bytes that go with it."""
        freed = self.freed_by(holding)
        for file in holding.files:
            self.namers[file].discard(holding.id)
        return freed

    def sharing(self, holding: Holding) -> Iterable[int]:
        """Return the artifacts that stay and name one of its files too."""
        return {namer for file in holding.files for namer in self.namers[file]}
