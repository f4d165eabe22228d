"""`logs` of nodes that run, that were retried, and that have nothing to show."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from flowkit.store.folder import StoreFolder
from flowkit.store.names import LIVE_SUFFIX, log_name
from tests.cli.conftest import Recorded
from tests.commands import MAIN, ROOT, Tell, spawn

SOURCE = """
import time
from pathlib import Path
import flowkit as fk


@fk.step(retries=1)
def slow(gate: fk.Untracked[str]) -> int:
    mark = Path(gate + ".tried")
    print("first words", flush=True)
    if not mark.exists():
        mark.write_text("x")
        raise ValueError("try again")
    while not Path(gate).exists():
        time.sleep(0.02)
    print("last words")
    return 1


@fk.step
def silent(one: int) -> int:
    return one


@fk.pipeline
def waiting(gate: str) -> None:
    silent(slow(gate))
"""


@pytest.fixture
def waiting(project: Path) -> Iterator[tuple[Path, Path]]:
    """A project whose run goes on in another process until the gate is made: both paths."""
    (project / "pipelines/waiting.py").write_text(SOURCE)
    gate = project / "gate"
    process = _start(project, "run", "waiting", "-p", f"gate={gate}")
    yield project, gate
    gate.touch()
    assert process.wait(60) == 0, process.communicate()


def _start(folder: Path, *words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", MAIN, *words],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", "FLOWKIT_WORKERS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def _wait_for_run(folder: Path) -> None:
    """Wait until the first attempt has failed and the second one's words are there."""
    deadline = time.monotonic() + 60
    while not list(folder.glob(".flowkit/runs/*/slow.2.log.live")):
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.slow
@pytest.mark.cluster
def test_follow_prints_a_running_node_until_it_ends(waiting: tuple[Path, Path]) -> None:
    """Another process sees what each attempt prints while it runs, under its heading, and ends with the node."""
    project, gate = waiting
    _wait_for_run(project)
    watcher = _start(project, "logs", "last", "slow", "--follow")
    assert watcher.stdout is not None
    lines = [watcher.stdout.readline() for _ in range(3)]
    assert lines == ["first words\n", "── attempt 2 ──\n", "first words\n"]
    assert not gate.exists()
    now = spawn(project, "logs", "last", "slow", "--attempt", "2")
    assert (now.returncode, now.stdout) == (0, "first words\n")
    gate.touch()
    out, errors = watcher.communicate(timeout=60)
    assert (watcher.returncode, out) == (0, "last words\n")
    assert re.fullmatch(r"slow of run \S+, which goes on\n", errors)
    after = spawn(project, "logs", "last", "slow")
    assert after.stdout == "── attempt 1 ──\nfirst words\n── attempt 2 ──\nfirst words\nlast words\n"
    assert spawn(project, "logs", "last", "slow", "--follow").stdout == after.stdout
    assert not list(project.glob(".flowkit/runs/*/*.live"))


@pytest.mark.slow
@pytest.mark.cluster
def test_follow_prints_the_end_of_what_is_too_long(project: Path) -> None:
    """Of a log whose middle is left out, whoever follows gets a line that says so and the whole end."""
    source = SOURCE.replace(
        'print("last words")', 'print("x" * 12_000_000); print("e" * 4_999_900); print("last words")'
    )
    (project / "pipelines/waiting.py").write_text(source.replace('("first words"', '("f" * 9_000_000'))
    gate = project / "gate"
    process = _start(project, "run", "waiting", "-p", f"gate={gate}")
    _wait_for_run(project)
    watcher = _start(project, "logs", "last", "slow", "--follow", "--attempt", "2")
    assert watcher.stdout is not None
    heading, begun = watcher.stdout.readline(), watcher.stdout.read(8_000_000)
    gate.touch()
    rest, _ = watcher.communicate(timeout=60)
    assert process.wait(60) == 0
    assert (heading, set(begun)) == ("── attempt 2 ──\n", {"f"})
    _, left_out, end = rest.rpartition(" bytes left out …\n")
    assert left_out
    assert end.endswith("e" * 4_999_900 + "\nlast words\n")


@pytest.mark.slow
@pytest.mark.cluster
def test_a_crashed_run_keeps_what_a_long_node_printed_last(project: Path) -> None:
    """Its driver is killed: the log has beginning and end, and says how much is missing; so has it who followed."""
    source = SOURCE.replace("first words", "first words" + "x" * 12_000_000 + "last before the crash")
    (project / "pipelines/waiting.py").write_text(source)
    process = _start(project, "run", "waiting", "-p", f"gate={project / 'gate'}")
    _wait_for_run(project)
    watcher = _start(project, "logs", "last", "slow", "--follow", "--attempt", "2")
    (live,) = project.glob(".flowkit/runs/*/slow.2.log.live")
    deadline = time.monotonic() + 30
    while live.stat().st_size < 12_000_000:
        assert time.monotonic() < deadline, "the end is never there"
        time.sleep(0.02)
    process.kill()
    process.communicate()
    followed, _ = watcher.communicate(timeout=60)

    printed = spawn(project, "logs", "last", "slow", "--attempt", "2").stdout

    assert printed.startswith("first wordsxxx")
    assert re.search("x\n… 2[0-9]{6} bytes left out …\nx", printed)
    assert len(printed) < 10_000_100
    for seen in (printed, followed):
        assert seen.endswith("xlast before the crash\n")


@pytest.mark.slow
@pytest.mark.cluster
def test_ctrl_c_ends_following_and_not_the_run(waiting: tuple[Path, Path]) -> None:
    """Whoever stops watching gets 130; the node it watched goes on. What has not ended is told as such."""
    project, _ = waiting
    _wait_for_run(project)
    watcher = _start(project, "logs", "last", "slow", "-f")
    assert watcher.stdout is not None
    assert watcher.stdout.readline() == "first words\n"
    watcher.send_signal(signal.SIGINT)
    _, errors = watcher.communicate(timeout=30)
    assert (watcher.returncode, errors.split("\n", 1)[1].strip()) == (130, "Interrupted.")
    early = spawn(project, "logs", "last", "silent")
    assert early.returncode == 2
    assert "Nothing is recorded of 'silent'" in early.stderr


@pytest.mark.slow
@pytest.mark.cluster
def test_what_a_node_printed_before_its_driver_was_killed_is_shown(project: Path) -> None:
    """Of a crashed run the nodes that had not ended are listed as `crashed`, and what they had printed is there."""
    (project / "pipelines/waiting.py").write_text(SOURCE)
    process = _start(project, "run", "waiting", "-p", f"gate={project / 'gate'}")
    _wait_for_run(project)
    process.kill()
    process.wait(30)
    listed = spawn(project, "logs", "last", "--json")
    (row,) = json.loads(listed.stdout)["nodes"]
    assert (row["node"], row["outcome"], row["attempts"], row["step"]) == ("slow", "crashed", 2, None)
    assert (project / ".flowkit" / row["log"]).read_text() == "first words\n"
    both = "first words\n── attempt 2 ──\nfirst words\n"
    for words in ((), ("--follow",)):
        shown = spawn(project, "logs", "last", "slow", *words)
        assert (shown.returncode, shown.stdout) == (0, f"── attempt 1 ──\n{both}")
    assert "crashed" in spawn(project, "logs", "last").stdout
    unbegun = spawn(project, "logs", "last", "silent")
    assert unbegun.returncode == 2
    assert "which crashed: it had not printed anything" in unbegun.stderr


def test_logs_of_any_name_are_found_again(tmp_path: Path) -> None:
    """A node's name is read from its log's file; one that is known is left out, also where its file's name is cut."""
    folder = StoreFolder.create_or_open(tmp_path / "store")
    names = ["plain", "Caps[3]", "grün/x", "." * 3, "long" * 50, "live.1.log"]
    run = folder.make_run_folder("run")
    for name in names:
        (run / log_name(name, 1)).write_text("x")
        (run / f"{log_name(name, 2)}{LIVE_SUFFIX}").write_text("x")
    found = folder.find_logged("run")
    assert set(found) == {*names[:4], "long" * 30 + "…", names[5]}
    assert {attempt for attempt, _ in found.values()} == {2}
    assert folder.find_logged("run", names) == {}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["{good}", "fit"], "'fit' printed nothing in run"),
        (["{failed}", "fit"], "'fit' did not run in run"),
        (["{good}", "laod"], "did you mean 'load'?"),
        (["{good}", "laod", "--follow"], "did you mean 'load'?"),
        (["{good}", "load", "--attempt", "3"], "There is no log of attempt 3 of 'load'"),
        (["{good}", "--follow"], "--follow and --attempt need a NODE"),
    ],
)
def test_what_has_no_log_is_told(ask: Tell, recorded_project: Recorded, words: list[str], message: str) -> None:
    """A node that printed nothing, did not run, or is not there, and an attempt that was not, are different errors."""
    filled = [word.format(good=recorded_project.good, failed=recorded_project.failed) for word in words]
    answer = ask("logs", *filled)
    assert (answer.code, answer.out) == (2, "")
    assert message in answer.err


def test_a_finished_node_is_not_followed_for_ever(ask: Tell, recorded_project: Recorded) -> None:
    """--follow of what has ended prints it and ends; whose output it is stands on stderr."""
    answer = ask("logs", recorded_project.good, "load", "--follow")
    assert answer.out == "loading 5\n"
    assert answer.err == f"load of run {recorded_project.good}, succeeded\n"
