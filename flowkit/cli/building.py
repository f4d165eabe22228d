"""`check`, `plan` and `show`: what a pipeline is, and what a run of it would do. Nothing runs."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from flowkit.authoring.pipeline import Pipeline
from flowkit.cli import options
from flowkit.cli.opening import open_session, open_target
from flowkit.cli.render.diagrams import draw_dot, draw_mermaid, draw_tree, graph_to_json, node_to_json
from flowkit.cli.render.formats import counted
from flowkit.cli.render.output import print_json, print_table, tell
from flowkit.cli.render.summary import count_outcomes, node_rows
from flowkit.engine.report import JSON_FORMAT, format_time
from flowkit.frames import telling_place
from flowkit.graph.select import Selection

_DRAWINGS = {"tree": draw_tree, "mermaid": draw_mermaid, "dot": draw_dot}


@click.command(epilog=options.example("flowkit check pipelines/taxi.py"))
@options.building
@options.json_output
@options.checking_verbose
def check(
    target: str, parameters: tuple[str, ...], env: str | None, store: Path | None, as_json: bool, verbose: bool
) -> None:
    """Build the graph and check every edge; run nothing.

    What does not fit is told with the step, the parameter and the place in the source, with exit code 2.
    """
    opened = open_target(target, parameters, env, store=store)
    with open_session(opened) as session:
        report = session.check(opened.pipeline, opened.parameters)
    if as_json:
        print_json(
            {
                "format": JSON_FORMAT,
                "pipeline": opened.pipeline.name,
                "nodes": [node_to_json(node) for node in report.graph.visible],
                "schedule": _schedule_to_json(opened.pipeline),
                "warnings": list(report.warnings),
                "deferred": list(report.deferred),
            }
        )
        return
    for warning in report.warnings:
        tell(f"Warning: {warning}", err=True)
    if verbose:
        for place in report.deferred:
            tell(f"checked on the value: {place.removesuffix(': checked on the value')}")
    graph = report.graph.shown
    edges = counted(len(graph.edges), "edge")
    later = f"; {len(report.deferred)} of them checked on the value" if report.deferred else ""
    tell(f"{opened.target} checks: {counted(len(graph), 'node')}, {edges}{later}")
    schedule = _schedule_to_json(opened.pipeline)
    if schedule is not None:
        tell(f"schedule '{schedule['cron']}' in {schedule['timezone']}: next at {schedule['next']}")


def _schedule_to_json(pipeline: Pipeline[..., Any]) -> dict[str, str] | None:
    timetable = pipeline.timetable
    upcoming = next(timetable.ticks_after(datetime.now(UTC)), None)
    if timetable.schedule is None or upcoming is None:
        return None
    return {
        "cron": timetable.schedule,
        "timezone": timetable.timezone,
        "catchup": timetable.catchup,
        "overlap": timetable.overlap,
        "next": format_time(upcoming.timestamp()),
    }


@click.command(epilog=options.example("flowkit plan pipelines/taxi.py -p C=0.5"))
@options.building
@options.select
@options.force
@options.json_output
@options.planning_quiet
@options.planning_verbose
def plan(
    target: str,
    parameters: tuple[str, ...],
    env: str | None,
    store: Path | None,
    select: str | None,
    force: str | None,
    as_json: bool,
    quiet: bool,
    verbose: bool,
) -> None:
    """Say which steps would run, which are reused, and why.

    'run' and 'reuse' are certain; 'unknown' depends on what a step before it gives.
    """
    opened = open_target(target, parameters, env, store=store)
    with open_session(opened) as session:
        report = session.plan(
            opened.pipeline,
            opened.parameters,
            select=Selection.parse(select) if select is not None else None,
            force=Selection.parse(force) if force is not None else None,
        )
    if as_json:
        print_json(report.to_json())
        return
    for warning in report.warnings:
        tell(f"Warning: {warning}", err=True)
    if not quiet:
        print_table(("node", "would", "time", "why"), node_rows(report.nodes, verbose=verbose), right=("time",))
    tell(f"{report.pipeline}: {count_outcomes(report.nodes)}")


@click.command(epilog=options.example("flowkit show pipelines/taxi.py --format mermaid > taxi.mmd"))
@options.building
@click.option(
    "--format",
    "drawing",
    type=click.Choice(["tree", "mermaid", "dot", "json"]),
    default="tree",
    show_default=True,
    help="How to draw it: as a tree of what each node needs, for Mermaid, for Graphviz, or as JSON.",
)
@options.json_output
def show(
    target: str, parameters: tuple[str, ...], env: str | None, store: Path | None, drawing: str, as_json: bool
) -> None:
    """Draw the graph as a tree, Mermaid, DOT or JSON.

    The tree has what nothing else needs at its left, and below it what it needs.
    """
    opened = open_target(target, parameters, env, store=store)
    with open_session(opened), telling_place(opened.project.root, str(opened.pipeline.location)):
        graph = opened.pipeline.build(opened.parameters).shown
    if as_json or drawing == "json":
        print_json(graph_to_json(graph))
    else:
        click.echo(_DRAWINGS[drawing](graph))
