from __future__ import annotations

from pathlib import Path

import pytest

from flowkit.errors import NotRecordedError
from flowkit.lineage.artifacts import find_artifact, find_artifacts, list_artifacts
from flowkit.lineage.history import code_of, find_run, last_status, list_runs, metrics_of, nodes_of, run_summary
from flowkit.lineage.reader import Reader
from flowkit.lineage.writer import LineageWriter
from flowkit.records import Outcome, RunStatus
from tests.lineage.samples import STARTED, digest_of, make_blob, make_execution, make_inline, make_node, make_run

RUNS = ["20261118-a1", "20261118-a2", "20261119-b"]


@pytest.fixture
def reader(writer: LineageWriter, database: Path) -> Reader:
    writer.finish_run("run-1", RunStatus.SUCCEEDED, 0, STARTED + 3)
    for index, run in enumerate(RUNS):
        writer.begin_run(make_run(run, "taxi" if index < 2 else "churn", STARTED + index))
    writer.finish_run(RUNS[0], RunStatus.FAILED, 1, STARTED + 1.5)
    return Reader(database)


def test_runs_are_listed_from_the_latest(reader: Reader) -> None:
    """The list is bounded, ordered by when runs began, and can be of one pipeline."""
    assert [row.run for row in list_runs(reader, 2)] == [RUNS[2], RUNS[1]]
    assert [row.run for row in list_runs(reader, 10, "taxi")] == [RUNS[1], RUNS[0], "run-1"]
    assert list_runs(reader, 10, "unknown") == ()


@pytest.mark.parametrize(
    ("text", "run"), [("last", RUNS[2]), (RUNS[0], RUNS[0]), ("20261119", RUNS[2]), ("run", "run-1"), ("2026111", None)]
)
def test_a_run_is_found_by_id_unique_prefix_or_last(text: str, run: str | None, reader: Reader) -> None:
    """An ambiguous prefix is not resolved by chance: it lists the candidates."""
    if run is not None:
        assert find_run(reader, text) == run
        return
    with pytest.raises(NotRecordedError, match="more than one run") as caught:
        find_run(reader, text)
    assert ("candidates", ", ".join(RUNS)) in caught.value.facts


@pytest.mark.parametrize("text", ["", "nope", "2026*", "%", "2026111[89]", "'; DROP TABLE run; --", "RUN-1"])
def test_an_unknown_run_lists_the_latest(text: str, reader: Reader) -> None:
    """What is not the beginning of an id, wildcards included, is unknown and changes nothing."""
    with pytest.raises(NotRecordedError) as caught:
        find_run(reader, text)
    assert RUNS[2] in str(caught.value)
    assert caught.value.exit_code == 2


def test_an_id_that_begins_another_is_itself(writer: LineageWriter, database: Path) -> None:
    """A whole id is never ambiguous."""
    writer.begin_run(make_run("run-10"))
    writer.flush()

    with Reader(database) as reader:
        assert find_run(reader, "run-1") == "run-1"


def test_a_summary_gives_back_the_record(writer: LineageWriter, database: Path) -> None:
    """`rerun` needs a run's target, parameters and environment as they were."""
    record = make_run(
        "run-2", parameters=(("b", "[1,2]"), ("a", '"x"')), git_dirty=None, git_commit=None, driver="1:2:3"
    )
    writer.begin_run(record)
    writer.finish_run("run-2", RunStatus.CANCELLED, 130, STARTED + 2)

    with Reader(database) as reader:
        summary = run_summary(reader, "last")
        assert (summary.record, summary.status, summary.exit_code, summary.seconds) == (
            record,
            RunStatus.CANCELLED,
            130,
            2.0,
        )
        running = run_summary(reader, "run-1")
        assert (running.status, running.exit_code, running.seconds) == (RunStatus.RUNNING, None, None)


def test_how_the_last_run_of_a_pipeline_ended(reader: Reader, writer: LineageWriter) -> None:
    """One that goes on does not count, nor does another pipeline's."""
    assert last_status(reader, "taxi") is RunStatus.FAILED
    assert last_status(reader, "churn") is None
    assert last_status(reader, "unknown") is None
    writer.finish_run(RUNS[1], RunStatus.SUCCEEDED, 0, STARTED + 2)

    assert last_status(reader, "taxi") is RunStatus.SUCCEEDED


def test_last_of_a_pipeline(reader: Reader) -> None:
    """`last` can mean a pipeline's own last run; where it has none, that is an error."""
    assert find_run(reader, "last", "taxi") == RUNS[1]
    with pytest.raises(NotRecordedError):
        find_run(reader, "last", "unknown")


def test_nodes_of_a_run_with_their_map_index(writer: LineageWriter, database: Path) -> None:
    """Rows carry the view's columns; what a node has not is None."""
    writer.record(make_node(make_execution(C=1), node="train[0]", map_index=0))
    writer.record(make_node(None, node="report", outcome=Outcome.BLOCKED, reason=None, started=None, seconds=None))
    writer.flush()

    with Reader(database) as reader:
        first, second = nodes_of(reader, "run-1")
        assert (first.node, first.step, first.map_index, first.peak_memory) == ("train[0]", "train", 0, 123_456_789)
        assert (second.node, second.outcome, second.reason, second.cache_key, second.started) == (
            "report",
            "blocked",
            None,
            None,
            None,
        )
        assert [row.name for row in code_of(reader, "run-1", "train[0]")] == [
            "pipelines.taxi:train",
            "pipelines.cleaning:strip",
        ]
        assert metrics_of(reader, "run-1") == ()


def test_artifacts_are_found_by_the_beginning_of_their_digest(writer: LineageWriter, database: Path) -> None:
    """Any length from 4 digits on works, in either case; digits of even and odd number too."""
    items = [make_inline(str(index)) for index in range(50)]
    writer.record(make_node(make_execution(outputs=[*items, make_blob("x")])))
    writer.flush()

    with Reader(database) as reader:
        for length in (12, 13, 23, 24, 25, 33, 63, 64):
            assert find_artifact(reader, items[7].digest[:length]) == items[7]
            assert find_artifact(reader, make_blob("x").digest[:length].upper()) == make_blob("x")
        assert find_artifacts(reader, [items[0].digest, digest_of("unknown")]) == {items[0].digest: items[0]}
        listed = list_artifacts(reader, 3)
        assert [row.artifact for row in listed] == [make_blob("x").digest, items[49].digest, items[48].digest]
        assert listed[0].created == "2026-11-18T11:06:41.750Z"


@pytest.mark.parametrize("text", ["", "ab", "xyzw", "0000", "a" * 65, "*", "12 4", "../../x"])
def test_what_begins_no_digest_is_not_found(text: str, writer: LineageWriter, database: Path) -> None:
    """Too short, too long, no hexadecimal digits, or simply unknown."""
    writer.record(make_node(make_execution(outputs=[make_inline("1")])))
    writer.flush()

    with Reader(database) as reader, pytest.raises(NotRecordedError):
        find_artifact(reader, text)


def test_an_ambiguous_digest_lists_the_candidates(writer: LineageWriter, database: Path) -> None:
    """Two artifacts with one beginning are told apart by more digits."""
    made = [make_inline(str(index)) for index in range(1500)]
    prefixes: dict[str, list[str]] = {}
    for artifact in made:
        prefixes.setdefault(artifact.digest[:4], []).append(artifact.digest)
    prefix, digests = next(item for item in prefixes.items() if len(item[1]) > 1)
    for start in range(0, len(made), 100):
        writer.record(make_node(make_execution(C=start, outputs=made[start : start + 100]), node=f"n{start}"))
    writer.flush()

    with Reader(database) as reader, pytest.raises(NotRecordedError, match="more than one artifact") as caught:
        find_artifact(reader, prefix)
    assert all(digest in str(caught.value) for digest in digests)
