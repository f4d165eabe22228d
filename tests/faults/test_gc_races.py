"""Collections race with runs that make, reuse and need the very content that they drop."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest

from flowkit.errors import StoreError
from flowkit.housekeeping.collecting.collect import collect
from flowkit.housekeeping.collecting.decision import Retention
from flowkit.lineage.artifacts import stored_artifacts
from flowkit.lineage.collection import named_files
from flowkit.lineage.reader import Reader
from flowkit.lineage.writer import LineageWriter
from flowkit.records import RunStatus
from flowkit.registry.pins import pin
from flowkit.store.folder import StoreFolder
from flowkit.store.local import LocalStore
from tests.commands import ROOT
from tests.faults.conftest import Tell
from tests.faults.scale import shares
from tests.lineage.samples import make_execution, make_node, make_run
from tests.store.values import noise, table

PIPELINE = """
import numpy as np
import flowkit as fk


@fk.step
def base(i: int, k: fk.Untracked[int], salt: int) -> np.ndarray:
    return np.arange(i, i + 2000)


@fk.step
def grown(values: np.ndarray, k: int) -> np.ndarray:
    return values * k


@fk.step
def cut(values: np.ndarray, k: int) -> list[np.ndarray]:
    return [values[:1000] + 1, values[1000:] + 1]


@fk.step
def piece(values: np.ndarray, more: np.ndarray) -> np.ndarray:
    return np.concatenate([values, more])


@fk.step
def total(pieces: list[np.ndarray], cuts: list[np.ndarray]) -> int:
    return int(sum(piece.sum() for piece in pieces + cuts))


@fk.pipeline
def race(k: int, salt: int) -> None:
    pieces = []
    for i in range(4):
        # Equal content under other keys, so that what is put is there already.
        values = base(i, k, salt)
        more = grown(values, k)
        pieces += [piece(more, np.full(1000, i)), more]
    total(pieces, fk.collect(piece(fk.each(cut(pieces[1], k)), np.full(1000, 9))))
"""

DRIVER = """
import json, sys
import flowkit as fk
from pipelines.race import race
session = fk.Session(inline=sys.argv[1] == "inline", workers=2)
for line in sys.stdin:
    run = session.run(race, **json.loads(line))
    failed = [f"{node.node}: {node.error.message} {node.error.facts}" for node in run.report.nodes if node.error]
    value = None if failed else run["total"].value()
    warned = [text for text in run.report.warnings if "made again" in text]
    print(json.dumps({"exit_code": run.report.exit_code, "total": value, "failed": failed, "healed": len(warned)}))
    sys.stdout.flush()
"""


def expected(k: int) -> int:
    """Return what `total` gives, computed without flowkit."""
    sums = 0
    for i in range(4):
        more = [value * k for value in range(i, i + 2000)]
        sums += 2 * sum(more) + 1000 * i
    first = sum(value * k for value in range(2000))
    return sums + first + 2000 + 2 * 9 * 1000


@contextmanager
def driving(project: Path, how: str) -> Iterator[subprocess.Popen[str]]:
    """Yield a process that runs the pipeline for each line that it is sent."""
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}:{project}"}
    with subprocess.Popen(
        [sys.executable, "-c", DRIVER, how],
        cwd=project,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as driver:
        try:
            yield driver
        finally:
            assert driver.stdin is not None
            driver.stdin.close()
            driver.wait(60)


def race(driver: subprocess.Popen[str], folder: StoreFolder, parameters: dict[str, int]) -> tuple[dict[str, Any], int]:
    """Let the driver run once while collections go on; return its answer and how many artifacts were dropped."""
    assert driver.stdin is not None
    assert driver.stdout is not None
    driver.stdin.write(json.dumps(parameters) + "\n")
    driver.stdin.flush()
    dropped = 0
    # By size alone two that share their files stay: each frees nothing.
    retentions = cycle((Retention(bytes=1), Retention(age=0.0)))
    with LineageWriter(folder.database, present=folder.holds) as writer:
        while not select.select([driver.stdout], [], [], 0)[0]:
            done = collect(folder, writer, next(retentions), who="test", grace=0.0)
            dropped += len(done.plan.dropped)
    line = driver.stdout.readline()
    assert line, "the driver died"
    return json.loads(line), dropped


def remake_pack(folder: StoreFolder, number: int) -> None:
    """Have a pinned table refer to a file that was lost and written again since, and leads on to a third one.

    Nothing but that table needs the file and the third one, which are recorded too. Every other time the file was found
    damaged and is in quarantine.
    """
    first, second, third = (noise(3 * number + each, 9_000) for each in range(3))
    store, other = LocalStore(folder), LocalStore(folder)
    load = store.put(table(first, second))
    kept = store.put(table(first, third))
    path = folder.blob_path(load.files[0].name)
    if number % 2:
        path.chmod(0o600)
        content = path.read_bytes()
        path.write_bytes(content.replace(second[:8], bytes(8)))
        folder.quarantine_blob(load.files[0].name, None)
    else:
        path.unlink()
    base = other.put(table(first))
    load = other.put(table(first, second))
    with LineageWriter(folder.database, present=folder.holds) as writer:
        for each, artifact in enumerate((base, load, kept)):
            run = f"pack-{number}-{each}"
            writer.begin_run(make_run(run, started=time.time()))
            writer.record(make_node(make_execution(C=run, outputs=[artifact]), run=run))
            writer.finish_run(run, RunStatus.SUCCEEDED, 0, time.time())
        pin(writer, kept, who="test")


def violations(folder: StoreFolder) -> list[str]:
    """Return what recorded rows name and is not there, or not right."""
    found = []
    store = LocalStore(folder)
    with Reader(folder.database) as reader:
        found += [name for name in named_files(reader) if folder.stamp(name) is None]
        for artifact in stored_artifacts(reader):
            try:
                store.prove(artifact)
            except StoreError as error:
                found.append(error.message)
    return found


@pytest.mark.slow
@pytest.mark.parametrize(("seed", "count"), shares(200, 10))
def test_collections_race_with_runs(seed: int, count: int, tmp_path: Path, tell_figure: Tell) -> None:
    """Whatever a collection drops while a run goes on, the run gives the right value and every row has its blob.

    So has what is pinned and leads on, over a file that was written again in another layout, to one that no row names.
    """
    (tmp_path / "pipelines").mkdir()
    (tmp_path / "pipelines" / "race.py").write_text(PIPELINE)
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "race"\nversion = "0.1.0"\n')
    folder = StoreFolder.create_or_open(tmp_path / ".flowkit")
    dropped = healed = broken = 0
    with driving(tmp_path, "hosts" if seed % 20 == 10 else "inline") as driver:
        assert driver.stdin is not None
        for number in range(count):
            k = 1 + (seed + number) % 3
            if number == 0:
                LineageWriter(folder.database, present=folder.holds).close()
            remake_pack(folder, seed + number)
            answer, went = race(driver, folder, {"k": k, "salt": number // 3})
            dropped, healed = dropped + went, healed + answer["healed"]
            assert (answer["exit_code"], answer["total"], answer["failed"]) == (0, expected(k), [])
            found = violations(folder)
            broken += len(found)
            assert found == []
    tell_figure("8 gc against runs", races=count, dropped=dropped, healed=healed, violations=broken)
    assert broken == 0
    assert dropped > count
