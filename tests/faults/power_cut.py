"""What a power cut leaves: of every file what was synced last, of every folder the names that were, or any part more.

The model is replayed from the shim's log. It is stricter than any one file system: without a sync nothing of a file's
content and no name need survive, and what does survive may be any mixture of the later writes.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from blake3 import blake3

from tests.faults.shim import Call, Entry


@dataclass(eq=False, slots=True)
class File:
    """A file's content as the process sees it, and as the disk has it for sure."""

    seen: bytearray = field(default_factory=bytearray)
    kept: bytes = b""


@dataclass(eq=False, slots=True)
class Folder:
    """A folder's names as the process sees them, and as the disk has them for sure."""

    seen: dict[str, File | Folder] = field(default_factory=dict)
    kept: dict[str, File | Folder] = field(default_factory=dict)


Keeps = Callable[[File | Folder], bool]
"""Whether the disk happens to have also what was not synced of this file's content, or of this folder's names."""

Tree = dict[str, bytes | None]
"""Files with their content and folders with None, by relative path."""


class Disk:
    """A folder before the first entry of a log, brought forward entry by entry."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._files: dict[int, File] = {}
        self._top = self._scan(root)

    def _scan(self, path: Path) -> Folder:
        found: dict[str, File | Folder] = {}
        for entry in os.scandir(path):
            if entry.is_dir(follow_symlinks=False):
                found[entry.name] = self._scan(Path(entry.path))
            else:
                content = Path(entry.path).read_bytes()
                self._files[entry.inode()] = found[entry.name] = File(bytearray(content), content)
        return Folder(dict(found), dict(found))

    def apply(self, entry: Entry) -> None:
        """Do what an entry of the log did."""
        match entry.call:
            case Call.CREATE:
                file = self._files[entry.inode] = File()
                self._parent(entry.first).seen[_name(entry.first)] = file
            case Call.WRITE:
                seen = self._files[entry.inode].seen
                seen.extend(bytes(max(0, entry.offset - len(seen))))
                seen[entry.offset : entry.offset + len(entry.data)] = entry.data
            case Call.TRUNCATE:
                seen = self._files[entry.inode].seen
                del seen[entry.offset :]
                seen.extend(bytes(entry.offset - len(seen)))
            case Call.SYNC if entry.first:
                folder = self._folder(entry.first)
                folder.kept = dict(folder.seen)
            case Call.SYNC:
                self._files[entry.inode].kept = bytes(self._files[entry.inode].seen)
            case Call.RENAME:
                moved = self._parent(entry.first).seen.pop(_name(entry.first))
                self._parent(entry.second).seen[_name(entry.second)] = moved
            case Call.LINK:
                self._parent(entry.second).seen[_name(entry.second)] = self._files[entry.inode]
            case Call.MKDIR:
                self._parent(entry.first).seen[_name(entry.first)] = Folder()
            case Call.UNLINK | Call.RMDIR:
                del self._parent(entry.first).seen[_name(entry.first)]
            case Call.CHMOD | Call.UTIME:
                pass

    def leaves(self, content: Keeps, names: Keeps) -> Tree:
        """Return what is there after a cut now, if the disk happens to have what the two functions say."""
        return dict(_walk(self._top, "", content, names))

    def _parent(self, path: str) -> Folder:
        return self._folder(os.path.dirname(path))

    def _folder(self, path: str) -> Folder:
        folder = self._top
        for part in Path(path).relative_to(self._root).parts:
            inner = folder.seen[part]
            assert isinstance(inner, Folder)
            folder = inner
        return folder


def _name(path: str) -> str:
    return os.path.basename(path)


def _walk(folder: Folder, prefix: str, content: Keeps, names: Keeps) -> Iterator[tuple[str, bytes | None]]:
    for name, inner in (folder.seen if names(folder) else folder.kept).items():
        path = f"{prefix}{name}"
        if isinstance(inner, Folder):
            yield path, None
            yield from _walk(inner, f"{path}/", content, names)
        else:
            yield path, bytes(inner.seen) if content(inner) else inner.kept


def everything(_: File | Folder) -> bool:
    """All survives."""
    return True


def nothing(_: File | Folder) -> bool:
    """Only what was synced survives."""
    return False


def ways_to_cut(chance: random.Random, *, all_ways: bool) -> dict[str, tuple[Keeps, Keeps]]:
    """Return the kinds of cuts: which content and which names survive without having been synced."""

    def some(_: File | Folder) -> bool:
        return chance.random() < 0.5

    ways = {"nothing unsynced survives": (nothing, nothing), "unsynced names survive": (nothing, everything)}
    rest = {"unsynced content survives": (everything, nothing), "some of it survives": (some, some)}
    return ways | rest if all_ways else ways


def write_tree(tree: Tree, root: Path) -> None:
    """Put a tree on the disk below `root`, which is not there yet."""
    root.mkdir()
    for name, content in tree.items():
        path = root / name
        if content is None:
            path.mkdir(mode=0o700)
        else:
            path.write_bytes(content)
            path.chmod(0o400 if path.parent.parent.name == "blobs" else 0o600)


def read_tree(root: Path) -> Tree:
    """Return what is below `root`."""
    return {
        str(path.relative_to(root)): None if path.is_dir() else path.read_bytes() for path in sorted(root.rglob("*"))
    }


def digest_of(tree: Tree) -> bytes:
    """Return what tells different trees apart."""
    hasher = blake3()
    for name in sorted(tree):
        content = tree[name]
        hasher.update(f"{name}\0{-1 if content is None else len(content)}\0".encode())
        hasher.update(content or b"")
    return hasher.digest()
