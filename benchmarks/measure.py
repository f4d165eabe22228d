"""Runs the variants of a work as child processes, in interleaved rounds, and keeps what each of them took.

Variants take turns, so that whatever else the machine does meanwhile hits all of them alike, and ratios are taken
between runs of one round. One round is run first and not counted: it fills the file cache and compiles bytecode.
"""

from __future__ import annotations

import json
import math
import operator
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import median
from typing import TypeVar

from benchmarks.processes import process_group
from benchmarks.projects import SOURCE_ROOT, make_project, throw_away_folder
from benchmarks.watching import MemoryWatch

WALL, CPU, A_NODE, WRITTEN = "wall", "cpu", "ms_a_node", "written_mb"

Runner = TypeVar("Runner")

_BLOCK = 512
"""Bytes that `getrusage` counts as one, whatever the disk's own blocks are."""


class ProgramError(Exception):
    """A program of a benchmark failed, or told that it computed something wrong."""

    @classmethod
    def for_exit(cls, variant: str, code: int, output: str) -> ProgramError:
        """Return the error for a program that ended with `code`; the end of what it said is kept."""
        return cls(f"The program of {variant!r} ended with exit code {code}.\n{output[-4000:]}")

    @classmethod
    def for_words(cls, variant: str, words: str, output: str) -> ProgramError:
        """Return the error for a program that did not say what shows that it did its work."""
        return cls(f"The program of {variant!r} did not say {words!r}.\n{output[-1000:]}")


@dataclass(frozen=True, slots=True)
class Variant:
    """One way to do a work.

    Attributes:
        name: What the table calls it.
        command: Arguments of the process that is timed, given its project's folder.
        prepare: What is done before it in every round, untimed.
        says: Words of its output that show that it did its work.
        nodes: How many nodes it has, where `ms_a_node` is asked for: milliseconds of the whole process for each.
        watched: Whether the memory of its processes is looked at while it runs, which takes some time of its own:
            `driver_mb` is the most of its first process, `worker_mb` the most of any other.
    """

    name: str
    command: Callable[[Path], list[str]]
    prepare: Callable[[Path], None] = lambda folder: None
    says: str = ""
    nodes: int = 0
    watched: bool = False

    def watching(self) -> Variant:
        """Return the same, with the memory of its processes looked at."""
        return replace(self, watched=True)


@dataclass(frozen=True, slots=True)
class Limit:
    """What a figure is hoped to stay below, or to reach.

    Attributes:
        variant: The variant that is judged.
        most: The largest number that meets the target.
        figure: `wall` and `cpu` are seconds of the whole process and `written_mb` the megabytes that its tree wrote;
            others are told by the programs themselves.
        beside: The variant whose figure this one is divided by; None where it is judged as it is.
        beside_figure: The figure of `beside`, where it is another one.
        over: The variant whose figure is subtracted.
        least: The smallest number that meets the target, in place of `most`.
    """

    variant: str
    most: float = math.inf
    figure: str = WALL
    beside: str | None = None
    beside_figure: str | None = None
    over: str | None = None
    least: float = -math.inf

    def is_met_by(self, reached: float | None) -> bool:
        """Whether the number that was reached meets the target; what was not measured does not."""
        return reached is not None and self.least <= reached <= self.most


@dataclass(frozen=True, slots=True)
class Work:
    """Something that is done in several ways, one process each.

    Attributes:
        about: What is measured and why, in a sentence.
        beside: The variant that ratios are taken to.
        rounds: How often each variant is run unless the caller says so.
        profiles: Whether its programs take `--profile`.
        warms: Whether a round is run first and not counted; what takes long goes without.
    """

    name: str
    about: str
    variants: tuple[Variant, ...]
    beside: str
    limits: tuple[Limit, ...] = ()
    rounds: int = 5
    profiles: bool = False
    warms: bool = True


@dataclass(slots=True)
class Measured:
    """The figures of one work: for each variant and figure a value a round, in order."""

    work: Work
    samples: dict[str, dict[str, list[float]]] = field(default_factory=dict)

    def add(self, variant: str, figures: Mapping[str, float]) -> None:
        """Take note of one run of a variant."""
        of_variant = self.samples.setdefault(variant, {})
        for name, value in figures.items():
            of_variant.setdefault(name, []).append(value)

    def median(self, variant: str, figure: str = WALL) -> float | None:
        """Return the median of a figure, None where the variant does not tell it."""
        values = self.samples.get(variant, {}).get(figure)
        return median(values) if values else None

    def ratio(self, variant: str, beside: str, figure: str = WALL, beside_figure: str | None = None) -> float | None:
        """Return the median over the rounds of one variant's figure divided by another's in the same round."""
        return self._paired(operator.truediv, (variant, figure), (beside, beside_figure or figure))

    def judged(self, limit: Limit) -> float | None:
        """Return the number that a limit is about: a ratio, a difference, or a figure as it is."""
        if limit.beside is not None:
            return self.ratio(limit.variant, limit.beside, limit.figure, limit.beside_figure)
        if limit.over is not None:
            return self._paired(operator.sub, (limit.variant, limit.figure), (limit.over, limit.figure))
        return self.median(limit.variant, limit.figure)

    def _paired(
        self, combine: Callable[[float, float], float], one: tuple[str, str], other: tuple[str, str]
    ) -> float | None:
        left, right = (self.samples.get(variant, {}).get(figure) for variant, figure in (one, other))
        return median(combine(*pair) for pair in zip(left, right, strict=True)) if left and right else None


def measure(measured: Measured, rounds: int, tell: Callable[[str], None] = lambda line: None) -> None:
    """Run every variant of a work `rounds` times in turns, mostly after a round that is not counted.

    A round counts when it is over, so that what is there after an interruption can be compared.

    Raises:
        ProgramError: A program failed.
    """
    work = measured.work
    with throw_away_folder("flowkit-benchmark-") as place:
        folders = {variant.name: make_project(place / str(number)) for number, variant in enumerate(work.variants)}
        for number in range(0 if work.warms else 1, rounds + 1):
            tell(f"{work.name}: round {number} of {rounds}" if number else f"{work.name}: warming up")
            taken = [(one.name, run_once(one, folders[one.name])) for one in turned(work.variants, number)]
            for name, figures in taken if number else ():
                measured.add(name, figures)


def run_once(variant: Variant, folder: Path) -> dict[str, float]:
    """Run one variant in its project's folder and return its figures.

    Returns:
        `wall` and `cpu` seconds of the process with all that it waited for, the megabytes that they wrote, and what the
        program told: a JSON object of numbers as the last line of its output.

    Raises:
        ProgramError: It failed.
    """
    variant.prepare(folder)
    watch = MemoryWatch() if variant.watched else None
    with _used_by_children() as used:
        begun = time.perf_counter()
        result = _run(variant.command(folder), folder, watch)
        wall = time.perf_counter() - begun
    output = result.stdout + result.stderr
    if result.returncode:
        raise ProgramError.for_exit(variant.name, result.returncode, output)
    if variant.says not in output:
        raise ProgramError.for_words(variant.name, variant.says, output)
    figures = {WALL: wall, **used(), **_told(result.stdout), **(watch.figures() if watch is not None else {})}
    return {**figures, A_NODE: wall / variant.nodes * 1000} if variant.nodes else figures


def profile(work: Work) -> str:
    """Return the functions that take longest in each variant of a work whose programs can tell.

    Raises:
        ProgramError: A program failed.
    """
    shown = []
    with throw_away_folder("flowkit-benchmark-") as place:
        for number, variant in enumerate(work.variants):
            folder = make_project(place / str(number))
            variant.prepare(folder)
            result = _run([*variant.command(folder), "--profile"], folder)
            if result.returncode:
                raise ProgramError.for_exit(variant.name, result.returncode, result.stdout + result.stderr)
            shown.append(f"{work.name}, {variant.name}\n{result.stdout.rstrip()}")
    return "\n\n".join(shown)


def run_program(arguments: list[str], folder: Path) -> None:
    """Run a process that prepares a variant.

    Raises:
        ProgramError: It failed.
    """
    result = _run(arguments, folder)
    if result.returncode:
        raise ProgramError.for_exit(" ".join(arguments[1:]), result.returncode, result.stdout + result.stderr)


def _run(arguments: list[str], folder: Path, watch: MemoryWatch | None = None) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join(filter(None, [str(SOURCE_ROOT), os.environ.get("PYTHONPATH", "")]))
    # Installed packages have their bytecode; without this flowkit alone would be compiled again in every process.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    environment["PYTHONPATH"] = path
    with (
        process_group(arguments, folder, environment) as process,
        watch.of(process.pid) if watch is not None else nullcontext(),
    ):
        output, errors = process.communicate()
    return subprocess.CompletedProcess(arguments, process.returncode, output, errors)


def turned(runners: Sequence[Runner], number: int) -> list[Runner]:
    """Return those who run with another one first in each round: who goes first may find a colder machine."""
    first = number % len(runners)
    return [*runners[first:], *runners[:first]]


@contextmanager
def _used_by_children() -> Iterator[Callable[[], dict[str, float]]]:
    """Yield a function that returns what children have used since; valid once they have ended."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)

    def used() -> dict[str, float]:
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        return {CPU: seconds, WRITTEN: (after.ru_oublock - before.ru_oublock) * _BLOCK / 1e6}

    yield used


def _told(output: str) -> dict[str, float]:
    last = output.strip().rpartition("\n")[2]
    if not last.startswith('{"figures"'):
        return {}
    return {str(name): float(value) for name, value in json.loads(last)["figures"].items()}


def python(*arguments: str) -> list[str]:
    """Return the command that runs this interpreter."""
    return [sys.executable, *arguments]
