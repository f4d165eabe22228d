"""What `doctor` finds, for people: a line a check as it ends, the remedy below it, and a count."""

from __future__ import annotations

import click

from flowkit.cli.render.formats import counted
from flowkit.cli.render.output import tell, visible
from flowkit.housekeeping.examining.checks import Check, CheckupReport, Status

_STYLES = {Status.OK: "green", Status.WARNING: "yellow", Status.PROBLEM: "bright_red"}
_WIDTH = max(map(len, Status))


class CheckupLines:
    """Prints checks one after the other: some of them take a while."""

    def tell(self, check: Check) -> None:
        """Print what was found, and what would mend it."""
        status = click.style(check.status.value.ljust(_WIDTH), fg=_STYLES[check.status])
        click.echo(f"{status}  {visible(check.check)}: {visible(check.found)}")
        if check.remedy:
            tell(f"{'':{_WIDTH}}  → {check.remedy}")

    def end(self, report: CheckupReport) -> None:
        """Print how many of them are not as they should be."""
        problems, warnings = report.count(Status.PROBLEM), report.count(Status.WARNING)
        if not problems and not warnings:
            tell(f"all is well: {counted(len(report.checks), 'check')}")
            return
        tell(f"{counted(problems, 'problem')} and {counted(warnings, 'warning')} in {len(report.checks)} checks")
