"""What a backup says of itself: its first member lists all others with their sizes, its last one gives their digests.

So a reader knows the only thing that may come next before it comes, and how large it is: names that lead elsewhere,
links, members that come twice and archives that unpack to more than they say all fail at the first byte that is wrong.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from msgspec import Struct, to_builtins

from flowkit.errors import StoreError
from flowkit.store.names import check_blob_name, check_run_name

BACKUP_FORMAT = 1
CONTENTS = "contents.json"
DIGESTS = "digests.json"
DATABASE = "lineage.db"

_LARGEST = (1 << 63) - 1

_LOG = re.compile(r"[A-Za-z0-9_\[\]#%~-][A-Za-z0-9_\[\]#%~.-]{0,250}\.log", re.ASCII)
_DIGEST_LINE = len(': "",\n') + len('""') + 64
_DIGESTS_FRAME = 200
_DIGEST = re.compile(r"[0-9a-f]{64}", re.ASCII)


class BadContentsError(Exception):
    """A list of contents, or of digests, that no backup has; its text is the end of a sentence."""


class Member(Struct, frozen=True):
    """A file of the store in a backup: its name below the store's folder, and its size."""

    name: str
    bytes: int


class Contents(Struct, frozen=True):
    """What a backup holds.

    Attributes:
        flowkit: The version that made it.
        schema: The version of the database's schema.
        created: When it was begun, in UTC.
        host: The machine that it was made on.
        store: The folder that it is a copy of.
        missing: Artifacts that were gone or damaged and are left out.
        members: The files in their order; the database is the first.
    """

    flowkit: str
    schema: int
    created: str
    host: str
    store: str
    missing: tuple[str, ...]
    members: tuple[Member, ...]

    @property
    def size(self) -> int:
        """What all members take."""
        return sum(member.bytes for member in self.members)

    def count(self, folder: str) -> int:
        """Return how many members lie below a folder, such as `blobs`."""
        return sum(member.name.startswith(f"{folder}/") for member in self.members)

    def to_bytes(self) -> bytes:
        """Return what stands in the archive."""
        return to_json({"format": BACKUP_FORMAT, **to_builtins(self)})


def to_json(content: Mapping[str, Any]) -> bytes:
    """Return readable JSON with one member a line."""
    return json.dumps(content, indent=0, ensure_ascii=True).encode()


def read_format(raw: bytes) -> tuple[int, str, dict[str, Any]]:
    """Return a list of contents' format, the version of flowkit that made it, and all that it says.

    Raises:
        BadContentsError: It is none.
    """
    try:
        content = json.loads(raw)
    except (ValueError, RecursionError):
        raise BadContentsError("its list of contents cannot be read") from None
    match content:
        case {"format": int(number), "flowkit": str(version)} if _is_number(number):
            return number, version, content
    raise BadContentsError("its list of contents is of another kind")


def read_contents(content: Mapping[str, Any]) -> Contents:
    """Return the contents that `Contents.to_bytes` was given, each name checked.

    Raises:
        BadContentsError: It lists what cannot be in a backup.
    """
    try:
        members = tuple(_read_member(member) for member in content["members"])
        missing, schema = content["missing"], content["schema"]
        said = {name: content[name] for name in ("flowkit", "created", "host", "store")}
    except (KeyError, TypeError):
        raise BadContentsError("its list of contents is not complete") from None
    digests = isinstance(missing, list) and all(_is_digest(digest) for digest in missing)
    if not digests or not _is_number(schema) or not all(isinstance(text, str) for text in said.values()):
        raise BadContentsError("its list of contents holds something else")
    names = [member.name for member in members]
    if len(set(names)) != len(names):
        twice = next(name for position, name in enumerate(names) if name in names[:position])
        raise BadContentsError(f"it lists {twice!r} twice")
    if names[:1] != [DATABASE]:
        raise BadContentsError("its database is not where it should be")
    return Contents(schema=schema, missing=tuple(missing), members=members, **said)


def write_digests(contents: str, members: Mapping[str, str]) -> bytes:
    """Return what stands last in the archive: the digests of the list of contents and of each member by its name."""
    return to_json({"contents": contents, "digests": members})


def digests_size(members: Iterable[Member]) -> int:
    """Return how many bytes `write_digests` gives at most, before any digest is known."""
    return _DIGESTS_FRAME + sum(len(member.name) + _DIGEST_LINE for member in members)


def read_digests(raw: bytes, members: Sequence[Member]) -> dict[str, str]:
    """Return the digest of each member by its name, and that of the list of contents where it is given.

    Backups of early versions do not give it.

    Raises:
        BadContentsError: They are not those of exactly these members.
    """
    try:
        said = json.loads(raw)
        digests = said["digests"]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise BadContentsError("its list of digests cannot be read") from None
    if not isinstance(digests, dict) or digests.keys() != {member.name for member in members}:
        raise BadContentsError("its list of digests is not that of its contents")
    if "contents" in said:
        digests = {CONTENTS: said["contents"], **digests}
    if not all(_is_digest(digest) for digest in digests.values()):
        raise BadContentsError("its list of digests holds something else")
    return digests


def is_log_name(name: str) -> bool:
    """Say whether a file of a run's folder is the finished log of a node."""
    return _LOG.fullmatch(name) is not None


def _read_member(content: Mapping[str, Any]) -> Member:
    name, size = content["name"], content["bytes"]
    if not isinstance(name, str) or not _is_number(size):
        raise BadContentsError("its list of contents holds something else")
    if not _is_ours(name):
        raise BadContentsError(f"it lists {name[:200]!r}, which is no file of a store")
    return Member(name, size)


def _is_number(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _LARGEST


def _is_digest(value: object) -> bool:
    return isinstance(value, str) and _DIGEST.fullmatch(value) is not None


def _is_ours(name: str) -> bool:
    folder, _, rest = name.partition("/")
    try:
        match folder:
            case "blobs":
                check_blob_name(rest)
                return True
            case "runs":
                run, _, log = rest.partition("/")
                check_run_name(run)
                return is_log_name(log)
    except StoreError:
        return False
    return name == DATABASE
