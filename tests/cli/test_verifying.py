"""`verify` goes through a store: what is whole is told, what is not is named with what follows from it, and heals."""

from __future__ import annotations

import shlex
import shutil
import sqlite3
import threading
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest

from flowkit.store.collection import collecting
from flowkit.store.folder import StoreFolder
from tests.cli.conftest import Recorded
from tests.commands import Answer, Tell

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


AGAIN = "the next run that needs it, which makes it again: frame of frames."


def unmove_alias(store: Path) -> None:
    execute(store, "DELETE FROM model_alias;")


def retire_champion(store: Path) -> None:
    execute(store, "UPDATE model_version SET state = 'retired' WHERE version = 1;")


def renumber(store: Path) -> None:
    execute(store, "UPDATE model_version SET version = 7 WHERE version = 2;")


def repeat_move(store: Path) -> None:
    execute(store, "INSERT INTO alias_move SELECT 99, model, alias, earlier, version, action, at FROM alias_move;")


def file_for_folder(store: Path) -> None:
    (store / "quarantine").rmdir()
    (store / "quarantine").write_text("a person's")


def scramble_names(store: Path) -> None:
    execute(store, "INSERT INTO word (text) VALUES ('no list'); UPDATE artifact SET refers = last_insert_rowid();")


def drop_table(store: Path) -> None:
    execute(store, "DROP TABLE folder_listing;")


def drop_artifacts(store: Path) -> None:
    execute(store, "DROP TABLE artifact;")


def replace_pins(store: Path) -> None:
    execute(store, "DROP TABLE pin; CREATE TABLE pin (x);")


def rename_column(store: Path) -> None:
    execute(store, "ALTER TABLE blob_file RENAME COLUMN mtime_ns TO modified;")


def retype_column(store: Path) -> None:
    """Have a column be another: what names it still works, what is written goes wrong."""
    execute(store, "DROP TABLE dropped; CREATE TABLE dropped (artifact TEXT PRIMARY KEY, at REAL NOT NULL);")


def allow_doubles(store: Path) -> None:
    execute(store, "DROP TABLE pin; CREATE TABLE pin (artifact INTEGER, audit INTEGER NOT NULL);")


def require_more(store: Path) -> None:
    execute(store, "ALTER TABLE pin ADD COLUMN more TEXT NOT NULL DEFAULT ''; ALTER TABLE pin ADD COLUMN mine TEXT;")
    execute(store, "DROP TABLE dropped; CREATE TABLE dropped (artifact INTEGER PRIMARY KEY, at REAL NOT NULL, more);")
    execute(
        store,
        "DROP TABLE folder_listing; CREATE TABLE folder_listing"
        " (digest BLOB PRIMARY KEY, files BLOB NOT NULL, more TEXT NOT NULL) WITHOUT ROWID;",
    )


def refuse_pins(store: Path) -> None:
    execute(store, "CREATE TRIGGER mine BEFORE INSERT ON pin BEGIN SELECT RAISE(ABORT, 'never'); END;")


PROMOTE = "`flowkit models promote small:1 --to champion --store "

DAMAGES: list[tuple[Callable[[Path], None], str, str, str]] = [
    (delete, "artifact", "is gone", AGAIN),
    (flip, "artifact", "kept quarantine/", AGAIN),
    (cut, "artifact", "kept quarantine/", AGAIN),
    (change_model, "model", "small:1 (champion) is lost: the payload in its record does not match", "`flowkit rerun 2"),
    (forget_model, "model", "small:1 (champion) is lost: no file of the store holds it", "else restore the store from"),
    (file_for_folder, "file", "it is no folder", "/quarantine.away`: what needs the folder makes it."),
    (change_audit, "audit", "changed, missing or out of place", "compare it with a backup"),
    (dangle, "database", "rows of execution point to", "keep the file as it is"),
    (scramble_names, "database", "is recorded as what is no list of names", "keep the file as it is"),
    (drop_table, "database", "folder_listing: the table is missing", "keep the file as it is"),
    (
        replace_pins,
        "database",
        "pin: the table is not as flowkit made it: it lacks column artifact",
        "keep the file as",
    ),
    (rename_column, "database", "blob_file: the table is not as flowkit made it: it lacks column", "keep the file as"),
    (retype_column, "database", "dropped: the table is not as flowkit made it: column artifact is", "keep the file as"),
    (allow_doubles, "database", "pin: the table is not as flowkit made it: column artifact is", "keep the file as"),
    (require_more, "database", "folder_listing: the table is not as flowkit made it: column more", "keep the file as"),
    (refuse_pins, "database", "mine: a trigger that flowkit did not make may refuse", 'DROP TRIGGER "mine" on lineage'),
    (drop_artifacts, "database", "artifact: the table is missing", "keep the file as it is"),
    (unmove_alias, "registry", "small@champion: it is gone, and was last moved to version 1", PROMOTE),
    (retire_champion, "registry", "small@champion: it points to version 1, which is retired", PROMOTE),
    (renumber, "registry", "not numbered from 1 without a gap: 2 up to 7", "compare it with the audit log"),
    (repeat_move, "registry", "its recorded moves do not follow one another", "compare it with the audit log"),
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
    findings = [finding for finding in told.json()["findings"] if finding["remedy"] != "repaired"]
    assert {finding["kind"] for finding in findings} == {kind}
    assert [finding["subject"] for finding in findings if "not as flowkit made" in finding["problem"]] == (
        [problem.partition(":")[0]] if "not as flowkit made" in problem else []
    )
    assert any(problem in f"{finding['subject']}: {finding['problem']}" for finding in findings)
    assert all(meaning in finding["meaning"] for finding in findings)


def misfile(store: Path) -> None:
    """Make an index disagree with its table, as a torn page does: SQLite believes what the schema says of it."""
    with sqlite3.connect(store / "lineage.db") as connection:
        sql = connection.execute("SELECT sql FROM sqlite_master WHERE name = 'input_artifact'").fetchone()[0]
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute("UPDATE sqlite_master SET sql = sql || ' WHERE 0' WHERE name = 'input_artifact'")
    with sqlite3.connect(store / "lineage.db") as connection:
        connection.execute("REINDEX input_artifact")
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute("UPDATE sqlite_master SET sql = ? WHERE name = 'input_artifact'", (sql,))


def loosen(store: Path) -> None:
    execute(store, "UPDATE execution SET entry = NULL;")


def drop_views(store: Path) -> None:
    execute(store, "DROP VIEW runs; DROP INDEX node_history; DROP TRIGGER audit_record_delete;")


def change_view(store: Path) -> None:
    execute(store, "DROP VIEW aliases; CREATE VIEW aliases AS SELECT 1 AS model, 2 AS alias, 3 AS version;")


def open_to_all(store: Path) -> None:
    store.chmod(0o755)
    (store / "lineage.db").chmod(0o644)
    blob_of(store)


def keep_a_good_copy(store: Path) -> None:
    path = blob_of(store)
    shutil.copy(path, store / "quarantine" / f"{path.parent.name}{path.name}.1")
    path.unlink()


def share_and_delete(store: Path) -> None:
    path = blob_of(store)
    folder = store.with_name("remote") / "blobs" / path.parent.name
    folder.mkdir(parents=True)
    shutil.move(path, folder)


REPAIRS: list[tuple[Callable[[Path], None], list[tuple[str, str]]]] = [
    (misfile, [("database", "input_artifact: it does not agree with its table")]),
    (loosen, [("database", "results to be reused have no execution that succeeded")]),
    (
        drop_views,
        [
            ("database", "node_history: the index is missing"),
            ("database", "audit_record_delete: the trigger is missing"),
            ("database", "runs: the view is missing"),
        ],
    ),
    (change_view, [("database", "aliases: the view is not as flowkit made it")]),
    (
        open_to_all,
        [
            ("file", "its mode is 0755, not 0700"),
            ("file", "its mode is 0644, not 0600"),
            ("file", "may be written, or not be read"),
        ],
    ),
    (misname, [("artifact", "no file of the store holds it")]),
    (keep_a_good_copy, [("artifact", "is gone")]),
    (share_and_delete, [("artifact", "is gone")]),
]


@pytest.mark.parametrize(("damage", "expected"), REPAIRS, ids=[case[0].__name__ for case in REPAIRS])
def test_what_can_be_repaired_without_a_loss_is_repaired(
    ask: Tell,
    store: Path,
    damage: Callable[[Path], None],
    expected: list[tuple[str, str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A dry run changes nothing and says so; the real one repairs, leaves with 0, and then nothing is found."""
    monkeypatch.setenv("FLOWKIT_REMOTE", str(store.with_name("remote")))
    damage(store)
    before = snapshot(store)

    dry = ask("verify", "--store", str(store), "--dry-run", "--json")
    untouched = snapshot(store)
    answer = ask("verify", "--store", str(store), "--json")
    again = ask("verify", "--store", str(store), "--json")

    assert untouched == before
    assert dry.code == 4
    assert {finding["remedy"] for finding in dry.json()["findings"]} == {"possible"}
    findings = answer.json()["findings"]
    told = [f"{finding['kind']}  {finding['subject']}: {finding['problem']}" for finding in findings]
    assert len(told) == len(expected)
    assert all(said.startswith(kind) and text in said for said, (kind, text) in zip(told, expected, strict=True)), told
    assert {finding["remedy"] for finding in findings} == {"repaired"}
    assert (answer.code, answer.json()["sound"]) == (0, True)
    assert (again.code, again.json()["findings"]) == (0, [])


def snapshot(store: Path) -> dict[str, tuple[int, bytes]]:
    """The mode and the bytes of every file."""
    return {
        str(path.relative_to(store)): (path.stat().st_mode, path.read_bytes() if path.is_file() else b"")
        for path in (store, *sorted(store.rglob("*")))
    }


def repeat_node(store: Path) -> None:
    columns = "pipeline, name, step, map_index"
    execute(
        store,
        f"DROP INDEX pipeline_node_name; DROP VIEW runs;"
        f"INSERT INTO pipeline_node ({columns}) SELECT {columns} FROM pipeline_node LIMIT 1;",
    )


def test_what_cannot_be_repaired_keeps_nothing_else_from_it(ask: Tell, store: Path) -> None:
    """A unique index over rows that are there twice is told, by a dry run too; all else is looked at and mended."""
    repeat_node(store)
    flip(store)
    (store / "lineage.db").chmod(0o644)

    dry = ask("verify", "--store", str(store), "--dry-run", "--json")
    answer = ask("verify", "--store", str(store), "--json")

    assert (dry.code, answer.code) == (4, 4)
    remedies = [
        {finding["subject"].rpartition("/")[2]: finding["remedy"] for finding in told.json()["findings"]}
        for told in (dry, answer)
    ]
    artifact = next(name for name in remedies[0] if "(" in name)
    assert remedies[0] == {
        "pipeline_node_name": "none",
        "runs": "possible",
        "lineage.db": "possible",
        "blobs": "possible",
        artifact: "possible",
    }
    assert remedies[1] == remedies[0] | {"runs": "repaired", "lineage.db": "repaired", "blobs": "repaired"}
    said = next(one for one in answer.json()["findings"] if one["subject"] == "pipeline_node_name")
    assert said["problem"] == "the index is missing, and cannot be made: 1 row of pipeline_node is there more than once"


def test_a_repair_that_fails_is_one_finding(ask: Tell, store: Path) -> None:
    """Where a statement of a repair is refused, whatever the cause, the check goes on and the finding says why."""
    execute(store, "DROP VIEW runs; CREATE TABLE runs (mine); DROP VIEW aliases;")

    answer = ask("verify", "--store", str(store), "--json")

    assert answer.code == 4
    found = {one["subject"]: (one["remedy"], one["problem"]) for one in answer.json()["findings"]}
    assert found["aliases"][0] == "repaired"
    assert found["runs"][0] == "none"
    assert "could not be repaired: " in found["runs"][1]
    assert answer.json()["artifacts"] > 10


def test_a_result_that_stood_for_nothing_is_made_again(ask: Tell, store: Path) -> None:
    """An entry without its execution is freed by verify, and the next run's result stands under it again."""
    loosen(store)
    assert ask("verify", "--store", str(store)).code == 0

    runs = [ask("run", "frames", "--inline", "--json", "--store", str(store)).json() for _ in range(2)]

    assert [{node["outcome"] for node in run["nodes"]} for run in runs] == [{"executed"}, {"reused"}]


def test_what_no_record_names_is_counted_and_no_fault(ask: Tell, store: Path) -> None:
    """Blobs that a cut-off run left, damaged ones too, and strange names are told, and the store is whole."""
    path = blob_of(store)
    orphan = store / "blobs/ab" / ("c" * 62 + path.suffix)
    orphan.parent.mkdir(exist_ok=True)
    shutil.copy(path, orphan)
    stranger = store / "blobs/notes.txt"
    stranger.write_text("mine")
    for file in (path, orphan, stranger):
        file.chmod(0o400)

    answer = ask("verify", "--store", str(store))
    unnamed = ask("verify", "--store", str(store), "--json").json()["unnamed"]

    assert answer.code == 0
    assert "1 file that no record names" in answer.out
    assert unnamed == {"files": 1, "bytes": path.stat().st_size, "damaged": 1, "strangers": 1}


def test_stamps_of_a_copied_store_are_brought_up_to_date(ask: Tell, store: Path) -> None:
    """A copy has other stamps: they are recorded once its content is known to be right, and need not be again."""
    first = ask("verify", "--store", str(store), "--json").json()
    again = ask("verify", "--store", str(store), "--json").json()

    assert (first["restamped"], again["restamped"]) == (1, 0)
    assert first["findings"] == []


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


def beside(store: Path, act: Callable[[], Answer]) -> Answer:
    """Do something while the store's garbage is being collected for a moment, and see that it waited."""
    ended = threading.Event()
    with ExitStack() as stack:
        stack.callback(ended.set)
        stack.enter_context(collecting(StoreFolder.open(store)))
        threading.Timer(0.3, stack.close).start()
        answer = act()
        assert ended.is_set()
    return answer


def test_a_check_waits_for_a_collection(ask: Tell, store: Path) -> None:
    """What it removes would look like damage; a dry run waits as well."""
    assert beside(store, lambda: ask("verify", "--store", str(store))).code == 0
    assert beside(store, lambda: ask("verify", "--store", str(store), "--dry-run")).code == 0


@pytest.mark.slow
def test_steps_run_again_without_a_collection_beside_them(ask: Tell, store: Path) -> None:
    """What they take stays while they are verified."""
    assert beside(store, lambda: ask("verify", "--rerun", "--store", str(store))).code == 0


@pytest.mark.parametrize("damage", [delete, forget_model])
def test_the_command_that_is_named_for_a_loss_works_when_it_is_pasted(
    ask: Tell, store: Path, damage: Callable[[Path], None]
) -> None:
    """It says the node and, where it is not the project's own, the store; then nothing is lost any more."""
    damage(store)
    told = next(
        finding["meaning"]
        for finding in ask("verify", "--store", str(store), "--json").json()["findings"]
        if "flowkit rerun" in finding["meaning"]
    )
    _, *words = shlex.split(told.split("`")[1])

    again = ask(*words, "--inline")

    assert "--select" in words
    assert again.code == 0, again.err
    assert ask("verify", "--store", str(store)).code == 0


@pytest.mark.parametrize("words", [["last"], ["--select", "fit"], ["--workers", "2"]], ids=lambda words: words[0])
def test_what_belongs_to_rerun_is_refused_without_it(ask: Tell, words: list[str]) -> None:
    """A run, a selection or workers say which nodes to run again: the check of a store takes none of them."""
    answer = ask("verify", *words)

    assert answer.code == 2
    assert "add --rerun" in answer.err
