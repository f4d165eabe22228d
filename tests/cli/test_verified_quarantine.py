"""`verify` of a store in which a part of something lies in quarantine only."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from flowkit.codecs.base import Encoded
from flowkit.records import Artifact, RunStatus
from flowkit.store import LocalStore, StoreFolder
from tests.commands import caller
from tests.lineage.samples import make_execution, make_node, make_run, open_writer
from tests.store.test_references import led_on
from tests.store.test_salvage import flip_chunk, lose
from tests.store.values import is_right, noise, table

A, B, C = noise(1, 300_000), noise(2, 5_000), noise(3, 9_000)


@pytest.fixture
def folder(tmp_path: Path) -> StoreFolder:
    return StoreFolder.create_or_open(tmp_path / ".flowkit")


def dropped_beside(folder: StoreFolder) -> tuple[Artifact, Encoded]:
    """The file of `load` was damaged in a part that `features` does not have, moved away, and `load` was dropped."""
    store = LocalStore(folder)
    load, features = store.put(table(A, B)), store.put(table(A, C))
    flip_chunk(folder, load, 1)
    lose(folder, load)
    return features, table(A, C)


def older_copy(folder: StoreFolder) -> tuple[Artifact, Encoded]:
    """What `features` has of the standing file is damaged, and whole in a copy that was moved away before."""
    features, encoded = dropped_beside(folder)
    load = LocalStore(folder).put(table(A, B))
    flip_chunk(folder, load, 0)
    folder.blob_path(load.files[0].name).chmod(0o400)
    return features, encoded


def table_in_quarantine(folder: StoreFolder) -> tuple[Artifact, Encoded]:
    """The part stands in a file to which only one in quarantine leads."""
    _, load, features, wider = led_on(folder)
    flip_chunk(folder, load, 1)
    lose(folder, load)
    return features, wider


def record(folder: StoreFolder, *artifacts: Artifact) -> None:
    """Record one run that made the artifacts, in their order."""
    with open_writer(folder.database) as writer:
        writer.begin_run(make_run("run-1"))
        for number, artifact in enumerate(artifacts):
            writer.record(make_node(make_execution(C=number, outputs=[artifact]), run="run-1", node=f"n{number}"))
        writer.finish_run("run-1", RunStatus.SUCCEEDED, 0, time.time())


@pytest.mark.parametrize("make", [dropped_beside, older_copy, table_in_quarantine])
def test_what_is_read_from_quarantine_only_is_a_finding_until_it_is_mended(
    folder: StoreFolder, capsys: pytest.CaptureFixture[str], make: Callable[[StoreFolder], tuple[Artifact, Encoded]]
) -> None:
    """A dry run says that `verify` can mend it; that does, and then quarantine may be emptied."""
    features, encoded = make(folder)
    record(folder, features)
    tell = caller(capsys)
    words = ("verify", "--store", str(folder.path))

    dry = tell(*words, "--dry-run", "--json")
    mended = tell(*words, "--json")
    after = tell(*words, "--dry-run", "--json")

    assert (dry.code, mended.code, after.code) == (4, 0, 0)
    (possible,), (repaired,) = dry.json()["findings"], mended.json()["findings"]
    assert (possible["kind"], possible["remedy"], repaired["remedy"]) == ("artifact", "possible", "repaired")
    assert possible["subject"] == repaired["subject"] == f"{features.digest[:12]} (table)"
    assert possible["problem"].startswith("a part of it is read from quarantine only: 'blobs/")
    assert "without --dry-run" in possible["meaning"]
    assert (dry.json()["restamped"], mended.json()["restamped"]) == (0, 0)
    assert (dry.json()["sound"], mended.json()["sound"], after.json()["findings"]) == (False, True, [])
    shutil.rmtree(folder.quarantine)
    assert is_right(LocalStore(folder), features, encoded)


def test_what_was_whole_before_a_file_of_it_was_moved_away_is_mended_too(
    folder: StoreFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    """The file that is found damaged for the last artifact served the first one: nothing is left to quarantine."""
    store = LocalStore(folder)
    load, features = store.put(table(A, B)), store.put(table(A, C))
    record(folder, features, load)
    flip_chunk(folder, load, 1)

    told = caller(capsys)("verify", "--store", str(folder.path), "--json")

    remedies = {finding["subject"][:12]: finding["remedy"] for finding in told.json()["findings"]}
    assert remedies[features.digest[:12]] == "repaired"
    assert remedies[load.digest[:12]] != "repaired"
    shutil.rmtree(folder.quarantine)
    assert is_right(LocalStore(folder), features, table(A, C))
