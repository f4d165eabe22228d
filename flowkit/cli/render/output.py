"""Where output goes: JSON for machines, tables for people."""

from __future__ import annotations

import contextlib
import json
import math
import os
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import click

from flowkit.errors import OutputError

_COLUMN_GAP = "  "
_CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_HALVES = re.compile("[\ud800-\udfff]")
"""Halves of characters, such as a byte in a file's name that is no UTF-8 becomes: no output can encode them."""
_NARROW, _WIDE = 80, 200
_NARROWEST = 12
"""A column is not made narrower than this, nor a cell that fits in it broken."""
_COPIED = ("node", "run")
"""What a person copies into the next command is never broken, nor is what stands first."""
OUTCOME_STYLES = {
    "executed": "green",
    "run": "green",
    "succeeded": "green",
    "reused": "cyan",
    "reuse": "cyan",
    "failed": "bold red",
    "crashed": "bold red",
    "refused": "yellow",
    "blocked": "yellow",
    "cancelled": "yellow",
    "skipped": "yellow",
    "unknown": "magenta",
    "accepted": "green",
}
"""Colour of a word on a terminal; words alone carry the meaning."""


def print_json(content: Mapping[str, Any], file: Path | None = None) -> None:
    """Print one JSON object on stdout: strict JSON, on one line; what is not a finite number is null there.

    Args:
        content: The object.
        file: Where to instead of stdout.
    """
    text = json_text(_finite(content))
    if file is None:
        click.echo(text)
    else:
        write_text(file, text + "\n")


def json_text(content: Any) -> str:
    """Return strict JSON on one line; what no output can encode is escaped in it, as JSON has it."""
    text = json.dumps(content, ensure_ascii=False, allow_nan=False)
    return _HALVES.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def write_text(file: Path, text: str) -> None:
    """Write a file, whole or not at all.

    Raises:
        OutputError: It cannot be written.
    """
    partial = file.with_name(f".{file.name}.{os.getpid()}.partial")
    try:
        partial.write_text(text, encoding="utf-8", errors="backslashreplace")
        partial.replace(file)
    except OSError as error:
        raise OutputError.for_file(str(file), error.strerror or str(error)) from error
    finally:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)


def _finite(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    return [_finite(item) for item in value] if isinstance(value, (list, tuple)) else value


def visible(text: str, *, keep: str = "\n\t") -> str:
    """Return a text in which a terminal finds nothing to obey: controls, halves, what turns the direction.

    Sources, parameters and results are other people's: a sequence in them could erase the line above a question.

    Args:
        text: What is to be printed.
        keep: Control characters that stay as they are.
    """
    return _CONTROLS.sub(lambda found: found[0] if found[0] in keep else ascii(found[0])[1:-1], text)


def tell(text: str, *, err: bool = False, nl: bool = True) -> None:
    """Print a text for people, with nothing in it that a terminal would obey."""
    click.echo(visible(text), err=err, nl=nl)


def say(text: str) -> None:
    """Print a line; where its reader has gone, as `head` does, or its disk is full, the rest goes nowhere.

    What goes on must not end for want of a reader: a run is worth more than its lines.
    """
    try:
        tell(text)
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def on_terminal(stream: IO[str] | None = None) -> bool:
    """Whether a person reads the stream (stdout by default) on a terminal that can do more than plain lines."""
    stream = sys.stdout if stream is None else stream
    # Python has no stream at all where the process was started with a closed one.
    return stream is not None and stream.isatty() and os.environ.get("TERM") != "dumb"


def terminal_width() -> int:
    """Return the columns there are: between 80 and 200, whatever the terminal says."""
    import shutil

    return min(max(shutil.get_terminal_size((_NARROW, 24)).columns, _NARROW), _WIDE)


def print_table(
    columns: Sequence[str], rows: Iterable[Sequence[object]], right: Sequence[str] = (), *, plain: bool = False
) -> None:
    """Print rows under headings: with rich on a terminal, as aligned plain columns that nothing cuts elsewhere.

    Args:
        columns: Headings; a column that is empty in every row is left out.
        rows: One value a column; None is empty.
        right: Headings of the columns that hold numbers.
        plain: Whether to do without rich on a terminal too, where nothing heavy may be loaded.
    """
    texts = [["" if value is None else visible(str(value), keep="") for value in row] for row in rows]
    kept = [index for index in range(len(columns)) if any(row[index] for row in texts)] or [0]
    names = [columns[index] for index in kept]
    shown = [[row[index] for index in kept] for row in texts]
    if not on_terminal():
        _print_plain(names, shown, right)
    elif _is_cramped(names, shown, terminal_width()):
        _print_stacked(shown, terminal_width())
    elif plain:
        _print_plain(names, shown, right)
    else:
        _print_rich(names, shown, right)


def _print_plain(columns: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[str]) -> None:
    widths = _widths(columns, rows)
    for row in (columns, *rows):
        cells = [
            text.rjust(width) if name in right else text.ljust(width)
            for name, text, width in zip(columns, row, widths, strict=True)
        ]
        click.echo(_COLUMN_GAP.join(cells).rstrip())


def _widths(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> list[int]:
    return [max(len(text) for text in column) for column in zip(columns, *rows, strict=True)]


def _is_cramped(columns: Sequence[str], rows: Sequence[Sequence[str]], width: int) -> bool:
    """Whether columns would be so narrow that a cell becomes a ribbon of letters beside a long first column."""
    least = [
        natural if index == 0 or name in _COPIED else min(natural, _NARROWEST)
        for index, (name, natural) in enumerate(zip(columns, _widths(columns, rows), strict=True))
    ]
    return sum(least) + len(_COLUMN_GAP) * (len(least) - 1) > width


def _print_stacked(rows: Sequence[Sequence[str]], width: int) -> None:
    """Print each row as its first cell, with the others indented below it; nothing is cut."""
    import textwrap

    for first, *others in rows:
        click.echo(first)
        rest = _COLUMN_GAP.join(text for text in others if text)
        for line in textwrap.wrap(
            rest, width - 1, initial_indent="    ", subsequent_indent="    ", break_on_hyphens=False
        ):
            click.echo(line)


def _print_rich(columns: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[str]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    widths = _widths(columns, rows)
    table = Table(box=None, pad_edge=False, padding=(0, len(_COLUMN_GAP), 0, 0), header_style="bold")
    for index, name in enumerate(columns):
        table.add_column(
            name,
            justify="right" if name in right else "left",
            overflow="fold",
            no_wrap=index == 0 or name in _COPIED or widths[index] <= _NARROWEST,
        )
    for row in rows:
        table.add_row(*(Text(text, style=OUTCOME_STYLES.get(text, "")) for text in row))
    Console(width=terminal_width(), highlight=False).print(table)
