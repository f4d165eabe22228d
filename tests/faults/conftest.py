"""Prints what the fault campaigns tried and found, after the tests, also where several processes ran them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest

_FIGURE = "figure"
_LONGEST = "longest"

Tell = Callable[..., None]


@pytest.fixture
def tell_figure(record_property: Callable[[str, object], None]) -> Tell:
    """Return what reports the counts of a campaign, such as `tell("kills at store level", kills=100, violations=0)`.

    Counts that several tests report of one campaign are added up; of `longest…` the highest is told.
    """

    def tell(campaign: str, **counts: int) -> None:
        record_property(_FIGURE, [campaign, counts])

    return tell


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print a line a campaign."""
    totals: dict[str, Counter[str]] = {}
    for reports in terminalreporter.stats.values():
        for report in reports:
            if getattr(report, "when", None) != "call":
                continue
            for name, value in report.user_properties:
                if name == _FIGURE:
                    campaign, counts = value
                    total = totals.setdefault(campaign, Counter())
                    for counted, number in counts.items():
                        longest = counted.startswith(_LONGEST)
                        total[counted] = max(total[counted], number) if longest else total[counted] + number
    if not totals:
        return
    terminalreporter.section("fault campaigns")
    for campaign, total in sorted(totals.items()):
        said = ", ".join(f"{number:,} {name.replace('_', ' ')}" for name, number in total.items())
        terminalreporter.line(f"{campaign}: {said}")
