"""Names from records and messages never lead out of the store."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowkit.errors import LostArtifactError, StoreError
from flowkit.records import Artifact, BlobFile, Stamp
from flowkit.store import LocalStore, StoreFolder, read_probe, remove_probe
from flowkit.store.names import blob_name, check_blob_name, digest_in, log_name
from tests.store.traversal import TRAVERSALS
from tests.store.values import plain

STAMP = Stamp(1, 1, 1, 1)
DIGEST = "ab" * 32


def test_the_corpus_is_large_enough() -> None:
    """Two hundred different names are tried."""
    assert len(set(TRAVERSALS)) >= 200


@pytest.mark.parametrize("name", TRAVERSALS)
def test_no_name_leads_out(folder: StoreFolder, name: str) -> None:
    """As a blob's name, a digest, a suffix or a probe's name, each is refused, and no file is touched or read."""
    store = LocalStore(folder)
    secret = folder.path.parent / "etc" / "passwd"
    secret.parent.mkdir()
    secret.write_text("secret")
    before = _everything(folder.path.parent)
    record = Artifact(DIGEST, "table", 9, files=(BlobFile(name, STAMP),))
    other = Artifact(DIGEST, "table", 9, files=(BlobFile(blob_name(DIGEST, ".table"), STAMP), BlobFile(name, STAMP)))
    encoded = plain(b"x" * 9_000)

    for refused in (
        lambda: store.check(record),
        lambda: store.open(record),
        lambda: store.verify(record),
        lambda: store.holds(BlobFile(name, STAMP)),
        lambda: folder.blob_path(name),
        lambda: check_blob_name(name),
        lambda: digest_in(name),
        lambda: blob_name(name, ".table"),
        lambda: blob_name(DIGEST, name),
        lambda: read_probe(folder, name),
        lambda: remove_probe(folder, name),
    ):
        with pytest.raises(StoreError) as caught:
            refused()
        assert not isinstance(caught.value, LostArtifactError)
    for lost in (lambda: store.open(other), lambda: store.verify(other)):
        with pytest.raises(LostArtifactError):
            lost()
    with pytest.raises(StoreError):
        store.put(type(encoded)("bytes", name, encoded.payload, ".bytes"))

    assert _everything(folder.path.parent) == before


@pytest.mark.parametrize("name", TRAVERSALS)
def test_any_node_has_a_log_in_its_runs_folder(folder: StoreFolder, name: str) -> None:
    """A node's name is made safe, not refused: its log lies in the run's folder and can be written."""
    run = folder.make_run_folder("20261120-abc")
    path = folder.path / folder.log_place("20261120-abc", name, 1)
    path.write_text("log")

    assert path.parent == run
    assert path.resolve().parent == run.resolve()
    assert len(path.name) < 180


@pytest.mark.parametrize("run", [name for name in TRAVERSALS if name not in ("ab", "con", "a" * 5_000)])
def test_a_runs_name_is_refused_where_it_is_unsafe(folder: StoreFolder, run: str) -> None:
    """Runs are named by the engine; a name that it would not give is refused."""
    with pytest.raises(StoreError, match="as the name of a run"):
        folder.log_place(run, "train", 1)
    with pytest.raises(StoreError):
        folder.make_run_folder(run)


@pytest.mark.parametrize(
    ("node", "name"),
    [
        ("train", "train.1.log"),
        ("train[0]", "train[0].1.log"),
        ("train#2[11]", "train#2[11].1.log"),
        ("load-it_2.5", "load-it_2.5.1.log"),
        ("zahlen/größe", "zahlen%2Fgr%C3%B6%C3%9Fe.1.log"),
        (".hidden", "%2Ehidden.1.log"),
        ("", ".1.log"),
    ],
)
def test_log_names_read_like_the_nodes(node: str, name: str) -> None:
    """Ordinary node names are kept as they are, the rest is percent-encoded."""
    assert log_name(node, 1) == name


@pytest.mark.slow
@given(st.lists(st.tuples(st.text(max_size=200), st.integers(1, 12)), min_size=2, max_size=2, unique=True))
def test_two_nodes_never_share_a_log(pair: list[tuple[str, int]]) -> None:
    """Different nodes and attempts have different files, also on a file system that ignores case."""
    first, second = (log_name(node, attempt) for node, attempt in pair)

    assert first.lower() != second.lower()
    assert all(os.path.basename(name) == name and len(name.encode()) < 180 for name in (first, second))


def test_nodes_that_differ_in_case_only_have_logs_of_their_own() -> None:
    """`Train` and `train` are two nodes."""
    assert len({log_name(node, 1).lower() for node in ("Train", "train", "TRAIN", "traiN")}) == 4


def _everything(path: Path) -> dict[str, bytes | None]:
    return {str(item): item.read_bytes() if item.is_file() else None for item in sorted(path.rglob("*"))}
