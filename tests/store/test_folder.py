"""The store's folder: how it is made, what is refused, and what is said where the system refuses."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from flowkit.errors import StoreError
from flowkit.store import LocalStore, Presence, StoreFolder, read_probe, remove_probe, write_probe
from tests.store.processes import finish, in_child, start, without_privileges
from tests.store.values import is_right, noise, plain, table, visible


def test_a_store_is_private_under_any_umask(tmp_path: Path) -> None:
    """Folders are 0700 and files are the owner's alone, also where the umask would let everybody in."""
    before = os.umask(0)
    try:
        folder = StoreFolder.create_or_open(tmp_path / "a" / ".flowkit")
        LocalStore(folder).put(plain(noise(1, 9_000)))
        folder.make_run_folder("run1")
    finally:
        os.umask(before)

    for path in (folder.path, *folder.path.rglob("*")):
        assert path.stat().st_mode & 0o077 == 0, path
        assert path.is_dir() == (path.stat().st_mode & 0o777 == 0o700), path


def test_a_store_can_be_made_under_the_tightest_umask(tmp_path: Path) -> None:
    """A umask that takes everything away does not make a store that its owner cannot use."""
    before = os.umask(0o777)
    try:
        folder = StoreFolder.create_or_open(tmp_path / ".flowkit")
    finally:
        os.umask(before)

    assert folder.path.stat().st_mode & 0o777 == 0o700


def test_a_store_keeps_itself_out_of_version_control(folder: StoreFolder) -> None:
    """The folder has its own .gitignore that leaves everything out."""
    assert (folder.path / ".gitignore").read_text() == "*\n"


def test_opening_again_changes_nothing(folder: StoreFolder) -> None:
    """A second start finds the store, its content and its permissions as they were."""
    artifact = LocalStore(folder).put(plain(noise(1, 9_000)))
    folder.path.chmod(0o750)

    again = StoreFolder.create_or_open(folder.path)

    assert again == folder
    assert LocalStore(again).check(artifact) is Presence.PRESENT
    assert folder.path.stat().st_mode & 0o777 == 0o750


def test_a_half_made_store_is_completed(tmp_path: Path) -> None:
    """A process that died while it made the folder leaves something that the next one finishes."""
    path = tmp_path / ".flowkit"
    (path / "blobs").mkdir(parents=True)
    (path / "lineage.db").touch()

    folder = StoreFolder.create_or_open(path)

    assert sorted(os.listdir(path)) == [".gitignore", "blobs", "lineage.db", "quarantine", "runs", "tmp"]
    assert LocalStore(folder).put(plain(noise(1, 9_000))).files


def test_many_processes_can_make_one_store(tmp_path: Path) -> None:
    """Processes that start at once all get the same working folder."""
    path = tmp_path / "deep" / ".flowkit"

    def make_and_put(seed: int) -> Callable[[], object]:
        return lambda: LocalStore(StoreFolder.create_or_open(path)).put(plain(noise(seed, 9_000)))

    artifacts = [finish(*child) for child in [start(make_and_put(seed)) for seed in range(6)]]

    store = LocalStore(StoreFolder.open(path))
    assert all(is_right(store, artifact, plain(noise(seed, 9_000))) for seed, artifact in enumerate(artifacts))


def test_what_killed_processes_left_is_swept(folder: StoreFolder) -> None:
    """Temporary files older than a day go at the next start; younger ones may belong to a live put."""
    old, young = folder.temporary / "1-aa", folder.temporary / "2-bb"
    for path in (old, young):
        path.write_bytes(b"x")
    os.utime(old, (time.time() - 90_000,) * 2)

    StoreFolder.create_or_open(folder.path)

    assert list(folder.temporary.iterdir()) == [young]


def test_a_missing_store_is_told(tmp_path: Path) -> None:
    """Opening for reading makes nothing, and says what to do."""
    with pytest.raises(StoreError, match="There is no store at") as caught:
        StoreFolder.open(tmp_path / ".flowkit")

    assert caught.value.exit_code == 4
    assert "flowkit run" in caught.value.hint
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("open_folder", [StoreFolder.open, StoreFolder.create_or_open])
def test_a_file_in_the_stores_place_is_told(tmp_path: Path, open_folder: Callable[[Path], StoreFolder]) -> None:
    """Something else than a folder is neither used nor replaced."""
    path = tmp_path / ".flowkit"
    path.write_text("mine")

    with pytest.raises(StoreError, match="is not a folder") as caught:
        open_folder(path)

    assert caught.value.exit_code == 4
    assert str(path) in str(caught.value)
    assert path.read_text() == "mine"


@pytest.mark.parametrize("content", ["a link to nowhere", "a file above"])
def test_other_things_in_the_way_are_told(tmp_path: Path, content: str) -> None:
    """A dangling link, or a file where a folder above the store should be, gives the store's error."""
    path = tmp_path / "x" / ".flowkit"
    if content == "a file above":
        (tmp_path / "x").write_text("mine")
    else:
        path.parent.mkdir()
        path.symlink_to(tmp_path / "nowhere")

    with pytest.raises(StoreError) as caught:
        StoreFolder.create_or_open(path)
    assert str(tmp_path) in str(caught.value)


def test_a_folder_with_other_things_is_not_made_a_store(tmp_path: Path) -> None:
    """A store named by mistake, such as a home folder, is refused before its .gitignore hides what is there."""
    (tmp_path / "thesis.tex").write_text("mine")

    with pytest.raises(StoreError, match="is not a store, and it is not empty") as caught:
        StoreFolder.create_or_open(tmp_path)

    assert "thesis.tex" in str(caught.value)
    assert os.listdir(tmp_path) == ["thesis.tex"]


def test_a_store_may_be_a_link_to_a_larger_disk(tmp_path: Path) -> None:
    """A `.flowkit` that is a symbolic link to a folder works as that folder."""
    (tmp_path / "large").mkdir()
    (tmp_path / ".flowkit").symlink_to(tmp_path / "large")

    encoded = plain(noise(1, 9_000))
    store = LocalStore(StoreFolder.create_or_open(tmp_path / ".flowkit"))

    assert is_right(store, store.put(encoded), encoded)


def test_a_folder_where_nothing_may_be_made_is_told(open_place: Path) -> None:
    """Permission denied names the path and the user, with exit code 4."""
    place = open_place / "locked"
    place.mkdir(mode=0o555)

    with pytest.raises(StoreError, match="permission denied") as caught:
        without_privileges(lambda: StoreFolder.create_or_open(place / ".flowkit"))

    assert caught.value.exit_code == 4
    assert str(place / ".flowkit") in str(caught.value)
    assert "uid" in str(caught.value)


def test_a_store_that_is_not_writable_is_told_at_the_start(open_place: Path) -> None:
    """An existing store without permission to write is refused before any step runs, not at the first put."""
    folder = StoreFolder.create_or_open(open_place / ".flowkit")
    for path in (folder.path, *folder.path.iterdir()):
        path.chmod(0o555 if path.is_dir() else 0o444)

    with pytest.raises(StoreError, match="permission denied"):
        without_privileges(lambda: StoreFolder.create_or_open(folder.path))


def test_reading_needs_no_permission_to_write(open_place: Path) -> None:
    """A store that this user can only read serves open, check and verify."""
    folder = StoreFolder.create_or_open(open_place / ".flowkit")
    encoded = table(noise(1, 200_000), noise(2, 10))
    artifact = LocalStore(folder).put(encoded)
    for path in (folder.path, *folder.path.rglob("*")):
        path.chmod(0o555 if path.is_dir() else 0o444)

    def read() -> tuple[bool, Presence]:
        store = LocalStore(StoreFolder.open(folder.path))
        store.verify(artifact)
        return is_right(store, artifact, encoded, writable=True), store.check(artifact)

    # The modes above were changed after the stamps were taken, so the look says changed and everything is hashed.
    assert without_privileges(read) == (True, Presence.CHANGED)


def test_a_blob_that_may_not_be_read_is_not_lost(open_place: Path) -> None:
    """A permission denied while reading is the store's error: nothing is put away or made again for it."""
    folder = StoreFolder.create_or_open(open_place / ".flowkit")
    artifact = LocalStore(folder).put(plain(noise(1, 9_000)))
    for path in (folder.path, *folder.path.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o400)

    with pytest.raises(StoreError, match="cannot read a blob: permission denied") as caught:
        without_privileges(lambda: LocalStore(StoreFolder.open(folder.path)).open(artifact))
    assert type(caught.value) is StoreError


def test_a_value_beyond_the_space_there_is_is_told(folder: StoreFolder) -> None:
    """Where the system takes no more bytes, nothing stays visible or half-written, and smaller values still fit."""

    def put_both() -> tuple[str, int]:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
        store = LocalStore(folder)
        try:
            store.put(plain(noise(1, 300_000)))
        except StoreError as error:
            store.put(plain(noise(2, 50_000)))
            return str(error), error.exit_code
        return "nothing was raised", 0

    message, exit_code = in_child(put_both)

    assert "no space is left" in message
    assert "Nothing of it was kept" in message
    assert exit_code == 4
    assert len(visible(folder)) == 1
    assert list(folder.temporary.iterdir()) == []


@pytest.mark.parametrize("size", [200_000, 5_000])
@pytest.mark.parametrize("writable", [False, True])
def test_many_open_values_leave_descriptors_for_the_step(folder: StoreFolder, size: int, writable: bool) -> None:
    """More values can be held open than the process may have files, and the step can still open its own."""
    count = 200
    values = [table(noise(seed, size)) for seed in range(count)]
    artifacts = [LocalStore(folder).put(value) for value in values]

    def hold_all() -> bool:
        # Whoever runs the tests holds some of its own; half of all is for maps.
        limit = 64 + 2 * len(os.listdir("/proc/self/fd"))
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
        store = LocalStore(folder)
        views = [
            store.open(artifact).chunk(value.chunks[0].digest, writable=writable)
            for artifact, value in zip(artifacts, values, strict=True)
        ]
        with open(os.devnull), open(os.devnull), open(os.devnull):
            return all(bytes(view) == value.chunks[0].content for view, value in zip(views, values, strict=True))

    assert in_child(hold_all) is True


def test_a_probe_proves_that_two_processes_see_one_store(folder: StoreFolder, tmp_path: Path) -> None:
    """What one process writes another reads by name; where the store is another one there is nothing."""
    name = write_probe(folder, "nonce-1")

    assert in_child(lambda: read_probe(StoreFolder.open(folder.path), name)) == "nonce-1"
    assert read_probe(StoreFolder.create_or_open(tmp_path / "other"), name) is None
    assert read_probe(StoreFolder(tmp_path / "nowhere"), name) is None
    remove_probe(folder, name)
    assert read_probe(folder, name) is None
    remove_probe(folder, name)
    assert list(folder.temporary.iterdir()) == []


def test_the_store_imports_nothing_heavy() -> None:
    """A reused run pays for no library of the data world on the store's account."""
    heavy = "pandas pyarrow numpy pandera pydantic beartype networkx sqlite_utils distributed rich cloudpickle click"
    code = f"import sys, flowkit.store; print(sorted(set({heavy.split()!r}) & set(sys.modules)))"

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"
