from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

from flowkit.lineage.reader import Reader
from flowkit.registry.audit import verify_chain
from flowkit.registry.models import champion, list_models
from tests.lineage.processes import ROOT, finish, kill
from tests.lineage.samples import open_writer

MODELS = 12


def start(database: Path, name: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.registry.promoting", str(database), str(name), str(MODELS)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_eight_processes_promote_at_once(database: Path) -> None:
    """Promotions are serial: nobody is told locked, one artifact is one version, one champion at every moment, and the
    champion never gets worse.
    """
    open_writer(database).close()
    processes = [start(database, name) for name in range(8)]
    seen = []
    with Reader(database) as reader:
        while any(process.poll() is None for process in processes):
            rows = reader.select("SELECT version FROM aliases WHERE model = 'taxi' AND alias = 'champion'")
            assert len(rows) <= 1
            found = champion(reader, "taxi")
            seen.append(found.metrics["accuracy"] if found is not None else -1.0)
            time.sleep(0.02)
    finish(processes)

    assert seen == sorted(seen)
    with Reader(database) as reader:
        rows = list_models(reader, "taxi")
        assert [row.version for row in rows] == list(range(1, MODELS + 1))
        assert len({row.artifact for row in rows}) == MODELS
        best = champion(reader, "taxi")
        assert best is not None
        assert best.metrics == {"accuracy": MODELS - 1.0}
    with sqlite3.connect(database) as connection:
        assert verify_chain(connection) is None
        moves = connection.execute("SELECT earlier, version FROM alias_move ORDER BY id").fetchall()
    assert [earlier for earlier, _ in moves] == [None, *(version for _, version in moves[:-1])]


def test_a_killed_promotion_is_whole_or_absent(database: Path) -> None:
    """Version, verdicts, alias and audit row stand and fall together, at whatever moment the process dies."""
    open_writer(database).close()
    for name in range(6):
        process = start(database, name)
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(name * 0.006)
        kill(process)
        with open_writer(database) as writer:
            assert writer.write(verify_chain) is None
        with sqlite3.connect(database) as connection:
            counts = connection.execute(
                "SELECT (SELECT count(*) FROM judgement), (SELECT count(*) FROM gate_verdict),"
                " (SELECT count(*) FROM audit), (SELECT count(DISTINCT version) FROM judgement),"
                " (SELECT count(*) FROM models)"
            ).fetchone()
            moves = connection.execute("SELECT count(*) FROM judgement WHERE accepted").fetchone()
            assert moves == connection.execute("SELECT count(*) FROM alias_move").fetchone()
            assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert counts[0] == counts[1] == counts[2]
        assert counts[3] == counts[4]
