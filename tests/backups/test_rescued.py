"""Backups of stores in which a part of something lies in quarantine only, or is reached by a way that no record has."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from flowkit.errors import BackupError
from flowkit.housekeeping.backups.making import BackupReport, make_backup
from flowkit.housekeeping.backups.restoring import restore_backup
from flowkit.lineage.artifacts import stored_artifacts
from flowkit.lineage.reader import Reader
from flowkit.records import Artifact, RunStatus
from flowkit.store import LocalStore, StoreFolder
from tests.commands import Tell
from tests.lineage.samples import make_execution, make_node, make_run, open_writer
from tests.store.test_references import led_on
from tests.store.test_salvage import flip_chunk, lose
from tests.store.values import noise, table

A, B, C = noise(1, 300_000), noise(2, 5_000), noise(3, 9_000)


@pytest.fixture
def folder(tmp_path: Path) -> StoreFolder:
    return StoreFolder.create_or_open(tmp_path / ".flowkit")


def record(folder: StoreFolder, *artifacts: Artifact) -> None:
    """Record one ended run for each artifact, that made it."""
    with open_writer(folder.database) as writer:
        for number, artifact in enumerate(artifacts):
            run = f"run-{number}"
            writer.begin_run(make_run(run))
            writer.record(make_node(make_execution(C=number, outputs=[artifact]), run=run))
            writer.finish_run(run, RunStatus.SUCCEEDED, 0, time.time())


def back_up(folder: StoreFolder, *, partly: bool = False) -> BackupReport:
    return make_backup(folder, folder.path.with_name("copy.tar"), "1", lambda *_: None, partly=partly, force=True)


def damaged_beside(folder: StoreFolder) -> tuple[Artifact, set[str]]:
    """The file of `load` is damaged in a part that `features` does not have; both are recorded."""
    store = LocalStore(folder)
    load, features = store.put(table(A, B)), store.put(table(A, C))
    flip_chunk(folder, load, 1)
    record(folder, load, features)
    return features, {load.digest}


def dropped_beside(folder: StoreFolder) -> tuple[Artifact, set[str]]:
    """The same, where it is in quarantine already and `load` was dropped since."""
    store = LocalStore(folder)
    load, features = store.put(table(A, B)), store.put(table(A, C))
    flip_chunk(folder, load, 1)
    lose(folder, load)
    record(folder, features)
    return features, set()


def older_copy(folder: StoreFolder) -> tuple[Artifact, set[str]]:
    """What `features` has of the standing file is damaged, and whole in a copy that was moved away before."""
    store = LocalStore(folder)
    load, features = store.put(table(A, B)), store.put(table(A, C))
    flip_chunk(folder, load, 1)
    lose(folder, load)
    LocalStore(folder).put(table(A, B))
    flip_chunk(folder, load, 0)
    record(folder, features)
    return features, set()


def table_in_quarantine(folder: StoreFolder) -> tuple[Artifact, set[str]]:
    """The file that leads on to where a part stands is in quarantine."""
    base, load, features, _ = led_on(folder)
    flip_chunk(folder, load, 1)
    lose(folder, load)
    record(folder, base, features)
    return features, set()


SLOW = [pytest.param(make, marks=pytest.mark.slow) for make in (dropped_beside, older_copy, table_in_quarantine)]


@pytest.mark.parametrize("make", [damaged_beside, *SLOW])
def test_what_is_read_from_quarantine_only_is_named_and_the_backup_can_be_restored(
    folder: StoreFolder, tell: Tell, make: Callable[[StoreFolder], tuple[Artifact, set[str]]]
) -> None:
    """It forbids a backup, or is left out of one that restores; once `verify` has mended it, it is in the backup."""
    features, lost = make(folder)
    store = ["--store", str(folder.path)]

    with pytest.raises(BackupError, match="no backup was made") as refused:
        back_up(folder)
    partly = back_up(folder, partly=True)
    first = restore_backup(partly.file, folder.path.with_name("first"), lambda *_: None)

    problems = dict(partly.missing)
    assert problems.keys() == {features.digest, *lost}
    assert "flowkit verify" in problems[features.digest]
    assert features.digest[:12] in str(refused.value)
    assert "'flowkit verify'" in refused.value.hint
    assert set(first.contents.missing) == problems.keys()
    tell("verify", *store)
    whole = back_up(folder, partly=bool(lost))
    second = restore_backup(whole.file, folder.path.with_name("second"), lambda *_: None)
    assert {digest for digest, _ in whole.missing} == lost
    assert set(second.contents.missing) == lost
    prove_all_but(second.store, lost)


@pytest.mark.slow
def test_what_leads_to_a_file_that_is_found_damaged_later_is_missing_too(folder: StoreFolder) -> None:
    """An artifact proven before the file went that it is led to, and that its record does not name, is left out."""
    first, wider = table(A, B), table(A, C)
    other = LocalStore(folder)
    load, features = other.put(first), other.put(wider)
    folder.blob_path(load.files[0].name).unlink()
    other = LocalStore(folder)
    base = other.put(table(A, noise(4, 4_000)))
    load = other.put(first)
    assert [file.name for file in load.files[1:]] == [base.files[0].name]
    assert base.files[0].name not in {file.name for file in features.files}
    flip_chunk(folder, base, 1)
    record(folder, features, load, base)

    report = back_up(folder, partly=True)
    restored = restore_backup(report.file, folder.path.with_name("again"), lambda *_: None)

    assert {digest for digest, _ in report.missing} == {base.digest, load.digest, features.digest}
    prove_all_but(restored.store, set(restored.contents.missing))


def prove_all_but(store: Path, missing: set[str]) -> None:
    """Hash all that a store's database names, from what stands in the store."""
    folder = StoreFolder.open(store)
    with Reader(folder.database) as reader:
        for artifact in stored_artifacts(reader):
            if artifact.digest not in missing:
                assert LocalStore(folder, in_place=True).prove(artifact) is not None
    assert list(folder.quarantine.iterdir()) == []
