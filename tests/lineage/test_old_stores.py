"""Stores that earlier versions wrote, and what a later one would have written."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import signal
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from flowkit import Metrics
from flowkit.codecs.registry import CodecRegistry
from flowkit.lineage.artifacts import stored_artifacts
from flowkit.lineage.connection import connect_for_reading, connect_for_writing
from flowkit.lineage.reader import Reader
from flowkit.lineage.schema import SCHEMA_VERSION
from flowkit.registry.audit import verify_chain
from flowkit.store.folder import StoreFolder
from flowkit.store.local import LocalStore
from tests.commands import Tell, caller, spawn
from tests.old_stores import STORES, unpack

OLDEST = 2
SCHEMAS = list(range(OLDEST, SCHEMA_VERSION + 1))

LOOKING_BACK = (
    ["runs"],
    ["logs", "last"],
    ["diff", "last~1", "last"],
    ["lineage", "line@champion"],
    ["lineage", "last:weights"],
    ["artifact", "list"],
    ["artifact", "show", "last:load"],
    ["models", "list"],
    ["models", "show", "line"],
    ["models", "card", "line"],
    ["audit", "list"],
    ["audit", "verify"],
    ["why", "last", "fit"],
    ["verify", "--dry-run"],
)

CONTENT = (
    "SELECT * FROM runs ORDER BY run",
    "SELECT run, node, step, map_index, outcome, reason, cache_key, entry_key, attempts FROM nodes ORDER BY run, node",
    "SELECT * FROM artifacts ORDER BY artifact",
    "SELECT * FROM node_inputs ORDER BY run, node, parameter",
    "SELECT * FROM node_outputs ORDER BY run, node, name",
    "SELECT * FROM metrics ORDER BY run, node, name",
    "SELECT * FROM models ORDER BY model, version",
    "SELECT * FROM aliases",
    "SELECT * FROM audit ORDER BY sequence",
    "SELECT * FROM code ORDER BY run, node, name",
)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The project whose stores they are, without a store."""
    shutil.copytree(STORES / "project", tmp_path / "project")
    monkeypatch.chdir(tmp_path / "project")
    return tmp_path / "project"


@pytest.fixture
def tell(capsys: pytest.CaptureFixture[str]) -> Tell:
    """Runs a command in this process."""
    return caller(capsys)


def fingerprint(folder: Path) -> str:
    """Return one digest over the names and bytes of all files of a store, what SQLite leaves beside it included."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    found = hashlib.sha256()
    for path in paths:
        found.update(f"{path.relative_to(folder)}\n".encode() + path.read_bytes())
    return found.hexdigest()


Table = tuple[list[str], list[tuple[object, ...]]]


def content_of(path: Path, like: Sequence[Table] = ()) -> list[Table]:
    """Return what the views say, without flowkit: the columns and the rows of each query.

    Args:
        path: The database.
        like: Tables to whose columns it is to be kept: a view may have got more.
    """
    with closing(sqlite3.connect(path)) as connection:
        queries = (
            [f"SELECT {', '.join(columns)} FROM ({query})" for query, (columns, _) in zip(CONTENT, like, strict=True)]
            if like
            else CONTENT
        )
        found = [connection.execute(query) for query in queries]
        return [([column for column, *_ in cursor.description], cursor.fetchall()) for cursor in found]


def version_of(path: Path) -> int:
    with closing(sqlite3.connect(path)) as connection:
        version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    return version


def test_every_schema_has_a_store() -> None:
    """A migration comes with the store of the schema that it makes (`make golden-store`)."""
    found = {int(re.sub(r"\D", "", path.name.partition(".")[0])) for path in STORES.glob("schema-*.tar.xz")}
    assert found == set(SCHEMAS)


@pytest.mark.slow
@pytest.mark.parametrize("schema", SCHEMAS)
def test_looking_at_an_older_store_shows_all_of_it_and_changes_nothing(schema: int, project: Path, tell: Tell) -> None:
    """Every command that looks back works on an older store; not a byte of the store differs after it."""
    store = unpack(schema, project)
    runs = tell("runs", "--json").json()["runs"]
    before = fingerprint(store)

    for command in LOOKING_BACK:
        words = [word.replace("last~1", runs[1]["run"]) for word in command]
        answer = tell(*words)
        assert answer.code == 0, f"{words}: {answer.err}"
        assert fingerprint(store) == before, words

    assert [run["status"] for run in runs] == ["succeeded", "failed", "succeeded", "succeeded"]
    assert tell("verify", "--json").json()["artifacts"] == 11


@pytest.mark.parametrize("schema", [OLDEST, *(pytest.param(n, marks=pytest.mark.slow) for n in SCHEMAS[1:])])
def test_writing_upgrades_an_older_store_with_all_it_has(schema: int, project: Path) -> None:
    """The first writer upgrades: rows, models, the audit chain and every value are what they were."""
    store = unpack(schema, project)
    before = content_of(store / "lineage.db")

    connect_for_writing(store / "lineage.db").close()

    assert version_of(store / "lineage.db") == SCHEMA_VERSION
    assert content_of(store / "lineage.db", before) == before
    with closing(connect_for_reading(store / "lineage.db")) as connection:
        assert verify_chain(connection) is None
    values = decoded(store)
    number = np.arange(600)
    expected = pd.DataFrame({"number": number, "square": number * number % 97})
    pd.testing.assert_frame_equal(values["table"][0], expected)
    assert np.array_equal(values["npy"][0], number / 2)
    assert {"slope": 2.0, "base": 9.0} in values["json"]
    assert Metrics(accuracy=1.0, rows=600.0) in values["json"]
    assert values["str"] == ["seven", "SEVEN"]


def decoded(store: Path) -> dict[str, list[object]]:
    """Return every value of a store by its format."""
    hints: dict[str, object] = {"table": pd.DataFrame, "npy": np.ndarray, "str": str}
    folder = StoreFolder.open(store)
    found: dict[str, list[object]] = {}
    with Reader(folder.database) as reader:
        for artifact in stored_artifacts(reader):
            stored = LocalStore(folder).open(artifact)
            payload = bytes(stored.payload)
            plain = Metrics if b"$metrics" in payload else dict[str, float] if payload.startswith(b"{") else int
            hint = hints.get(artifact.format, plain)
            found.setdefault(artifact.format, []).append(CodecRegistry().decode(stored, hint, folder.temporary))
    return found


@pytest.mark.slow
def test_the_next_run_reuses_what_an_older_version_made(project: Path) -> None:
    """A run with an older store upgrades it and executes nothing but for other packages that are installed by now."""
    store = unpack(OLDEST, project)

    done = spawn(project, "run", "pipelines/golden.py", "--inline", "--json")

    assert done.returncode == 0, done.stderr
    nodes = json.loads(done.stdout)["nodes"]
    assert {node["reason"] for node in nodes} <= {None, "environment"}
    assert [node["node"] for node in nodes if node["outcome"] == "reused"]
    assert version_of(store / "lineage.db") == SCHEMA_VERSION


@pytest.mark.slow
def test_an_upgrade_that_is_killed_is_done_whole_by_the_next_writer(project: Path) -> None:
    """Killed before any statement of it, the database is as it was; the next writer upgrades all of it."""
    reached = 0
    for position in range(1, 200, 6):
        store = unpack(OLDEST, project)
        database = store / "lineage.db"
        before = content_of(database)
        killed = upgrade_and_die(database, position)
        reached += killed
        with closing(connect_for_reading(database)) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        if killed:
            assert version_of(database) == OLDEST
        connect_for_writing(database).close()
        assert version_of(database) == SCHEMA_VERSION
        assert content_of(database, before) == before
        if not killed:
            break
    assert reached >= 5
    assert not killed


def upgrade_and_die(database: Path, position: int) -> bool:
    """Upgrade in a process that kills itself before its `position`-th writing statement; say whether it did."""
    child = os.fork()
    if child == 0:
        seen = 0

        def count(statement: str) -> None:
            nonlocal seen
            seen += statement.lstrip().upper().startswith(("CREATE", "ALTER", "DROP", "INSERT", "UPDATE", "COMMIT"))
            if seen >= position:
                os.kill(os.getpid(), signal.SIGKILL)

        real = sqlite3.connect

        def connect(*arguments: object, **options: object) -> sqlite3.Connection:
            connection = real(*arguments, **options)  # type: ignore[call-overload]
            connection.set_trace_callback(count)
            return connection  # type: ignore[no-any-return]

        sqlite3.connect = connect  # type: ignore[assignment]
        connect_for_writing(database).close()
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0
    return os.WIFSIGNALED(status)


def test_a_newer_store_is_refused_by_every_command_unchanged(project: Path, tell: Tell) -> None:
    """Whatever the command, a store of a later flowkit is refused with exit code 4 and none of its bytes changes."""
    store = unpack(SCHEMA_VERSION, project)
    with closing(sqlite3.connect(store / "lineage.db")) as connection:
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    before = fingerprint(store)
    writing = (
        ["run", "pipelines/golden.py", "--inline"],
        ["plan", "pipelines/golden.py"],
        ["rerun"],
        ["accept", "pipelines/golden.py", "fit"],
        ["models", "promote", "line:2", "--to", "champion"],
        ["models", "rollback", "line@champion"],
        ["backup", "copy.tar"],
    )
    for command in (*LOOKING_BACK, *writing):
        answer = tell(*command, "--json")
        assert answer.code in (2, 4), (command, answer.out)
        if answer.code == 2:
            assert "No such option" in answer.out, (command, answer.out)
            answer = tell(*command)
        assert answer.code == 4, (command, answer.out, answer.err)
        assert "newer flowkit" in answer.out + answer.err
        assert fingerprint(store) == before, command
    assert not Path("copy.tar").exists()
