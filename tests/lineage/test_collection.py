"""What a collection forgets, and what a record that comes meanwhile is refused for."""

from __future__ import annotations

from pathlib import Path

from msgspec.structs import replace

from flowkit.lineage.artifacts import find_artifact, stored_artifacts
from flowkit.lineage.collection import drop_artifacts, forget_unnamed_files, is_named
from flowkit.lineage.content import find_artifact_id
from flowkit.lineage.dropped import find_dropped
from flowkit.lineage.entries import Entries
from flowkit.lineage.history import artifacts_of
from flowkit.lineage.reader import Reader
from flowkit.lineage.writer import LineageWriter
from flowkit.records import Artifact, FailureKind, NodeRecord, Outcome, RunStatus
from tests.lineage.samples import make_blob, make_execution, make_node, make_run, open_writer

AT = 1_795_100_000.0


def drop(writer: LineageWriter, *artifacts: Artifact, newest_run: int = 9) -> tuple[int, tuple[str, ...]]:
    """Forget the files of artifacts that nothing needs; return how many went, and the blobs that nothing names."""

    def change(connection):  # type: ignore[no-untyped-def]
        numbers = [find_artifact_id(connection, artifact.digest) for artifact in artifacts]
        return drop_artifacts(
            connection,
            [number for number in numbers if number is not None],
            newest_run=newest_run,
            at=AT,
            is_fresh=lambda name: False,
        )

    gone, names = writer.write(change)
    return len(gone), names


def record_one(writer: LineageWriter, artifact: Artifact, run: str = "run-1") -> None:
    """Record a run that made an artifact, and has ended."""
    writer.begin_run(make_run(run))
    writer.record(make_node(make_execution(outputs=[artifact]), run=run))
    writer.finish_run(run, RunStatus.SUCCEEDED, 0, AT)


def test_a_dropped_artifact_stays_in_history_without_its_files(database: Path) -> None:
    """Its row and those of the nodes that gave it stay, the entry too: only the files are forgotten."""
    artifact = make_blob("rows")
    with open_writer(database) as writer:
        record_one(writer, artifact)
        assert drop(writer, artifact) == (1, (artifact.files[0].name,))
        assert not writer.write(lambda connection: is_named(connection, artifact.files[0].name))

    with Reader(database) as reader:
        assert find_artifact(reader, artifact.digest) == replace(artifact, files=())
        assert artifacts_of(reader, "run-1")["train"][0].artifact.digest == artifact.digest
        key = make_execution().cache_key
        assert Entries(reader).find_entries([key])[key].outputs[0].artifact.files == ()
        assert Entries(reader).dropped_on([artifact.digest]) == {artifact.digest: "2026-11-19"}
        assert list(stored_artifacts(reader)) == []
        found = find_dropped(reader, artifact.digest)
        assert found is not None
        assert found.command == "flowkit rerun run-1 --select train"


def test_a_file_goes_with_the_last_artifact_that_names_it(database: Path) -> None:
    """A pack that holds chunks of two artifacts is named until both are dropped."""
    wide = make_blob("wide")
    more = replace(make_blob("more"), files=(*make_blob("more").files, *wide.files))
    with open_writer(database) as writer:
        record_one(writer, wide)
        writer.begin_run(make_run("run-2"))
        writer.record(make_node(make_execution(C=1, outputs=[more]), run="run-2"))
        writer.finish_run("run-2", RunStatus.SUCCEEDED, 0, AT)
        assert drop(writer, wide) == (1, ())
        gone, names = drop(writer, more)
    assert gone == 1
    assert set(names) == {file.name for file in more.files}


def test_what_a_run_that_goes_on_used_is_not_dropped(database: Path) -> None:
    """It is looked again under the write lock: what such a run made, reused or took stays, and what a newer run did."""
    made, reused, taken, newer = (make_blob(name) for name in ("made", "reused", "taken", "newer"))
    with open_writer(database) as writer:
        record_one(writer, reused)
        with Reader(database) as reader:
            key = make_execution().cache_key
            entry = Entries(reader).find_entries([key])[key]
        writer.begin_run(make_run("run-2"))
        again = make_node(None, run="run-2", node="train", outcome=Outcome.REUSED, entry=entry.id)
        writer.record(again)
        use = make_execution(C=2, inputs=[("rows", taken)], outputs=[made], producers=(None,))
        writer.record(make_node(use, run="run-2", node="use"))
        writer.flush()
        assert drop(writer, made, reused, taken)[0] == 0

        writer.finish_run("run-2", RunStatus.SUCCEEDED, 0, AT)
        writer.begin_run(make_run("run-3"))
        writer.record(make_node(make_execution(C=3, outputs=[newer]), run="run-3", node="new"))
        writer.finish_run("run-3", RunStatus.SUCCEEDED, 0, AT)
        assert drop(writer, newer, newest_run=2)[0] == 0
        assert drop(writer, made, reused, taken, newer)[0] == 4


def test_a_reuse_of_what_was_dropped_meanwhile_is_refused(database: Path) -> None:
    """Between a run's lookup and its record a collection may drop the result: the run is told, and makes it again."""
    artifact = make_blob("rows")
    refused: list[NodeRecord] = []
    with open_writer(database, refused=refused.append) as writer:
        record_one(writer, artifact)
        with Reader(database) as reader:
            key = make_execution().cache_key
            entry = Entries(reader).find_entries([key])[key]
        writer.begin_run(make_run("run-2"))
        writer.flush()
        assert drop(writer, artifact, newest_run=1)[0] == 1
        reuse = make_node(None, run="run-2", node="train", outcome=Outcome.REUSED, entry=entry.id)
        writer.record(reuse)
        # A champion's node points to the execution of its model, whose other outputs may well be dropped.
        writer.record(replace(reuse, node="champion", step="champion"))
        writer.flush()

    assert [record.node for record in refused] == ["train"]
    assert refused[0].failure is not None
    assert refused[0].failure.kind is FailureKind.LOST
    assert refused[0].entry is None


def test_what_is_made_again_is_not_dropped_any_more(database: Path) -> None:
    """A new result under the same key has files again, and nothing says that it was dropped."""
    artifact = make_blob("rows")
    with open_writer(database) as writer:
        record_one(writer, artifact)
        drop(writer, artifact)
        writer.begin_run(make_run("run-2"))
        writer.record(make_node(make_execution(outputs=[artifact], supersedes=0), run="run-2"))
        writer.finish_run("run-2", RunStatus.SUCCEEDED, 0, AT)

    with Reader(database) as reader:
        assert find_artifact(reader, artifact.digest) == artifact
        assert find_dropped(reader, artifact.digest) is None


def test_neither_stamps_nor_constants_bring_back_a_file_that_is_gone(database: Path) -> None:
    """A stamp, or a constant, that comes when the file was unlinked meanwhile names nothing."""
    artifact, constant = make_blob("rows"), make_blob("constant")
    there = {*artifact.files}
    with open_writer(database, present=lambda file: file in there) as writer:
        record_one(writer, artifact)
        drop(writer, artifact)
        there.clear()
        writer.restamp(artifact)
        writer.begin_run(make_run("run-2"))
        use = make_execution(C=2, inputs=[("rows", constant)], producers=(None,))
        writer.record(make_node(use, run="run-2", node="use"))
        writer.flush()

    with Reader(database) as reader:
        assert find_artifact(reader, artifact.digest).files == ()
        assert find_artifact(reader, constant.digest).files == ()


def test_a_constant_that_was_dropped_and_put_again_is_there_again(database: Path) -> None:
    """Whoever calls the step with a table puts it anew: it is named again, not taken for garbage."""
    constant = make_blob("constant")
    with open_writer(database) as writer:
        for number in (1, 2):
            writer.begin_run(make_run(f"run-{number}"))
            use = make_execution(C=number, inputs=[("rows", constant)], producers=(None,))
            writer.record(make_node(use, run=f"run-{number}", node="use"))
            writer.finish_run(f"run-{number}", RunStatus.SUCCEEDED, 0, AT)
            if number == 1:
                assert drop(writer, constant)[0] == 1

    with Reader(database) as reader:
        assert find_artifact(reader, constant.digest) == constant


def test_rows_of_files_that_no_artifact_names_go(database: Path) -> None:
    """An artifact that was made again in other files leaves the row of the old one: it is forgotten."""
    old = make_blob("rows")
    new = replace(old, files=make_blob("other").files)
    with open_writer(database) as writer:
        record_one(writer, old)
        writer.begin_run(make_run("run-2"))
        writer.record(make_node(make_execution(outputs=[new], supersedes=0), run="run-2"))
        writer.flush()
        writer.write(forget_unnamed_files)
        named = [
            writer.write(lambda connection, f=file: is_named(connection, f.name)) for file in (*old.files, *new.files)
        ]
        assert named == [False, True]
        count = writer.write(lambda connection: connection.execute("SELECT count(*) FROM blob_file").fetchone()[0])
    assert count == 1
