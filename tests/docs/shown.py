"""Compare what a document shows with what really came out.

Run ids, times, digests, durations and sizes differ from run to run, and columns are padded to them: they are made
equal first. A line `...` stands for any lines, `...` within a line for any text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

HOME = "/home/you"
"""The folder in which the documents' reader works."""

_SAME = (
    (re.compile(r"\x1b\[[0-9;]*m"), ""),
    (re.compile(r"\b\d{8}-\d{6}-[0-9a-f]{6}\b"), "RUN"),
    (re.compile(r"\b\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(?:\.\d+)?Z?"), "MOMENT"),
    (re.compile(r"\b\d{4}-\d\d-\d\d\b"), "DATE"),
    (re.compile(r"(?<![\w.])[0-9a-f]{12,64}\b"), "DIGEST"),
    (re.compile(r"<?\b\d+ h \d\d min\b|<?\b\d+ min \d\d s\b|<?\b\d+(?:\.\d+)? (?:ms|s)\b"), "DURATION"),
    (re.compile(r"\b\d+(?:\.\d+)? (?:B|KB|MB|GB)(?!\w)"), "SIZE"),
    (re.compile(r"-{2,}"), "--"),
    (re.compile(r"\s+"), " "),
)


def normalised(text: str, home: Path) -> list[str]:
    """Return the lines that are not empty, with what differs from run to run made equal.

    Args:
        text: Output, or what is shown of it.
        home: The folder that stands for `HOME` in this run.
    """
    text = text.replace(str(home), HOME)
    for pattern, same in _SAME[:-1]:
        text = pattern.sub(same, text)
    return [line for raw in text.splitlines() if (line := _SAME[-1][0].sub(" ", raw).strip())]


def missing_lines(shown: Iterable[str], output: str, home: Path) -> list[str]:
    """Return shown lines that did not come out; where no line is `...`, also those that came out and are not shown.

    The order is not compared: steps end in any order.
    """
    wanted = normalised("\n".join(shown), home)
    came = normalised(output, home)
    missing = []
    for line in [line for line in wanted if line != "..."]:
        pattern = re.compile(".*".join(map(re.escape, line.split("..."))))
        found = next((index for index, candidate in enumerate(came) if pattern.fullmatch(candidate)), None)
        if found is None:
            missing.append(f"shown, but did not come out: {line}")
        else:
            del came[found]
    if wanted and "..." not in wanted:
        missing += [f"came out, but is not shown: {line}" for line in came]
    return missing
