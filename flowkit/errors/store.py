"""Errors of the store as a whole; exit code 4."""

from __future__ import annotations

import errno
import os
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, Self

from flowkit.errors.base import FlowkitError
from flowkit.errors.codec import CodecError

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_FORBIDDEN = frozenset({errno.EACCES, errno.EPERM})

_MAY_BRING_BACK = (
    "run `flowkit verify`, which puts it together again where its parts lie in quarantine or in other files, and else "
    "says what may bring it back"
)


class StoreError(FlowkitError):
    """A store that is locked, newer, damaged, full or not writable, or that workers cannot see."""

    exit_code: ClassVar[int] = 4

    @classmethod
    def for_os_error(cls, action: str, path: Path | str, error: OSError) -> Self:
        """Return the error for an operating system's refusal: full, forbidden, read-only, or what else it said."""
        said = error.strerror or str(error)
        facts = (("path", str(path)), ("system", said))
        if error.errno in _FULL:
            return cls(
                f"The store cannot {action}: no space is left for it. Nothing of it was kept.",
                facts,
                "free some space, or point 'store' in [tool.flowkit] (or --store) at a larger disk.",
            )
        if error.errno in _FORBIDDEN:
            return cls(
                f"The store cannot {action}: permission denied.",
                (*facts, ("user", f"uid {os.geteuid()}")),
                "let this user read and write that folder, or choose another one with --store.",
            )
        if error.errno == errno.EROFS:
            return cls(
                f"The store cannot {action}: its file system is read-only.",
                facts,
                "choose a store on a writable disk with --store, or mount that one for writing.",
            )
        if error.errno in (errno.EMFILE, errno.ENFILE):
            return cls(
                f"The store cannot {action}: too many files are open.",
                facts,
                "raise the limit with 'ulimit -n 65536'.",
            )
        return cls(
            f"The store cannot {action}: {said}.",
            facts,
            "check that disk and its file system, then run the same command again.",
        )

    @classmethod
    def for_not_a_folder(cls, path: Path) -> Self:
        """Return the error for a store's path at which something other than a folder stands."""
        return cls(
            f"The store '{path}' is not a folder.",
            (("path", str(path)),),
            "move what stands there away, or choose another folder with --store.",
        )

    @classmethod
    def for_foreign_folder(cls, path: Path, found: str) -> Self:
        """Return the error for a folder that holds other things, which a new store must not mix with."""
        return cls(
            f"'{path}' is not a store, and it is not empty.",
            (("path", str(path)), ("holds", found)),
            "choose an empty or a new folder with --store.",
        )

    @classmethod
    def for_open_to_all(cls, path: Path, mode: str) -> Self:
        """Return the error for a store that every user of the machine may write to, and so choose what is loaded."""
        return cls(
            f"Everybody on this machine can write to the store's folder '{path}', and so run code as whoever uses it.",
            (("path", str(path)), ("mode", mode)),
            f"find out who has written there, then run `chmod o-w {shlex.quote(str(path))}`, or choose another folder "
            "with --store.",
        )

    @classmethod
    def for_no_store(cls, path: Path) -> Self:
        """Return the error for reading a store that is not there."""
        return cls(
            f"There is no store at '{path}'.",
            (("path", str(path)),),
            "make it with 'flowkit run', or name the store there is with --store.",
        )

    @classmethod
    def for_collection(cls, path: Path) -> Self:
        """Return the error for files that are being collected, or must stay, while another process wants otherwise."""
        return cls(
            "Another process collects the store's garbage just now, or makes a backup of it, or verifies it.",
            (("lock", str(path)),),
            "wait until it has ended, then run the same command again.",
        )

    @classmethod
    def for_gone_version(cls, version: str, alias: str, digest: str, format_name: str, file: str) -> Self:
        """Return the error for an alias that is to point to a version whose content is not all in the store.

        Args:
            version: Such as `taxi:7`.
            alias: Such as `taxi@champion`.
            digest: The artifact's digest.
            format_name: Its format.
            file: The file below `blobs/` that is gone; empty where none is recorded.
        """
        return cls(
            f"A file of model {version} is gone from its place in the store, so {alias} is not moved to it.",
            _gone_facts(digest, format_name, file),
            f"{_MAY_BRING_BACK}; or choose another version (`flowkit models list {version.partition(':')[0]}`).",
        )

    @classmethod
    def for_gone_pin(cls, versions: Sequence[str], digest: str, format_name: str, file: str) -> Self:
        """Return the error for an artifact that is to be kept and is not all in the store.

        Args:
            versions: The model versions that it is, such as `taxi:7`.
            digest: Its digest.
            format_name: Its format.
            file: The file below `blobs/` that is gone; empty where none is recorded.
        """
        named = f" (model {', '.join(versions)})" if versions else ""
        return cls(
            f"A file of artifact {digest[:12]}{named} is gone from its place in the store, so it is not pinned.",
            _gone_facts(digest, format_name, file),
            f"{_MAY_BRING_BACK}; then pin it.",
        )

    @classmethod
    def for_unsafe_name(cls, kind: str, name: str) -> Self:
        """Return the error for a name that the store would not put into a path."""
        return cls(
            f"The store refuses {name!r} as the name of a {kind}.",
            (("name", repr(name)),),
            "the record or message that it came from is damaged; 'flowkit verify' names such records.",
        )


class LostArtifactError(StoreError):
    """A blob that is gone or no longer holds what its digest says."""

    @classmethod
    def for_champion(cls, version: str, alias: str, digest: str) -> Self:
        """Return the error for an alias whose model's content is gone from the store."""
        return cls(
            f"The content of model {version}, the {alias}, is gone from the store, or damaged.",
            [("artifact", digest)],
            "`flowkit verify` says whether a rerun may bring it back; else restore the store from a backup (`flowkit "
            "backup --restore FILE`), or move the alias with `flowkit models promote` or `models rollback`.",
        )

    @classmethod
    def for_damage(cls, digest: str, format_name: str, file: str, reason: str, kept: str = "") -> Self:
        """Return the error for a file that is gone, or holds other bytes than `digest` says.

        Args:
            digest: The artifact's digest.
            format_name: Its format.
            file: The file below `blobs/` at fault; empty where the content is part of the record.
            reason: What is wrong, as the end of a sentence.
            kept: Where the damaged file was moved to, or why it could not be moved.
        """
        facts = [("artifact", digest), ("format", format_name)]
        if file:
            facts.append(("file", f"blobs/{file}"))
        if kept:
            facts.append(("kept", kept))
        return cls(
            f"The artifact {digest[:12]} is lost: {reason}.",
            facts,
            "run the pipeline again; the step that made it makes it anew. `flowkit verify` restores what can be put "
            "together from other files and from quarantine.",
        )

    @classmethod
    def for_dropped(cls, digest: str, on: str, run: str | None, node: str | None, command: str | None) -> Self:
        """Return the error for an artifact that a collection dropped.

        Args:
            digest: Its digest.
            on: The day of the collection.
            run: A run that made it; None where no step did.
            node: The node of that run.
            command: What makes it again; None where nothing does.
        """
        facts = [("artifact", digest)]
        if run is not None and node is not None:
            facts.append(("made by", f"{node} in run {run}"))
        hint = f"make it again with '{command}'." if command else "run a pipeline that is given it as an argument."
        return cls(f"The artifact {digest[:12]} was dropped by gc on {on}.", facts, hint)

    def to_make_again(self, command: str) -> Self:
        """Return the same error with the command that makes the artifact again."""
        hint = (
            f"make it again with `{command}`. `flowkit verify` restores what can be put together from other files and "
            "from quarantine."
        )
        return type(self)(self.message, self.facts, hint)

    @property
    def digest(self) -> str:
        """The digest of the lost artifact, also after the error has crossed a process border."""
        return dict(self.facts)["artifact"]


class UnstableFileError(CodecError):
    """A file that a step returned and that changed, or went, while it was copied into the store."""

    @classmethod
    def for_change(cls, path: Path, reason: str) -> Self:
        """Return the error for the file at `path`; `reason` is the end of a sentence."""
        return cls(
            f"The file '{path}' could not be stored: {reason}.",
            (("path", str(path)),),
            "return the file only when nothing writes to it any more; write it below fk.scratch().",
        )


def _gone_facts(digest: str, format_name: str, file: str) -> tuple[tuple[str, str], ...]:
    return (
        ("artifact", digest),
        ("format", format_name),
        ("file", f"blobs/{file}" if file else "none is recorded"),
    )
