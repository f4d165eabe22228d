"""Collects a store's garbage while runs go on.

In this order, so that a crash leaves files that nothing names and never a row without its file: it is decided what may
go; under the write lock each artifact is looked at again and forgotten; that is committed; under the write lock again
each of its files that still nothing names is unlinked. What a worker found there in between is missed by the commit of
its record, which is refused, and the run makes it again.

A file also stays where no record names it, but a file that stays leads on to it: see `needs`. On a full disk nothing
can be recorded, so what needs no record goes before all else.
"""

from __future__ import annotations

import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Container, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from flowkit.engine.report import JSON_FORMAT
from flowkit.housekeeping.collecting.decision import Decision, Fate, Plan, Retention, decide
from flowkit.housekeeping.collecting.needs import Needs, find_needs
from flowkit.lineage.collection import (
    drop_artifacts,
    files_of,
    forget_unnamed_files,
    has_succeeded,
    is_named,
    is_recorded,
    live_since,
    named_files,
    runs_before,
    write_durably,
)
from flowkit.lineage.holdings import Holdings, load_holdings
from flowkit.lineage.liveness import is_driven
from flowkit.lineage.reader import Reader
from flowkit.lineage.writer import LineageWriter
from flowkit.registry.audit import append_audit
from flowkit.store.collection import collecting
from flowkit.store.folder import StoreFolder
from flowkit.store.gc import (
    Leftover,
    LeftoverKind,
    find_leftovers,
    find_logs,
    find_unnamed_blobs,
    is_put_since,
    remove_leftover,
    sync_removals,
    unlink_blobs,
)
from flowkit.store.names import digest_in
from flowkit.store.references import References

T = TypeVar("T")

GRACE = 3600.0
"""Seconds for which a blob that nothing names stays: its record may be on its way."""

BATCH = 100
"""How many artifacts are forgotten, and files unlinked, while other processes wait for the write lock."""

ACTION = "collect"
"""What the audit log calls a collection that drops something."""

Progress = Callable[[int, int], None]
"""Told how many artifacts of how many have been dropped."""


class Collection(Struct, frozen=True):
    """What a collection did, or would do.

    Attributes:
        plan: What became of every artifact in files.
        leftovers: What else went.
        freed: Bytes that were unlinked, or would be.
    """

    plan: Plan
    leftovers: tuple[Leftover, ...]
    freed: int
    retention: Retention
    dry_run: bool

    def to_json(self, store: str) -> dict[str, Any]:
        """Return the object that `gc --json` prints."""
        sizes: Counter[LeftoverKind] = Counter()
        for leftover in self.leftovers:
            sizes[leftover.kind] += leftover.bytes
        counts = Counter(leftover.kind for leftover in self.leftovers)
        return {
            "format": JSON_FORMAT,
            "store": store,
            "dry_run": self.dry_run,
            "retention": {"runs": self.retention.runs, "age": self.retention.age, "bytes": self.retention.bytes},
            "artifacts": [_fate_to_json(fate) for fate in self.plan.fates],
            "leftovers": [{"kind": kind.value, "count": counts[kind], "bytes": sizes[kind]} for kind in counts],
            "bytes": self.plan.bytes,
            "freed_bytes": self.freed,
        }


def _fate_to_json(fate: Fate) -> dict[str, Any]:
    return {
        "artifact": fate.holding.digest,
        "format": fate.holding.format,
        "bytes": fate.holding.bytes,
        "decision": fate.decision.value,
        "reason": fate.reason,
        "special": fate.special,
        "seconds": fate.seconds,
        "freed": fate.freed,
        "run": fate.maker.run if fate.maker is not None else None,
        "node": fate.maker.node if fate.maker is not None else None,
    }


def foresee(folder: StoreFolder, retention: Retention, *, grace: float = GRACE, now: float | None = None) -> Collection:
    """Say what a collection would do now; nothing is changed, not even locked.

    Raises:
        StoreError: The store cannot be read.
    """
    moment = time.time() if now is None else now
    with Reader(folder.database) as reader:
        holdings, needs, plan = _decide(folder, reader, References(folder), retention, grace, moment)
        needed = named_files(reader) | needs.without(())
        leftovers = (*find_unnamed_blobs(folder, needed, _before(holdings.live_since, grace, moment)),)
        leftovers += (*_find_others(folder, reader, holdings.live_since, retention, needed, moment),)
    freed = plan.freed + sum(leftover.bytes for leftover in leftovers)
    return Collection(plan, leftovers, freed, retention, dry_run=True)


def collect(
    folder: StoreFolder,
    writer: LineageWriter,
    retention: Retention,
    *,
    who: str,
    grace: float = GRACE,
    now: float | None = None,
    told: Progress = lambda done, total: None,
) -> Collection:
    """Drop what `retention` does not keep, and remove what was left behind.

    Args:
        folder: The store.
        writer: Its writer; runs whose driver died are marked as crashed with it.
        retention: What is to stay.
        who: For the audit log.
        grace: Seconds for which a blob that nothing names stays. Nothing that a run needs is lost with 0, but what was
            just put may have to be made again.
        now: Seconds since the epoch.
        told: Told of the progress.

    Raises:
        StoreError: Another process collects or makes a backup, or a file cannot be removed.
        LineageError: The database cannot be read or written.
    """
    moment = time.time() if now is None else now
    with collecting(folder), _reading(folder, writer) as reader:
        references = References(folder)
        # First what needs no record: on a full disk only that can be removed.
        leftovers, freed = _remove_leftovers(folder, writer, reader, references, retention, grace, moment)
        holdings, needs, plan = _decide(folder, reader, references, retention, grace, moment)
        begun = partial(_record, plan=plan, retention=retention, who=who, at=moment)
        gone, unlinked = _drop(folder, writer, holdings, needs, plan, grace, moment, begun, told)
        sync_removals(folder)
        return Collection(_as_done(plan, gone), leftovers, freed + unlinked, retention, dry_run=False)


def _remove_leftovers(
    folder: StoreFolder,
    writer: LineageWriter,
    reader: Reader,
    references: References,
    retention: Retention,
    grace: float,
    now: float,
) -> tuple[tuple[Leftover, ...], int]:
    holdings, needs = _look(folder, reader, references)
    needed = named_files(reader) | needs.without(())
    others = tuple(_find_others(folder, reader, holdings.live_since, retention, needed, now))
    for leftover in others:
        remove_leftover(folder, leftover)
    before = _before(holdings.live_since, grace, now)
    blobs = tuple(find_unnamed_blobs(folder, needed, before))
    recorded = [blob.name for blob in blobs if is_recorded(reader, digest_in(blob.name))]
    never = [blob.name for blob in blobs if blob.name not in frozenset(recorded)]
    size = _unlink(folder, writer, never, needs.without(()), before)
    writer.mark_crashed_runs()
    writer.write(forget_unnamed_files)
    if recorded:
        writer.write(write_durably)
    size += _unlink(folder, writer, recorded, needs.without(()), before)
    return (*blobs, *others), size + sum(leftover.bytes for leftover in others)


@contextmanager
def _reading(folder: StoreFolder, writer: LineageWriter) -> Iterator[Reader]:
    writer.flush()
    with Reader(folder.database) as reader:
        yield reader


def _look(folder: StoreFolder, reader: Reader, references: References) -> tuple[Holdings, Needs]:
    return find_needs(
        references, reader, load_holdings(reader, lambda run, driver: is_driven(folder.runs, run, driver))
    )


def _decide(
    folder: StoreFolder, reader: Reader, references: References, retention: Retention, grace: float, now: float
) -> tuple[Holdings, Needs, Plan]:
    holdings, needs = _look(folder, reader, references)
    plan = decide(holdings, retention, now)
    since = holdings.live_since
    if since is None:
        return holdings, needs, plan
    # Only of what would go is it worth looking at the files; what stays then may let others go in its place.
    fresh: frozenset[int] = frozenset()
    while True:
        found = frozenset(
            fate.holding.id
            for fate in plan.dropped
            if any(is_put_since(folder, name, since - grace) for name in files_of(reader, fate.holding.id))
        )
        if not found:
            return holdings, needs, plan
        fresh |= found
        plan = decide(holdings, retention, now, fresh)


def _drop(
    folder: StoreFolder,
    writer: LineageWriter,
    holdings: Holdings,
    needs: Needs,
    plan: Plan,
    grace: float,
    now: float,
    begun: Callable[[sqlite3.Connection], None],
    told: Progress,
) -> tuple[frozenset[int], int]:
    """Drop what the plan says in batches; return what went and the bytes that were unlinked.

    `begun` is called in the transaction that forgets the first: a collection that is killed has its audit row.
    """
    going = [fate.holding.id for fate in plan.dropped]
    gone: frozenset[int] = frozenset()
    size = 0
    for start in range(0, len(going), BATCH):
        batch = going[start : start + BATCH]

        def forget(
            connection: sqlite3.Connection, batch: Sequence[int] = batch, first: bool = not gone
        ) -> tuple[frozenset[int], tuple[str, ...]]:
            since = live_since(connection)
            found = drop_artifacts(
                connection,
                batch,
                newest_run=holdings.last_run,
                at=now,
                is_fresh=lambda name: since is not None and is_put_since(folder, name, since - grace),
            )
            if found[0] and first:
                begun(connection)
            return found

        forgotten, orphans = writer.write(forget)
        gone |= forgotten
        size += _unlink(folder, writer, (*orphans, *sorted(needs.of(forgotten))), needs.without(gone), None)
        told(min(start + BATCH, len(going)), len(going))
    return gone, size


def _unlink(
    folder: StoreFolder, writer: LineageWriter, names: Sequence[str], needed: Container[str], before: float | None
) -> int:
    """Unlink blobs that nothing names or needs, in batches, each under the write lock; return their bytes."""
    size = 0
    for start in range(0, len(names), BATCH):
        batch = names[start : start + BATCH]

        def unlink(connection: sqlite3.Connection, batch: Sequence[str] = batch) -> int:
            # No record can be committed meanwhile: one that names such a file was before, or will miss it.
            free = [name for name in batch if name not in needed and not is_named(connection, name)]
            return unlink_blobs(folder, free, before)[1]

        size += writer.write(unlink)
    return size


def _as_done(plan: Plan, gone: frozenset[int]) -> Plan:
    """Return the plan with what became needed meanwhile kept."""
    fates = [
        fate
        if fate.decision is Decision.KEEP or fate.holding.id in gone
        else replace(fate, decision=Decision.KEEP, reason="a run has used it meanwhile", special=True, freed=0)
        for fate in plan.fates
    ]
    return replace(plan, fates=tuple(sorted(fates, key=lambda fate: fate.decision is Decision.KEEP)))


def _before(since: float | None, grace: float, now: float) -> float:
    """Return the moment before which a blob must have been put to go: no run's that goes on can have put it."""
    return min(now, since if since is not None else now) - grace


def _find_others(
    folder: StoreFolder,
    reader: Reader,
    since: float | None,
    retention: Retention,
    needed: Container[str],
    now: float,
) -> Iterator[Leftover]:
    yield from find_leftovers(folder, now, since, lambda key: has_succeeded(reader, key), needed)
    if retention.age is not None:
        yield from find_logs(folder, runs_before(reader, now - retention.age))


def _record(connection: sqlite3.Connection, plan: Plan, retention: Retention, who: str, at: float) -> None:
    count = len(plan.dropped)
    append_audit(
        connection,
        at=at,
        who=who,
        action=ACTION,
        subject="store",
        detail=f"{count:,} {'artifact' if count == 1 else 'artifacts'} to be dropped",
        evidence={
            "retention": {"runs": retention.runs, "age": retention.age, "bytes": retention.bytes},
            "artifacts": count,
            "bytes": plan.freed,
        },
    )
