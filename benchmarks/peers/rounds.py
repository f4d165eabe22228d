"""Runs a work on every peer as whole processes, cold and reused, and counts from outside what was executed.

Peers take turns within a round, so that whatever else the machine does hits all of them alike, and ratios are taken
between runs of one round. A project is used for one cold run and the reused one after it. Before the first round each
peer does a small work once, uncounted: that compiles bytecode, and makes what a peer makes once for all projects.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from benchmarks.measure import ProgramError, turned
from benchmarks.peers.descriptions import PROGRAMS, Work
from benchmarks.peers.environments import Installed
from benchmarks.processes import process_group
from benchmarks.projects import throw_away_folder

COLD, REUSED = "cold", "reused"
COUNTER = "executed"
LIMIT_SECONDS = 600.0
_PYPROJECT = '[project]\nname = "peers"\nversion = "0"\n'
_NOT_INHERITED = ("PYTHONDONTWRITEBYTECODE", "PYTHONPATH", "VIRTUAL_ENV")

Tell = Callable[[str], None]


@dataclass(slots=True)
class Figures:
    """What a peer's runs of a work took.

    Attributes:
        cold: Seconds of first runs, one a round.
        reused: Seconds of the runs after them.
        again: The most steps that a reused run executed.
    """

    cold: list[float] = field(default_factory=list)
    reused: list[float] = field(default_factory=list)
    again: int = 0

    def seconds(self, which: str) -> list[float]:
        """Return the seconds of the `cold` or the `reused` runs."""
        return {COLD: self.cold, REUSED: self.reused}[which]


@dataclass(slots=True)
class Compared:
    """A work on all peers.

    Attributes:
        figures: By the peer's name, of those that failed in no round.
        failed: By the peer's name, why it is not among them.
    """

    work: Work
    figures: dict[str, Figures] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)

    def ratio(self, peer: str, beside: str, which: str) -> float | None:
        """Return the median over the rounds of a peer's seconds divided by another's in the same round."""
        if peer not in self.figures or beside not in self.figures:
            return None
        above, below = (self.figures[name].seconds(which) for name in (peer, beside))
        # Of the round that was interrupted there may be one without the other.
        return median(one / other for one, other in zip(above, below, strict=False))


def warm_up(peer: Installed, work: Work) -> None:
    """Do one step of a work with a peer, uncounted.

    Raises:
        ProgramError: It failed.
    """
    with _project(peer) as folder:
        _run(peer, folder, work.name, 1)


def compare(compared: Compared, peers: Sequence[Installed], rounds: int, tell: Tell = lambda line: None) -> None:
    """Run a work on every peer, in turns; one that fails is left out of the rounds that follow.

    What a peer did in a round is there as soon as it is done. Where the first one fails, there is nothing to compare
    the others with, so the work ends without figures.
    """
    for number in range(rounds):
        tell(f"{compared.work.name}: round {number + 1} of {rounds}")
        for peer in turned(peers, number):
            name = peer.peer.name
            if name in compared.failed:
                continue
            try:
                _one_round(compared, peer)
            except ProgramError as error:
                compared.failed[name] = str(error)
                compared.figures.pop(name, None)
                if peer is peers[0]:
                    compared.figures.clear()
                    return


def _one_round(compared: Compared, peer: Installed) -> None:
    work = compared.work
    with _project(peer) as folder:
        cold = _counted_run(work, peer, folder)
        if cold.executed != work.steps:
            raise ProgramError(f"The cold run executed {cold.executed} steps, there are {work.steps}.")
        reused = _counted_run(work, peer, folder)
    figures = compared.figures.setdefault(peer.peer.name, Figures())
    figures.cold.append(cold.seconds)
    figures.reused.append(reused.seconds)
    figures.again = max(figures.again, reused.executed)


@dataclass(frozen=True, slots=True)
class _Counted:
    seconds: float
    executed: int


def _counted_run(work: Work, peer: Installed, folder: Path) -> _Counted:
    """Run a work once in a project.

    Raises:
        ProgramError: It failed, or came to something else than the work does.
    """
    counter = folder / COUNTER
    counter.unlink(missing_ok=True)
    begun = time.perf_counter()
    answer = _run(peer, folder, work.name, work.size)
    seconds = time.perf_counter() - begun
    if not math.isclose(answer, work.answer, rel_tol=1e-9):
        raise ProgramError(f"It came to {answer}, the work comes to {work.answer}.")
    return _Counted(seconds, len(counter.read_text().splitlines()) if counter.exists() else 0)


def _run(peer: Installed, folder: Path, work: str, size: int) -> float:
    """Run a peer's program and return its answer.

    Raises:
        ProgramError: It failed, took too long or gave no answer.
    """
    command = [str(peer.python), str(folder / peer.peer.program.name), work, str(size)]
    try:
        with process_group(command, folder, _environment(peer, folder), errors=subprocess.STDOUT) as process:
            output, _ = process.communicate(timeout=LIMIT_SECONDS)
    except subprocess.TimeoutExpired:
        raise ProgramError(f"It took longer than {LIMIT_SECONDS:g} s.") from None
    if process.returncode:
        raise ProgramError.for_exit(peer.peer.name, process.returncode, output)
    return _answer(output)


def _answer(output: str) -> float:
    for line in reversed(output.splitlines()):
        if line.startswith('{"answer"'):
            return float(json.loads(line)["answer"])
    raise ProgramError(f"It gave no answer.\n{output[-1000:]}")


def _environment(peer: Installed, folder: Path) -> dict[str, str]:
    own = {name: value.format(folder=folder, home=peer.home) for name, value in peer.peer.environment.items()}
    return {name: value for name, value in os.environ.items() if name not in _NOT_INHERITED} | own


@contextlib.contextmanager
def _project(peer: Installed) -> Iterator[Path]:
    """Yield a new project of a peer: the programs, its configuration and nothing stored."""
    with throw_away_folder("flowkit-peers-") as place:
        folder = place / "project"
        shutil.copytree(PROGRAMS, folder, ignore=shutil.ignore_patterns("__pycache__"))
        if not (folder / peer.peer.program.name).exists():
            shutil.copy(peer.peer.program, folder)
        for name, text in {"pyproject.toml": _PYPROJECT, **peer.peer.files}.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text)
        yield folder
