"""Errors of the lineage database; exit code 4."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Self

from flowkit.errors.store import StoreError

_RESTORE = (
    "keep the file as it is, and restore the latest backup with 'flowkit backup --restore FILE --store NEW', "
    "or recover what can be read with sqlite3's .recover."
)


class LineageError(StoreError):
    """A lineage database that is locked, newer, damaged, full or not writable."""

    @classmethod
    def for_lost_database(cls, path: Path, *, empty: bool) -> Self:
        """A store whose blobs are there and whose database is gone, or empty."""
        return cls(
            f"The lineage database '{path}' is {'empty' if empty else 'gone'}, but the store has content.",
            [("store", str(path.parent))],
            "restore the latest backup with 'flowkit backup --restore FILE --store NEW'; to start afresh without its "
            "runs, models and audit log, move the store's folder away first.",
        )

    @classmethod
    def for_locked(cls, path: Path, seconds: float, holders: Sequence[str]) -> Self:
        """Another process kept a lock on it for longer than the writer waits."""
        known = [("held by", "; ".join(holders))] if holders else []
        return cls(
            f"The lineage database {str(path)!r} stayed locked for {seconds:.0f} s.",
            known,
            "close what reads or writes it (another flowkit, Datasette, sqlite3), then run again.",
        )

    @classmethod
    def for_read_only(cls, path: Path, reason: str) -> Self:
        """It cannot be written."""
        return cls(
            f"The lineage database {str(path)!r} cannot be written.",
            [("reason", reason)],
            "check the permissions of the file and its folder and how the file system is mounted, or use --store.",
        )

    @classmethod
    def for_vanished(cls, path: Path) -> Self:
        """It was removed while it was open."""
        gone = path if path.parent.is_dir() else path.parent
        return cls(
            f"The lineage database {str(path)!r} was removed while flowkit used it.",
            [("gone", str(gone))],
            "look for a step or a clean-up that removes it; what no backup holds is lost, and a new run starts afresh.",
        )

    @classmethod
    def for_unopenable(cls, path: Path, reason: str) -> Self:
        """It cannot be opened at all."""
        return cls(
            f"The lineage database {str(path)!r} cannot be opened.",
            [("reason", reason)],
            "check that its folder exists and that this user may read and write there.",
        )

    @classmethod
    def for_not_a_file(cls, path: Path) -> Self:
        """Something else stands where it should be."""
        return cls(
            f"The lineage database {str(path)!r} is no file.",
            [("store", str(path.parent))],
            "move that away, and put the database back from a backup (`flowkit backup --restore FILE`).",
        )

    @classmethod
    def for_missing(cls, path: Path) -> Self:
        """There is none yet."""
        return cls(
            f"There is no lineage database at {str(path)!r}.",
            (),
            "run a pipeline first, or name the store with --store.",
        )

    @classmethod
    def for_full(cls, path: Path) -> Self:
        """The disk is full; nothing of the open transaction was committed."""
        return cls(
            f"The disk that holds the lineage database {str(path)!r} is full; nothing was committed.",
            (),
            "free some space, then run again: what was committed before is kept.",
        )

    @classmethod
    def for_malformed(cls, path: Path, reason: str) -> Self:
        """Its bytes are not those of a sound database."""
        return cls(f"The lineage database {str(path)!r} is damaged.", [("reason", reason)], _RESTORE)

    @classmethod
    def for_broken_audit(cls, path: Path, sequence: int) -> Self:
        """The audit log's chain of hashes does not hold from a row on."""
        return cls(
            f"The audit log was tampered with: row {sequence} is changed, missing or out of place.",
            (("database", str(path)), ("first", f"row {sequence}")),
            "keep the file as it is, and compare it with a backup: flowkit audit list shows what it says now.",
        )

    @classmethod
    def for_foreign(cls, path: Path) -> Self:
        """It is a sound SQLite database of something else."""
        return cls(
            f"{str(path)!r} is a SQLite database, but not one of flowkit's.",
            (),
            "move it away, or name another store with --store.",
        )

    @classmethod
    def for_io(cls, path: Path, reason: str) -> Self:
        """The disk failed under it."""
        return cls(
            f"Reading or writing the lineage database {str(path)!r} failed.",
            [("reason", reason)],
            "check the disk and the system's log, then run again: what was committed before is kept.",
        )

    @classmethod
    def for_refusal(cls, path: Path, reason: str) -> Self:
        """It refused a row, by what flowkit did not make: its own schema refuses none that it writes."""
        return cls(
            f"The lineage database {str(path)!r} refused what was to be written; nothing of it was kept.",
            (("reason", reason),),
            "run `flowkit verify`, which names a trigger or an index that refuses rows, and what removes it.",
        )

    @classmethod
    def for_newer(cls, path: Path, found: int, known: int) -> Self:
        """A later flowkit wrote it; it was left as it is."""
        return cls(
            f"The lineage database {str(path)!r} was written by a newer flowkit.",
            [("its schema", str(found)), ("known here", str(known))],
            "upgrade flowkit-pipelines, or name another store with --store.",
        )

    @classmethod
    def for_older(cls, path: Path, found: int, known: int) -> Self:
        """An earlier flowkit wrote it, and nothing has upgraded it yet."""
        return cls(
            f"The lineage database {str(path)!r} has an older schema.",
            [("its schema", str(found)), ("known here", str(known))],
            "run any pipeline of this store: the first command that writes upgrades it.",
        )

    @classmethod
    def for_closed(cls, path: Path) -> Self:
        """Something was recorded after the writer was closed."""
        return cls(
            f"The writer of {str(path)!r} is closed.",
            (),
            "record before the run is closed; this is a fault of flowkit.",
        )

    @classmethod
    def for_unsafe_name(cls, what: str, name: str) -> Self:
        """A name that would become a path is not one of the safe kind."""
        return cls(
            f"{name!r} cannot be {what}.",
            (),
            "use hexadecimal digits for blobs; letters, digits, '_', '-' and '.' for runs.",
        )

    @classmethod
    def for_driven_twice(cls, run: str) -> Self:
        """Another living driver holds the run."""
        return cls(
            f"The run {run!r} is being driven by another process.", (), "wait for it, or start a run of its own."
        )
