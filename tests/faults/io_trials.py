"""Tries an operation with every fault at every point; a process of its own, in which the shim is preloaded.

It reads names of operations and answers each with a line of JSON. The parent imports everything once and forks a child
for each trial, so that none knows anything of another.
"""

from __future__ import annotations

import gc
import json
import os
import random
import shutil
import signal
import sys
import traceback
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from tests.faults.invariants import compare, find_violations, summarise
from tests.faults.io_operations import OPERATIONS, Operation, refusal_of
from tests.faults.power_cut import Disk, Tree, digest_of, everything, nothing, read_tree, ways_to_cut, write_tree
from tests.faults.scale import SCALE
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
        # Once here, so that what it imports is there already in every child.
        self._operation.perform(self._copy())
        shutil.rmtree(self._work / "trial")
        gc.freeze()
        disk, place = self._rehearse()
        calls = self._shim.calls()
        self.counts["points"] = len(self._points([call for call, _ in calls]))
        self._cut_power(disk, place, list(self._shim.entries()))
        for point in self._points([call for call, _ in calls]):
            call, allocates = calls[point - 1]
            # A write that is torn is also a process that dies before the next call.
            self._kill(Fault.TORN if call is Call.WRITE else Fault.KILL, point)
            self._fail_once(point, cuts=call is not Call.WRITE)
            if allocates:
                self._fill(point)

    def _points(self, calls: list[Call]) -> list[int]:
        """Return the points to strike: all, or in the gate without those in the midst of several writes in a row."""
        apart = [call is not Call.WRITE for call in (Call.SYNC, *calls, Call.SYNC)]
        every = self._operation.every_point or SCALE >= 1
        return [point for point in range(1, len(calls) + 1) if every or any(apart[point - 1 : point + 2])]

    def _rehearse(self) -> tuple[Disk, Path]:
        """Perform it undisturbed, with a log, and learn how it ends."""
        place = self._copy()
        disk = Disk(place)
        code, wrong = in_child(lambda: self._strike(Fault.NONE, 0, place))
        assert (code, wrong) == (0, []), wrong
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
            # In the middle of writing, what survives of it all is what a killed process leaves.
            ways = ways_to_cut(chance, all_ways=entry is None or entry.call is not Call.WRITE)
            for way, (content, names) in ways.items():
                tree = disk.leaves(content, names)
                digest = digest_of(tree)
                # At the end all that was promised must be there, however little survives.
                finished = number == last
                if digest not in seen or finished:
                    seen.add(digest)
                    self._cut(tree, f"power cut after point {number}, {way}", self._judge, finished)
        seen_last, there = disk.leaves(everything, everything), read_tree(place)
        if seen_last != there:
            odd = [name for name in {*seen_last, *there} if seen_last.get(name, 0) != there.get(name, 0)]
            self.violations.append(f"the shim has not seen all that was written: {odd}")
        shutil.rmtree(place)

    def _kill(self, fault: Fault, point: int) -> None:
        """End the process at a point."""
        place = self._copy()
        self.counts["kills"] += 1
        with suppress(Killed):
            in_child(lambda: self._strike(fault, point, place))
        self._note(f"{fault.name} at point {point}", in_child(lambda: self._judge(place, done=False)))
        shutil.rmtree(place)

    def _fill(self, point: int) -> None:
        """Let the disk be full from a point on, and have space again for another process."""
        place = self._copy()
        self.counts["full_disks"] += 1
        code, wrong = in_child(lambda: self._strike(Fault.FULL, point, place))
        wrong += in_child(lambda: self._judge(place, done=code == 0))
        self._note(f"a full disk from point {point}", wrong)
        shutil.rmtree(place)

    def _fail_once(self, point: int, *, cuts: bool) -> None:
        """Let one call fail; the same process goes on. What it says is done in the end survives a power cut."""
        place = self._copy()
        self.counts["failed_calls"] += 1
        disk = Disk(place)
        code, wrong = in_child(lambda: self._strike(Fault.EIO, point, place, goes_on=True))
        self.counts["made_good_at_once"] += code == 0
        name = f"EIO at point {point}"
        self._note(name, wrong)
        if cuts:
            # SQLite's last sync of a transaction comes when others see it already. Where it fails the error is told,
            # and who does it again finds it done: that alone makes it no more durable.
            told = code != 0 and self._shim.failed_file_sync
            for entry in self._shim.entries():
                disk.apply(entry)
            self._cut(disk.leaves(nothing, nothing), f"{name}, and a power cut in the end", self._look, not told)
        shutil.rmtree(place)

    def _cut(self, tree: Tree, name: str, look: Callable[[Path, bool], list[str]], done: bool) -> None:
        """Look at what a power cut has left."""
        self.counts["power_cuts"] += 1
        cut = self._work / "cut"
        write_tree(tree, cut)
        self._note(name, in_child(lambda: look(cut, done)))
        shutil.rmtree(cut)

    def _strike(self, fault: Fault, point: int, place: Path, *, goes_on: bool = False) -> tuple[int, list[str]]:
        """Perform it under a fault; return its exit code and what was wrong with how it ended."""
        self._shim.arm(fault, point, place)
        code, said = refusal_of(lambda: self._operation.perform(place))
        wrong = [] if code in {0, *self._operation.codes} else [f"exit code {code}: {said}"]
        if goes_on:
            wrong += self._look(place, done=False) if code else []
            wrong += self._repeat(place) if code else self._look(place, done=True)
        if self._shim.repeated_syncs:
            wrong.append("a sync that had failed was tried again on the same file")
        self._shim.disarm()
        return code, wrong

    def _judge(self, place: Path, done: bool) -> list[str]:
        """Return what is wrong with what a fault left, and with what comes of doing it again."""
        return [*self._look(place, done), *self._repeat(place)]

    def _repeat(self, place: Path) -> list[str]:
        code, said = refusal_of(lambda: self._operation.perform(place))
        if code:
            return [f"it cannot be done again: {said}"]
        return [f"done again: {text}" for text in self._look(place, done=True)]

    def _look(self, place: Path, done: bool) -> list[str]:
        """Return what is wrong with a store; where all was `done`, also what differs from the end undisturbed."""
        wrong = compare(place / "store", self._expected) if done else find_violations(place / "store")
        return [*wrong, *self._operation.look(place, done)]

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
