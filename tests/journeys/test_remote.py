"""Machines that share results through a remote: here two checkouts, each with a store of its own."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

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


def test_pickle_is_taken_only_from_a_trusted_remote(tmp_path: Path, remote: str) -> None:
    """Without `trust_remote` a pickled result is made here, with a warning that names the setting."""
    Machine.make(tmp_path / "one", remote).run("-p", "pickled=true")

    wary = Machine.make(tmp_path / "two", remote).run("-p", "pickled=true")
    trusting = Machine.make(tmp_path / "three", f"{remote}\ntrust_remote = true").run("-p", "pickled=true")

    assert wary.named("executed") == ["opaque"]
    assert any("'opaque'" in text and "trust_remote = true" in text for text in wary.json["warnings"])
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
