"""`verify`: whether what is stored is whole, and whether steps give the same again."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import click

from flowkit.cli import options
from flowkit.cli.completers import complete_run, complete_selection
from flowkit.cli.looking import open_store
from flowkit.cli.opening import open_record, open_session
from flowkit.cli.render.output import on_terminal, print_json, tell
from flowkit.cli.render.run_live import LiveListener
from flowkit.cli.render.summary import store_options
from flowkit.cli.render.verification import ProofProgress, VerifyListener, print_soundness, print_verification
from flowkit.errors import StoreError, UsageError
from flowkit.execution.worker_executor import WorkerExecutor
from flowkit.graph.select import Selection
from flowkit.housekeeping.verifying.rerun import verify_run
from flowkit.housekeeping.verifying.soundness import check_store, may_be_repaired, may_be_written, mending
from flowkit.lineage.history import LAST, run_summary
from flowkit.lineage.soundness import damage_of
from flowkit.project import Project
from flowkit.store.collection import keeping
from flowkit.store.local import LocalStore

COLLECTION_SECONDS = 60.0
"""How long `verify` waits for a collection to end before it gives up."""


@click.command(epilog=options.example("flowkit verify", "flowkit verify --rerun last --select train"))
@click.argument("run", required=False, shell_complete=complete_run)
@click.option(
    "--rerun", is_flag=True, help="Run the nodes of a recorded run again, and name those that give something else."
)
@click.option(
    "--select",
    metavar="SEL",
    shell_complete=complete_selection,
    help="Run only these nodes again, also where they are declared cache=False; a selection like that of run.",
)
@click.option("--dry-run", is_flag=True, help="Change nothing: only say what would be repaired.")
@options.workers
@options.looking_back
def verify(
    run: str | None,
    rerun: bool,
    select: str | None,
    dry_run: bool,
    workers: int | None,
    env: str | None,
    store: Path | None,
    as_json: bool,
) -> int:
    """Check what is stored, or that steps give the same again.

    Alone it hashes every stored artifact, and checks the database, models, aliases and the audit log. What is damaged
    is moved to quarantine and repaired where that loses nothing; the exit code is 4 where something is left.

    With --rerun it runs the nodes of RUN (a run's id, its beginning, or 'last', the default) again: each with its
    recorded inputs, in new processes with another hash seed, in a copy of the project at another path. Nothing is
    recorded and nothing is promoted. The exit code is 1 where a node gives something else.
    """
    if rerun:
        if dry_run:
            raise UsageError.for_dry_rerun()
        return _run_again(run if run is not None else LAST, select, workers, env, store, as_json=as_json)
    for given, value in (("run", run), ("--select", select), ("--workers", workers)):
        if value is not None:
            raise UsageError.for_verified_run(given)
    return _check(env, store, dry_run=dry_run, as_json=as_json)


def _check(env: str | None, store: Path | None, *, dry_run: bool, as_json: bool) -> int:
    with open_store(env, store) as view, ProofProgress() as progress, ExitStack() as stack:
        damage = damage_of(view.reader)
        mends = not dry_run and may_be_written(view.folder) and may_be_repaired(damage)
        # What a collection removes meanwhile would look like damage.
        stack.enter_context(keeping(view.folder, wait=COLLECTION_SECONDS, reading=not mends))
        mender = stack.enter_context(mending(view.folder, view.settings.remote, _warn)) if mends else None
        files = LocalStore(view.folder, in_place=True) if mender is None else mender.store
        report = check_store(view.reader, files, progress.told, mender, damage, store_options(view.settings))
        place = str(view.folder.path)
    if as_json:
        print_json(report.to_json(place))
    else:
        print_soundness(report, place)
    return 0 if report.sound else StoreError.exit_code


def _warn(text: str) -> None:
    tell(f"Warning: {text}", err=True)


def _run_again(
    text: str, select: str | None, workers: int | None, env: str | None, store: Path | None, *, as_json: bool
) -> int:
    with open_store(env, store) as view:
        record = run_summary(view.reader, text).record
    opened = open_record(record, Project.containing(Path.cwd()), store=store, workers=workers)
    chosen = Selection.parse(select) if select is not None else None
    listener = LiveListener() if on_terminal() and not as_json else VerifyListener()
    with open_session(opened) as session, listener as hearing, ExitStack() as stack:
        graph = session.check(opened.pipeline, opened.parameters).graph
        workspace = session.workspace_for(opened.pipeline)
        # Not the session's executor, which may be a cluster that does not see the copy of the project.
        executor = WorkerExecutor(opened.settings.workers, None, opened.settings.resources)
        try:
            # What a collection removed meanwhile could not be compared.
            stack.enter_context(keeping(workspace.folder, wait=COLLECTION_SECONDS))
            report = verify_run(workspace, executor, graph, record.run, chosen, hearing)
        finally:
            executor.close()
    if as_json:
        print_json(report.to_json())
    else:
        print_verification(report)
    return report.exit_code
