"""A copy of a project at another path: what steps are run in to see whether a result depends on where they run.

Folders are real folders. Small files are copied, large ones linked to, so that paths which steps read undeclared are
found and a project with gigabytes of data is ready at once. What tools keep for themselves are links, and the store is
an empty folder, so that a listing has the same names. Nothing here runs project code.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Self

from flowkit.errors import StoreError
from flowkit.execution.isolation import COPY_PREFIX, make_work_base, remove_stale_bases, remove_work_base

LARGEST_COPY = 1_000_000
"""Bytes of the largest file that is copied rather than linked to."""

MOST_COPIED = 100_000_000
"""Bytes that are copied in all; what comes after is linked to."""

MOST_ENTRIES = 20_000
"""How many files and folders are gone through; a folder that comes after is linked to as a whole."""

_LINKED = frozenset({".git", ".hg", ".venv", "venv", "node_modules"})
_EMPTIED = frozenset({"__pycache__"})


class ProjectCopy:
    """A temporary copy of the project at `root`; use it in a `with`, which removes it.

    It stands below a folder of its own as the project stands below `/`, and beside each folder above it there are links
    to what is there really: a relative path that leads out of the project leads to the same place.

    Args:
        root: The project's root.
        emptied: Folders whose content does not belong to it, such as the store: there are empty ones in their places.

    Attributes:
        root: The root of the copy, with the project's own base name.
    """

    def __init__(self, root: Path, emptied: Sequence[Path] = ()) -> None:
        self._project = Path(os.path.realpath(root))
        remove_stale_bases()
        self._owned = make_work_base(COPY_PREFIX)
        self._base = Path(os.path.realpath(self._owned))
        # Beside the file that says whose folder it is, which `/` could have a namesake of.
        self._top = self._base / "copy"
        self._emptied = frozenset(os.path.realpath(path) for path in emptied)
        self._entries = 0
        self._bytes = 0
        self.root = self._moved(self._project)

    def __enter__(self) -> Self:
        """Make the copy.

        Raises:
            StoreError: There is no room for it.
        """
        try:
            for folder, below in zip(self._project.parents, (self._project, *self._project.parents), strict=False):
                self._link_around(folder, below.name)
            self._copy_folder(self._project, self.root)
        except OSError as error:
            self._remove()
            raise StoreError.for_os_error("copy the project", self._base, error) from error
        except BaseException:
            self._remove()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._remove()

    def place_of(self, path: Path) -> Path:
        """Return another path to the file or folder at `path`, with the same base name; `path` where there is none."""
        if path.name in ("", ".."):
            return path
        moved = self._moved(Path(os.path.realpath(path.parent)) / path.name)
        return moved if os.path.lexists(moved) else path

    def _moved(self, path: Path) -> Path:
        return self._top.joinpath(*path.parts[1:])

    def _link_around(self, folder: Path, below: str) -> None:
        """Stand a folder above the project up, with links to all that is in it but for `below`."""
        moved = self._moved(folder)
        moved.mkdir(parents=True, exist_ok=True)
        # What may not be listed cannot be found by its name alone either, but for what is known.
        with suppress(PermissionError), os.scandir(folder) as entries:
            for entry in islice(entries, MOST_ENTRIES):
                if entry.name != below and not entry.name.startswith(COPY_PREFIX):
                    (moved / entry.name).symlink_to(entry.path)

    def _copy_folder(self, source: Path, target: Path) -> None:
        target.mkdir(exist_ok=True)
        # A file that vanishes meanwhile was none that anybody may count on.
        with os.scandir(source) as entries:
            ordered = sorted(entries, key=lambda entry: (entry.is_dir(), entry.name))
        for entry in ordered:
            # Not the copy itself, where temporary files lie in the project: in the run it was not there.
            if entry.path != str(self._base):
                with suppress(FileNotFoundError):
                    self._copy_entry(entry, target / entry.name)

    def _copy_entry(self, entry: os.DirEntry[str], target: Path) -> None:
        self._entries += 1
        if entry.is_symlink() or entry.name in _LINKED:
            target.symlink_to(entry.path)
        elif entry.is_dir(follow_symlinks=False):
            if entry.name in _EMPTIED or entry.path in self._emptied:
                target.mkdir()
            elif self._entries > MOST_ENTRIES or os.path.exists(os.path.join(entry.path, "pyvenv.cfg")):
                target.symlink_to(entry.path, target_is_directory=True)
            else:
                self._copy_folder(Path(entry.path), target)
        elif entry.is_file(follow_symlinks=False):
            self._copy_file(entry, target)

    def _copy_file(self, entry: os.DirEntry[str], target: Path) -> None:
        size = entry.stat(follow_symlinks=False).st_size
        if size > LARGEST_COPY or self._bytes + size > MOST_COPIED or not os.access(entry.path, os.R_OK):
            target.symlink_to(entry.path)
        else:
            self._bytes += size
            shutil.copy2(entry.path, target)

    def _remove(self) -> None:
        remove_work_base(self._owned)
