"""Proof that two processes see the same store: one writes a nonce under a name, the other reads it there."""

from __future__ import annotations

import os
from contextlib import suppress

from flowkit.store.files import PRIVATE_FILE, remove, write_file_durably
from flowkit.store.folder import StoreFolder, reporting
from flowkit.store.names import check_probe_name


def write_probe(folder: StoreFolder, nonce: str) -> str:
    """Write `nonce` into the store and return the probe's name, by which any process that sees the store reads it.

    Raises:
        StoreError: It cannot be written.
    """
    name = f"probe-{os.urandom(16).hex()}"
    path = folder.temporary / name
    with reporting("write a probe", path):
        write_file_durably(path, [nonce.encode()], temporary_folder=folder.temporary, mode=PRIVATE_FILE)
    return name


def read_probe(folder: StoreFolder, name: str) -> str | None:
    """Return the nonce of the probe `name`, None where this process does not see it.

    Raises:
        StoreError: The name is not a probe's.
    """
    path = folder.temporary / check_probe_name(name)
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:  # whatever the reason, the store is not visible from here: that is the answer
        return None


def remove_probe(folder: StoreFolder, name: str) -> None:
    """Remove the probe `name`; one that is gone already is fine.

    Raises:
        StoreError: The name is not a probe's, or it cannot be removed.
    """
    path = folder.temporary / check_probe_name(name)
    with reporting("remove a probe", path), suppress(FileNotFoundError):
        remove(path)
