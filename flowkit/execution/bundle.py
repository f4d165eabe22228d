"""The project's loaded modules as one content-addressed text, from which step hosts import them.

A bundle holds source text only. It lies in the store under its digest, written once, so that a worker which has been
up for days runs the code of this run and not what it imported last week.
"""

from __future__ import annotations

import json
import linecache
import os
import sys
import tokenize
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Self

from blake3 import blake3
from msgspec import Struct

from flowkit.errors import CodeMismatchError
from flowkit.fingerprint.ownership import project_modules
from flowkit.project import Project
from flowkit.records import Digest
from flowkit.store.files import make_folder, write_file_durably
from flowkit.store.folder import StoreFolder, reporting

_FOLDER = "bundles"
# The second is multiprocessing's name for the first, there once something has started a process.
_MAIN = ("__main__", "__mp_main__")
_DIGITS = frozenset("0123456789abcdef")


class BundledModule(Struct, frozen=True):
    """One module's text.

    Attributes:
        path: Its file, relative to the project's root where it lies below that, else absolute.
        package: Whether it is a package's `__init__`.
    """

    path: str
    package: bool
    source: str


class Bundle(Struct, frozen=True):
    """The text of every module of the project that was loaded when it was built, by module name."""

    modules: Mapping[str, BundledModule]

    @property
    def payload(self) -> bytes:
        """Canonical JSON: sorted keys, no spaces."""
        content = {
            name: {"path": module.path, "package": module.package, "source": module.source}
            for name, module in self.modules.items()
        }
        return json.dumps(content, sort_keys=True, separators=(",", ":")).encode()

    @property
    def digest(self) -> Digest:
        """BLAKE3 of the payload."""
        return blake3(self.payload).hexdigest()

    @classmethod
    def parse(cls, payload: bytes) -> Self:
        """Return the bundle that `payload` is."""
        content = json.loads(payload)
        return cls({name: BundledModule(**module) for name, module in content.items()})


def build_bundle(project: Project) -> Bundle:
    """Return the bundle of the project's modules that are loaded now.

    `__main__` is left out: what it defines travels by value. A module that is not Python text (a compiled extension) is
    left out too and is imported from where it lies.
    """
    found = {}
    for name, file in project_modules(project).items():
        if name in _MAIN or not file.endswith(".py"):
            continue
        source = _read_source(file)
        if source is not None:
            package = hasattr(sys.modules.get(name), "__path__")
            found[name] = BundledModule(_relative(file, project.root), package, source)
    return Bundle(found)


def store_bundle(folder: StoreFolder, bundle: Bundle) -> Digest:
    """Keep a bundle durably, unless it is there already, and return its digest.

    Raises:
        StoreError: It cannot be written.
    """
    payload = bundle.payload
    digest = blake3(payload).hexdigest()
    path = _bundle_path(folder.path, digest)
    with reporting("keep the code of this run", path):
        if path.exists():
            # What is in use is young: a collection takes what nobody has sent for long. Another user's stays as it is.
            with suppress(PermissionError):
                os.utime(path)
        else:
            make_folder(path.parent)
            write_file_durably(path, [payload], temporary_folder=folder.temporary, replace=True)
    return digest


def load_bundle(store: Path, digest: Digest) -> Bundle:
    """Read a bundle and verify it.

    Raises:
        CodeMismatchError: It is gone, or is not what its digest says.
    """
    try:
        payload = _bundle_path(store, digest).read_bytes()
    except OSError as error:
        raise CodeMismatchError.for_bundle(digest, str(error)) from error
    if blake3(payload).hexdigest() != digest:
        raise CodeMismatchError.for_bundle(digest, "its content is damaged")
    return Bundle.parse(payload)


def install_sources(sources: Mapping[str, str]) -> None:
    """Let tracebacks and fingerprints see the text of code that no file holds any more, such as notebook cells."""
    for name, text in sources.items():
        # No time of modification: linecache then never asks the disk, which may hold another text by now.
        linecache.cache[name] = (len(text), None, text.splitlines(keepends=True), name)


def _bundle_path(store: Path, digest: Digest) -> Path:
    if len(digest) != 64 or not _DIGITS.issuperset(digest):
        raise CodeMismatchError.for_bundle(digest, "its name is no digest")
    return store / _FOLDER / f"{digest}.json"


def _read_source(file: str) -> str | None:
    """Return a file's text, None where it is gone or no text; a module without its file cannot be sent."""
    try:
        with tokenize.open(file) as opened:
            return opened.read()
    except (OSError, SyntaxError, UnicodeDecodeError):
        return None


def _relative(file: str, root: Path) -> str:
    prefix = f"{root}{os.sep}"
    return file[len(prefix) :] if file.startswith(prefix) else file
