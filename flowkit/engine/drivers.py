"""Who the other drivers of a store are: the run behind a process, its beginning, and whether it stands still."""

from __future__ import annotations

import time

from flowkit import lineage
from flowkit.lineage.liveness import identify_driver, is_stopped
from flowkit.lineage.reader import Reader
from flowkit.store.claims import Holder


class Drivers:
    """Tells of other drivers by the runs that are recorded as going on."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    def describe(self, holder: Holder) -> str:
        """Return such as `run 20261120T060000-ab12cd (pid 4711, since 06:00:00)`."""
        if not holder.pid:
            return "a driver on another machine"
        driven = lineage.find_driven_by(self._reader, holder.pid)
        here = [row for row in driven if row.driver == identify_driver(holder.pid)]
        found = next((row for row in here or driven if holder.run in ("", row.run)), None)
        if found is None:
            return f"run {holder.run} (pid {holder.pid})" if holder.run else f"another process (pid {holder.pid})"
        place = "" if here else f" on {found.host}"
        since = time.strftime("%H:%M:%S", time.localtime(found.started))
        return f"run {found.run} (pid {holder.pid}{place}, since {since})"

    def drives(self, holder: Holder) -> bool:
        """Return whether a process of this machine lives, and the run that it computes for goes on."""
        driven = lineage.find_driven_by(self._reader, holder.pid) if holder.pid > 0 else ()
        return any(holder.run in ("", row.run) and row.driver == identify_driver(holder.pid) for row in driven)

    def is_stopped(self, holder: Holder) -> bool:
        """Return whether a driver of this machine was stopped, so that nobody may wait for it for ever."""
        # The process first: this is asked again and again, and the database only where it says yes.
        return holder.pid > 0 and not holder.run and is_stopped(holder.pid) and self._is_here(holder.pid)

    def _is_here(self, pid: int) -> bool:
        """Whether a process of this machine is meant, not one of another that has its number."""
        return any(row.driver == identify_driver(pid) for row in lineage.find_driven_by(self._reader, pid))
