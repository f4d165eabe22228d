"""Restoring files that are no backups, or no longer: refused in words, with nothing left and nothing touched."""

from __future__ import annotations

import tarfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flowkit.errors import BackupError
from flowkit.housekeeping.backups.restoring import restore_backup
from tests.backups.archives import HOSTILE, Archive, compressed
from tests.backups.stored import files_of, names_in, rows_of
from tests.commands import Tell


@pytest.mark.parametrize("name", HOSTILE)
def test_an_archive_that_is_no_backup_is_refused(project: Path, backup: Path, tell: Tell, name: str) -> None:
    """Whatever it holds: exit code 4, what is wrong in words, no store, and no file anywhere else."""
    change, said = HOSTILE[name]
    archive = Archive.read(backup)
    change(archive)
    archive.write(project / "hostile.tar")
    before = names_in(project.parent)

    answer = tell("backup", "--restore", "hostile.tar", "--store", "again")

    assert answer.code == 4, answer.err
    assert said in answer.err
    assert names_in(project.parent) == before
    assert not Path("/tmp/flowkit-escaped").exists()


def test_headers_that_change_what_follows_are_not_obeyed(project: Path, backup: Path, tell: Tell) -> None:
    """A pax header, which could rename or resize the next member, is no plain file and ends the restore."""
    archive = Archive.read(backup)
    for member, _ in archive.members:
        member.pax_headers = {"path": "/tmp/flowkit-escaped"}
    archive.write(project / "hostile.tar", tarfile.PAX_FORMAT)

    assert tell("backup", "--restore", "hostile.tar", "--store", "again").code == 4
    assert not (project / "again").exists()


@pytest.mark.parametrize(
    "content", [b"", b"\0" * 4096, b"SQLite format 3\0" * 100, b"\x1f\x8b", b"\x1f\x8b\x08" + b"x" * 99]
)
def test_a_file_that_is_no_archive_is_refused(project: Path, tell: Tell, content: bytes) -> None:
    """An empty file, a database, half a gzip header: no backup, and no store is made."""
    Path("strange").write_bytes(content)
    assert tell("backup", "--restore", "strange", "--store", "again").code == 4
    assert not (project / "again").exists()


@pytest.mark.slow
def test_an_archive_that_unpacks_to_more_than_it_lists_is_stopped_at_once(project: Path, backup: Path) -> None:
    """A bomb is refused by its header, before what it would unpack to is read."""
    archive = Archive.read(backup)
    position = archive.index("runs/")
    archive.members[position] = (archive.members[position][0], bytes(200 << 20))
    archive.write(project / "bomb.tar")
    packed = project / "bomb.tar.gz"
    packed.write_bytes(compressed((project / "bomb.tar").read_bytes()))
    told: list[int] = []

    with pytest.raises(BackupError, match="are listed"):
        restore_backup(packed, project / "again", lambda done, total: told.append(done))

    assert packed.stat().st_size < 2 << 20
    assert max(told) < 1 << 20
    assert not (project / "again").exists()


@pytest.mark.slow
@pytest.mark.parametrize("packed", [False, True])
def test_a_broken_copy_is_refused_or_restores_the_same(
    project: Path, backup: Path, packed: bool, tmp_path: Path
) -> None:
    """Cut anywhere, or with any byte changed, a backup is refused; or the byte did not count and the store is right."""
    content = backup.read_bytes()
    content = compressed(content) if packed else content
    rows, files = rows_of(project / ".flowkit"), files_of(project / ".flowkit")
    refused = 0

    @settings(max_examples=60, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(st.integers(0, len(content) - 1), st.one_of(st.none(), st.integers(1, 255)))
    def attempt(position: int, difference: int | None) -> None:
        nonlocal refused
        broken = bytearray(content)
        if difference is None:
            del broken[position:]
        else:
            broken[position] ^= difference
        file, store = tmp_path / "broken", tmp_path / f"again{attempt.__name__}{refused}-{position}-{difference}"
        file.write_bytes(broken)
        try:
            restore_backup(file, store, lambda done, total: None)
        except BackupError:
            refused += 1
            assert not store.exists()
            return
        assert rows_of(store) == rows
        assert files_of(store) == files

    attempt()
    assert refused > 30
