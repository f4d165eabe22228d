"""`audit list`, `verify` and `export`: who moved which model, and whether the record of it is whole."""

from __future__ import annotations

import contextlib
import csv
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
from msgspec import to_builtins
from msgspec.structs import astuple, fields

from flowkit.cli import options
from flowkit.cli.lazy import SuggestingGroup
from flowkit.cli.looking import open_store
from flowkit.cli.render.formats import counted, format_moment
from flowkit.cli.render.output import print_json, print_table, tell, write_text
from flowkit.engine.report import JSON_FORMAT
from flowkit.errors import LineageError
from flowkit.lineage.connection import LOCK_TIMEOUT, connect_for_reading, reporting, waiting
from flowkit.lineage.history import list_audit
from flowkit.lineage.rows import AuditRow
from flowkit.registry.acceptances import ACTION
from flowkit.registry.audit import verify_chain


@click.group(cls=SuggestingGroup, epilog=options.example("flowkit audit verify"))
def audit() -> None:
    """List, verify and export the record of every promotion."""


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
        print_json(_to_json(rows))
        return
    if not rows:
        tell("The audit log is empty.")
        return
    print_table(
        ("", "at", "who", "action", "subject", "alias", "detail"),
        [
            (
                row.sequence,
                format_moment(row.at),
                row.who,
                row.action,
                row.subject,
                json.loads(row.evidence).get("alias"),
                row.detail or _describe_unexplained(row),
            )
            for row in rows
        ],
    )


def _describe_unexplained(row: AuditRow) -> str:
    """Return what an acceptance was of for which nobody gave a reason; nothing for other rows."""
    if row.action != ACTION:
        return ""
    changes = json.loads(row.evidence).get("changes", [])
    more = f" and {len(changes) - 1} more" if len(changes) > 1 else ""
    return f"no reason given; {changes[0]}{more}" if changes else "no reason given; its name"


@audit.command(epilog=options.example("flowkit audit verify"))
@options.looking_back
def verify(env: str | None, store: Path | None, as_json: bool) -> None:
    """Check that no row of the audit log was changed, removed or moved.

    Each row's hash covers the row before it. The last hash is printed: kept elsewhere, it proves the log later.
    """
    with open_store(env, store) as view:
        database = view.folder.database
        with contextlib.closing(connect_for_reading(database)) as connection, reporting(database):
            broken = waiting(lambda: verify_chain(connection), database, LOCK_TIMEOUT)
        rows = list_audit(view.reader)
    if broken is not None:
        raise LineageError.for_broken_audit(view.folder.database, broken)
    last = rows[-1].hash if rows else None
    if as_json:
        print_json({"format": JSON_FORMAT, "rows": len(rows), "last": last, "whole": True})
    else:
        tell(f"the audit log is whole: {counted(len(rows), 'row')}" + (f", last {last}" if last else ""))


@audit.command(epilog=options.example("flowkit audit export --format csv -o audit.csv"))
@click.option(
    "--format",
    "form",
    type=click.Choice(["json", "csv"]),
    default="json",
    show_default=True,
    help="One JSON object, or CSV with the evidence as JSON in its column.",
)
@options.output_file
@options.env
@options.store
@options.json_output
def export(form: str, output: Path | None, env: str | None, store: Path | None, as_json: bool) -> None:
    """Write the whole audit log, with each row's evidence and hash, for keeping elsewhere.

    `flowkit audit verify` checks the log that is in the store; the hashes of an export show whether it has grown since
    or was changed.
    """
    with open_store(env, store) as view:
        rows = list_audit(view.reader)
    if form == "json" or as_json:
        print_json(_to_json(rows), output)
    elif output is not None:
        write_text(output, _to_csv(rows))
    else:
        click.echo(_to_csv(rows), nl=False)


def _to_json(rows: Sequence[AuditRow]) -> dict[str, Any]:
    return {
        "format": JSON_FORMAT,
        "audit": [{**to_builtins(row), "evidence": json.loads(row.evidence)} for row in rows],
    }


def _to_csv(rows: Sequence[AuditRow]) -> str:
    file = io.StringIO(newline="")
    writer = csv.writer(file)
    writer.writerow([field.name for field in fields(AuditRow)])
    writer.writerows([_unquoted(value) for value in astuple(row)] for row in rows)
    return file.getvalue()


def _unquoted(value: object) -> object:
    # A spreadsheet would run a text that begins so as a formula; a detail is what anyone wrote.
    return f"'{value}" if isinstance(value, str) and value[:1] in ("=", "+", "-", "@") else value
