"""The digest of something that a step read without declaring it, as it is now.

A step host asks when the step has ended, a driver when it looks for a result: both by this one function, so that equal
states give equal digests. Names of paths are relative to the project's root where they lie in it; values of environment
variables are never kept, only digests keyed by the variable's name.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable, Mapping
from enum import StrEnum
from pathlib import Path

from blake3 import blake3

from flowkit.errors import InputError
from flowkit.fingerprint.environment import ABSENT, digest_variable
from flowkit.fingerprint.files import FileDigests, digest_path
from flowkit.fingerprint.framing import frame_text
from flowkit.records import ObservedInput

UNREADABLE = "unreadable"
HIDDEN = "hidden"
"""Stands for the digest where the name held a secret, is kept masked, and so cannot be looked at again."""


class ObservedKind(StrEnum):
    """What was read: a file's content, a folder's names, all below it, whether it is there, a link, a variable."""

    FILE = "file"
    LISTING = "listing"
    TREE = "tree"
    EXISTENCE = "existence"
    LINK = "link"
    VARIABLE = "variable"


class ObservedDigests:
    """Gives digests of names as they are now.

    Args:
        root: The project's root.
        known: Digests of files that did not change, if any are kept.
        variables: Environment variables; this process's own unless given.
    """

    def __init__(
        self, root: Path, known: FileDigests | None = None, variables: Mapping[str, str] | None = None
    ) -> None:
        self._root = root
        self._known = known
        self._variables = variables

    def observe(self, names: Iterable[tuple[str, str]]) -> tuple[ObservedInput, ...]:
        """Return each (kind, name) with its digest now."""
        return tuple(ObservedInput(kind, name, self.digest(kind, name)) for kind, name in names)

    def digest(self, kind: str, name: str) -> str:
        """Return a digest, or a word where there is no content: `absent`, `unreadable`, `file`, `folder`, `other`."""
        if kind == ObservedKind.VARIABLE:
            return digest_variable(name, os.environ if self._variables is None else self._variables)
        path = self._root / name
        try:
            return _DIGESTS[ObservedKind(kind)](path, self._known)
        except (FileNotFoundError, NotADirectoryError):
            return ABSENT
        except (OSError, InputError):
            return ABSENT if not os.path.lexists(path) else UNREADABLE


def name_of(path: str, root: str) -> str:
    """Return the name under which an absolute path is kept."""
    return os.path.relpath(path, root) if path == root or path.startswith(root + os.sep) else path


def _digest_file(path: Path, known: FileDigests | None) -> str:
    if _kind_of(path) != "file":
        return _kind_of(path)
    return digest_path(path, known)[1]


def _digest_listing(path: Path, _: FileDigests | None) -> str:
    if not os.path.isdir(path):
        return _kind_of(path)
    with os.scandir(path) as entries:
        names = sorted((os.fsencode(entry.name), _kind_of_entry(entry)) for entry in entries)
    return blake3(b"".join(frame_text(kind, os.fsdecode(name)) for name, kind in names)).hexdigest()


def _kind_of_entry(entry: os.DirEntry[str]) -> bytes:
    """Return what an entry is, as what walks through folders tells them apart: a link in upper case."""
    kind = b"d" if entry.is_dir() else b"f" if entry.is_file() else b"o"
    return kind.upper() if entry.is_symlink() else kind


def _digest_tree(path: Path, known: FileDigests | None) -> str:
    return digest_path(path, known)[1]


def _digest_existence(path: Path, _: FileDigests | None) -> str:
    return _kind_of(path)


def _digest_link(path: Path, _: FileDigests | None) -> str:
    if not os.path.islink(path):
        return _kind_of(path)
    return blake3(frame_text(b"l", os.readlink(path))).hexdigest()


def _kind_of(path: Path) -> str:
    mode = os.stat(path).st_mode
    return "file" if stat.S_ISREG(mode) else "folder" if stat.S_ISDIR(mode) else "other"


_DIGESTS: Mapping[ObservedKind, Callable[[Path, FileDigests | None], str]] = {
    ObservedKind.FILE: _digest_file,
    ObservedKind.LISTING: _digest_listing,
    ObservedKind.TREE: _digest_tree,
    ObservedKind.EXISTENCE: _digest_existence,
    ObservedKind.LINK: _digest_link,
}
