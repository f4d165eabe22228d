"""The file format of a backup: a tar archive, perhaps compressed with gzip, of which only plain files are read.

`tarfile` makes and reads the headers; its own reader is not used, since it obeys links, devices and headers that change
what later ones mean. Any tool can unpack such a file all the same.
"""

from __future__ import annotations

import gzip
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from blake3 import blake3

from flowkit.housekeeping.backups.contents import Member

BLOCK = 512
PIECE = 1 << 20
MOST_LISTED = 256 << 20
"""Bytes that a list of contents may have: some two million files."""

_MAGIC = b"\x1f\x8b"
_LONGEST_NAME = 1024
_LONG_NAME = tarfile.GNUTYPE_LONGNAME
_PRIVATE = 0o600
_READ_ONLY = 0o400


def may_be_listed(size: int) -> bool:
    """Say whether a reader takes a list of so many bytes."""
    return size <= MOST_LISTED


class DamagedArchiveError(Exception):
    """An archive that is cut off, changed or made by somebody else; its text is the end of a sentence."""


class ArchiveWriter:
    """Appends plain files to an archive.

    Args:
        file: Open for writing; it is neither synced nor closed here.
        compressed: Whether it is written through gzip.
        at: The time that every member is given, in seconds since the epoch.
    """

    def __init__(self, file: IO[bytes], *, compressed: bool, at: float) -> None:
        # Level 1: artifacts are mostly compressed already, or large.
        packed = gzip.GzipFile(fileobj=file, mode="wb", compresslevel=1, mtime=0) if compressed else None
        self._packed = packed
        self._file: IO[bytes] | gzip.GzipFile = packed or file
        self._at = int(at)

    def add(self, name: str, size: int, pieces: Iterator[bytes]) -> str:
        """Append a file and return its digest; `pieces` must give exactly `size` bytes."""
        info = tarfile.TarInfo(name)
        info.size, info.mtime = size, self._at
        info.mode = _READ_ONLY if name.startswith("blobs/") else _PRIVATE
        self._file.write(info.tobuf(tarfile.GNU_FORMAT, "utf-8", "strict"))
        hasher = blake3()
        for piece in pieces:
            hasher.update(piece)
            self._file.write(piece)
        self._file.write(bytes(-size % BLOCK))
        return hasher.hexdigest()

    def finish(self) -> None:
        """Write the archive's end."""
        self._file.write(bytes(2 * BLOCK))
        if self._packed is not None:
            self._packed.close()


class ArchiveReader:
    """Reads an archive from its beginning to its end, one plain file after another, as the caller expects them."""

    def __init__(self, file: IO[bytes]) -> None:
        start = file.read(len(_MAGIC))
        file.seek(0)
        self._file: IO[bytes] | gzip.GzipFile = gzip.GzipFile(fileobj=file) if start == _MAGIC else file

    def read_list(self, name: str) -> bytes:
        """Return the whole next member, which must have this name.

        Raises:
            DamagedArchiveError: It has not, or is too large for what it is.
        """
        size = self._enter(name)
        if not may_be_listed(size):
            raise DamagedArchiveError(f"{name!r} in it is too large")
        return b"".join(self._content(name, size))

    def read_member(self, member: Member) -> Iterator[bytes]:
        """Yield the content of the next member, which must be this one.

        Raises:
            DamagedArchiveError: It is another one, or not all there.
        """
        size = self._enter(member.name)
        if size != member.bytes:
            raise DamagedArchiveError(f"{member.name!r} in it has {size:,} bytes where {member.bytes:,} are listed")
        yield from self._content(member.name, size)

    def expect_end(self) -> None:
        """Check that nothing follows.

        Raises:
            DamagedArchiveError: Something does.
        """
        if self._read(BLOCK).strip(b"\0"):
            raise DamagedArchiveError("more follows in it than is listed")

    def _enter(self, name: str) -> int:
        """Read the next header and return the size of the plain file that it announces."""
        info = self._header()
        found = info.name
        if info.type == _LONG_NAME:
            if not 0 < info.size <= _LONGEST_NAME:
                raise DamagedArchiveError("a name in it is too long")
            found = b"".join(self._content("a name", info.size)).rstrip(b"\0").decode("utf-8", "replace")
            info = self._header()
        if found != name:
            raise DamagedArchiveError(f"{found[:200]!r} stands in it where {name!r} should")
        if info.type not in (tarfile.REGTYPE, tarfile.AREGTYPE) or info.size < 0:
            raise DamagedArchiveError(f"{name!r} in it is not a plain file")
        return info.size

    def _header(self) -> tarfile.TarInfo:
        block = self._read(BLOCK)
        if not block.strip(b"\0"):
            raise DamagedArchiveError("it ends too early")
        try:
            return tarfile.TarInfo.frombuf(block, "utf-8", "replace")
        except tarfile.HeaderError:
            raise DamagedArchiveError("it is not an archive, or was changed") from None

    def _content(self, name: str, size: int) -> Iterator[bytes]:
        left = size
        while left > 0:
            piece = self._read(min(left, PIECE))
            if not piece:
                raise DamagedArchiveError(f"it ends within {name!r}")
            left -= len(piece)
            yield piece
        self._read(-size % BLOCK)

    def _read(self, size: int) -> bytes:
        try:
            return self._file.read(size)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise DamagedArchiveError(f"its compressed content is damaged ({error})") from error


def pieces_of(path: Path) -> Iterator[bytes]:
    """Yield a file's bytes."""
    with path.open("rb", buffering=0) as file:
        while piece := file.read(PIECE):
            yield piece
