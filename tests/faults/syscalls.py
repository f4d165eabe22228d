"""A trace of system calls, read from what strace wrote, and the order that every blob's calls must have in it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from flowkit.store.names import digest_in

TRACED = "write,writev,pwrite64,pwritev,fsync,fdatasync,rename,renameat,renameat2,link,linkat"
STRACE = (
    "strace",
    "-f",
    "--seccomp-bpf",
    "-qq",
    "-y",
    "-xx",
    "-s",
    "20000",
    "-e",
    "signal=none",
    "-e",
    f"trace={TRACED}",
)

_LINE = re.compile(r"(\d+) +(?:<\.\.\. (\w+) resumed>(.*)|(\w+)\((.*))$")
_HEX = re.compile(r"(?:\\x[0-9a-f]{2})+")
_UNFINISHED = " <unfinished ...>"


@dataclass(frozen=True, slots=True)
class SystemCall:
    """A call that succeeded, with the lines of the trace on which it began and had ended.

    Attributes:
        path: The file that a descriptor led to, or that a name was given to.
        source: The name that a file had before it was renamed.
    """

    name: str
    began: int
    ended: int
    path: str
    source: str
    data: bytes


def read_trace(lines: Iterable[str]) -> Iterator[SystemCall]:
    """Yield the calls of a trace that succeeded, in the order in which they ended."""
    open_calls: dict[str, tuple[int, str, str]] = {}
    for number, line in enumerate(lines):
        found = _LINE.match(line.rstrip("\n"))
        if not found:
            continue
        process, resumed, rest, name, text = found.groups()
        if resumed is not None:
            began, name, text = open_calls.pop(process)
            text += rest
        else:
            began = number
            if text.endswith(_UNFINISHED):
                open_calls[process] = number, name, text.removesuffix(_UNFINISHED)
                continue
        arguments, _, result = text.rpartition(" = ")
        if not result.startswith("-") and result != "?":
            yield _call(name, began, number, arguments)


def _call(name: str, began: int, ended: int, arguments: str) -> SystemCall:
    texts = [bytes.fromhex(text.replace("\\x", "")) for text in _HEX.findall(arguments)]
    if name.startswith(("rename", "link")):
        *_, source, target = texts
        return SystemCall(name, began, ended, target.decode(), source.decode(), b"")
    path = texts[0].decode(errors="replace") if "<" in arguments and texts else ""
    return SystemCall(name, began, ended, path, "", b"".join(texts[1:]))


@dataclass(frozen=True, slots=True)
class Verdict:
    """How many blobs were committed, and which of them not in order."""

    blobs: int
    violations: tuple[str, ...]


def judge_order(calls: Iterable[SystemCall], store: Path, blobs: Iterable[str]) -> Verdict:
    """Hold each blob against the order: write, fsync of the file, rename, fsync of its folder, row in the database.

    Args:
        calls: Of all processes.
        store: The store's folder.
        blobs: The names of the blobs that rows name.
    """
    calls = list(calls)
    wrong = []
    names = sorted(blobs)
    for name in names:
        problem = _find_disorder(calls, store, name)
        if problem:
            wrong.append(f"{name}: {problem}")
    return Verdict(len(names), tuple(wrong))


def _find_disorder(calls: list[SystemCall], store: Path, name: str) -> str | None:
    path = str(store / "blobs" / name)
    row = next((call for call in calls if _names_digest(call, store, name)), None)
    if row is None:
        return "no write of a row that names it was seen"
    rename = next((call for call in calls if call.path == path and call.name.startswith(("rename", "link"))), None)
    if rename is None:
        return "it was not renamed into its place"
    writes = [call for call in calls if call.path == rename.source and "write" in call.name]
    syncs = [call for call in calls if call.path == rename.source and call.name in ("fsync", "fdatasync")]
    if any(call.path == path and "write" in call.name for call in calls):
        return "it was written in place"
    if not writes or not syncs:
        return "it was not written and synced under another name"
    if not max(call.ended for call in writes) < syncs[-1].began:
        return "it was written after its sync"
    if not syncs[-1].ended < rename.began:
        return "it was renamed before it was synced"
    folder = str(Path(path).parent)
    settled = [call for call in calls if call.path == folder and call.name == "fsync" and call.began > rename.ended]
    if not any(call.ended < row.began for call in settled):
        return "its row was written before its name was durable"
    return None


def _names_digest(call: SystemCall, store: Path, name: str) -> bool:
    """Whether a call writes a page of the database that holds the blob's digest; the journal has only earlier pages."""
    database = str(store / "lineage.db")
    written = call.path in (database, f"{database}-wal") and "write" in call.name
    return written and bytes.fromhex(digest_in(name)) in call.data
