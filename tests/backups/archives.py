"""Archives that nobody's backup is, made of one that is: each change is what a hostile or a broken file could hold."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from blake3 import blake3


@dataclass
class Archive:
    """The members of a backup, to be changed and written."""

    members: list[tuple[tarfile.TarInfo, bytes]] = field(default_factory=list)

    @classmethod
    def read(cls, path: Path) -> Archive:
        """Return what a backup holds."""
        with tarfile.open(path) as archive:
            return cls([(member, archive.extractfile(member).read()) for member in archive])  # type: ignore[union-attr]

    def index(self, start: str) -> int:
        """Return where the first member stands whose name begins so."""
        return next(position for position, (member, _) in enumerate(self.members) if member.name.startswith(start))

    def edit(self, name: str, change: Callable[[Any], None]) -> None:
        """Change one of the two lists; the digest of the first one is kept right, as whoever means harm would."""
        position = self.index(name)
        content = json.loads(self.members[position][1])
        change(content)
        raw = json.dumps(content).encode()
        self.members[position] = (self.members[position][0], raw)
        if name == "contents.json" and any(member.name == "digests.json" for member, _ in self.members):
            self.edit("digests.json", lambda digests: digests.update(contents=blake3(raw).hexdigest()))

    def put(
        self, position: int, name: str, content: bytes = b"x", kind: bytes = tarfile.REGTYPE, link: str = ""
    ) -> None:
        """Add a member of any kind."""
        member = tarfile.TarInfo(name)
        member.type, member.linkname = kind, link
        self.members.insert(position, (member, content))

    def rename(self, start: str, name: str) -> None:
        """Give a member another name, in the lists too."""
        position = self.index(start)
        old = self.members[position][0].name
        self.members[position][0].name = name

        def relist(content: Any) -> None:
            for member in content["members"]:
                member["name"] = name if member["name"] == old else member["name"]

        self.edit("contents.json", relist)
        self.edit("digests.json", lambda content: content["digests"].update({name: content["digests"].pop(old)}))

    def write(self, path: Path, form: int = tarfile.GNU_FORMAT) -> None:
        """Write it as a tar archive."""
        with tarfile.open(path, "w", format=form) as archive:
            for member, content in self.members:
                member.size = len(content) if member.isreg() else 0
                archive.addfile(member, io.BytesIO(content))


def list_as(size: int) -> Callable[[Any], None]:
    """Return a change that has the list of contents say another size of the last member."""
    return lambda content: content["members"][-1].update(bytes=size)


def relink(kind: bytes, link: str) -> Callable[[Archive], None]:
    """Return a change that puts a link, a device or the like in a log's place."""

    def change(archive: Archive) -> None:
        position = archive.index("runs/")
        name = archive.members[position][0].name
        del archive.members[position]
        archive.put(position, name, b"", kind, link)

    return change


def insert_before_end(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> Callable[[Archive], None]:
    """Return a change that adds a member that no list names."""
    return lambda archive: archive.put(len(archive.members) - 1, name, b"", kind, link)


def damage(start: str) -> Callable[[Archive], None]:
    """Return a change of one byte of a member."""

    def change(archive: Archive) -> None:
        position = archive.index(start)
        member, content = archive.members[position]
        archive.members[position] = (member, content[:-1] + bytes([content[-1] ^ 1]))

    return change


def drop(start: str) -> Callable[[Archive], None]:
    """Return a change that leaves a member out."""
    return lambda archive: archive.members.pop(archive.index(start)) and None


def twice(archive: Archive) -> None:
    """Have a blob come twice, and be listed twice."""
    position = archive.index("blobs/")
    archive.members.insert(position, archive.members[position])
    archive.edit("contents.json", lambda content: content["members"].insert(1, content["members"][1]))


def forget_a_blob(archive: Archive) -> None:
    """Leave out a blob that the database names, in the lists too."""
    name = archive.members[archive.index("blobs/")][0].name
    drop("blobs/")(archive)
    archive.edit(
        "contents.json",
        lambda content: content.update(members=[one for one in content["members"] if one["name"] != name]),
    )
    archive.edit("digests.json", lambda content: content["digests"].pop(name))


def under(name: str) -> Callable[[Archive], None]:
    """Return a change that gives a log a name, consistently."""
    return lambda archive: archive.rename("runs/", name)


def restate(**said: Any) -> Callable[[Archive], None]:
    """Return a change of what the list of contents says of the whole."""
    return lambda archive: archive.edit("contents.json", lambda content: content.update(said))


HOSTILE: dict[str, tuple[Callable[[Archive], None], str]] = {
    "absolute name": (under("/tmp/flowkit-escaped"), "no file of a store"),
    "name that leads up": (under("runs/../../escaped.1.log"), "no file of a store"),
    "name that leads up from a blob": (under("blobs/../escaped"), "no file of a store"),
    "name with a null": (under("runs/a\0b/x.1.log"), "no file of a store"),
    "another file of the store": (under("collection.lock"), "no file of a store"),
    "file that code is read from": (under("bundles/x.json"), "no file of a store"),
    "journal that would be played back": (under("lineage.db-journal"), "no file of a store"),
    "hidden log": (under("runs/r/.x.log"), "no file of a store"),
    "symbolic link": (relink(tarfile.SYMTYPE, "/etc/passwd"), "not a plain file"),
    "hard link": (relink(tarfile.LNKTYPE, "lineage.db"), "not a plain file"),
    "device": (relink(tarfile.CHRTYPE, ""), "not a plain file"),
    "pipe": (relink(tarfile.FIFOTYPE, ""), "not a plain file"),
    "folder": (relink(tarfile.DIRTYPE, ""), "not a plain file"),
    "unlisted member": (insert_before_end("escaped"), "stands in it where"),
    "unlisted link": (insert_before_end("blobs", tarfile.SYMTYPE, "/tmp"), "stands in it where"),
    "member after the end": (lambda archive: archive.put(len(archive.members), "more"), "more follows"),
    "twice the same member": (twice, "twice"),
    "member left out": (drop("blobs/"), "stands in it where"),
    "no list of digests": (drop("digests.json"), "ends too early"),
    "no list of contents": (drop("contents.json"), "stands in it where"),
    "larger than listed": (lambda archive: archive.edit("contents.json", list_as(1)), "are listed"),
    "smaller than listed": (lambda archive: archive.edit("contents.json", list_as(10**6)), "are listed"),
    "larger than any disk": (lambda archive: archive.edit("contents.json", list_as(10**18)), "not enough space"),
    "negative size": (lambda archive: archive.edit("contents.json", list_as(-1)), "something else"),
    "damaged blob": (damage("blobs/"), "is damaged"),
    "damaged database": (damage("lineage.db"), "is damaged"),
    "damaged log": (damage("runs/"), "is damaged"),
    "blob that is named and not there": (forget_a_blob, "which is not in it"),
    "newer format": (restate(format=2), "newer flowkit"),
    "newer schema": (restate(schema=99), "newer flowkit"),
    "another schema than it says": (restate(schema=1), "not 1 as it says"),
    "contents of another kind": (restate(members="none"), "list of contents"),
    "digest of another kind": (
        lambda archive: archive.edit("digests.json", lambda content: content["digests"].update({"lineage.db": 5})),
        "list of digests",
    ),
}


def compressed(content: bytes) -> bytes:
    """Return bytes as gzip packs them."""
    return gzip.compress(content, 1)
