"""The commands that run a work in each of the ways that are compared."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.measure import Variant, python, run_program
from benchmarks.projects import forget_results, is_filled

COMMAND = "import sys; from flowkit.__main__ import main; sys.argv[0] = 'flowkit'; main()"
"""What the console script of an installed flowkit does."""

PLAIN, DISTRIBUTED, JOBLIB, IMPORT = "plain Python", "distributed", "joblib.Memory, reused", "import alone"
COLD, COLD_COMMAND = "flowkit cold", "flowkit run, cold"
REUSED, REUSED_COMMAND = "flowkit reused", "flowkit run, reused"

Prepare = Callable[[Path], None]


def plain(shape: str, size: int) -> Variant:
    """Return the work in plain Python."""
    return Variant(PLAIN, lambda folder: python("with_plain.py", shape, str(size)))


def raw_distributed(shape: str, size: int) -> Variant:
    """Return the work on two processes of `dask.distributed`, submitted at once, with nothing stored."""
    return Variant(DISTRIBUTED, lambda folder: python("with_distributed.py", shape, str(size)))


def remembered(shape: str, size: int) -> Variant:
    """Return the work with `joblib.Memory`, where it has all results; it proves that no function is called."""

    def fill(folder: Path) -> None:
        if not (folder / ".joblib").exists():
            run_program(python("with_joblib.py", shape, str(size), "executed"), folder)

    return Variant(JOBLIB, lambda folder: python("with_joblib.py", shape, str(size), "reused"), fill)


def importing(module: str, prepare: Prepare = lambda folder: None) -> Variant:
    """Return a process that imports a module and does nothing."""
    return Variant(IMPORT, lambda folder: python("-c", f"import {module}"), prepare)


def command(name: str, *arguments: str, prepare: Prepare = lambda folder: None, says: str = "") -> Variant:
    """Return a process that is the `flowkit` command."""
    return Variant(name, lambda folder: python("-c", COMMAND, *arguments), prepare, says)


def cold(shape: str, size: int, name: str = COLD) -> Variant:
    """Return the work with flowkit in a store that does not exist yet."""
    return Variant(name, lambda folder: _session(shape, size, "executed"), forget_results, nodes=size)


def reused(shape: str, size: int) -> Variant:
    """Return the work with flowkit where everything is stored already; it proves that nothing heavy is imported."""

    def fill(folder: Path) -> None:
        if not is_filled(folder):
            run_program(_session(shape, size, "executed"), folder)

    return Variant(REUSED, lambda folder: [*_session(shape, size, "reused"), "--light"], fill, nodes=size)


def cold_command(shape: str, size: int) -> Variant:
    """Return the work through the command line in a store that does not exist yet."""
    return command(COLD_COMMAND, *_arguments(shape, size), prepare=forget_results, says=f" {size:,} executed")


def reused_command(shape: str, size: int) -> Variant:
    """Return the work through the command line where everything is stored already; nothing heavy is imported."""
    arguments = _arguments(shape, size)
    says = f" {size:,} reused"
    return Variant(
        REUSED_COMMAND, lambda folder: python("with_command.py", *arguments), _filling(*arguments), says, nodes=size
    )


def filled(name: str, *arguments: str, shape: str, size: int, says: str) -> Variant:
    """Return a `flowkit` command in a project where all results of a shape are stored."""
    return command(name, *arguments, prepare=_filling(*_arguments(shape, size)), says=says)


@dataclass(frozen=True, slots=True)
class Program:
    """A pipeline in a module of its own, and how its nodes end.

    Attributes:
        module: Its name, as Python imports it.
        executed: How many nodes end in which way in a first run.
        reused: How many do so in a second one.
        prepare: Puts the module into the project's folder where it is none of the programs.
    """

    module: str
    pipeline: str
    executed: Mapping[str, int]
    reused: Mapping[str, int]
    prepare: Prepare = field(default=lambda folder: None)

    def cold(self, *options: str) -> Variant:
        """Return a first run, in a store that does not exist yet."""
        return Variant(COLD, lambda folder: self._session(self.executed, *options), self._forget)

    def cold_command(self) -> Variant:
        """Return the same through the command line."""
        return command(COLD_COMMAND, *self._arguments, prepare=self._forget, says=_summary(self.executed))

    def again(self) -> Variant:
        """Return a run where everything is stored already."""
        return Variant(REUSED, lambda folder: self._session(self.reused), self._fill)

    def again_command(self) -> Variant:
        """Return the same through the command line."""
        return command(REUSED_COMMAND, *self._arguments, prepare=self._fill, says=_summary(self.reused))

    @property
    def _arguments(self) -> list[str]:
        return ["run", f"{self.module.replace('.', '/')}.py:{self.pipeline}", "--workers", "2"]

    def _session(self, outcomes: Mapping[str, int], *options: str) -> list[str]:
        expected = [f"{outcome}={count}" for outcome, count in outcomes.items()]
        return python("with_session.py", f"{self.module}:{self.pipeline}", *expected, *options)

    def _forget(self, folder: Path) -> None:
        self.prepare(folder)
        forget_results(folder)

    def _fill(self, folder: Path) -> None:
        if not is_filled(folder):
            self.prepare(folder)
            run_program(self._session(self.executed), folder)


def _summary(outcomes: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} {outcome}" for outcome, count in outcomes.items())


def _filling(*arguments: str) -> Prepare:
    def fill(folder: Path) -> None:
        if not is_filled(folder):
            run_program(python("-c", COMMAND, *arguments), folder)

    return fill


def _session(shape: str, size: int, outcome: str) -> list[str]:
    return python("with_flowkit.py", shape, str(size), outcome)


def _arguments(shape: str, size: int) -> list[str]:
    return ["run", f"shapes.py:{shape}", "-p", f"size={size}", "--workers", "2"]
