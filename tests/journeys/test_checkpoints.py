"""A long step that is killed goes on where it was."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.journeys.project import OrdersProject

pytestmark = [pytest.mark.cluster, pytest.mark.slow]

TRAINING = '''
"""A training of six epochs that logs each of them, and its process, outside of the project."""

import os
import time
from pathlib import Path

import flowkit as fk

LOG = Path(os.environ["EPOCHS_LOG"])


@fk.step
def train(epochs: int = 6) -> list[int]:
    kept = fk.checkpoints() / "epoch.txt"
    done = int(kept.read_text()) if kept.exists() else 0
    for epoch in range(done, epochs):
        with LOG.open("a") as log:
            log.write(f"{epoch} {os.getpid()}\\n")
        if os.environ.get("SLOWLY") and epoch == 3:
            time.sleep(60)
        kept.with_suffix(".new").write_text(str(epoch + 1))
        kept.with_suffix(".new").replace(kept)
    return list(range(epochs))


@fk.pipeline
def training(epochs: int = 6) -> None:
    train(epochs)
'''


@pytest.mark.parametrize("victim", ["host", "driver"])
def test_a_killed_step_goes_on_where_it_was(tmp_path: Path, victim: str) -> None:
    """Killed in its fourth epoch, a step begins with that in the next run, and leaves nothing once it succeeds."""
    project = OrdersProject.make(tmp_path / "training")
    (project.root / "pipelines" / "training.py").write_text(TRAINING)
    log = tmp_path / "epochs.log"
    driver = subprocess.Popen(
        [sys.executable, "-m", "flowkit", "run", "pipelines/training.py", "--workers", "1"],
        cwd=project.root,
        env={**os.environ, "EPOCHS_LOG": str(log), "SLOWLY": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    host = _wait_for_epoch(log, 3)
    if victim == "host":
        os.kill(host, signal.SIGKILL)
    else:
        os.killpg(driver.pid, signal.SIGKILL)
    driver.wait(timeout=30)
    kept = project.root / ".flowkit" / "checkpoints"
    assert [path.stat().st_mode & 0o777 for path in kept.iterdir() if path.is_dir()] == [0o700]

    run = project.flowkit("run", "pipelines/training.py", "--json", "--workers", "1", EPOCHS_LOG=str(log))

    assert run.code == 0, run.err
    assert run.named("executed") == ["train"]
    assert [line.split()[0] for line in log.read_text().splitlines()] == ["0", "1", "2", "3", "3", "4", "5"]
    assert list(kept.iterdir()) == []


def test_another_node_begins_afresh(tmp_path: Path) -> None:
    """Other arguments and edited code never find what another node has kept."""
    project = OrdersProject.make(tmp_path / "training")
    source = TRAINING.replace(
        "    return list", '    if os.environ.get("FAIL"):\n        raise OSError\n    return list'
    )
    (project.root / "pipelines" / "training.py").write_text(source)
    log = tmp_path / "epochs.log"
    given = {"EPOCHS_LOG": str(log)}

    assert project.flowkit("run", "pipelines/training.py", "--inline", **given, FAIL="1").code == 1
    assert project.flowkit("run", "pipelines/training.py", "--inline", "-p", "epochs=2", **given).code == 0
    assert project.flowkit("run", "pipelines/training.py", "--inline", **given).code == 0
    project.edit("pipelines/training.py", "list(range(epochs))", "[*range(epochs)]")
    assert project.flowkit("run", "pipelines/training.py", "--inline", **given).code == 0

    assert [int(line.split()[0]) for line in log.read_text().splitlines()] == [*range(6), *range(2), *range(6)]


def _wait_for_epoch(log: Path, epoch: int) -> int:
    end = time.monotonic() + 60
    while time.monotonic() < end:
        lines = log.read_text().splitlines() if log.exists() else []
        if lines and lines[-1].startswith(f"{epoch} "):
            return int(lines[-1].split()[1])
        time.sleep(0.05)
    raise AssertionError("the training did not get that far")
