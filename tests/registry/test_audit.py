from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from blake3 import blake3

from flowkit.lineage.history import list_audit
from flowkit.lineage.reader import Reader
from flowkit.lineage.writer import LineageWriter
from flowkit.registry.audit import START, append_audit, verify_chain

ROWS = 6
COLUMNS = ["at", "who", "action", "subject", "detail", "evidence", "previous", "hash"]


def fill(writer: LineageWriter, count: int = ROWS) -> None:
    def append(connection: sqlite3.Connection) -> None:
        for index in range(count):
            append_audit(
                connection,
                at=1_795_154_400.0 + index / 2,
                who="ada",
                action="promote",
                subject=f"taxi:{index}",
                detail="because",
                evidence={"accuracy": 0.9},
            )

    writer.write(append)


@pytest.fixture
def forger(writer: LineageWriter, database: Path) -> Iterator[sqlite3.Connection]:
    """A person with write access to the file, who has removed the triggers."""
    fill(writer)
    connection = sqlite3.connect(database, isolation_level=None)
    for name in ("audit_record_update", "audit_record_delete"):
        connection.execute(f"DROP TRIGGER {name}")
    yield connection
    connection.close()


def test_an_untouched_chain_is_whole(writer: LineageWriter, database: Path) -> None:
    """Each row names the hash before it; the first starts from zeros; times and evidence read as documented."""
    assert writer.write(verify_chain) is None
    fill(writer)

    assert writer.write(verify_chain) is None
    with Reader(database) as reader:
        rows = list_audit(reader)
        assert [row.sequence for row in rows] == list(range(1, ROWS + 1))
        assert rows[0].previous == START.hex()
        assert [row.previous for row in rows[1:]] == [row.hash for row in rows[:-1]]
        assert [row.at for row in rows[:2]] == ["2026-11-20T06:00:00Z", "2026-11-20T06:00:00.500Z"]
        assert [row.sequence for row in list_audit(reader, 2)] == [ROWS - 1, ROWS]


@pytest.mark.parametrize("sequence", range(1, ROWS + 1))
@pytest.mark.parametrize("column", COLUMNS)
def test_a_change_to_any_field_of_any_row_is_noticed_there(
    column: str, sequence: int, forger: sqlite3.Connection
) -> None:
    """One changed field breaks the chain at exactly its row."""
    value = bytes(32) if column in ("previous", "hash") else "forged"
    if column == "previous" and sequence == 1:
        value = bytes([1] * 32)
    forger.execute(f"UPDATE audit_record SET {column} = ? WHERE sequence = ?", (value, sequence))

    assert verify_chain(forger) == sequence


@pytest.mark.parametrize("sequence", range(1, ROWS + 1))
def test_a_removed_row_is_noticed_also_the_last(sequence: int, forger: sqlite3.Connection) -> None:
    """A gap stays a gap: the numbers given are counted apart from the rows."""
    forger.execute("DELETE FROM audit_record WHERE sequence = ?", (sequence,))

    assert verify_chain(forger) == sequence


def test_a_removed_last_row_cannot_be_papered_over_by_the_next(
    forger: sqlite3.Connection, writer: LineageWriter
) -> None:
    """What is appended after a removal goes on counting, so the gap is seen for ever."""
    forger.execute("DELETE FROM audit_record WHERE sequence = ?", (ROWS,))
    fill(writer, 2)

    assert verify_chain(forger) == ROWS


def swap(forger: sqlite3.Connection) -> None:
    forger.execute("UPDATE audit_record SET sequence = 100 WHERE sequence = 2")
    forger.execute("UPDATE audit_record SET sequence = 2 WHERE sequence = 3")
    forger.execute("UPDATE audit_record SET sequence = 3 WHERE sequence = 100")


def insert(forger: sqlite3.Connection) -> None:
    last = forger.execute("SELECT hash FROM audit_record ORDER BY sequence DESC LIMIT 1").fetchone()[0]
    forger.execute(
        "INSERT INTO audit_record (at, who, action, subject, detail, evidence, previous, hash)"
        " VALUES ('2026', 'eve', 'promote', 'taxi:9', '', '{}', ?, ?)",
        (last, blake3(b"forged").digest()),
    )


def shift_a_letter(forger: sqlite3.Connection) -> None:
    forger.execute("UPDATE audit_record SET who = 'adap', action = 'romote' WHERE sequence = 2")


def replay(forger: sqlite3.Connection) -> None:
    forger.execute(
        "INSERT INTO audit_record (at, who, action, subject, detail, evidence, previous, hash)"
        " SELECT at, who, action, subject, detail, evidence, previous, hash FROM audit_record WHERE sequence = 3"
    )


@pytest.mark.parametrize(("forge", "broken"), [(swap, 2), (insert, ROWS + 1), (shift_a_letter, 2), (replay, ROWS + 1)])
def test_swapping_inserting_shifting_and_replaying_are_noticed(
    forge: Callable[[sqlite3.Connection], None], broken: int, forger: sqlite3.Connection
) -> None:
    """Rows cannot change places, be added or be said twice, nor can text move over a field's border."""
    forge(forger)

    assert verify_chain(forger) == broken


@pytest.mark.parametrize("statement", ["UPDATE audit_record SET who = 'eve'", "DELETE FROM audit_record"])
def test_the_log_is_only_appended_to(statement: str, writer: LineageWriter, database: Path) -> None:
    """A slip of the hand in a SQL shell is stopped by the database itself."""
    fill(writer)
    connection = sqlite3.connect(database, isolation_level=None)

    with pytest.raises(sqlite3.IntegrityError, match="appended"):
        connection.execute(statement)
    connection.close()


def test_an_entry_goes_with_the_transaction_it_tells_of(writer: LineageWriter) -> None:
    """What is rolled back leaves no row and no gap."""

    def broken(connection: sqlite3.Connection) -> None:
        append_audit(connection, at=0, who="ada", action="promote", subject="taxi:1")
        raise ValueError("stop")

    fill(writer, 1)
    with pytest.raises(ValueError, match="stop"):
        writer.write(broken)
    fill(writer, 1)

    assert writer.write(verify_chain) is None
