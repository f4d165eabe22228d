"""Putting a value into the store: what is there already is verified and left alone, the rest is written once.

A chunk that lies in another file, unchanged since this process wrote, hashed or opened it, is referred to; but not
where the file that is written stood there before, and others may refer into it: they would come to depend on a third
file that no record names for them. A file that stands under the value's name counts only after its content was
verified, for its stamp will be recorded as right.
"""

from __future__ import annotations

import errno

from msgspec.structs import replace

from flowkit.codecs.base import Encoded
from flowkit.errors import LostArtifactError, StoreError
from flowkit.records import INLINE_LIMIT, Artifact, BlobFile, Digest, Stamp
from flowkit.store.files import fsync_directory, write_file_durably
from flowkit.store.folder import StoreFolder, make_shard, reporting
from flowkit.store.names import blob_name
from flowkit.store.packs import FilePlan, Location, plan_file
from flowkit.store.reading import StoredArtifact, StoreState

Files = tuple[BlobFile, ...]

_ATTEMPTS = 2
_RACES = 20
NEVER = Stamp(-1, -1, -1, -1)
"""A stamp that no file has: what is recorded with it has to be hashed."""


def put_encoded(state: StoreState, encoded: Encoded) -> Artifact:
    """Keep `encoded` durably and return its record; see `Store.put`."""
    size = memoryview(encoded.payload).nbytes
    if size <= INLINE_LIMIT and not encoded.chunks:
        blob_name(encoded.digest, encoded.suffix)  # refused here too, or it would depend on the value's size
        return Artifact(encoded.digest, encoded.format, size, inline=bytes(encoded.payload), refers=encoded.refers)
    name = blob_name(encoded.digest, encoded.suffix)
    stood = state.folder.stamp(name) is not None or bool(state.folder.quarantined(name))
    files = _find_standing(state, encoded, name) or _write(
        state, encoded, name, inside=_all_chunks(encoded) if stood else frozenset()
    )
    _remember(state, encoded)
    return Artifact(encoded.digest, encoded.format, encoded.bytes, files=files, refers=encoded.refers)


def verify_artifact(state: StoreState, artifact: Artifact) -> Artifact:
    """Hash all of an artifact in files and return its record with fresh stamps; see `Store.verify`.

    Where a part lies elsewhere than the artifact's own file says, since another file was written anew, that file is
    written again with the right references: only then can stamps vouch for it.
    """
    stored = StoredArtifact(state, artifact, afresh=True)
    files = stored.locate_all()
    if stored.followed:
        files = _write(state, stored.encode_again(), files[0].name, replace=True, inside=stored.own_chunks())
    return replace(artifact, files=files)


def write_again(state: StoreState, encoded: Encoded) -> Files:
    """Write the file of a lost artifact, whatever stands in its place, and return the files that hold it now."""
    return _write(state, encoded, blob_name(encoded.digest, encoded.suffix), replace=True, inside=_all_chunks(encoded))


def _find_standing(state: StoreState, encoded: Encoded, name: str) -> Files | None:
    """Return the files that hold `encoded` where they are all there and right, None where it must be written."""
    if state.folder.stamp(name) is None:
        return None
    record = Artifact(encoded.digest, encoded.format, encoded.bytes, files=(BlobFile(name, NEVER),))
    try:
        stored = StoredArtifact(StoreState(state.folder, state.known), record)
        for chunk in encoded.chunks:
            stored.locate(chunk.digest)
        files = stored.locate_all()
    except LostArtifactError:  # the damaged file is in quarantine by now, and what it held is at hand to be written
        return None
    if stored.followed:
        return None
    # Whoever renamed it there may have died before its name was durable.
    _sync_shard(state.folder, name)
    return files


def _all_chunks(encoded: Encoded) -> frozenset[Digest]:
    return frozenset(chunk.digest for chunk in encoded.chunks)


def _write(
    state: StoreState,
    encoded: Encoded,
    name: str,
    *,
    replace: bool = False,
    inside: frozenset[Digest] = frozenset(),
) -> Files:
    """Write the file `name`; the chunks `inside` go into it wherever else they lie."""
    path = state.folder.blob_path(name)
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            return _write_or_find(state, encoded, name, replace, inside)
        except OSError as error:
            # A disk that failed once may take a new file; the file whose fsync failed is gone and never synced again.
            if error.errno != errno.EIO or attempt == _ATTEMPTS:
                raise StoreError.for_os_error("keep a value", path, error) from error
    raise AssertionError("the last attempt returns or raises")


def _write_or_find(state: StoreState, encoded: Encoded, name: str, replace: bool, inside: frozenset[Digest]) -> Files:
    """Write the file `name`, or take the one that another process puts there first."""
    make_shard(state.folder, name)
    for race in range(_RACES):
        # What stands there and is not right, from the first race on, is replaced.
        try:
            again = inside if race == 0 else _all_chunks(encoded)
            written = _write_once(state, encoded, name, replace=replace or race > 0, inside=again)
        except IsADirectoryError:  # no file can take the place of a folder: that is put aside
            state.put_away(name, None)
            continue
        files = written or _find_standing(state, encoded, name)
        if files is not None:
            return files
    raise OSError(errno.EBUSY, "other processes keep replacing or removing it")


def _write_once(
    state: StoreState, encoded: Encoded, name: str, *, replace: bool, inside: frozenset[Digest]
) -> Files | None:
    folder = state.folder
    references, others = _known_elsewhere(state, encoded, name, inside)
    plan = plan_file(name, encoded, references)
    path = folder.blob_path(name)
    follow = plan.proving if plan.borrows else None
    stamp = write_file_durably(path, plan.parts(), temporary_folder=folder.temporary, replace=replace, follow=follow)
    if stamp is None:
        return None
    _learn(state, plan, name, stamp)
    return (BlobFile(name, stamp), *(BlobFile(other, others[other]) for other in sorted(others)))


def _known_elsewhere(
    state: StoreState, encoded: Encoded, name: str, inside: frozenset[Digest]
) -> tuple[dict[Digest, Location], dict[str, Stamp]]:
    """Return where chunks of `encoded` not `inside` lie in other files that are unchanged, and those files' stamps."""
    references: dict[Digest, Location] = {}
    stamps: dict[str, Stamp | None] = {name: None}
    for chunk in encoded.chunks:
        known = state.known.find(chunk.digest)
        if known is None or known.location.length != chunk.size or chunk.digest in inside:
            continue
        other = known.location.name
        if other not in stamps:
            stamps[other] = state.folder.stamp(other)
        if stamps[other] == known.stamp:
            references[chunk.digest] = known.location
    used = {location.name for location in references.values()}
    return references, {other: stamp for other, stamp in stamps.items() if stamp is not None and other in used}


def _sync_shard(folder: StoreFolder, name: str) -> None:
    shard = folder.blobs / name[:2]
    with reporting("make a blob durable", shard):
        make_shard(folder, name)
        fsync_directory(shard)


def _learn(state: StoreState, plan: FilePlan, name: str, stamp: Stamp) -> None:
    chunks = plan.layout.chunks
    state.known.add([(plan.encoded.digest, plan.layout.payload, stamp)])
    state.known.add((chunk.digest, chunks[chunk.digest], stamp) for chunk in plan.own)


def _remember(state: StoreState, encoded: Encoded) -> None:
    state.remember(encoded.digest, encoded.payload)
    for chunk in encoded.chunks:
        if isinstance(chunk.content, bytes | bytearray | memoryview):
            state.remember(chunk.digest, chunk.content)
