"""What a check says: how it stands, what was found, and what would mend it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import Any

from msgspec import Struct

from flowkit.engine.report import JSON_FORMAT
from flowkit.errors import FlowkitError, StoreError, UsageError

_BUG = "this is a fault of flowkit: report it with what was found."


class Status(StrEnum):
    """How something stands; only a problem gives an exit code."""

    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"


class Check(Struct, frozen=True):
    """What was found of one thing.

    Attributes:
        check: What was looked at.
        remedy: A command or an edit; empty where nothing is to be done.
    """

    check: str
    status: Status
    found: str
    remedy: str = ""


Named = tuple[str, Callable[[], Check]]
"""A check that is still to be made: its name, and what makes it."""


def ok(check: str, found: str) -> Check:
    """Return that something is as it should be."""
    return Check(check, Status.OK, found)


def warning(check: str, found: str, remedy: str) -> Check:
    """Return that something works and may surprise."""
    return Check(check, Status.WARNING, found, remedy)


def problem(check: str, found: str, remedy: str) -> Check:
    """Return that something keeps runs from working, or puts what is stored at risk."""
    return Check(check, Status.PROBLEM, found, remedy)


def problem_of(check: str, error: FlowkitError) -> Check:
    """Return a problem in the words of the error that commands would give."""
    facts = "; ".join(f"{label} {value}" for label, value in error.facts)
    return problem(check, f"{error.message} ({facts})" if facts else error.message, error.hint)


def isolated(check: str, examine: Callable[[], Check]) -> Check:
    """Return what `examine` finds; what it raises is a problem, and no other check hears of it."""
    try:
        return examine()
    except FlowkitError as error:
        return problem_of(check, error)
    except OSError as error:
        where = f" ({error.filename})" if error.filename else ""
        return problem(check, f"{error.strerror or error}{where}", "let this user read and write there.")
    except Exception as error:  # noqa: BLE001  (told as this check's result; the others go on)
        return problem(check, f"{type(error).__name__}: {error}", _BUG)


class CheckupReport(Struct, frozen=True):
    """All that was found, in the order in which it was looked at.

    Attributes:
        store: The store's folder, whether it is there or not; None where the settings do not tell.
        checks: Each with whether it concerns the store, its workers or its remote.
    """

    store: str | None
    checks: Sequence[tuple[Check, bool]]

    @property
    def exit_code(self) -> int:
        """4 where the store or its workers have a problem, else 2 where installation or settings have one, else 0."""
        problems = [of_store for check, of_store in self.checks if check.status is Status.PROBLEM]
        if any(problems):
            return StoreError.exit_code
        return UsageError.exit_code if problems else 0

    def count(self, status: Status) -> int:
        """Return how many checks ended so."""
        return sum(check.status is status for check, _ in self.checks)

    def to_json(self) -> dict[str, Any]:
        """Return the object that `doctor --json` prints."""
        return {
            "format": JSON_FORMAT,
            "store": self.store,
            "checks": [
                {
                    "check": check.check,
                    "status": check.status.value,
                    "found": check.found,
                    "remedy": check.remedy or None,
                }
                for check, _ in self.checks
            ],
        }
