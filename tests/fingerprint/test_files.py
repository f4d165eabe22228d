"""Files and folders count by their content."""

from __future__ import annotations

import os
import socket
import tempfile
import time
from pathlib import Path

import pytest
from blake3 import blake3

from flowkit.errors import InputError
from flowkit.fingerprint.files import digest_path, input_name


class Kept:
    """Digests kept in memory, with a log of what was asked and put."""

    def __init__(self):
        self.table, self.puts, self.hits = {}, [], 0

    def _key(self, stat):
        return stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns

    def get(self, path, stat):
        found = self.table.get(self._key(stat))
        self.hits += found is not None
        return found

    def put(self, path, stat, digest):
        self.puts.append(path)
        self.table[self._key(stat)] = digest


@pytest.fixture
def tree(tmp_path):
    """A folder with files, a subfolder, an executable and links."""
    root = tmp_path / "tree"
    (root / "sub").mkdir(parents=True)
    (root / "a.txt").write_text("a")
    (root / "sub" / "b.txt").write_text("b")
    (root / "run.sh").write_text("r")
    (root / "run.sh").chmod(0o755)
    (root / "link").symlink_to("a.txt")
    (root / "dangling").symlink_to("nowhere")
    (root / "empty").mkdir()
    return root


def test_a_file_counts_by_its_bytes_alone(tmp_path):
    """The digest is that of the bytes; neither name nor mode nor times count."""
    path = tmp_path / "a"
    path.write_bytes(b"x" * 9_000_001)
    assert digest_path(path) == ("file", blake3(b"x" * 9_000_001).hexdigest(), 9_000_001)
    copy = tmp_path / "b"
    copy.write_bytes(path.read_bytes())
    copy.chmod(0o700)
    os.utime(copy, (1, 1))
    assert digest_path(copy) == digest_path(path)


def test_one_byte_with_size_and_times_preserved_counts(tmp_path):
    """Case 43: what was kept for a file is not trusted after a write that restores its mtime."""
    path, kept = tmp_path / "a", Kept()
    path.write_bytes(b"one")
    before = path.stat()
    first = digest_path(path, kept)
    assert kept.puts == []
    path.write_bytes(b"two")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert digest_path(path, kept) != first


@pytest.mark.slow
def test_a_settled_file_is_hashed_once(tmp_path):
    """A digest is kept only if the file's last change is more than two seconds old, and then it is used."""
    path, kept = tmp_path / "a", Kept()
    path.write_bytes(b"one")
    digest_path(path, kept)
    assert kept.puts == []
    time.sleep(2.1)
    first = digest_path(path, kept)
    assert kept.puts == [path]
    assert digest_path(path, kept) == first
    assert kept.hits == 1


def _rename(root: Path) -> None:
    (root / "a.txt").rename(root / "c.txt")


CHANGES = {
    "44 a byte": lambda root: (root / "sub" / "b.txt").write_text("c"),
    "71 a file added": lambda root: (root / "new").write_text(""),
    "a folder added": lambda root: (root / "sub" / "new").mkdir(),
    "72 a rename": _rename,
    "a file moved": lambda root: (root / "a.txt").rename(root / "sub" / "a.txt"),
    "the executable bit": lambda root: (root / "run.sh").chmod(0o644),
    "73 a link retargeted to equal content": lambda root: (
        (root / "link").unlink(), (root / "link").symlink_to("sub/../a.txt"),
    ),
    "a link replaced by its content": lambda root: ((root / "link").unlink(), (root / "link").write_text("a")),
    "a dangling link that leads somewhere": lambda root: (root / "nowhere").write_text(""),
    "an empty folder removed": lambda root: (root / "empty").rmdir(),
    "a file instead of an empty folder": lambda root: ((root / "empty").rmdir(), (root / "empty").write_text("")),
}  # fmt: skip


@pytest.mark.parametrize("case", CHANGES, ids=str)
def test_every_change_in_a_folder_counts(case, tree):
    """Names, kinds, executable bits, links and bytes of the whole tree count."""
    before = digest_path(tree)
    CHANGES[case](tree)
    after = digest_path(tree)
    assert before[0] == after[0] == "folder"
    assert before[1] != after[1]


def test_a_folder_counts_the_same_elsewhere(tree, tmp_path):
    """Case 94: neither the place of a folder, nor its own name, nor times count."""
    first = digest_path(tree)
    moved = tmp_path / "elsewhere" / "other"
    moved.parent.mkdir()
    tree.rename(moved)
    (moved / "a.txt").touch()
    assert digest_path(moved) == first
    assert first[2] == 4


def test_a_link_to_a_folder_is_the_folder(tree, tmp_path):
    """A path that is a link counts by what it leads to."""
    link = tmp_path / "link"
    link.symlink_to(tree)
    assert digest_path(link) == digest_path(tree)


def test_what_cannot_be_read_is_an_input_error_that_names_it(tree, tmp_path):
    """Missing paths, sockets, and links that lead back up are refused by name."""
    with pytest.raises(InputError, match=r"none.*does not exist"):
        digest_path(tmp_path / "none")
    (tree / "sub" / "up").symlink_to("..")
    with pytest.raises(InputError, match="cannot be read") as caught:
        digest_path(tree)
    assert "leads back" in str(caught.value)
    (tree / "sub" / "up").unlink()
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tree / "socket"))
        with pytest.raises(InputError, match="socket"):
            digest_path(tree)
    with pytest.raises(InputError, match="cannot be read"):
        digest_path(Path("/dev/null"))


@pytest.fixture
def unprivileged():
    """This process as somebody who may not read everything, also where root runs the tests."""
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)
    yield
    if user == 0:
        os.seteuid(0)


def test_a_file_without_permission_is_an_input_error(unprivileged):
    """The path that may not be read is named."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a"
        path.write_text("a")
        path.chmod(0)
        with pytest.raises(InputError, match="a' cannot be read"):
            digest_path(path)


def test_a_base_name_is_that_of_the_absolute_path(tmp_path, monkeypatch):
    """`.` and a trailing `..` have a name too."""
    (tmp_path / "sub").mkdir()
    monkeypatch.chdir(tmp_path / "sub")
    assert input_name(Path()) == "sub"
    assert input_name(Path("..")) == tmp_path.name
    assert input_name(Path("x.csv")) == "x.csv"
