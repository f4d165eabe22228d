"""A secret's value is found nowhere: not on disk, in no message, no command line and no output, also of killed runs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.commands import MAIN, ROOT
from tests.security.listening import Sockets, watch
from tests.security.projects import make_project

CANARY = "canary-Zq81-do-not-keep"

PIPELINE = """
import inspect
import logging
import os
import sys
import time
import traceback
import warnings
from pathlib import Path

import flowkit as fk

DB = fk.Secret("VAULT_PASSWORD")


@fk.step
def uses(db: fk.Secret[str]) -> int:
    return len(db.value)


@fk.step
def tells(db: fk.Secret[str]) -> int:
    print("it is", db.value)
    logging.getLogger("app").warning("logged %s", db.value)
    warnings.warn(f"warned {db.value}")
    os.write(2, db.value.encode())
    os.system("echo $VAULT_PASSWORD")
    return 1


@fk.step
def raises(db: fk.Secret[str]) -> int:
    password = db.value
    local = {"password": password}
    try:
        raise KeyError(password)
    except KeyError as error:
        print(traceback.format_exc(), inspect.currentframe().f_locals)
        raise RuntimeError(f"cannot open {password} with {local}") from error


@fk.step
def notes(db: fk.Secret[str]) -> int:
    error = ValueError("no")
    error.add_note(f"a note of {db.value}")
    raise error


@fk.step
def grouped(db: fk.Secret[str]) -> int:
    raise ExceptionGroup("several", [ValueError(db.value), TypeError(repr(db.value))])


@fk.step
def opens(db: fk.Secret[str]) -> int:
    return len(Path(f"/nowhere/{db.value}").read_text())


@fk.step
def exits(db: fk.Secret[str]) -> int:
    sys.exit(db.value)


@fk.step
def wrong(db: fk.Secret[str]) -> int:
    return db.value[:0] or [db.value]


@fk.step
def skips(db: fk.Secret[str]) -> int:
    raise fk.Skip(f"nothing at {db.value}")


@fk.step
def computes(db: fk.Secret[str]) -> int:
    import dask

    def task(name: str) -> int:
        value = fk.Secret(name).value
        print("from a task:", value, flush=True)
        print("from a task:", value, file=sys.stderr, flush=True)
        time.sleep(1)
        return len(value)

    return dask.delayed(task)("VAULT_PASSWORD").compute()


@fk.step
def waits(db: fk.Secret[str]) -> int:
    print("holding", db.value, flush=True)
    sys.stdout.flush()
    Path(os.environ["STARTED"]).touch()
    time.sleep(60)
    return 1


@fk.pipeline
def vault(db: fk.Secret[str] = fk.Secret("VAULT_PASSWORD"), compute: bool = False) -> None:
    uses(db)
    tells(db)
    raises(db)
    notes(db)
    grouped(db)
    opens(db)
    exits(db)
    wrong(db)
    skips(db)
    if compute:
        computes(db)


@fk.pipeline
def held(db: fk.Secret[str] = fk.Secret("VAULT_PASSWORD"), compute: bool = False) -> None:
    tells(db)
    if compute:
        computes(db)
    waits(db)
"""


class Vault:
    """A project in which everything is searched afterwards."""

    def __init__(self, folder: Path, *, from_file: bool) -> None:
        self.folder = folder
        self.project = make_project(folder / "project", vault=PIPELINE)
        self.temporary, home, outside = folder / "temporary", folder / "home", folder / "outside"
        for made in (self.temporary, home, outside):
            made.mkdir()
        kept = {"VAULT_PASSWORD": CANARY}
        if from_file:
            (outside / "password").write_text(CANARY + "\n")
            kept = {"VAULT_PASSWORD_FILE": str(outside / "password")}
        self.started = folder / "started"
        self.said: list[str] = []
        self.variables = {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "TMPDIR": str(self.temporary),
            "HOME": str(home),
            "STARTED": str(self.started),
            **kept,
        }

    def start(self, *words: str) -> subprocess.Popen[str]:
        output = (self.folder / f"output{len(self.said)}").open("w+")
        self.said.append(output.name)
        return subprocess.Popen(
            [sys.executable, "-c", MAIN, *words],
            cwd=self.project,
            env=self.variables,
            text=True,
            stdout=output,
            stderr=subprocess.STDOUT,
        )

    def call(self, *words: str) -> tuple[int, Sockets]:
        process = self.start(*words)
        seen = watch(process)
        return process.wait(), seen

    def assert_nowhere(self) -> None:
        """Search every byte below the folder, but for the file that the secret is read from."""
        holders = []
        searched = 0
        for place, _, files in os.walk(self.folder):
            for name in files:
                path = Path(place, name)
                if path.is_file() and path.parent.name != "outside":
                    searched += 1
                    content = path.read_bytes()
                    if CANARY.encode() in content or CANARY.encode("utf-16-le") in content:
                        holders.append(str(path))
        assert searched > 10
        assert holders == []


LOOKING = [
    ("runs", "--json"),
    ("logs", "last", "tells"),
    ("why", "last", "raises"),
    ("plan", "vault", "--json"),
]


@pytest.mark.slow
@pytest.mark.cluster
def test_a_secret_is_nowhere_after_a_run_that_tells_it_in_every_way(tmp_path: Path) -> None:
    """Printed, logged, raised, noted, grouped, opened, exited with, computed with: no byte of it is kept or shown."""
    vault = Vault(tmp_path, from_file=False)

    code, seen = vault.call("run", "pipelines/vault.py:vault", "--workers", "1", "--json", "-p", "compute=true")
    assert code == 1
    for words in LOOKING:
        shown = vault.start(*[word.replace("vault", "pipelines/vault.py:vault") for word in words])
        assert shown.wait() == 0, words

    assert [line for line in seen.command_lines if CANARY in line] == []
    vault.assert_nowhere()
    assert "***" in Path(vault.said[2]).read_text()


@pytest.mark.slow
@pytest.mark.cluster
def test_a_secret_is_nowhere_after_a_run_that_was_killed(tmp_path: Path) -> None:
    """Whatever the death of the driver leaves behind, what was printed until then is not among it."""
    vault = Vault(tmp_path, from_file=True)
    process = vault.start("run", "pipelines/vault.py:held", "--workers", "1")
    while not vault.started.exists():
        assert process.poll() is None, Path(vault.said[0]).read_text()
        time.sleep(0.05)
    time.sleep(0.5)

    process.send_signal(signal.SIGKILL)
    process.wait()
    vault.assert_nowhere()
    assert vault.start("runs").wait() == 0
    vault.assert_nowhere()
