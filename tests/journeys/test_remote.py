"""Machines that share results through a remote: here two checkouts, each with a store of its own."""

from __future__ import annotations

import json
import os
import pickle
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from flowkit.codecs.base import Chunk, Encoded, digest_payload
from flowkit.codecs.tables import TableCodec
from flowkit.codecs.tables_chunks import TableWriter
from flowkit.store.names import blob_name
from flowkit.store.packs import plan_file
from tests.journeys.project import OrdersProject, Outcome

PIPELINE = """
from pathlib import Path

import random

import pandas as pd

import flowkit as fk


@fk.step
def load(source: Path) -> pd.DataFrame:
    return pd.DataFrame({"amount": [float(text) for text in source.read_text().split()]})


@fk.step
def double(rows: pd.DataFrame) -> pd.DataFrame:
    return rows.assign(twice=rows["amount"] * 2)


@fk.step
def report(rows: pd.DataFrame, folder: str = "out") -> Path:
    target = fk.scratch() / folder
    target.mkdir()
    (target / "all.txt").write_text(str(rows["twice"].sum()) * 2000)
    return target


@fk.step
def score(rows: pd.DataFrame) -> fk.Metrics:
    return fk.Metrics(total=rows["twice"].sum())


@fk.step
def opaque(rows: pd.DataFrame) -> random.Random:
    return random.Random(len(rows))


@fk.pipeline
def shared(source: Path = Path("data.txt"), pickled: bool = False) -> None:
    rows = double(load(source))
    report(rows)
    score(rows)
    if pickled:
        opaque(rows)
"""


class Machine(OrdersProject):
    """A checkout of one project."""

    @classmethod
    def make(cls, root: Path, settings: str = "") -> Machine:
        (root / "pipelines").mkdir(parents=True)
        (root / "pyproject.toml").write_text(f'[project]\nname = "shared"\nversion = "0"\n[tool.flowkit]\n{settings}\n')
        (root / "pipelines" / "shared.py").write_text(PIPELINE)
        (root / "data.txt").write_text(" ".join(map(str, range(3000))))
        return cls(root)

    def run(self, *arguments: str) -> Outcome:
        return self.flowkit("run", "pipelines/shared.py", "--json", "--inline", *arguments)


@pytest.fixture
def remote(tmp_path: Path) -> str:
    return f'remote = "{tmp_path / "remote"}"'


@pytest.mark.slow
def test_another_machine_reuses_what_one_made(tmp_path: Path, remote: str) -> None:
    """Results travel with their artifacts; the other machine executes nothing, and says where they are from."""
    first = Machine.make(tmp_path / "one", remote).run()
    assert first.named("executed") == ["load", "double", "report", "score"], first.err

    machine = Machine.make(tmp_path / "two", remote)
    second = machine.run()

    assert second.named("reused") == ["load", "double", "report", "score"], second.err
    node = second.nodes["double"]
    assert node["from_run"] == first.json["run"]
    assert node["detail"].startswith("from the remote, made on ")
    assert [n["outputs"] for n in second.json["nodes"]] == [n["outputs"] for n in first.json["nodes"]]
    exported = machine.flowkit("artifact", "export", "last:double", "two.csv")
    assert exported.code == 0, exported.err
    assert (machine.root / "two.csv").read_text().splitlines()[2] == "1.0,2.0"


@pytest.mark.slow
def test_what_came_from_the_remote_is_there_without_it(tmp_path: Path, remote: str) -> None:
    """Once taken, a result belongs to this store: the remote may go."""
    Machine.make(tmp_path / "one", remote).run()
    machine = Machine.make(tmp_path / "two", remote)
    assert len(machine.run().named("reused")) == 4
    (tmp_path / "remote").rename(tmp_path / "gone")

    third = machine.run()

    assert len(third.named("reused")) == 4
    assert third.nodes["load"]["from_run"] != third.json["run"]
    assert third.json["warnings"] == []
    metrics = machine.flowkit("lineage", "last:score", "--json")
    assert metrics.code == 0


@pytest.mark.slow
def test_a_changed_input_misses_on_both(tmp_path: Path, remote: str) -> None:
    """The remote is asked by the same key: other data are other keys."""
    Machine.make(tmp_path / "one", remote).run()
    machine = Machine.make(tmp_path / "two", remote)
    (machine.root / "data.txt").write_text("1 2 3")

    assert machine.run().named("executed") == ["load", "double", "report", "score"]


@pytest.mark.slow
def test_a_plan_fetches_nothing(tmp_path: Path, remote: str) -> None:
    """`plan` says what the remote has, and copies none of it."""
    Machine.make(tmp_path / "one", remote).run()
    machine = Machine.make(tmp_path / "two", remote)

    plan = machine.flowkit("plan", "pipelines/shared.py", "--json")

    assert {node["outcome"] for node in plan.json["nodes"]} == {"reuse"}
    assert not list((machine.root / ".flowkit").glob("blobs/*/*"))


@pytest.mark.slow
def test_pickle_is_taken_only_from_a_trusted_remote(tmp_path: Path, remote: str) -> None:
    """Without `trust_remote` a pickled result is made here, with a warning that names the setting."""
    Machine.make(tmp_path / "one", remote).run("-p", "pickled=true")

    wary = Machine.make(tmp_path / "two", remote).run("-p", "pickled=true")
    trusting = Machine.make(tmp_path / "three", f"{remote}\ntrust_remote = true").run("-p", "pickled=true")

    assert wary.named("executed") == ["opaque"]
    wary_of = [text for text in wary.json["warnings"] if "trust_remote = true" in text]
    assert len(wary_of) == 1
    assert "'opaque'" in wary_of[0]
    assert trusting.named("executed") == []


def damage_blob(folder: Path) -> None:
    for path in folder.glob("blobs/*/*"):
        path.chmod(0o600)
        path.write_bytes(path.read_bytes()[:-1] + b"?")


def drop_blobs(folder: Path) -> None:
    for path in folder.glob("blobs/*/*"):
        path.unlink()


def garble_records(folder: Path) -> None:
    for path in folder.glob("entries/*/*.json"):
        path.write_bytes(b"{not json")


def swap_keys(folder: Path) -> None:
    for path in folder.glob("entries/*/*.json"):
        found = json.loads(path.read_bytes())
        path.write_text(json.dumps({**found, "cache_key": "0" * 64}))


def escape(folder: Path) -> None:
    for path in folder.glob("entries/*/*.json"):
        found = json.loads(path.read_bytes())
        for output in found["outputs"]:
            if output["blob"]:
                output["blob"] = "../../../../etc/passwd"
        path.write_text(json.dumps(found))


@pytest.mark.slow
@pytest.mark.parametrize("harm", [damage_blob, drop_blobs, garble_records, swap_keys, escape])
def test_a_damaged_remote_costs_a_rerun_and_never_a_wrong_value(tmp_path: Path, remote: str, harm: Any) -> None:
    """What is not what its digest says is made here instead, and the run says so."""
    first = Machine.make(tmp_path / "one", remote).run()
    harm(tmp_path / "remote")

    second = Machine.make(tmp_path / "two", remote).run()

    assert second.code == 0, second.err
    assert "double" in second.named("executed")
    assert second.json["warnings"]
    assert second.nodes["double"]["outputs"] == first.nodes["double"]["outputs"]


def test_a_remote_that_cannot_be_reached_stops_nothing(tmp_path: Path) -> None:
    """The run goes on without it, warns once, and names the address and the remedy."""
    (tmp_path / "file").write_text("not a folder")

    run = Machine.make(tmp_path / "one", f'remote = "{tmp_path / "file"}"').run()

    assert run.code == 0, run.err
    assert len(run.named("executed")) == 4
    assert len(run.json["warnings"]) == 1
    assert "goes on without the remote" in run.json["warnings"][0]
    assert str(tmp_path / "file") in run.json["warnings"][0]


@pytest.mark.slow
def test_a_protocol_that_is_not_there_says_what_to_install(tmp_path: Path) -> None:
    """An unknown kind of address is told with the remedy."""
    run = Machine.make(tmp_path / "one", 'remote = "nosuch://bucket/x"').run()

    assert run.code == 0
    assert "fsspec package" in run.json["warnings"][0]


@pytest.mark.slow
def test_forced_results_replace_those_in_the_remote(tmp_path: Path, remote: str) -> None:
    """A rerun that supersedes a result here supersedes the shared record too."""
    one = Machine.make(tmp_path / "one", remote)
    one.run()
    forced = one.run("--force", "load")
    assert forced.named("executed") == ["load"]

    second = Machine.make(tmp_path / "two", remote).run()

    assert second.nodes["load"]["from_run"] == forced.json["run"]


@pytest.mark.slow
def test_no_half_written_file_ever_has_its_name(tmp_path: Path, remote: str) -> None:
    """Every file of a remote in a folder is whole: what was on its way has another name, and none is left."""
    Machine.make(tmp_path / "one", remote).run()

    files = [path for path in (tmp_path / "remote").rglob("*") if path.is_file()]
    assert files
    assert all(path.suffix != ".part" for path in files)
    assert set(os.listdir(tmp_path / "remote")) == {"blobs", "entries"}


@pytest.mark.slow
def test_config_show_names_the_remote(tmp_path: Path, remote: str) -> None:
    """The setting is shown with its place; a value of the wrong kind is refused."""
    machine = Machine.make(tmp_path / "one", remote)
    shown = machine.flowkit("config", "show", "--json")
    rows = {row["key"]: row["value"] for row in shown.json["settings"]}
    assert rows["remote"] == (tmp_path / "remote").as_uri()
    assert rows["trust_remote"] is False

    refused = machine.flowkit("config", "show", FLOWKIT_TRUST_REMOTE="maybe")
    assert refused.code == 2
    assert "true or false" in refused.err


def forge(folder: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    """Change every record in a remote."""
    for path in folder.glob("entries/*/*.json"):
        found = json.loads(path.read_bytes())
        change(found)
        path.write_text(json.dumps(found))


FORGERIES: dict[str, Callable[[dict[str, Any]], Any]] = {
    "no outputs": lambda record: record.update(outputs=[]),
    "an output too many": lambda record: record["outputs"].append(dict(record["outputs"][0], name="other")),
    "one output twice": lambda record: record["outputs"].append(record["outputs"][0]),
    "another output's name": lambda record: record["outputs"][0].update(name="../x"),
    "a size without end": lambda record: record["outputs"][0].update(bytes=10**400),
    "a negative size": lambda record: record["outputs"][0].update(bytes=-1),
    "no time": lambda record: record.update(created=float("nan")),
    "a time without end": lambda record: record.update(created=1e300),
    "a name with control characters": lambda record: record.update(host="\x1b]0;title\x07"),
    "a lone surrogate": lambda record: record.update(host="\ud800"),
    "another entry's key": lambda record: record.update(entry_key="1" * 64),
    "a deep value": lambda record: record.update(metrics=json.loads("[" * 500 + "]" * 500)),
    "other metrics": lambda record: record.update(metrics=[["total", "0x1p+0"]]),
}


IN_GATE = 4
"""How many of them, the first ones, the gate tries."""


@pytest.mark.slow
@pytest.mark.parametrize(
    "change",
    [
        pytest.param(change, id=name, marks=[pytest.mark.long] if number >= IN_GATE else [])
        for number, (name, change) in enumerate(FORGERIES.items())
    ],
)
def test_a_forged_record_stops_nothing_and_changes_nothing(
    tmp_path: Path, remote: str, change: Callable[[dict[str, Any]], Any]
) -> None:
    """Whatever a record says, the run ends well with the right values and metrics."""
    first = Machine.make(tmp_path / "one", remote).run()
    forge(tmp_path / "remote", change)

    second = Machine.make(tmp_path / "two", remote).run()

    assert second.code == 0, second.err
    assert [n["outputs"] for n in second.json["nodes"]] == [n["outputs"] for n in first.json["nodes"]]
    with sqlite3.connect(tmp_path / "two" / ".flowkit" / "lineage.db") as database:
        assert database.execute("SELECT name, value FROM metrics").fetchall() == [("total", 8997000.0)]
    assert "\x1b" not in second.out


@pytest.mark.slow
def test_a_damaged_blob_in_the_remote_is_mended_by_who_finds_it(tmp_path: Path, remote: str) -> None:
    """The machine that makes the result again sends it again: the next one takes it."""
    Machine.make(tmp_path / "one", remote).run()
    damage_blob(tmp_path / "remote")
    assert Machine.make(tmp_path / "two", remote).run().json["warnings"]

    third = Machine.make(tmp_path / "three", remote).run()

    assert third.named("executed") == []
    assert third.json["warnings"] == []


@pytest.mark.slow
def test_pickle_that_a_table_hides_is_not_loaded(tmp_path: Path, remote: str) -> None:
    """A manifest that does not own up to its pickled cells gets nothing run, where the remote is not trusted."""
    Machine.make(tmp_path / "one", remote).run()
    sign = tmp_path / "the bomb went off"
    payload, chunks = hidden_pickle(str(sign))
    forge(tmp_path / "remote", lambda record: plant(tmp_path / "remote", record, payload, chunks))

    second = Machine.make(tmp_path / "two", remote).run()

    assert not sign.exists()
    assert "double" in second.named("reused") + second.named("failed") + second.named("executed")


def hidden_pickle(path: str) -> tuple[bytes, tuple[Chunk, ...]]:
    """Return a table with a pickled cell whose manifest says that there is none, as an attacker would write it."""

    class Bomb:
        def __reduce__(self) -> tuple[Any, ...]:
            return Path.touch, (Path(path),)

    def pickle_silently(writer: TableWriter, value: Any) -> bytes:
        return pickle.dumps(value)

    honest, TableWriter.pickle = TableWriter.pickle, pickle_silently  # type: ignore[method-assign]
    try:
        encoded = TableCodec().encode(pd.DataFrame({"amount": [Bomb(), 1]}, dtype=object), pd.DataFrame)
    finally:
        TableWriter.pickle = honest  # type: ignore[method-assign]
    return bytes(encoded.payload), encoded.chunks


def plant(remote: Path, record: dict[str, Any], payload: bytes, chunks: tuple[Chunk, ...]) -> None:
    """Let every record of a table name the forged one, with its blob in place."""
    encoded = Encoded("table", digest_payload("table", payload), payload, ".table", chunks)
    name = blob_name(encoded.digest, ".table")
    target = remote / "blobs" / name
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(b"".join(bytes(part) for part in plan_file(name, encoded, {}).parts()))
    for output in record["outputs"]:
        if output["format"] == "table":
            output.update(digest=encoded.digest, blob=name, bytes=encoded.bytes, inline=None)


def test_a_password_in_the_address_is_not_shown(tmp_path: Path) -> None:
    """What a remote logs in with stands in no warning."""
    run = Machine.make(tmp_path / "one", 'remote = "nosuch://me:canary@host/x"').run()

    assert run.code == 0
    assert "***@host" in run.json["warnings"][0]
    assert "canary" not in run.out + run.err
