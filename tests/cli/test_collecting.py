"""`gc`, `artifact pin` and what is said of what was dropped, on a real store."""

from __future__ import annotations

import hashlib
import os
import shlex
import shutil
import sqlite3
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import flowkit as fk
from flowkit.cli.main import run_command
from flowkit.errors import LostArtifactError
from flowkit.housekeeping.collecting import collect as collecting_module
from flowkit.housekeeping.collecting.collect import collect
from flowkit.housekeeping.collecting.decision import Retention
from flowkit.lineage.artifacts import stored_artifacts
from flowkit.lineage.reader import Reader
from flowkit.lineage.writer import LineageWriter
from flowkit.store.collection import keeping
from flowkit.store.folder import StoreFolder
from flowkit.store.local import LocalStore
from tests.commands import Tell, caller, edit

pytestmark = pytest.mark.slow

PIPELINE = """
import numpy as np
import pandas as pd
import flowkit as fk


@fk.step
def load(n: int) -> pd.DataFrame:
    return pd.DataFrame({"a": np.arange(n), "b": np.arange(n) * 0.5})


@fk.step
def features(rows: pd.DataFrame, k: int) -> pd.DataFrame:
    return rows.assign(c=rows["a"] * k)


@fk.step
def fit(rows: pd.DataFrame) -> np.ndarray:
    return rows.to_numpy().sum(axis=1)


@fk.step
def score(model: np.ndarray, k: int) -> fk.Metrics:
    return fk.Metrics(accuracy=k / 10)


@fk.pipeline
def sums(k: int = 1, n: int = 3000, least: float = 0.0) -> None:
    model = fit(features(load(n), k))
    fk.promote(model, to="sums@champion", metrics=score(model, k), gates=[fk.at_least("accuracy", least)])
"""


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with three runs: k=1 is rolled over by k=2, the champion; k=3 was refused."""
    root = tmp_path_factory.mktemp("sums")
    (root / "pipelines").mkdir()
    (root / "pyproject.toml").write_text("[project]\nname = 'sums'\n")
    (root / "pipelines" / "sums.py").write_text(PIPELINE)
    here, path, before = Path.cwd(), list(sys.path), set(sys.modules)
    os.chdir(root)
    try:
        for arguments in (["k=1"], ["k=2"], ["k=3", "-p", "least=1"]):
            assert run_command(["run", "sums", "-p", *arguments, "--inline", "-q"]) == 0
    finally:
        os.chdir(here)
        sys.path[:] = path
        for name in {name for name in sys.modules if name.partition(".")[0] == "pipelines"} - before:
            del sys.modules[name]
    return root


@pytest.fixture
def project(recorded: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of that project, the current folder."""
    root = tmp_path / "sums"
    shutil.copytree(recorded, root, symlinks=True)
    monkeypatch.chdir(root)
    return root


@pytest.fixture
def call(project: Path, capsys: pytest.CaptureFixture[str]) -> Tell:
    """Run a command in this process, in the copy."""
    return caller(capsys)


def by_node(answer: dict[str, Any], decision: str) -> list[tuple[str, str]]:
    """Return the node of each artifact of a decision, with why."""
    return [(row["node"], row["reason"]) for row in answer["artifacts"] if row["decision"] == decision]


def nodes(answer: dict[str, Any], decision: str) -> list[str]:
    """Return the node of each artifact of a decision, sorted."""
    return sorted(node for node, _ in by_node(answer, decision))


def snapshot(folder: Path) -> dict[str, tuple[str, int]]:
    """Return digest and time of modification of every file below a folder."""
    return {
        str(path.relative_to(folder)): (hashlib.sha256(path.read_bytes()).hexdigest(), path.stat().st_mtime_ns)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def prove_all(root: Path) -> int:
    """Hash every artifact that the database says is there, and return how many there are."""
    folder = StoreFolder.open(root / ".flowkit")
    with Reader(folder.database) as reader:
        found = list(stored_artifacts(reader))
        for artifact in found:
            LocalStore(folder).prove(artifact)
    return len(found)


def select(root: Path, query: str) -> list[tuple[Any, ...]]:
    with sqlite3.connect(root / ".flowkit" / "lineage.db") as connection:
        return connection.execute(query).fetchall()


def test_without_retention_nothing_that_a_run_made_goes(call: Tell, project: Path) -> None:
    """A plain `gc` is harmless: every artifact stays, and no audit row is written."""
    before = prove_all(project)
    rows = select(project, "SELECT count(*) FROM audit")

    answer = call("gc", "--json").json()

    assert nodes(answer, "drop") == []
    assert answer["freed_bytes"] == 0
    assert prove_all(project) == before
    assert select(project, "SELECT count(*) FROM audit") == rows


def test_files_in_place_of_folders_keep_nothing_from_being_collected(call: Tell, project: Path) -> None:
    """Where a folder of leftovers cannot be, there are none; what has had its time goes all the same."""
    for name in ("quarantine", "checkpoints", "bundles"):
        place = project / ".flowkit" / name
        if place.is_dir():
            shutil.rmtree(place)
        place.write_text("a person's")

    answer = call("gc", "--keep-runs", "1", "--json")

    assert answer.code == 0
    assert nodes(answer.json(), "drop") == ["features", "features"]


def test_a_dry_run_says_what_the_real_one_does_and_changes_no_byte(call: Tell, project: Path) -> None:
    """Not even a lock file is made; then the real one drops just that, and frees just those bytes."""
    before = snapshot(project / ".flowkit")
    foreseen = call("gc", "--keep-runs", "1", "--dry-run", "--json").json()
    assert snapshot(project / ".flowkit") == before

    done = call("gc", "--keep-runs", "1", "--json").json()

    assert foreseen == {**done, "dry_run": True}
    assert nodes(done, "drop") == ["features", "features"]
    size = sum(size for size in (path.stat().st_size for path in (project / ".flowkit/blobs").rglob("*.*")))
    assert done["bytes"] - done["freed_bytes"] == size


def test_models_in_use_stay_and_those_that_were_refused_go_in_their_turn(call: Tell, project: Path) -> None:
    """Registered versions keep their content under every retention; a refused one's goes, its evidence stays."""
    answer = call("gc", "--max-bytes", "1B", "--json").json()

    kept = dict(by_node(answer, "keep"))
    assert kept["fit"].startswith("the content of model sums:")
    assert nodes(answer, "drop") == ["features", "features", "features", "fit", "load"]
    assert [row["state"] for row in call("models", "list", "--json").json()["models"]].count("refused") == 1
    assert call("models", "show", "sums:3").code == 0
    refused = call("models", "promote", "sums:3")
    assert refused.code == 4
    assert "was dropped by gc" in refused.err
    assert prove_all(project) >= 2


def test_a_pinned_artifact_stays_until_it_is_unpinned(call: Tell, project: Path) -> None:
    """A pin and its end are shown, and each leaves an audit row."""
    assert call("artifact", "pin", "last:features", "--reason", "for the report").code == 0
    assert "already" in call("artifact", "pin", "last:features").out
    assert "pinned by" in call("artifact", "show", "last:features").out
    listed = call("artifact", "list", "--run", "last", "--json").json()["artifacts"]
    assert [row["node"] for row in listed if row["pinned"]] == ["features"]

    kept = call("gc", "--max-bytes", "1B", "--json").json()
    assert dict(by_node(kept, "keep"))["features"].endswith("for the report")

    assert call("artifact", "unpin", "last:features").code == 0
    gone = call("gc", "--max-bytes", "1B", "--json").json()
    assert nodes(gone, "drop") == ["features"]
    actions = [row["action"] for row in call("audit", "list", "--json").json()["audit"]]
    assert actions[-4:] == ["pin", "collect", "unpin", "collect"]
    assert call("audit", "verify").code == 0
    assert call("artifact", "pin", "last:features").code == 4


def test_what_came_in_as_a_path_cannot_be_pinned(call: Tell, project: Path) -> None:
    """There is nothing of it in the store that could stay."""
    (project / "pipelines" / "paths.py").write_text(
        "from pathlib import Path\nimport flowkit as fk\n\n\n@fk.step\ndef size(file: Path) -> int:\n"
        "    return file.stat().st_size\n\n\n@fk.pipeline\ndef paths(file: Path = Path('pyproject.toml')) -> None:\n"
        "    size(file)\n"
    )
    assert call("run", "paths", "--inline", "-q").code == 0
    answer = call("artifact", "pin", "pyproject.toml")
    assert answer.code == 2
    assert "not its content" in answer.err


def test_a_dropped_artifact_is_made_again_on_demand(call: Tell, project: Path) -> None:
    """It is told who dropped it and when; the command that is printed, as it stands, gives the same digest again."""
    rows = call("artifact", "list", "--run", "last", "--json").json()["artifacts"]
    digest = next(row["artifact"] for row in rows if row["node"] == "features")
    call("gc", "--max-bytes", "1B")

    for command in (["artifact", "show", digest], ["artifact", "export", digest, "f.csv"]):
        answer = call(*command)
        assert answer.code == 4
        assert "was dropped by gc on" in answer.err
    told = call("lineage", digest)
    assert "dropped by gc" in told.out
    printed = call("lineage", digest, "--json").json()["dropped"]["command"]
    assert printed in told.out
    assert printed in answer.err

    again = call(*shlex.split(printed)[1:], "--inline")
    assert again.code == 0
    assert "lost: its stored result was dropped by gc on" in again.out
    assert call("artifact", "show", digest).code == 0
    assert call("lineage", digest, "--json").json()["dropped"] is None
    assert call("verify").code == 0


def test_a_run_makes_again_what_it_needs_and_gives_the_same_digests(call: Tell, project: Path) -> None:
    """The next run of the pipeline executes what was dropped, reason `lost`, and nothing differs."""
    before = {
        row["node"]: row["artifact"] for row in call("artifact", "list", "--run", "last", "--json").json()["artifacts"]
    }
    call("gc", "--max-bytes", "1B")

    answer = call("run", "sums", "-p", "k=3", "-p", "least=1", "--inline", "--json").json()

    made = {node["node"]: node["outputs"][0]["artifact"] for node in answer["nodes"] if node["outputs"]}
    assert made["features"] == before["features"]
    assert made["fit"] == before["fit"]
    lost = [node["node"] for node in answer["nodes"] if node["reason"] == "lost"]
    assert lost == ["load", "features", "fit"]


def test_value_of_a_dropped_artifact_names_the_command(project: Path) -> None:
    """`run[...].value()` raises with what makes the value again."""
    sys.path.insert(0, str(project))
    from pipelines.sums import sums  # type: ignore[import-not-found]

    with fk.Session(store=project / ".flowkit", inline=True) as session:
        run = session.run(sums, k=3, least=1.0)
        folder = StoreFolder.open(project / ".flowkit")
        with LineageWriter(folder.database, present=folder.holds) as writer:
            collect(folder, writer, Retention(bytes=1), who="test")
        with pytest.raises(LostArtifactError, match="dropped by gc") as raised:
            run["features"].value()
    assert "flowkit rerun" in raised.value.hint
    assert "--select features" in raised.value.hint


def test_what_cannot_be_made_again_stays_under_a_limit(call: Tell, project: Path) -> None:
    """Once the code has changed and run, nothing makes the old results: a limit leaves them, age takes them."""
    edit(project / "pipelines" / "sums.py", 'rows["a"] * k', 'rows["a"] * k + 1')
    assert call("run", "sums", "-p", "k=4", "-q", "--inline").code == 0

    kept = dict(by_node(call("gc", "--max-bytes", "1B", "--dry-run", "--json").json(), "keep"))
    assert kept["features"] == "it cannot be made again: the code of features has changed since"
    taken = call("gc", "--keep-runs", "1", "--dry-run", "--json").json()
    assert nodes(taken, "drop") == ["features", "features", "features", "fit"]


def test_settings_hold_where_no_option_is_given(call: Tell, project: Path) -> None:
    """[tool.flowkit.retention] is shown by `config show`; an option beats its part; a mistake is told."""
    with (project / "pyproject.toml").open("a") as file:
        file.write('[tool.flowkit.retention]\nruns = 1\nage = "1ms"\n')
    shown = {row["key"]: row["value"] for row in call("config", "show", "--json").json()["settings"]}
    assert shown["retention"] == {"runs": 1, "age": 0.001}

    answer = call("gc", "--dry-run", "--json").json()
    assert answer["retention"] == {"runs": 1, "age": 0.001, "bytes": None}
    assert nodes(answer, "drop") == ["features", "features"]
    answer = call("gc", "--keep-runs", "3", "--dry-run", "--json").json()
    assert nodes(answer, "drop") == []

    edit(project / "pyproject.toml", 'age = "1ms"', 'ages = "30d"')
    wrong = call("gc", "--dry-run")
    assert wrong.code == 2
    assert "retention" in wrong.err


def test_a_wrong_quantity_is_a_usage_error(call: Tell) -> None:
    """A duration or size that is none is told with the option's name."""
    for option, text in (("--keep-for", "3x"), ("--max-bytes", "much"), ("--keep-runs", "0")):
        answer = call("gc", option, text)
        assert answer.code == 2
        assert option in answer.err


def test_one_collects_at_a_time_and_none_during_a_backup(call: Tell, project: Path) -> None:
    """While another process needs all files to stay `gc` says so, exit code 4, and drops nothing."""
    with keeping(StoreFolder.open(project / ".flowkit")):
        answer = call("gc", "--keep-runs", "1")
        assert call("gc", "--keep-runs", "1", "--dry-run").code == 0
    assert answer.code == 4
    assert "just now" in answer.err


def test_leftovers_go_when_they_are_old_enough(project: Path) -> None:
    """Orphans past the grace period, unfinished and damaged files, checkpoints nobody asks for, logs by age alone."""
    store = project / ".flowkit"
    folder = StoreFolder.open(store)
    key = "ab" * 32
    orphan, stranger = store / "blobs/cd" / ("e" * 62 + ".npy"), store / "blobs/cd/notes.txt"
    places = [orphan, stranger, store / "tmp/7-part", store / "quarantine/x.1", store / "checkpoints" / key / "epoch"]
    for place in (*places, store / "tmp/scratch/inner"):
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(b"x" * 10)

    def left(now: float, **retention: Any) -> list[str]:
        with LineageWriter(folder.database, present=folder.holds) as writer:
            done = collect(folder, writer, Retention(**retention), who="test", now=now)
        return sorted({leftover.kind.value for leftover in done.leftovers})

    now = time.time()
    assert left(now) == []
    assert left(now + 3599) == []
    assert orphan.exists()
    assert left(now + 3700) == ["blob"]
    assert not orphan.exists()
    assert left(now + 25 * 3600) == ["temporary"]
    assert left(now + 31 * 86400) == ["checkpoints", "quarantine"]
    assert stranger.exists()
    assert list((store / "tmp").iterdir()) == []
    assert not (store / "checkpoints" / key).exists()
    logs = len(list((store / "runs").iterdir()))
    assert left(now + 5, age=86400.0) == []
    assert left(now + 40 * 86400, age=41 * 86400.0) == []
    assert len(list((store / "runs").iterdir())) == logs
    assert left(now + 40 * 86400, age=30 * 86400.0) == ["logs"]
    assert list((store / "runs").iterdir()) == []


def test_nothing_is_dropped_that_was_put_since_a_run_began_that_goes_on(project: Path, tmp_path: Path) -> None:
    """Orphans and recorded content that are younger than the oldest live run, less the grace, stay while it goes on."""
    from tests.lineage.samples import make_run

    folder = StoreFolder.open(project / ".flowkit")
    orphan = folder.blobs / "cd" / ("e" * 62 + ".npy")
    orphan.parent.mkdir(exist_ok=True)
    orphan.write_bytes(b"x")
    now = time.time()
    with LineageWriter(folder.database, present=folder.holds) as writer:
        writer.begin_run(make_run("20991231-000000-abcdef", started=now - 60))
        done = collect(folder, writer, Retention(bytes=1), who="test", now=now + 10 * 3600)
        assert done.plan.dropped == ()
        assert done.leftovers == ()
        assert any("has not ended" in fate.reason for fate in done.plan.fates)
        os.utime(orphan)
        # A run that began long after them needs none of them.
        done = collect(folder, writer, Retention(bytes=1), who="test", grace=-120.0, now=now + 10 * 3600)
        assert len(done.plan.dropped) == 5
    assert not orphan.exists()


def test_a_crash_between_forgetting_and_unlinking_leaves_orphans_only(project: Path) -> None:
    """The rows are gone before the files: whatever is left is garbage for the next collection."""
    folder = StoreFolder.open(project / ".flowkit")
    child = os.fork()
    if child == 0:
        collecting_module.unlink_blobs = lambda *_: os._exit(7)  # type: ignore[assignment]
        with LineageWriter(folder.database, present=folder.holds) as writer:
            collect(folder, writer, Retention(bytes=1), who="test")
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    blobs = len(list(folder.blobs.rglob("*.*")))

    named = prove_all(project)
    with LineageWriter(folder.database, present=folder.holds) as writer:
        done = collect(folder, writer, Retention(), who="test", now=time.time() + 7200)

    assert named < blobs
    assert len(done.leftovers) == 5
    assert prove_all(project) == named


class Interleaved(LineageWriter):
    """A writer after whose first drop something else is recorded, as another process may."""

    then: Callable[[], None] | None = None

    def write(self, change):  # type: ignore[no-untyped-def]
        answer = super().write(change)
        if isinstance(answer, tuple) and len(answer) == 2 and self.then is not None:
            then, self.then = self.then, None
            then()
        return answer


def test_a_blob_that_is_named_again_before_it_is_unlinked_stays(project: Path) -> None:
    """Between forgetting and unlinking a run may find the file there and commit: that row keeps its blob."""
    folder = StoreFolder.open(project / ".flowkit")
    with Reader(folder.database) as reader:
        artifacts = {artifact.digest: artifact for artifact in stored_artifacts(reader)}
    with (
        LineageWriter(folder.database, present=folder.holds) as other,
        Interleaved(folder.database, present=folder.holds) as writer,
    ):
        # As a verification does, which has hashed the files just before.
        writer.then = lambda: [other.restamp(artifact) for artifact in artifacts.values()] and other.flush()
        collect(folder, writer, Retention(bytes=1), who="test")

    assert prove_all(project) == len(artifacts)
