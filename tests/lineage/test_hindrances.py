"""What a person has added to the database is told where flowkit could not write because of it, and left alone else."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from flowkit.errors import LineageError
from flowkit.lineage.hindrances import CHANGED
from flowkit.lineage.reader import Reader
from flowkit.lineage.soundness import damage_of
from flowkit.lineage.writer import LineageWriter
from tests.commands import ROOT

ABORT = "BEGIN SELECT RAISE(ABORT, 'not by me'); END"

REFUSING = {
    "an insert": f"CREATE TRIGGER mine BEFORE INSERT ON pin {ABORT}",
    "an insert, in other words": 'create trigger mine after insert on "run" begin select raise (ignore); end',
    "an update": f"CREATE TRIGGER mine AFTER UPDATE OF state ON model_version {ABORT}",
    "a removal": f"CREATE TRIGGER mine BEFORE DELETE ON artifact_file WHEN old.position > 3 {ABORT}",
    "a name like another event": f'CREATE TRIGGER "DELETE" BEFORE /* DELETE */ INSERT ON run {ABORT}',
    "a table that is gone": "CREATE TRIGGER mine AFTER INSERT ON node BEGIN INSERT INTO gone VALUES (new.run); END",
    "a table that is gone, updated": "CREATE TRIGGER mine AFTER UPDATE OF ended ON run BEGIN DELETE FROM gone; END",
    "a table that is gone, removed": "CREATE TRIGGER mine AFTER DELETE ON pin BEGIN DELETE FROM gone; END",
    "a unique index": "CREATE UNIQUE INDEX mine ON run (pipeline)",
    "a unique index on a part": "CREATE UNIQUE INDEX mine ON run (target) WHERE ended IS NULL",
}

HARMLESS = {
    "a log": "CREATE TABLE log (x);"
    " CREATE TRIGGER mine AFTER INSERT ON run BEGIN INSERT INTO log VALUES ('RAISE()'); END",
    "what flowkit never does": f"CREATE TRIGGER mine BEFORE DELETE ON model_version {ABORT}",
    "a table of theirs": f"CREATE TABLE log (x UNIQUE); CREATE TRIGGER mine BEFORE INSERT ON log {ABORT}",
    "an index": "CREATE INDEX mine ON run (started)",
    "unique already": "CREATE UNIQUE INDEX mine ON run (id, pipeline); CREATE UNIQUE INDEX other ON run (run)",
}


def faults_after(database: Path, script: str) -> list[tuple[str, str, str, bool]]:
    with closing(sqlite3.connect(database)) as connection:
        connection.executescript(script)
    with Reader(database) as reader:
        return [(fault.subject, fault.text, fault.way_out, fault.writable) for fault in damage_of(reader)]


@pytest.mark.parametrize("script", REFUSING.values(), ids=REFUSING)
def test_what_may_refuse_a_row_is_told_with_the_statement_that_removes_it(
    writer: LineageWriter, database: Path, script: str
) -> None:
    """One fault, and none once the statement was executed."""
    writer.flush()
    ((name, text, way_out, _),) = faults_after(database, script)

    assert "flowkit did not make" in text
    drop = re.search(r'DROP \w+ "(\w+)"', way_out)
    assert drop is not None
    assert drop[0].endswith(f'"{name}"')
    assert faults_after(database, drop[0]) == []


@pytest.mark.parametrize("script", HARMLESS.values(), ids=HARMLESS)
def test_what_refuses_nothing_is_left_alone(writer: LineageWriter, database: Path, script: str) -> None:
    """A person's own indexes, triggers and tables are no fault."""
    writer.flush()
    assert faults_after(database, script) == []


def test_repairs_are_tried_unless_they_would_be_refused(writer: LineageWriter, database: Path) -> None:
    """A trigger on pins keeps no file from being recorded; one on files does."""
    writer.flush()
    ((*_, pins),) = faults_after(database, f"CREATE TRIGGER mine BEFORE INSERT ON pin {ABORT}")
    files = faults_after(database, f"CREATE TRIGGER other BEFORE UPDATE ON blob_file {ABORT}")

    assert pins
    assert [writable for *_, writable in files] == [True, False]


def test_what_is_refused_says_how_to_find_out_why(writer: LineageWriter, database: Path) -> None:
    """The error has what the trigger says and names the command that names the trigger."""
    writer.flush()
    faults_after(database, f"CREATE TRIGGER mine BEFORE INSERT ON model {ABORT}")

    with pytest.raises(LineageError, match="refused") as caught:
        writer.write(lambda connection: connection.execute("INSERT INTO model (name) VALUES ('taxi')"))

    assert "not by me" in dict(caught.value.facts)["reason"]
    assert "`flowkit verify`" in caught.value.hint


def test_the_tables_are_known_whose_rows_are_changed() -> None:
    """What statements there are in the program: a trigger on anything else refuses nothing."""
    sources = [path.read_text() for part in ("lineage", "registry") for path in (ROOT / "flowkit" / part).rglob("*.py")]
    found = {
        "UPDATE": {name for text in sources for name in re.findall(r"UPDATE (?:OR \w+ )?([a-z_]+) SET", text)},
        "DELETE": {name for text in sources for name in re.findall(r"DELETE FROM ([a-z_]+)", text)},
    }
    assert found == CHANGED
