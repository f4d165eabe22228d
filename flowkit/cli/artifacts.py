"""`artifact list`, `show` and `export`: what the store holds. Nothing pickled is ever loaded here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
from msgspec import to_builtins

from flowkit.cli import options
from flowkit.cli.completers import complete_what
from flowkit.cli.export import export_artifact
from flowkit.cli.lazy import SuggestingGroup
from flowkit.cli.looking import StoreView, open_store
from flowkit.cli.references import Named, find_what
from flowkit.cli.render.contents import NOT_KEPT, describe_content
from flowkit.cli.render.formats import counted, format_bytes, format_moment, short
from flowkit.cli.render.output import print_json, print_table, tell
from flowkit.engine.dropped import telling_dropped
from flowkit.engine.provenance import current_user
from flowkit.engine.report import JSON_FORMAT
from flowkit.errors import UsageError
from flowkit.lineage.ancestry import ancestors
from flowkit.lineage.artifacts import list_artifacts, made_at
from flowkit.lineage.dropped import dropped_on
from flowkit.lineage.history import artifacts_of, details_of, find_run
from flowkit.lineage.pins import pins_of
from flowkit.lineage.writer import LineageWriter
from flowkit.registry.pins import pin, unpin
from flowkit.store.local import LocalStore


@click.group(cls=SuggestingGroup, epilog=options.example("flowkit artifact show last:features"))
def artifact() -> None:
    """List, show and export stored artifacts."""


@artifact.command("list", epilog=options.example("flowkit artifact list --run last"))
@click.option("--run", metavar="RUN", help="List what the nodes of this run gave: its id, its beginning, or 'last'.")
@click.option(
    "-n", "--limit", type=click.IntRange(min=1), default=20, show_default=True, help="List at most this many."
)
@options.looking_back
def list_(run: str | None, limit: int, env: str | None, store: Path | None, as_json: bool) -> None:
    """List artifacts, the newest first; or those of one run, by node."""
    with open_store(env, store) as view:
        rows = (
            _of_run(view, run)[:limit]
            if run is not None
            else [to_builtins(row) for row in list_artifacts(view.reader, limit)]
        )
        digests = [row["artifact"] for row in rows]
        pins, dropped = pins_of(view.reader, digests), dropped_on(view.reader, digests)
    for row in rows:
        row["pinned"], row["dropped"] = row["artifact"] in pins, dropped.get(row["artifact"])
    if as_json:
        print_json({"format": JSON_FORMAT, "artifacts": rows})
        return
    if not rows:
        tell("No artifact is recorded yet.")
        return
    print_table(
        ("node", "output", "artifact", "format", "size", "made", ""),
        [
            (
                row.get("node"),
                row.get("name"),
                short(row["artifact"]),
                row["format"],
                format_bytes(row["bytes"]),
                format_moment(row.get("created")),
                f"dropped {row['dropped']}" if row["dropped"] is not None else "pinned" if row["pinned"] else None,
            )
            for row in rows
        ],
        right=("size",),
    )


@artifact.command(epilog=options.example("flowkit artifact show last:features", "flowkit artifact show 3fa9c1"))
@click.argument("what", shell_complete=complete_what)
@options.looking_back
def show(what: str, env: str | None, store: Path | None, as_json: bool) -> None:
    """Show what an artifact is: a table's columns and dtypes, a value, a text's beginning.

    WHAT is the beginning of a digest, RUN:NODE[.OUTPUT], taxi:7, taxi@champion, or a file. What is pickled is named,
    not loaded.
    """
    with open_store(env, store) as view:
        found = find_what(view, what)
        with telling_dropped(view.reader):
            content = describe_content(LocalStore(view.folder), found.artifact)
        maker = _maker_of(view, found)
        pinned = pins_of(view.reader, [found.artifact.digest]).get(found.artifact.digest)
    record = found.artifact
    if as_json:
        row: dict[str, Any] = {"artifact": record.digest, "format": record.format, "bytes": record.bytes}
        row["pin"] = to_builtins(pinned) if pinned is not None else None
        print_json({"format": JSON_FORMAT, "artifacts": [{**row, **maker, **content.to_json()}]})
        return
    tell(f"{record.digest}  {record.format}  {format_bytes(record.bytes)}")
    tell(f"made by {maker['node']} in run {maker['run']}" if maker["run"] else "came in from outside")
    if pinned is not None:
        tell(f"pinned by {pinned.who or 'an unknown user'}" + (f": {pinned.reason}" if pinned.reason else ""))
    for line in content.lines:
        tell(line)
    if content.columns:
        tell(f"{counted(content.rows or 0, 'row')}, {counted(len(content.columns), 'column')}")
        print_table(("column", "dtype"), content.columns)


@artifact.command(epilog=options.example("flowkit artifact export last:features features.parquet"))
@click.argument("what", shell_complete=complete_what)
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--overwrite", is_flag=True, help="Replace FILE where it is there already.")
@options.looking_back
def export(what: str, file: Path, overwrite: bool, env: str | None, store: Path | None, as_json: bool) -> None:
    """Write an artifact to a file: a table as .parquet or .csv, anything else as it is.

    WHAT is the beginning of a digest, RUN:NODE[.OUTPUT], taxi:7, taxi@champion, or a file. A pickle is copied, never
    loaded.
    """
    with open_store(env, store) as view:
        found = find_what(view, what)
        with telling_dropped(view.reader):
            export_artifact(view, found.artifact, file, overwrite=overwrite)
    if as_json:
        row = {"artifact": found.artifact.digest, "format": found.artifact.format, "bytes": found.artifact.bytes}
        print_json({"format": JSON_FORMAT, "artifacts": [{**row, "file": str(file)}]})
    else:
        tell(f"{found.label} → {file}")


@artifact.command("pin", epilog=options.example("flowkit artifact pin last:features --reason 'for the report'"))
@click.argument("what", shell_complete=complete_what)
@click.option("--reason", default="", metavar="TEXT", help="Say why, for the audit log.")
@options.looking_back
def pin_(what: str, reason: str, env: str | None, store: Path | None, as_json: bool) -> None:
    """Keep an artifact: no collection drops it until it is unpinned.

    WHAT is the beginning of a digest, RUN:NODE[.OUTPUT], taxi:7 or taxi@champion.
    """
    _set_pin(what, reason, env, store, as_json=as_json, pinned=True)


@artifact.command("unpin", epilog=options.example("flowkit artifact unpin last:features"))
@click.argument("what", shell_complete=complete_what)
@click.option("--reason", default="", metavar="TEXT", help="Say why, for the audit log.")
@options.looking_back
def unpin_(what: str, reason: str, env: str | None, store: Path | None, as_json: bool) -> None:
    """Let collections drop an artifact again.

    WHAT is the beginning of a digest, RUN:NODE[.OUTPUT], taxi:7 or taxi@champion.
    """
    _set_pin(what, reason, env, store, as_json=as_json, pinned=False)


def _set_pin(what: str, reason: str, env: str | None, store: Path | None, *, as_json: bool, pinned: bool) -> None:
    change = pin if pinned else unpin
    with open_store(env, store) as view:
        found = find_what(view, what)
        if found.artifact.format in NOT_KEPT:
            raise UsageError.for_pinned_path(found.label)
        with (
            telling_dropped(view.reader),
            LineageWriter(view.folder.database, present=view.folder.holds) as writer,
        ):
            changed = change(writer, found.artifact, who=current_user(), reason=reason)
    if as_json:
        row = {"artifact": found.artifact.digest, "pinned": pinned, "changed": changed}
        print_json({"format": JSON_FORMAT, "artifacts": [row]})
        return
    word = "pinned" if pinned else "not pinned"
    tell(f"{found.label} is {word}" + ("" if changed else " already" if pinned else " anyway"))


def _maker_of(view: StoreView, found: Named) -> dict[str, str | None]:
    """Return the run and node that made an artifact: of one that a node named, that node's own execution."""
    if found.run is not None and found.node is not None:
        details = details_of(view.reader, found.run)[found.node]
        return {"run": details.from_run or found.run, "node": details.from_node or found.node}
    made = [row for row in ancestors(view.reader, found.artifact.digest, limit=1) if row.depth == 1]
    return {"run": made[0].run, "node": made[0].node} if made else {"run": None, "node": None}


def _of_run(view: StoreView, run: str) -> list[dict[str, Any]]:
    identity = find_run(view.reader, run)
    outputs_by_node = artifacts_of(view.reader, identity)
    digests = [output.artifact.digest for outputs in outputs_by_node.values() for output in outputs]
    created = made_at(view.reader, digests)
    return [
        {
            "run": identity,
            "node": node,
            "name": output.name,
            "artifact": output.artifact.digest,
            "format": output.artifact.format,
            "bytes": output.artifact.bytes,
            "created": created[output.artifact.digest],
        }
        for node, outputs in outputs_by_node.items()
        for output in outputs
    ]
