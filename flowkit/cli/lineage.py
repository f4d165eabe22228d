"""`lineage`: what made an artifact, and what used it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
from msgspec import to_builtins

from flowkit.cache.wording import list_names
from flowkit.cli import options
from flowkit.cli.completers import complete_what
from flowkit.cli.looking import StoreView, open_store
from flowkit.cli.references import find_what
from flowkit.cli.render.formats import format_bytes, short
from flowkit.cli.render.output import print_json, print_table, tell
from flowkit.engine.origins import describe_acceptances
from flowkit.engine.report import JSON_FORMAT
from flowkit.lineage.ancestry import ancestors, descendants
from flowkit.lineage.dropped import find_dropped
from flowkit.lineage.history import parameters_of
from flowkit.lineage.rows import LineageRow

_LONGEST_VALUE = 40


@click.command(
    epilog=options.example(
        "flowkit lineage taxi@champion",
        "flowkit lineage last:features",
        "flowkit lineage data/taxi.csv --direction down",
    )
)
@click.argument("what", shell_complete=complete_what)
@click.option(
    "--direction",
    type=click.Choice(["both", "up", "down"]),
    default="both",
    show_default=True,
    help="Follow it up to what made it, down to what used it, or both.",
)
@click.option(
    "-n", "--limit", type=click.IntRange(min=1), default=50, show_default=True, help="Follow at most this many nodes."
)
@options.looking_back
def lineage(what: str, direction: str, limit: int, env: str | None, store: Path | None, as_json: bool) -> None:
    """Say what made an artifact, and what used it.

    WHAT is the beginning of a digest, RUN:NODE[.OUTPUT], a model's version (taxi:7) or alias (taxi@champion), or a
    file or folder, which is found by its content, also where it was read undeclared. A file that came in with its
    folder stands for the folder.
    """
    with open_store(env, store) as view:
        found = find_what(view, what, in_folders=True)
        digest = found.artifact.digest
        up = ancestors(view.reader, digest, limit, given_by=found.given_by) if direction != "down" else ()
        down = descendants(view.reader, digest, limit, given_by=found.given_by) if direction != "up" else ()
        dropped = find_dropped(view.reader, digest)
        parameters = {(row.run, row.node): _parameters(view, row) for row in (*up, *down)}
    if as_json:
        rows = [("upstream", row) for row in up] + [("downstream", row) for row in down]
        print_json(
            {
                "format": JSON_FORMAT,
                "artifact": digest,
                "dropped": {"on": dropped.on, "command": dropped.command} if dropped is not None else None,
                "nodes": [_to_json(way, row, parameters[row.run, row.node]) for way, row in rows],
            }
        )
        return
    artifact = found.artifact
    tell(f"{found.label}  {artifact.format}  {format_bytes(artifact.bytes)}  {digest}")
    if dropped is not None:
        again = f"; `{dropped.command}` makes it again" if dropped.command else ""
        tell(f"dropped by gc on {dropped.on}{again}")
    if direction != "down":
        _print_rows("made by", up, parameters, "nothing recorded: it came in from outside")
    if direction != "up":
        _print_rows("used by", down, parameters, "nothing yet")


def _parameters(view: StoreView, row: LineageRow) -> dict[str, str]:
    """Return what a node's plain parameters were: those that are not artifacts."""
    inputs = {parameter for parameter, _ in row.inputs}
    return {
        found.name: found.value for found in parameters_of(view.reader, row.run, row.node) if found.name not in inputs
    }


def _to_json(way: str, row: LineageRow, parameters: dict[str, str]) -> dict[str, Any]:
    return {
        "direction": way,
        **to_builtins(row),
        "inputs": [{"parameter": name, "artifact": digest} for name, digest in row.inputs],
        "outputs": [{"name": name, "artifact": digest} for name, digest in row.outputs],
        "accepted": [to_builtins(one) for one in row.accepted],
        "observed": [to_builtins(one) for one in row.observed],
        "parameters": parameters,
    }


def _print_rows(
    title: str, rows: Sequence[LineageRow], parameters: dict[tuple[str, str], dict[str, str]], nothing: str
) -> None:
    tell(f"\n{title}" if rows else f"\n{title}: {nothing}")
    if not rows:
        return
    print_table(
        ("away", "node", "run", "took", "gave", "code"),
        [
            (
                row.depth,
                row.node,
                row.run,
                ", ".join([*_pairs(row.inputs), *_values(parameters[row.run, row.node])]),
                ", ".join(_pairs(row.outputs)),
                short(row.code),
            )
            for row in rows
        ],
        right=("away",),
    )
    for row in rows:
        if row.observed:
            named = list_names([f"{one.kind} {one.name} {short(one.digest)}" for one in row.observed])
            tell(f"{row.node} of {row.run} read undeclared: {named}")
    for line in dict.fromkeys(f"{row.node}: {describe_acceptances(row.accepted)}" for row in rows if row.accepted):
        tell(line)


def _pairs(pairs: Sequence[tuple[str, str]]) -> list[str]:
    return [f"{name} {short(digest)}" for name, digest in pairs]


def _values(parameters: dict[str, str]) -> list[str]:
    return [f"{name}={value[:_LONGEST_VALUE]}" for name, value in parameters.items()]
