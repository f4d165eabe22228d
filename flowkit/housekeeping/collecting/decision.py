"""What goes and what stays when a store's garbage is collected, and why: pure, from what the store holds.

What people rely on never goes. Retention by runs and by age says what else stays; a limit in bytes then takes more,
first what is large for the time that making it again takes. Without any retention everything recorded stays.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from datetime import UTC, datetime
from enum import StrEnum

from msgspec import Struct

from flowkit.housekeeping.collecting.accounts import Remaking, SharedFiles
from flowkit.lineage.holdings import Holding, Holdings
from flowkit.lineage.makers import Maker


class Retention(Struct, frozen=True):
    """What is to stay; None where nothing is asked for.

    Attributes:
        runs: All that this many latest successful runs of each pipeline, and the runs since, made or used stays.
        age: What was last used fewer seconds ago stays.
        bytes: More than this must not stay, but for what never goes.
    """

    runs: int | None = None
    age: float | None = None
    bytes: int | None = None


class Decision(StrEnum):
    """What becomes of an artifact."""

    DROP = "drop"
    KEEP = "keep"


class Fate(Struct, frozen=True):
    """What becomes of one artifact.

    Attributes:
        special: Whether it stays for a reason of its own, not by retention.
        seconds: How long making it again takes, with what it needs and is gone too; None where that is not known, or
            nothing makes it again.
        freed: Bytes of the files that go with it, after all that goes before it.
    """

    holding: Holding
    decision: Decision
    reason: str
    special: bool = False
    seconds: float | None = None
    freed: int = 0
    maker: Maker | None = None
    last_used: float | None = None


class Plan(Struct, frozen=True):
    """What becomes of everything: first what goes, in order, then what stays.

    Attributes:
        bytes: All recorded files before.
    """

    fates: tuple[Fate, ...]
    bytes: int

    @property
    def dropped(self) -> tuple[Fate, ...]:
        """What goes, in order."""
        return tuple(fate for fate in self.fates if fate.decision is Decision.DROP)

    @property
    def freed(self) -> int:
        """Bytes that go."""
        return sum(fate.freed for fate in self.fates)


def decide(holdings: Holdings, retention: Retention, now: float, fresh: frozenset[int] = frozenset()) -> Plan:
    """Decide on every artifact that a store holds in files.

    Args:
        holdings: What it holds.
        retention: What is to stay.
        now: Seconds since the epoch.
        fresh: Artifacts whose files were written since the oldest run began that goes on.
    """
    return _Decider(holdings, retention, now, fresh).decide()


class _Decider:
    def __init__(self, holdings: Holdings, retention: Retention, now: float, fresh: frozenset[int]) -> None:
        self._holdings = holdings
        self._retention = retention
        self._now = now
        self._fresh = fresh
        self._since = _kept_since(holdings, retention.runs)
        self._files = SharedFiles(holdings)
        self._remaking = Remaking(holdings)
        self._size = sum(holdings.sizes.values())

    def decide(self) -> Plan:
        rooted = {holding.id: reason for holding in self._holdings.artifacts if (reason := self._root(holding))}
        free = [holding for holding in self._holdings.artifacts if holding.id not in rooted]
        outlived = [(holding, reason) for holding in free if (reason := self._outlived(holding)) is not None]
        dropped = self._drop_outlived(outlived)
        gone = {holding.id for holding, _ in outlived}
        left = [holding for holding in free if holding.id not in gone]
        dropped += self._drop_for_size(left)
        gone |= {fate.holding.id for fate in dropped}
        kept = [self._keep(holding, rooted) for holding in self._holdings.artifacts if holding.id not in gone]
        return Plan((*dropped, *kept), sum(self._holdings.sizes.values()))

    def _root(self, holding: Holding) -> str | None:
        """Return why an artifact never goes, None where it may."""
        if holding.models:
            return f"the content of model {', '.join(holding.models)}"
        if holding.pin is not None:
            return holding.pin
        if holding.live is not None:
            return f"in use by run {holding.live}, which goes on"
        return "stored while a run went on that has not ended" if holding.id in self._fresh else None

    def _outlived(self, holding: Holding) -> str | None:
        """Return in what way an artifact has outlived the retention asked for; None where it is within it."""
        runs, age = self._retention.runs, self._retention.age
        told = []
        if runs is not None:
            if self._run_that_keeps(holding) is not None:
                return None
            told.append(
                "no pipeline's latest successful run used it"
                if runs == 1
                else f"none of the latest {runs:,} successful runs of a pipeline used it"
            )
        if age is not None:
            used = self._last_used(holding)
            if used is not None and used >= self._now - age:
                return None
            told.append(f"last used {_moment(used)}, longer ago than is kept")
        return "; ".join(told) or None

    def _run_that_keeps(self, holding: Holding) -> str | None:
        runs = [use.run for use in holding.uses if use.run >= self._since[use.pipeline]]
        return self._holdings.runs[max(runs)].run if runs else None

    def _last_used(self, holding: Holding) -> float | None:
        return max((self._holdings.runs[use.run].started for use in holding.uses), default=None)

    def _drop_outlived(self, outlived: Sequence[tuple[Holding, str]]) -> list[Fate]:
        """Let all of them go: what is large and quick to make again first."""
        lacking = {holding.id: self._remaking.lack(holding.id) for holding, _ in outlived}
        self._remaking.absent.update(holding.id for holding, _ in outlived)
        order = sorted(outlived, key=lambda item: (-self._gain(item[0], item[0].bytes), item[0].id))
        return [self._drop(holding, reason, lacking[holding.id]) for holding, reason in order]

    def _drop_for_size(self, holdings: Sequence[Holding]) -> list[Fate]:
        """Let go what is large for the time it takes to make again, until what stays fits.

        The gain of one changes as others go: its files may be freed by it alone then, and what it is made from may be
        gone. It is computed again when its turn comes, and put back where it has fallen.
        """
        limit = self._retention.bytes
        if limit is None or self._size <= limit:
            return []
        left = {holding.id: holding for holding in holdings if self._is_known(holding)}
        queue = [(-self._gain_now(holding), number) for number, holding in left.items()]
        heapq.heapify(queue)
        dropped: list[Fate] = []
        while queue and self._size > limit:
            promised, number = heapq.heappop(queue)
            if number not in left:
                continue
            holding, gain = left[number], self._gain_now(left[number])
            if gain <= 0 or not self._is_known(holding):
                continue
            if gain < -promised:
                heapq.heappush(queue, (-gain, number))
                continue
            del left[number]
            self._remaking.absent.add(number)
            dropped.append(self._drop(holding, "large for the time that making it again takes", None))
            for other in self._files.sharing(holding):
                if other in left:
                    heapq.heappush(queue, (-self._gain_now(left[other]), other))
        return dropped

    def _is_known(self, holding: Holding) -> bool:
        return self._remaking.seconds(holding.id) is not None

    def _gain_now(self, holding: Holding) -> float:
        return self._gain(holding, self._files.freed_by(holding))

    def _gain(self, holding: Holding, size: int) -> float:
        """Return the bytes freed by each second of making an artifact again."""
        seconds = self._remaking.seconds(holding.id)
        return 0.0 if seconds is None else size / max(seconds, 0.001)

    def _drop(self, holding: Holding, reason: str, lack: str | None) -> Fate:
        freed = self._files.drop(holding)
        self._size -= freed
        told = f"{reason}; it cannot be made again: {lack}" if lack is not None else reason
        return self._fate(holding, Decision.DROP, told, freed=freed)

    def _keep(self, holding: Holding, rooted: dict[int, str]) -> Fate:
        if holding.id in rooted:
            return self._fate(holding, Decision.KEEP, rooted[holding.id], special=True)
        over = self._retention.bytes is not None and self._size > self._retention.bytes
        lack = self._remaking.lack(holding.id) if over else None
        if lack is not None:
            return self._fate(holding, Decision.KEEP, f"it cannot be made again: {lack}", special=True)
        if over:
            reason = (
                "others that stay share its files"
                if self._files.freed_by(holding) == 0
                else "how long making it again takes is not known"
            )
            return self._fate(holding, Decision.KEEP, reason, special=True)
        return self._fate(holding, Decision.KEEP, self._describe_retention(holding))

    def _describe_retention(self, holding: Holding) -> str:
        if self._retention.runs is not None and (run := self._run_that_keeps(holding)) is not None:
            return f"used by run {run}"
        if self._retention.age is not None:
            return f"last used {_moment(self._last_used(holding))}"
        return "what stays fits" if self._retention.bytes is not None else "no retention is asked for"

    def _fate(
        self, holding: Holding, decision: Decision, reason: str, *, special: bool = False, freed: int = 0
    ) -> Fate:
        return Fate(
            holding,
            decision,
            reason,
            special,
            self._remaking.seconds(holding.id),
            freed,
            self._holdings.makers.get(holding.id),
            self._last_used(holding),
        )


def _kept_since(holdings: Holdings, count: int | None) -> dict[int, int]:
    """Return by pipeline the oldest run that counts among its latest: failed ones do not push successful ones out."""
    since: dict[int, int] = {run.pipeline: 0 for run in holdings.runs.values()}
    if count is None:
        return since
    succeeded: dict[int, list[int]] = {}
    for number, run in holdings.runs.items():
        if run.succeeded:
            succeeded.setdefault(run.pipeline, []).append(number)
    for pipeline, numbers in succeeded.items():
        if len(numbers) >= count:
            since[pipeline] = sorted(numbers)[-count]
    return since


def _moment(seconds: float | None) -> str:
    if seconds is None:
        return "by no run"
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
