from __future__ import annotations

import hashlib
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from flowkit.errors import LineageError
from flowkit.lineage.connection import LARGEST_UPGRADED_COPY
from flowkit.lineage.journal import choose_journal_mode, find_in_mounts
from flowkit.lineage.reader import Reader
from flowkit.lineage.schema import SCHEMA_VERSION, create_anew, upgrade
from tests.lineage.samples import make_run, open_writer

DOCUMENTED = {
    "runs": "run pipeline env status exit_code started seconds git_commit git_dirty user host argv",
    "nodes": "run node step map_index outcome reason detail cache_key entry_key attempts started seconds worker"
    " peak_memory",
    "artifacts": "artifact format bytes created",
    "node_inputs": "run node parameter artifact",
    "node_outputs": "run node name artifact",
    "parameters": "run node name value digest",
    "metrics": "run node name value",
    "observed_inputs": "run node kind name digest",
    "code": "run node name digest source",
    "models": "model version artifact run node created state",
    "aliases": "model alias version",
    "audit": "sequence at who action subject detail evidence previous hash",
}


def columns(connection: sqlite3.Connection, view: str) -> list[str]:
    return [row[1] for row in connection.execute(f"PRAGMA table_info({view})").fetchall()]


def create(path: Path) -> None:
    open_writer(path).close()


def fingerprint(path: Path) -> tuple[str, int]:
    return hashlib.sha256(path.read_bytes()).hexdigest(), path.stat().st_mtime_ns


@pytest.mark.parametrize("view", DOCUMENTED)
def test_every_view_has_exactly_the_documented_columns(view: str, database: Path) -> None:
    """People and tools query the views by these names, so the names and their order are a promise."""
    create(database)

    with sqlite3.connect(database) as connection:
        assert columns(connection, view) == DOCUMENTED[view].split()


def test_there_are_no_other_views(database: Path) -> None:
    """A view that is not documented would become a promise that nobody made."""
    create(database)

    with sqlite3.connect(database) as connection:
        names = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'view'")}
    assert names == set(DOCUMENTED)


def test_opening_again_changes_nothing(database: Path) -> None:
    """Migrations run once: a second opening leaves every byte as it is."""
    create(database)
    before = database.read_bytes()

    create(database)

    assert database.read_bytes() == before


def test_migrations_are_recorded_as_sqlite_utils_does(database: Path) -> None:
    """The migrations table names each migration, so that sqlite-utils' own command can tell them too."""
    create(database)

    with sqlite3.connect(database) as connection:
        rows = connection.execute("SELECT migration_set, name FROM _sqlite_migrations ORDER BY id").fetchall()
    names = (
        "create_tables",
        "create_views",
        "hide_unpacking",
        "record_makers",
        "record_paths",
        "list_folders",
        "keep_acceptances",
        "record_uncached",
        "keep_collections",
    )
    assert rows == [("flowkit", name) for name in names]
    assert len(rows) == SCHEMA_VERSION


def test_a_new_database_is_what_sqlite_utils_would_make() -> None:
    """A new database gets its migrations without sqlite-utils, and is the same as one that it upgraded from nothing."""

    def made(by: Callable[[sqlite3.Connection], None]) -> list[list[tuple[object, ...]]]:
        with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            by(connection)
            assert connection.in_transaction
            queries = (
                """SELECT type, name, tbl_name, replace(replace(sql, '[', '"'), ']', '"')
                FROM sqlite_master ORDER BY rowid""",
                """SELECT id, migration_set, name, applied_at LIKE '____-__-__ __:__:__%+00:00'
                FROM _sqlite_migrations ORDER BY rowid""",
                "SELECT * FROM word ORDER BY id",
                "SELECT * FROM pragma_table_xinfo('_sqlite_migrations')",
                "SELECT * FROM pragma_index_list('_sqlite_migrations')",
            )
            return [connection.execute(query).fetchall() for query in queries]

    assert made(create_anew) == made(upgrade)


def test_a_new_database_is_made_without_sqlite_utils(database: Path) -> None:
    """A first run does not wait for sqlite-utils, which imports pandas."""
    script = (
        "import sys; from pathlib import Path; from flowkit.lineage.writer import LineageWriter\n"
        "LineageWriter(Path(sys.argv[1]), present=lambda file: True).close()\n"
        "print(sorted({'sqlite_utils', 'pandas'} & set(sys.modules)))"
    )

    done = subprocess.run([sys.executable, "-c", script, str(database)], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"


def test_a_migration_that_was_cut_off_leaves_nothing(database: Path) -> None:
    """All migrations and the version they reach are one transaction: an empty file is made into a whole database."""
    database.touch()

    create(database)

    with Reader(database) as reader:
        assert reader.select("SELECT * FROM runs") == []


def test_an_up_to_date_database_is_opened_without_sqlite_utils(database: Path) -> None:
    """Only a migration imports sqlite-utils; an everyday run does not pay for it."""
    create(database)
    script = (
        "import sys; from pathlib import Path; from flowkit.lineage.writer import LineageWriter\n"
        "LineageWriter(Path(sys.argv[1]), present=lambda file: True).close()\n"
        "heavy = {'sqlite_utils', 'pandas', 'pyarrow', 'numpy', 'networkx', 'pydantic', 'distributed'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )

    done = subprocess.run([sys.executable, "-c", script, str(database)], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("opener", [create, lambda path: Reader(path)], ids=["writer", "reader"])
def test_a_newer_schema_is_refused_with_its_bytes_unchanged(opener: object, database: Path) -> None:
    """What a newer flowkit wrote is neither read nor touched, and the message says which versions met."""
    create(database)
    with sqlite3.connect(database) as connection:
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    connection.close()
    before = fingerprint(database)

    with pytest.raises(LineageError, match="newer flowkit") as caught:
        opener(database)  # type: ignore[operator]

    assert fingerprint(database) == before
    assert sorted(path.name for path in database.parent.iterdir()) == ["lineage.db"]
    assert ("its schema", str(SCHEMA_VERSION + 1)) in caught.value.facts
    assert caught.value.exit_code == 4


def test_an_older_schema_is_read_from_a_copy_and_upgraded_by_a_writer(database: Path) -> None:
    """A reader sees it as it would be and leaves it as it is; of one too large to be copied it says who upgrades it."""
    create(database)
    with sqlite3.connect(database) as connection:
        connection.execute("PRAGMA user_version = 1")
        connection.execute("DELETE FROM _sqlite_migrations WHERE name = 'create_views'")
        for (view,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'view'").fetchall():
            connection.execute(f"DROP VIEW {view}")
    connection.close()

    before = database.read_bytes()
    with Reader(database) as reader:
        assert reader.select("SELECT * FROM nodes") == []
    assert database.read_bytes() == before
    os.truncate(database, LARGEST_UPGRADED_COPY + 1)
    with pytest.raises(LineageError, match="older schema"):
        Reader(database)
    os.truncate(database, len(before))
    create(database)

    with Reader(database) as reader:
        assert reader.select("SELECT * FROM nodes") == []


def test_the_views_of_an_older_schema_are_replaced(database: Path) -> None:
    """A store of before learns to leave out what takes lists apart; no row of it changes."""
    create(database)
    with sqlite3.connect(database) as connection:
        connection.execute("PRAGMA user_version = 2")
        connection.execute("DELETE FROM _sqlite_migrations WHERE name = 'hide_unpacking'")
        connection.execute("DROP VIEW nodes")
        connection.execute("CREATE VIEW nodes AS SELECT run AS old FROM node")
    connection.close()

    create(database)

    with sqlite3.connect(database) as connection:
        assert columns(connection, "nodes") == DOCUMENTED["nodes"].split()


def test_somebody_elses_database_is_refused_unchanged(database: Path) -> None:
    """A SQLite file that is not flowkit's is not made into one."""
    with sqlite3.connect(database) as connection:
        connection.execute("CREATE TABLE thing (id)")
    connection.close()
    before = fingerprint(database)

    with pytest.raises(LineageError, match="not one of flowkit's"):
        create(database)

    assert fingerprint(database) == before


def test_a_damaged_database_is_kept_and_reported(database: Path) -> None:
    """Garbage is neither overwritten nor repaired; the message tells the way to restore."""
    database.write_bytes(b"not a database, " * 1000)
    before = fingerprint(database)

    with pytest.raises(LineageError, match="damaged") as caught:
        create(database)

    assert fingerprint(database) == before
    assert "backup" in caught.value.hint


def test_reading_where_there_is_no_database_says_so(database: Path) -> None:
    """Looking back before anything ran is an error with a remedy, and makes no file."""
    with pytest.raises(LineageError, match="no lineage database"):
        Reader(database)

    assert not database.exists()


def test_the_file_is_private_whatever_the_umask(database: Path) -> None:
    """The database is readable and writable for its owner only, from its first moment on."""
    previous = os.umask(0)
    try:
        create(database)
    finally:
        os.umask(previous)

    assert database.stat().st_mode & 0o777 == 0o600


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    """A path that cannot be opened gives the path and the reason, not SQLite's own words alone."""
    with pytest.raises(LineageError, match="cannot be opened") as caught:
        create(tmp_path / "missing" / "lineage.db")

    assert "No such file" in str(caught.value)


def test_odd_characters_in_the_path_are_only_characters(tmp_path: Path) -> None:
    """The path goes through a URI, where `?` and `#` and `%` would mean something."""
    folder = tmp_path / "a?b#c%20d é"
    folder.mkdir()

    with open_writer(folder / "lineage.db") as writer:
        writer.begin_run(make_run())

    with Reader(folder / "lineage.db") as reader:
        assert reader.select("SELECT run FROM runs") == [("run-1",)]


@pytest.mark.parametrize(
    ("version", "file_system", "mode"),
    [
        ((3, 40, 1), "ext4", "truncate"),
        ((3, 44, 5), "ext4", "truncate"),
        ((3, 44, 6), "ext4", "wal"),
        ((3, 45, 9), "ext4", "truncate"),
        ((3, 50, 6), "ext4", "truncate"),
        ((3, 50, 7), "xfs", "wal"),
        ((3, 51, 2), "ext4", "truncate"),
        ((3, 51, 3), "ext4", "wal"),
        ((3, 52, 0), "btrfs", "wal"),
        ((4, 0, 0), "ext4", "wal"),
        ((3, 52, 0), "nfs4", "truncate"),
        ((3, 52, 0), "cifs", "truncate"),
        ((3, 52, 0), "fuse.sshfs", "truncate"),
        ((3, 52, 0), "9p", "truncate"),
        ((3, 52, 0), None, "truncate"),
    ],
)
def test_the_journal_mode_follows_version_and_file_system(
    version: tuple[int, ...], file_system: str | None, mode: str
) -> None:
    """Write-ahead logging needs a SQLite without its corruption bug and a file system known to be local."""
    assert choose_journal_mode(version, file_system) == mode


def test_the_innermost_and_last_mount_counts() -> None:
    """A network file system mounted inside a local one, also at a path with blanks, is recognised."""
    mounts = "\n".join(
        [
            "22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw",
            "23 22 0:40 / /home/my\\040data rw shared:2 - nfs4 server:/x rw",
            "24 22 0:41 / /twice rw - xfs /dev/b rw",
            "25 22 0:42 / /twice rw - fuse.sshfs x rw",
        ]
    )

    assert find_in_mounts(mounts, Path("/home/other/x.db")) == "ext4"
    assert find_in_mounts(mounts, Path("/home/my data/.flowkit/lineage.db")) == "nfs4"
    assert find_in_mounts(mounts, Path("/twice/lineage.db")) == "fuse.sshfs"


def test_a_write_ahead_log_made_elsewhere_is_read_and_left_behind(database: Path) -> None:
    """A database that a newer SQLite left in WAL mode is taken back to the mode chosen here, with its content."""
    with open_writer(database) as writer:
        writer.begin_run(make_run())
    connection = sqlite3.connect(database)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.close()

    with open_writer(database) as writer:
        writer.begin_run(make_run("run-2"))

    with sqlite3.connect(database) as connection:
        assert [run for (run,) in connection.execute("SELECT run FROM runs ORDER BY run")] == ["run-1", "run-2"]
        expected = "wal" if choose_journal_mode(sqlite3.sqlite_version_info, "ext4") == "wal" else "delete"
        assert connection.execute("PRAGMA journal_mode").fetchone()[0] == expected
