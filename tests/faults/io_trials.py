"""Tries an operation with every fault at every point; a process of its own, in which the shim is preloaded.

It reads names of operations and answers each with a line of JSON. The parent imports everything once and forks a child
for each trial, so that none knows anything of another.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import sys
import traceback
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np  # noqa: F401  (imported once, here, and not in every child)
import sqlite_utils  # noqa: F401

from tests.faults.invariants import differences, find_violations, summarise
from tests.faults.io_operations import OPERATIONS, Operation, refusal_of
from tests.faults.power_cut import Disk, digest_of, everything, read_tree, ways_to_cut, write_tree
from tests.faults.shim import Call, Fault, Shim

MOST_SECONDS = 30
_SHOWN = 5


class Trials:
    """All trials of one operation below a folder of its own."""

    def __init__(self, shim: Shim, operation: Operation, work: Path) -> None:
        self._shim = shim
        self._operation = operation
        self._work = work
        self._base = work / "base"
        self._expected: dict[str, Any] = {}
        self.counts: Counter[str] = Counter()
        self.violations: list[str] = []

    def run(self) -> None:
        """Try every fault at every point."""
        self._base.mkdir(parents=True)
        in_child(lambda: self._operation.prepare(self._base))
        # A step of the project may be imported by its path from now on, as in the child.
        self._operation.prepare(self._work / "again") if self._operation.name == "run" else None
        disk, place = self._rehearse()
        calls, entries = self._shim.calls(), list(self._shim.entries())
        self.counts["points"] = len(calls)
        self._cut_power(disk, place, entries)
        for point, (call, allocates) in enumerate(calls, 1):
            self._try(Fault.KILL, point)
            self._try(Fault.EIO, point)
            if call is Call.WRITE:
                self._try(Fault.TORN, point)
            if allocates:
                self._try(Fault.FULL, point)

    def _rehearse(self) -> tuple[Disk, Path]:
        """Perform it undisturbed, with a log, and learn how it ends."""
        place = self._copy()
        disk = Disk(place)
        result = in_child(lambda: self._perform(Fault.NONE, 0, place))
        assert result == (0, "") or result == [0, ""], result
        self._expected = in_child(lambda: summarise(place / "store"))
        left = in_child(lambda: find_violations(place / "store"))
        assert not left, left
        return disk, place

    def _cut_power(self, disk: Disk, place: Path, entries: list[Any]) -> None:
        chance = random.Random(self._operation.name)
        seen = set()
        last = len(entries)
        for number, entry in enumerate([None, *entries]):
            if entry is not None:
                disk.apply(entry)
            for way, (content, names) in ways_to_cut(chance).items():
                tree = disk.leaves(content, names)
                digest = digest_of(tree)
                # At the end all that was promised must be there, however little survives.
                finished = number == last
                if digest not in seen or finished:
                    seen.add(digest)
                    self.counts["power_cuts"] += 1
                    cut = self._work / "cut"
                    write_tree(tree, cut)
                    self._note(f"power cut after point {number}, {way}", in_child(lambda: self._judge(cut, finished)))
                    shutil.rmtree(cut)
        seen_now = {name: content for name, content in disk.leaves(everything, everything).items()}
        there = read_tree(place)
        if seen_now != there:
            odd = [name for name in {*seen_now, *there} if seen_now.get(name, 0) != there.get(name, 0)]
            self.violations.append(f"the shim has not seen all that was written: {odd}")
        shutil.rmtree(place)

    def _try(self, fault: Fault, point: int) -> None:
        place = self._copy()
        self.counts["kills" if fault in (Fault.KILL, Fault.TORN) else "errors"] += 1
        name = f"{fault.name} at point {point}"
        try:
            code, said = in_child(lambda: self._perform(fault, point, place))
        except Killed:
            code, said = None, ""
        except AssertionError as error:
            self.violations.append(f"{self._operation.name}, {name}: {error}")
            shutil.rmtree(place)
            return
        wrong = []
        if self._shim.repeated_syncs:
            wrong.append("a sync that had failed was tried again on the same file")
        if code not in (None, 0, *self._operation.codes):
            wrong.append(f"exit code {code}: {said}")
        if code == 0:
            self.counts["survived"] += 1
        wrong += in_child(lambda: self._judge(place, claimed=code == 0))
        self._note(name, wrong)
        shutil.rmtree(place)

    def _perform(self, fault: Fault, point: int, place: Path) -> tuple[int, str]:
        self._shim.arm(fault, point, place)
        code, said = refusal_of(lambda: self._operation.perform(place))
        self._shim.disarm()
        if fault is Fault.EIO and code != 0:
            # The disk works again: the same process can go on.
            again, reason = refusal_of(lambda: self._operation.perform(place))
            assert again == 0, f"the process could not go on: {reason}"
        return code, said

    def _judge(self, place: Path, claimed: bool) -> list[str]:
        """Return what is wrong with what a fault left, and with what comes of doing it again."""
        wrong = find_violations(place / "store")
        if claimed:
            wrong += [f"promised, and lost: {text}" for text in self._compare(place)]
        code, said = refusal_of(lambda: self._operation.perform(place))
        if code:
            return [*wrong, f"it cannot be done again: {said}"]
        wrong += [f"done again: {text}" for text in find_violations(place / "store")]
        return [*wrong, *(f"done again: {text}" for text in self._compare(place))]

    def _compare(self, place: Path) -> list[str]:
        return list(differences(summarise(place / "store"), self._expected))

    def _note(self, name: str, wrong: list[str]) -> None:
        self.violations += [f"{self._operation.name}, {name}: {text}" for text in wrong]

    def _copy(self) -> Path:
        place = self._work / "trial"
        shutil.copytree(self._base, place, symlinks=True)
        return place


class Killed(Exception):
    """A child was killed, as it was to be."""


def in_child(function: Callable[[], Any]) -> Any:
    """Return what a function returns in a child of its own; its errors are assertions here."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.close(reading)
        signal.alarm(MOST_SECONDS)
        try:
            answer = {"answer": function()}
        except BaseException:  # noqa: BLE001  (told to the parent; the child must not go on with its work)
            answer = {"error": traceback.format_exc()}
        with os.fdopen(writing, "w") as pipe:
            json.dump(answer, pipe)
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        text = pipe.read()
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        if os.WTERMSIG(status) == signal.SIGKILL:
            raise Killed
        raise AssertionError(f"it ended by signal {os.WTERMSIG(status)}, after {MOST_SECONDS} s if that is 14")
    answer = json.loads(text)
    assert "error" not in answer, answer["error"]
    return answer["answer"]


def main() -> None:
    """Answer each name of an operation with what was tried and what was wrong."""
    work = Path(sys.argv[1]).resolve()
    shim = Shim()
    operations = {operation.name: operation for operation in OPERATIONS}
    for line in sys.stdin:
        name = line.strip()
        trials = Trials(shim, operations[name], work / name.replace(" ", "-"))
        try:
            trials.run()
        except BaseException:  # noqa: BLE001  (told to the test)
            trials.violations.append(traceback.format_exc())
        answer = {"counts": trials.counts, "violations": trials.violations}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
