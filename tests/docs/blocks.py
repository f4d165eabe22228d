"""The fenced blocks of a document, and how they are marked.

- A block whose first line is a comment with a path (`# pipelines/first.py`) is a file of the project.
- Other `python` blocks are executed in the project.
- `console` blocks hold `$ commands`, each with the output that it shows; `# exit 1` at a command's end is its code.
- `sql` blocks are asked of the project's store; a `text` block right after one shows the answer.
- `<!-- not run: reason -->` before a block keeps it from being run.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
LANGUAGES = frozenset({"console", "python", "sql", "text", "toml"})

_FENCE = re.compile(r"(?P<indent> *)```(?P<language>\w*)\n(?P<text>.*?)^(?P=indent)```$", re.DOTALL | re.MULTILINE)
_MARK = re.compile(r"<!-- not run: (?P<reason>.+?) -->\s*\Z")
_FILE = re.compile(r"# (?P<path>[\w./-]+\.(?:py|toml))\s*\Z")
_EXIT = re.compile(r"#\s*exit (\d+)\s*\Z")


@dataclass(frozen=True)
class Block:
    """One fenced block.

    Attributes:
        line: Of its opening fence, from 1.
        reason: Why it is not run; None where it is.
        after: The language of the block before it, where nothing but white space stands between.
    """

    document: str
    line: int
    language: str
    text: str
    reason: str | None
    after: str | None

    def __str__(self) -> str:
        return f"{self.document}:{self.line}"

    @property
    def path(self) -> str | None:
        """The file of the project that the block is, None where it is not one."""
        found = _FILE.match(self.text.split("\n", 1)[0])
        return found["path"] if found else None

    @property
    def commands(self) -> list[Command]:
        """The commands of a `console` block."""
        commands: list[Command] = []
        continued = False
        for line in self.text.splitlines():
            if line.startswith("$ "):
                commands.append(Command(line[2:], []))
            elif continued:
                commands[-1].text += "\n" + line
            elif commands:
                commands[-1].shown.append(line)
            else:
                raise AssertionError(f"{self}: output before the first command: {line}")
            continued = line.endswith("\\") and not commands[-1].shown
        return commands


@dataclass
class Command:
    """One command and the lines that the document shows of its output."""

    text: str
    shown: list[str]

    @property
    def exit_code(self) -> int:
        """The exit code that the document claims."""
        found = _EXIT.search(self.text)
        return int(found[1]) if found else 0


def documents() -> list[Path]:
    """Return README.md and everything below docs/."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def blocks_of(path: Path) -> list[Block]:
    """Return a document's fenced blocks, in order."""
    text = path.read_text(encoding="utf-8")
    blocks: list[Block] = []
    end = 0
    for match in _FENCE.finditer(text):
        between = text[end : match.start()]
        mark = _MARK.search(between)
        blocks.append(
            Block(
                document=str(path.relative_to(ROOT)),
                line=text.count("\n", 0, match.start()) + 1,
                language=match["language"],
                text=match["text"],
                reason=mark["reason"] if mark else None,
                after=blocks[-1].language if blocks and not between.strip() else None,
            )
        )
        end = match.end()
    return blocks
