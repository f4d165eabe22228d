"""What a command prints, compared with a golden file: `FLOWKIT_GOLDEN=write pytest tests/errors` writes them anew."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from flowkit.errors import cut
from tests.commands import caller

GOLDEN = Path(__file__).parents[1] / "golden" / "errors"
FILE = "pipelines/shop.py"
_NORMAL = (
    (re.compile(r"\d{8}-\d{6}-[0-9a-f]{6}"), "<run>"),
    (re.compile(r"(<\s?|\b)\d+(\.\d+)? (ms|s|min)\b"), "<time>"),
    (re.compile(r"0x[0-9a-f]{8,}"), "0x…"),
)


@dataclass(frozen=True)
class Case:
    """One thing that a person does wrong.

    Attributes:
        name: The golden file's name, without its ending.
        body: The source of `pipelines/shop.py`, after `import flowkit as fk`.
        command: What is typed after `flowkit`.
        code: The exit code.
        files: Other files of the project, by path.
    """

    name: str
    body: str = ""
    command: str = f"check {FILE}"
    code: int = 2
    files: Mapping[str, str | bytes] = field(default_factory=dict)

    def write(self, root: Path) -> None:
        """Write the case's project."""
        content: dict[str, str | bytes] = {"pyproject.toml": "[project]\nname = 'shop'\n", **self.files}
        if self.body:
            content[FILE] = f"import flowkit as fk\n{self.body}"
        for name, text in content.items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(text if isinstance(text, bytes) else text.encode())


def call(case: Case, root: Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    """Run the case's command in this process and return its exit code and all that it printed, normalised."""
    answer = caller(capsys)(*case.command.split())
    return answer.code, normalise(answer.out + answer.err, root)


def normalise(text: str, root: Path) -> str:
    """Return `text` without what differs between two runs of it: the project's folder, run ids and durations."""
    shown = text.replace(str(root), "<project>").replace(sys.prefix, "<python>")
    for pattern, name in _NORMAL:
        shown = pattern.sub(name, shown)
    return shown


def compare(case: Case, code: int, text: str) -> None:
    """Compare what a command printed with the case's golden file, or write that where it is asked for."""
    path = GOLDEN / f"{case.name}.txt"
    assert "Traceback" not in text.partition("\n")[0], text
    whole = f"$ flowkit {cut(case.command)}   # exit {code}\n{text}"
    if os.environ.get("FLOWKIT_GOLDEN") == "write":
        path.write_text(whole)
    assert code == case.code, text
    assert whole == path.read_text()


def ask(capsys: pytest.CaptureFixture[str], command: str) -> tuple[int, str]:
    """Run a command in this process and return its exit code and what it printed on stdout."""
    answer = caller(capsys)(*command.split())
    return answer.code, answer.out
