from __future__ import annotations

import math
import os
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from flowkit.lineage.entries import Entries
from flowkit.lineage.file_digests import RecordedFileDigests
from flowkit.lineage.latest import accounts_of, success_before
from flowkit.lineage.reader import Reader
from flowkit.lineage.texts import (
    clean_text,
    metrics_from_json,
    metrics_to_json,
    to_signed,
    to_unsigned,
)
from flowkit.lineage.writer import LineageWriter
from flowkit.records import Artifact, BlobFile, NodeRecord, ObservedInput, Outcome, Output, Stamp
from tests.lineage.samples import (
    ENVIRONMENT,
    digest_of,
    make_blob,
    make_code,
    make_execution,
    make_inline,
    make_node,
    make_run,
    open_writer,
)

number = st.integers(0, 2**63 - 1)
names = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=12)
stamps = st.builds(Stamp, number, number, number, st.integers(0, 2**64 - 1))
files = st.builds(
    lambda text, suffix, stamp: BlobFile(f"{digest_of(text)[:2]}/{digest_of(text)[2:]}{suffix}", stamp),
    st.text(max_size=3),
    st.sampled_from([".json", ".table", ".tar.gz"]),
    stamps,
)
artifacts = st.one_of(
    st.builds(
        lambda payload, size: Artifact(
            digest_of(repr(payload)), "json", size, payload, refers=("m:A", f"m:é{len(payload)}") if payload else ()
        ),
        st.binary(),
        number,
    ),
    st.builds(
        lambda text, size, some: Artifact(digest_of(f"blob {text}"), "table", size, None, tuple(some)),
        st.text(max_size=3),
        number,
        st.lists(files, max_size=4, unique_by=lambda file: file.name),
    ),
)


@given(
    outputs=st.lists(st.tuples(names, artifacts), max_size=4, unique_by=(lambda pair: pair[0], lambda p: p[1].digest)),
    metrics=st.lists(st.tuples(names, st.floats()), max_size=3, unique_by=lambda pair: pair[0]),
)
@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
def test_an_entry_gives_back_what_was_recorded(
    outputs: list[tuple[str, Artifact]], metrics: list[tuple[str, float]], tmp_path_factory: object
) -> None:
    """Outputs, their order, inline payloads, files with stamps and metrics (also NaN) survive the database.

    SQLite keeps no sign of a zero; the artifact of the metrics does.
    """
    database = Path(tmp_path_factory.mktemp("entry")) / "lineage.db"  # type: ignore[attr-defined]
    # A file is one file: where two artifacts name it, it has one stamp.
    known: dict[str, BlobFile] = {}
    recorded = tuple(
        Output(
            name, Artifact(a.digest, a.format, a.bytes, a.inline, tuple(known.setdefault(f.name, f) for f in a.files))
        )
        for name, a in outputs
    )
    execution = replace(make_execution(metrics=tuple(metrics)), outputs=recorded)
    with open_writer(database) as writer:
        writer.begin_run(make_run())
        writer.record(make_node(execution))

    with Reader(database) as reader:
        entry = Entries(reader).find_entries([execution.cache_key])[execution.cache_key]

    assert entry.outputs == recorded
    assert [(name, repr(value)) for name, value in entry.metrics] == [
        (name, "nan" if math.isnan(value) else repr(value or 0.0)) for name, value in metrics
    ]
    assert (entry.cache_key, entry.entry_key, entry.run, entry.node) == (
        execution.cache_key,
        execution.entry_key,
        "run-1",
        "train",
    )


def test_thousands_of_keys_are_looked_up_at_once_and_unknown_ones_are_absent(
    writer: LineageWriter, database: Path
) -> None:
    """A lookup takes any number of keys, known or not, also twice."""
    executions = [make_execution(C=index, outputs=[make_inline(str(index))]) for index in range(1200)]
    for index, execution in enumerate(executions):
        writer.record(make_node(execution, node=f"n{index}"))
    writer.flush()
    keys = [execution.cache_key for execution in executions]

    with Reader(database) as reader:
        found = Entries(reader).find_entries([*keys, digest_of("unknown"), keys[0]])

    assert {key: entry.outputs for key, entry in found.items()} == {e.cache_key: e.outputs for e in executions}


def test_the_newest_of_several_entries_of_a_key_is_found(writer: LineageWriter, database: Path) -> None:
    """One cache key has an entry for each state of what it read undeclared; each is found by its entry key too."""
    states = [[ObservedInput("file", "a.csv", digest_of(text))] for text in ("one", "two")]
    executions = [
        make_execution(outputs=[make_inline(str(index))], observed=state) for index, state in enumerate(states)
    ]
    for run, execution in zip(("run-1", "run-2"), executions, strict=True):
        writer.begin_run(make_run(run)) if run != "run-1" else None
        writer.record(make_node(execution, run=run))
    writer.flush()

    with Reader(database) as reader:
        entries = Entries(reader)
        key = executions[0].cache_key
        assert entries.find_entries([key])[key].outputs == executions[1].outputs
        by_entry = entries.find_entries_at([execution.entry_key for execution in executions])
        assert [by_entry[e.entry_key].outputs for e in executions] == [e.outputs for e in executions]
        assert entries.observed_names([key]) == {key: ((("file", "a.csv"),),)}


def test_failed_keys_are_those_that_never_succeeded(writer: LineageWriter, database: Path) -> None:
    """A key that failed and then succeeded is no failed key; an unknown one neither."""
    failing, flaky, fine = (make_execution(C=text) for text in ("failing", "flaky", "fine"))
    writer.record(make_node(failing, node="a", outcome=Outcome.FAILED))
    writer.record(make_node(flaky, node="b", outcome=Outcome.FAILED))
    writer.record(make_node(flaky, node="b"))
    writer.record(make_node(fine, node="c"))
    writer.flush()
    keys = [failing.cache_key, flaky.cache_key, fine.cache_key, digest_of("unknown")]

    with Reader(database) as reader:
        assert Entries(reader).failed_keys(keys) == {failing.cache_key}


def test_the_latest_success_is_what_ran_or_was_reused_last(writer: LineageWriter, database: Path) -> None:
    """A miss is explained against what the node was last, also if that was reused, never against a failure."""
    first, second, failed = (make_execution(C=value, outputs=[make_inline(str(value))]) for value in (1, 2, 3))
    for run in ("run-2", "run-3", "run-4"):
        writer.begin_run(make_run(run))
    writer.record(make_node(first))
    writer.record(make_node(second, run="run-2"))
    writer.flush()
    with Reader(database) as reader:
        entries = Entries(reader)
        entry = entries.find_entries([first.cache_key])[first.cache_key]
        writer.record(NodeRecord("run-3", "train", "train", None, Outcome.REUSED, entry=entry.id))
        writer.record(make_node(failed, run="run-4", outcome=Outcome.FAILED))
        writer.flush()

        latest = entries.latest_success("taxi", "train")

        assert latest is not None
        assert (latest.run, latest.cache_key, latest.parts) == ("run-3", first.cache_key, first.parts)
        assert (latest.code, latest.environment) == (make_code(), ENVIRONMENT)
        assert entries.latest_successes("taxi", ["train", "unknown"]) == {"train": latest}
        assert entries.latest_success("other", "train") is None
        assert accounts_of(reader, "run-4", ["train"])["train"].parts == failed.parts
        before = success_before(reader, "run-3", "train")
        assert before is not None
        assert before.parts == second.parts
        assert success_before(reader, "run-1", "train") is None


def test_live_keys_are_the_newest_reusable_keys_of_a_step(writer: LineageWriter, database: Path) -> None:
    """What travels with a packet is bounded, by step, and holds only what can be reused."""
    executions = [make_execution("square", C=index) for index in range(5)]
    for index, execution in enumerate(executions):
        writer.record(make_node(execution, node=f"square#{index}"))
    writer.record(make_node(make_execution("square", C="uncached", cached=False), node="square#u"))
    writer.record(make_node(make_execution("cube", C=1)))
    writer.flush()

    with Reader(database) as reader:
        live = Entries(reader).live_keys(["square", "cube", "unknown"], 3)

    assert live == {
        "square": {execution.cache_key for execution in executions[2:]},
        "cube": {make_execution("cube", C=1).cache_key},
        "unknown": frozenset(),
    }


def test_file_digests_hold_for_exactly_one_stat(writer: LineageWriter, database: Path, tmp_path: Path) -> None:
    """A known digest saves reading the file; any change of the stat, or a change just before the hashing, does not."""
    path = tmp_path / "data.csv"
    path.write_text("a")
    fresh = path.stat()
    settled = shift(fresh, ctime_ns=fresh.st_ctime_ns - 10_000_000_000)
    with Reader(database) as reader:
        kept = RecordedFileDigests(reader, writer)
        kept.put(path, fresh, digest_of("too fresh"))
        kept.put(path, settled, digest_of("a"))
        assert kept.get(path, settled) == digest_of("a")
        writer.flush()

        later = RecordedFileDigests(reader, None)

        assert later.get(path, settled) == digest_of("a")
        assert later.get(path, fresh) is None
        for change in ("inode", "device", "size", "mtime_ns", "ctime_ns"):
            assert later.get(path, shift(settled, **{change: 99})) is None


def shift(stat: os.stat_result, **changes: int) -> os.stat_result:
    """A stat with other numbers, as of another file or moment."""
    fields = {"inode": stat.st_ino, "device": stat.st_dev, "size": stat.st_size}
    fields |= {"mtime_ns": stat.st_mtime_ns, "ctime_ns": stat.st_ctime_ns} | changes
    plain = list(stat)[:10]
    plain[1], plain[2], plain[6] = fields["inode"], fields["device"], fields["size"]
    extra = {"st_mtime_ns": fields["mtime_ns"], "st_ctime_ns": fields["ctime_ns"], "st_atime_ns": stat.st_atime_ns}
    return os.stat_result(plain, extra)


@given(st.integers(0, 2**64 - 1))
def test_unsigned_numbers_survive(value: int) -> None:
    """Inodes and devices may use all 64 bits, which SQLite's numbers do only with a sign."""
    assert to_unsigned(to_signed(value)) == value
    assert -(2**63) <= to_signed(value) < 2**63


@given(st.text(st.characters(), max_size=30))
def test_cleaned_text_can_always_be_stored(text: str) -> None:
    """Whatever a name holds, what is stored is UTF-8; a text that was UTF-8 already is not changed."""
    cleaned = clean_text(text)
    cleaned.encode()
    try:
        text.encode()
    except UnicodeEncodeError:
        return
    assert cleaned == text


@given(st.dictionaries(st.text(max_size=5), st.floats()))
def test_metrics_survive_json(metrics: dict[str, float]) -> None:
    """Every float comes back with its value, infinities and NaN included."""
    assert repr(sorted(metrics_from_json(metrics_to_json(metrics)).items())) == repr(sorted(metrics.items()))


def test_stored_blob_artifacts_share_their_files(writer: LineageWriter, database: Path) -> None:
    """Two tables with chunks in one file name it once."""
    one, two = make_blob("one"), make_blob("two")
    shared = Artifact(two.digest, "table", 1, None, (*two.files, *one.files))
    writer.record(make_node(make_execution(outputs=[one, shared])))

    assert writer.write(lambda connection: connection.execute("SELECT count(*) FROM blob_file").fetchone()[0]) == 2


def test_an_edited_step_is_known_by_its_results_under_other_code(writer: LineageWriter, database: Path) -> None:
    """What never gave a result, or gave one with this code, whichever step that was, is not edited."""
    old, new = make_code(), replace(make_code(), digest=digest_of("edited"))
    writer.record(make_node(make_execution("train", code=old, outputs=[make_inline("1")])))
    writer.flush()

    with Reader(database) as reader:
        entries = Entries(reader)
        assert entries.any_edited({"train": new.digest})
        assert entries.any_edited({"other": old.digest, "train": new.digest})
        assert not entries.any_edited({"train": old.digest})
        assert not entries.any_edited({"other": new.digest, "train": old.digest})
        assert not entries.any_edited({})
