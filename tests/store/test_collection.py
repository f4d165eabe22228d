from __future__ import annotations

import os
import threading
from contextlib import ExitStack
from pathlib import Path

import pytest

from flowkit.errors import StoreError
from flowkit.store.collection import collecting, keeping
from flowkit.store.folder import StoreFolder


def test_one_collects_at_a_time_and_none_while_files_must_stay(tmp_path: Path) -> None:
    """Two can rely on a store's files at once; a collector gets in after both, and keeps others out."""
    folder = StoreFolder.create_or_open(tmp_path / "store")
    with keeping(folder), keeping(folder), pytest.raises(StoreError, match="just now"), collecting(folder):
        pass

    with collecting(folder):
        with pytest.raises(StoreError, match="just now"), keeping(folder):
            pass
        with pytest.raises(StoreError, match="just now"), collecting(folder):
            pass

    with keeping(folder):
        pass


def test_who_needs_the_files_waits_for_a_collection_to_end(tmp_path: Path) -> None:
    """Up to the given time; then it is refused."""
    folder = StoreFolder.create_or_open(tmp_path / "store")
    with collecting(folder), pytest.raises(StoreError, match="just now"), keeping(folder, wait=0.2):
        pass

    with ExitStack() as stack:
        stack.enter_context(collecting(folder))
        threading.Timer(0.2, stack.close).start()
        with keeping(folder, wait=30):
            pass


def test_who_only_reads_makes_no_lock(tmp_path: Path) -> None:
    """Nothing is written for it; a lock that is there is heeded."""
    folder = StoreFolder.create_or_open(tmp_path / "store")
    with keeping(folder, reading=True):
        assert "collection.lock" not in os.listdir(folder.path)

    with collecting(folder), pytest.raises(StoreError, match="just now"), keeping(folder, reading=True):
        pass
    with keeping(folder, reading=True), pytest.raises(StoreError, match="just now"), collecting(folder):
        pass


def test_nobody_waits_for_the_other_end_of_a_pipe(tmp_path: Path) -> None:
    """Whatever stands where the lock should be, who only reads goes on or is told of a collection."""
    folder = StoreFolder.create_or_open(tmp_path / "store")
    os.mkfifo(folder.path / "collection.lock")

    def read() -> None:
        with keeping(folder, reading=True):
            pass

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    reader.join(30)
    assert not reader.is_alive()
    with collecting(folder), pytest.raises(StoreError, match="just now"), keeping(folder, reading=True):
        pass
