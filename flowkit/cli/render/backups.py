"""What `backup` says to people: how far it is, and what the file holds."""

from __future__ import annotations

import time

from flowkit.cli.render.formats import counted, format_bytes, short
from flowkit.cli.render.output import tell
from flowkit.housekeeping.backups.making import BackupReport
from flowkit.housekeeping.backups.restoring import RestoreReport

_PAUSE = 5.0
_MOST_MISSING = 20


class BytesProgress:
    """Says on stderr how much is copied, now and then."""

    def __init__(self) -> None:
        self._told = time.monotonic()

    def __enter__(self) -> BytesProgress:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing is left open."""

    def told(self, done: int, total: int) -> None:
        """Tell if it was silent for long."""
        if time.monotonic() - self._told > _PAUSE:
            self._told = time.monotonic()
            tell(f"… {format_bytes(done)} of {format_bytes(total)}", err=True)


def print_backup(report: BackupReport) -> None:
    """Print where the backup is, what it holds, and what it does not."""
    for digest, problem in report.missing[:_MOST_MISSING]:
        tell(f"Warning: without {short(digest)}: {problem}.", err=True)
    if len(report.missing) > _MOST_MISSING:
        tell(f"Warning: and without {len(report.missing) - _MOST_MISSING:,} more: --json lists all.", err=True)
    held = _held(report.runs, report.contents.count("blobs"), report.contents.count("runs"))
    tell(f"{held}, {format_bytes(report.bytes)}  {report.file}")


def print_restored(report: RestoreReport) -> None:
    """Print where the store is, what it is a copy of, and which runs ended with it."""
    contents = report.contents
    held = _held(report.runs, contents.count("blobs"), contents.count("runs"))
    tell(f"restored {held}, {format_bytes(contents.size)}  {report.store}")
    tell(f"as it was on {contents.host} at {contents.created}  {contents.store}")
    if contents.missing:
        count = counted(len(contents.missing), "artifact")
        tell(f"without {count} that the backup does not hold whole: 'flowkit verify' names them")
    if report.crashed:
        tell(f"not at their end then, and crashed now: {', '.join(report.crashed)}")


def _held(runs: int, blobs: int, logs: int) -> str:
    return f"{counted(runs, 'run')}, {counted(blobs, 'stored file')}, {counted(logs, 'log')}"
