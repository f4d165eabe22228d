"""Errors of backups: what cannot be made or restored (exit code 4), and what must not be overwritten (2)."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Self

from flowkit.errors.store import StoreError
from flowkit.errors.usage import UsageError

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_MOST_NAMED = 5


class BackupUseError(UsageError):
    """A file or a folder that a backup would overwrite."""

    @classmethod
    def for_existing_file(cls, path: Path) -> Self:
        """Return the error for a backup that would replace a file."""
        return cls(
            f"'{path}' exists already.",
            (("file", str(path)),),
            "choose another name, or add --force to replace it once the new backup is whole.",
        )

    @classmethod
    def for_not_a_file(cls, path: Path) -> Self:
        """Return the error for a backup that would replace a link, a pipe or a folder."""
        return cls(
            f"'{path}' is not a plain file, so no backup takes its place.",
            (("file", str(path)),),
            "choose another name, or move that away first.",
        )

    @classmethod
    def for_place_in_store(cls, path: Path, store: Path) -> Self:
        """Return the error for a backup that would be written into the very store it is of."""
        return cls(
            f"'{path}' is in the store that is backed up.",
            (("file", str(path)), ("store", str(store))),
            "choose a place outside the store, best on another disk.",
        )

    @classmethod
    def for_used_folder(cls, path: Path, found: str) -> Self:
        """Return the error for a restore into a folder that holds something."""
        return cls(
            f"A backup is restored into a folder of its own, and '{path}' holds something.",
            (("store", str(path)), ("holds", found)),
            "name a new folder with --store, or move this one away first.",
        )

    @classmethod
    def for_force_on_restore(cls) -> Self:
        """Return the error for options of making a backup that were given to a restore."""
        return cls(
            "--force and --allow-missing are for making a backup; a restore replaces nothing.",
            (),
            "leave them out, and name a new folder with --store.",
        )


class BackupError(StoreError):
    """A backup that cannot be made or restored; nothing that looks whole is left behind."""

    @classmethod
    def for_os_error(cls, action: str, path: Path | str, error: OSError) -> Self:
        """Return the error for an operating system's refusal.

        Args:
            action: What could not be done, such as `written`.
            path: The file or folder concerned.
            error: What the system said.
        """
        said = error.strerror or str(error)
        full = error.errno in _FULL
        return cls(
            f"The backup cannot be {action}: " + ("no space is left for it." if full else f"{said}."),
            (("path", str(error.filename or path)), ("system", said)),
            "free some space there, or choose a place on a larger disk."
            if full
            else f"check that the path exists and that this user (uid {os.geteuid()}) may use it, then try again.",
        )

    @classmethod
    def for_no_space(cls, path: Path, needed: int, free: int) -> Self:
        """Return the error for a disk that is too small, seen before anything was written."""
        return cls(
            f"There is not enough space for the backup at '{path}'; nothing was written.",
            (("needed", f"{needed:,} bytes"), ("free", f"{free:,} bytes")),
            "free some space there, or choose a place on a larger disk.",
        )

    @classmethod
    def for_too_many_files(cls, path: Path, files: int) -> Self:
        """Return the error for a store with more files than a backup can list."""
        return cls(
            f"The store has more files than one backup can list, so '{path}' was not written.",
            (("files", f"{files:,} files, logs among them"),),
            "'flowkit gc --keep-for AGE' drops what older runs made, and their logs; else copy the store's folder by "
            "other means while nothing runs.",
        )

    @classmethod
    def for_busy(cls, path: Path) -> Self:
        """Return the error for a file or a folder that another process is making just now."""
        return cls(
            f"Another process is writing '{path}' just now.",
            (("path", str(path)),),
            "wait until it has ended, or choose another name.",
        )

    @classmethod
    def for_missing_content(cls, missing: tuple[tuple[str, str], ...]) -> Self:
        """Return the error for a store that has lost some of its content, which a backup would hide.

        Args:
            missing: Artifacts and what is wrong with each.
        """
        named = [(digest[:12], problem) for digest, problem in missing[:_MOST_NAMED]]
        if len(missing) > _MOST_NAMED:
            named.append(("and", f"{len(missing) - _MOST_NAMED:,} more"))
        noun = "artifact is" if len(missing) == 1 else "artifacts are"
        return cls(
            f"{len(missing):,} {noun} not whole in the store, so no backup was made.",
            named,
            "'flowkit verify' repairs what can be and says what hangs on the rest; running the pipeline makes that "
            "again; with --allow-missing the backup is made without them.",
        )

    @classmethod
    def for_changed_file(cls, name: str) -> Self:
        """Return the error for a stored file that changed while it was copied."""
        return cls(
            f"The store's file '{name}' changed while it was copied.",
            (("file", name),),
            "run 'flowkit verify', then make the backup again.",
        )

    @classmethod
    def for_not_a_backup(cls, path: Path, reason: str) -> Self:
        """Return the error for a file that is no backup, or one that was changed."""
        return cls(
            f"'{path}' cannot be restored: {reason}.",
            (("file", str(path)),),
            "nothing was restored; use another copy of this backup, or an earlier one.",
        )

    @classmethod
    def for_newer(cls, path: Path, what: str, found: int, known: int, version: str) -> Self:
        """Return the error for a backup that a later flowkit made."""
        return cls(
            f"The backup '{path}' was made by a newer flowkit.",
            (("made by", f"flowkit {version}"), (f"its {what}", str(found)), ("known here", str(known))),
            "upgrade flowkit-pipelines, then restore it.",
        )
