"""What must not run again: edits, moves and values that are the same in all that counts."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from tests.commands import MAIN, ROOT
from tests.conformance.data_tables import Difference
from tests.conformance.hit_project import known_nodes, make_hits
from tests.conformance.hit_tables import EQUAL_PARAMETERS, EQUAL_VALUES, HARMLESS, Harmless
from tests.conformance.project_folder import Project
from tests.journeys.project import Outcome

pytestmark = pytest.mark.slow

MAKERS = {f"make_{n}" for n in range(len(EQUAL_VALUES))} | {f"make_same_{n}" for n in range(len(EQUAL_VALUES))}


@pytest.fixture(scope="module")
def changed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Project, Outcome]:
    """Return the project, and what the run did that came after all harmless changes."""
    return make_hits(tmp_path_factory.mktemp("hits") / "project")


@pytest.mark.parametrize("case", HARMLESS, ids=[case.label for case in HARMLESS])
def test_a_harmless_edit_runs_nothing(changed: tuple[Project, Outcome], case: Harmless) -> None:
    """A step is reused where what changed does not count."""
    node = changed[1].nodes[case.step]
    assert (node["outcome"], node["detail"]) == ("reused", None)


@pytest.mark.parametrize(("n", "case"), list(enumerate(EQUAL_VALUES)), ids=[case.label for case in EQUAL_VALUES])
def test_an_equal_value_does_not_run_its_consumer(changed: tuple[Project, Outcome], n: int, case: Difference) -> None:
    """A producer that runs again and gives the same, in whatever form, stops the wave."""
    nodes = changed[1].nodes
    assert (nodes[f"make_{n}"]["outcome"], nodes[f"make_{n}"]["reason"]) == ("executed", "code")
    assert nodes[f"take_{n}"]["outcome"] == "reused"


@pytest.mark.parametrize(("n", "case"), list(enumerate(EQUAL_PARAMETERS)), ids=[c.label for c in EQUAL_PARAMETERS])
def test_an_equal_parameter_does_not_run_its_step(changed: tuple[Project, Outcome], n: int, case: Difference) -> None:
    """A step is reused where it is called with the same, written or made in another way."""
    assert changed[1].nodes[f"keep_{n}"]["outcome"] == "reused"


def test_nothing_else_runs(changed: tuple[Project, Outcome]) -> None:
    """After all harmless changes at once, the producers whose code was edited run, and no other step."""
    assert set(changed[1].named("executed")) == MAKERS


PLACES = {
    "case 83: project moved to another path": {"moved": True},
    "case 84: other working directory": {"elsewhere": True},
    "case 85: PYTHONHASHSEED": {"PYTHONHASHSEED": "4242"},
    "case 95: driver against worker process": {"workers": True},
}


@pytest.mark.parametrize("how", PLACES.values(), ids=PLACES)
def test_nothing_runs_from_another_place(
    changed: tuple[Project, Outcome], tmp_path: Path, how: dict[str, bool | str]
) -> None:
    """A store is good wherever the project lies, and wherever, how and by whom it is asked; it holds the same again.

    In the store as it is nothing runs. In a store of its own, everything has the same key and gives the same bytes.
    """
    project, done = changed
    if how.get("moved"):
        project = Project(Path(shutil.copytree(project.root, tmp_path / "other place" / "project", symlinks=True)))
        shutil.rmtree(project.root / "harmless" / "__pycache__", ignore_errors=True)
    cwd = tmp_path if how.get("elsewhere") else None
    arguments = ["--workers", "2"] if how.get("workers") else []
    variables = {name: value for name, value in how.items() if isinstance(value, str)}

    again = project.run("hits", *arguments, cwd=cwd, **variables)
    anew = project.run("hits", *arguments, "--store", str(tmp_path / "store"), cwd=cwd, **variables)

    assert again.named("executed") == []
    assert len(anew.named("executed")) > len(MAKERS)
    assert known_nodes(anew) == known_nodes(again) == known_nodes(done)


INTERRUPTED = '''"""Quick steps, one that waits to be killed, and one that fails as long as a file says so."""

import time
from pathlib import Path

import flowkit as fk


@fk.step
def quick(number: int) -> bytes:
    return bytes([number]) * 10_000


@fk.step
def slow(content: bytes, marks: fk.Untracked[str]) -> int:
    Path(marks, "started").touch()
    while Path(marks, "wait").exists():
        time.sleep(0.01)
    return len(content)


@fk.step
def picky(switch: Path) -> str:
    if switch.read_text() == "fail":
        raise ValueError("not today")
    return "well"


@fk.step
def after(number: int, word: str) -> str:
    return f"{number} {word}"


@fk.pipeline
def interrupted(marks: str) -> None:
    first, second = quick(1), quick(2)
    after(slow(second, marks), picky(Path("data/switch")))
'''


@pytest.fixture
def interrupted(tmp_path: Path) -> tuple[Project, list[str]]:
    """Return a project in which everything has run but what failed and what was killed on the way."""
    project = Project.make(tmp_path / "project")
    project.write("pipelines/interrupted.py", INTERRUPTED)
    project.write("data/switch", "fail")
    marks = tmp_path / "marks"
    marks.mkdir()
    (marks / "wait").touch()
    command = ["run", "pipelines/interrupted.py", "--json", "--workers", "1", "-p", f"marks={marks}"]
    driver = subprocess.Popen(
        [sys.executable, "-c", MAIN, *command],
        cwd=project.root,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        deadline = time.monotonic() + 60
        while not ((marks / "started").exists() and recorded(project.root / ".flowkit") == ["quick", "quick#2"]):
            assert driver.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.02)
    finally:
        os.kill(driver.pid, signal.SIGKILL)
        driver.wait()
        (marks / "wait").unlink()
    return project, command


@pytest.mark.cluster
@pytest.mark.parametrize("times", [2], ids=["case 98: after a failure elsewhere, a kill, a restart, orphans removed"])
def test_what_had_succeeded_is_never_run_again(interrupted: tuple[Project, list[str]], times: int) -> None:
    """What was recorded before a kill is reused, and so is what succeeded beside a failure."""
    project, command = interrupted

    failed = project.flowkit(*command)
    assert failed.code == 1
    assert failed.named("reused") == ["quick", "quick#2"]
    assert failed.named("executed") == ["slow"]

    project.write("data/switch", "succeed")
    shutil.rmtree(project.root / ".flowkit" / "runs")
    remove_orphans(project.root / ".flowkit")
    mended = project.flowkit(*command)
    assert mended.named("executed") == ["picky", "after"]
    assert mended.named("reused") == ["quick", "quick#2", "slow"]
    assert [project.flowkit(*command).named("executed") for _ in range(times)] == [[]] * times


def recorded(store: Path) -> list[str]:
    """Return the nodes that the store knows to have executed."""
    with closing(sqlite3.connect(store / "lineage.db")) as database:
        rows = database.execute("SELECT node FROM nodes WHERE outcome = 'executed' ORDER BY node")
        return [node for (node,) in rows]


def remove_orphans(store: Path) -> None:
    """Remove every blob that no row names, one that is made here among them."""
    (store / "blobs" / "ab").mkdir(exist_ok=True)
    orphan = store / "blobs" / "ab" / f"{'c' * 62}.bin"
    orphan.write_bytes(b"left over")
    with closing(sqlite3.connect(store / "lineage.db")) as database:
        named = {digest for (digest,) in database.execute("SELECT lower(hex(digest)) FROM blob_file")}
    for blob in [path for path in (store / "blobs").rglob("*") if path.is_file()]:
        if blob.parent.name + blob.name.partition(".")[0] not in named:
            blob.unlink()
    assert not orphan.exists()
