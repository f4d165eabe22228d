"""The commands that run a work of a shape and a size in each of the ways that are compared."""

from __future__ import annotations

from pathlib import Path

from benchmarks.measure import Variant, python, run_program
from benchmarks.projects import forget_results

COMMAND = "import sys; from flowkit.cli.main import main; sys.argv[0] = 'flowkit'; main()"
"""What the console script of an installed flowkit does."""

PLAIN, DISTRIBUTED, COLD, COLD_COMMAND = "plain Python", "distributed", "flowkit cold", "flowkit run, cold"
REUSED, REUSED_COMMAND = "flowkit reused", "flowkit run, reused"


def plain(shape: str, size: int) -> Variant:
    """Return the work in plain Python."""
    return Variant(PLAIN, lambda folder: python("with_plain.py", shape, str(size)))


def raw_distributed(shape: str, size: int) -> Variant:
    """Return the work on two processes of `dask.distributed`, submitted at once, with nothing stored."""
    return Variant(DISTRIBUTED, lambda folder: python("with_distributed.py", shape, str(size)))


def cold(shape: str, size: int) -> Variant:
    """Return the work with flowkit in a store that does not exist yet."""
    return Variant(COLD, lambda folder: _session(shape, size, "executed"), forget_results)


def reused(shape: str, size: int) -> Variant:
    """Return the work with flowkit where everything is stored already; it proves that nothing heavy is imported."""

    def fill(folder: Path) -> None:
        if not (folder / ".flowkit").exists():
            run_program(_session(shape, size, "executed"), folder)

    return Variant(REUSED, lambda folder: [*_session(shape, size, "reused"), "--light"], fill)


def cold_command(shape: str, size: int) -> Variant:
    """Return the work through the command line in a store that does not exist yet."""
    arguments = _arguments(shape, size)
    return Variant(COLD_COMMAND, lambda folder: python("-c", COMMAND, *arguments), forget_results)


def reused_command(shape: str, size: int) -> Variant:
    """Return the work through the command line where everything is stored already; nothing heavy is imported."""
    arguments = _arguments(shape, size)

    def fill(folder: Path) -> None:
        if not (folder / ".flowkit").exists():
            run_program(python("-c", COMMAND, *arguments), folder)

    return Variant(REUSED_COMMAND, lambda folder: python("with_command.py", *arguments), fill)


def _session(shape: str, size: int, outcome: str) -> list[str]:
    return python("with_flowkit.py", shape, str(size), outcome)


def _arguments(shape: str, size: int) -> list[str]:
    return ["run", f"shapes.py:{shape}", "-p", f"size={size}", "--workers", "2"]
