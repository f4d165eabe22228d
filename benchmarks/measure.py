"""Runs the variants of a work as child processes, in interleaved rounds, and keeps what each of them took.

Variants take turns, so that whatever else the machine does meanwhile hits all of them alike, and ratios are taken
between runs of one round. One round is run first and not counted: it fills the file cache and compiles bytecode.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from benchmarks.projects import SOURCE_ROOT, make_project

WALL, CPU = "wall", "cpu"


class ProgramError(Exception):
    """A program of a benchmark failed, or told that it computed something wrong."""

    @classmethod
    def for_exit(cls, variant: str, code: int, output: str) -> ProgramError:
        """Return the error for a program that ended with `code`; the end of what it said is kept."""
        return cls(f"The program of {variant!r} ended with exit code {code}.\n{output[-4000:]}")


@dataclass(frozen=True, slots=True)
class Variant:
    """One way to do a work.

    Attributes:
        name: What the table calls it.
        command: Arguments of the process that is timed, given its project's folder.
        prepare: What is done before it in every round, untimed.
    """

    name: str
    command: Callable[[Path], list[str]]
    prepare: Callable[[Path], None] = lambda folder: None


@dataclass(frozen=True, slots=True)
class Limit:
    """What a figure is hoped to stay below.

    Attributes:
        variant: The variant that is judged.
        most: The largest figure that meets the target.
        figure: `wall` and `cpu` are seconds of the whole process; others are told by the programs themselves.
        beside: The variant whose figure, times `most`, is the limit; None where `most` is the limit.
    """

    variant: str
    most: float
    figure: str = WALL
    beside: str | None = None


@dataclass(frozen=True, slots=True)
class Work:
    """Something that is done in several ways, one process each.

    Attributes:
        about: What is measured and why, in a sentence.
        beside: The variant that ratios are taken to.
        rounds: How often each variant is run unless the caller says so.
        profiles: Whether its programs take `--profile`.
    """

    name: str
    about: str
    variants: tuple[Variant, ...]
    beside: str
    limits: tuple[Limit, ...] = ()
    rounds: int = 5
    profiles: bool = False


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

    def ratio(self, variant: str, beside: str, figure: str = WALL) -> float | None:
        """Return the median over the rounds of one variant's figure divided by another's in the same round."""
        above, below = (self.samples.get(name, {}).get(figure) for name in (variant, beside))
        if not above or not below:
            return None
        return median(one / other for one, other in zip(above, below, strict=True))

    def judged(self, limit: Limit) -> float | None:
        """Return the number that a limit is about: a ratio, or a figure as it is."""
        if limit.beside is not None:
            return self.ratio(limit.variant, limit.beside, limit.figure)
        return self.median(limit.variant, limit.figure)


def measure(work: Work, rounds: int, tell: Callable[[str], None] = lambda line: None) -> Measured:
    """Run every variant of a work once uncounted and then `rounds` times, in turns.

    Raises:
        ProgramError: A program failed.
    """
    measured = Measured(work)
    with tempfile.TemporaryDirectory(prefix="flowkit-benchmark-") as place:
        folders = {
            variant.name: make_project(Path(place) / str(number)) for number, variant in enumerate(work.variants)
        }
        for number in range(rounds + 1):
            tell(f"{work.name}: round {number} of {rounds}" if number else f"{work.name}: warming up")
            for variant in _turned(work.variants, number):
                figures = run_once(variant, folders[variant.name])
                if number:
                    measured.add(variant.name, figures)
    return measured


def run_once(variant: Variant, folder: Path) -> dict[str, float]:
    """Run one variant in its project's folder and return its figures.

    Returns:
        `wall` and `cpu` seconds of the process with all that it waited for, and what the program told: a JSON object
        of numbers as the last line of its output.

    Raises:
        ProgramError: It failed.
    """
    variant.prepare(folder)
    with _cpu_seconds() as cpu:
        begun = time.perf_counter()
        result = _run(variant.command(folder), folder)
        wall = time.perf_counter() - begun
    if result.returncode:
        raise ProgramError.for_exit(variant.name, result.returncode, result.stdout + result.stderr)
    return {WALL: wall, CPU: cpu(), **_told(result.stdout)}


def profile(work: Work) -> str:
    """Return the functions that take longest in each variant of a work whose programs can tell.

    Raises:
        ProgramError: A program failed.
    """
    shown = []
    with tempfile.TemporaryDirectory(prefix="flowkit-benchmark-") as place:
        for number, variant in enumerate(work.variants):
            folder = make_project(Path(place) / str(number))
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


def _run(arguments: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join(filter(None, [str(SOURCE_ROOT), os.environ.get("PYTHONPATH", "")]))
    # Installed packages have their bytecode; without this flowkit alone would be compiled again in every process.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    environment["PYTHONPATH"] = path
    return subprocess.run(arguments, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def _turned(variants: tuple[Variant, ...], number: int) -> tuple[Variant, ...]:
    """Return the variants with another one first in each round: who goes first may find a colder machine."""
    first = number % len(variants)
    return variants[first:] + variants[:first]


@contextmanager
def _cpu_seconds() -> Iterator[Callable[[], float]]:
    """Yield a function that returns the CPU seconds that children have used since; valid once they have ended."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)

    def used() -> float:
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    yield used


def _told(output: str) -> dict[str, float]:
    last = output.strip().rpartition("\n")[2]
    if not last.startswith('{"figures"'):
        return {}
    return {str(name): float(value) for name, value in json.loads(last)["figures"].items()}


def python(*arguments: str) -> list[str]:
    """Return the command that runs this interpreter."""
    return [sys.executable, *arguments]
