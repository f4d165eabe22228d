"""`doctor`: whether flowkit can work here, and what to do where it cannot."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import click

import flowkit
from flowkit.cli import options
from flowkit.cli.render.checkup import CheckupLines
from flowkit.cli.render.output import print_json
from flowkit.config import Settings, find_mistakes, load_settings
from flowkit.errors import FlowkitError
from flowkit.housekeeping.examining import installation, workers
from flowkit.housekeeping.examining.checks import Check, CheckupReport, Named, isolated, ok, problem_of
from flowkit.housekeeping.examining.store import store_checks
from flowkit.project import Project


@click.command(epilog=options.example("flowkit doctor", "flowkit doctor --env prod"))
@options.env
@options.store
@options.scheduler
@options.json_output
def doctor(env: str | None, store: Path | None, scheduler: str | None, as_json: bool) -> int:
    """Say what is wrong here, and what would mend it.

    It looks at Python and the libraries, the project's settings, the store's disk, permissions, database, locks and
    clock, and the remote, and it runs a step: on this machine, or on the cluster of the settings. It mends nothing:
    each warning and problem comes with the command or the edit that would.

    The exit code is 4 where the store, its workers or its remote have a problem, 2 where the installation or the
    settings have one, else 0, also with warnings.
    """
    lines = None if as_json else CheckupLines()
    found: list[tuple[Check, bool]] = []

    def look(checks: Iterator[Named], of_store: bool) -> None:
        for name, examine in checks:
            check = isolated(name, examine)
            found.append((check, of_store))
            if lines is not None:
                lines.tell(check)

    look(_installation(), of_store=False)
    settings = _settings(env, {"store": store, "scheduler": scheduler}, look)
    if settings is not None:
        look(store_checks(settings.store), of_store=True)
        look(_of_workers(settings), of_store=True)
    report = CheckupReport(str(settings.store) if settings is not None else None, found)
    if lines is None:
        print_json(report.to_json())
    else:
        lines.end(report)
    return report.exit_code


def _installation() -> Iterator[Named]:
    package = Path(flowkit.__file__).parent
    yield "python", installation.check_python
    yield "flowkit", lambda: installation.check_flowkit(package, flowkit.__version__)
    yield "dependencies", lambda: installation.check_dependencies(installation.own_requirements(package))
    yield "extras", lambda: installation.check_extras(installation.own_requirements(package))
    yield "time zones", installation.check_zones


def _settings(
    env: str | None, flags: dict[str, object], look: Callable[[Iterator[Named], bool], None]
) -> Settings | None:
    """Load the settings, and have what was found told; None where they do not hold."""
    project = Project.containing(Path.cwd())
    try:
        settings = load_settings(project, env, flags)
    except FlowkitError as error:
        mistakes = _all_mistakes(project, flags, error)
        look(iter([("settings", partial(problem_of, "settings", one)) for one in mistakes]), False)
        return None
    look(iter([("settings", lambda: ok("settings", f"environment {settings.env} of {project.root}"))]), False)
    return settings


def _all_mistakes(project: Project, flags: dict[str, object], first: FlowkitError) -> list[FlowkitError]:
    """Return what is wrong with the settings beside `first`, with it."""
    try:
        found = find_mistakes(project, flags)
    except FlowkitError:
        return [first]
    told = {str(error): error for error in (first, *found)}
    return list(told.values())


def _of_workers(settings: Settings) -> Iterator[Named]:
    yield "workers", lambda: workers.check_workers(settings.store, settings.scheduler)
    remote = settings.remote
    if remote is not None:
        yield "remote", lambda: workers.check_remote(remote)
