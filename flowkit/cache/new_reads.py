"""What edited code may read that the code before it did not: told from the two texts, since it has not run.

What a step reads undeclared is noticed while it runs. A result that is kept for edited code was made by other code, so
only what that read is watched.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Collection, Iterable
from functools import lru_cache

from msgspec import Struct

from flowkit.fingerprint.references import words_read
from flowkit.records import CodeFingerprint, CodePart

_TABLES = ("csv", "excel", "feather", "fwf", "json", "orc", "parquet", "pickle", "table", "ipc", "ndjson")

FILES = frozenset(
    (
        *("open", "read_text", "read_bytes", "iterdir", "glob", "rglob", "listdir", "scandir", "exists", "is_file"),
        *("fromfile", "genfromtxt", "loadtxt", "memmap"),
        *(f"{verb}_{table}" for verb in ("read", "scan") for table in _TABLES),
    )
)
"""What code calls to read files and folders, by names that hardly mean anything else."""

VARIABLES = frozenset({"environ", "environb", "getenv", "getenvb", "expandvars"})
"""What code calls to read environment variables."""


class NewReads(Struct, frozen=True):
    """What edited code may read that nobody has watched.

    Attributes:
        readers: (function, reader) where it plainly reads what the code before did not read.
        may_be: Whether it may read more than the code before, though that cannot be told from the texts.
    """

    readers: tuple[tuple[str, str], ...]
    may_be: bool


def find_new_reads(
    before: CodeFingerprint, current: CodeFingerprint, declared: Collection[str], *, takes_files: bool, has_read: bool
) -> NewReads:
    """Return what edited code may newly read undeclared.

    Only code that reads a file or a variable where the code before read none at all, and declares none, is sure to
    read something new: another way to read the same is a refactoring.

    Args:
        before: The code that made the result.
        current: The edited code.
        declared: The environment variables that the step declares.
        takes_files: Whether files are among its arguments.
        has_read: Whether the code that made the result read anything undeclared.
    """
    if _is_renamed(before.parts, current.parts):
        return NewReads((), may_be=False)
    same = {part.digest for part in before.parts} & {part.digest for part in current.parts}
    old, new = _words_by_part(before.parts), _words_by_part(current.parts)
    parts = (*((old, part) for part in before.parts), *((new, part) for part in current.parts))
    if any(side.get(part.name, frozenset()) is None for side, part in parts if part.digest not in same):
        return NewReads((), may_be=True)
    own = {_last_name(part.name) for _, part in parts}
    known, now = (frozenset().union(*(words or () for words in side.values())) - own for side in (old, new))
    sought = (frozenset() if takes_files or known & FILES else FILES) | (
        frozenset() if now.intersection(declared) or known & VARIABLES else VARIABLES
    )
    readers = [(part, word) for part, words in new.items() for word in sorted((words or frozenset()) & sought - own)]
    return NewReads(tuple(readers), has_read or bool(now & (FILES | VARIABLES)) or not now <= known)


def _is_renamed(before: Iterable[CodePart], current: Iterable[CodePart]) -> bool:
    """Whether nothing differs but what functions, classes and globals are called."""
    old, new = list(before), list(current)
    then, now = ({_last_name(part.name) for part in side} for side in (old, new))
    texts = (
        sorted(_without(part.source, names) for part in side) for side, names in ((old, then - now), (new, now - then))
    )
    return next(texts) == next(texts)


def _without(source: str, names: Collection[str]) -> str:
    return re.sub(r"\w+", lambda word: "" if word[0] in names else word[0], source) if names else source


def _words_by_part(parts: Iterable[CodePart]) -> dict[str, frozenset[str] | None]:
    """Return what each part of the code reads by name, and its texts; None where its text cannot be read."""
    return {
        part.name: frozenset(part.source.split()) if part.basis == "bytecode" else _words_of(part.source)
        for part in parts
        if part.basis != "value"
    }


@lru_cache(maxsize=65_536)
def _words_of(source: str) -> frozenset[str] | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return words_read(compile(source, "<part>", "exec", dont_inherit=True))
    except (SyntaxError, ValueError, RecursionError):
        return None


def _last_name(part: str) -> str:
    return part.replace(":", ".").rpartition(".")[2]
