"""`why`: why a node runs or is reused, and what had changed."""

from __future__ import annotations

from pathlib import Path

import click

from flowkit.cache.content import Contents
from flowkit.cli import options
from flowkit.cli.completers import complete_node
from flowkit.cli.looking import StoreView, open_store
from flowkit.cli.opening import open_session, open_target
from flowkit.cli.references import RUN
from flowkit.cli.render.explanation import print_why
from flowkit.cli.render.output import print_json
from flowkit.engine.contents import open_contents
from flowkit.engine.explaining.nodes import WhyReport, explain_recorded
from flowkit.lineage.history import find_run
from flowkit.lineage.listings import find_listing
from flowkit.store.local import LocalStore


@click.command(epilog=options.example("flowkit why pipelines/taxi.py train", "flowkit why last train"))
@options.target
@click.argument("node", shell_complete=complete_node)
@options.parameters
@options.env
@options.store
@options.json_output
def why(
    target: str, node: str, parameters: tuple[str, ...], env: str | None, store: Path | None, as_json: bool
) -> None:
    """Say why a node runs, with a diff of what changed.

    TARGET is a pipeline, to compare what a run would do now with the node's latest success; or a run (its id, its
    beginning or 'last'), to tell what that run did. NODE is the node's name, such as train or train[0].
    """
    if RUN.fullmatch(target):
        with open_store(env, store) as view:
            report = explain_recorded(view.reader, _contents(view), find_run(view.reader, target), node)
    else:
        report = _explain_now(target, node, parameters, env, store)
    if as_json:
        print_json(report.to_json())
    else:
        print_why(report)


def _contents(view: StoreView) -> Contents:
    return open_contents(LocalStore(view.folder), lambda digest: find_listing(view.reader, digest), counting=True)


def _explain_now(target: str, node: str, parameters: tuple[str, ...], env: str | None, store: Path | None) -> WhyReport:
    opened = open_target(target, parameters, env, store=store)
    with open_session(opened) as session:
        return session.why(opened.pipeline, opened.parameters, node)
