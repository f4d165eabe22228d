"""Processes that put, commit, promote and roll back on one store without end, and are killed at any moment.

A process of its own: it imports everything once and forks the workers. Each worker notes, outside of the store, what
was promised to it; none of that may be gone, whoever is killed.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sqlite3
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from flowkit.authoring.gates import at_least
from flowkit.errors import NotRecordedError, PromotionError, RegistryError
from flowkit.lineage.writer import LineageWriter
from flowkit.records import RunStatus
from flowkit.registry.byhand import promote_by_hand, rollback
from flowkit.registry.promote import Candidate, promote
from flowkit.store import LocalStore, StoreFolder
from tests.faults.invariants import find_violations
from tests.lineage.samples import make_execution, make_inline, make_node, make_run
from tests.store.values import noise, plain, table

WORKERS = 3
LONGEST = 0.06
MODELS = 1000
LARGE = 1_000_000
CHECK_EVERY = 4
WHOLE_EVERY = 50


class Worker:
    """One process at work on the store; `promised` is where it notes what it was told is durable."""

    def __init__(self, path: Path, promised: Path, seed: int) -> None:
        self._path = path
        self._promised = promised
        self._chance = random.Random(seed)

    def work(self) -> None:
        """Open the store and go on until killed."""
        store = LocalStore(StoreFolder.create_or_open(self._path))
        notes = os.open(self._promised, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600)
        with LineageWriter(store.folder.database, present=store.holds) as writer:
            writer.mark_crashed_runs()
            while True:
                for note in self._run(store, writer):
                    os.write(notes, f"{json.dumps(note)}\n".encode())

    def _run(self, store: LocalStore, writer: LineageWriter) -> Iterator[tuple[str, str]]:
        run = f"run-{os.getpid()}-{os.urandom(4).hex()}"
        number = self._chance.randrange(MODELS)
        columns = noise(number, 20_000), noise(1000 + number // 4, 9_000)
        artifacts = [store.put(plain(noise(number, 9_000))), store.put(table(*columns))]
        yield from (("blob", file.name) for artifact in artifacts for file in artifact.files)
        # Large, so that kills come while it is written; nobody names it, so that it may go again at once.
        (large,) = store.put(plain(os.urandom(LARGE))).files
        store.folder.blob_path(large.name).unlink()
        writer.begin_run(make_run(run, started=time.time()))
        execution = make_execution(C=number, outputs=[*artifacts, make_inline(str(number))])
        writer.record(make_node(execution, run=run, node="train"))
        writer.flush()
        yield "node", run
        candidate = Candidate("taxi", "champion", artifacts[0], {"accuracy": 0.5}, [at_least("accuracy", 0.1)])
        decision = promote(writer, candidate, run=run, node="promote", who="ada")
        yield "version", f"{decision.promotion.version}"
        if self._chance.random() < 0.4:
            self._move(writer, decision.promotion.version)
        writer.finish_run(run, RunStatus.SUCCEEDED, 0, time.time())
        yield "finished", run

    def _move(self, writer: LineageWriter, version: int) -> None:
        """Roll back, or promote by hand; where others were faster there may be nothing to do."""
        try:
            if self._chance.random() < 0.5:
                rollback(writer, "taxi", who="ada")
            else:
                promote_by_hand(writer, "taxi", version, who="ada")
        except (NotRecordedError, PromotionError, RegistryError):
            return


def broken_promises(path: Path, promised: Path) -> list[str]:
    """Return what was promised and is not there."""
    notes = {tuple(json.loads(line)) for line in promised.read_text().splitlines()}
    with closing(sqlite3.connect(path / "lineage.db", isolation_level=None, timeout=60)) as connection:
        held = {
            "node": {run for (run,) in connection.execute("SELECT run FROM nodes WHERE outcome = 'executed'")},
            "version": {str(version) for (version,) in connection.execute("SELECT version FROM models")},
            "finished": {run for (run,) in connection.execute("SELECT run FROM runs WHERE status = 'succeeded'")},
            "blob": {f"{file.parent.name}/{file.name}" for file in (path / "blobs").glob("*/*")},
        }
    return [f"promised, and gone: {kind} {name}" for kind, name in sorted(notes) if name not in held[kind]]


def start(path: Path, promised: Path, seed: int) -> int:
    """Start a worker and return its process id; one that ends by itself exits with 1."""
    child = os.fork()
    if child:
        return child
    try:
        Worker(path, promised, seed).work()
    finally:
        os._exit(1)


def main(folder: Path, seed: int, kills: int) -> dict[str, object]:
    """Kill `kills` workers and return what was counted and what was wrong."""
    chance = random.Random(seed)
    path, promised = folder / "store", folder / "promised"
    promised.touch()
    known: set[str] = set()
    wrong: list[str] = []
    workers = [start(path, promised, seed * 1_000_000 + number) for number in range(WORKERS)]
    for number in range(kills):
        time.sleep(chance.uniform(0, LONGEST))
        victim = workers.pop(chance.randrange(WORKERS))
        os.kill(victim, signal.SIGKILL)
        _, status = os.waitpid(victim, 0)
        if not os.WIFSIGNALED(status):
            wrong.append(f"a worker ended by itself before kill {number}")
        if number % CHECK_EVERY == 0:
            wrong += find_violations(path, known)
        if number % WHOLE_EVERY == 0:
            known.clear()
        workers.append(start(path, promised, seed * 1_000_000 + WORKERS + number))
    for victim in workers:
        os.kill(victim, signal.SIGKILL)
        os.waitpid(victim, 0)
    wrong += find_violations(path)
    wrong += broken_promises(path, promised)
    counts = {"kills": kills + WORKERS, "promises": len(promised.read_text().splitlines())}
    return {"counts": counts, "violations": wrong[:20]}


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))))
