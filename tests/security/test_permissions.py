"""What flowkit writes is its user's alone, whatever the umask, and a store that others can write to is not used."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from flowkit.errors import StoreError
from flowkit.store import StoreFolder
from tests.commands import MAIN, ROOT, Tell, caller
from tests.security.projects import make_project

PIPELINE = """
import os
import tempfile
from pathlib import Path

import pandas as pd

import flowkit as fk


def modes() -> list[str]:
    found = []
    for top in (os.environ["STORE"], tempfile.gettempdir()):
        for folder, folders, files in os.walk(top):
            for name in (*folders, *files):
                path = Path(folder, name)
                found.append(f"{path.lstat().st_mode & 0o7777:o} {path}")
    return found


@fk.step
def table(rows: int) -> pd.DataFrame:
    print("said by", rows)
    return pd.DataFrame({"a": range(rows)})


@fk.step
def folder(rows: pd.DataFrame) -> Path:
    made = fk.scratch() / "made"
    made.mkdir()
    (made / "file").write_text("x" * 9000)
    return made


@fk.step(cache=False)
def look(given: Path, model: dict[str, int]) -> list[str]:
    fk.checkpoints()
    print("looking")
    return modes()


@fk.step
def fit(rows: pd.DataFrame) -> dict[str, int]:
    return {"rows": len(rows)}


@fk.step
def score(model: dict[str, int]) -> fk.Metrics:
    return fk.Metrics(accuracy=1)


@fk.step
def fails(seen: list[str]) -> int:
    print("before")
    raise ValueError("no")


@fk.pipeline
def private() -> None:
    rows = table(5000)
    model = fit(rows)
    seen = look(folder(rows), model)
    fk.promote(model, to="private@champion", metrics=score(model), gates=[fk.at_least("accuracy", 0)])
    fails(seen)
"""


def run_under(umask: int, project: Path, temporary: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", MAIN, *words],
        cwd=project,
        env={**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(temporary), "STORE": str(project / ".flowkit")},
        capture_output=True,
        text=True,
        umask=umask,
        check=False,
        timeout=100,
    )


def open_to_others(top: Path) -> list[str]:
    """Return what anybody but its owner may look at, of all that stands at and below a place."""
    found = [top, *(Path(folder, name) for folder, folders, files in os.walk(top) for name in (*folders, *files))]
    return [f"{path.lstat().st_mode:o} {path}" for path in found if path.lstat().st_mode & 0o077]


@pytest.mark.slow
@pytest.mark.cluster
def test_nothing_is_for_others_under_umask_0(tmp_path: Path) -> None:
    """Store, database, journal, blobs, logs, caches, checkpoints, claims and temporary folders, seen while a step runs.

    What steps themselves wrote lies in folders that nobody else can enter.
    """
    project, temporary = make_project(tmp_path / "project", private=PIPELINE), tmp_path / "temporary"
    temporary.mkdir()

    run = run_under(0, project, temporary, "run", "private", "--json", "--workers", "1")
    shown = run_under(0, project, temporary, "artifact", "export", "last:look", "seen.json")

    assert (run.returncode, shown.returncode) == (1, 0), run.stderr + shown.stderr
    store = project / ".flowkit"
    assert [text for text in open_to_others(store) if "/checkpoints/" not in text] == []
    assert stat.S_IMODE(store.stat().st_mode) == 0o700
    assert stat.S_IMODE((store / "lineage.db").stat().st_mode) == 0o600
    assert {stat.S_IMODE(blob.stat().st_mode) for blob in store.glob("blobs/*/*")} == {0o400}
    assert {stat.S_IMODE(log.stat().st_mode) for log in store.glob("runs/*/*.log")} == {0o600}
    seen = [text.split(" ", 1) for text in json.loads((project / "seen.json").read_text())]
    private = {path for mode, path in seen if not int(mode, 8) & 0o077}
    exposed = [
        f"{mode} {path}" for mode, path in seen if not private.intersection((path, *map(str, Path(path).parents)))
    ]
    assert len(seen) > 20
    assert exposed == []


@pytest.mark.slow
def test_a_umask_that_takes_everything_away_breaks_nothing(tmp_path: Path) -> None:
    """Under umask 077 a run does as ever."""
    project = make_project(tmp_path / "project", private=PIPELINE)
    (tmp_path / "temporary").mkdir()

    run = run_under(0o077, project, tmp_path / "temporary", "run", "private", "--json", "--inline", "--select", "+look")

    assert run.returncode == 0, run.stderr
    assert open_to_others(project / ".flowkit") == []


@pytest.mark.parametrize("place", ["", "blobs"])
@pytest.mark.parametrize("command", ["run", "runs"])
def test_a_store_that_everybody_can_write_to_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], place: str, command: str
) -> None:
    """Whoever can put a pickle there chooses what runs: exit code 4, the folder, and how to close it."""
    project = make_project(tmp_path / "project", private=PIPELINE)
    store = project / ".flowkit"
    StoreFolder.create_or_open(store)
    (store / place).chmod(0o777)
    monkeypatch.chdir(project)
    call: Tell = caller(capsys)

    answer = call(*{"run": ("run", "private", "--inline"), "runs": ("runs",)}[command])

    assert answer.code == 4, answer.out
    assert "Everybody on this machine can write" in answer.err
    assert f"chmod o-w {store / place}" in answer.err


def test_a_store_shared_with_a_group_is_used(tmp_path: Path) -> None:
    """Colleagues who may write to a store were let in on purpose."""
    StoreFolder.create_or_open(tmp_path / "store").path.chmod(0o770)

    assert StoreFolder.create_or_open(tmp_path / "store").path == tmp_path / "store"
    assert stat.S_IMODE((tmp_path / "store").stat().st_mode) == 0o770


def test_a_store_may_be_a_link_and_a_blob_may_not(tmp_path: Path) -> None:
    """`.flowkit` may lead to a larger disk, which is judged itself; a blob's link is not followed."""
    real = StoreFolder.create_or_open(tmp_path / "real")
    (tmp_path / "link").symlink_to(real.path)
    linked = StoreFolder.create_or_open(tmp_path / "link")
    name = f"ab/{'c' * 62}.bytes"
    (real.blobs / "ab").mkdir()
    (real.blobs / name).symlink_to("/etc/passwd")

    assert linked.stamp(name) is None
    real.path.chmod(0o777)
    with pytest.raises(StoreError, match="Everybody"):
        StoreFolder.create_or_open(tmp_path / "link")
