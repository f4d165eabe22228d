"""What a backup is to hold: the files that hold all that a copy of the database names, and what cannot be in it.

An artifact is in a backup where every part of it was hashed in a file that is in it too, under its own name. Reading
finds more: parts in quarantine, and what tables there lead to. None of that is there once the store is restored.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from msgspec import Struct, field

from flowkit.errors import StoreError
from flowkit.lineage.artifacts import stored_artifacts
from flowkit.lineage.reader import Reader
from flowkit.records import Artifact, Digest, Stamp
from flowkit.store.folder import StoreFolder
from flowkit.store.local import LocalStore

_IN_QUARANTINE = "a part of it is in quarantine only, from where 'flowkit verify' puts it back"
_NOT_AS_RECORDED = "a file that its record names is gone, and 'flowkit verify' mends the record"
_SHARED = "it shared a file with one that is damaged"


class Inventory(Struct):
    """What a copy of the database names.

    Attributes:
        runs: Their names.
        stamps: The files that go into the backup, each with the stamp under which it was hashed first: what changes
            after that is noticed when it is copied.
        missing: Artifacts that are not in the backup, each with what is wrong.
    """

    runs: list[str] = field(default_factory=list)
    stamps: dict[str, Stamp] = field(default_factory=dict)
    missing: list[tuple[Digest, str]] = field(default_factory=list)
    _led_to: dict[Digest, frozenset[str]] = field(default_factory=dict)

    def add(self, artifact: Artifact, stamps: dict[str, Stamp]) -> None:
        """Note the files that hold an artifact, which may be more than its record names."""
        more = stamps.keys() - {blob.name for blob in artifact.files}
        if more:
            self._led_to[artifact.digest] = frozenset(more)
        self._keep(stamps)

    def add_missing(self, artifact: Artifact, problem: str, left: dict[str, Stamp]) -> None:
        """Note an artifact that is not in the backup, and what is left of its files, which may serve others."""
        self.missing.append((artifact.digest, problem))
        self._keep(left)

    def names_of(self, artifact: Artifact) -> Iterator[str]:
        """Yield the names of the files that hold an artifact."""
        yield from (blob.name for blob in artifact.files)
        yield from self._led_to.get(artifact.digest, ())

    def _keep(self, stamps: dict[str, Stamp]) -> None:
        for name, stamp in stamps.items():
            self.stamps.setdefault(name, stamp)


class _MisplacedError(Exception):
    """An artifact that reads well, but not from files that a backup holds; its text is the end of a sentence."""


def take_inventory(folder: StoreFolder, copy: Path) -> Inventory:
    """Hash every artifact that a copy of the database names."""
    store, found = LocalStore(folder), Inventory()
    with Reader(copy) as reader:
        found.runs.extend(run for (run,) in reader.select("SELECT run FROM run ORDER BY id"))
        for artifact in stored_artifacts(reader):
            try:
                found.add(artifact, _prove(store, artifact))
            except (StoreError, _MisplacedError) as error:
                found.add_missing(artifact, _problem_of(error), _left_of(folder, artifact))
        if found.missing:
            _note_also_gone(folder, reader, found)
    return found


def _prove(store: LocalStore, artifact: Artifact) -> dict[str, Stamp]:
    """Hash an artifact and return the files that a store needs to read it, with their stamps.

    Raises:
        StoreError: It is gone or damaged.
        _MisplacedError: It is whole, but not in the files that its record and their tables name.
    """
    read = store.trace(artifact)
    if read is None:
        raise _MisplacedError(_IN_QUARANTINE)
    recorded = _left_of(store.folder, artifact)
    if len(recorded) < len(artifact.files):
        raise _MisplacedError(_NOT_AS_RECORDED)
    return recorded | {blob.name: blob.stamp for blob in read}


def _left_of(folder: StoreFolder, artifact: Artifact) -> dict[str, Stamp]:
    """Return which of the files that an artifact's record names are there."""
    with suppress(StoreError):
        stamps = ((blob.name, folder.stamp(blob.name)) for blob in artifact.files)
        return {name: stamp for name, stamp in stamps if stamp is not None}
    return {}


def _note_also_gone(folder: StoreFolder, reader: Reader, found: Inventory) -> None:
    """Note what shared a file with a damaged artifact: that file was moved away, perhaps after it served the others."""
    gone = {name for name in found.stamps if folder.stamp(name) is None}
    known = {digest for digest, _ in found.missing}
    for artifact in stored_artifacts(reader) if gone else ():
        if artifact.digest not in known and not gone.isdisjoint(found.names_of(artifact)):
            found.missing.append((artifact.digest, _SHARED))
    for name in gone:
        del found.stamps[name]


def _problem_of(error: StoreError | _MisplacedError) -> str:
    if isinstance(error, _MisplacedError):
        return str(error)
    return error.message.partition(": ")[2].rstrip(".") or error.message.rstrip(".")
