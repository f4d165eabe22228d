"""A person's command does not rely on content that is gone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from flowkit.errors import StoreError
from flowkit.lineage.history import list_audit
from flowkit.lineage.reader import Reader
from flowkit.lineage.writer import LineageWriter
from flowkit.records import Artifact
from flowkit.registry.byhand import promote_by_hand, retire, rollback
from flowkit.registry.models import list_aliases, list_models
from flowkit.registry.pins import pin
from flowkit.registry.promote import Candidate, promote
from flowkit.store import LocalStore, StoreFolder
from tests.lineage.samples import make_inline, make_run
from tests.registry.test_promote import GATES
from tests.store.values import noise, table


@pytest.fixture
def folder(tmp_path: Path) -> StoreFolder:
    return StoreFolder.create_or_open(tmp_path / ".flowkit")


@pytest.fixture
def writer(folder: StoreFolder) -> Iterator[LineageWriter]:
    with LineageWriter(folder.database, present=folder.holds) as writer:
        writer.begin_run(make_run())
        yield writer


def register(writer: LineageWriter, *models: Artifact) -> None:
    for number, model in enumerate(models):
        candidate = Candidate("taxi", "champion", model, {"accuracy": 0.9 + number / 100}, GATES)
        promote(writer, candidate, run="run-1", node="promote", who="ada")


def state_of(folder: StoreFolder) -> tuple[object, ...]:
    with Reader(folder.database) as reader:
        return list_models(reader), list_aliases(reader), len(list_audit(reader))


Act = Callable[[LineageWriter, Artifact], object]

ACTS: dict[str, tuple[Act, str]] = {
    "rollback": (lambda writer, model: rollback(writer, "taxi", who="eve"), "taxi@champion"),
    "rollback to": (lambda writer, model: rollback(writer, "taxi", who="eve", to=1), "taxi@champion"),
    "promote": (lambda writer, model: promote_by_hand(writer, "taxi", 1, who="eve"), "taxi@champion"),
    "promote to": (lambda writer, model: promote_by_hand(writer, "taxi", 1, who="eve", alias="new"), "taxi@new"),
    "pin": (lambda writer, model: pin(writer, model, who="eve"), "not pinned"),
}


@pytest.mark.parametrize(("act", "said"), ACTS.values(), ids=ACTS)
@pytest.mark.parametrize("gone", [0, 1], ids=["its own file", "another file"])
def test_content_that_is_gone_is_refused(
    act: Act,
    said: str,
    gone: int,
    folder: StoreFolder,
    writer: LineageWriter,
) -> None:
    """The error names the version, the file that is gone and what may bring it back; nothing is written."""
    store = LocalStore(folder)
    store.put(table(noise(1, 50_000)))
    model, newer = store.put(table(noise(1, 50_000), noise(2, 5_000))), store.put(table(noise(3, 5_000)))
    register(writer, model, newer)
    assert len(model.files) == 2
    path = folder.blob_path(model.files[gone].name)
    path.rename(path.with_name("kept"))
    before = state_of(folder)

    with pytest.raises(StoreError) as caught:
        act(writer, model)

    error = caught.value
    assert error.exit_code == 4
    assert all(text in error.message for text in ("taxi:1", said))
    assert dict(error.facts)["file"] == f"blobs/{model.files[gone].name}"
    assert dict(error.facts)["artifact"] == model.digest
    assert "`flowkit verify`" in error.hint
    assert state_of(folder) == before
    path.with_name("kept").rename(path)
    act(writer, model)
    assert state_of(folder) != before


def test_content_in_the_record_is_never_gone(folder: StoreFolder, writer: LineageWriter) -> None:
    """A small model has no file, and can be gone back to, promoted and pinned."""
    small = make_inline("[1, 2]")
    register(writer, small, make_inline("[1, 2, 3]"))

    assert rollback(writer, "taxi", who="eve").version == 1
    assert not promote_by_hand(writer, "taxi", 2, who="eve").reused
    assert pin(writer, small, who="eve")


def test_a_version_whose_content_is_gone_can_be_left(folder: StoreFolder, writer: LineageWriter) -> None:
    """The way out of a lost champion stays open: back to one that is there, and the lost one is retired."""
    store = LocalStore(folder)
    model, newer = store.put(table(noise(1, 50_000))), store.put(table(noise(2, 50_000)))
    register(writer, model, newer)
    folder.blob_path(newer.files[0].name).unlink()

    assert rollback(writer, "taxi", who="eve").version == 1
    assert retire(writer, "taxi", 2, who="eve")
    with pytest.raises(StoreError, match="taxi:2"):
        promote_by_hand(writer, "taxi", 2, who="eve")
