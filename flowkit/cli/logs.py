"""`logs`: what nodes printed, also while they run."""

from __future__ import annotations

import os
import re
import shutil
import sys
import time
from collections.abc import Collection
from pathlib import Path
from typing import BinaryIO

import click
from msgspec import Struct, to_builtins

from flowkit.cli import options
from flowkit.cli.completers import complete_node, complete_run
from flowkit.cli.looking import StoreView, open_store
from flowkit.cli.render.formats import format_seconds
from flowkit.cli.render.output import print_json, print_table
from flowkit.engine.report import JSON_FORMAT
from flowkit.errors import NotRecordedError, UsageError
from flowkit.execution.capture import LONGEST_LOG
from flowkit.lineage.history import details_of, find_run, nodes_of, run_summary
from flowkit.lineage.liveness import is_driven
from flowkit.records import RunStatus
from flowkit.store.names import LIVE_SUFFIX

_PAUSE = 0.1
_PIECE = 1 << 16
_UNENDED = (RunStatus.RUNNING, RunStatus.CRASHED)
"""How a run stands some of whose nodes may not have ended."""
_LEFT_OUT = re.compile("\n… [0-9]+ bytes left out …\n".encode())


@click.command(
    epilog=options.example("flowkit logs last train", "flowkit logs last train --follow", "flowkit logs last")
)
@click.argument("run", shell_complete=complete_run)
@click.argument("node", required=False, shell_complete=complete_node)
@click.option("-f", "--follow", is_flag=True, help="Print what a running node prints, until it has ended.")
@click.option(
    "--attempt", type=click.IntRange(min=1), metavar="N", help="Print only the N-th attempt of a node that was retried."
)
@options.looking_back
def logs(
    run: str, node: str | None, follow: bool, attempt: int | None, env: str | None, store: Path | None, as_json: bool
) -> None:
    """Print what a node printed.

    RUN is a run's id, its beginning, or 'last'. Without NODE the nodes of the run are listed, with where their logs
    are; of a run that goes on or crashed also those that had not ended. Of a node that was retried every attempt is
    printed, under a line that names it. Of a reused node it is what the run printed that executed it.
    """
    if (follow or attempt) and (node is None or as_json):
        raise UsageError.for_command_line("--follow and --attempt need a NODE, and go without --json.", "flowkit logs")
    with open_store(env, store) as view:
        identity = find_run(view.reader, run)
        if node is None or as_json:
            _list(view, identity, node, as_json=as_json)
        elif follow:
            _follow(view, identity, node, attempt)
        else:
            _print_all(view, identity, node, attempt)


class _Listed(Struct, frozen=True):
    """A node of the list: its row, and the path of its log below the store.

    The outcome of one that has not ended is its run's status; which step it is of is not recorded then.
    """

    run: str
    node: str
    step: str | None
    map_index: int | None
    outcome: str
    reason: str | None
    detail: str | None
    cache_key: str | None
    entry_key: str | None
    attempts: int
    started: str | None
    seconds: float | None
    worker: str | None
    peak_memory: int | None
    log: str | None


def _list(view: StoreView, run: str, node: str | None, *, as_json: bool) -> None:
    details = details_of(view.reader, run)
    listed = [_Listed(**to_builtins(row), log=details[row.node].log) for row in nodes_of(view.reader, run)]
    listed = [row for row in (*listed, *_unended(view, run, details)) if node in (None, row.node)]
    if node is not None and not listed:
        raise _unknown(view, run, node)
    if as_json:
        print_json({"format": JSON_FORMAT, "nodes": [to_builtins(row) for row in listed]})
        return
    print_table(
        ("node", "outcome", "time", "log"),
        [(row.node, row.outcome, format_seconds(row.seconds), row.log) for row in listed],
        right=("time",),
    )


def _unended(view: StoreView, run: str, recorded: Collection[str]) -> list[_Listed]:
    """Return the nodes that have printed something and of which nothing is recorded: their run goes on, or crashed."""
    status = run_summary(view.reader, run).status
    if status not in _UNENDED:
        return []
    return [
        _Listed(
            run=run,
            node=node,
            step=None,
            map_index=None,
            outcome=status.value,
            reason=None,
            detail=None,
            cache_key=None,
            entry_key=None,
            attempts=attempt,
            started=None,
            seconds=None,
            worker=None,
            peak_memory=None,
            log=str(path.relative_to(view.folder.path)),
        )
        for node, (attempt, path) in view.folder.find_logged(run, recorded).items()
    ]


def _unknown(view: StoreView, run: str, node: str) -> NotRecordedError:
    """Return the error of a node of which nothing is recorded, and nothing printed."""
    status = run_summary(view.reader, run).status
    recorded = details_of(view.reader, run)
    if status is RunStatus.RUNNING:
        return NotRecordedError.for_unstarted(run, node, sorted(recorded))
    if status is RunStatus.CRASHED:
        known = {*recorded, *view.folder.find_logged(run)}
        return NotRecordedError.for_not_begun(run, node, sorted(known))
    return NotRecordedError.for_node(run, node, sorted(recorded))


class _Source(Struct, frozen=True):
    """Whose output is printed: a node, or the one that made what it reuses; `last` is its recorded log."""

    run: str
    node: str
    outcome: str
    attempts: int
    last: str | None


def _source_of(view: StoreView, run: str, node: str) -> _Source | None:
    """Return whose output a node's is, None where nothing is recorded of it."""
    row = next((row for row in nodes_of(view.reader, run) if row.node == node), None)
    if row is None:
        return None
    found = details_of(view.reader, run)[node]
    if found.from_run is None or found.from_node is None:
        return _Source(run, node, row.outcome, row.attempts, found.log)
    maker = next((row for row in nodes_of(view.reader, found.from_run) if row.node == found.from_node), row)
    details = details_of(view.reader, found.from_run).get(found.from_node, found)
    return _Source(found.from_run, found.from_node, row.outcome, maker.attempts, details.log)


def _print_all(view: StoreView, run: str, node: str, attempt: int | None) -> None:
    """Print every attempt's log, or one.

    Raises:
        NotRecordedError: There is no such node or attempt, or it printed nothing.
    """
    source = _source_of(view, run, node)
    if source is None:
        status = run_summary(view.reader, run).status
        if status not in _UNENDED or not view.folder.find_logs(run, node):
            raise _unknown(view, run, node)
        source = _Source(run, node, status.value, 0, None)
    found = view.folder.find_logs(source.run, source.node)
    if not found or (source.last is not None and not (view.folder.path / source.last).is_file()):
        raise NotRecordedError.for_log(run, node, source.outcome, lost=source.last or "")
    if attempt is not None and attempt not in found:
        raise NotRecordedError.for_attempt(run, node, attempt, list(found))
    wanted = {attempt: found[attempt]} if attempt is not None else found
    headed = attempt is None and (max(source.attempts, *found) > 1)
    for number, path in wanted.items():
        _write((_heading(number) if headed else "").encode())
        with open(path, "rb") as file:
            if path.name.endswith(LIVE_SUFFIX):
                _write(file.read(LONGEST_LOG // 2))
                _write_end(file, LONGEST_LOG // 2)
            # Bytes as they are: a step may print what no encoding has.
            shutil.copyfileobj(file, sys.stdout.buffer)
    sys.stdout.flush()


def _write_end(file: BinaryIO, printed: int) -> None:
    """Print a live log further from where it was printed to; of one that is too long only the end, as of a finished."""
    size = os.fstat(file.fileno()).st_size
    begin = max(printed, size - LONGEST_LOG // 2) if size > LONGEST_LOG else printed
    if begin > printed:
        _write(f"\n… {begin - printed} bytes left out …\n".encode())
    file.seek(begin)
    shutil.copyfileobj(file, sys.stdout.buffer)


def _follow(view: StoreView, run: str, node: str, attempt: int | None) -> None:
    """Print a node's output as it comes, attempt by attempt, until the node has ended.

    Raises:
        NotRecordedError: The run ended without such a node.
    """
    printed: dict[int, int] = {}
    told = False
    status = run_summary(view.reader, run).status
    click.echo(f"{node} of run {run}, " + ("which goes on" if status is RunStatus.RUNNING else status.value), err=True)
    while True:
        # Asked before the logs are read: what was printed until the end is there then.
        goes_on = _goes_on(view, run)
        source = _source_of(view, run, node)
        if source is not None or not goes_on:
            break
        found = view.folder.find_logs(run, node)
        for number, path in found.items():
            if attempt in (None, number):
                _print_further(number, path, printed)
        if not found and not told:
            told = True
            click.echo(f"waiting for {node} of run {run} to print something …", err=True)
        time.sleep(_PAUSE)
    if not printed:
        _print_all(view, run, node, attempt)
        return
    for number, path in view.folder.find_logs(run, node).items():
        if attempt in (None, number):
            _print_further(number, path, printed)
            if path.name.endswith(LIVE_SUFFIX) and printed.get(number) == LONGEST_LOG:
                # Cut off with its run: no finished log will have its end.
                with open(path, "rb") as file:
                    _write_end(file, LONGEST_LOG)
    sys.stdout.flush()


def _print_further(number: int, path: Path, printed: dict[int, int]) -> None:
    """Print what has come since the last time; the finished log begins with what the live one held."""
    try:
        with open(path, "rb") as file:
            if number not in printed:
                _write((_heading(number) if number > 1 else "").encode())
            file.seek(_continued(path, printed.setdefault(number, 0)))
            # Beyond that a live log has holes.
            most = LONGEST_LOG if path.name.endswith(LIVE_SUFFIX) else sys.maxsize
            while piece := file.read(max(0, min(_PIECE, most - printed[number]))):
                printed[number] += len(piece)
                _write(piece)
    except FileNotFoundError:
        # The node has just ended: its finished log is found the next time.
        return


def _continued(path: Path, printed: int) -> int:
    """Return where to go on in a log after so many bytes; where its middle was left out, from there at the latest.

    The live log went on beyond the beginning that a long one keeps, so its end would be missed.
    """
    if path.name.endswith(LIVE_SUFFIX) or path.stat().st_size <= max(printed, LONGEST_LOG // 2):
        return printed
    content = path.read_bytes()
    gaps = [found.start() for found in _LEFT_OUT.finditer(content)]
    # A step may print such words itself; the gap is in the middle.
    gap = min(gaps, key=lambda start: abs(2 * start - len(content)), default=printed)
    return min(printed, gap)


def _goes_on(view: StoreView, run: str) -> bool:
    found = run_summary(view.reader, run)
    return found.status is RunStatus.RUNNING and is_driven(view.folder.runs, run, found.record.driver)


def _heading(attempt: int) -> str:
    return f"── attempt {attempt} ──\n"


def _write(content: bytes) -> None:
    sys.stdout.flush()
    sys.stdout.buffer.write(content)
    sys.stdout.buffer.flush()
