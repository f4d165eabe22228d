"""`audit list` and `verify`: who moved which model, and whether the record of it is whole."""

from __future__ import annotations

import contextlib
import json
from dataclasses import asdict
from pathlib import Path

import click

from flowkit.cli import options
from flowkit.cli.lazy import SuggestingGroup
from flowkit.cli.looking import open_store
from flowkit.cli.render.formats import counted, format_moment
from flowkit.cli.render.output import print_json, print_table
from flowkit.engine.report import JSON_FORMAT
from flowkit.errors import LineageError
from flowkit.lineage.connection import connect_for_reading, reporting
from flowkit.lineage.history import list_audit
from flowkit.registry.audit import verify_chain


@click.group(cls=SuggestingGroup, epilog=options.example("flowkit audit verify"))
def audit() -> None:
    """List and verify the record of every promotion."""


@audit.command("list", epilog=options.example("flowkit audit list -n 10"))
@click.option(
    "-n", "--limit", type=click.IntRange(min=1), default=50, show_default=True, help="List only the last ones."
)
@options.looking_back
def list_(limit: int, env: str | None, store: Path | None, as_json: bool) -> None:
    """List who promoted, refused, rolled back or retired what, the oldest first."""
    with open_store(env, store) as view:
        rows = list_audit(view.reader, limit)
    if as_json:
        listed = [{**asdict(row), "evidence": json.loads(row.evidence)} for row in rows]
        print_json({"format": JSON_FORMAT, "audit": listed})
        return
    if not rows:
        click.echo("The audit log is empty.")
        return
    print_table(
        ("", "at", "who", "action", "subject", "detail"),
        [(row.sequence, format_moment(row.at), row.who, row.action, row.subject, row.detail) for row in rows],
    )


@audit.command(epilog=options.example("flowkit audit verify"))
@options.looking_back
def verify(env: str | None, store: Path | None, as_json: bool) -> None:
    """Check that no row of the audit log was changed, removed or moved.

    Each row's hash covers the row before it. The last hash is printed: kept elsewhere, it proves the log later.
    """
    with open_store(env, store) as view:
        database = view.folder.database
        with contextlib.closing(connect_for_reading(database)) as connection, reporting(database):
            broken = verify_chain(connection)
        rows = list_audit(view.reader)
    if broken is not None:
        raise LineageError.for_broken_audit(view.folder.database, broken)
    last = rows[-1].hash if rows else None
    if as_json:
        print_json({"format": JSON_FORMAT, "rows": len(rows), "last": last, "whole": True})
    else:
        click.echo(f"the audit log is whole: {counted(len(rows), 'row')}" + (f", last {last}" if last else ""))
