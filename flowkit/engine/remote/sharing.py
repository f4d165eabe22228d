"""Shares results with other machines through a remote: what is missing here is looked for there, what is made is sent.

A remote is a convenience: when it fails, the run goes on without it and says so once. Results are sent by threads of
their own, blobs before the record that names them, while the run goes on.
"""

from __future__ import annotations

import queue
import sys
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor

from msgspec import Struct, field
from msgspec.structs import replace

from flowkit.codecs.tables import contains_pickle
from flowkit.engine.provenance import current_host
from flowkit.engine.remote.shared_records import read_shared_record, write_shared_record
from flowkit.errors import CodecError, LostArtifactError, RemoteError, StoreError
from flowkit.errors.remote import hide_password
from flowkit.records import Artifact, Digest, Entry, NodeRecord, Outcome, Output
from flowkit.store.blobs import Blob
from flowkit.store.local import LocalStore
from flowkit.store.packs import DamagedFileError, read_layout
from flowkit.store.references import References
from flowkit.store.remote import Remote

HARMLESS = frozenset({"bytes", "json", "json-files", "npy", "path", "str", "table"})
"""Formats whose reading runs no code that the content brings along; a table may still hold pickled cells."""

_THREADS = 8
_MOST_NAMED = 3


class Sharing(Struct):
    """What one run or plan gives to a remote, and takes from it.

    Attributes:
        trusted: Whether values may be taken whose loading can run code: pickle, and registered codecs.
        fetch: Whether what is found is fetched and verified; a plan only asks whether it is there.
        warn: Told of a sentence about what did not work; called in the driver's thread.
    """

    remote: Remote
    store: LocalStore
    trusted: bool
    fetch: bool
    warn: Callable[[str], None]
    _failed: RemoteError | None = None
    _damaged: set[Digest] = field(default_factory=set)
    _distrusted: list[str] = field(default_factory=list)
    _queue: queue.SimpleQueue[NodeRecord | None] = field(default_factory=queue.SimpleQueue)
    _senders: list[threading.Thread] = field(default_factory=list)

    def find(self, keys: Sequence[Digest]) -> dict[Digest, Entry]:
        """Return the newest usable result under each key that the remote has one for."""
        if self._failed is not None or not keys:
            return {}
        with ThreadPoolExecutor(min(_THREADS, len(keys))) as pool:
            findings = list(pool.map(self._find_one, keys))
        for finding in findings:
            for text in finding.warnings:
                self.warn(text)
            if finding.entry is None and finding.distrusted is not None:
                self._distrusted.append(finding.distrusted)
        self._tell_failure()
        return {finding.entry.cache_key: finding.entry for finding in findings if finding.entry is not None}

    def offer(self, record: NodeRecord) -> None:
        """Begin to send the result of a node that executed here; returns at once."""
        execution = record.execution
        if execution is None or record.outcome is not Outcome.EXECUTED or not execution.cached or execution.observed:
            return
        if not self._senders:
            self._senders = [threading.Thread(target=self._send_all, daemon=True) for _ in range(_THREADS // 2)]
            for sender in self._senders:
                sender.start()
        self._queue.put(record)

    def finish(self) -> None:
        """Wait until all that was offered is sent, or could not be."""
        for _ in self._senders:
            self._queue.put(None)
        for sender in self._senders:
            sender.join()
        self._senders.clear()
        self._tell_failure()

    # -- taking ----------------------------------------------------------------------------------------------------

    def _find_one(self, key: Digest) -> _Finding:
        finding = _Finding()
        if self._failed is not None:
            return finding
        try:
            for entry in self._read_entries(key, finding):
                finding.entry = self._admit(entry, finding)
                if finding.entry is not None:
                    break
        except RemoteError as error:
            self._failed = error
        return finding

    def _read_entries(self, key: Digest, finding: _Finding) -> list[Entry]:
        entries = []
        for content in self.remote.read_records(key):
            try:
                entries.append(read_shared_record(content, key))
            except (ValueError, StoreError) as error:
                self._damaged.add(key)
                reason = error.message if isinstance(error, StoreError) else f"{error}."
                finding.warnings.append(
                    f"A record in the remote {hide_password(self.remote.url)} is not used: {reason}"
                )
        return sorted(entries, key=lambda entry: entry.created, reverse=True)

    def _admit(self, entry: Entry, finding: _Finding) -> Entry | None:
        """Return the entry with verified outputs; None where one is missing, damaged or not to be trusted."""
        if not self.trusted and not all(_is_harmless(output.artifact) for output in entry.outputs):
            finding.distrusted = entry.node
            return None
        if not self.fetch:
            return entry
        try:
            outputs = tuple(Output(output.name, self._fetch(output.artifact)) for output in entry.outputs)
            holds_pickle = any(map(self._holds_pickle, [output.artifact for output in outputs]))
        except (LostArtifactError, CodecError) as error:
            self._damaged.add(entry.cache_key)
            finding.warnings.append(
                f"The remote's result for {entry.node!r} is not used: {error.message} It is made here instead."
            )
            return None
        if not self.trusted and holds_pickle:
            finding.distrusted = entry.node
            return None
        return replace(entry, outputs=outputs)

    def _fetch(self, artifact: Artifact) -> Artifact:
        """Return the artifact with its files here, hashed.

        Raises:
            LostArtifactError: The remote has not all of it, or something else under its name.
        """
        for file in artifact.files:
            self._fetch_file(file.name)
            for other in self._files_named_in(file.name):
                self._fetch_file(other)
        # Another machine may have written one of them in another layout, which leads on to files that it has.
        fetched: set[str] = set()
        while more := self._needed_for(artifact) - fetched:
            for name in more:
                self._fetch_file(name)
            fetched |= more
        return self.store.verify(artifact)

    def _needed_for(self, artifact: Artifact) -> frozenset[str]:
        own = artifact.files[:1]
        return References(self.store.folder).needed_for(own[0].name) if own else frozenset()

    def _fetch_file(self, name: str) -> None:
        self.remote.fetch_blob(self.store.folder, name)

    def _files_named_in(self, name: str) -> Iterable[str]:
        try:
            blob = Blob(self.store.folder.blob_path(name), name)
            return {location.name for location in read_layout(name, blob.content).chunks.values()} - {name}
        except (FileNotFoundError, DamagedFileError):
            return ()  # the verification that follows says so

    def _holds_pickle(self, artifact: Artifact) -> bool:
        return artifact.format == "table" and contains_pickle(self.store.open(artifact).payload)

    # -- giving ----------------------------------------------------------------------------------------------------

    def _send_all(self) -> None:
        while (record := self._queue.get()) is not None:
            if self._failed is None:
                try:
                    self._send(record)
                except RemoteError as error:
                    self._failed = error

    def _send(self, record: NodeRecord) -> None:
        execution = record.execution
        assert execution is not None
        names = {file.name: None for output in execution.outputs for file in output.artifact.files}
        # Where something was found damaged more may be, also what nobody asked for: all of this run is sent anew.
        mends = bool(self._damaged)
        for name in names:
            self.remote.send_blob(self.store.folder, name, replace=mends)
        content = write_shared_record(record, current_host())
        replaces = mends or execution.supersedes is not None
        self.remote.write_record(execution.cache_key, execution.entry_key, content, replace=replaces)

    def tell_distrust(self) -> None:
        """Say, once for all of them, which results of the remote were left alone as their loading could run code."""
        if self._distrusted:
            self.warn(_distrust(self._distrusted))
            self._distrusted = []

    def _tell_failure(self) -> None:
        if self._failed is not None:
            facts = "; ".join(f"{label} {value}" for label, value in self._failed.facts)
            self.warn(
                f"{self._failed.message} ({facts}) This run goes on without the remote: {self._failed.hint}",
            )


class _Finding(Struct):
    """What asking for one key came to; `distrusted` is the node whose result was there and left alone."""

    entry: Entry | None = None
    distrusted: str | None = None
    warnings: list[str] = field(default_factory=list)


def _is_harmless(artifact: Artifact) -> bool:
    """Whether reading it runs nothing that it brings along or names.

    To digest what it names, modules of the project are imported: only those that this process has itself are let in.
    """
    named = {name.partition(":")[0] for name in artifact.refers}
    return artifact.format in HARMLESS and all(module in sys.modules for module in named)


def _distrust(nodes: Sequence[str]) -> str:
    named = ", ".join(map(repr, nodes[:_MOST_NAMED])) + (", …" if len(nodes) > _MOST_NAMED else "")
    several = len(nodes) > 1
    return (
        f"The remote has {f'results for {len(nodes):,} nodes ({named})' if several else f'a result for {named}'} whose "
        f"loading could run code, and is not trusted: {'they are' if several else 'it is'} made here instead. Set "
        "'trust_remote = true' in [tool.flowkit] if you trust all who can write there."
    )
