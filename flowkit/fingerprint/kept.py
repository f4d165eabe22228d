"""Facts of source texts and installed packages on disk: a file each, named after the digest of what they are about.

Whatever is wrong with such a file, its facts are found out again: files are checked by a digest, written beside and
renamed, so that two processes may write at once and a torn file is noticed. A folder that cannot be written is used as
it is. The files are plain JSON; which code of flowkit found the facts out is part of the folder's name.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

from blake3 import blake3

from flowkit.fingerprint import (
    decorators,
    effects,
    facts,
    framing,
    known,
    packages,
    references,
    source,
    spoken,
    structure,
    syntax,
)
from flowkit.fingerprint.facts import SourceFacts
from flowkit.fingerprint.packages import Packages

MOST_BYTES = 64 * 1024 * 1024
"""How much may lie in the folder: many times the facts of a large project. What was not used for longest goes."""

_PRIVATE_FOLDER, _PRIVATE_FILE = 0o700, 0o600
_DIGEST_LENGTH = 64
_UNUSED_AFTER = 24 * 3600.0
_FINDING_OUT = (decorators, effects, facts, framing, known, packages, references, source, spoken, structure, syntax)


class KeptFacts:
    """The facts that a store keeps.

    Args:
        store: The store's folder; nothing is made in it before there is something to keep.
        most_bytes: How much may be kept.
    """

    def __init__(self, store: Path, most_bytes: int = MOST_BYTES) -> None:
        self._store = store
        self._most_bytes = most_bytes
        self._base = store / "cache" / "fingerprints"
        self._kept_facts: tuple[Packages | None, int] = None, 0

    def load(self, digest: str) -> SourceFacts | None:
        """Return the facts of the text with this digest; None where none are kept that can be relied on."""
        kept = self._load(digest)
        return SourceFacts(kept) if kept is not None else None

    def save(self, found: Mapping[str, SourceFacts]) -> None:
        """Keep facts by the digests of their texts, as far as the folder can be written."""
        self._save({digest: kept.to_json() for digest, kept in found.items()})

    def load_packages(self, packages: Packages) -> None:
        """Tell packages what is kept of them."""
        if not packages.has_tables and (facts := self._load(packages.stamp)) is not None:
            packages.adopt(facts)
            self._kept_facts = packages, packages.fact_count()

    def save_packages(self, packages: Packages) -> None:
        """Keep what was found out of packages since the last time, if they were asked which modules they install."""
        if not packages.has_tables:
            return
        known, count = self._kept_facts
        now = packages.fact_count()
        if packages is not known or now > count:
            self._kept_facts = packages, now
            self._save({packages.stamp: packages.facts()})

    def _load(self, digest: str) -> dict[str, Any] | None:
        recipe = _recipe()
        if recipe is None:
            return None
        path = f"{self._base}/{recipe}/{digest}.json"
        try:
            with open(path, "rb", buffering=0) as file:
                content = file.read()
                used = os.fstat(file.fileno()).st_mtime
        except OSError:
            # Not kept, or not readable: found out again.
            return None
        body = content[_DIGEST_LENGTH:]
        if content[:_DIGEST_LENGTH] != _checksum(digest, body):
            return None
        if time.time() - used > _UNUSED_AFTER:
            with suppress(OSError):
                # A store that cannot be written forgets nothing either.
                os.utime(path)
        found: dict[str, Any] = json.loads(body)
        return found

    def _save(self, found: Mapping[str, dict[str, Any]]) -> None:
        recipe = _recipe()
        if recipe is None or not self._store.is_dir():
            return
        folder = self._base / recipe
        try:
            for place in (self._base.parent, self._base, folder):
                place.mkdir(mode=_PRIVATE_FOLDER, exist_ok=True)
            for digest, kept in found.items():
                _write(folder, digest, kept)
            _forget(self._base, self._most_bytes)
        except OSError:
            # A read-only or full disk: keeping facts saves time and nothing else.
            return


def _checksum(digest: str, body: bytes) -> bytes:
    return blake3(digest.encode() + body).hexdigest().encode()


def _write(folder: Path, digest: str, kept: dict[str, Any]) -> None:
    body = json.dumps(kept, separators=(",", ":")).encode()
    part = folder / f"{digest}.{os.getpid()}-{os.urandom(4).hex()}.part"
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, _PRIVATE_FILE)
    try:
        with open(descriptor, "wb") as file:
            file.write(_checksum(digest, body) + body)
        os.replace(part, folder / f"{digest}.json")
    except BaseException:
        with suppress(OSError):
            os.unlink(part)
        raise


def _forget(base: Path, most_bytes: int) -> None:
    """Remove what was not used for longest until the rest is small enough, and what a killed process left."""
    kept: list[tuple[float, int, str]] = []
    for place, _, names in os.walk(base):
        for name in names:
            path = os.path.join(place, name)
            with suppress(FileNotFoundError):
                status = os.stat(path)
                kept.append((status.st_mtime, status.st_size, path))
    now, total = time.time(), sum(size for _, size, _ in kept)
    for used, size, path in sorted(kept):
        is_left_over = path.endswith(".part") and now - used > _UNUSED_AFTER
        if total > most_bytes or is_left_over:
            total -= size
            with suppress(FileNotFoundError):
                os.unlink(path)


@cache
def _recipe() -> str | None:
    """Return what facts depend on beside the text: this Python, and flowkit's own code that finds them out.

    None where that code cannot be read: then nothing is kept, as nothing would say when it changes.
    """
    hasher = blake3()
    try:
        for module in _FINDING_OUT:
            with open(str(module.__file__), "rb") as file:
                hasher.update(blake3(file.read()).digest())
    except OSError:
        return None
    return f"{sys.implementation.cache_tag}-{sys.flags.optimize}-{hasher.hexdigest()[:16]}"
