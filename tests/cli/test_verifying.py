"""`verify` goes through a store: what is whole is told, what is not is named with what follows from it, and heals."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import Recorded
from tests.commands import Tell

SMALL_FIT = "SELECT artifact FROM model_version LIMIT 1"


def blob_of(store: Path) -> Path:
    (path,) = (path for path in (store / "blobs").rglob("*") if path.is_file())
    path.chmod(0o600)
    return path


def execute(store: Path, script: str) -> None:
    with sqlite3.connect(store / "lineage.db") as connection:
        connection.executescript(script)


def delete(store: Path) -> None:
    blob_of(store).unlink()


def flip(store: Path) -> None:
    path = blob_of(store)
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))


def cut(store: Path) -> None:
    path = blob_of(store)
    path.write_bytes(path.read_bytes()[:-1])


def change_model(store: Path) -> None:
    execute(store, f"UPDATE artifact SET inline = X'7b7d' WHERE id = ({SMALL_FIT});")


def forget_model(store: Path) -> None:
    execute(store, f"UPDATE artifact SET inline = NULL WHERE id = ({SMALL_FIT});")


def change_audit(store: Path) -> None:
    execute(store, "DROP TRIGGER audit_record_update; UPDATE audit_record SET who = 'nobody' WHERE sequence = 1;")


def dangle(store: Path) -> None:
    execute(store, "DELETE FROM environment;")


def misname(store: Path) -> None:
    execute(store, "UPDATE word SET text = '/../../x' WHERE id = (SELECT suffix FROM blob_file LIMIT 1);")


AGAIN = "the next run that needs it makes it again: frame of frames."

DAMAGES: list[tuple[Callable[[Path], None], str, str, str]] = [
    (delete, "artifact", "is gone", AGAIN),
    (flip, "artifact", "kept quarantine/", AGAIN),
    (cut, "artifact", "kept quarantine/", AGAIN),
    (misname, "artifact", "no file of the store holds it", AGAIN),
    (change_model, "model", "does not match its digest", "model small:1 (champion) is lost"),
    (forget_model, "model", "no file of the store holds it", "restore the store from a backup"),
    (change_audit, "audit", "changed, missing or out of place", "compare it with a backup"),
    (dangle, "database", "rows of execution point to", "keep the file as it is"),
]


@pytest.fixture
def store(recorded_project: Recorded, tmp_path: Path) -> Path:
    """A copy of the recorded store; its one file holds the table of `frame`."""
    shutil.copytree(recorded_project.root / ".flowkit", tmp_path / "store")
    return tmp_path / "store"


def test_a_whole_store_is_told_with_how_much_was_hashed(ask: Tell, store: Path) -> None:
    """Also where every stamp is another one, as in a copy: the content is what counts."""
    answer = ask("verify", "--store", str(store))
    found = ask("verify", "--store", str(store), "--json").json()

    assert answer.code == 0
    assert answer.out.startswith(f"the store is whole: {found['artifacts']} artifacts, ")
    assert (found["sound"], found["findings"]) == (True, [])
    assert found["artifacts"] > 10
    assert found["bytes"] > 0
    assert found["audit_rows"] == 2


@pytest.mark.parametrize(("damage", "kind", "problem", "meaning"), DAMAGES, ids=[case[0].__name__ for case in DAMAGES])
def test_what_is_lost_or_damaged_is_named_with_what_follows(
    ask: Tell, store: Path, damage: Callable[[Path], None], kind: str, problem: str, meaning: str
) -> None:
    """Each damage is one finding of its kind, on the screen and as JSON, and the exit code is 4."""
    untouched = store.with_name("again")
    damage(store)
    shutil.copytree(store, untouched)

    answer = ask("verify", "--store", str(store))
    told = ask("verify", "--store", str(untouched), "--json")

    assert (answer.code, told.code) == (4, 4)
    assert problem in answer.out
    assert meaning in answer.out
    assert "1 finding: " in answer.out
    (finding,) = told.json()["findings"]
    assert finding["kind"] == kind
    assert problem in finding["problem"]
    assert meaning in finding["meaning"]


def test_what_was_damaged_is_whole_again_after_the_next_run(ask: Tell, store: Path) -> None:
    """The run that needs it makes it again, and then nothing is found."""
    flip(store)
    assert ask("verify", "--store", str(store)).code == 4

    run = ask("run", "frames", "--inline", "--json", "--store", str(store)).json()

    assert [node["reason"] for node in run["nodes"] if node["outcome"] == "executed"] == ["lost"]
    assert ask("verify", "--store", str(store)).code == 0


def test_a_database_with_broken_pages_is_an_error_of_the_store(ask: Tell, store: Path) -> None:
    """Whether SQLite can still read it or not, the exit code is 4 and nothing is claimed to be whole."""
    path = store / "lineage.db"
    content = bytearray(path.read_bytes())
    content[4096 * 5 : 4096 * 40] = bytes(4096 * 35)
    path.write_bytes(content)

    answer = ask("verify", "--store", str(store))

    assert answer.code == 4
    assert "is whole" not in answer.out


@pytest.mark.parametrize("words", [["last"], ["--select", "fit"], ["--workers", "2"]], ids=lambda words: words[0])
def test_what_belongs_to_rerun_is_refused_without_it(ask: Tell, words: list[str]) -> None:
    """A run, a selection or workers say which nodes to run again: the check of a store takes none of them."""
    answer = ask("verify", *words)

    assert answer.code == 2
    assert "add --rerun" in answer.err
