from __future__ import annotations

import time
from pathlib import Path

from flowkit.lineage.ancestry import ancestors, descendants
from flowkit.lineage.entries import Entries
from flowkit.lineage.reader import Reader
from flowkit.lineage.rows import LineageRow
from flowkit.lineage.writer import LineageWriter
from flowkit.records import Artifact, NodeRecord, Outcome
from tests.lineage.samples import digest_of, make_blob, make_execution, make_inline, make_node, make_run


def names(rows: tuple[LineageRow, ...]) -> list[tuple[int, str, str]]:
    return [(row.depth, row.run, row.node) for row in rows]


def run_step(
    writer: LineageWriter, run: str, step: str, inputs: list[tuple[str, Artifact]], outputs: list[Artifact], C: int = 0
) -> None:
    writer.record(make_node(make_execution(step, C, inputs, outputs), run=run))


def reuse(writer: LineageWriter, database: Path, run: str, step: str, inputs: list[tuple[str, Artifact]]) -> None:
    writer.flush()
    key = make_execution(step, 0, inputs).cache_key
    with Reader(database) as reader:
        entry = Entries(reader).find_entries([key])[key]
    writer.record(NodeRecord(run, step, step, None, Outcome.REUSED, entry=entry.id))


CSV = Artifact(digest_of("taxi.csv"), "file", 1000)
TRIPS, ROWS, TRAIN, TEST, MODEL = (make_blob(name) for name in ("trips", "rows", "train", "test", "model"))


def record_taxi(writer: LineageWriter, run: str = "run-1") -> None:
    run_step(writer, run, "load", [("csv", CSV)], [TRIPS])
    run_step(writer, run, "features", [("trips", TRIPS)], [ROWS])
    run_step(writer, run, "split", [("rows", ROWS)], [TRAIN, TEST])
    run_step(writer, run, "train", [("rows", TRAIN)], [MODEL])
    run_step(writer, run, "evaluate", [("model", MODEL), ("rows", TEST)], [make_inline("0.9")])
    writer.flush()


def test_which_data_and_steps_made_a_model(writer: LineageWriter, database: Path) -> None:
    """Ancestors lead from the model back to the file that came in, and to nothing beside the way."""
    record_taxi(writer)

    with Reader(database) as reader:
        found = ancestors(reader, MODEL.digest)

    assert names(found) == [
        (1, "run-1", "train"),
        (2, "run-1", "split"),
        (3, "run-1", "features"),
        (4, "run-1", "load"),
    ]
    assert found[-1].inputs == (("csv", CSV.digest),)
    assert found[1].outputs == (("0", TRAIN.digest), ("1", TEST.digest))


def test_what_used_a_file(writer: LineageWriter, database: Path) -> None:
    """Descendants of a file are all steps that met it or what was made of it."""
    record_taxi(writer)

    with Reader(database) as reader:
        assert [row.node for row in descendants(reader, CSV.digest)] == [
            "load",
            "features",
            "split",
            "train",
            "evaluate",
        ]
        assert names(descendants(reader, TEST.digest)) == [(1, "run-1", "evaluate")]
        assert descendants(reader, digest_of("unknown")) == ()
        assert ancestors(reader, CSV.digest) == ()


def test_the_way_goes_on_through_reused_nodes(writer: LineageWriter, database: Path) -> None:
    """A model trained in a later run on reused data has that data's history."""
    record_taxi(writer)
    writer.begin_run(make_run("run-2"))
    for step, inputs in (("load", [("csv", CSV)]), ("features", [("trips", TRIPS)]), ("split", [("rows", ROWS)])):
        reuse(writer, database, "run-2", step, inputs)
    other = make_blob("other model")
    run_step(writer, "run-2", "train", [("rows", TRAIN)], [other], C=1)
    writer.flush()

    with Reader(database) as reader:
        assert names(ancestors(reader, other.digest)) == [
            (1, "run-2", "train"),
            (2, "run-1", "split"),
            (3, "run-1", "features"),
            (4, "run-1", "load"),
        ]
        assert ("run-2", "train") in {(row.run, row.node) for row in descendants(reader, CSV.digest)}


def test_equal_bytes_of_unrelated_runs_are_not_tied_together(writer: LineageWriter, database: Path) -> None:
    """A `0` that two pipelines happen to compute does not make one the ancestor of the other."""
    zero = make_inline("0")
    run_step(writer, "run-1", "count", [("rows", CSV)], [zero])
    run_step(writer, "run-1", "report", [("n", zero)], [make_inline("report")])
    writer.begin_run(make_run("run-2", "other"))
    secret = Artifact(digest_of("secret.csv"), "file", 1)
    run_step(writer, "run-2", "tally", [("rows", secret)], [zero])
    run_step(writer, "run-2", "plot", [("n", zero)], [make_inline("plot")])
    writer.flush()

    with Reader(database) as reader:
        assert names(ancestors(reader, make_inline("report").digest)) == [(1, "run-1", "report"), (2, "run-1", "count")]
        assert names(ancestors(reader, make_inline("plot").digest)) == [(1, "run-2", "plot"), (2, "run-2", "tally")]
        assert [row.node for row in descendants(reader, CSV.digest)] == ["count", "report"]


def test_a_model_that_no_node_of_the_run_made_keeps_its_makers(writer: LineageWriter, database: Path) -> None:
    """A champion of long ago, evaluated now, still tells what it was made of."""
    record_taxi(writer)
    writer.begin_run(make_run("run-2"))
    run_step(writer, "run-2", "score", [("model", MODEL)], [make_inline("score")])
    writer.flush()

    with Reader(database) as reader:
        assert [row.node for row in ancestors(reader, make_inline("score").digest)] == [
            "score",
            "train",
            "split",
            "features",
            "load",
        ]


def test_a_step_that_gives_back_what_it_took_ends_the_way(writer: LineageWriter, database: Path) -> None:
    """Content can go in circles, when a step changes nothing; a query does not."""
    run_step(writer, "run-1", "load", [("csv", CSV)], [TRIPS])
    run_step(writer, "run-1", "clean", [("rows", TRIPS)], [TRIPS])
    writer.flush()

    with Reader(database) as reader:
        assert {row.node for row in ancestors(reader, TRIPS.digest)} == {"load", "clean"}
        assert {row.node for row in descendants(reader, CSV.digest)} == {"load", "clean"}


def test_answers_are_bounded_and_hold_the_nearest(writer: LineageWriter, database: Path) -> None:
    """A chain of 3,000 steps gives its nearest 1,000, fast enough for a prompt."""
    chain = [make_inline(f"step {index}") for index in range(3001)]
    for index in range(3000):
        execution = make_execution("next", index, [("x", chain[index])], [chain[index + 1]])
        writer.record(make_node(execution, node=f"next#{index}"))
    writer.flush()

    with Reader(database) as reader:
        started = time.perf_counter()
        up = ancestors(reader, chain[-1].digest)
        down = descendants(reader, chain[0].digest)
        seconds = time.perf_counter() - started

    assert [row.node for row in up] == [f"next#{index}" for index in range(2999, 1999, -1)]
    assert [row.node for row in down] == [f"next#{index}" for index in range(1000)]
    assert seconds < 1
    print(f"1,000 ancestors and 1,000 descendants in {seconds * 1000:.0f} ms")


def run_from(
    writer: LineageWriter, run: str, step: str, inputs: list[tuple[str, Artifact, str | None]], output: Artifact
) -> None:
    """Record a step whose inputs name the nodes that gave them."""
    execution = make_execution(
        step,
        0,
        [(name, artifact) for name, artifact, _ in inputs],
        [output],
        producers=tuple(producer for _, _, producer in inputs),
    )
    writer.record(make_node(execution, run=run))


def record_coincidence(writer: LineageWriter, run: str = "run-1") -> Artifact:
    """Record two steps that give 5: one feeds the model, the other one a report."""
    five = make_inline("5")
    run_from(writer, run, "chosen_depth", [], five)
    run_from(writer, run, "seed", [], five)
    run_from(writer, run, "train", [("depth", five, "chosen_depth")], MODEL)
    run_from(writer, run, "report", [("seed", five, "seed")], make_inline("report"))
    writer.flush()
    return five


def test_equal_bytes_of_one_run_keep_their_own_ways(writer: LineageWriter, database: Path) -> None:
    """Of two nodes that gave equal bytes, the one whose output was taken is the ancestor, and the other one is not."""
    five = record_coincidence(writer)

    with Reader(database) as reader:
        assert names(ancestors(reader, MODEL.digest)) == [(1, "run-1", "train"), (2, "run-1", "chosen_depth")]
        assert names(descendants(reader, five.digest, given_by=("run-1", "seed"))) == [(1, "run-1", "report")]
        assert names(descendants(reader, five.digest, given_by=("run-1", "chosen_depth"))) == [(1, "run-1", "train")]
        assert names(ancestors(reader, five.digest, given_by=("run-1", "seed"))) == [(1, "run-1", "seed")]
        assert {row.node for row in descendants(reader, five.digest)} == {"train", "report"}


def test_a_node_reused_beside_a_maker_that_ran_again_keeps_its_way(writer: LineageWriter, database: Path) -> None:
    """Where a step runs again and gives equal bytes, what was reused behind it is still its descendant, and only it."""
    five = record_coincidence(writer)
    writer.begin_run(make_run("run-2"))
    for step in ("chosen_depth", "seed"):
        writer.record(make_node(make_execution(step, 1, [], [five]), run="run-2"))
    reuse(writer, database, "run-2", "train", [("depth", five)])
    writer.flush()

    with Reader(database) as reader:
        assert names(descendants(reader, five.digest, given_by=("run-2", "chosen_depth"))) == [(1, "run-1", "train")]
        assert descendants(reader, five.digest, given_by=("run-2", "seed")) == ()
        assert names(ancestors(reader, MODEL.digest)) == [(1, "run-1", "train"), (2, "run-1", "chosen_depth")]


def test_what_took_a_reused_output_leads_to_the_run_that_made_it(writer: LineageWriter, database: Path) -> None:
    """The maker of an input is the execution that the producer reused, whatever gave equal bytes meanwhile."""
    five = record_coincidence(writer)
    writer.begin_run(make_run("run-2"))
    reuse(writer, database, "run-2", "chosen_depth", [])
    run_from(writer, "run-2", "other", [], five)
    other = make_blob("other model")
    run_from(writer, "run-2", "tune", [("depth", five, "chosen_depth")], other)
    writer.flush()

    with Reader(database) as reader:
        assert names(ancestors(reader, other.digest)) == [(1, "run-2", "tune"), (2, "run-1", "chosen_depth")]
        assert descendants(reader, five.digest, given_by=("run-2", "other")) == ()
