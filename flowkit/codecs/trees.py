"""Files and folders as a manifest of names and chunks, and back as a private copy.

A manifest holds the base name and, for every entry below, its relative name, kind and executable bit; a file's content
is a chunk, a link's is its text. Links are kept only where they stay inside the tree. A manifest that is read is
checked in full before anything is written: no name and no link in it can reach outside the folder it is written to.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from blake3 import blake3
from msgspec import Struct

from flowkit.codecs.base import Chunk, Stored
from flowkit.errors import CodecError
from flowkit.records import Digest

_BLOCK = 1 << 20
_THREADED = 1 << 22

EntryKind = Literal["file", "folder", "link"]


class Entry(Struct, frozen=True):
    """One file, folder or link of a tree.

    Attributes:
        name: Relative to the tree's root, with `/`; of a single file its base name.
        content: A file's chunk, None where it is empty.
        target: A link's text.
    """

    name: str
    kind: EntryKind
    executable: bool = False
    content: Digest | None = None
    target: str = ""


class Tree(Struct, frozen=True):
    """A file or folder: its kind, its base name and its entries, sorted by name."""

    kind: Literal["file", "folder"]
    name: str
    entries: tuple[Entry, ...]


class TreeCollector:
    """Reads files and folders into manifests and keeps the chunks that these name, each once."""

    def __init__(self) -> None:
        self._chunks: dict[Digest, Chunk] = {}

    @property
    def chunks(self) -> tuple[Chunk, ...]:
        """The contents of all files read so far."""
        return tuple(self._chunks.values())

    def add(self, path: Path) -> dict[str, Any]:
        """Read a file or folder and return its manifest as plain JSON.

        Raises:
            CodecError: It is missing, unreadable or special, or holds a link that leads out of it.
        """
        place = Path(os.path.abspath(path))
        if not place.name:
            raise CodecError.for_path(str(path), "it is the root folder", "return a file or folder below it")
        try:
            return write_manifest(self._read(place))
        except FileNotFoundError as error:
            missing = str(error.filename or path)
            raise CodecError.for_path(
                missing, "nothing is there", "write it before the step returns its path"
            ) from error
        except OSError as error:
            reason = error.strerror or str(error)
            raise CodecError.for_path(str(error.filename or path), reason, "make it readable") from error

    def _read(self, place: Path) -> Tree:
        status = os.stat(place)
        if stat.S_ISDIR(status.st_mode):
            entries = sorted(self._below(place, ""), key=lambda entry: entry.name)
            return Tree("folder", place.name, tuple(entries))
        return Tree("file", place.name, (self._file(Path(os.path.realpath(place)), place.name, status),))

    def _below(self, folder: Path, prefix: str) -> Iterator[Entry]:
        with os.scandir(folder) as found:
            for item in found:
                name = prefix + item.name
                if item.is_symlink():
                    yield self._link(Path(item.path), name)
                elif item.is_dir():
                    yield Entry(name, "folder")
                    yield from self._below(Path(item.path), f"{name}/")
                else:
                    yield self._file(Path(item.path), name, item.stat())

    def _link(self, place: Path, name: str) -> Entry:
        target = os.readlink(place)
        if stays_inside(name, target):
            return Entry(name, "link", target=target)
        # A link out of the tree would dangle, or change behind the store's back: what it leads to is kept instead.
        if not place.is_file():
            remedy = "copy what it leads to into the folder, or make it a relative link inside it"
            raise CodecError.for_path(str(place), f"it is a link to '{target}', outside of what is returned", remedy)
        return self._file(Path(os.path.realpath(place)), name, os.stat(place))

    def _file(self, place: Path, name: str, status: os.stat_result) -> Entry:
        if not stat.S_ISREG(status.st_mode):
            raise CodecError.for_path(str(place), "it is neither a file nor a folder", "return regular files only")
        digest, size = _digest_file(place, status.st_size)
        if size:
            self._chunks.setdefault(digest, Chunk(digest, size, place))
        return Entry(name, "file", bool(status.st_mode & stat.S_IXUSR), digest if size else None)


def _digest_file(place: Path, expected: int) -> tuple[Digest, int]:
    hasher = blake3(max_threads=blake3.AUTO if expected > _THREADED else 1)
    size = 0
    with open(place, "rb", buffering=0) as file:
        buffer = bytearray(min(max(expected, 1), _THREADED))
        view = memoryview(buffer)
        while count := file.readinto(buffer):
            hasher.update(view[:count])
            size += count
    return hasher.hexdigest(), size


def stays_inside(name: str, target: str) -> bool:
    """Whether a link called `name` in a tree, with the text `target`, can only lead to places in that tree.

    `..` is allowed at the start of the text only: after another component it would climb from wherever that leads.
    """
    if not target or target.startswith("/") or "\0" in target:
        return False
    parts = [part for part in target.split("/") if part not in ("", ".")]
    climbs = 0
    while climbs < len(parts) and parts[climbs] == "..":
        climbs += 1
    return climbs <= name.count("/") and ".." not in parts[climbs:]


def write_manifest(tree: Tree) -> dict[str, Any]:
    """Return a tree as plain JSON."""
    return {"entries": [_write_entry(entry) for entry in tree.entries], "kind": tree.kind, "name": tree.name}


def _write_entry(entry: Entry) -> dict[str, Any]:
    if entry.kind == "folder":
        return {"kind": "folder", "name": entry.name}
    if entry.kind == "link":
        return {"kind": "link", "name": entry.name, "target": entry.target}
    return {"content": entry.content, "executable": entry.executable, "kind": "file", "name": entry.name}


def read_manifest(plain: Any) -> Tree:
    """Return the tree of a manifest, with every name and link checked.

    Raises:
        CodecError: It is not a manifest, or something in it could reach outside its folder.
    """
    try:
        entries = tuple(_read_entry(entry) for entry in plain["entries"])
        tree = Tree(plain["kind"], plain["name"], entries)
    except (KeyError, TypeError) as error:
        raise CodecError.for_damaged("path", f"not a manifest: {error!r}") from error
    _check_tree(tree)
    return tree


def _read_entry(plain: Any) -> Entry:
    kind = plain["kind"]
    if kind == "file":
        return Entry(plain["name"], "file", plain["executable"] is True, plain["content"])
    if kind == "link":
        return Entry(plain["name"], "link", target=plain["target"])
    if kind == "folder":
        return Entry(plain["name"], "folder")
    raise TypeError(f"unknown kind {kind!r}")


def _check_tree(tree: Tree) -> None:
    _check_name(tree.name, single=True)
    if tree.kind not in ("file", "folder"):
        raise CodecError.for_damaged("path", f"unknown kind {tree.kind!r}")
    folders: set[str] = {""}
    names: set[str] = set()
    for entry in tree.entries:
        _check_name(entry.name)
        if entry.name in names or entry.name.rpartition("/")[0] not in folders:
            raise CodecError.for_unsafe_name(entry.name)
        names.add(entry.name)
        if entry.kind == "folder":
            folders.add(entry.name)
        elif entry.kind == "link" and not (isinstance(entry.target, str) and stays_inside(entry.name, entry.target)):
            raise CodecError.for_unsafe_name(entry.target)
    if tree.kind == "file" and [(entry.kind, entry.name) for entry in tree.entries] != [("file", tree.name)]:
        raise CodecError.for_damaged("path", "a single file must have one entry, of its own name")


def _check_name(name: Any, *, single: bool = False) -> None:
    parts = name.split("/") if isinstance(name, str) else [""]
    if any(part in ("", ".", "..") or "\0" in part for part in parts) or (single and len(parts) != 1):
        raise CodecError.for_unsafe_name(name)


def materialise(tree: Tree, stored: Stored, folder: Path) -> Path:
    """Write a private, writable copy of a checked tree into `folder` and return its path.

    It lies under the base name; where that is taken, in a new folder of its own.

    Raises:
        CodecError: It could not be written.
    """
    place = _free_place(folder, tree.name)
    try:
        if tree.kind == "file":
            _write_file(place, tree.entries[0], stored)
        else:
            _write_folder(place, tree, stored)
    except (OSError, UnicodeError) as error:
        raise CodecError.for_unwritable(str(place), error) from error
    return place


def _free_place(folder: Path, name: str) -> Path:
    place, count = folder / name, 0
    while os.path.lexists(place) or (count and os.path.lexists(place.parent)):
        count += 1
        place = folder / str(count) / name
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CodecError.for_unwritable(str(place.parent), error) from error
    return place


def _write_folder(place: Path, tree: Tree, stored: Stored) -> None:
    place.mkdir()
    # Links come last: while files are written there is none that a write could follow.
    for kind in ("folder", "file", "link"):
        for entry in tree.entries:
            if entry.kind != kind:
                continue
            if kind == "folder":
                (place / entry.name).mkdir()
            elif kind == "file":
                _write_file(place / entry.name, entry, stored)
            else:
                (place / entry.name).symlink_to(entry.target)


def _write_file(place: Path, entry: Entry, stored: Stored) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(place, flags, 0o755 if entry.executable else 0o644)
    with open(descriptor, "wb", buffering=0) as file:
        if entry.content is None:
            return
        content = stored.chunk(entry.content)
        written = 0
        while written < len(content):
            written += file.write(content[written : written + _BLOCK * 16])
