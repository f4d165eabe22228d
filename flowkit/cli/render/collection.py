"""What a collection dropped, or would drop, for people."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence

from flowkit.cli.render.formats import counted, format_bytes, format_seconds, short
from flowkit.cli.render.output import print_table, tell
from flowkit.housekeeping.collecting.collect import Collection
from flowkit.housekeeping.collecting.decision import Fate
from flowkit.store.gc import LeftoverKind

MOST_DROPPED = 20
"""Of more artifacts that go, only the first are listed."""

MOST_KEPT = 10
"""Of more artifacts that stay for a reason of their own, only the first are listed."""

_PAUSE = 5.0

_LEFTOVERS = {
    LeftoverKind.BLOB: "file that nothing names",
    LeftoverKind.TEMPORARY: "unfinished file",
    LeftoverKind.QUARANTINE: "damaged file in quarantine",
    LeftoverKind.CHECKPOINTS: "folder of checkpoints",
    LeftoverKind.CODE: "copy of code for step hosts",
    LeftoverKind.LOGS: "folder of logs",
}
_PLURALS = {
    LeftoverKind.BLOB: "files that nothing names",
    LeftoverKind.QUARANTINE: "damaged files in quarantine",
    LeftoverKind.CHECKPOINTS: "folders of checkpoints",
    LeftoverKind.CODE: "copies of code for step hosts",
    LeftoverKind.LOGS: "folders of logs",
}


class CollectionProgress:
    """Says on stderr how many artifacts are dropped, now and then."""

    def __init__(self) -> None:
        self._told = time.monotonic()

    def __enter__(self) -> CollectionProgress:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing is left open."""

    def told(self, done: int, total: int) -> None:
        """Tell if it was silent for long."""
        if time.monotonic() - self._told > _PAUSE:
            self._told = time.monotonic()
            tell(f"… {done:,} of {total:,} artifacts dropped", err=True)


def print_collection(done: Collection, store: str) -> None:
    """Print what went and why, what stays for a reason of its own, and the sums."""
    dropped = done.plan.dropped
    special = [fate for fate in done.plan.fates if fate.special]
    _print_fates(dropped, MOST_DROPPED)
    if special:
        tell(("\n" if dropped else "") + "kept for a reason of its own")
        _print_fates(special, MOST_KEPT)
    verb = "would drop" if done.dry_run else "dropped"
    removed = Counter(leftover.kind for leftover in done.leftovers)
    for kind, count in removed.items():
        size = sum(leftover.bytes for leftover in done.leftovers if leftover.kind is kind)
        tell(f"{verb} {counted(count, _LEFTOVERS[kind], _PLURALS.get(kind))}, {format_bytes(size)}")
    kept = len(done.plan.fates) - len(dropped)
    tell(
        ("\n" if special else "") + f"{verb} {counted(len(dropped), 'artifact')}, kept {kept:,}; "
        f"{format_bytes(done.freed)} freed of {format_bytes(_size(done))}  {store}"
    )


def _size(done: Collection) -> int:
    """Return the bytes that there were, leftovers included."""
    return done.plan.bytes + sum(leftover.bytes for leftover in done.leftovers)


def _print_fates(fates: Sequence[Fate], most: int) -> None:
    if not fates:
        return
    print_table(
        ("artifact", "node", "format", "size", "made in", "why"),
        [
            (
                short(fate.holding.digest),
                fate.maker.node if fate.maker is not None else None,
                fate.holding.format,
                format_bytes(fate.holding.bytes),
                format_seconds(fate.seconds),
                fate.reason,
            )
            for fate in fates[:most]
        ],
        right=("size", "made in"),
    )
    if len(fates) > most:
        tell(f"… and {len(fates) - most:,} more: --json lists all")
