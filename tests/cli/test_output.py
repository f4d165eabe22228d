"""What reaches the terminal, the pipe and the disk: nothing that a terminal obeys, and the right exit code."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from flowkit.cli.render.output import visible
from tests.cli.conftest import Recorded
from tests.commands import MAIN, ROOT, edit, spawn

ERASE = "\x1b[1A\x1b[2K"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain, ä 漢", "plain, ä 漢"),
        (f"a{ERASE}b", "a\\x1b[1A\\x1b[2Kb"),
        ("bell\a, return\r, del\x7f", "bell\\x07, return\\r, del\\x7f"),
        ("c1 \x9b2K", "c1 \\x9b2K"),
        ("turned \u202eback\u202c", "turned \\u202eback\\u202c"),
        ("two\nlines\tand a tab", "two\nlines\tand a tab"),
    ],
)
def test_a_terminal_finds_nothing_to_obey(text: str, shown: str) -> None:
    """Control characters and what turns the direction of text are written out; all else stays."""
    assert visible(text) == shown


def test_a_sequence_in_a_source_is_shown_in_the_diff(recorded_project: Recorded) -> None:
    """A literal escape in edited code cannot erase the line above: it stands in the diff, written out."""
    source = recorded_project.root / "pipelines/small.py"
    edit(source, 'print("loading", n)', f'print("loading{ERASE}", n)')

    why = spawn(recorded_project.root, "why", "small", "load")

    assert "\x1b" not in why.stdout
    assert "\\x1b[1A\\x1b[2K" in why.stdout
    edit(source, f'print("loading{ERASE}", n)', 'print("loading", n)')


@pytest.mark.parametrize(
    "words",
    [
        ("plan", "small"),
        ("runs",),
        ("why", "small", "load"),
        ("lineage", "small:1"),
        ("why", "small", "load", "--json"),
    ],
    ids=" ".join,
)
def test_a_reader_that_goes_is_no_failure(recorded_project: Recorded, words: tuple[str, ...]) -> None:
    """`| head` closes the pipe early; the command leaves with 0 and without a traceback."""
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [sys.executable, "-c", MAIN, *words],
        cwd=recorded_project.root,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=write,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    os.close(write)

    assert done.returncode == 0, done.stderr
    assert done.stderr == ""


@pytest.mark.parametrize("words", [("verify",), ("diff", "last", "last")], ids=" ".join)
def test_a_report_that_cannot_be_written_is_told(recorded_project: Recorded, words: tuple[str, ...]) -> None:
    """A full disk below stdout is an error and no silence: a report has nothing else to give."""
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-c", MAIN, *words],
            cwd=recorded_project.root,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )

    assert done.returncode == 1
    assert "No space left on device" in done.stderr
