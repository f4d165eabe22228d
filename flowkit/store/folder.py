"""The `.flowkit` folder: where things stand in it, and how it is made.

```
.flowkit/          0700, kept out of version control by its own .gitignore
  lineage.db       the lineage database; not this module's business but for its place
  blobs/ab/cdef….suffix
  quarantine/      damaged blobs, kept for a person to look at
  runs/<run id>/<node>.<attempt>.log
  tmp/             files on their way into blobs/, probes
  bundles/         code that was sent to step hosts; made by the first that needs it
  checkpoints/     what unfinished nodes keep, by cache key; made by the first that asks
  claims           locks on the keys that drivers compute just now; made by the first that asks
  collection.lock  held by who removes files, and by who needs all of them to stay
  .restoring/      where a restore into this very folder unpacks; not there once the store is one
  cache/           what was found out about sources; may be removed at any time, made by the first that has something
```

The .gitignore is written last: a folder that has it is complete, once no restore goes on there, for which `blobs` comes
last. Opening a folder for reading changes nothing in it.
"""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Self

from msgspec import Struct

from flowkit.errors import StoreError
from flowkit.records import BlobFile, Stamp
from flowkit.store.files import (
    PRIVATE_FILE,
    fsync_directory,
    make_folder,
    make_folder_durably,
    move,
    read_stamp,
    remove,
    write_file_durably,
)
from flowkit.store.names import LIVE_SUFFIX, check_blob_name, check_run_name, log_name, node_in_log

_RUNS = "runs"
_FOLDERS = ("blobs", "quarantine", _RUNS, "tmp")
_LATER = ("checkpoints", "bundles", "cache")
_DATABASE = "lineage.db"
MARK = ".gitignore"
RESTORING = ".restoring"
_LEFTOVER_AGE = 24 * 3600


@contextmanager
def reporting(action: str, path: Path) -> Iterator[None]:
    """Turn an `OSError` into the `StoreError` that says what the store cannot do, such as `keep a value`."""
    try:
        yield
    except OSError as error:
        raise StoreError.for_os_error(action, error.filename or path, error) from error


class StoreFolder(Struct, frozen=True):
    """A store's folder that is known to be there."""

    path: Path

    @classmethod
    def create_or_open(cls, path: Path) -> Self:
        """Return the folder at `path` for writing, made if need be, for its owner alone whatever the umask.

        Raises:
            StoreError: Something else stands there, or it cannot be made or written to.
        """
        folder = cls(Path(os.path.abspath(path)))
        with reporting("be written to" if folder.path.exists() else "be made", folder.path):
            folder._make()
            folder._refuse_open_to_all()
            folder._sweep()
        return folder

    @classmethod
    def open(cls, path: Path) -> Self:
        """Return the folder at `path` for reading; no permission to write is needed.

        Raises:
            StoreError: There is no store.
        """
        folder = cls(Path(os.path.abspath(path)))
        with reporting("be opened", folder.path):
            if not folder.path.exists():
                raise StoreError.for_no_store(folder.path)
            if not folder.path.is_dir():
                raise StoreError.for_not_a_folder(folder.path)
            if not folder.blobs.is_dir() and not folder._has_lost_blobs():
                raise StoreError.for_no_store(folder.path)
            folder._refuse_open_to_all()
        return folder

    def _has_lost_blobs(self) -> bool:
        """Whether only the content was removed, which takes neither runs nor logs with it; no half of a restore."""
        is_half = (self.path / RESTORING).exists()
        return self.database.is_file() and not self.blobs.exists() and not is_half

    @property
    def blobs(self) -> Path:
        """Where content lies, by digest."""
        return self.path / "blobs"

    @property
    def runs(self) -> Path:
        """Where each run has a folder."""
        return self.path / _RUNS

    @property
    def quarantine(self) -> Path:
        """Where damaged blobs are kept."""
        return self.path / "quarantine"

    @property
    def temporary(self) -> Path:
        """Where files are written before they are renamed into place; the same file system as `blobs`."""
        return self.path / "tmp"

    @property
    def checkpoints(self) -> Path:
        """Where nodes that have not succeeded yet keep their progress."""
        return self.path / "checkpoints"

    @property
    def database(self) -> Path:
        """The lineage database."""
        return self.path / _DATABASE

    def blob_path(self, name: str) -> Path:
        """Return the path of the blob `name`.

        Raises:
            StoreError: The name is not made of a digest and a suffix.
        """
        return self.blobs / check_blob_name(name)

    def stamp(self, name: str) -> Stamp | None:
        """Return the stamp of the blob `name` now, None where there is no such file.

        Raises:
            StoreError: The name is unsafe, or the folder cannot be looked into.
        """
        path = f"{self.path}/blobs/{check_blob_name(name)}"
        try:
            return read_stamp(path)
        except OSError as error:
            raise StoreError.for_os_error("look at a blob", path, error) from error

    def holds(self, file: BlobFile) -> bool:
        """Say whether the blob `file` is there: what a commit asks of every file that it names."""
        return self.stamp(file.name) is not None

    def quarantine_blob(self, name: str, stamp: Stamp | None) -> str:
        """Move the damaged blob `name` away and return, for an error's facts, what became of it.

        A file with another stamp is left alone: another process has mended it meanwhile.
        """
        path = self.blob_path(name)
        target = self.quarantine / f"{name.replace('/', '')}.{time.time_ns()}"
        try:
            if read_stamp(path) not in (stamp, None):
                return "mended meanwhile by another process"
            make_folder(self.quarantine)
            move(path, target)
        except FileNotFoundError:
            return "moved away meanwhile by another process"
        except OSError as error:
            return f"left in place, it cannot be moved ({error.strerror})"
        return f"quarantine/{target.name}"

    def find_misplaced(self) -> list[Path]:
        """Return the store's own folders in whose place something else stands, so that nothing can be kept there."""
        places = [self.path / name for name in (*_FOLDERS, *_LATER)]
        return [place for place in places if os.path.lexists(place) and not place.is_dir()]

    def quarantined(self, name: str) -> list[Path]:
        """Return what lies in quarantine of the blob `name`, the latest first."""
        start = f"{check_blob_name(name).replace('/', '')}."
        found = [file for file in _listed(self.quarantine) if file.startswith(start)]
        return [self.quarantine / file for file in sorted(found, reverse=True) if blob_in_quarantine(file) == name]

    def make_run_folder(self, run: str) -> Path:
        """Return the folder of `run`, made if need be.

        Raises:
            StoreError: The name is unsafe, or the folder cannot be made.
        """
        path = self.runs / check_run_name(run)
        with reporting("make a run's folder", path):
            make_folder(path)
        return path

    def log_place(self, run: str, node: str, attempt: int) -> str:
        """Return where the output of one attempt of a node is kept, below this folder; `make_run_folder` makes that.

        Raises:
            StoreError: The run's name is unsafe.
        """
        return f"{_RUNS}/{check_run_name(run)}/{log_name(node, attempt)}"

    def find_logs(self, run: str, node: str) -> dict[int, Path]:
        """Return the logs of a node by attempt, in order; of an attempt that goes on, or was cut off, the live one.

        Raises:
            StoreError: The run's name is unsafe.
        """
        folder = self.runs / check_run_name(run)
        found: dict[int, Path] = {}
        before = log_name(node, 0).removesuffix("0.log")
        for name in os.listdir(folder) if folder.is_dir() else ():
            attempt = name.removeprefix(before).removesuffix(LIVE_SUFFIX).removesuffix(".log")
            if name.startswith(before) and attempt.isdecimal():
                number = int(attempt)
                if number not in found or not name.endswith(LIVE_SUFFIX):
                    found[number] = folder / name
        return dict(sorted(found.items()))

    def find_logged(self, run: str, known: Iterable[str] = ()) -> dict[str, tuple[int, Path]]:
        """Return the nodes of which a run has logs, by name and in its order, each with its last attempt and that log.

        Args:
            run: The run.
            known: Nodes that are left out.

        Raises:
            StoreError: The run's name is unsafe.
        """
        folder = self.runs / check_run_name(run)
        left_out = {node_in_log(log_name(node, 0)) for node in known}
        names = os.listdir(folder) if folder.is_dir() else ()
        read = [(*found, folder / name) for name in names if (found := node_in_log(name)) is not None]
        return {node: (attempt, path) for node, attempt, path in sorted(read) if (node, 0) not in left_out}

    def _make(self) -> None:
        if not self.path.exists():
            self.path.parent.mkdir(parents=True, exist_ok=True)
        try:
            make_folder(self.path)
        except FileExistsError:
            raise StoreError.for_not_a_folder(self.path) from None
        if not (self.path / MARK).exists() or self._is_being_restored():
            self._refuse_foreign_content()
            for name in _FOLDERS:
                make_folder(self.path / name)
            # Before the mark: a folder that has it is complete, its own name included.
            fsync_directory(self.path.parent)
            write_file_durably(self.path / MARK, [b"*\n"], temporary_folder=self.temporary, mode=PRIVATE_FILE)
        for folder in (self.blobs, self.temporary):
            self._require_writable(folder)

    def _is_being_restored(self) -> bool:
        return (self.path / RESTORING).exists() and not self.blobs.is_dir()

    def _refuse_foreign_content(self) -> None:
        ours = {*_FOLDERS, *_LATER, MARK}
        foreign = sorted(name for name in os.listdir(self.path) if name not in ours and not name.startswith(_DATABASE))
        if foreign and not self.blobs.is_dir():
            raise StoreError.for_foreign_folder(self.path, ", ".join(foreign[:5]))

    def _refuse_open_to_all(self) -> None:
        """Refuse a store into which every user of this machine can put what this one would load."""
        for path in (self.path, self.blobs) if self.blobs.exists() else (self.path,):
            mode = os.stat(path).st_mode
            if mode & stat.S_IWOTH:
                raise StoreError.for_open_to_all(path, stat.filemode(mode))

    def _require_writable(self, folder: Path) -> None:
        make_folder(folder)
        if not os.access(folder, os.W_OK | os.X_OK):
            # Ask the system itself, which knows a read-only disk from a missing permission.
            probe = folder / f"access-{os.getpid()}"
            os.close(os.open(probe, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, PRIVATE_FILE))
            remove(probe)

    def _sweep(self) -> None:
        """Remove what killed processes left in `tmp` more than a day ago, and the empty folder of a restore."""
        with suppress(OSError):  # none, or one that is not empty
            os.rmdir(self.path / RESTORING)
        oldest = time.time() - _LEFTOVER_AGE
        with os.scandir(self.temporary) as entries:
            for entry in entries:
                with suppress(FileNotFoundError):  # another process sweeps too
                    is_folder = entry.is_dir(follow_symlinks=False)
                    if not is_folder and entry.stat(follow_symlinks=False).st_mtime < oldest:
                        remove(Path(entry.path))


def make_shard(folder: StoreFolder, name: str) -> None:
    """Make the folder below `blobs/` in which the blob `name` is to stand, durably, if it is not there."""
    make_folder_durably(folder.blobs / name[:2])


def blob_in_quarantine(file: str) -> str | None:
    """Return the name that a file in quarantine had as a blob; None where it never was one."""
    name = f"{file[:2]}/{file[2:].rpartition('.')[0]}"
    try:
        return check_blob_name(name)
    except StoreError:
        return None


def _listed(path: Path) -> list[str]:
    try:
        return os.listdir(path)
    except (FileNotFoundError, NotADirectoryError):
        return []
