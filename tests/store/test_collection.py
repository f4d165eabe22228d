from __future__ import annotations

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
