"""Everything that is opened for one project and its store: blobs, lineage, codecs, fingerprints."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from msgspec import Struct

from flowkit import engine, execution
from flowkit.cache.code import StepCode
from flowkit.codecs.registry import CodecRegistry
from flowkit.engine import remote as elsewhere
from flowkit.engine.dropped import telling_dropped
from flowkit.engine.keys import KeyMaker
from flowkit.engine.lookup import IsGone, Lookups, no_sharing
from flowkit.engine.notices import Notices
from flowkit.execution.dask_frames import names_dask_frame
from flowkit.fingerprint.code import CodeFingerprinter
from flowkit.fingerprint.environment import EnvironmentReader
from flowkit.fingerprint.named import GoneNames
from flowkit.fingerprint.observed import ObservedDigests
from flowkit.lineage.entries import Entries
from flowkit.lineage.file_digests import RecordedFileDigests
from flowkit.lineage.lost_database import refuse_lost_database
from flowkit.lineage.reader import Reader
from flowkit.lineage.writer import LineageWriter
from flowkit.project import Project
from flowkit.records import Artifact
from flowkit.store.folder import StoreFolder
from flowkit.store.local import LocalStore
from flowkit.store.remote import Remote

if TYPE_CHECKING:
    from flowkit.engine.promotions import Promotions

Undeclared = Literal["track", "warn", "error"]

RECENT_BYTES = 64 * 1024 * 1024
"""How much of recently read content the driver keeps."""


class Workspace(Struct):
    """A project with its opened store. Close it, or use it as long as the process lives.

    Attributes:
        writer: The only writer of the lineage database in this process.
        reader: Reads what is committed.
        files: What is known of files that came in.
        notices: What the writer has to say.
        remote: Where results are shared with other machines.
        trust_remote: Whether values may be taken from there whose loading can run code.
        undeclared: What becomes of a step that reads something undeclared.
    """

    project: Project
    folder: StoreFolder
    store: LocalStore
    writer: LineageWriter
    reader: Reader
    files: RecordedFileDigests
    codecs: CodecRegistry
    pickle: Literal["allow", "deny"]
    notices: Notices
    dry_run: bool = False
    remote: Remote | None = None
    trust_remote: bool = False
    undeclared: Undeclared = "track"

    @classmethod
    def open(
        cls,
        project: Project,
        path: Path,
        *,
        pickle: Literal["allow", "deny"] = "allow",
        dry_run: bool = False,
        remote: str | None = None,
        trust_remote: bool = False,
        undeclared: Undeclared = "track",
        durable: bool = True,
    ) -> Workspace:
        """Open the store at `path`, making it where there is none. Runs whose driver died become `crashed`.

        Args:
            project: The project that uses it.
            path: The store's folder.
            pickle: Whether values that only pickle can store are allowed.
            dry_run: Whether promotions are judged without moving anything.
            remote: The fsspec URL of a folder through which machines share results.
            trust_remote: Whether pickle and registered codecs are read from there.
            undeclared: What becomes of a step that reads something undeclared: `track`, `warn` or `error`.
            durable: Whether records are to survive a power cut.

        Raises:
            StoreError: It cannot be written, is newer, locked or damaged.
        """
        folder = StoreFolder.create_or_open(path)
        refuse_lost_database(folder)
        store = LocalStore(folder, RECENT_BYTES)
        notices = Notices()
        writer = LineageWriter(
            folder.database,
            present=store.holds,
            refused=notices.refuse,
            disagreed=notices.disagree,
            durable=durable,
        )
        try:
            writer.mark_crashed_runs()
            reader = Reader(folder.database)
        except BaseException:
            writer.close()
            raise
        return cls(
            project,
            folder,
            store,
            writer,
            reader,
            RecordedFileDigests(reader, writer),
            CodecRegistry(pickle),
            pickle,
            notices,
            dry_run,
            Remote(remote) if remote else None,
            trust_remote,
            undeclared,
        )

    def close(self) -> None:
        """Write what is queued and close the database."""
        self.reader.close()
        self.writer.close()

    def make_keys(self, locate: Callable[[Path], Path] = lambda path: path) -> KeyMaker:
        """Return a key maker for one run or plan. Code is read anew: it may have changed since the last.

        Args:
            locate: Gives the path under which a step is handed an input file.
        """
        return KeyMaker(
            self.project,
            self.store,
            self.codecs,
            StepCode(CodeFingerprinter(self.project, self.folder.path), self.codecs),
            EnvironmentReader(),
            self.files,
            locate,
        )

    def make_lookups(
        self,
        pipeline: str,
        forced: frozenset[str],
        spared: frozenset[str],
        sharing: elsewhere.Sharing | None = None,
        is_gone: IsGone | None = None,
        warn: Callable[[str], None] = lambda text: None,
    ) -> Lookups:
        """Return lookups for one run or plan of a pipeline."""
        return Lookups(
            Entries(self.reader),
            self.store,
            pipeline,
            forced,
            time.time,
            self.writer.restamp,
            sharing.find if sharing is not None else no_sharing,
            ObservedDigests(self.project.root, self.files),
            self.files.find_folder,
            spared,
            is_gone or GoneNames(self.project).is_gone,
            warn,
        )

    def make_sharing(self, warn: Callable[[str], None], *, fetch: bool) -> elsewhere.Sharing | None:
        """Return what shares results with other machines in one run or plan; None where there is no remote."""
        if self.remote is None:
            return None
        return elsewhere.Sharing(self.remote, self.store, self.trust_remote, fetch, warn)

    def make_promotions(self) -> Promotions:
        """Return what performs promotions with this store's registry."""
        return engine.Promotions(self.reader, self.writer, self.store, self.codecs, dry_run=self.dry_run)

    def load(self, artifact: Artifact, hint: Any) -> Any:
        """Return an artifact's value as `hint`.

        Raises:
            LostArtifactError: It is gone or damaged; one that was dropped says what makes it again.
            CodecError: It cannot be given as `hint`.
        """
        with telling_dropped(self.reader):
            return self._load(artifact, hint)

    def _load(self, artifact: Artifact, hint: Any) -> Any:
        if names_dask_frame(hint) and artifact.format == "table":
            return execution.open_dask_frame(artifact, self.store, self.folder.path, self.codecs.pickle)
        folder = _make_folder() if artifact.format == "path" else self.folder.temporary
        return self.codecs.decode(self.store.open(artifact), hint, folder)


def _make_folder() -> Path:
    """Return a new folder; it is not removed here, as a `Path` in it that a person was given must live on."""
    import tempfile

    return Path(tempfile.mkdtemp(prefix="flowkit-value-"))
