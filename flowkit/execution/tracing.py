"""What watches each call in this process: tracers and profilers, which a step may leave switched on."""

from __future__ import annotations

import sys
import threading
from collections.abc import Sequence
from typing import Any

from msgspec import Struct

_MONITORING: Any = getattr(sys, "monitoring", None)
_TOOLS = range(6)


class Tracing(Struct, frozen=True):
    """What watches at one moment.

    Attributes:
        tracer: What hears of each line.
        profiler: What hears of each call.
        of_threads: The same two of threads that are to start.
        tools: The names of the tools of `sys.monitoring`, where Python has that.
    """

    tracer: Any
    profiler: Any
    of_threads: tuple[Any, Any]
    tools: Sequence[str | None]

    @classmethod
    def read(cls) -> Tracing:
        """Return what watches now."""
        of_threads = (threading.gettrace(), threading.getprofile())
        return cls(sys.gettrace(), sys.getprofile(), of_threads, _tools())

    def restore(self) -> bool:
        """Put back what has changed since, and say whether all is as it was."""
        if sys.gettrace() is not self.tracer:
            sys.settrace(self.tracer)
        whole = True
        if sys.getprofile() is not self.profiler:
            # That of C cannot be set again, only taken away.
            whole = self.profiler is None or callable(self.profiler)
            if whole:
                sys.setprofile(self.profiler)
        tracer, profiler = self.of_threads
        if threading.gettrace() is not tracer:
            threading.settrace(tracer)
        if threading.getprofile() is not profiler:
            threading.setprofile(profiler)
        return whole and _tools() == self.tools


def _tools() -> Sequence[str | None]:
    return () if _MONITORING is None else [_MONITORING.get_tool(number) for number in _TOOLS]
