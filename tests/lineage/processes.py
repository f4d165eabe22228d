"""What the tests run in processes of their own."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from flowkit.records import NodeRecord, Outcome, RunStatus
from tests.lineage.samples import STARTED, make_blob, make_execution, make_inline, make_node, make_run, open_writer

ROOT = Path(__file__).resolve().parents[2]


def start(action: str, *arguments: object) -> subprocess.Popen[str]:
    """Start a process that does one of the actions below."""
    return subprocess.Popen(
        [sys.executable, "-m", "tests.lineage.processes", action, *map(str, arguments)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(processes: Sequence[subprocess.Popen[str]]) -> list[str]:
    """Wait for processes and return what each printed; fail with what one complained of."""
    outputs = []
    for process in processes:
        out, error = process.communicate(timeout=100)
        assert process.returncode == 0, error
        outputs.append(out)
    return outputs


def increment(database: Path, name: str, count: int) -> None:
    """Read a number and write the next one, in transactions, between records of nodes."""

    def step(connection: sqlite3.Connection) -> None:
        (value,) = connection.execute("SELECT seconds FROM counter").fetchone()
        connection.execute("UPDATE counter SET seconds = ?", (value + 1,))

    with open_writer(database) as writer:
        writer.begin_run(make_run(name))
        for index in range(count):
            execution = make_execution(C=index, outputs=[make_inline(f"{index}")])
            writer.record(make_node(execution, run=name, node=f"train#{index}"))
            writer.write(step)
        writer.finish_run(name, RunStatus.SUCCEEDED, 0, STARTED + 1)


def interrupted(database: Path, count: int) -> None:
    """Be interrupted at any moment of waiting for the writer, and see each time that it answers another thread."""
    chance, answered = random.Random(0), 0
    writer = open_writer(database, durable=False)
    signal.signal(signal.SIGALRM, signal.default_int_handler)
    for _ in range(count):
        try:
            signal.setitimer(signal.ITIMER_REAL, chance.uniform(1e-5, 4e-4))
            while True:
                writer.flush()
        except KeyboardInterrupt:
            asker = threading.Thread(target=writer.flush, daemon=True)
            asker.start()
            asker.join(5)
            if asker.is_alive():
                break
            answered += 1
    print(answered, flush=True)
    os._exit(0)


def flood(database: Path, name: str) -> None:
    """Record without end, telling which nodes are durable."""
    with open_writer(database) as writer:
        writer.begin_run(make_run(name))
        for index in range(1_000_000):
            execution = make_execution(C=f"{name} {index}", outputs=[make_blob(f"{name} {index}")])
            writer.record(make_node(execution, run=name, node=f"train#{index}"))
            if index % 7 == 0:
                writer.flush()
                print(index, flush=True)


def drive(database: Path, name: str) -> None:
    """Begin a run and wait to be killed or told to end."""
    writer = open_writer(database)
    writer.begin_run(make_run(name))
    writer.record(NodeRecord(name, "train", "train", None, Outcome.BLOCKED))
    writer.flush()
    print("driving", flush=True)
    if sys.stdin.readline():
        writer.finish_run(name, RunStatus.SUCCEEDED, 0, time.time())
    writer.close()


def kill(process: subprocess.Popen[str]) -> None:
    """Kill a process as nothing can be prepared for."""
    process.send_signal(signal.SIGKILL)
    process.wait()


if __name__ == "__main__":
    action, path, *rest = sys.argv[1:]
    if action == "increment":
        increment(Path(path), rest[0], int(rest[1]))
    elif action == "interrupted":
        interrupted(Path(path), int(rest[0]))
    elif action == "flood":
        flood(Path(path), rest[0])
    else:
        drive(Path(path), rest[0])
