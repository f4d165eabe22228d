"""What the I/O fault campaign interrupts: the operations that write into a store, a table to which more are added."""

from __future__ import annotations

import os
import shutil
import sqlite3
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

from flowkit.authoring.gates import at_least
from flowkit.cli.main import run_command
from flowkit.codecs.base import Encoded
from flowkit.errors import FlowkitError, RegistryError
from flowkit.housekeeping.backups.restoring import restore_backup
from flowkit.housekeeping.collecting.collect import collect
from flowkit.housekeeping.collecting.decision import Retention
from flowkit.lineage.schema import APPLICATION_ID, MIGRATION_SET, MIGRATIONS, SCHEMA_VERSION
from flowkit.lineage.writer import LineageWriter
from flowkit.records import RunStatus
from flowkit.registry.byhand import promote_by_hand, retire, rollback
from flowkit.registry.pins import pin
from flowkit.registry.promote import Candidate, promote
from flowkit.store import LocalStore, StoreFolder
from tests.faults.invariants import find_violations, summarise
from tests.lineage.samples import make_execution, make_inline, make_node, make_run
from tests.store.values import noise, plain, table

BACKUP = "taxi.tar"

Action = Callable[[Path], int]
"""Works on the store `<folder>/store` and returns an exit code; a refusal is raised."""

PIPELINE = """
import numpy as np

import flowkit as fk


@fk.step
def rows(count: int) -> np.ndarray:
    print("making rows")
    return np.arange(count, dtype=np.float64)


@fk.step
def doubled(values: np.ndarray) -> bytes:
    return (2 * values).tobytes()


@fk.pipeline
def two(count: int = 2000) -> None:
    doubled(rows(count))
"""


@dataclass(frozen=True)
class Operation:
    """One row of the campaign.

    Attributes:
        prepare: Makes what is there before, in a folder that is empty.
        perform: Does it; called again after a fault it must lead to the same end.
        codes: The exit codes with which it may end under a fault, beside 0.
        in_gate: Whether it is tried in the gate too, and not only by `make faults`.
        every_point: Whether each write is a point also in the gate, or there of several in a row only the first and the
            last: a rollback, a collection and the first migration are tried at every write.
        look: Returns what is wrong with what it made beside the store; told whether all was done.
    """

    name: str
    prepare: Action
    perform: Action
    codes: frozenset[int] = frozenset({4})
    every_point: bool = True
    in_gate: bool = True
    look: Callable[[Path, bool], list[str]] = lambda folder, done: []


def open_writer(folder: Path) -> LineageWriter:
    """Open the database as a run does, and mark what crashed before."""
    store = LocalStore(StoreFolder.create_or_open(folder / "store"))
    writer = LineageWriter(store.folder.database, present=store.holds)
    try:
        writer.mark_crashed_runs()
    except BaseException:
        writer.close()
        raise
    return writer


def model_of(text: str) -> Encoded:
    """Return a value that is too large for the database, made of `text`."""
    return plain(noise(sum(text.encode()), 9000))


def record_model(folder: Path, writer: LineageWriter, run: str, text: str) -> Candidate:
    """Put a model, record the node that made it, and return it as a candidate."""
    model = LocalStore(StoreFolder.open(folder / "store")).put(model_of(text))
    writer.record(make_node(make_execution(C=text, outputs=[model]), run=run, node=f"train {text}"))
    return Candidate("taxi", "champion", model, {"accuracy": float(len(text))}, [at_least("accuracy", 1)])


@contextmanager
def in_one_batch(writer: LineageWriter) -> Iterator[None]:
    """Have all that the block queues committed at once, however fast the writer's thread is."""
    queued = threading.Event()
    writer.enqueue(lambda connection: queued.wait() and None)
    try:
        yield
    finally:
        queued.set()


def fresh_run(writer: LineageWriter) -> str:
    """Begin a run and return its id."""
    run = f"run-{os.urandom(6).hex()}"
    writer.begin_run(make_run(run, started=time.time()))
    return run


def prepare_nothing(folder: Path) -> int:
    """No store is there yet."""
    return 0


def prepare_store(folder: Path) -> int:
    """An empty store."""
    open_writer(folder).close()
    return 0


def promote_model(folder: Path, text: str) -> int:
    """Make a model in a run of its own and promote it, as a run does."""
    with open_writer(folder) as writer:
        with in_one_batch(writer):
            run = fresh_run(writer)
            candidate = record_model(folder, writer, run, text)
        promote(writer, candidate, run=run, node="promote", who="ada")
        writer.finish_run(run, RunStatus.SUCCEEDED, 0, time.time())
    return 0


def prepare_blobs(folder: Path) -> int:
    """An empty store that has the blobs of two models."""
    prepare_store(folder)
    store = LocalStore(StoreFolder.open(folder / "store"))
    for text in ("a", "bb"):
        store.put(model_of(text))
    return 0


def prepare_champions(folder: Path) -> int:
    """A store with a champion of version 2, after version 1."""
    promote_model(folder, "a")
    return promote_model(folder, "bb")


def prepare_retired(folder: Path) -> int:
    """A store with a champion of version 1, rolled back from version 2."""
    prepare_champions(folder)
    return roll_back(folder)


def put_values(folder: Path) -> int:
    """Put a small value, a large one, a table by column, and one that shares a column with it."""
    store = LocalStore(StoreFolder.create_or_open(folder / "store"))
    store.put(plain(noise(1, 100)))
    store.put(plain(noise(2, 300_000)))
    store.put(table(noise(3, 100_000), noise(4, 5_000)))
    store.put(table(noise(3, 100_000), noise(4, 5_000), noise(5, 20_000)))
    return 0


def commit_records(folder: Path) -> int:
    """Record a run of three nodes, a small value and blobs."""
    with open_writer(folder) as writer:
        with in_one_batch(writer):
            run = fresh_run(writer)
            record_model(folder, writer, run, "a")
            record_model(folder, writer, run, "bb")
            writer.record(make_node(make_execution("count", outputs=[make_inline("3")]), run=run, node="count"))
        writer.finish_run(run, RunStatus.SUCCEEDED, 0, time.time())
    return 0


def roll_back(folder: Path) -> int:
    """Roll back to version 1; where that is the current one it is done."""
    with open_writer(folder) as writer:
        try:
            rollback(writer, "taxi", who="ada", to=1)
        except RegistryError as error:
            if "the current one" not in str(error):
                raise
    return 0


def retire_version(folder: Path) -> int:
    """Retire version 2."""
    with open_writer(folder) as writer:
        retire(writer, "taxi", 2, who="ada")
    return 0


def promote_again(folder: Path) -> int:
    """Let a person promote version 1 again."""
    with open_writer(folder) as writer:
        promote_by_hand(writer, "taxi", 1, who="ada")
    return 0


def create_store(folder: Path) -> int:
    """Make a store with its database."""
    return prepare_store(folder)


def prepare_project(folder: Path) -> int:
    """A project with a pipeline of two steps, outside the folder that faults strike."""
    project = folder.parent / "project"
    (project / "pipelines").mkdir(parents=True, exist_ok=True)
    (project / "pyproject.toml").write_text('[project]\nname = "two"\n')
    (project / "pipelines" / "two.py").write_text(PIPELINE)
    os.chdir(project)
    return prepare_store(folder)


def run_pipeline(folder: Path) -> int:
    """Run two steps in this process, by the command."""
    target = folder.parent / "project" / "pipelines" / "two.py"
    return call("run", str(target), "--inline", "--json", "--store", str(folder / "store"))


def prepare_backup(folder: Path) -> int:
    """No store, but the backup of one, outside the folder that faults strike."""
    prepare_champions(folder)
    code = call("backup", str(folder.parent / "taxi.tar"), "--force", "--store", str(folder / "store"))
    shutil.rmtree(folder / "store")
    return code


def restore(folder: Path) -> int:
    """Make a store of the backup; where there is one it is done."""
    code = call("backup", "--restore", str(folder.parent / "taxi.tar"), "--store", str(folder / "store"))
    return 0 if code == 2 and (folder / "store" / "lineage.db").exists() else code


def call(*arguments: str) -> int:
    """Run a command and return its exit code; one that shows its own code's frames has failed to say what is wrong."""
    out, errors = StringIO(), StringIO()
    with redirect_stdout(out), redirect_stderr(errors):
        code = run_command(list(arguments))
    told = out.getvalue() + errors.getvalue()
    if "Traceback" in told or "InternalError" in told:
        raise AssertionError(f"exit code {code}, and it showed:\n{told}")
    sys.stderr.write(told if code else "")
    return code


def prepare_version(version: int) -> Action:
    """Return what makes the database of a flowkit that knew `version` migrations, with a run in it."""

    def prepare(folder: Path) -> int:
        path = StoreFolder.create_or_open(folder / "store").database
        path.touch(0o600)
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute(
                'CREATE TABLE "_sqlite_migrations" (id INTEGER PRIMARY KEY, migration_set TEXT, name TEXT,'
                " applied_at TEXT)"
            )
            connection.execute(
                'CREATE UNIQUE INDEX "idx__sqlite_migrations_migration_set_name"'
                ' ON "_sqlite_migrations" ("migration_set", "name")'
            )
            for migration in MIGRATIONS[:version]:
                migration(connection)
                connection.execute(
                    "INSERT INTO _sqlite_migrations (migration_set, name, applied_at) VALUES (?, ?, '')",
                    (MIGRATION_SET, migration.__name__),
                )
            connection.execute("INSERT INTO word (text) VALUES ('taxi')")
            connection.execute(
                "INSERT INTO run (run, pipeline, target, env, status, started, ended, parameters, user, host, argv,"
                " driver) SELECT 'old', w.id, '', w.id, 8, 1, 2, '{}', '', '', '[]', '' FROM word AS w"
                " WHERE w.text = 'taxi'"
            )
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version = {version}")
            connection.execute("COMMIT")
        return 0

    return prepare


def prepare_garbage(folder: Path) -> int:
    """A champion, two results that no later run uses, and a blob that nothing names."""
    promote_model(folder, "a")
    with open_writer(folder) as writer:
        for text in ("ccc", "dddd"):
            run = fresh_run(writer)
            record_model(folder, writer, run, text)
            writer.finish_run(run, RunStatus.SUCCEEDED, 0, time.time())
    LocalStore(StoreFolder.open(folder / "store")).put(model_of("orphan"))
    return 0


def collect_garbage(folder: Path) -> int:
    """Drop all that may go, and what nothing names."""
    with open_writer(folder) as writer:
        store = StoreFolder.open(folder / "store")
        collect(store, writer, Retention(age=0.0), who="ada", grace=0.0, now=time.time() + 1)
    return 0


def pin_result(folder: Path) -> int:
    """Keep a result from every collection."""
    with open_writer(folder) as writer:
        pin(writer, LocalStore(StoreFolder.open(folder / "store")).put(model_of("ccc")), who="ada")
    return 0


def prepare_backup_of_old(folder: Path) -> int:
    """A store whose champion is of version 2, and its backup of the time of version 1."""
    promote_model(folder, "a")
    code = call("backup", str(folder / BACKUP), "--store", str(folder / "store"))
    return code or promote_model(folder, "bb")


def make_backup(folder: Path) -> int:
    """Replace the backup."""
    return call("backup", str(folder / BACKUP), "--force", "--store", str(folder / "store"))


def look_at_backup(folder: Path, done: bool) -> list[str]:
    """Return what is wrong with the backup: at any time it is the old one or the new one, and can be restored."""
    backup, restored = folder / BACKUP, folder.parent / "restored"
    shutil.rmtree(restored, ignore_errors=True)
    try:
        restore_backup(backup, restored, lambda _, __: None)
    except (FlowkitError, OSError) as error:
        return [f"the backup cannot be restored: {error}"]
    found, store = summarise(restored), summarise(folder / "store")
    versions = 2 if done else len(found["models"])
    same = found["models"] == store["models"][:versions] and all(
        row in store["artifacts"] for row in found["artifacts"]
    )
    wrong = [] if versions in {1, 2} and same else [f"the backup has {found['models']}"]
    return [*find_violations(restored), *wrong]


OPERATIONS = (
    Operation("run", prepare_project, run_pipeline, frozenset({1, 4}), every_point=False, in_gate=False),
    Operation("create", prepare_nothing, create_store, every_point=False),
    Operation("put", prepare_store, put_values),
    Operation("commit", prepare_blobs, commit_records, every_point=False),
    Operation(
        "promote",
        lambda folder: promote_model(folder, "a"),
        lambda folder: promote_model(folder, "bb"),
        every_point=False,
    ),
    Operation("rollback", prepare_champions, roll_back),
    Operation("retire", prepare_retired, retire_version, in_gate=False),
    Operation("promote by hand", prepare_champions, promote_again, in_gate=False),
    Operation("restore", prepare_backup, restore, every_point=False, in_gate=False),
    Operation("gc", prepare_garbage, collect_garbage),
    Operation("pin", prepare_garbage, pin_result, in_gate=False),
    Operation("backup", prepare_backup_of_old, make_backup, every_point=False, in_gate=False, look=look_at_backup),
    *(
        Operation(
            f"migrate from {version}",
            prepare_version(version),
            prepare_store,
            every_point=version == 1,
            # The first takes every step that the others take.
            in_gate=version == 1,
        )
        for version in range(1, SCHEMA_VERSION)
    ),
)


def refusal_of(action: Callable[[], int]) -> tuple[int, str]:
    """Return the exit code of an action and what it said; what is no refusal of flowkit's is raised."""
    try:
        return action(), ""
    except FlowkitError as error:
        return error.exit_code, str(error)
