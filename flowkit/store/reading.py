"""Reading an artifact back: nothing is handed out that was not verified.

Bytes count as verified where this process has hashed or written them under the stamp that their file has now; all else
is hashed at its first use. A recorded stamp is enough to promise a hit, not to hand bytes out: a disk that rots changes
no stamp. A reference into another file that does not hold what it should is followed once more through that file's own
table, since that file may have been written anew with another layout. What then does not match is lost, and the file at
fault goes to quarantine. That file may have whole parts that others refer to: they are read from there until `verify`
has put the others together again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from msgspec import Struct

from flowkit.codecs.base import Buffer, Chunk, Encoded, Part, digest_chunk, digest_payload
from flowkit.codecs.threads import in_threads, usable_threads
from flowkit.errors import LostArtifactError, StoreError
from flowkit.records import Artifact, BlobFile, Digest, Stamp
from flowkit.store.blobs import READ_LIMIT, Blob
from flowkit.store.folder import StoreFolder, reporting
from flowkit.store.inline import unnamed_chunk
from flowkit.store.joining import BlobPart, join_parts
from flowkit.store.memory import KnownContent, RecentValues
from flowkit.store.names import digest_in, suffix_in
from flowkit.store.packs import DamagedFileError, Layout, Location, is_container, read_layout

_WORTH_A_THREAD = 1 << 20


class StoreState(Struct, frozen=True):
    """A store's folder with what this process remembers of it.

    Attributes:
        recent: None where no bytes are kept in memory.
        in_place: Whether damaged files are left where they are.
    """

    folder: StoreFolder
    known: KnownContent
    recent: RecentValues | None = None
    in_place: bool = False

    def put_away(self, name: str, stamp: Stamp | None) -> str:
        """Move a damaged blob to quarantine and return what became of it; nothing where it is left in place."""
        return "" if self.in_place else self.folder.quarantine_blob(name, stamp)

    def recall(self, digest: Digest) -> bytes | None:
        """Return the bytes with this digest from memory, None where they are not there."""
        return None if self.recent is None else self.recent.get(digest)

    def remember(self, digest: Digest, content: Buffer) -> None:
        """Keep bytes that are known to be what `digest` says in memory, where there is one."""
        if self.recent is not None:
            self.recent.add(digest, content)


class StoredArtifact:
    """An artifact in files, opened for reading.

    Args:
        state: The store.
        artifact: Its record.
        afresh: Hash everything, whatever is recorded or known.

    Attributes:
        followed: Whether a chunk was found elsewhere than the artifact's own file says.
        rescued: The files that its own file refers to for chunks which were found by quarantined files only.
    """

    def __init__(self, state: StoreState, artifact: Artifact, *, afresh: bool = False) -> None:
        self._state = state
        self._artifact = artifact
        self._afresh = afresh
        self._name = _own_name(artifact)
        self._recorded: Mapping[str, Stamp] = {} if afresh else {file.name: file.stamp for file in artifact.files}
        self._blobs: dict[str, Blob] = {}
        self._located: dict[Digest, tuple[Blob, Location]] = {}
        self._layouts: dict[str, Layout] = {}
        self.followed = False
        self.rescued: set[str] = set()
        held = None if afresh else state.recall(artifact.digest)
        self._payload = memoryview(held) if held is not None else self._read_payload()

    @property
    def artifact(self) -> Artifact:
        """The artifact's record."""
        return self._artifact

    @property
    def payload(self) -> memoryview:
        """The canonical payload, read-only."""
        return self._payload

    def prepare(self, digests: Sequence[Digest]) -> None:
        """Verify chunks that will be asked for, in several threads; what is wrong with one is told when it is."""
        waiting = [place for digest in digests if (place := self._expected_place(digest)) is not None]
        alone = len(waiting) < 2
        for _ in in_threads(lambda place: self._is_there(*place, alone=alone), waiting, usable_threads()):
            pass

    def chunk(self, digest: Digest, *, writable: bool = False) -> memoryview:
        """Return a chunk's bytes, verified; `writable` gives a private copy-on-write map.

        Raises:
            LostArtifactError: It is gone or damaged.
        """
        held = self._state.recall(digest)
        if held is not None:
            return memoryview(bytearray(held)) if writable else memoryview(held)
        blob, location = self.locate(digest)
        self._remember(digest, blob, blob.view(location))
        return blob.private_view(location) if writable else blob.view(location)

    def join(self, parts: Sequence[Part]) -> memoryview | None:
        """Return parts of chunks, verified, one after the other in private memory that can be written to.

        None where that would need a copy.

        Raises:
            LostArtifactError: A chunk is gone or damaged.
        """
        found = []
        for digest, start, size in parts:
            blob, (name, offset, _) = self.locate(digest)
            found.append(BlobPart(blob, Location(name, offset + start, size)))
        joined = join_parts(found)
        for blob, location in found:
            blob.let_go(location)
        return joined

    def encode_again(self) -> Encoded:
        """Return the artifact as it was put, its bytes being views of where they lie now.

        Raises:
            LostArtifactError: Something is gone or damaged.
        """
        chunks = (Chunk(digest, blob.view(at).nbytes, blob.view(at)) for digest, (blob, at) in self._located_all())
        return Encoded(
            self._artifact.format, self._artifact.digest, self._payload, suffix_in(self._name), tuple(chunks)
        )

    def locate(self, digest: Digest) -> tuple[Blob, Location]:
        """Return where a chunk lies, verified.

        Raises:
            LostArtifactError: It is gone or damaged.
        """
        located = self._located.get(digest)
        if located is None:
            located = self._located[digest] = self._find(digest)
        return located

    def locate_all(self) -> tuple[BlobFile, ...]:
        """Verify every chunk and return all files that hold the artifact as they are now, its own first.

        Where a reference had to be `followed` these stamps may not be recorded: a record vouches for a file only as the
        table of the artifact's own file describes it.

        Raises:
            LostArtifactError: Something is gone or damaged.
        """
        own = self._blob(self._name)
        others = {blob.name: blob.stamp for _, (blob, _) in self._located_all() if blob is not own}
        return (BlobFile(own.name, own.stamp), *(BlobFile(name, others[name]) for name in sorted(others)))

    def trace(self) -> tuple[BlobFile, ...]:
        """Verify every chunk and return each file that was read on the way, as it was then.

        Raises:
            LostArtifactError: Something is gone or damaged.
        """
        self.locate_all()
        return tuple(BlobFile(blob.name, blob.stamp) for blob in self._blobs.values())

    def own_chunks(self) -> frozenset[Digest]:
        """Return the chunks that lie in the artifact's own file."""
        chunks = self._own_layout().chunks
        return frozenset(digest for digest, location in chunks.items() if location.name == self._name)

    def _located_all(self) -> list[tuple[Digest, tuple[Blob, Location]]]:
        return [(digest, self.locate(digest)) for digest in self._own_layout().chunks]

    def _read_payload(self) -> memoryview:
        blob = self._blob(self._name)
        location = self._own_layout().payload
        try:
            view = self._view(blob, location)
        except DamagedFileError as damage:
            raise self._lost(blob, str(damage)) from damage
        digest = self._artifact.digest
        if not self._is_known(digest, location, blob):
            if digest_payload(self._artifact.format, view) != digest:
                raise self._lost(blob, "its file does not hold what its digest says")
            self._state.known.add([(digest, location, blob.stamp)])
        self._remember(digest, blob, view)
        return view

    def _remember(self, digest: Digest, blob: Blob, view: memoryview) -> None:
        if len(blob.content) <= READ_LIMIT:  # a mapped file is in memory anyway
            self._state.remember(digest, view)

    def _own_layout(self) -> Layout:
        layout = self._layouts.get(self._name)
        if layout is None:
            layout = self._layout_of(self._blob(self._name))
            self._learn(layout)
        return layout

    def _learn(self, layout: Layout) -> None:
        """Remember where chunks lie whose files are recorded as right, so that later puts refer to them."""
        self._state.known.add_recorded(
            (digest, location, self._recorded[location.name])
            for digest, location in layout.chunks.items()
            if location.name in self._recorded
        )

    def _layout_of(self, blob: Blob) -> Layout:
        layout = self._layouts.get(blob.name)
        if layout is None:
            try:
                with reporting("read a blob", self._state.folder.blob_path(blob.name)):
                    layout = self._layouts[blob.name] = read_layout(blob.name, blob.content)
            except DamagedFileError as damage:
                raise self._lost(blob, str(damage)) from damage
        return layout

    def _find(self, digest: Digest) -> tuple[Blob, Location]:
        location = self._own_layout().chunks.get(digest)
        if location is None:
            raise unnamed_chunk(self._artifact, digest)
        try:
            blob = self._blob(location.name)
            if self._is_there(digest, location, blob):
                return blob, location
            self.followed = True
            return self._follow(digest, location, blob)
        except LostArtifactError:
            rescued = self._rescue(digest)
            if rescued is None:
                raise
            self.followed = True
            self.rescued.add(location.name)
            return rescued

    def _rescue(self, digest: Digest) -> tuple[Blob, Location] | None:
        """Find a chunk of another file that went to quarantine for another of its parts; None where it is nowhere.

        No record vouches for what lies there.
        """
        location = self._own_layout().chunks[digest]
        if location.name == self._name:
            return None
        folder = self._state.folder
        for path in folder.quarantined(location.name):
            # What is damaged of it may be its table.
            blob = _open_part(path, location.name)
            if blob is not None and self._is_there(digest, location, blob):
                return blob, location
        names, looked_in = [location.name], {self._name}
        while names:
            name = names.pop()
            if name in looked_in:
                continue
            looked_in.add(name)
            for path in (folder.blob_path(name), *folder.quarantined(name)):
                found = _read_part(path, name, digest)
                if found is None:
                    continue
                blob, location = found
                if location.name != name:
                    names.append(location.name)
                elif self._is_there(digest, location, blob):
                    return blob, location
        return None

    def _follow(self, digest: Digest, location: Location, blob: Blob) -> tuple[Blob, Location]:
        """Look the chunk up in the table of the file where it should be; no record vouches for what that one says."""
        seen = {location}
        while True:
            onward = self._layout_of(blob).chunks.get(digest)
            if onward is None:
                raise self._led_nowhere(blob)
            if onward in seen:
                raise self._lost(blob, self._fault_at(onward, blob))
            seen.add(onward)
            blob = self._blob(onward.name)
            if self._is_there(digest, onward, blob):
                return blob, onward

    def _led_nowhere(self, blob: Blob) -> LostArtifactError:
        """Put `blob` into quarantine where it cannot be what others refer to; else it may be as whole as our file."""
        if not is_container(blob.content):
            return self._lost(blob, "its file does not begin as one that has the parts that others refer to")
        return self._damage(blob.name, f"a part of it is no longer in 'blobs/{blob.name}'")

    def _expected_place(self, digest: Digest) -> tuple[Digest, Location, Blob] | None:
        """Return where a chunk lies that is still to be looked at; None where there is nothing to look at."""
        location = self._own_layout().chunks.get(digest)
        if location is None or location.length < _WORTH_A_THREAD or digest in self._located:
            return None
        try:
            return digest, location, self._blob(location.name)
        except LostArtifactError:  # who asks for the chunk is told, or given it from elsewhere
            return None

    def _is_there(self, digest: Digest, location: Location, blob: Blob, *, alone: bool = True) -> bool:
        try:
            view = self._view(blob, location)
        except DamagedFileError:  # the file's own table says where to look, or that it is damaged
            return False
        if self._is_known(digest, location, blob):
            return True
        if digest_chunk(view, alone=alone) != digest:
            return False
        self._state.known.add([(digest, location, blob.stamp)])
        return True

    def _fault_at(self, location: Location, blob: Blob) -> str:
        try:
            self._view(blob, location)
        except DamagedFileError as damage:
            return str(damage)
        return "a part of its file does not match its digest"

    def _is_known(self, digest: Digest, location: Location, blob: Blob) -> bool:
        return not self._afresh and self._state.known.confirms(digest, location, blob.stamp)

    def _view(self, blob: Blob, location: Location) -> memoryview:
        try:
            return blob.view(location)
        except OSError as error:
            path = self._state.folder.blob_path(blob.name)
            raise StoreError.for_os_error("read a blob", error.filename or path, error) from error

    def _blob(self, name: str) -> Blob:
        blob = self._blobs.get(name)
        if blob is None:
            blob = self._blobs[name] = self._open_blob(name)
        return blob

    def _open_blob(self, name: str) -> Blob:
        path = self._state.folder.blob_path(name)
        try:
            blob = Blob(path, name)
        except (FileNotFoundError, NotADirectoryError) as error:
            raise self._damage(name, f"the file 'blobs/{name}' is gone") from error
        except DamagedFileError as damage:
            kept = self._state.put_away(name, self._state.folder.stamp(name))
            raise self._damage(name, str(damage), kept) from damage
        except OSError as error:
            raise StoreError.for_os_error("read a blob", path, error) from error
        if name == self._name and self._recorded.get(name) != blob.stamp:
            # Its table may be another one than when the record was made, so the record vouches for nothing.
            self._recorded = {}
        return blob

    def _lost(self, blob: Blob, reason: str) -> LostArtifactError:
        """Put `blob` into quarantine and return the error that says so."""
        return self._damage(blob.name, reason, self._state.put_away(blob.name, blob.stamp))

    def _damage(self, name: str, reason: str, kept: str = "") -> LostArtifactError:
        return LostArtifactError.for_damage(self._artifact.digest, self._artifact.format, name, reason, kept)


def _read_part(path: Path, name: str, digest: Digest) -> tuple[Blob, Location] | None:
    """Return where a chunk lies by the table of a file that may be damaged; None where that says nothing."""
    blob = _open_part(path, name)
    if blob is None:
        return None
    try:
        location = read_layout(name, blob.content).chunks.get(digest)
    except (OSError, DamagedFileError):  # this file has nothing to give
        return None
    return None if location is None else (blob, location)


def _open_part(path: Path, name: str) -> Blob | None:
    try:
        return Blob(path, name)
    except (OSError, DamagedFileError):  # this file has nothing to give
        return None


def _own_name(artifact: Artifact) -> str:
    if not artifact.files:
        raise LostArtifactError.for_damage(artifact.digest, artifact.format, "", "no file of the store holds it")
    name = artifact.files[0].name
    if digest_in(name) != artifact.digest:
        raise LostArtifactError.for_damage(
            artifact.digest, artifact.format, name, "its record names a file of another artifact"
        )
    return name
