"""The comparison of what is shown with what came out notices what it must, and only that."""

from __future__ import annotations

from pathlib import Path

import pytest

from .blocks import Block
from .shown import missing_lines

HOME = Path("/srv/some/where")
CAME = """\
run 20261121-025003-90cd11 of small: 2 nodes
load  executed  0.42 s  (new)
train  executed  12 ms  (new)
made 2026-11-21 02:50:03  145404c93ad7  12 KB  score 0.9254683465917936
File "/srv/some/where/x.py"
"""


@pytest.mark.parametrize(
    "shown",
    [
        CAME.replace("025003-90cd11", "111111-aaaaaa").replace("0.42 s", "3 min 05 s").replace("12 KB", "9 B"),
        CAME.replace("145404c93ad7", "0123456789abcdef").replace("02:50:03", "02:50:04"),
        CAME.replace("  ", "      ").replace("/srv/some/where", "/home/you"),
        "...\ntrain  executed  12 ms  (new)\n...",
        "...\nmade ...  score 0.92...",
        "",
    ],
)
def test_what_differs_from_run_to_run_does_not_count(shown: str) -> None:
    """Ids, times, digests, durations, sizes and padding may differ; `...` stands for anything."""
    assert missing_lines(shown.splitlines(), CAME, HOME) == []


@pytest.mark.parametrize(
    "shown",
    [
        CAME.replace("2 nodes", "3 nodes"),
        CAME.replace("train  executed", "train  reused"),
        CAME.replace("0.9254683465917936", "0.9254683465917937"),
        CAME + "one line more\n",
        CAME.replace("train  executed  12 ms  (new)\n", ""),
        "...\nload  executed  1 s  (new)\nload  executed  1 s  (new)",
    ],
)
def test_what_is_wrong_is_noticed(shown: str) -> None:
    """Another number, word or count of lines is told; without `...` so is a line that is not shown."""
    assert missing_lines(shown.splitlines(), CAME, HOME) != []


def test_a_console_block_is_split_into_commands() -> None:
    """Commands go on over lines that end in a backslash, and say their exit code in a comment."""
    text = "$ one \\\n  more\nout\n\n$ two   # exit 3\n"
    first, second = Block("x.md", 1, "console", text, None, None).commands
    assert (first.text, first.shown, first.exit_code) == ("one \\\n  more", ["out", ""], 0)
    assert (second.text, second.shown, second.exit_code) == ("two   # exit 3", [], 3)
