"""A secret goes through whole runs, good and bad, and is found nowhere afterwards."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.journeys.project import OrdersProject, Outcome

CANARY = "canary-7gQ2-do-not-keep"

VAULT = '''
"""Steps that use a secret well, and in every bad way."""

import ctypes
import os
import sys
from dataclasses import dataclass

import flowkit as fk

PASSWORD = fk.Secret("VAULT_PASSWORD")


@dataclass
class Connection:
    host: str
    password: fk.Secret[str]


@fk.step
def good(db: fk.Secret[str] = fk.Secret("VAULT_PASSWORD")) -> int:
    return len(db.value)


@fk.step
def prints(connection: Connection) -> int:
    print("repr", connection, "value", connection.password.value)
    print(connection.password.value, file=sys.stderr)
    os.system("echo from a child: $VAULT_PASSWORD")
    return 1


@fk.step
def uses_global() -> int:
    print(PASSWORD.value)
    return 2


@fk.step
def raises(db: fk.Secret[str]) -> int:
    try:
        raise KeyError(db.value)
    except KeyError as error:
        raise ValueError("cannot reach " + "x" * 3_990 + db.value) from error


@fk.step
def skips(db: fk.Secret[str]) -> int:
    raise fk.Skip(f"nothing at {db.value}")


@fk.step
def dies(db: fk.Secret[str]) -> int:
    print(db.value, flush=True)
    ctypes.string_at(0)
    return 3


@fk.step
def returns(db: fk.Secret[str]) -> fk.Secret[str]:
    return db


@fk.pipeline
def vault(db: fk.Secret[str] = fk.Secret("VAULT_PASSWORD"), die: bool = False) -> None:
    good(db)
    prints(Connection("host", db))
    uses_global()
    raises(db)
    skips(db)
    returns(db)
    if die:
        dies(db)
'''


def make(root: Path) -> OrdersProject:
    project = OrdersProject.make(root)
    (project.root / "pipelines" / "vault.py").write_text(VAULT)
    return project


def assert_canary_is_nowhere(project: OrdersProject, *said: Outcome) -> None:
    for outcome in said:
        assert CANARY not in outcome.out + outcome.err
    files = [path for path in project.root.rglob("*") if path.is_file()]
    assert len([path for path in files if path.suffix == ".log"]) >= 2
    assert [path for path in files if CANARY.encode() in _read(path)] == []


def _read(path: Path) -> bytes:
    """Return a file's content; what other processes work in may be gone by now."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b""


def run_all(project: OrdersProject, *options: str) -> None:
    def call(*arguments: str) -> Outcome:
        # Below the project's root, so that what is left in temporary files is looked through too.
        return project.flowkit(*arguments, VAULT_PASSWORD=CANARY, TMPDIR=str(temporary))

    temporary = project.root / "temporary"
    temporary.mkdir(exist_ok=True)
    run = call("run", "pipelines/vault.py", "--json", *options)
    assert run.code == 1, run.err
    failed = {"raises", "returns"} | ({"dies"} if "die=true" in options else set())
    assert set(run.named("failed")) == failed
    assert set(run.named("executed")) == {"good", "prints", "uses_global"}
    assert run.named("skipped") == ["skips"]
    assert run.nodes["skips"]["detail"] == "nothing at ***"
    assert "***" in run.nodes["raises"]["error"]["traceback"]
    log = call("logs", "last", "prints")
    assert log.out.count("***") == 3
    assert "Secret('VAULT_PASSWORD')" in log.out
    plain = call("run", "pipelines/vault.py", "--verbose", *options)
    why = call("why", "pipelines/vault.py", "raises")
    looked = [call(*words) for words in (("runs",), ("lineage", "last:good"), ("logs", "last", "raises"))]
    assert_canary_is_nowhere(project, run, log, plain, why, *looked)


def test_a_secret_is_nowhere_after_an_inline_run(tmp_path: Path) -> None:
    """Printed, raised, skipped with and returned in this process: the value is in no file, record or message."""
    run_all(make(tmp_path / "inline"), "--inline")


@pytest.mark.slow
@pytest.mark.cluster
def test_a_secret_is_nowhere_after_a_run_on_workers(tmp_path: Path) -> None:
    """The same on local workers, and in the log that a host which was killed leaves behind."""
    run_all(make(tmp_path / "workers"), "--workers", "1", "-p", "die=true")


@pytest.mark.slow
def test_a_changed_value_reuses_and_a_missing_one_is_named(tmp_path: Path) -> None:
    """Only the name counts in the key. Missing where the step runs, the node fails with all that a person needs."""
    project = make(tmp_path / "changed")
    command = ("run", "pipelines/vault.py", "--inline", "--json", "--select", "good")
    missing = project.flowkit(*command)
    assert missing.code == 1
    error = missing.nodes["good"]["error"]
    assert "'VAULT_PASSWORD'" in error["message"]
    assert (error["facts"]["step"], error["facts"]["parameter"]) == ("good", "db")
    assert "export VAULT_PASSWORD=" in error["hint"]

    assert project.flowkit(*command, VAULT_PASSWORD=CANARY).named("executed") == ["good"]
    assert project.flowkit(*command, VAULT_PASSWORD="another value").named("reused") == ["good"]
    assert project.flowkit(*command, "-p", "db=OTHER", OTHER="x" * 9).named("executed") == ["good"]


NAMES = """
import os
from pathlib import Path

import flowkit as fk


@fk.step
def path(db: fk.Secret[str]) -> str:
    file = Path(f"data/{db.value}.csv")
    return file.read_text() if file.exists() else "none"


@fk.step
def variable(db: fk.Secret[str]) -> str:
    return os.environ.get("K_" + db.value, "none")


@fk.step
def folder(db: fk.Secret[str]) -> int:
    found = list(Path("data", db.value).glob("*")) if Path("data").is_dir() else []
    return len(found) + len(Path("data/orders.txt").read_text())


@fk.step
def plain(db: fk.Secret[str]) -> int:
    return len(Path("data/orders.txt").read_text()) + len(db.value)


@fk.pipeline
def names(db: fk.Secret[str] = fk.Secret("VAULT_PASSWORD")) -> None:
    path(db), variable(db), folder(db), plain(db)
"""


@pytest.mark.parametrize(
    "how",
    [
        pytest.param(["--inline"], id="inline"),
        pytest.param(["--workers", "1"], id="worker", marks=[pytest.mark.slow, pytest.mark.cluster]),
    ],
)
def test_a_name_that_holds_a_secret_is_masked_and_its_reader_not_reused(tmp_path: Path, how: list[str]) -> None:
    """What was read under such a name cannot be looked at again: the step runs every time, and a warning says why."""
    project = OrdersProject.make(tmp_path / "p")
    (project.root / "pipelines" / "names.py").write_text(NAMES)
    secret = "postgres://me:hunter22@db/churn"

    def run() -> Outcome:
        return project.flowkit("run", "names", "--json", *how, VAULT_PASSWORD=secret)

    first = run()
    assert first.code == 0, first.err
    warned = [text for text in first.json["warnings"] if "not be reused" in text]
    assert [text.partition(":")[0] for text in warned] == ["Step 'path'", "Step 'variable'", "Step 'folder'"]
    assert "existence data/***.csv" in warned[0]
    second = run()
    assert second.named("executed") == ["path", "variable", "folder"]
    assert second.named("reused") == ["plain"]
    why = project.flowkit("why", "names", "path", VAULT_PASSWORD=secret)
    files = [path for path in project.root.rglob("*") if path.is_file() and path.suffix != ".py"]
    kept = b"".join(path.read_bytes() for path in files) + (first.out + second.out + why.out + why.err).encode()
    assert b"***" in kept
    assert b"hunter22" not in kept


LIVE = """
import time
from pathlib import Path

import flowkit as fk


@fk.step
def watched(db: fk.Secret[str], root: str) -> str:
    print("it is", db.value, flush=True)
    time.sleep(1.0)
    return "".join(path.read_text() for path in Path(root).rglob("*.live"))


@fk.pipeline
def live(root: str, db: fk.Secret[str] = fk.Secret("VAULT_PASSWORD")) -> None:
    watched(db, root)
"""


@pytest.mark.cluster
@pytest.mark.slow
def test_what_is_shown_of_a_running_step_is_masked_too(tmp_path: Path) -> None:
    """The output that can be followed while a step runs holds no secret either."""
    project = OrdersProject.make(tmp_path / "p")
    (project.root / "pipelines" / "live.py").write_text(LIVE)

    run = project.flowkit(
        "run", "pipelines/live.py", "--json", "-p", f"root={project.root / '.flowkit'}", VAULT_PASSWORD=CANARY
    )

    assert run.code == 0, run.err
    shown = project.flowkit("artifact", "show", "last:watched")
    assert "it is ***" in shown.out
    assert CANARY not in shown.out
