"""`artifact list`, `show` and `export`: what the store holds. Nothing pickled is ever loaded here."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from flowkit.cli import options
from flowkit.cli.completing import complete_what
from flowkit.cli.export import export_artifact
from flowkit.cli.lazy import SuggestingGroup
from flowkit.cli.looking import StoreView, open_store
from flowkit.cli.references import Named, find_what
from flowkit.cli.render.contents import describe_content
from flowkit.cli.render.formats import counted, format_bytes, format_moment, short
from flowkit.cli.render.output import print_json, print_table, tell
from flowkit.engine.report import JSON_FORMAT
from flowkit.lineage.ancestry import ancestors
from flowkit.lineage.artifacts import list_artifacts, made_at
from flowkit.lineage.history import artifacts_of, details_of, find_run
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
            else [asdict(row) for row in list_artifacts(view.reader, limit)]
        )
    if as_json:
        print_json({"format": JSON_FORMAT, "artifacts": rows})
        return
    if not rows:
        tell("No artifact is recorded yet.")
        return
    print_table(
        ("node", "output", "artifact", "format", "size", "made"),
        [
            (
                row.get("node"),
                row.get("name"),
                short(row["artifact"]),
                row["format"],
                format_bytes(row["bytes"]),
                format_moment(row.get("created")),
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
        content = describe_content(LocalStore(view.folder), found.artifact)
        maker = _maker_of(view, found)
    record = found.artifact
    if as_json:
        row: dict[str, Any] = {"artifact": record.digest, "format": record.format, "bytes": record.bytes}
        print_json({"format": JSON_FORMAT, "artifacts": [{**row, **maker, **content.to_json()}]})
        return
    tell(f"{record.digest}  {record.format}  {format_bytes(record.bytes)}")
    tell(f"made by {maker['node']} in run {maker['run']}" if maker["run"] else "came in from outside")
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
        export_artifact(view, found.artifact, file, overwrite=overwrite)
    if as_json:
        row = {"artifact": found.artifact.digest, "format": found.artifact.format, "bytes": found.artifact.bytes}
        print_json({"format": JSON_FORMAT, "artifacts": [{**row, "file": str(file)}]})
    else:
        tell(f"{found.label} → {file}")


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
